//! A client's will: what it sends, and how it takes what it hears. After a compressed message it sends
//! no other before that was handed over: what follows one in the same read may have to wait inside
//! of the relay until there is room for what it inflated to, which can't be seen from outside (the
//! relay's own tests look at that). Whatever it sends, it keeps a
//! mark of, so that the world knows what the relay has been told once the bytes up to there were
//! handed to it.

use crate::character::Character;
use crate::message::{Message, UNIQUE_BYTES};
use crate::network::Socket;
use crate::random::Random;
use crate::request::{self, Answer};
use crate::tap::Tap;
use crate::violation;
use fanfare::proto::deflate::{Deflater, Window};
use fanfare::proto::{CloseCode, CloseFrame, MessageKind, OpCode, Role, Session};
use fanfare::relay::SlowPolicy;
use fanfare::wheel::Tick;
use std::collections::VecDeque;

/// What the bytes up to a place in a client's stream have told the relay.
#[derive(Clone, Debug)]
pub(crate) enum Mark {
    /// A request, or as much of it as shows what is wrong with it.
    Request(Answer),
    Message(Message),
    /// A ping's number, and the length of its payload.
    Ping(u32, usize),
    Close(Option<u16>),
    /// A rule was broken; the code that it ends in.
    Violation(u16),
}

/// How far the client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It has yet to send a request.
    Begin,
    /// A request is under way.
    Asked,
    /// It is a member, or takes it for granted.
    Talking,
    /// It has said its last word.
    Said,
    /// It takes part in nothing any more, not even in TCP's end.
    Vanished,
}

/// What kind of client it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Member,
    /// It looks at pages before it joins, if it does.
    Visitor,
    /// It never finishes its request.
    Mute,
    /// It sends something that is no good request.
    Bad,
}

/// A message that is sent in fragments.
struct Unfinished {
    message: Message,
    /// What is left of it.
    rest: Vec<u8>,
    compressed: bool,
    has_begun: bool,
}

pub(crate) struct Client {
    pub(crate) number: u32,
    pub(crate) topic: usize,
    pub(crate) echo: bool,
    kind: Kind,
    state: State,
    /// It sends frames before it has heard that it may.
    eager: bool,
    /// It answers neither pings nor a close frame, and ends nothing.
    rude: bool,
    session: Session,
    /// The window of the compression that it offers.
    window_bits: Option<u32>,
    /// Its messages may be compressed.
    pub(crate) is_compressed: bool,
    deflater: Option<Deflater>,
    /// Where the last compressed message ends in what it sent.
    compressed_until: u64,
    /// Requests that were not answered yet.
    asked: u32,
    /// A message that is sent in fragments, and what is left of it.
    unfinished: Option<Unfinished>,
    messages: u32,
    pings: u32,
    pub(crate) marks: VecDeque<(u64, Mark)>,
}

impl Client {
    pub(crate) fn draw(number: u32, character: &Character, random: &mut Random) -> Self {
        let often = &character.often;
        let kind = match () {
            () if random.once_in(often.visitor) => Kind::Visitor,
            () if random.once_in(often.mute) => Kind::Mute,
            () if random.once_in(often.bad) => Kind::Bad,
            () => Kind::Member,
        };
        Client {
            number,
            topic: random.below(character.topics),
            echo: !random.once_in(often.no_echo),
            kind,
            state: State::Begin,
            eager: random.once_in(often.eager),
            rude: random.once_in(often.rude),
            session: Session::new(Role::Client),
            window_bits: random.once_in(often.deflate).then(|| random.between(9, 15)),
            is_compressed: false,
            deflater: None,
            compressed_until: u64::MAX,
            asked: 0,
            unfinished: None,
            messages: 0,
            pings: 0,
            marks: VecDeque::new(),
        }
    }

    pub(crate) fn has_vanished(&self) -> bool {
        self.state == State::Vanished
    }

    /// Whether a part of a message may be among what it has sent and the relay not read.
    pub(crate) fn may_send_messages(&self) -> bool {
        let is_ping = |(_, mark): &(u64, Mark)| matches!(mark, Mark::Ping(..));
        self.unfinished.is_some() || !self.marks.iter().all(is_ping)
    }

    /// Whether a message of more than so many bytes is on its way to the relay.
    pub(crate) fn has_message_of(&self, bytes: usize) -> bool {
        let is_large = |(_, mark): &(u64, Mark)| match mark {
            Mark::Message(message) => message.bytes > bytes,
            _ => false,
        };
        let unfinished = self.unfinished.as_ref();
        unfinished.is_some_and(|unfinished| unfinished.message.bytes > bytes)
            || self.marks.iter().any(is_large)
    }

    pub(crate) fn can_publish(&self) -> bool {
        self.state == State::Talking && self.unfinished.is_none() && !self.is_waiting()
    }

    /// Does something of its own accord.
    pub(crate) fn act(&mut self, socket: &mut Socket, tap: &mut Tap, world: &mut Whim) {
        match self.state {
            State::Begin => self.ask(socket, tap, world),
            State::Asked if world.random.once_in(world.character.often.reset) => {
                self.reset(socket);
            }
            State::Talking if self.is_waiting() => {}
            State::Talking => self.talk(socket, world),
            State::Asked | State::Said | State::Vanished => {}
        }
    }

    /// The relay answers a request, or opens the WebSocket.
    pub(crate) fn on_response(&mut self, status: u16) {
        self.asked = self.asked.saturating_sub(1);
        if status == 101 && self.state == State::Asked {
            self.state = State::Talking;
        }
    }

    pub(crate) fn on_response_end(&mut self, keep_alive: bool, socket: &mut Socket) {
        if self.state != State::Asked && self.state != State::Talking {
            return;
        }
        if !keep_alive {
            self.on_end(socket);
        } else if self.asked == 0 && self.state == State::Asked {
            self.state = State::Begin;
        }
    }

    pub(crate) fn on_ping(&mut self, socket: &mut Socket) {
        if self.state == State::Talking && !self.rude {
            let _ = self.session.send_pong(&[], socket.push());
        }
    }

    pub(crate) fn on_close(&mut self, code: Option<u16>, socket: &mut Socket) {
        if self.rude || self.state == State::Vanished {
            return;
        }
        if self.state == State::Talking {
            self.send_close(code, socket);
        }
        self.end(socket);
    }

    /// The relay has shut its side.
    pub(crate) fn on_end(&mut self, socket: &mut Socket) {
        if !self.rude && self.state != State::Vanished {
            self.end(socket);
        }
    }

    /// Publishes one message, whole.
    pub(crate) fn publish(&mut self, socket: &mut Socket, world: &mut Whim) {
        let message = self.next_message(world);
        let (payload, compressed) = self.encode(&message, world);
        self.send_piece(message.kind, &payload, true, compressed, socket);
        self.mark_message(socket, message, compressed);
    }

    /// Finishes what it has begun, and says good-bye.
    pub(crate) fn leave(&mut self, socket: &mut Socket, world: &mut Whim) {
        match self.state {
            State::Talking if self.is_waiting() || world.random.once_in(4) => self.end(socket),
            State::Talking => {
                let code = world
                    .random
                    .pick(&[None, Some(1000), Some(1001), Some(4321)]);
                self.send_close(code, socket);
            }
            State::Begin | State::Asked => self.end(socket),
            State::Said | State::Vanished => {}
        }
    }

    /// It is there no more, and nobody says so.
    pub(crate) fn vanish(&mut self, socket: &mut Socket) {
        self.state = State::Vanished;
        socket.up_frozen = Tick(u32::MAX);
        socket.down_frozen = Tick(u32::MAX);
    }

    fn ask(&mut self, socket: &mut Socket, tap: &mut Tap, world: &mut Whim) {
        self.state = State::Asked;
        let request = match self.kind {
            Kind::Mute => return request::write_partial(socket.push(), world.random),
            Kind::Bad => request::bad(world.random, &world.character.limits),
            Kind::Visitor if !world.random.once_in(4) => request::page(world.random),
            Kind::Member | Kind::Visitor => {
                tap.offered_bits = self.window_bits;
                request::upgrade(self.topic, self.echo, self.window_bits, world.random)
            }
        };
        let start = socket.pushed();
        socket.push().extend_from_slice(&request.bytes);
        let end = start + request.judged_at as u64;
        self.marks.push_back((end, Mark::Request(request.answer)));
        tap.expect_response(request.head_only);
        self.asked += 1;
        match request.answer {
            // The next request, in the same segment.
            Answer::Page { keep_alive: true } if self.eager => self.state = State::Begin,
            Answer::Upgrade if self.eager => self.state = State::Talking,
            _ => {}
        }
    }

    fn talk(&mut self, socket: &mut Socket, world: &mut Whim) {
        let often = &world.character.often;
        let random = &mut *world.random;
        match () {
            () if random.once_in(often.leave) => self.leave(socket, world),
            () if random.once_in(often.fin) => self.end(socket),
            () if random.once_in(often.reset) => self.reset(socket),
            () if random.once_in(often.vanish) => self.vanish(socket),
            () if random.once_in(often.violation) => self.violate(socket, world),
            () if random.once_in(often.ping) => self.ping(socket, world),
            () if random.once_in(often.fragments) || self.unfinished.is_some() => {
                self.send_fragment(socket, world);
            }
            () => {
                for _ in 0..world.random.size(world.character.batch_max) {
                    self.publish(socket, world);
                    if socket.backlog() > world.character.volume_max || self.is_waiting() {
                        break;
                    }
                }
            }
        }
    }

    fn next_message(&mut self, world: &mut Whim) -> Message {
        let random = &mut *world.random;
        let mut bytes = random.size(world.character.message_bytes_max);
        if world.character.limits.slow_policy == SlowPolicy::Skip {
            // What follows a gap must tell where the gap ends.
            bytes = bytes.max(UNIQUE_BYTES);
        } else if random.once_in(20) {
            bytes = 0;
        }
        let number = self.messages;
        self.messages += 1;
        Message {
            publisher: self.number,
            number,
            kind: random.pick(&[MessageKind::Text, MessageKind::Binary]),
            bytes,
        }
    }

    fn send_fragment(&mut self, socket: &mut Socket, world: &mut Whim) {
        let mut unfinished = self.unfinished.take().unwrap_or_else(|| {
            let message = self.next_message(world);
            let (rest, compressed) = self.encode(&message, world);
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
                return self.mark_message(socket, message, unfinished.compressed);
            }
            if random.once_in(world.character.often.ping) {
                self.send_ping(socket, 10);
            }
        }
        self.unfinished = Some(unfinished);
    }

    /// A message's payload, compressed or not.
    fn encode(&mut self, message: &Message, world: &mut Whim) -> (Vec<u8>, bool) {
        let payload = message.payload();
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

    fn mark_message(&mut self, socket: &Socket, message: Message, compressed: bool) {
        self.mark(socket, Mark::Message(message));
        if compressed {
            self.compressed_until = socket.pushed();
        }
    }

    /// A compressed message has not been handed over yet.
    fn is_waiting(&self) -> bool {
        self.marks
            .iter()
            .any(|&(end, _)| end == self.compressed_until)
    }

    fn ping(&mut self, socket: &mut Socket, world: &mut Whim) {
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

    fn send_close(&mut self, code: Option<u16>, socket: &mut Socket) {
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

    fn violate(&mut self, socket: &mut Socket, world: &mut Whim) {
        let violation = violation::draw(
            world.random,
            self.unfinished.is_some(),
            world.character.limits.message_bytes_max,
        );
        let end = socket.pushed() + violation.judged_at as u64;
        socket.push().extend_from_slice(&violation.bytes);
        self.marks.push_back((end, Mark::Violation(violation.code)));
        // What comes after it means nothing any more.
        for _ in 0..world.random.below(20) {
            let payload = vec![1; world.random.size(1000)];
            Role::Client.write_frame(true, OpCode::Binary, &payload, socket.push());
        }
        self.state = State::Said;
    }

    fn end(&mut self, socket: &mut Socket) {
        socket.push_fin();
        self.state = State::Said;
    }

    fn reset(&mut self, socket: &mut Socket) {
        socket.push_reset();
        self.state = State::Vanished;
    }

    fn mark(&mut self, socket: &Socket, mark: Mark) {
        self.marks.push_back((socket.pushed(), mark));
    }
}

/// What a client decides by.
pub(crate) struct Whim<'a> {
    pub(crate) random: &'a mut Random,
    pub(crate) character: &'a Character,
}
