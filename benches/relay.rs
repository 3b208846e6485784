//! The relay alone: turns of a [`Relay`] whose network takes everything at once, and no system call.
//! What it costs is counted in instructions, which don't vary: `benches/instructions` runs each
//! scenario twice under valgrind and divides the difference.
//!
//! `cargo bench --bench relay` merely runs each of them once, so that they keep working.

use fanfare::config::Config;
use fanfare::http::Site;
use fanfare::proto::frame::{Header, OpCode};
use fanfare::proto::mask;
use fanfare::relay::{Action, ConnId, Output, Relay, Side};
use fanfare::wheel::Tick;
use std::env;

/// What happens in each turn.
struct Scenario {
    name: &'static str,
    rooms: usize,
    members: usize,
    /// Messages that one member of each room publishes.
    messages: usize,
}

const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "fan-out of 1 message to 1,000",
        rooms: 1,
        members: 1000,
        messages: 1,
    },
    Scenario {
        name: "fan-out of 32 messages to 1,000",
        rooms: 1,
        members: 1000,
        messages: 32,
    },
    Scenario {
        name: "100 rooms of 2, 1 message each",
        rooms: 100,
        members: 2,
        messages: 1,
    },
    Scenario {
        name: "1,000 messages to nobody else",
        rooms: 1,
        members: 1,
        messages: 1000,
    },
];

const PAYLOAD_BYTES: usize = 64;
/// Turns before those that are counted: pools fill, tables grow.
const WARM_UP_TURNS: u32 = 10;

fn main() {
    // Cargo adds a flag of its own.
    let arguments: Vec<String> = env::args().skip(1).filter(|arg| arg != "--bench").collect();
    match arguments.as_slice() {
        [] => SCENARIOS.iter().for_each(|scenario| run(scenario, 10)),
        [list] if list == "list" => SCENARIOS.iter().for_each(describe),
        [index, turns] => {
            let scenario = &SCENARIOS[index.parse::<usize>().expect("a scenario's number")];
            run(scenario, turns.parse().expect("a number of turns"));
        }
        _ => panic!("expected nothing, `list`, or a scenario's number and a number of turns"),
    }
}

/// Name, messages a turn, deliveries a turn.
fn describe(scenario: &Scenario) {
    let messages = scenario.rooms * scenario.messages;
    let deliveries = messages * scenario.members;
    println!("{}\t{messages}\t{deliveries}", scenario.name);
}

fn run(scenario: &Scenario, turns: u32) {
    let mut world = World::new();
    let mut publishers = Vec::new();
    for room in 0..scenario.rooms {
        let members = (0..scenario.members).map(|_| world.join(room));
        publishers.extend(members.last());
    }
    let input = frames(scenario.messages);
    let mut buffer = input.clone();
    for _ in 0..WARM_UP_TURNS + turns {
        world.relay.begin_turn(Tick(0));
        for &id in &publishers {
            buffer.copy_from_slice(&input);
            world.relay.reading(id);
            world.relay.handle_input(id, &mut buffer);
        }
        world.finish_turn();
    }
    let payload_bytes = scenario.messages * (PAYLOAD_BYTES + 2) * scenario.members * scenario.rooms;
    let turns = u64::from(turns + WARM_UP_TURNS);
    assert!(
        world.sent > turns * payload_bytes as u64,
        "everybody got everything"
    );
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
        let limits = Config::default().limits().expect("the defaults are valid");
        World {
            relay: Relay::new(limits, Site::embedded(), Tick(0)),
            sent: 0,
        }
    }

    fn join(&mut self, room: usize) -> ConnId {
        self.relay.begin_turn(Tick(0));
        let id = self.relay.handle_accept(Side::Public);
        let mut request = format!(
            "GET /ws/{room} HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        // Nothing of it is masked, so the relay changes nothing.
        self.relay
            .handle_input(id, &mut request.as_bytes().to_vec());
        request.clear();
        self.finish_turn();
        id
    }

    /// Writes, as the server's loop does, and tidies up.
    fn finish_turn(&mut self) {
        let relay = &mut self.relay;
        relay.handle_timers();
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
