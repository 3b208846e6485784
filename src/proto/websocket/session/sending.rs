//! In which order frames may be sent (RFC 6455 §5.4, §5.5.1).

use std::error::Error;
use std::fmt;

use super::super::frame::{CONTROL_BYTES_MAX, OpCode};
use super::event::MessageKind;

/// What was sent so far, as far as it matters for what may be sent next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Sending {
    /// Between two messages.
    #[default]
    Idle,
    /// Inside a fragmented message of this kind.
    Message(MessageKind),
    /// A close frame was sent: it is the last one (§5.5.1).
    Closed,
}

/// Why a frame can't be sent now. Nothing was appended to the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendError {
    /// A close frame was sent already; nothing may follow it.
    Closed,
    /// A fragmented message is still to be finished, and it has another kind, or this would begin
    /// a new one.
    UnfinishedMessage,
    /// The payload of a ping or pong is over 125 bytes.
    ControlTooLong,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "a close frame was sent; nothing may follow it",
            Self::UnfinishedMessage => "the last message is not finished",
            Self::ControlTooLong => "a control frame carries at most 125 bytes",
        })
    }
}

impl Error for SendError {}

impl Sending {
    /// The opcode of the next piece of a message, which ends with the `last` one.
    pub(super) fn on_fragment(
        &mut self,
        kind: MessageKind,
        last: bool,
    ) -> Result<OpCode, SendError> {
        let opcode = match *self {
            Self::Idle => kind.opcode(),
            Self::Message(begun) if begun == kind => OpCode::Continuation,
            Self::Message(_) => return Err(SendError::UnfinishedMessage),
            Self::Closed => return Err(SendError::Closed),
        };
        *self = if last {
            Self::Idle
        } else {
            Self::Message(kind)
        };
        Ok(opcode)
    }

    /// Whether a whole message may be sent now.
    pub(super) fn check_message(self) -> Result<(), SendError> {
        match self {
            Self::Idle => Ok(()),
            Self::Message(_) => Err(SendError::UnfinishedMessage),
            Self::Closed => Err(SendError::Closed),
        }
    }

    /// Whether a control frame of this many bytes may be sent now.
    pub(super) fn check_control(self, payload_bytes: usize) -> Result<(), SendError> {
        if self == Self::Closed {
            return Err(SendError::Closed);
        }
        if payload_bytes > CONTROL_BYTES_MAX {
            return Err(SendError::ControlTooLong);
        }
        Ok(())
    }
}
