//! How messages are encoded for their readers, and where one of them ends.

use crate::proto::FrameHeader;
use crate::proto::deflate::Window;

/// How messages are encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::relay) enum Encoding {
    /// As they are.
    Plain,
    /// Compressed where that makes them smaller, with the smallest window.
    Deflate9,
    /// The same with the largest window.
    Deflate15,
}

/// Number of encodings.
pub(super) const ENCODINGS: usize = 3;

/// Those that are compressed, in their order.
pub(super) const COMPRESSED: [Encoding; ENCODINGS - 1] = [Encoding::Deflate9, Encoding::Deflate15];

impl Encoding {
    /// What a reader gets that agreed on this window.
    pub(in crate::relay) fn deflate(window: Window) -> Self {
        match window {
            Window::Bits9 => Self::Deflate9,
            Window::Bits15 => Self::Deflate15,
        }
    }

    /// Size of the unit that begins here, as it was encoded: a frame, in which nothing else may enter.
    pub(super) fn unit_bytes(self, bytes: &[u8]) -> usize {
        match self {
            Self::Plain | Self::Deflate9 | Self::Deflate15 => match FrameHeader::decode(bytes) {
                Ok(Some((header, header_bytes))) => header_bytes + header.payload_bytes as usize,
                _ => unreachable!("the log holds whole frames of ours"),
            },
        }
    }

    /// The window that messages are compressed with, if they are.
    pub(super) fn window(self) -> Option<Window> {
        match self {
            Self::Plain => None,
            Self::Deflate9 => Some(Window::Bits9),
            Self::Deflate15 => Some(Window::Bits15),
        }
    }
}
