//! Readers that come back, by hand: what a topic still has for them, and for how long.

use crate::random::Random;
use crate::script::{Script, frame, limits, message, request, sent};
use fanfare::proto::OpCode;
use fanfare::relay::{
    Compression, Limits, Offered, Policies, Policy, Publish, Reading, Retention, SlowPolicy,
};
use std::sync::Arc;

/// A minute, in ticks.
const RETAIN: u32 = 600;

fn policy() -> Policy {
    Policy {
        retention: Some(Retention {
            time: RETAIN,
            messages_max: u64::MAX,
            bytes_max: 16 << 10,
        }),
        ..Policy::default()
    }
}

fn retaining(policy: Policy) -> Limits {
    Limits {
        policies: Arc::new(policy.into()),
        ..limits()
    }
}

/// Joins, speaking `fanfare.v1`: what the relay says first, and what follows, as text.
fn welcome(script: &mut Script, target: &str) -> (fanfare::relay::ConnId, Vec<String>) {
    let id = script.connect();
    script.say(id, &request_with(target, &[V1]));
    script.turn();
    let said = script.take(id);
    (id, texts(after_head(&said)))
}

const V1: &str = "Sec-WebSocket-Protocol: fanfare.v1";
const DEFLATE: &str = "Sec-WebSocket-Extensions: permessage-deflate";

/// A request for a WebSocket with these header lines besides.
fn request_with(target: &str, lines: &[&str]) -> Vec<u8> {
    let mut bytes = request(target);
    bytes.truncate(bytes.len() - 2);
    for line in lines {
        bytes.extend([line.as_bytes(), b"\r\n"].concat());
    }
    bytes.extend(b"\r\n");
    bytes
}

fn after_head(bytes: &[u8]) -> &[u8] {
    let end = bytes.windows(4).position(|end| end == b"\r\n\r\n");
    &bytes[end.expect("a response") + 4..]
}

/// Asks for a WebSocket; what is answered has yet to be taken.
fn ask(script: &mut Script, target: &str) -> fanfare::relay::ConnId {
    let id = script.connect();
    script.say(id, &request(target));
    script.turn();
    id
}

/// The payloads of frames of less than 64 KiB.
fn texts(mut bytes: &[u8]) -> Vec<String> {
    let mut texts = Vec::new();
    while let [_, length, rest @ ..] = bytes {
        let (length, rest) = match length {
            126 => (usize::from(rest[0]) << 8 | usize::from(rest[1]), &rest[2..]),
            length => (usize::from(*length), rest),
        };
        texts.push(String::from_utf8_lossy(&rest[..length]).into_owned());
        bytes = &rest[length..];
    }
    texts
}

/// The id that something which the relay says holds.
fn id_in(text: &str) -> String {
    let (_, id) = text.rsplit_once("\"id\":\"").expect("an id");
    let (id, _) = id.split_once('"').expect("a string");
    id.to_owned()
}

fn leave(script: &mut Script, id: fanfare::relay::ConnId) {
    script.relay.handle_reset(id);
    script.turn();
}

/// Minutes after the last message, in a topic of one reader, its connection breaks for 3 s.
#[test]
fn a_tab_in_a_quiet_topic_that_blinks_misses_nothing() {
    let mut script = Script::new(retaining(policy()));
    let (tab, said) = welcome(&mut script, "/ws/quiet");
    script.say(tab, &message(b"hello"));
    script.turn();
    let last = id_in(&said[0]).replace("-0", "-1");
    for _ in 0..50 {
        script.pass(100);
        script.turn();
    }
    leave(&mut script, tab);
    assert_eq!(script.relay.topics(), 1, "its numbers live on");
    script.pass(30);
    let (tab, said) = welcome(&mut script, &format!("/ws/quiet?since={last}"));
    assert_eq!(said.len(), 1, "no gap: {said:?}");
    assert_eq!(id_in(&said[0]), last);
    // Beyond the time that it retains messages for, nobody knows what there was.
    leave(&mut script, tab);
    script.pass(RETAIN + 1);
    script.turn();
    assert_eq!((script.relay.topics(), script.relay.log_bytes()), (0, 0));
    let (_, said) = welcome(&mut script, &format!("/ws/quiet?since={last}"));
    assert!(said[1].contains("{\"gap\":null,\"id\":"), "{said:?}");
    assert_ne!(id_in(&said[0])[..7], last[..7], "another epoch");
}

/// A reader asks for a message that is about to expire, and takes a byte at a time.
#[test]
fn what_a_reader_was_promised_stays_until_it_has_it() {
    let mut script = Script::new(retaining(policy()));
    let sender = script.join("/ws?echo=0");
    let payloads: Vec<Vec<u8>> = (0..20).map(|n| vec![n; 300]).collect();
    for payload in &payloads {
        script.say(sender, &message(payload));
        script.turn();
    }
    script.pass(RETAIN);
    let reader = script.connect();
    script.set_space(reader, 0);
    script.say(reader, &request("/ws?since=all"));
    script.turn();
    script.pass(2 * RETAIN);
    script.turn();
    let mut got = Vec::new();
    let expected: Vec<u8> = payloads.iter().flat_map(|payload| sent(payload)).collect();
    let deadline = 10 * expected.len();
    for _ in 0..deadline {
        script.give_space(reader, 1);
        script.turn();
        got.extend(script.take(reader));
    }
    assert!(got.ends_with(&expected), "{} bytes", got.len());
    // To others, it is not offered any more.
    let late = ask(&mut script, "/ws?since=all");
    assert!(!script.take(late).ends_with(&sent(&payloads[19])));
}

/// A reader that was skipped over is told how much it missed, once, where it is missing.
#[test]
fn a_reader_under_skip_is_told_what_it_skipped() {
    let skip = Policy {
        slow_policy: SlowPolicy::Skip,
        ..Policy::default()
    };
    let mut script = Script::new(retaining(skip));
    let (reader, said) = welcome(&mut script, "/ws");
    let (sender, _) = welcome(&mut script, "/ws");
    script.set_space(reader, 0);
    let mut published = 0;
    while script.relay.counters().skips < 3 {
        script.say(sender, &message(&[b'x'; 10_000]));
        script.turn();
        published += 1;
    }
    script.give_space(reader, usize::MAX);
    script.turn();
    script.say(sender, &message(b"news"));
    script.turn();
    let got = texts(&script.take(reader));
    let gaps: Vec<&String> = got.iter().filter(|text| text.contains("gap")).collect();
    assert_eq!(gaps.len(), 1, "gaps that adjoin are told as one");
    let (before, after) = got.split_at(got.iter().position(|text| text == gaps[0]).expect("it"));
    let missed = published - (before.len() + after.len() - 2);
    let epoch = &id_in(&said[0])[..7];
    let id = before.len() + missed;
    assert!(
        gaps[0].ends_with(&format!("{{\"gap\":{missed},\"id\":\"{epoch}-{id}\"}}")),
        "{}",
        gaps[0]
    );
    assert_eq!(after.last().map(String::as_str), Some("news"));
}

/// A reader of the compressed log is still reading what it missed, in the plain one, when the compressed one outgrows
/// its bound: it gets that, and is told then what it was skipped over.
#[test]
fn a_reader_is_told_what_its_place_was_lapped_for() {
    let skip = Policy {
        slow_policy: SlowPolicy::Skip,
        retention: policy().retention.map(|retention| Retention {
            messages_max: 1,
            ..retention
        }),
        ..policy()
    };
    let (level, bytes_min) = (1, 0);
    let mut limits = retaining(skip);
    limits.compression = Some(Compression { level, bytes_min });
    let mut script = Script::new(limits);
    let sender = script.join("/ws");
    let blocked = script.connect();
    script.say(blocked, &request_with("/ws", &[DEFLATE]));
    script.turn();
    script.set_space(blocked, 0);
    let mut random = Random::new(0);
    let mut publish = |script: &mut Script, is_dense: bool| {
        let values = if is_dense { 256 } else { 1 };
        let payload: Vec<u8> = (0..1000).map(|_| random.below(values) as u8).collect();
        script.say(sender, &message(&payload));
        script.turn();
    };
    // The compressed log keeps more of what came before than the plain one, which is in another segment by now.
    (0..7).for_each(|_| publish(&mut script, true));
    (0..4).for_each(|_| publish(&mut script, false));
    let reader = script.connect();
    script.set_space(reader, 0);
    script.say(reader, &request_with("/ws?since=last", &[V1, DEFLATE]));
    let mut published = 1;
    while script.relay.counters().skips < 2 {
        publish(&mut script, true);
        published += 1;
    }
    script.give_space(reader, usize::MAX);
    (0..2).for_each(|_| script.turn());
    let got = texts(after_head(&script.take(reader)));
    assert_eq!(got[1], "\0".repeat(1000), "what it missed comes first");
    let missed = published - (got.len() - 2);
    let gap = format!("{{\"gap\":{missed},");
    assert!(got[2].contains(&gap), "{}, not {gap}", got[2]);
}

/// A topic that takes no messages of WebSockets says so: by a close, or to a reader that can be told, in words.
#[test]
fn a_topic_may_take_no_messages_of_websockets() {
    let closed = Policy {
        publish: Publish::Http,
        ..policy()
    };
    let rules = [("prices".parse().expect("a name"), closed)];
    let policies = Policies::new(policy(), rules);
    let mut script = Script::new(Limits {
        policies: Arc::new(policies),
        ..limits()
    });
    let raw = script.join("/ws/prices");
    let (told, said) = welcome(&mut script, "/ws/prices");
    let free = script.join("/ws/chat");
    script.take(raw);
    for id in [raw, told, free] {
        script.say(id, &message(b"hello"));
    }
    script.turn();
    script.turn();
    let close = script.take(raw);
    assert_eq!(close[..4], [0x88, close.len() as u8 - 2, 0x03, 0xF0]);
    assert!(close.ends_with(b"this topic takes no messages from WebSockets"));
    let told_it = texts(&script.take(told));
    assert!(
        told_it[0].contains("\"error\":\"may_not_publish\""),
        "{told_it:?}"
    );
    assert_eq!(told_it.len(), 1);
    assert!(script.take(free).ends_with(&sent(b"hello")));
    let counters = script.relay.counters();
    assert_eq!((counters.messages, counters.opened), (1, 3));
    // The program that embeds the relay may.
    let text = fanfare::proto::MessageKind::Text;
    script.relay.offer("prices", text, b"42");
    script.turn();
    assert_eq!(texts(&script.take(told)), ["42"]);
    assert!(id_in(&said[0]).ends_with("-0"));
}

/// With retention, what a program publishes into a topic without readers is there for those that come.
#[test]
fn a_topic_begins_with_what_is_published_into_it() {
    let mut script = Script::new(retaining(policy()));
    let text = fanfare::proto::MessageKind::Text;
    script.relay.offer("news", text, b"early");
    script.turn();
    let late = ask(&mut script, "/ws/news?since=all");
    assert!(script.take(late).ends_with(b"\x81\x05early"));
    // As many topics as there may be, of which one has no members: that makes place.
    let mut limits = retaining(policy());
    limits.topics_max = 1;
    let mut script = Script::new(limits);
    script.relay.offer("news", text, b"early");
    script.turn();
    let other = ask(&mut script, "/ws/other");
    assert!(script.take(other).starts_with(b"HTTP/1.1 101 "));
    script.turn();
    let refused = ask(&mut script, "/ws/third");
    assert!(script.take(refused).starts_with(b"HTTP/1.1 503 "));
}

/// A topic that has made way for another is over: nothing that comes to it before it has ended brings back more
/// topics than there may be.
#[test]
fn a_topic_that_made_way_takes_a_place_to_come_back() {
    let mut limits = retaining(policy());
    limits.topics_max = 1;
    let mut script = Script::new(limits);
    let text = fanfare::proto::MessageKind::Text;
    script.relay.offer("first", text, b"early");
    script.turn();
    // A reader's topic takes its place, and can't be made to give it back.
    let [other, refused] = [(); 2].map(|()| script.connect());
    script.say(other, &request("/ws/other"));
    script.say(refused, &request("/ws/first"));
    let offered = script.relay.offer("first", text, b"late");
    assert_eq!(offered, Offered::NoMembers);
    script.turn();
    assert!(script.take(other).starts_with(b"HTTP/1.1 101 "));
    assert!(script.take(refused).starts_with(b"HTTP/1.1 503 "));
    assert_eq!(script.relay.topics(), 1);
}

/// What is published into a topic that is about to end is retained as that of one that begins.
#[test]
fn a_topic_that_made_way_retains_what_comes_to_it() {
    let mut limits = retaining(policy());
    limits.topics_max = 2;
    let mut script = Script::new(limits);
    let text = fanfare::proto::MessageKind::Text;
    script.relay.offer("first", text, b"early");
    script.relay.offer("second", text, b"early");
    script.turn();
    // The first makes place for the reader's, and the second then for the first.
    let other = script.connect();
    script.say(other, &request("/ws/other"));
    let offered = script.relay.offer("first", text, b"late");
    assert!(matches!(offered, Offered::Committed(_)), "{offered:?}");
    script.turn();
    assert_eq!(script.relay.topics(), 2);
    let late = ask(&mut script, "/ws/first?since=all");
    assert!(script.take(late).ends_with(b"\r\n\r\n\x81\x04late"));
}

/// A flood of wrong commands in one read was answered at once, with many times as many bytes, to a peer that took none.
#[test]
fn a_peer_that_takes_no_answers_is_not_read() {
    let mut script = Script::new(retaining(policy()));
    let (flood, said) = welcome(&mut script, "/ws");
    let mark = said[0].split("\\u001e").nth(1).expect("a mark")[..16].to_owned();
    let wrong = frame(true, OpCode::Text, format!("\u{1e}{mark}").as_bytes());
    script.set_space(flood, 0);
    script.say(flood, &wrong.repeat(10_000));
    let bound = 2 * limits().outbox_bytes_max + wrong.len() * 10_000;
    assert!(
        script.relay.private_bytes() <= bound,
        "{}",
        script.relay.private_bytes()
    );
    script.turn();
    assert_eq!(script.relay.reading(flood), Reading::Later);
    // Once it takes them, it is read again, to the end.
    let mut answers = 0;
    for _ in 0..10_000 {
        script.give_space(flood, usize::MAX);
        script.turn();
        if script.relay.reading(flood) == Reading::Kept {
            script.relay.handle_kept(flood);
        }
        let told = texts(&script.take(flood));
        answers += told
            .iter()
            .filter(|text| text.contains("not_an_object"))
            .count();
        if answers == 10_000 {
            break;
        }
    }
    assert_eq!(answers, 10_000);
}

/// Names of topics that a program publishes into are bounded by the memory of all logs, however many come in a turn.
#[test]
fn topics_that_begin_without_members_wait_while_memory_is_short() {
    let mut limits = retaining(policy());
    limits.log_bytes_max = 1 << 20;
    limits.topics_max = usize::MAX;
    let mut script = Script::new(limits);
    let text = fanfare::proto::MessageKind::Text;
    let mut put_off = 0;
    for turn in 0..20 {
        for number in 0..3000 {
            let name = format!("{turn}-{number}");
            put_off += usize::from(script.relay.offer(&name, text, b"x") == Offered::Later);
        }
        assert!(script.relay.log_bytes() <= (1 << 20) + 4096);
        script.turn();
    }
    assert!(put_off > 0, "more came than a turn frees");
}
