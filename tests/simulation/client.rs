//! A client: what it sends, and how it takes what it receives. After a compressed message it sends no other
//! before that was handed over: what follows one in the same read may have to wait inside of the relay until
//! its topic has space for what it inflated to, which can't be seen from outside (the
//! relay's own tests look at that). Whatever it sends, it keeps a
//! mark of, so that the world knows what the relay has been told once the bytes up to there were
//! handed to it.

mod asking;
mod speech;

use crate::addresses::Introduction;
use crate::character::Character;
use crate::hooks::Wish;
use crate::message::Message;
use crate::network::Socket;
use crate::random::Random;
use crate::request::Answer;
use crate::retained::Since;
use crate::tap::Tap;
use crate::v1;
use crate::violation;
use fanfare::proto::deflate::Deflater;
use fanfare::proto::{OpCode, Role, Session};
use fanfare::proxy::PeerAddress;
use fanfare::wheel::Tick;
use speech::Unfinished;
use std::collections::VecDeque;

/// What the bytes up to a place in a client's stream have told the relay.
#[derive(Clone, Debug)]
pub(crate) enum Mark {
    /// A PROXY protocol header, and the client that it names.
    Header(Option<PeerAddress>),
    /// A request, or as much of it as shows what is wrong with it.
    Request(Answer),
    Message(Message),
    /// A command that publishes a message, and what the client calls it.
    Command(Message, Option<u64>),
    /// One that is answered with an error.
    BadCommand(&'static str, Option<u64>),
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
    /// It came by the admin listener.
    Operator,
}

pub(crate) struct Client {
    pub(crate) number: u32,
    /// The topic that its path names, what it wants of the hook, and the topic that it joins then.
    pub(crate) path_topic: usize,
    pub(crate) wish: Wish,
    pub(crate) topic: usize,
    introduction: Introduction,
    pub(crate) since: Since,
    pub(crate) speaks_v1: bool,
    /// Its mark, once it was told.
    pub(crate) mark: Option<v1::Mark>,
    pub(crate) echo: bool,
    kind: Kind,
    state: State,
    /// It sends frames before the response has come.
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
    pub(crate) fn draw(
        number: u32,
        character: &Character,
        introduction: Introduction,
        random: &mut Random,
    ) -> Self {
        let often = &character.often;
        let kind = match () {
            () if random.once_in(often.visitor) => Kind::Visitor,
            () if random.once_in(often.mute) => Kind::Mute,
            () if random.once_in(often.bad) => Kind::Bad,
            () => Kind::Member,
        };
        let speaks_v1 = random.once_in(often.v1);
        let path_topic = random.below(character.topics);
        let wish = match random.once_in(often.wish) {
            true => Wish::draw(character.topics, random),
            false => Wish::Nothing,
        };
        Client {
            number,
            path_topic,
            wish,
            topic: match wish {
                Wish::Topic(topic) if character.has_hooks => topic,
                _ => path_topic,
            },
            introduction,
            since: Since::Nothing,
            speaks_v1,
            mark: None,
            echo: speaks_v1 || !random.once_in(often.no_echo),
            kind,
            state: State::Begin,
            eager: random.once_in(often.eager) && !(speaks_v1 && character.may_refuse),
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

    /// One that came by the admin listener.
    pub(crate) fn operator(number: u32, character: &Character, random: &mut Random) -> Self {
        Client {
            kind: Kind::Operator,
            ..Client::draw(number, character, Introduction::None, random)
        }
    }

    /// The client that a trusted proxy says the request is for.
    pub(crate) fn forwarded(&self) -> Option<PeerAddress> {
        match self.introduction {
            Introduction::Forwarded(_, client) => client,
            _ => None,
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

    /// Whether a message of more than this many bytes is on its way to the relay.
    pub(crate) fn has_message_of(&self, bytes: usize) -> bool {
        let is_large = |(_, mark): &(u64, Mark)| match mark {
            Mark::Message(message) | Mark::Command(message, _) => {
                message.bytes + COMMAND_BYTES_MAX > bytes
            }
            Mark::BadCommand(..) => true,
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

    /// It is gone, without a word.
    pub(crate) fn vanish(&mut self, socket: &mut Socket) {
        self.state = State::Vanished;
        socket.up_frozen = Tick(u32::MAX);
        socket.down_frozen = Tick(u32::MAX);
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

/// What a command takes besides what it publishes.
pub(crate) const COMMAND_BYTES_MAX: usize = 100;

/// What a client decides by.
pub(crate) struct Whim<'a> {
    pub(crate) random: &'a mut Random,
    pub(crate) character: &'a Character,
    /// Marks of other connections.
    pub(crate) marks: &'a [v1::Mark],
}
