//! Frame headers, decoded and encoded (RFC 6455 §5.2).
//!
//! ```text
//!  0                   1
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5
//! +-+-+-+-+-------+-+-------------+----------------+-----------+
//! |F|R|R|R| opcode|M| length      | more length    | masking   |
//! |I|S|S|S|       |A| 0..=125     | 126: 2 bytes   | key: 4    |
//! |N|V|V|V|       |S| 126 or 127  | 127: 8 bytes   | bytes if  |
//! | |1|2|3|       |K|             |                | MASK      |
//! +-+-+-+-+-------+-+-------------+----------------+-----------+
//! ```
//!
//! This module knows what one header may say on its own. Which side has to mask, which frame may follow
//! which, and whether compression was agreed on, the [session](super::session) knows.

use std::fmt;
use std::ops::Deref;

use super::error::ProtocolError;

/// The most bytes a header can have: two, eight of length, four of masking key.
pub const HEADER_BYTES_MAX: usize = 14;

/// The most payload bytes of a control frame (§5.5).
pub const CONTROL_BYTES_MAX: usize = 125;

const FIN: u8 = 0x80;
const RESERVED: u8 = 0x70;
/// RSV1, which permessage-deflate gave a meaning (RFC 7692 §6).
const COMPRESSED: u8 = 0x40;
const OPCODE: u8 = 0x0f;
const MASK: u8 = 0x80;
const LENGTH: u8 = 0x7f;
/// In place of a length: the next two bytes hold it.
const LENGTH_16: u8 = 126;
/// In place of a length: the next eight bytes hold it.
const LENGTH_64: u8 = 127;

/// What a frame is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum OpCode {
    /// One more fragment of the message that a text or binary frame began.
    Continuation = 0x0,
    /// A text message, or its first fragment.
    Text = 0x1,
    /// A binary message, or its first fragment.
    Binary = 0x2,
    /// Starts or answers the closing handshake.
    Close = 0x8,
    /// Asks for a pong of the same payload.
    Ping = 0x9,
    /// Answers a ping, or tells unasked that the sender is alive.
    Pong = 0xa,
}

impl OpCode {
    /// Control frames may come between the fragments of a message, and are never fragmented.
    pub fn is_control(self) -> bool {
        self as u8 & 0x8 != 0
    }
}

/// The header of one frame.
///
/// ```
/// use fanfare::proto::{FrameHeader, OpCode};
///
/// let header = FrameHeader {
///     fin: true,
///     compressed: false,
///     opcode: OpCode::Text,
///     mask: None,
///     payload_bytes: 300,
/// };
/// assert_eq!(&header.encode()[..], b"\x81\x7e\x01\x2c");
/// assert_eq!(FrameHeader::decode(b"\x81\x7e\x01\x2c..."), Ok(Some((header, 4))));
/// assert_eq!(FrameHeader::decode(b"\x81\x7e\x01"), Ok(None)); // more bytes are needed
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// Whether this frame ends its message.
    pub fin: bool,
    /// RSV1: this frame begins a message whose payload is compressed (RFC 7692 §6). Only a text or
    /// binary frame may say so.
    pub compressed: bool,
    /// What the frame is for.
    pub opcode: OpCode,
    /// The key that the payload is masked with; frames from a server have none.
    pub mask: Option<[u8; 4]>,
    /// How long the payload is that follows the header; less than 2⁶³.
    pub payload_bytes: u64,
}

impl FrameHeader {
    /// Reads a header off the start of `bytes`, and tells how long it is. None means that it is
    /// not whole yet. An error comes with the first byte that is wrong, not only once the header
    /// is whole.
    #[inline]
    pub fn decode(bytes: &[u8]) -> Result<Option<(Self, usize)>, ProtocolError> {
        let Some((&first, bytes_after)) = bytes.split_first() else {
            return Ok(None);
        };
        let First {
            fin,
            compressed,
            opcode,
        } = First::decode(first)?;
        let Some((&second, extended)) = bytes_after.split_first() else {
            return Ok(None);
        };
        let length = second & LENGTH;
        if opcode.is_control() && length > CONTROL_BYTES_MAX as u8 {
            return Err(ProtocolError::ControlTooLong);
        }
        let (payload_bytes, length_end) = match length {
            LENGTH_16 => match decode_length_16(extended)? {
                Some(payload_bytes) => (payload_bytes, 4),
                None => return Ok(None),
            },
            LENGTH_64 => match decode_length_64(extended)? {
                Some(payload_bytes) => (payload_bytes, 10),
                None => return Ok(None),
            },
            length => (u64::from(length), 2),
        };
        let (mask, header_bytes) = if second & MASK == 0 {
            (None, length_end)
        } else {
            match bytes[length_end..].first_chunk() {
                Some(key) => (Some(*key), length_end + 4),
                None => return Ok(None),
            }
        };
        let header = Self {
            fin,
            compressed,
            opcode,
            mask,
            payload_bytes,
        };
        Ok(Some((header, header_bytes)))
    }

    /// The bytes of this header, the length in its shortest form.
    #[inline]
    pub fn encode(&self) -> EncodedFrameHeader {
        debug_assert!(self.payload_bytes < 1 << 63);
        debug_assert!(!self.compressed || begins_message(self.opcode));
        debug_assert!(
            !self.opcode.is_control()
                || (self.fin && self.payload_bytes <= CONTROL_BYTES_MAX as u64)
        );
        let mut bytes = [0; HEADER_BYTES_MAX];
        bytes[0] = self.opcode as u8
            | if self.fin { FIN } else { 0 }
            | if self.compressed { COMPRESSED } else { 0 };
        let mut len = match self.payload_bytes {
            0..=125 => {
                bytes[1] = self.payload_bytes as u8;
                2
            }
            126..=0xffff => {
                bytes[1] = LENGTH_16;
                bytes[2..4].copy_from_slice(&(self.payload_bytes as u16).to_be_bytes());
                4
            }
            _ => {
                bytes[1] = LENGTH_64;
                bytes[2..10].copy_from_slice(&self.payload_bytes.to_be_bytes());
                10
            }
        };
        if let Some(key) = self.mask {
            bytes[1] |= MASK;
            bytes[len..len + 4].copy_from_slice(&key);
            len += 4;
        }
        EncodedFrameHeader {
            bytes,
            len: len as u8,
        }
    }
}

/// Whether a reserved bit is set in the first byte of a header.
#[inline]
pub(super) fn has_reserved(first: u8) -> bool {
    first & RESERVED != 0
}

/// What the first byte of a header says.
pub(super) struct First {
    pub(super) fin: bool,
    pub(super) compressed: bool,
    pub(super) opcode: OpCode,
}

impl First {
    #[inline]
    pub(super) fn decode(first: u8) -> Result<Self, ProtocolError> {
        let compressed = first & RESERVED == COMPRESSED;
        if has_reserved(first) && !compressed {
            return Err(ProtocolError::ReservedBit);
        }
        let opcode = match first & OPCODE {
            0x0 => OpCode::Continuation,
            0x1 => OpCode::Text,
            0x2 => OpCode::Binary,
            0x8 => OpCode::Close,
            0x9 => OpCode::Ping,
            0xa => OpCode::Pong,
            _ => return Err(ProtocolError::ReservedOpCode),
        };
        if compressed && !begins_message(opcode) {
            return Err(ProtocolError::ReservedBit);
        }
        let fin = first & FIN != 0;
        if opcode.is_control() && !fin {
            return Err(ProtocolError::FragmentedControl);
        }
        Ok(Self {
            fin,
            compressed,
            opcode,
        })
    }
}

fn begins_message(opcode: OpCode) -> bool {
    matches!(opcode, OpCode::Text | OpCode::Binary)
}

/// Whether the second byte of a header announces a masking key.
#[inline]
pub(super) fn is_masked(second: u8) -> bool {
    second & MASK != 0
}

fn decode_length_16(bytes: &[u8]) -> Result<Option<u64>, ProtocolError> {
    match bytes {
        [0, 0..=125, ..] => Err(ProtocolError::LengthNotMinimal),
        [high, low, ..] => Ok(Some(u64::from(u16::from_be_bytes([*high, *low])))),
        _ => Ok(None),
    }
}

fn decode_length_64(bytes: &[u8]) -> Result<Option<u64>, ProtocolError> {
    match bytes {
        [0x80..=0xff, ..] => Err(ProtocolError::LengthTopBit),
        [0, 0, 0, 0, 0, 0, ..] => Err(ProtocolError::LengthNotMinimal),
        _ => Ok(bytes
            .first_chunk()
            .map(|length| u64::from_be_bytes(*length))),
    }
}

/// An encoded header: a slice of bytes that needs no heap.
#[derive(Clone, Copy)]
pub struct EncodedFrameHeader {
    bytes: [u8; HEADER_BYTES_MAX],
    /// 2 ≤ `len` ≤ 14
    len: u8,
}

impl Deref for EncodedFrameHeader {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl fmt::Debug for EncodedFrameHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.deref().fmt(f)
    }
}

#[cfg(test)]
mod tests;
