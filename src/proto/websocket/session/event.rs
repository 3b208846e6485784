//! What a session yields.

use super::super::close::CloseFrame;
use super::super::frame::OpCode;

/// What one call of [`Session::receive`](super::Session::receive) did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received<'a> {
    /// Bytes of the input that were consumed. Without an event, that is all of them.
    pub consumed: usize,
    /// What they meant, if that is known yet.
    pub event: Option<Event<'a>>,
}

/// What the peer said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A message, or the next piece of one.
    Fragment(Fragment<'a>),
    /// The peer wants a pong with this payload, of at most 125 bytes.
    Ping(&'a [u8]),
    /// The peer is alive. The payload, of at most 125 bytes, is that of a ping, or the pong is unsolicited.
    Pong(&'a [u8]),
    /// The peer sends nothing more, and expects a close frame in return unless one was sent.
    Close(Option<CloseFrame<'a>>),
}

/// A piece of a message, as it came.
///
/// Of each message exactly one piece is `first` and exactly one is `last`; a message that came
/// whole is both at once. Pieces are not empty, except for a last one that has nothing to add.
/// A piece of text may end inside a character; all that came so far is the start of valid text.
/// That does not hold if it is compressed: then it has to be checked once it is inflated, as in
/// [`Inflater::open`](super::super::deflate::Inflater::open).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment<'a> {
    /// Whether the message is text or binary; the same for all of its pieces.
    pub kind: MessageKind,
    /// Whether the message is compressed; the same for all of its pieces.
    pub compressed: bool,
    /// Whether the message begins here.
    pub first: bool,
    /// Whether the message ends here.
    pub last: bool,
    /// The bytes, unmasked.
    pub payload: &'a [u8],
}

/// The two kinds of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MessageKind {
    /// Text, which is UTF-8.
    Text,
    /// Any bytes.
    Binary,
}

impl MessageKind {
    /// The opcode of the frame that begins such a message.
    pub fn opcode(self) -> OpCode {
        match self {
            Self::Text => OpCode::Text,
            Self::Binary => OpCode::Binary,
        }
    }

    /// The kind of message that a frame of this opcode begins.
    pub(super) fn of(opcode: OpCode) -> Option<Self> {
        match opcode {
            OpCode::Text => Some(Self::Text),
            OpCode::Binary => Some(Self::Binary),
            _ => None,
        }
    }
}
