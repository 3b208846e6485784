//! One peer's state machine, in either role: bytes in, events out; messages in, bytes out
//! (RFC 6455 §5 to §7).
//!
//! A session does no I/O. Whoever owns the socket hands the bytes of each read to
//! [`Session::receive`] until they are consumed, and writes what the `send_*` methods append to a
//! buffer. A payload is unmasked in place, in the caller's buffer, and events borrow from there:
//! a message that came whole is yielded without a copy or an allocation.
//!
//! Data comes as *fragments*, the pieces in which it arrived: of a message that is longer than a
//! read, of a frame that was cut. Whoever wants whole messages puts a
//! [`Gather`](super::message::Gather) behind.
//!
//! What has to be remembered while a frame or a message is cut lives in a box that is freed again
//! at rest, so that an idle session is 16 bytes. All work is linear in the bytes that came,
//! whatever the cuts, and nothing is ever allocated because a length was announced.
//!
//! The closing handshake's order is the caller's affair, since it needs a clock: answer a
//! [`Close`](Event::Close) with [`Session::send_close`], and an error with a close frame that
//! carries its [code](ProtocolError::close_code).

use std::ops::Range;

use super::close::CloseFrame;
use super::error::ProtocolError;
use super::frame::{self, First, Header, OpCode, has_reserved};
use super::mask;
use super::utf8;

mod event;
mod partial;
mod send;

pub use event::{Event, Fragment, MessageKind, Received};
pub use send::SendError;

use partial::Partial;
use send::Sending;

/// Which side of the connection a session speaks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Sends unmasked frames and takes masked ones only.
    Server,
    /// Sends masked frames and takes unmasked ones only.
    Client,
}

/// One peer's state: what was received and sent so far, as far as it matters for what may come.
#[derive(Debug)]
pub struct Session {
    /// What is cut: None at rest.
    partial: Option<Box<Partial>>,
    terms: Terms,
    sending: Sending,
    /// A close frame came, or an error: the rest of the input is noise.
    deaf: bool,
}

/// What the opening handshake settled.
#[derive(Clone, Copy, Debug)]
struct Terms {
    role: Role,
    /// Messages may be compressed (RFC 7692).
    compression: bool,
}

/// What one step of receiving found, in terms of positions. Events borrow; this doesn't, so that
/// the state can still be changed while it is at hand.
struct Step {
    consumed: usize,
    found: Option<Found>,
}

enum Found {
    Data(Piece, Range<usize>),
    /// A control frame whose payload is at this place of the input.
    Control(OpCode, Range<usize>),
    /// A control frame that was cut: its payload was gathered in the box.
    Gathered(OpCode),
}

/// A [`Fragment`] without its payload.
struct Piece {
    kind: MessageKind,
    compressed: bool,
    first: bool,
    last: bool,
}

impl Session {
    /// A session just after the opening handshake.
    pub fn new(role: Role) -> Self {
        Self {
            partial: None,
            terms: Terms {
                role,
                compression: false,
            },
            sending: Sending::default(),
            deaf: false,
        }
    }

    /// The same session, where the handshake agreed on permessage-deflate or not.
    pub fn with_compression(mut self, is_agreed: bool) -> Self {
        self.terms.compression = is_agreed;
        self
    }

    /// Which side this session speaks for.
    pub fn role(&self) -> Role {
        self.terms.role
    }

    /// Whether nothing is cut: the last byte that came was the last one of a message or of a
    /// control frame outside of one, or nothing more is heard.
    pub fn is_at_rest(&self) -> bool {
        self.deaf
            || self
                .partial
                .as_ref()
                .is_none_or(|partial| partial.is_at_rest())
    }

    /// Whether a message began whose end may still come.
    pub fn is_mid_message(&self) -> bool {
        !self.deaf
            && self
                .partial
                .as_ref()
                .is_some_and(|partial| partial.message.is_some())
    }

    /// Whether the peer's close frame or an error came: what follows is ignored.
    pub fn is_deaf(&self) -> bool {
        self.deaf
    }

    /// Consumes bytes of `input`, which it unmasks in place, and yields at most one event. Call it
    /// again with the rest until everything is consumed; all of it is when there was no event.
    ///
    /// `message_bytes_max` bounds the sum of a message's payload lengths. A message over it is
    /// refused by the header that says so. A compressed one may be longer by what DEFLATE adds to bytes
    /// that don't shrink: its payload is bounded when it is inflated.
    ///
    /// After a close frame or an error, all input is consumed and ignored.
    #[inline]
    pub fn receive<'a>(
        &'a mut self,
        input: &'a mut [u8],
        message_bytes_max: usize,
    ) -> Result<Received<'a>, ProtocolError> {
        self.release();
        if self.deaf {
            return Ok(Received {
                consumed: input.len(),
                event: None,
            });
        }
        let step = match self.step(input, message_bytes_max) {
            Ok(step) => step,
            Err(error) => {
                self.deaf = true;
                self.partial = None;
                return Err(error);
            }
        };
        let event = match step.found {
            None => None,
            Some(Found::Data(piece, payload)) => Some(Event::Fragment(Fragment {
                kind: piece.kind,
                compressed: piece.compressed,
                first: piece.first,
                last: piece.last,
                payload: &input[payload],
            })),
            Some(Found::Control(opcode, payload)) => {
                if opcode == OpCode::Close {
                    self.deaf = true;
                    self.partial = None;
                }
                Some(control(opcode, &input[payload])?)
            }
            Some(Found::Gathered(opcode)) => {
                self.deaf = opcode == OpCode::Close;
                let payload = self.partial.as_ref().map_or(&[][..], |p| p.gathered());
                Some(control(opcode, payload)?)
            }
        };
        Ok(Received {
            consumed: step.consumed,
            event,
        })
    }

    /// Gives back the memory of a control payload that was gathered and handed out. The next
    /// [`receive`](Self::receive) does so too; this is for whoever counts the bytes of sessions
    /// that may rest for long.
    pub fn release(&mut self) {
        if let Some(partial) = &mut self.partial {
            partial.forget_gathered();
            if self.deaf || partial.is_at_rest() {
                self.partial = None;
            }
        }
    }

    /// The bytes of heap in use.
    pub fn heap_bytes(&self) -> usize {
        self.partial
            .as_ref()
            .map_or(0, |partial| size_of_val(&**partial))
    }

    /// A whole message or control frame at rest is dealt with here; what is cut, fragmented or
    /// compressed, or comes while something is cut, in `step_cut`.
    #[inline]
    fn step(&mut self, input: &mut [u8], bytes_max: usize) -> Result<Step, ProtocolError> {
        if self.partial.is_some() || input.first().is_some_and(|&first| has_reserved(first)) {
            return self.step_cut(input, bytes_max);
        }
        self.terms.check_start(input, false)?;
        let Some((header, start)) = Header::decode(input)? else {
            return self.step_cut(input, bytes_max);
        };
        let here = (input.len() - start) as u64;
        if !header.fin || header.payload_bytes > here || header.payload_bytes > bytes_max as u64 {
            return self.step_cut(input, bytes_max);
        }
        let end = start + header.payload_bytes as usize;
        let payload = &mut input[start..end];
        if let Some(key) = header.mask {
            mask::apply(payload, key);
        }
        let found = match MessageKind::of(header.opcode) {
            Some(kind) => {
                if kind == MessageKind::Text && !utf8::is_valid(payload) {
                    return Err(ProtocolError::TextNotUtf8);
                }
                let piece = Piece {
                    kind,
                    compressed: false,
                    first: true,
                    last: true,
                };
                Found::Data(piece, start..end)
            }
            None => Found::Control(header.opcode, start..end),
        };
        Ok(Step {
            consumed: end,
            found: Some(found),
        })
    }

    /// Apart from the hot path, which stays small enough to be inlined.
    #[inline(never)]
    fn step_cut(&mut self, input: &mut [u8], bytes_max: usize) -> Result<Step, ProtocolError> {
        if input.is_empty() {
            return Ok(Step {
                consumed: 0,
                found: None,
            });
        }
        let partial = self.partial.get_or_insert_default();
        let step = partial.step(self.terms, input, bytes_max)?;
        if partial.is_at_rest() && partial.gathered().is_empty() {
            self.partial = None;
        }
        Ok(step)
    }
}

impl Terms {
    /// Checks what a header's first two bytes say that depends on who sent it, and when. It goes
    /// byte by byte, so that the same error comes out whether the header is whole or cut.
    #[inline]
    fn check_start(self, bytes: &[u8], mid_message: bool) -> Result<(), ProtocolError> {
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

fn control(opcode: OpCode, payload: &[u8]) -> Result<Event<'_>, ProtocolError> {
    Ok(match opcode {
        OpCode::Close => Event::Close(CloseFrame::decode(payload)?),
        OpCode::Ping => Event::Ping(payload),
        _ => Event::Pong(payload),
    })
}

#[cfg(test)]
mod compression_tests;
#[cfg(test)]
mod tests;
