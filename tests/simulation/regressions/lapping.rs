//! Readers that don't keep up: what they are owed, which are lapped, and what they are told.

use crate::script::{Script, frame, limits, message, sent};
use fanfare::metrics::{Cause, close_code_index};
use fanfare::proto::OpCode;
use fanfare::relay::{Limits, Pace, Reading, SlowPolicy};
use std::sync::Arc;

/// A reader that left in the middle of a turn was lapped by what others published later in that turn, though
/// its socket had space.
#[test]
fn a_reader_that_leaves_gets_what_it_is_owed() {
    let mut script = Script::new(Limits {
        log_bytes_max: 64 << 10,
        ..limits()
    });
    let stalled = script.join("/ws");
    let leaver = script.join("/ws");
    let sender = script.join("/ws");
    script.set_space(stalled, 0);
    script.say(sender, &message(&[1; 10_000]).repeat(5));
    script.turn();
    script.take(leaver);
    script.say(leaver, &message(b"bye"));
    script.say(leaver, &frame(true, OpCode::Close, &1000u16.to_be_bytes()));
    script.say(sender, &message(&[2; 10_000]).repeat(3));
    script.turn();
    script.turn();
    assert_eq!(script.relay.counters().lapped, 1, "the one that stalls");
    let expected = [sent(b"bye"), b"\x88\x02\x03\xE8".to_vec()].concat();
    assert_eq!(script.take(leaver), expected);
}

/// More slices than fit into one write left the rest for the next turn, in which a burst could lap
/// a reader whose socket had space.
#[test]
fn a_reader_with_space_is_served_until_it_is_at_the_tail() {
    let mut script = Script::new(limits());
    let reader = script.join("/ws?echo=0");
    let other = script.join("/ws");
    script.set_space(reader, 0);
    let mut expected = Vec::new();
    for _ in 0..50 {
        script.say(other, &message(b"other"));
        script.say(reader, &message(b"own"));
        script.turn();
        expected.extend(sent(b"other"));
    }
    script.give_space(reader, usize::MAX);
    script.turn();
    assert_eq!(script.take(reader), expected);
}

/// What waited for a boundary of the log stayed behind when a member passed over its own messages.
/// Once the log was trimmed there, the next messages were lost to it.
#[test]
fn a_pong_behind_a_senders_own_messages_loses_nothing() {
    let mut script = Script::new(limits());
    let silent = script.join("/ws?echo=0");
    let other = script.join("/ws");
    script.set_space(silent, 0);
    script.say(silent, &frame(true, OpCode::Ping, b"?"));
    script.turn();
    for _ in 0..3 {
        script.say(silent, &message(b"mine"));
        script.turn();
    }
    for text in [b"one", b"two"] {
        script.say(other, &message(text));
        script.turn();
    }
    script.give_space(silent, usize::MAX);
    script.turn();
    let expected = [b"\x8A\x01?".to_vec(), sent(b"one"), sent(b"two")].concat();
    assert_eq!(script.take(silent), expected);
}

/// The log was not told that a lagging member had passed over its own messages, and kept them.
#[test]
fn a_senders_own_messages_are_not_kept_for_it() {
    let mut script = Script::new(limits());
    let silent = script.join("/ws?echo=0");
    let other = script.join("/ws");
    script.set_space(silent, 1);
    script.say(other, &message(b"hello"));
    script.turn();
    for _ in 0..100 {
        script.say(silent, &frame(true, OpCode::Ping, b"?"));
        script.say(silent, &message(&[7; 4000]));
        // It reads little by little: always what it is owed of "hello" and the pongs, never all.
        script.give_space(silent, 3);
        script.turn();
        let log_bytes = script.relay.log_bytes();
        assert!(
            log_bytes <= 16 << 10,
            "{log_bytes} bytes are kept for no reader"
        );
    }
    assert_eq!(script.relay.counters().lapped, 0);
}

/// All readers that lagged too far were lapped at once, in the middle of a client's input, and that turn took as
/// long as it took. Now a turn laps a bounded number, and the topic takes nothing in until all are.
#[test]
fn a_turn_laps_a_part_and_the_log_does_not_grow_meanwhile() {
    let mut script = Script::new(Limits {
        pace: Pace {
            laps_per_turn: 5,
            ..Pace::default()
        },
        ..limits()
    });
    let sender = script.join("/ws");
    let stalled: Vec<_> = (0..18).map(|_| script.join("/ws")).collect();
    for &reader in &stalled {
        script.set_space(reader, 1);
    }
    while script.relay.counters().lapped == 0 {
        script.say(sender, &message(&[7; 8000]));
        script.turn();
    }
    let log_bytes = script.relay.log_bytes();
    for lapped in [5, 10, 15] {
        assert_eq!(script.relay.counters().lapped, lapped);
        assert!(script.relay.has_work());
        assert_eq!(script.relay.reading(sender), Reading::NextTurn);
        assert_eq!(script.relay.log_bytes(), log_bytes);
        script.turn();
    }
    assert_eq!(script.relay.counters().lapped, 18);
    assert!(matches!(script.relay.reading(sender), Reading::Now(_)));
    assert_eq!(script.relay.log_bytes(), 0);
}

/// To know what a reader missed, all that its log knows of senders without echo was gone through for each one
/// that doesn't either: as many laps took a turn a tenth of a second.
#[test]
fn what_a_lap_takes_counts() {
    let mut script = Script::new(Limits {
        topic_log_bytes_max: 1 << 20,
        log_bytes_max: 16 << 20,
        pace: Pace {
            laps_per_turn: 5,
            ..Pace::default()
        },
        ..limits()
    });
    let senders = [(); 2].map(|()| script.join("/ws?echo=0"));
    let stalled: Vec<_> = (0..12).map(|_| script.join("/ws?echo=0")).collect();
    for &reader in &stalled {
        script.set_space(reader, 1);
    }
    let mut lapped = 0;
    while lapped < 12 {
        for _ in 0..100 {
            for &sender in &senders {
                script.say(sender, &message(b""));
            }
        }
        script.turn();
        let more = script.relay.counters().lapped - lapped;
        assert!(more <= 1, "{more} in a turn");
        lapped += more;
    }
}

/// A reader whose socket had space, but whose turn had not come, was lapped by what came meanwhile.
#[test]
fn a_reader_with_space_again_is_served_and_not_lapped() {
    let mut script = Script::new(limits());
    let sender = script.join("/ws");
    let reader = script.join("/ws");
    script.set_space(reader, 0);
    let payload = [7; 15_000];
    for _ in 0..3 {
        script.say(sender, &message(&payload));
        script.turn();
    }
    script.give_space(reader, usize::MAX);
    script.say(sender, &message(&payload));
    script.say(sender, &message(&payload));
    script.turn();
    assert_eq!(script.relay.counters().lapped, 0);
    assert!(script.take(reader) == sent(&payload).repeat(5));
}

/// A reader that was closing, and did not read, was counted as lapped again with each message that came, and
/// so were messages that it was not owed.
#[test]
fn a_closing_reader_is_lapped_once_for_what_it_was_owed() {
    let mut script = Script::new(limits());
    let sender = script.join("/ws");
    let reader = script.join("/ws");
    script.set_space(reader, 0);
    for _ in 0..3 {
        script.say(sender, &message(&[7; 1000]));
        script.turn();
    }
    script.say(reader, &frame(true, OpCode::Close, &[]));
    for _ in 0..200 {
        script.say(sender, &message(&[7; 8000]));
        script.turn();
    }
    let counters = script.relay.counters();
    assert_eq!((counters.lapped, counters.messages_lost), (1, 3));
    script.give_space(reader, usize::MAX);
    script.turn();
    script.turn();
    assert_eq!(script.take(reader), b"\x88\x00");
}

/// A reader that was lapped while it closed got the code of its close, as if it had missed nothing.
#[test]
fn a_reader_lapped_while_it_closes_is_told_that_it_missed_something() {
    let too_slow = [
        &b"\x03\xF5"[..],
        b"too slow: more was missed than the topic retains",
    ];
    let reason = |slow_policy: SlowPolicy, bytes: &[u8]| {
        let mut limits = limits();
        limits.policies = Arc::new(slow_policy.into());
        limits.rates.messages_per_second_max = Some(1);
        let mut script = Script::new(limits);
        let reader = script.join("/ws");
        script.set_space(reader, 1);
        // What it is owed when it closes is gone from the log before its socket has space.
        for text in [b"one", b"two"] {
            let sender = script.join("/ws?echo=0");
            script.say(sender, &message(text));
            script.turn();
        }
        script.say(reader, bytes);
        while script.relay.counters().lapped == 0 {
            let sender = script.join("/ws?echo=0");
            script.say(sender, &message(&[1; 16_000]));
            script.turn();
            script.relay.handle_reset(sender);
        }
        script.give_space(reader, usize::MAX);
        script.turn();
        script.turn();
        let received = script.take(reader);
        let rest = received
            .strip_prefix(&sent(b"one")[..])
            .expect("a whole frame");
        assert_eq!(rest[..2], [0x88, rest.len() as u8 - 2], "a close frame");
        rest[2..].to_vec()
    };
    for slow_policy in [SlowPolicy::Close, SlowPolicy::Skip] {
        let over_rate = message(b"too often").repeat(6);
        assert_eq!(reason(slow_policy, &over_rate), too_slow.concat());
        let wrong = frame(true, OpCode::Continuation, b"");
        assert_eq!(reason(slow_policy, &wrong), too_slow.concat());
        // A peer that closed itself is answered.
        let bye = frame(true, OpCode::Close, &1000u16.to_be_bytes());
        assert_eq!(reason(slow_policy, &bye), 1000u16.to_be_bytes());
    }
}

/// What one had sent oneself, and did not want back, was counted as missed.
#[test]
fn a_readers_own_messages_are_not_missed() {
    let mut script = Script::new(Limits {
        policies: Arc::new(SlowPolicy::Skip.into()),
        ..limits()
    });
    let reader = script.join("/ws?echo=0");
    let sender = script.join("/ws");
    script.set_space(reader, 0);
    let mut sent = 0;
    while script.relay.counters().skips == 0 {
        script.say(sender, &message(&[7; 4000]));
        script.say(reader, &message(b"mine").repeat(3));
        script.say(sender, &message(b"not yours").repeat(2));
        script.turn();
        sent += 3;
    }
    assert_eq!(script.relay.counters().messages_skipped, sent);
}

/// A reader that was lapped in the middle of a frame, and dropped without a close frame, was counted as if
/// it had got one.
#[test]
fn a_reader_dropped_without_a_close_frame_is_counted_as_such() {
    let mut script = Script::new(Limits {
        rescue_bytes_max: 0,
        ..limits()
    });
    let sender = script.join("/ws");
    let reader = script.join("/ws");
    script.set_space(reader, 1);
    while !script.is_closed(reader) {
        script.say(sender, &message(&[7; 8000]));
        script.turn();
    }
    let closes = &script.relay.counters().closes[Cause::Lapped as usize];
    assert_eq!(closes[close_code_index(1006)], 1);
    assert_eq!(closes[close_code_index(1013)], 0);
}
