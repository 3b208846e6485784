//! What the relay is made of, each part alone.

use super::Work;
use fanfare::log::{Log, Pool, Position};
use fanfare::proto::mask;
use fanfare::proto::utf8::Utf8;
use fanfare::proto::{FrameHeader, OpCode};
use fanfare::wheel::{Tick, TimerLink, TimerLinks, Wheel};
use std::hint::black_box;

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
/// One of each of the three ways to write a length.
const PAYLOADS: [u64; 3] = [64, 1024, 1 << 20];
const ROUNDS: u64 = 100;

pub(super) fn all() -> Vec<Work> {
    let headers = ROUNDS * PAYLOADS.len() as u64;
    let log_frames = ROUNDS * FRAMES as u64;
    vec![
        Work::new("decode a header", "header", headers, decode),
        Work::new("encode a header", "header", headers, encode),
        Work::new("unmask 64 bytes", "byte", 64, || unmask(64)),
        Work::new("unmask 64 KiB", "byte", 64 << 10, || unmask(64 << 10)),
        Work::new("check ASCII", "byte", TEXT_BYTES, || check("plain text ")),
        Work::new("check UTF-8", "byte", TEXT_BYTES, || check("größer, 更大 ")),
        Work::new("append to a log, and trim it", "frame", log_frames, append),
        Work::new("plan a write", "write", ROUNDS, || plan(None)),
        Work::new("plan one that skips", "write", ROUNDS, || plan(Some(1))),
        Work::new(
            "a tick of the wheel, 1,000,000 armed",
            "entry",
            ARMED / INTERVAL,
            tick,
        ),
    ]
}

fn header(payload_bytes: u64, mask: Option<[u8; 4]>) -> FrameHeader {
    FrameHeader {
        fin: true,
        compressed: false,
        opcode: OpCode::Binary,
        mask,
        payload_bytes,
    }
}

fn decode() -> Box<dyn FnMut()> {
    let heads = PAYLOADS.map(|bytes| header(bytes, Some(KEY)).encode().to_vec());
    Box::new(move || {
        for _ in 0..ROUNDS {
            for head in &heads {
                black_box(FrameHeader::decode(black_box(head)).expect("it is valid"));
            }
        }
    })
}

fn encode() -> Box<dyn FnMut()> {
    Box::new(|| {
        for _ in 0..ROUNDS {
            for bytes in PAYLOADS {
                black_box(header(black_box(bytes), None).encode());
            }
        }
    })
}

fn unmask(bytes: usize) -> Box<dyn FnMut()> {
    let mut payload = vec![b'x'; bytes];
    Box::new(move || mask::apply(black_box(&mut payload), KEY))
}

const TEXT_BYTES: u64 = 4096;

fn check(words: &'static str) -> Box<dyn FnMut()> {
    let mut text = words.repeat(TEXT_BYTES as usize / words.len());
    text.extend(std::iter::repeat_n(' ', TEXT_BYTES as usize - text.len()));
    Box::new(move || {
        let mut utf8 = Utf8::default();
        // As a message comes in: not whole, and cut inside of a character.
        for piece in black_box(text.as_bytes()).chunks(1000) {
            utf8.push(piece).expect("it is valid");
        }
        assert!(utf8.is_complete());
    })
}

/// Frames that a log gets at a time, and their size.
const FRAMES: usize = 32;
const FRAME: ([u8; 2], [u8; 64]) = ([0x82, 64], [b'x'; 64]);

fn pool() -> Pool {
    Pool::new(64 << 10, 1 << 20)
}

fn append() -> Box<dyn FnMut()> {
    let (mut log, mut pool) = (Log::default(), pool());
    Box::new(move || {
        for _ in 0..ROUNDS {
            for _ in 0..FRAMES {
                log.append(&mut pool, &FRAME.0, black_box(&FRAME.1), None);
            }
            let tail = log.tail();
            log.trim(&mut pool, tail);
        }
    })
}

/// What a reader gets next, and where it stands then. One that passes over its own frames has
/// several slices.
fn plan(reader: Option<u64>) -> Box<dyn FnMut()> {
    let (mut log, mut pool) = (Log::default(), pool());
    for number in 0..FRAMES {
        let excluded = (number % 8 == 0).then_some(1);
        log.append(&mut pool, &FRAME.0, &FRAME.1, excluded);
    }
    Box::new(move || {
        for _ in 0..ROUNDS {
            let (from, to) = (black_box(Position(0)), log.tail());
            let spans = log.spans(from, to, reader);
            let bytes = spans.map(|span| span.bytes.len()).sum();
            black_box(log.advance(from, to, reader, bytes));
        }
    })
}

const ARMED: u64 = 1_000_000;
/// Ticks until an entry is due again.
const INTERVAL: u64 = 250;

struct Entries(Vec<TimerLink>);

impl TimerLinks for Entries {
    fn link(&mut self, key: u32) -> &mut TimerLink {
        &mut self.0[key as usize]
    }
}

/// All that is due at a tick fires, and is armed again: a heartbeat of a million connections.
fn tick() -> Box<dyn FnMut()> {
    let mut now = Tick(0);
    let mut wheel = Wheel::new(now);
    let mut entries = Entries(vec![TimerLink::default(); ARMED as usize]);
    for key in 0..ARMED as u32 {
        // Neighbours in a slot are not neighbours in memory.
        let offset = u64::from(key) * 7919 % INTERVAL;
        wheel.arm(&mut entries, key, now.after(1 + offset as u32));
    }
    Box::new(move || {
        now = now.after(1);
        let mut fired = 0;
        while let Some(key) = wheel.poll(&mut entries, now) {
            wheel.arm(&mut entries, key, now.after(INTERVAL as u32));
            fired += 1;
        }
        assert_eq!(fired, ARMED / INTERVAL);
    })
}
