//! One peer's state machine, in either role: bytes in, events out; messages in, bytes out
//! (RFC 6455 §5 to §7).
//!
//! A session does no I/O. The socket's owner hands the bytes of each read to
//! [`Session::receive`] until they are consumed, and writes what the `send_*` methods append to a
//! buffer. A payload is unmasked in place, in the caller's buffer, and events borrow from there:
//! a message that came whole is yielded without a copy or an allocation.
//!
//! Data comes as *fragments*, the pieces in which it arrived: of a message that is longer than a
//! read, of a frame that was cut. A [`Gather`](super::message::Gather) behind it makes whole messages of
//! them.
//!
//! What has to be remembered while a frame or a message is cut lives in a box that is freed again
//! at rest, so that an idle session is 16 bytes. All work is linear in the bytes that came,
//! whatever the cuts, and nothing is ever allocated because a length was announced.
//!
//! The caller runs the closing handshake, since that needs a clock: answer a
//! [`Close`](Event::Close) with [`Session::send_close`], and an error with a close frame that
//! carries its [code](ProtocolError::close_code).

use super::close::CloseFrame;
use super::error::ProtocolError;
use super::frame::{FrameHeader, OpCode, has_reserved};
use super::mask;
use super::utf8;
use partial::Partial;
use sending::Sending;
use step::{Found, FragmentHeader, Negotiated, Step};

mod event;
mod partial;
mod role;
mod sending;
mod step;

pub use event::{Event, Fragment, MessageKind, Received};
pub use role::Role;
pub use sending::SendError;

/// One peer's state: what was received and sent so far, as far as it matters for what may come.
#[derive(Debug)]
pub struct Session {
    /// What is cut: None at rest.
    partial: Option<Box<Partial>>,
    negotiated: Negotiated,
    sending: Sending,
    /// A close frame or an error came: the rest of the input is ignored.
    deaf: bool,
}

impl Session {
    /// A session just after the opening handshake.
    pub fn new(role: Role) -> Self {
        Self {
            partial: None,
            negotiated: Negotiated {
                role,
                compression: false,
            },
            sending: Sending::default(),
            deaf: false,
        }
    }

    /// The same session, where the handshake agreed on permessage-deflate or not.
    pub fn with_compression(mut self, is_agreed: bool) -> Self {
        self.negotiated.compression = is_agreed;
        self
    }

    /// Which side this session speaks for.
    pub fn role(&self) -> Role {
        self.negotiated.role
    }

    /// Whether nothing is cut: the last byte that came was the last one of a message or of a
    /// control frame outside of one, or nothing more is received.
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
    /// [`receive`](Self::receive) does so too; this is for callers that count the bytes of sessions
    /// which may rest for long.
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
        self.negotiated.check_start(input, false)?;
        let Some((header, start)) = FrameHeader::decode(input)? else {
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
                let piece = FragmentHeader {
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
        let step = partial.step(self.negotiated, input, bytes_max)?;
        if partial.is_at_rest() && partial.gathered().is_empty() {
            self.partial = None;
        }
        Ok(step)
    }
}

/// Sending. Each method appends one frame to `out`. In the client's role it is masked under an
/// unpredictable key, drawn from a generator of the process (see [`mask::fresh_key`]).
impl Session {
    /// Sends a whole text message.
    pub fn send_text(&mut self, text: &str, out: &mut Vec<u8>) -> Result<(), SendError> {
        self.send_message(MessageKind::Text, text.as_bytes(), out)
    }

    /// Sends a whole binary message.
    pub fn send_binary(&mut self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), SendError> {
        self.send_message(MessageKind::Binary, payload, out)
    }

    /// Sends a whole message whose payload a [`Deflater`](super::deflate::Deflater) has
    /// compressed. The peer has to have agreed on that.
    ///
    /// ```
    /// use fanfare::proto::deflate::{Deflater, Window};
    /// use fanfare::proto::{MessageKind, Role, Session};
    ///
    /// let mut session = Session::new(Role::Server).with_compression(true);
    /// let mut deflater = Deflater::new(Window::Bits15, 6);
    /// let mut out = Vec::new();
    /// if let Some(compressed) = deflater.deflate(b"fan fan fan fan fanfare") {
    ///     session.send_compressed(MessageKind::Text, compressed, &mut out)?;
    /// }
    /// assert_eq!(out[0], 0xc1); // FIN, RSV1 and the opcode of text
    /// # Ok::<(), fanfare::proto::SendError>(())
    /// ```
    pub fn send_compressed(
        &mut self,
        kind: MessageKind,
        compressed: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), SendError> {
        debug_assert!(self.negotiated.compression, "the peer has not agreed on it");
        self.sending.check_message()?;
        self.negotiated.role.write_compressed(kind, compressed, out);
        Ok(())
    }

    /// Sends the next piece of a message, which ends with the `last` one. Between two pieces, pings
    /// and pongs may be sent, and a close frame, but no other message.
    ///
    /// Pieces of a text may be cut anywhere; together they have to be UTF-8, which is not checked
    /// here.
    ///
    /// ```
    /// use fanfare::proto::{MessageKind, Role, Session};
    ///
    /// let mut session = Session::new(Role::Server);
    /// let mut out = Vec::new();
    /// session.send_fragment(MessageKind::Text, b"Hel", false, &mut out)?;
    /// session.send_fragment(MessageKind::Text, b"lo", true, &mut out)?;
    /// assert_eq!(out, b"\x01\x03Hel\x80\x02lo"); // RFC 6455 §5.7
    /// # Ok::<(), fanfare::proto::SendError>(())
    /// ```
    pub fn send_fragment(
        &mut self,
        kind: MessageKind,
        payload: &[u8],
        last: bool,
        out: &mut Vec<u8>,
    ) -> Result<(), SendError> {
        let opcode = self.sending.on_fragment(kind, last)?;
        self.negotiated.role.write_frame(last, opcode, payload, out);
        Ok(())
    }

    /// Sends a ping of at most 125 bytes.
    pub fn send_ping(&mut self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), SendError> {
        self.send_control(OpCode::Ping, payload, out)
    }

    /// Sends a pong of at most 125 bytes: the payload of the ping that it answers.
    pub fn send_pong(&mut self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), SendError> {
        self.send_control(OpCode::Pong, payload, out)
    }

    /// Sends a close frame, after which nothing may be sent. A reason of more than 123 bytes is cut.
    pub fn send_close(
        &mut self,
        close: Option<CloseFrame<'_>>,
        out: &mut Vec<u8>,
    ) -> Result<(), SendError> {
        match close {
            Some(close) => self.send_control(OpCode::Close, &close.encode(), out)?,
            None => self.send_control(OpCode::Close, &[], out)?,
        }
        self.sending = Sending::Closed;
        Ok(())
    }

    fn send_message(
        &mut self,
        kind: MessageKind,
        payload: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), SendError> {
        self.sending.check_message()?;
        self.send_fragment(kind, payload, true, out)
    }

    fn send_control(
        &mut self,
        opcode: OpCode,
        payload: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), SendError> {
        self.sending.check_control(payload.len())?;
        self.negotiated.role.write_frame(true, opcode, payload, out);
        Ok(())
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
