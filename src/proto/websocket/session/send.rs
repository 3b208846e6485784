//! The sending half of a session: frames appended to a buffer, in an order that §5.4 allows.

use std::error::Error;
use std::fmt;

use super::super::close::CloseFrame;
use super::super::frame::{CONTROL_BYTES_MAX, Header, OpCode};
use super::super::mask;
use super::{MessageKind, Role, Session};

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

impl Role {
    /// Appends one frame to `out`, masked under a fresh key if it is a client's.
    ///
    /// This is what the `send_*` methods of a session come down to. On its own it serves whoever
    /// keeps the order of frames in another way, or answers a ping while it still borrows from the
    /// session:
    ///
    /// ```
    /// use fanfare::proto::{Event, OpCode, Role, Session};
    ///
    /// let mut session = Session::new(Role::Client);
    /// let mut input = *b"\x89\x05Hello";
    /// let mut out = Vec::new();
    /// if let Some(Event::Ping(payload)) = session.receive(&mut input, 1024)?.event {
    ///     Role::Client.write_frame(true, OpCode::Pong, payload, &mut out);
    /// }
    /// assert_eq!(out[..2], [0x8a, 0x85]);
    /// # Ok::<(), fanfare::proto::ProtocolError>(())
    /// ```
    pub fn write_frame(self, fin: bool, opcode: OpCode, payload: &[u8], out: &mut Vec<u8>) {
        self.write(fin, false, opcode, payload, out);
    }

    /// Appends the one frame of a whole message whose payload is compressed (RFC 7692 §6.1), masked
    /// as [`write_frame`](Self::write_frame) does. The peer has to have agreed on that.
    pub fn write_compressed(self, kind: MessageKind, payload: &[u8], out: &mut Vec<u8>) {
        self.write(true, true, kind.opcode(), payload, out);
    }

    fn write(self, fin: bool, compressed: bool, opcode: OpCode, payload: &[u8], out: &mut Vec<u8>) {
        let header = Header {
            fin,
            compressed,
            opcode,
            mask: (self == Self::Client).then(mask::fresh_key),
            payload_bytes: payload.len() as u64,
        };
        let encoded = header.encode();
        out.reserve(encoded.len() + payload.len());
        out.extend_from_slice(&encoded);
        let start = out.len();
        out.extend_from_slice(payload);
        if let Some(key) = header.mask {
            mask::apply(&mut out[start..], key);
        }
    }
}

/// Sending. Each method appends one frame to `out`. In the client's role it is masked under a key
/// that nobody can foresee, drawn from a generator of the process (see [`mask::fresh_key`]).
impl Session {
    /// Sends a whole text message.
    pub fn send_text(&mut self, text: &str, out: &mut Vec<u8>) -> Result<(), SendError> {
        self.send_message(MessageKind::Text, text.as_bytes(), out)
    }

    /// Sends a whole binary message.
    pub fn send_binary(&mut self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), SendError> {
        self.send_message(MessageKind::Binary, payload, out)
    }

    /// Sends a whole message whose payload a [`Deflater`](super::super::deflate::Deflater) has
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
        debug_assert!(self.terms.compression, "the peer has not agreed on it");
        self.check_between_messages()?;
        self.terms.role.write_compressed(kind, compressed, out);
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
        let opcode = match self.sending {
            Sending::Idle => kind.opcode(),
            Sending::Message(begun) if begun == kind => OpCode::Continuation,
            Sending::Message(_) => return Err(SendError::UnfinishedMessage),
            Sending::Closed => return Err(SendError::Closed),
        };
        self.sending = if last {
            Sending::Idle
        } else {
            Sending::Message(kind)
        };
        self.terms.role.write_frame(last, opcode, payload, out);
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

    /// Sends a close frame, with which the session has had its last word. A reason of more than
    /// 123 bytes is cut.
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
        self.check_between_messages()?;
        self.send_fragment(kind, payload, true, out)
    }

    fn check_between_messages(&self) -> Result<(), SendError> {
        match self.sending {
            Sending::Idle => Ok(()),
            Sending::Message(_) => Err(SendError::UnfinishedMessage),
            Sending::Closed => Err(SendError::Closed),
        }
    }

    fn send_control(
        &mut self,
        opcode: OpCode,
        payload: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), SendError> {
        if self.sending == Sending::Closed {
            return Err(SendError::Closed);
        }
        if payload.len() > CONTROL_BYTES_MAX {
            return Err(SendError::ControlTooLong);
        }
        self.terms.role.write_frame(true, opcode, payload, out);
        Ok(())
    }
}
