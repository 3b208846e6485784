//! permessage-deflate's payloads (RFC 7692 §7.2): one message, compressed and inflated on its own.
//!
//! ```text
//!   payload   | blocks of DEFLATE ...        | 00       a message on the wire
//!   tail                                     | 00 00 FF FF    left out there, put back here
//! ```
//!
//! Neither side takes its context over to the next message. So one [`Deflater`] serves all
//! messages and all readers, and one [`Inflater`] all connections; both own their memory for good,
//! some hundred kilobytes, and the connections own none.
//!
//! What is inflated is bounded while it is inflated: a few bytes that stand for a gigabyte cost no
//! more memory than the limit, and no more time than it takes to fill that.

use super::error::ProtocolError;
use super::message::Message;
use super::session::MessageKind;
use super::utf8;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

/// How the bytes of a message end that was flushed. They are the same each time, so that they are
/// left out (§7.2.1).
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// A final block that holds nothing: it ends a stream that stands between two blocks, and none that
/// was cut anywhere else.
const FINAL: [u8; 2] = [0x03, 0x00];

/// A buffer of more bytes is given back by `release`.
const BYTES_AT_REST_MAX: usize = 64 * 1024;

/// How much longer than its compressed bytes a message is expected to be. If it is more, the buffer
/// grows as it fills.
const EXPECTED_RATIO: usize = 4;

/// The LZ77 windows that are compressed with: the largest one, and the smallest.
///
/// A server has to keep to the window that a client asks for or to a smaller one (§7.1.2.1). With
/// two of them, a message is compressed twice at most, whatever clients ask for. One of 8 bits is
/// not to be had, for zlib knows no raw stream with such a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Window {
    /// 512 bytes.
    Bits9,
    /// 32 KiB.
    Bits15,
}

impl Window {
    /// The largest window of at most so many bits, if there is one.
    ///
    /// ```
    /// use fanfare::proto::deflate::Window;
    ///
    /// assert_eq!(Window::at_most(15), Some(Window::Bits15));
    /// assert_eq!(Window::at_most(14), Some(Window::Bits9));
    /// assert_eq!(Window::at_most(8), None);
    /// ```
    pub fn at_most(bits: u8) -> Option<Self> {
        match bits {
            0..=8 => None,
            9..=14 => Some(Self::Bits9),
            15.. => Some(Self::Bits15),
        }
    }

    /// The base-2 logarithm of its size.
    pub fn bits(self) -> u8 {
        match self {
            Self::Bits9 => 9,
            Self::Bits15 => 15,
        }
    }
}

/// What a compressed message may take beside its bytes: headers of blocks, and the flush.
const SPARE_BYTES: usize = 64;

/// Compresses messages.
#[derive(Debug)]
pub struct Deflater {
    compress: Compress,
    window: Window,
    level: Compression,
    buffer: Vec<u8>,
}

impl Deflater {
    /// A compressor with this window and level: 1, the fastest, to 9.
    pub fn new(window: Window, level: u8) -> Self {
        let level = Compression::new(u32::from(level.clamp(1, 9)));
        Self {
            compress: Compress::new_with_window_bits(level, false, window.bits()),
            window,
            level,
            buffer: Vec::new(),
        }
    }

    /// Compresses the payload of a message, if that makes it smaller.
    ///
    /// ```
    /// use fanfare::proto::deflate::{Deflater, Inflater, Window};
    ///
    /// let mut deflater = Deflater::new(Window::Bits15, 6);
    /// let compressed = deflater.deflate(b"fan fan fan fan fanfare").expect("it repeats itself");
    /// let mut inflater = Inflater::default();
    /// assert_eq!(inflater.inflate(compressed, 1024)?, b"fan fan fan fan fanfare");
    ///
    /// assert!(deflater.deflate(b"unlike").is_none());
    /// # Ok::<(), fanfare::proto::ProtocolError>(())
    /// ```
    pub fn deflate(&mut self, payload: &[u8]) -> Option<&[u8]> {
        self.compress.reset();
        self.buffer.clear();
        // Fixed codes take nine bits at most for each byte: there is room for all of it even if it
        // grows, though it is of no use then.
        self.buffer
            .reserve_exact(payload.len() + payload.len() / 8 + SPARE_BYTES);
        let flushed = self
            .compress
            .compress_vec(payload, &mut self.buffer, FlushCompress::Sync);
        if flushed.is_err() || self.buffer.len() == self.buffer.capacity() {
            // What it still holds back must not be there at the next message: zlib-rs (0.6.8) counts
            // it as pending beyond a reset, and panics once there is too much of it.
            self.compress = Compress::new_with_window_bits(self.level, false, self.window.bits());
            return None;
        }
        let compressed = self.buffer.strip_suffix(&TAIL)?;
        (compressed.len() < payload.len()).then_some(compressed)
    }

    /// Gives back the buffer of a large message.
    pub fn release(&mut self) {
        release(&mut self.buffer);
    }
}

/// Inflates messages, whatever window they were compressed with.
#[derive(Debug)]
pub struct Inflater {
    decompress: Decompress,
    buffer: Vec<u8>,
}

impl Default for Inflater {
    fn default() -> Self {
        Self {
            decompress: Decompress::new(false),
            buffer: Vec::new(),
        }
    }
}

impl Inflater {
    /// The message as its sender meant it: inflated if it is compressed, and checked for UTF-8 if it
    /// is a compressed text, which a session can't do. `bytes_max` bounds its payload then.
    pub fn open<'a>(
        &'a mut self,
        message: Message<'a>,
        bytes_max: usize,
    ) -> Result<Message<'a>, ProtocolError> {
        if !message.compressed {
            return Ok(message);
        }
        let kind = message.kind;
        let payload = self.inflate(message.payload, bytes_max)?;
        if kind == MessageKind::Text && !utf8::is_valid(payload) {
            return Err(ProtocolError::TextNotUtf8);
        }
        Ok(Message {
            kind,
            compressed: false,
            payload,
        })
    }

    /// Inflates the payload of a message to at most `bytes_max` bytes.
    ///
    /// A final block may stand anywhere (§7.2.3.5), and what follows it begins a new stream. Looser
    /// than the RFC: a message may end with it, without the octet that a sender has to append; and
    /// no bytes at all are an empty message.
    pub fn inflate(&mut self, compressed: &[u8], bytes_max: usize) -> Result<&[u8], ProtocolError> {
        self.decompress.reset(false);
        self.buffer.clear();
        if compressed.is_empty() {
            return Ok(&[]);
        }
        let expected = compressed.len().saturating_mul(EXPECTED_RATIO);
        self.grow_to(expected, bytes_max);
        let is_ended = self.feed(compressed, bytes_max)?;
        if !is_ended && (self.feed(&TAIL, bytes_max)? || !self.feed(&FINAL, bytes_max)?) {
            return Err(ProtocolError::CompressedDataInvalid);
        }
        Ok(&self.buffer)
    }

    /// Gives back the buffer of a large message.
    pub fn release(&mut self) {
        release(&mut self.buffer);
    }

    /// Inflates the next bytes of a message; whether they ended a stream with the last of them.
    fn feed(&mut self, mut input: &[u8], bytes_max: usize) -> Result<bool, ProtocolError> {
        loop {
            let before = self.decompress.total_in();
            let status = self
                .decompress
                .decompress_vec(input, &mut self.buffer, FlushDecompress::None)
                .map_err(|_| ProtocolError::CompressedDataInvalid)?;
            input = &input[(self.decompress.total_in() - before) as usize..];
            if self.buffer.len() > bytes_max {
                return Err(ProtocolError::MessageTooBig);
            }
            if status == Status::StreamEnd {
                self.decompress.reset(false);
                if input.is_empty() {
                    return Ok(true);
                }
            } else if self.buffer.len() == self.buffer.capacity() {
                self.grow_to(2 * self.buffer.len(), bytes_max);
            } else if input.is_empty() {
                return Ok(false);
            } else {
                // With room left, all of the input is taken; otherwise this would go on for ever.
                return Err(ProtocolError::CompressedDataInvalid);
            }
        }
    }

    /// Makes room for so many bytes, within the limit; there is always room for one byte more than
    /// that, which shows that it is exceeded.
    fn grow_to(&mut self, bytes: usize, bytes_max: usize) {
        let capacity = bytes.min(bytes_max) + 1;
        self.buffer.reserve_exact(capacity - self.buffer.len());
    }
}

fn release(buffer: &mut Vec<u8>) {
    if buffer.capacity() > BYTES_AT_REST_MAX {
        *buffer = Vec::new();
    }
}

#[cfg(test)]
mod tests;
