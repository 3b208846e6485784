//! How messages are encoded for their readers, and where one of them ends.

use crate::proto::deflate::Window;
use crate::proto::{FrameHeader, event_stream};

/// How messages are encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::relay) enum Encoding {
    /// As they are.
    Plain,
    /// Compressed where that makes them smaller, with the smallest window.
    Deflate9,
    /// The same with the largest window.
    Deflate15,
    /// As server-sent events.
    Events,
}

/// Number of encodings.
pub(super) const ENCODINGS: usize = 4;

/// All but the plain one, in their order.
pub(super) const NOT_PLAIN: [Encoding; ENCODINGS - 1] =
    [Encoding::Deflate9, Encoding::Deflate15, Encoding::Events];

impl Encoding {
    /// What a reader gets that agreed on this window.
    pub(in crate::relay) fn deflate(window: Window) -> Self {
        match window {
            Window::Bits9 => Self::Deflate9,
            Window::Bits15 => Self::Deflate15,
        }
    }

    /// Size of the unit that begins here, as it was encoded: a frame or an event, in which nothing else may enter.
    pub(super) fn unit_bytes(self, bytes: &[u8]) -> usize {
        let unit_bytes = match self {
            Self::Plain | Self::Deflate9 | Self::Deflate15 => match FrameHeader::decode(bytes) {
                Ok(Some((header, header_bytes))) => {
                    Some(header_bytes + header.payload_bytes as usize)
                }
                _ => None,
            },
            Self::Events => event_stream::event_bytes(bytes),
        };
        unit_bytes.unwrap_or_else(|| unreachable!("a log holds whole units of ours"))
    }

    /// Of so many bytes, how many may come of publishers so that no more of them become of it.
    pub(super) fn taken_bytes(self, free_bytes: usize) -> usize {
        match self {
            Self::Plain | Self::Deflate9 | Self::Deflate15 => free_bytes,
            Self::Events => free_bytes / event_stream::GROWTH_MAX,
        }
    }

    /// The window that messages are compressed with, if they are.
    pub(super) fn window(self) -> Option<Window> {
        match self {
            Self::Plain | Self::Events => None,
            Self::Deflate9 => Some(Window::Bits9),
            Self::Deflate15 => Some(Window::Bits15),
        }
    }
}
