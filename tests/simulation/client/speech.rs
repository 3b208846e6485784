//! What a member says: messages whole, in fragments or compressed, pings, and the last word.

use super::{Client, Mark, State, Whim};
use crate::message::{Message, UNIQUE_BYTES};
use crate::network::Socket;
use crate::v1;
use fanfare::proto::deflate::{Deflater, Window};
use fanfare::proto::{CloseCode, CloseFrame, MessageKind};

/// A message that is sent in fragments.
pub(super) struct Unfinished {
    pub(super) message: Message,
    /// What is left of it.
    rest: Vec<u8>,
    compressed: bool,
    has_begun: bool,
}

impl Client {
    /// Publishes one message, whole.
    pub(crate) fn publish(&mut self, socket: &mut Socket, world: &mut Whim) {
        let message = self.next_message(world);
        let (command, mark) = self.command(&message, world);
        let (payload, compressed) = self.encode(command, world);
        self.send_piece(message.kind, &payload, true, compressed, socket);
        self.mark_message(socket, mark, compressed);
    }

    /// A message as it is, or what a command for it says, good or bad.
    fn command(&mut self, message: &Message, world: &mut Whim) -> (Vec<u8>, Mark) {
        let random = &mut *world.random;
        let (Some(mark), false) = (self.mark, random.once_in(3)) else {
            return (message.payload(), Mark::Message(*message));
        };
        let reference = u64::from(message.number);
        let (line, mark_of) = match random.below(12) {
            0 => ("{\"publish\":true}\n".into(), Mark::Command(*message, None)),
            1 => ("{}\n".into(), Mark::BadCommand("unknown_command", None)),
            2 => ("{\"ref\":-1}".into(), Mark::BadCommand("bad_ref", None)),
            3 => (
                format!("{{\"publish\":1,\"ref\":{reference}}}\n"),
                Mark::BadCommand("bad_publish", Some(reference)),
            ),
            4 => ("[true]\n".into(), Mark::BadCommand("not_an_object", None)),
            _ => (
                format!("{{\"publish\":true,\"ref\":{reference}}}\n"),
                Mark::Command(*message, Some(reference)),
            ),
        };
        let mut payload = [&mark[..], line.as_bytes()].concat();
        if line.ends_with('\n') {
            payload.extend_from_slice(&message.payload());
        }
        (payload, mark_of)
    }

    fn next_message(&mut self, world: &mut Whim) -> Message {
        let random = &mut *world.random;
        let mut bytes = random.size(world.character.message_bytes_max);
        if world.character.may_skip || world.character.may_replay {
            // What follows a gap must tell where the gap ends.
            bytes = bytes.max(UNIQUE_BYTES);
        } else if random.once_in(20) {
            bytes = 0;
        }
        let disguise = match random.below(20) {
            0 => Some(*b"\x1Enobody has told "),
            1 if !world.marks.is_empty() => Some(random.pick(world.marks)),
            _ => None,
        };
        let number = self.messages;
        self.messages += 1;
        Message {
            publisher: self.number,
            number,
            kind: random.pick(&[MessageKind::Text, MessageKind::Binary]),
            bytes,
            disguise: disguise.filter(|_| bytes >= UNIQUE_BYTES + size_of::<v1::Mark>()),
        }
    }

    pub(super) fn send_fragment(&mut self, socket: &mut Socket, world: &mut Whim) {
        let mut unfinished = self.unfinished.take().unwrap_or_else(|| {
            let message = self.next_message(world);
            let (rest, compressed) = self.encode(message.payload(), world);
            Unfinished {
                message,
                rest,
                compressed,
                has_begun: false,
            }
        });
        let message = unfinished.message;
        let random = &mut *world.random;
        for _ in 0..random.between(1, 30) {
            let bytes = match random.between(0, 3) {
                0 => 0,
                1 => unfinished.rest.len(),
                _ => random
                    .size(unfinished.rest.len())
                    .min(unfinished.rest.len()),
            };
            let later = unfinished.rest.split_off(bytes);
            let last = later.is_empty() && random.once_in(2);
            let marked = unfinished.compressed && !unfinished.has_begun;
            self.send_piece(message.kind, &unfinished.rest, last, marked, socket);
            unfinished.has_begun = true;
            unfinished.rest = later;
            if last {
                return self.mark_message(socket, Mark::Message(message), unfinished.compressed);
            }
            if random.once_in(world.character.often.ping) {
                self.send_ping(socket, 10);
            }
        }
        self.unfinished = Some(unfinished);
    }

    /// A message's payload, compressed or not.
    fn encode(&mut self, payload: Vec<u8>, world: &mut Whim) -> (Vec<u8>, bool) {
        if !self.is_compressed || world.random.once_in(2) {
            return (payload, false);
        }
        let deflater = self
            .deflater
            .get_or_insert_with(|| Deflater::new(Window::Bits15, 1));
        match deflater.deflate(&payload) {
            Some(compressed) => (compressed.to_vec(), true),
            None => (payload, false),
        }
    }

    /// A message, or a piece of one; `marked` as the first of a compressed one.
    fn send_piece(
        &mut self,
        kind: MessageKind,
        payload: &[u8],
        last: bool,
        marked: bool,
        socket: &mut Socket,
    ) {
        let out = socket.push();
        let start = out.len();
        let sent = self.session.send_fragment(kind, payload, last, out);
        debug_assert_eq!(sent, Ok(()));
        if marked {
            out[start] |= 0x40;
        }
    }

    fn mark_message(&mut self, socket: &Socket, mark: Mark, compressed: bool) {
        self.mark(socket, mark);
        if compressed {
            self.compressed_until = socket.pushed();
        }
    }

    /// A compressed message has not been handed over yet.
    pub(super) fn is_waiting(&self) -> bool {
        self.marks
            .iter()
            .any(|&(end, _)| end == self.compressed_until)
    }

    pub(super) fn ping(&mut self, socket: &mut Socket, world: &mut Whim) {
        let random = &mut *world.random;
        for _ in 0..random.size(world.character.batch_max) {
            let bytes = random.size(125);
            if random.once_in(10) {
                let _ = self.session.send_pong(&[7; 20], socket.push());
            }
            self.send_ping(socket, bytes);
        }
    }

    /// The payload names the ping.
    fn send_ping(&mut self, socket: &mut Socket, bytes: usize) {
        let number = self.pings;
        self.pings += 1;
        let mut payload = number.to_be_bytes().to_vec();
        payload.resize(bytes.max(4), 0x8A);
        let sent = self.session.send_ping(&payload, socket.push());
        debug_assert_eq!(sent, Ok(()));
        self.mark(socket, Mark::Ping(number, payload.len()));
    }

    pub(super) fn send_close(&mut self, code: Option<u16>, socket: &mut Socket) {
        let code_of = |code| CloseCode::from_u16(code).expect("a valid code");
        let close = code.map(|code| CloseFrame {
            code: code_of(code),
            reason: "bye",
        });
        let sent = self.session.send_close(close, socket.push());
        debug_assert_eq!(sent, Ok(()));
        self.mark(socket, Mark::Close(code));
        self.state = State::Said;
    }
}
