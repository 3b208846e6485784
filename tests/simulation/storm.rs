//! Storms: clients that say anything, in any order, under bounds that all of them meet. Which are
//! closed when, and why, is not judged; only that the relay goes on, that closing is for good, and that
//! nothing is left of any connection.

use crate::random::Random;
use crate::script::{Script, frame, limits, message};
use crate::tap::KEY;
use fanfare::proto::deflate::{Deflater, Window};
use fanfare::proto::handshake::Request;
use fanfare::proto::{MessageKind, OpCode, Role};
use fanfare::relay::{Compression, ConnId, Limits, Rates, Reading, SlowPolicy};
use std::sync::Arc;

const SEEDS: u64 = 500;
const STEPS: usize = 200;
const TURNS_MAX: usize = 10_000;

#[test]
fn a_storm_leaves_nothing_behind() {
    for seed in 0..SEEDS {
        // What fails says for which seed.
        let result = std::panic::catch_unwind(|| storm(&mut Random::new(seed)));
        assert!(result.is_ok(), "seed {seed}");
    }
}

fn tight(random: &mut Random) -> Limits {
    let message_bytes_max = random.pick(&[100, 4000, 20_000]);
    let mut limits = Limits {
        head_bytes_max: 16 << 10,
        message_bytes_max,
        topic_log_bytes_max: 4 * message_bytes_max,
        log_bytes_max: message_bytes_max * random.pick(&[4, 20]),
        rescue_bytes_max: random.pick(&[0, 1000, 64 << 10]),
        unsettled_bytes_max: Limits::UNSETTLED_BYTES_MAX,
        private_bytes_max: random.pick(&[0, 20_000, 1 << 20]),
        policies: Arc::new(random.pick(&[SlowPolicy::Close, SlowPolicy::Skip]).into()),
        rates: Rates {
            messages_per_second_max: random.pick(&[None, Some(1), Some(10)]),
            bytes_per_second_max: random.pick(&[None, Some(1), Some(20_000)]),
        },
        idle_timeout: random.pick(&[None, Some(20)]),
        heartbeat_interval: 30,
        pong_timeout: 10,
        stalled_write_timeout: 30,
        close_timeout: 20,
        compression: Some(Compression {
            level: 1,
            bytes_min: 50,
        }),
        ..limits()
    };
    limits.pace.inflated_bytes_per_turn = random.pick(&[1, 10_000, 1 << 20]);
    limits.pace.inflated_bytes_per_step_min = random.pick(&[1, 5000, 64 << 10]);
    limits
}

fn storm(random: &mut Random) {
    let limits = tight(random);
    let bytes_max = limits.message_bytes_max;
    let mut script = Script::new(limits);
    let mut clients: Vec<(ConnId, Vec<u8>)> = Vec::new();
    for _ in 0..STEPS {
        if clients.len() < 2 || random.once_in(20) {
            let id = script.connect();
            clients.push((id, opening(random)));
        }
        let index = random.below(clients.len());
        let (id, unread) = &mut clients[index];
        match random.below(8) {
            0 => script.set_space(*id, random.size(1000)),
            1 => script.give_space(*id, usize::MAX),
            2 if random.once_in(5) => script.relay.handle_end(*id),
            2 if random.once_in(5) => script.relay.handle_reset(*id),
            3 => {
                script.pass(random.between(0, 5));
                script.turn();
            }
            _ => {
                for _ in 0..random.size(8) {
                    unread.extend(said(random, bytes_max));
                }
                read(&mut script, *id, unread, random);
            }
        }
        clients.retain(|client| !script.is_closed(client.0));
    }
    // So long may it take to inflate what was said, a block a turn.
    for _ in 0..TURNS_MAX {
        if script.relay.connections() == 0 {
            break;
        }
        for (id, unread) in &mut clients {
            script.give_space(*id, usize::MAX);
            read(&mut script, *id, unread, random);
            if unread.is_empty() && !script.is_closed(*id) {
                script.relay.handle_end(*id);
            }
        }
        script.pass(1);
        script.turn();
    }
    let relay = &script.relay;
    let left = (relay.connections(), relay.topics());
    assert_eq!(left, (0, 0), "connections and topics are left");
    let left = (relay.log_bytes(), relay.private_bytes());
    assert_eq!(left, (0, 0), "bytes of logs and of connections are left");
}

/// Reads as much as the relay wants, as the server does.
fn read(script: &mut Script, id: ConnId, unread: &mut Vec<u8>, random: &mut Random) {
    if let Reading::Now(bytes_max) = script.relay.reading(id)
        && !unread.is_empty()
    {
        let bytes = random.size(unread.len()).min(bytes_max);
        let mut input: Vec<u8> = unread.drain(..bytes).collect();
        script.relay.handle_input(id, &mut input);
    }
}

/// A request, with or without compression, and with or without echo.
fn opening(random: &mut Random) -> Vec<u8> {
    let target = random.pick(&["/ws", "/ws?echo=0", "/ws/other"]);
    let mut bytes = Vec::new();
    let request = Request {
        deflate: random.once_in(2),
        ..Request::new("sim", target, KEY)
    };
    request.write(&mut bytes).expect("a request in order");
    bytes
}

fn said(random: &mut Random, bytes_max: usize) -> Vec<u8> {
    let payload = vec![b'x'; random.size(bytes_max)];
    let control = &payload[..payload.len().min(125)];
    match random.below(16) {
        0 => frame(true, OpCode::Ping, control),
        1 => frame(true, OpCode::Pong, control),
        2 if random.once_in(10) => frame(true, OpCode::Close, &1000u16.to_be_bytes()),
        2 if random.once_in(10) => b"nonsense".to_vec(),
        3 if random.once_in(10) => frame(true, OpCode::Continuation, &payload),
        3..7 => {
            let pieces = (0..random.below(4)).flat_map(|_| {
                let ping = frame(true, OpCode::Ping, control);
                [frame(false, OpCode::Continuation, &payload), ping].concat()
            });
            let start = frame(false, OpCode::Text, &payload);
            let end = frame(true, OpCode::Continuation, b"");
            start.into_iter().chain(pieces).chain(end).collect()
        }
        7 | 8 => {
            let mut bytes = Vec::new();
            let mut deflater = Deflater::new(Window::Bits15, 1);
            let compressed = deflater.deflate(&payload).unwrap_or(b"\x00");
            // Blocks of nothing make it take long.
            let blocks = [0, 0, 0, 0xff, 0xff].repeat(random.size(20));
            let compressed = [&blocks[..], compressed].concat();
            Role::Client.write_compressed(MessageKind::Text, &compressed, &mut bytes);
            bytes
        }
        _ => message(&payload),
    }
}
