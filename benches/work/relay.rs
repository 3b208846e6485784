//! Turns of the whole relay, whose network takes everything at once, without any system call.

use super::Work;
use fanfare::config::Config;
use fanfare::http::Site;
use fanfare::proto::frame::{Header, OpCode};
use fanfare::proto::mask;
use fanfare::proxy::PeerAddress;
use fanfare::relay::{Action, ConnId, Output, Relay, Side};
use fanfare::wheel::Tick;
use std::process;

pub(super) fn all() -> Vec<Work> {
    vec![
        turn("1,000 messages to 1 member", 1, 1, 1000),
        turn("1 message to 1,000 members", 1, 1000, 1),
        turn("32 messages to 1,000 members", 1, 1000, 32),
        turn("1 message to 100,000 members", 1, 100_000, 1),
        turn("a message each in 100 rooms of 2", 100, 2, 1),
    ]
}

const PAYLOAD_BYTES: usize = 64;

/// A turn in which one member of each room publishes, and what follows until everybody has it.
fn turn(name: &'static str, rooms: usize, members: usize, messages: usize) -> Work {
    let deliveries = (rooms * members * messages) as u64;
    Work::new(name, "delivery", deliveries, move || {
        let mut world = World::new();
        let mut publishers = Vec::new();
        for room in 0..rooms {
            let joined = (0..members).map(|_| world.join(room));
            publishers.extend(joined.last());
        }
        let input = frames(messages);
        let mut buffer = input.clone();
        Box::new(move || {
            let before = world.sent;
            world.relay.begin_turn(Tick(0));
            for &id in &publishers {
                buffer.copy_from_slice(&input);
                world.relay.reading(id);
                world.relay.handle_input(id, &mut buffer);
            }
            world.finish_turn();
            // A large topic is served in several turns.
            let expected = before + deliveries * (PAYLOAD_BYTES as u64 + 2);
            while world.sent < expected {
                world.relay.begin_turn(Tick(0));
                world.finish_turn();
            }
            assert_eq!(world.sent, expected, "everybody got everything, once");
        })
    })
}

/// Ends the process with as many members of one topic at rest, so that their memory is still in use.
#[allow(dead_code, reason = "one of the two benches holds connections")]
pub(crate) fn hold(members: usize) {
    let mut world = World::new();
    for _ in 0..members {
        world.join(0);
    }
    process::exit(0);
}

/// What a client sends: so many masked messages.
fn frames(messages: usize) -> Vec<u8> {
    let key = [1, 2, 3, 4];
    let header = Header {
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

struct World {
    relay: Relay,
    sent: u64,
}

impl World {
    fn new() -> Self {
        let mut limits = Config::default().limits().expect("the defaults are valid");
        limits.connections_max = usize::MAX;
        World {
            relay: Relay::new(limits, Site::embedded(), Tick(0)),
            sent: 0,
        }
    }

    fn join(&mut self, room: usize) -> ConnId {
        self.relay.begin_turn(Tick(0));
        let id = self.relay.handle_accept(Side::Public, PeerAddress::Unknown);
        let request = format!(
            "GET /ws/{room} HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        self.relay.handle_input(id, &mut request.into_bytes());
        self.finish_turn();
        id
    }

    /// Writes, as the server's loop does, and tidies up.
    fn finish_turn(&mut self) {
        let relay = &mut self.relay;
        relay.handle_timers(&mut |_| false);
        relay.begin_flush();
        while let Some(id) = relay.poll_transmit() {
            let offered = match relay.transmit(id) {
                Output::One(bytes) => bytes.len(),
                Output::Many(slices) => slices.iter().map(|slice| slice.len()).sum(),
            };
            self.sent += offered as u64;
            relay.handle_sent(id, offered, offered);
        }
        while let Some((_, action)) = relay.poll_action() {
            assert_eq!(action, Action::Close, "nobody is closed here");
        }
        while relay.poll_resume().is_some() {}
        relay.end_turn();
    }
}
