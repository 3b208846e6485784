//! A turn's shares: no connection's flood holds up the others.

use crate::script::{Script, frame, limits, message, sent};
use fanfare::proto::OpCode;
use fanfare::relay::{Limits, Pace};

/// The walk over a topic's members began anew with each message, and was never complete if one came in
/// each turn: nothing was trimmed, and no reader lapped, while there was memory.
#[test]
fn messages_that_never_cease_keep_no_walk_from_its_end() {
    // Its end and that of a turn's part of it coincide for 4 members, and for 8.
    for members in [4, 5, 8, 10, 16] {
        let mut script = Script::new(Limits {
            pace: Pace {
                topic_visits_per_turn: 4,
                ..Pace::default()
            },
            ..limits()
        });
        let log_bytes_max = 2 * limits().topic_log_bytes_max;
        let sender = script.join("/ws");
        let stalled = script.join("/ws");
        script.set_space(stalled, 0);
        let others: Vec<_> = (2..members).map(|_| script.join("/ws")).collect();
        for _ in 0..200 {
            script.say(sender, &message(&[7; 1000]));
            script.turn();
            let log_bytes = script.relay.log_bytes();
            assert!(
                log_bytes <= log_bytes_max,
                "{log_bytes} bytes for {members}"
            );
        }
        assert_eq!(script.relay.counters().lapped, 1, "of {members}");
        while script.relay.has_work() {
            script.turn();
        }
        for &reader in &others {
            let is_all = script.take(reader) == sent(&[7; 1000]).repeat(200);
            assert!(is_all, "one of {members} got something else");
        }
    }
}

/// A turn wrote to a fixed number of members however long that took: a flood to one topic kept the others
/// from what they were owed.
#[test]
fn a_flood_to_one_topic_delays_another_by_a_turn() {
    let mut script = Script::new(Limits {
        pace: Pace {
            topic_flush_bytes_per_turn: 10_000,
            flush_bytes_per_turn: 20_000,
            ..Pace::default()
        },
        ..limits()
    });
    let flood: Vec<_> = (0..30).map(|_| script.join("/ws/flood")).collect();
    let quiet = script.join("/ws/quiet");
    let owed = sent(&[7; 4000]).repeat(2);
    script.say(flood[0], &message(&[7; 4000]).repeat(2));
    script.turn();
    let took: Vec<_> = flood.iter().map(|&id| script.take(id).len()).collect();
    assert_eq!(took.iter().sum::<usize>(), 2 * owed.len(), "two are served");
    script.say(quiet, &message(b"hello"));
    script.turn();
    assert_eq!(script.take(quiet), sent(b"hello"));
    while script.relay.has_work() {
        script.turn();
    }
    for (&id, took) in flood.iter().zip(took) {
        assert_eq!(took + script.take(id).len(), owed.len());
    }
}

/// Nor do connections with output of their own, such as a pong, wait for many that catch up.
#[test]
fn a_pong_does_not_wait_for_lagging_readers() {
    let mut script = Script::new(Limits {
        pace: Pace {
            output_bytes_per_turn: 10_000,
            ..Pace::default()
        },
        ..limits()
    });
    let flood: Vec<_> = (0..30).map(|_| script.join("/ws/flood")).collect();
    let quiet = script.join("/ws/quiet");
    for &reader in &flood {
        script.set_space(reader, 0);
    }
    script.say(flood[0], &message(&[7; 8000]));
    script.turn();
    for &reader in &flood {
        script.give_space(reader, usize::MAX);
    }
    script.say(quiet, &frame(true, OpCode::Ping, b"?"));
    script.turn();
    assert_eq!(script.take(quiet), b"\x8A\x01?");
    let mut served = 0;
    for turn in 1.. {
        let took = flood.iter().filter(|&&id| !script.take(id).is_empty());
        served += took.count();
        assert_eq!(served, (2 * turn).min(30));
        if served == 30 {
            break;
        }
        assert!(script.relay.has_work());
        script.turn();
    }
}

/// However much a topic's members take, and whatever a topic's share of a turn is: the others have theirs.
#[test]
fn a_topic_that_is_never_done_does_not_starve_the_others() {
    for (topic_visits_per_turn, topic_flush_bytes_per_turn) in [(3, 1 << 30), (1000, 3000)] {
        let mut script = Script::new(Limits {
            pace: Pace {
                topic_visits_per_turn,
                visits_per_turn: 3,
                topic_flush_bytes_per_turn,
                flush_bytes_per_turn: 3000,
                ..Pace::default()
            },
            ..limits()
        });
        let busy: Vec<_> = (0..10).map(|_| script.join("/ws/busy")).collect();
        let quiet = script.join("/ws/quiet");
        for _ in 0..20 {
            script.say(busy[0], &message(&[7; 1000]));
            script.say(quiet, &message(b"hello"));
            script.turn();
            script.turn();
            assert_eq!(script.take(quiet), sent(b"hello"));
        }
    }
}
