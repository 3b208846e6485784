//! permessage-deflate's payloads (RFC 7692 §7.2): one message, compressed and inflated on its own.
//!
//! ```text
//!   payload   | blocks of DEFLATE ...        | 00       a message on the wire
//!   tail                                     | 00 00 FF FF    left out there, put back here
//! ```
//!
//! Neither side takes its context over to the next message. So one [`Deflater`] serves all messages and
//! all readers, and one [`Inflater`] all connections. Both keep their memory, some hundred kilobytes, and
//! connections have none.
//!
//! The output is bounded while it grows: a few bytes that inflate to a gigabyte cost no more memory than
//! the limit, and no more time than it takes to fill that. Conversely, a message may consist of blocks
//! that inflate to nothing, each with tables of codes to be built: a megabyte of them takes a tenth of a
//! second. So a message can be inflated in steps, whose *work* counts its bytes and its blocks.

use super::error::ProtocolError;
use super::message::Message;
use super::session::MessageKind;
use super::utf8;
use flate2::{Compress, Compression, FlushCompress};
use std::fmt;
use zlib_rs::{Inflate, InflateFlush, Status};

/// The last bytes of every flushed message. Being always the same, they are left out (§7.2.1).
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// An empty final block: it ends a stream that is between two blocks, and none that was cut anywhere
/// else.
const FINAL: [u8; 2] = [0x03, 0x00];

/// A buffer of more bytes is given back by `release`.
const BYTES_AT_REST_MAX: usize = 64 * 1024;

/// How many times longer than its compressed bytes a message is expected to be. If it is longer, the
/// buffer grows as it fills.
const EXPECTED_RATIO: usize = 4;

/// What a block counts as, in bytes of work. Tables of codes take 2 to 4.4 µs, as long as inflating some
/// 1 KiB with the most unfavourable codes, at 3 to 4.5 ns a byte. Blocks without tables take 20 to 45 ns,
/// and count the same: an honest message has one in many kilobytes.
pub const BLOCK_WORK: usize = 1024;

/// Bytes that a step may always inflate: smaller steps would cost more than they are worth.
const STEP_BYTES_MIN: usize = 4096;

/// What zlib keeps for a message: a window of 32 KiB and tables of codes.
const STATE_BYTES: usize = 48 * 1024;

/// The LZ77 windows that messages are compressed with: the largest one, and the smallest.
///
/// A server has to keep to the window that a client asks for or to a smaller one (§7.1.2.1). With
/// two of them, a message is compressed twice at most, whatever clients ask for. One of 8 bits is
/// not offered, since zlib has no raw streams with such a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Window {
    /// 512 bytes.
    Bits9,
    /// 32 KiB.
    Bits15,
}

impl Window {
    /// The largest window of at most this many bits, if there is one.
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

/// What a compressed message may take besides its bytes: headers of blocks, and the flush.
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
        // Fixed codes take at most nine bits for each byte: there is space for the output even if it
        // grows, though it is not used then.
        self.buffer
            .reserve_exact(payload.len() + payload.len() / 8 + SPARE_BYTES);
        let flushed = self
            .compress
            .compress_vec(payload, &mut self.buffer, FlushCompress::Sync);
        if flushed.is_err() || self.buffer.len() == self.buffer.capacity() {
            // What it still holds back must not remain for the next message: zlib-rs (0.6.8) counts it as
            // pending beyond a reset, and panics once there is too much of it.
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

/// Inflates messages, compressed with any window.
pub struct Inflater {
    state: Inflate,
    /// Its first `filled` bytes are what was inflated of the message.
    buffer: Vec<u8>,
    filled: usize,
    /// Compressed bytes of the message that were taken.
    taken: usize,
    /// Blocks of the message so far, and pieces of some.
    blocks: usize,
}

/// How far a step has got with its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reached {
    /// There may be more to inflate.
    Midway,
    /// The end of the input, and everything in it is inflated.
    End,
    /// The end of a stream: what follows begins a new one.
    StreamEnd,
}

impl Default for Inflater {
    fn default() -> Self {
        Self {
            state: Inflate::new(false, Window::Bits15.bits()),
            buffer: Vec::new(),
            filled: 0,
            taken: 0,
            blocks: 0,
        }
    }
}

impl fmt::Debug for Inflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inflater")
            .field("taken", &self.taken)
            .field("filled", &self.filled)
            .field("blocks", &self.blocks)
            .finish_non_exhaustive()
    }
}

impl Inflater {
    /// The message as its sender wrote it: inflated if it is compressed, and checked for UTF-8 if it is
    /// compressed text, which a session can't do. `bytes_max` bounds its payload then.
    pub fn open<'a>(
        &'a mut self,
        message: Message<'a>,
        bytes_max: usize,
    ) -> Result<Message<'a>, ProtocolError> {
        if !message.compressed {
            return Ok(message);
        }
        self.inflate(message.payload, bytes_max)?;
        self.message(message.kind)
    }

    /// Inflates the payload of a message to at most `bytes_max` bytes.
    ///
    /// A final block may stand anywhere (§7.2.3.5), and what follows it begins a new stream. Looser
    /// than the RFC: a message may end with it, without the octet that a sender has to append; and
    /// no bytes at all are an empty message.
    pub fn inflate(&mut self, compressed: &[u8], bytes_max: usize) -> Result<&[u8], ProtocolError> {
        self.begin(compressed.len(), bytes_max);
        while !self.advance(compressed, bytes_max, usize::MAX)? {}
        Ok(&self.buffer[..self.filled])
    }

    /// Begins a message of `compressed_bytes`, to be inflated in steps.
    ///
    /// ```
    /// use fanfare::proto::MessageKind;
    /// use fanfare::proto::deflate::Inflater;
    ///
    /// let compressed = b"\xf2\x48\xcd\xc9\xc9\x07\x00";
    /// let mut inflater = Inflater::default();
    /// inflater.begin(compressed.len(), 1024);
    /// while !inflater.advance(compressed, 1024, 1)? {
    ///     // Others can be served here.
    /// }
    /// assert_eq!(inflater.message(MessageKind::Text)?.payload, b"Hello");
    /// # Ok::<(), fanfare::proto::ProtocolError>(())
    /// ```
    pub fn begin(&mut self, compressed_bytes: usize, bytes_max: usize) {
        self.state.reset(false);
        (self.filled, self.taken, self.blocks) = (0, 0, 0);
        let expected = compressed_bytes.saturating_mul(EXPECTED_RATIO);
        self.grow_to(expected, bytes_max);
    }

    /// Inflates more of the message, until `work_max` of [`work`](Self::work) is done, or a block more.
    /// `compressed` is the whole message each time. True once all of it is inflated.
    pub fn advance(
        &mut self,
        compressed: &[u8],
        bytes_max: usize,
        work_max: usize,
    ) -> Result<bool, ProtocolError> {
        let goal = self.work().saturating_add(work_max);
        while !compressed.is_empty() {
            let space = goal.saturating_sub(self.work()).max(STEP_BYTES_MIN);
            let (taken, reached) = self.feed(&compressed[self.taken..], space, bytes_max)?;
            self.taken += taken;
            match reached {
                Reached::StreamEnd if self.taken == compressed.len() => break,
                Reached::End => {
                    self.end(bytes_max)?;
                    break;
                }
                _ if self.work() >= goal => return Ok(false),
                _ => {}
            }
        }
        Ok(true)
    }

    /// What the message has cost so far, in bytes: the larger of its two sizes, and
    /// [`BLOCK_WORK`] for each block.
    pub fn work(&self) -> usize {
        self.taken.max(self.filled) + self.blocks * BLOCK_WORK
    }

    /// The message, once all of it is inflated. A text is checked for UTF-8 here.
    pub fn message(&self, kind: MessageKind) -> Result<Message<'_>, ProtocolError> {
        let payload = &self.buffer[..self.filled];
        if kind == MessageKind::Text && !utf8::is_valid(payload) {
            return Err(ProtocolError::TextNotUtf8);
        }
        Ok(Message {
            kind,
            compressed: false,
            payload,
        })
    }

    /// The bytes of heap in use.
    pub fn heap_bytes(&self) -> usize {
        STATE_BYTES + self.buffer.capacity()
    }

    /// Gives back the buffer of a large message.
    pub fn release(&mut self) {
        release(&mut self.buffer);
        self.filled = 0;
    }

    /// Puts back what the sender left out, and checks that the stream ends with it.
    fn end(&mut self, bytes_max: usize) -> Result<(), ProtocolError> {
        match self.feed_all(&TAIL, bytes_max)? || !self.feed_all(&FINAL, bytes_max)? {
            false => Ok(()),
            true => Err(ProtocolError::CompressedDataInvalid),
        }
    }

    /// Inflates a few bytes; whether they ended a stream with the last of them.
    fn feed_all(&mut self, mut input: &[u8], bytes_max: usize) -> Result<bool, ProtocolError> {
        loop {
            let (taken, reached) = self.feed(input, STEP_BYTES_MIN, bytes_max)?;
            input = &input[taken..];
            match reached {
                Reached::StreamEnd if input.is_empty() => return Ok(true),
                Reached::End => return Ok(false),
                _ => {}
            }
        }
    }

    /// Inflates up to the end of a block, of the input, or of the space for this many bytes more. Returns
    /// how many bytes that took of the input.
    fn feed(
        &mut self,
        input: &[u8],
        space: usize,
        bytes_max: usize,
    ) -> Result<(usize, Reached), ProtocolError> {
        if self.filled == self.buffer.capacity() {
            self.grow_to(2 * self.filled, bytes_max);
        }
        let capacity = self.buffer.capacity().min(bytes_max.saturating_add(1));
        let end = capacity.min(self.filled.saturating_add(space));
        if self.buffer.len() < end {
            self.buffer.resize(end, 0);
        }
        let before = (self.state.total_in(), self.state.total_out());
        let space = &mut self.buffer[self.filled..end];
        let status = self.state.decompress(input, space, InflateFlush::Block);
        let taken = (self.state.total_in() - before.0) as usize;
        let made = (self.state.total_out() - before.1) as usize;
        self.filled += made;
        if self.filled > bytes_max {
            return Err(ProtocolError::MessageTooBig);
        }
        let reached = match status {
            Ok(Status::StreamEnd) => {
                self.state.reset(false);
                Reached::StreamEnd
            }
            // Even if no input is left: zlib stops before it checks whether the block was the last one.
            Ok(_) if taken + made > 0 => {
                self.blocks += 1;
                Reached::Midway
            }
            Ok(_) if input.is_empty() => Reached::End,
            // With space left, some of the input must have been taken; otherwise this would never end.
            // Faulty input has cost work, too.
            Ok(_) | Err(_) => {
                self.blocks += 1;
                return Err(ProtocolError::CompressedDataInvalid);
            }
        };
        Ok((taken, reached))
    }

    /// Makes space for this many bytes, within the limit; there is always space for one byte more than
    /// that, which shows that it is exceeded.
    fn grow_to(&mut self, bytes: usize, bytes_max: usize) {
        let capacity = bytes.min(bytes_max).saturating_add(1);
        let more = capacity.saturating_sub(self.buffer.len());
        self.buffer.reserve_exact(more);
    }
}

fn release(buffer: &mut Vec<u8>) {
    if buffer.capacity() > BYTES_AT_REST_MAX {
        *buffer = Vec::new();
    }
}

#[cfg(test)]
mod tests;
