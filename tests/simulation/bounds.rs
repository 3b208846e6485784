//! Bounds, by hand: what a world meets too seldom, or what does no harm there that shows at once.

use crate::script::{Script, frame, limits, message, sent};
use fanfare::proto::{MessageKind, OpCode};
use fanfare::relay::{Limits, Offered, Pace, Reading};

/// Events for a connection that is gone reach no other, though its slot is taken again.
#[test]
fn events_for_a_connection_that_is_gone_reach_no_other() {
    let mut script = Script::new(limits());
    let gone = script.join("/ws");
    script.relay.handle_reset(gone);
    script.turn();
    assert!(script.is_closed(gone));
    let heir = script.join("/ws");
    assert_eq!(heir.slot, gone.slot);
    assert_ne!(heir, gone);
    script.set_space(heir, 0);
    script.say(heir, &message(b"hello"));
    script.turn();

    assert_eq!(script.relay.reading(gone), Reading::Later);
    assert!(!script.relay.is_open(gone));
    let before = *script.relay.counters();
    script
        .relay
        .handle_input(gone, &mut message(b"from a ghost"));
    script.relay.handle_kept(gone);
    script.relay.handle_writable(gone);
    script.relay.handle_end(gone);
    script.relay.handle_timer(gone, false);
    script.relay.handle_reset(gone);
    script.turn();
    assert!(script.relay.is_open(heir));
    assert_eq!(script.relay.counters().messages, before.messages);
    assert_eq!(
        script.relay.counters().received_bytes,
        before.received_bytes
    );
    assert_eq!(
        script.take(heir),
        b"",
        "its socket was not said to have space"
    );
    script.give_space(heir, usize::MAX);
    script.turn();
    assert_eq!(script.take(heir), sent(b"hello"));
}

/// A ping that waited for its turn, though its socket had space, is awaited from when it left.
#[test]
fn a_ping_that_waits_for_its_turn_is_not_unanswered() {
    let mut script = Script::new(Limits {
        heartbeat_interval: 10,
        pong_timeout: 5,
        pace: Pace {
            output_bytes_per_turn: 1,
            ..Pace::default()
        },
        ..limits()
    });
    let first = script.join("/ws");
    let second = script.join("/ws");
    script.pass(10);
    script.turn();
    let (early, late) = match script.take(second).is_empty() {
        true => (first, second),
        false => (second, first),
    };
    assert_eq!(script.take(late), b"", "a turn sends one");
    script.say(early, &frame(true, OpCode::Pong, b""));
    script.pass(4);
    script.turn();
    assert_eq!(script.take(late), b"\x89\x00");
    script.pass(4);
    script.turn();
    assert!(!script.is_closed(late), "its time is not up");
    script.pass(1);
    script.turn();
    assert!(script.is_closed(late), "now it is");
}

/// The rest of a frame is private memory: it is saved only while there is some.
#[test]
fn no_rest_is_saved_beyond_the_bound_of_private_memory() {
    for private_bytes_max in [0, 1 << 20] {
        let mut script = Script::new(Limits {
            private_bytes_max,
            ..limits()
        });
        let sender = script.join("/ws");
        let reader = script.join("/ws");
        script.set_space(reader, 1);
        while script.relay.counters().lapped == 0 {
            script.say(sender, &message(&[7; 8000]));
            script.turn();
            assert!(script.relay.private_bytes() <= private_bytes_max);
        }
        assert_eq!(script.is_closed(reader), private_bytes_max == 0);
    }
}

/// What comes from elsewhere waits for space as what a member sends does.
#[test]
fn what_is_published_from_elsewhere_waits_for_space() {
    let mut script = Script::new(limits());
    let reader = script.join("/ws");
    let publish = |script: &mut Script, topic| {
        let kind = MessageKind::Binary;
        script.relay.offer(topic, kind, &[7; 10_000]) != Offered::Later
    };
    assert!((0..100).all(|_| publish(&mut script, "empty")));
    // A quarter of what the topic retains; the first one that is over it is taken in whole.
    let taken = (0..100)
        .take_while(|_| publish(&mut script, "lobby"))
        .count();
    assert_eq!(taken, 2);
    assert_eq!(script.relay.reading(reader), Reading::NextTurn);
    script.turn();
    assert!(script.take(reader) == sent(&[7; 10_000]).repeat(2));
    assert!(publish(&mut script, "lobby"));
    assert_eq!(script.relay.counters().messages, 3);
}

/// A drain closes as many in each tick as it has to, and no more.
#[test]
fn a_drain_closes_evenly() {
    let mut script = Script::new(Limits {
        pace: Pace {
            closes_per_tick: 1,
            ..Pace::default()
        },
        ..limits()
    });
    let all: Vec<_> = (0..12).map(|_| script.join("/ws")).collect();
    let is_open = |script: &Script| all.iter().filter(|&&id| script.relay.is_open(id)).count();
    assert_eq!(script.relay.handle_shutdown(4), 4);
    for left in [9, 6, 3, 0] {
        assert_eq!(is_open(&script), left);
        script.turn();
        assert_eq!(is_open(&script), left, "no time has passed");
        script.pass(1);
    }
    while script.relay.has_work() {
        script.turn();
    }
    for &id in &all {
        assert_eq!(script.take(id)[2..4], 1012_u16.to_be_bytes());
        script.say(id, &frame(true, OpCode::Close, &[]));
    }
    script.turn();
    assert!(
        all.iter()
            .all(|&id| script.is_shut(id) || script.is_closed(id))
    );
}

/// A topic visits this many of its members in a turn, and leaves the others' visits to other topics.
#[test]
fn no_topic_takes_all_visits() {
    let mut script = Script::new(Limits {
        pace: Pace {
            topic_visits_per_turn: 3,
            visits_per_turn: 6,
            ..Pace::default()
        },
        ..limits()
    });
    let large: Vec<_> = (0..10).map(|_| script.join("/ws")).collect();
    let others: Vec<_> = (0..2).map(|_| script.join("/ws/other")).collect();
    for first in [large[0], others[0]] {
        script.say(first, &message(b"hello"));
    }
    let mut served = Vec::new();
    for _ in 0..4 {
        script.turn();
        let mut count = |ids: &[_]| {
            ids.iter()
                .filter(|&&id| !script.take(id).is_empty())
                .count()
        };
        served.push((count(&large), count(&others)));
    }
    assert_eq!(served[..2], [(3, 2), (3, 0)]);
    let in_all = served.iter().map(|served| served.0).sum::<usize>();
    assert_eq!(in_all, large.len());
}
