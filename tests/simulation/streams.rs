//! Readers of server-sent events, by hand: what takes seconds, or a socket that takes so much and no more.

use crate::script::{Script, limits};
use fanfare::proto::MessageKind;
use fanfare::relay::{ConnId, Limits, Offered, Pace, Policies, Policy, Retention, SlowPolicy};
use std::sync::Arc;

/// What proxies wait for, at most, and the earliest that a stream says that it is alive.
const COMMENT_TICKS: std::ops::RangeInclusive<u32> = 150..=250;

/// A topic retains 16 KiB for a minute.
fn retaining(slow_policy: SlowPolicy) -> Policies {
    let retention = Retention {
        time: 600,
        messages_max: u64::MAX,
        bytes_max: 16 << 10,
    };
    Policies::from(Policy {
        retention: Some(retention),
        slow_policy,
        ..Policy::default()
    })
}

/// Asks for a stream, and has its response's head and where it begins, which is after that message.
fn open(script: &mut Script, target: &str) -> (ConnId, String) {
    let id = ask(script, target, usize::MAX);
    script.turn();
    let blocks = blocks(script, id);
    let begin = blocks[0].rsplit_once("\r\n").expect("a head").1;
    let (retry, after) = begin.split_once("\nid: ").expect("a begin");
    assert!(retry.starts_with("retry: "), "{begin}");
    assert_eq!(blocks.len(), 1, "{blocks:?}");
    (id, after.to_owned())
}

/// Asks for a stream, by a socket that takes so much.
fn ask(script: &mut Script, target: &str, space: usize) -> ConnId {
    let id = script.connect();
    script.set_space(id, space);
    let request = format!("GET {target} HTTP/1.1\r\nHost: sim\r\n\r\n");
    script.say(id, request.as_bytes());
    id
}

/// What came since the last time, up to each empty line: the last event is whole.
fn blocks(script: &mut Script, id: ConnId) -> Vec<String> {
    let text = String::from_utf8(script.take(id)).expect("UTF-8");
    let head = text.split_once("\r\n\r\n");
    let text = head.map_or(text.clone(), |(head, rest)| {
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        format!("\r\n{rest}")
    });
    let mut blocks: Vec<String> = text.split("\n\n").map(str::to_owned).collect();
    assert_eq!(blocks.pop().as_deref(), Some(""), "{text:?} is not whole");
    blocks
}

fn publish(script: &mut Script, text: &str) {
    let offered = script
        .relay
        .offer("lobby", MessageKind::Text, text.as_bytes());
    assert_ne!(offered, Offered::Later);
}

/// Time passes, a tick at a time, until something is written to the connection or so many ticks are over.
fn wait(script: &mut Script, id: ConnId, ticks_max: u32) -> Option<(u32, Vec<u8>)> {
    (1..=ticks_max).find_map(|ticks| {
        script.pass(1);
        script.turn();
        let taken = script.take(id);
        (!taken.is_empty()).then_some((ticks, taken))
    })
}

fn id_of(block: &str) -> &str {
    let line = block.lines().find_map(|line| line.strip_prefix("id: "));
    line.expect("an id")
}

#[test]
fn a_silent_stream_says_that_it_is_alive_after_15_to_25_seconds() {
    let mut script = Script::new(limits());
    let all: Vec<ConnId> = (0..20).map(|_| open(&mut script, "/ws?as=sse").0).collect();
    let mut said = vec![Vec::new(); all.len()];
    for tick in 1..=500 {
        script.pass(1);
        script.turn();
        for (said, &id) in said.iter_mut().zip(&all) {
            match &script.take(id)[..] {
                b"" => {}
                b":\n\n" => said.push(tick),
                other => panic!("{:?}", String::from_utf8_lossy(other)),
            }
        }
    }
    for said in &said {
        let silences = said.windows(2).map(|two| two[1] - two[0]);
        let mut silences = silences.chain(said.first().copied());
        assert!(said.len() >= 2, "{said:?}");
        assert!(
            silences.all(|ticks| COMMENT_TICKS.contains(&ticks)),
            "{said:?}"
        );
    }
    assert!(said.iter().any(|other| *other != said[0]), "all at once");
}

#[test]
fn a_message_puts_the_comment_off() {
    let mut script = Script::new(limits());
    let (id, _) = open(&mut script, "/ws?as=sse");
    assert_eq!(wait(&mut script, id, 149), None);
    publish(&mut script, "hello");
    script.turn();
    assert!(blocks(&mut script, id)[0].ends_with("\ndata: hello"));
    let (ticks, said) = wait(&mut script, id, 250).expect("a comment");
    assert!(COMMENT_TICKS.contains(&ticks), "{ticks}");
    assert_eq!(said, b":\n\n");
}

/// A stream whose reader takes nothing is not silent: a comment would stand in the middle of an event.
#[test]
fn no_comment_comes_into_the_middle_of_an_event() {
    let mut script = Script::new(limits());
    let (id, after) = open(&mut script, "/ws?as=sse");
    script.set_space(id, 10);
    publish(&mut script, "hello");
    script.turn();
    assert_eq!(script.take(id).len(), 10);
    assert_eq!(wait(&mut script, id, 1000), None);
    script.give_space(id, usize::MAX);
    script.turn();
    let last = after.replace("-0", "-1");
    let event = format!("id: {last}\ndata: hello\n\n");
    assert_eq!(String::from_utf8_lossy(&script.take(id)), event[10..]);
    let (ticks, said) = wait(&mut script, id, 250).expect("a comment");
    assert!(COMMENT_TICKS.contains(&ticks), "{ticks}");
    assert_eq!(said, b":\n\n");
}

#[test]
fn a_poll_ends_when_its_time_is_up() {
    let mut script = Script::new(limits());
    let (poll, _) = open(&mut script, "/ws?as=sse&wait=12s");
    let (other, _) = open(&mut script, "/ws?as=sse&wait=12s");
    assert_eq!(wait(&mut script, poll, 119), None);
    assert!(!script.is_shut(poll));
    script.pass(1);
    script.turn();
    assert!(script.is_shut(poll) && script.is_shut(other));
    assert_eq!(script.take(poll), b"", "there was nothing");
}

/// A comment is nothing that a poll waits for.
#[test]
fn a_long_poll_says_that_it_is_alive() {
    let mut script = Script::new(limits());
    let (poll, _) = open(&mut script, "/ws?as=sse&wait=60s");
    let (ticks, said) = wait(&mut script, poll, 250).expect("a comment");
    assert_eq!(said, b":\n\n");
    assert!(!script.is_shut(poll));
    publish(&mut script, "hello");
    script.turn();
    script.turn();
    assert_eq!(blocks(&mut script, poll).len(), 1);
    assert!(script.is_shut(poll), "it is answered");
    assert!(ticks < 600);
}

/// Comments keep no stream alive in which nothing is said.
#[test]
fn a_stream_without_messages_is_idle() {
    let mut script = Script::new(Limits {
        idle_timeout: Some(400),
        ..limits()
    });
    let (idle, _) = open(&mut script, "/ws/other?as=sse");
    let (busy, _) = open(&mut script, "/ws?as=sse");
    for _ in 0..399 {
        script.pass(1);
        script.turn();
    }
    assert!(!script.is_shut(idle));
    let said = script.take(idle);
    assert!(!said.is_empty() && said.chunks(3).all(|part| part == b":\n\n"));
    publish(&mut script, "hello");
    script.turn();
    script.pass(1);
    script.turn();
    assert!(script.is_shut(idle) && !script.is_shut(busy));
    assert_eq!(script.take(idle), b"", "no close frame");
}

#[test]
fn a_stream_that_takes_nothing_is_dropped() {
    let mut script = Script::new(Limits {
        stalled_write_timeout: 50,
        ..limits()
    });
    let (stalled, _) = open(&mut script, "/ws?as=sse");
    let (slow, _) = open(&mut script, "/ws?as=sse");
    for id in [stalled, slow] {
        script.set_space(id, 0);
    }
    publish(&mut script, &"hello ".repeat(100));
    script.turn();
    for _ in 0..49 {
        script.pass(1);
        script.turn();
    }
    assert!(!script.is_closed(stalled));
    // It does not say that its socket is writable, but it is, for a little.
    script.set_space(slow, 1);
    for _ in 0..2 {
        script.pass(1);
        script.turn();
    }
    assert!(script.is_closed(stalled));
    assert!(!script.is_closed(slow));
    assert_eq!(script.take(slow).len(), 1);
    assert_eq!(script.take(stalled), b"");
}

/// Topics retain more than a reader takes that comes for it, and then more is published than is waited for.
fn cut_off(slow_policy: SlowPolicy, message_bytes: usize) -> (Script, ConnId, String) {
    let mut script = Script::new(Limits {
        policies: Arc::new(retaining(slow_policy)),
        pace: Pace {
            replay_bytes_per_write: 1000,
            ..Pace::default()
        },
        ..limits()
    });
    let text = "x".repeat(message_bytes);
    publish(&mut script, "first");
    for _ in 0..10_000 / message_bytes {
        publish(&mut script, &text);
        script.turn();
    }
    let id = ask(&mut script, "/ws?as=sse&since=all", 600);
    script.turn();
    script.turn();
    while script.relay.counters().lapped + script.relay.counters().skips == 0 {
        publish(&mut script, &"y".repeat(8000));
        script.turn();
    }
    (script, id, text)
}

/// What the reader of a topic that was cut off is sent, from its beginning.
fn sent(script: &mut Script, id: ConnId) -> Vec<String> {
    script.give_space(id, usize::MAX);
    for _ in 0..100 {
        script.turn();
    }
    blocks(script, id)
}

#[test]
fn a_replay_that_is_cut_off_goes_on_behind_an_exact_gap() {
    let (mut script, id, text) = cut_off(SlowPolicy::Skip, 300);
    publish(&mut script, "last");
    let mut blocks = sent(&mut script, id);
    let at = blocks.iter().position(|block| block.contains("event: gap"));
    // A part of what it missed was written for it.
    let rest = blocks.split_off(at.expect("a gap") - 1);
    assert!((2..8).contains(&blocks.len()), "{}", blocks.len());
    assert!(rest[0].ends_with(&text));
    let number = |block: &str| {
        let (_, number) = id_of(block).split_once('-').expect("an id");
        number.parse::<u64>().expect("a number")
    };
    let missed = number(&rest[1]) - number(&rest[0]);
    let told = format!("\nevent: gap\ndata: {{\"missed\":{missed}}}");
    assert!(rest[1].ends_with(&told), "{}", rest[1]);
    assert_eq!(script.relay.counters().messages_skipped, missed);
    // Its place among the others is where it joined: from there on, it has all of it.
    let after: Vec<u64> = rest[1..].iter().map(|block| number(block)).collect();
    assert!(
        after.windows(2).all(|two| two[1] == two[0] + 1),
        "{after:?}"
    );
    assert!(rest[rest.len() - 1].ends_with("\ndata: last"));
}

#[test]
fn a_replay_that_is_cut_off_ends_where_it_may_go_on() {
    let (mut script, id, text) = cut_off(SlowPolicy::Close, 300);
    let blocks = sent(&mut script, id);
    assert!(script.is_shut(id));
    assert!((3..9).contains(&blocks.len()), "{}", blocks.len());
    let last = &blocks[blocks.len() - 1];
    assert!(last.ends_with(&text));
    let last = id_of(last);
    let back = ask(&mut script, &format!("/ws?as=sse&since={last}"), usize::MAX);
    for _ in 0..100 {
        script.turn();
    }
    let blocks = self::blocks(&mut script, back);
    assert!(
        blocks[1].contains("\nevent: gap\ndata: {\"missed\":"),
        "{}",
        blocks[1]
    );
}

/// What is left of a message that is written in parts can't be had any more: its reader is not made to believe that
/// it was whole.
#[test]
fn a_replay_that_is_cut_off_in_a_message_is_dropped() {
    for slow_policy in [SlowPolicy::Skip, SlowPolicy::Close] {
        let (script, id, _) = cut_off(slow_policy, 5000);
        assert!(script.is_closed(id));
    }
}

/// A stream has no frames: its last words are none, though its reader, that has said good-bye, misses something.
#[test]
fn no_close_frame_comes_into_a_stream_that_is_lapped_while_it_ends() {
    let mut script = Script::new(limits());
    let (id, _) = open(&mut script, "/ws?as=sse");
    let (other, _) = open(&mut script, "/ws?as=sse");
    script.set_space(id, 0);
    for _ in 0..3 {
        publish(&mut script, &"x".repeat(8000));
        script.turn();
    }
    script.relay.handle_end(id);
    while script.relay.counters().lapped == 0 {
        publish(&mut script, &"y".repeat(8000));
        script.turn();
        script.take(other);
    }
    script.give_space(id, usize::MAX);
    script.turn();
    script.turn();
    assert_eq!(script.take(id), b"", "not even the first had begun");
    assert!(script.is_closed(id));
}
