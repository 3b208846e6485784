//! The two sides of a connection, and how each writes a frame (RFC 6455 §5.1).

use super::super::frame::{FrameHeader, OpCode};
use super::super::mask;
use super::event::MessageKind;

/// Which side of the connection a session speaks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Sends unmasked frames and takes masked ones only.
    Server,
    /// Sends masked frames and takes unmasked ones only.
    Client,
}

impl Role {
    /// Appends one frame to `out`, masked under a fresh key if it is a client's.
    ///
    /// The `send_*` methods of a session are built on it. On its own it serves callers that keep the
    /// order of frames in another way, or answer a ping while they still borrow from the session:
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
        let header = FrameHeader {
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
