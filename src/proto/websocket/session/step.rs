//! What one step of receiving finds, and the rules that depend on the opening handshake.

use std::ops::Range;

use super::super::error::ProtocolError;
use super::super::frame::{self, First, OpCode};
use super::event::MessageKind;
use super::role::Role;

/// What the opening handshake settled.
#[derive(Clone, Copy, Debug)]
pub(super) struct Negotiated {
    pub(super) role: Role,
    /// Messages may be compressed (RFC 7692).
    pub(super) compression: bool,
}

/// What one step of receiving found, in terms of positions. Events borrow; this doesn't, so that
/// the state can still be changed while it is at hand.
pub(super) struct Step {
    pub(super) consumed: usize,
    pub(super) found: Option<Found>,
}

pub(super) enum Found {
    Data(FragmentHeader, Range<usize>),
    /// A control frame whose payload is at this place of the input.
    Control(OpCode, Range<usize>),
    /// A control frame that was cut: its payload was gathered in `Partial`.
    Gathered(OpCode),
}

/// A [`Fragment`](super::Fragment) without its payload.
pub(super) struct FragmentHeader {
    pub(super) kind: MessageKind,
    pub(super) compressed: bool,
    pub(super) first: bool,
    pub(super) last: bool,
}

impl Negotiated {
    /// Checks what in a header's first two bytes depends on the sender's role and on the message under
    /// way. It goes byte by byte, so that the same error comes out whether the header is whole or cut.
    #[inline]
    pub(super) fn check_start(self, bytes: &[u8], mid_message: bool) -> Result<(), ProtocolError> {
        let Some(&first) = bytes.first() else {
            return Ok(());
        };
        let first = First::decode(first)?;
        if first.compressed && !self.compression {
            return Err(ProtocolError::ReservedBit);
        }
        match first.opcode {
            OpCode::Continuation if !mid_message => {
                return Err(ProtocolError::UnexpectedContinuation);
            }
            OpCode::Text | OpCode::Binary if mid_message => {
                return Err(ProtocolError::UnfinishedMessage);
            }
            _ => {}
        }
        match bytes.get(1).map(|&second| frame::is_masked(second)) {
            Some(false) if self.role == Role::Server => Err(ProtocolError::Unmasked),
            Some(true) if self.role == Role::Client => Err(ProtocolError::Masked),
            _ => Ok(()),
        }
    }
}
