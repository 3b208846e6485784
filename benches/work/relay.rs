//! Turns of the whole relay, whose network takes everything at once, without any system call.

use super::Work;
use fanfare::config::Config;
use fanfare::http::Site;
use fanfare::proto::mask;
use fanfare::proto::{FrameHeader, OpCode};
use fanfare::proxy::PeerAddress;
use fanfare::relay::{Action, ConnId, Relay, Side};
use fanfare::transport::{ReadOutcome, WriteOutcome};
use fanfare::turn::{Driver, Readiness, Shares, Turn};
use fanfare::wheel::Tick;
use std::process;

pub(super) fn all() -> Vec<Work> {
    use Kind::*;
    vec![
        turn("1,000 messages to 1 member", Plain, 1, 1, 1000),
        turn("1 message to 1,000 members", Plain, 1, 1000, 1),
        turn("32 messages to 1,000 members", Plain, 1, 1000, 32),
        turn("1 message to 100,000 members", Plain, 1, 100_000, 1),
        turn("a message each in 100 rooms of 2", Plain, 100, 2, 1),
        turn("1 message to 1,000, retained", Retained, 1, 1000, 1),
        turn("a message each in 100 rooms, retained", Retained, 100, 2, 1),
        turn("1 to 1,000 compressed", Compressed, 1, 1000, 1),
        turn(
            "1 to 1,000 compressed, retained",
            CompressedRetained,
            1,
            1000,
            1,
        ),
        turn("100 rooms, compressed", Compressed, 100, 2, 1),
        turn(
            "100 rooms, compressed, retained",
            CompressedRetained,
            100,
            2,
            1,
        ),
        events("1 message to 1,000 readers of events"),
        replay("200 messages to one that comes back"),
        publish("64 requests that publish, to 1 member"),
    ]
}

/// Whether members agreed on compression, and whether topics retain messages. These are too small to be
/// compressed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Plain,
    Retained,
    Compressed,
    CompressedRetained,
}

const PAYLOAD_BYTES: usize = 64;

/// A turn in which one member of each room publishes, and what follows until every member has it.
fn turn(name: &'static str, kind: Kind, rooms: usize, members: usize, messages: usize) -> Work {
    let deliveries = (rooms * members * messages) as u64;
    Work::new(name, "delivery", deliveries, move || {
        let mut world = World::new(kind);
        let mut publishers = Vec::new();
        for room in 0..rooms {
            let joined = (0..members).map(|_| world.join(room));
            publishers.extend(joined.last());
        }
        world.input = frames(messages);
        Box::new(move || {
            let expected = world.sent + deliveries * (PAYLOAD_BYTES as u64 + 2);
            for &id in &publishers {
                world.mark_ready(id);
            }
            // A large topic is served in several turns.
            while world.sent < expected {
                world.turn();
            }
            assert_eq!(world.sent, expected, "every member got every message once");
        })
    })
}

/// A turn in which a message reaches readers of server-sent events.
fn events(name: &'static str) -> Work {
    const READERS: u64 = 1000;
    Work::new(name, "delivery", READERS, move || {
        let mut world = World::new(Kind::Plain);
        let publisher = world.join(0);
        for _ in 0..READERS {
            let reader = world.connect();
            world.input = b"GET /ws/0?as=sse HTTP/1.1\r\nHost: a\r\n\r\n".into();
            world.mark_ready(reader);
            world.turn();
        }
        world.input = frames(1);
        Box::new(move || {
            let sent = world.sent;
            world.mark_ready(publisher);
            world.turn();
            assert!(world.sent - sent > READERS * PAYLOAD_BYTES as u64);
        })
    })
}

/// A connection that comes, and is sent what it missed.
fn replay(name: &'static str) -> Work {
    Work::new(name, "reader", 1, move || {
        let mut world = World::new(Kind::Retained);
        let publisher = world.join(0);
        world.input = frames(200);
        world.mark_ready(publisher);
        world.turn();
        Box::new(move || {
            let before = world.sent;
            world.join_with("0?since=last-200");
            assert!(world.sent - before > 200 * PAYLOAD_BYTES as u64);
        })
    })
}

/// Requests that come together, each of which publishes a message, and their answers.
fn publish(name: &'static str) -> Work {
    const REQUESTS: u64 = 64;
    Work::new(name, "request", REQUESTS, move || {
        let mut world = World::new(Kind::Plain);
        world.join(0);
        let publisher = world.connect();
        let payload = "x".repeat(PAYLOAD_BYTES);
        let request = format!(
            "POST /ws/0 HTTP/1.1\r\nHost: a\r\nUser-Agent: bench\r\nAccept: */*\r\n\
             Content-Type: text/plain\r\nContent-Length: {PAYLOAD_BYTES}\r\n\r\n{payload}"
        );
        let input = request.repeat(REQUESTS as usize).into_bytes();
        Box::new(move || {
            world.input.clone_from(&input);
            let before = world.relay.counters().deliveries;
            world.mark_ready(publisher);
            world.turn();
            assert_eq!(world.relay.counters().deliveries - before, REQUESTS);
            // All answers have left, and it is read again.
            world.input.clear();
            world.turn();
        })
    })
}

/// Ends the process with as many members of one topic at rest, so that their memory is still in use.
#[allow(dead_code, reason = "one of the two benches holds connections")]
pub(crate) fn hold(members: usize) {
    let mut world = World::new(Kind::Plain);
    for _ in 0..members {
        world.join(0);
    }
    process::exit(0);
}

/// What a client sends: this many masked messages.
fn frames(messages: usize) -> Vec<u8> {
    let key = [1, 2, 3, 4];
    let header = FrameHeader {
        fin: true,
        compressed: false,
        opcode: OpCode::Binary,
        mask: Some(key),
        payload_bytes: PAYLOAD_BYTES as u64,
    };
    let mut payload = [b'x'; PAYLOAD_BYTES];
    mask::apply(&mut payload, key);
    [&header.encode()[..], &payload].concat().repeat(messages)
}

/// A relay whose network takes whatever it is offered, and brings the same to every member.
struct World {
    relay: Relay,
    turn: Option<Turn>,
    /// What a socket that is ready brings, once.
    input: Vec<u8>,
    /// By slot.
    sockets: Vec<Readiness>,
    sent: u64,
    kind: Kind,
}

impl World {
    fn new(kind: Kind) -> Self {
        let mut config = Config::default();
        if matches!(kind, Kind::Retained | Kind::CompressedRetained) {
            config.retain = Some("1h".parse().expect("a period"));
        }
        let mut limits = config.limits().expect("the defaults are valid");
        limits.connections_max = usize::MAX;
        World {
            kind,
            relay: Relay::new(limits, Site::embedded(), Tick(0)),
            turn: Some(Turn::new(Shares::default())),
            input: Vec::new(),
            sockets: Vec::new(),
            sent: 0,
        }
    }

    fn join(&mut self, room: usize) -> ConnId {
        self.join_with(&room.to_string())
    }

    fn join_with(&mut self, target: &str) -> ConnId {
        let extensions = match self.kind {
            Kind::Plain | Kind::Retained => "",
            Kind::Compressed | Kind::CompressedRetained => {
                "Sec-WebSocket-Extensions: permessage-deflate\r\n"
            }
        };
        let id = self.connect();
        self.input = format!(
            "GET /ws/{target} HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{extensions}\r\n"
        )
        .into_bytes();
        self.mark_ready(id);
        self.turn();
        id
    }

    fn connect(&mut self) -> ConnId {
        self.relay.begin_turn(Tick(0));
        let id = self.relay.handle_accept(Side::Public, PeerAddress::Unknown);
        self.sockets.push(Readiness::default());
        id
    }

    fn mark_ready(&mut self, id: ConnId) {
        self.with_turn(|turn, world| turn.mark_ready(world, id));
    }

    fn turn(&mut self) {
        self.relay.begin_turn(Tick(0));
        self.with_turn(Turn::run);
    }

    fn with_turn(&mut self, call: impl FnOnce(&mut Turn, &mut Self)) {
        let mut turn = self.turn.take().expect("it is put back");
        call(&mut turn, self);
        self.turn = Some(turn);
    }
}

impl Driver for World {
    fn relay(&mut self) -> &mut Relay {
        &mut self.relay
    }

    fn readiness(&mut self, id: ConnId) -> Option<&mut Readiness> {
        self.sockets.get_mut(id.slot.index())
    }

    fn read(&mut self, _: ConnId, buffer: &mut [u8]) -> ReadOutcome {
        let bytes = self.input.len();
        buffer[..bytes].copy_from_slice(&self.input);
        let drained = true;
        ReadOutcome::Bytes { bytes, drained }
    }

    fn write(&mut self, id: ConnId) -> WriteOutcome {
        let bytes = self.relay.transmit(id).bytes();
        self.sent += bytes as u64;
        let full = false;
        WriteOutcome::Taken { bytes, full }
    }

    fn act(&mut self, id: ConnId, action: Action) {
        panic!("{action:?} for {id:?}, where none is closed");
    }
}
