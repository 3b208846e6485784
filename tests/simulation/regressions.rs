//! One test per bug that the simulation has found: each failed before its fix.

use crate::script::{Script, frame, limits, message, request, sent};
use fanfare::metrics::{Cause, close_code_index};
use fanfare::proto::OpCode;
use fanfare::relay::{Limits, Pace, Reading, SlowPolicy};

/// What waited for a boundary of the log stayed behind when a member passed over its own messages.
/// Once the log was trimmed there, the next messages were lost to it.
#[test]
fn a_pong_behind_ones_own_messages_loses_nothing() {
    let mut script = Script::new(limits());
    let silent = script.join("/ws?echo=0");
    let other = script.join("/ws");
    script.set_room(silent, 0);
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
    script.give_room(silent, usize::MAX);
    script.turn();
    let expected = [b"\x8A\x01?".to_vec(), sent(b"one"), sent(b"two")].concat();
    assert_eq!(script.take(silent), expected);
}

/// The log was not told that a lagging member had passed over its own messages, and kept them.
#[test]
fn ones_own_messages_are_not_kept_for_oneself() {
    let mut script = Script::new(limits());
    let silent = script.join("/ws?echo=0");
    let other = script.join("/ws");
    script.set_room(silent, 1);
    script.say(other, &message(b"hello"));
    script.turn();
    for _ in 0..100 {
        script.say(silent, &frame(true, OpCode::Ping, b"?"));
        script.say(silent, &message(&[7; 4000]));
        // It reads little by little: always what it is owed of "hello" and the pongs, never all.
        script.give_room(silent, 3);
        script.turn();
        let log_bytes = script.relay.log_bytes();
        assert!(
            log_bytes <= 16 << 10,
            "{log_bytes} bytes are kept for nobody"
        );
    }
    assert_eq!(script.relay.counters().lapped, 0);
}

/// Who left in the middle of a turn was lapped by what others published later in that turn, though
/// its socket had room.
#[test]
fn who_leaves_gets_what_it_is_owed() {
    let mut script = Script::new(Limits {
        log_bytes_max: 64 << 10,
        ..limits()
    });
    let stalled = script.join("/ws");
    let leaver = script.join("/ws");
    let sender = script.join("/ws");
    script.set_room(stalled, 0);
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
/// a reader whose socket had room.
#[test]
fn who_has_room_is_served_until_it_is_at_the_tail() {
    let mut script = Script::new(limits());
    let reader = script.join("/ws?echo=0");
    let other = script.join("/ws");
    script.set_room(reader, 0);
    let mut expected = Vec::new();
    for _ in 0..50 {
        script.say(other, &message(b"other"));
        script.say(reader, &message(b"own"));
        script.turn();
        expected.extend(sent(b"other"));
    }
    script.give_room(reader, usize::MAX);
    script.turn();
    assert_eq!(script.take(reader), expected);
}

/// The ping waited behind a full socket, and the time for its answer was counted all the same, if
/// the socket had room again in the very turn in which a timer was due.
#[test]
fn a_ping_that_has_not_left_is_not_unanswered() {
    let mut script = Script::new(Limits {
        heartbeat_interval: 10,
        pong_timeout: 5,
        stalled_write_timeout: 50,
        ..limits()
    });
    let reader = script.join("/ws");
    script.set_room(reader, 0);
    script.pass(10);
    script.turn();
    script.pass(50);
    script.give_room(reader, usize::MAX);
    script.turn();
    assert!(!script.is_closed(reader));
    assert_eq!(script.take(reader), b"\x89\x00");
    script.pass(5);
    script.turn();
    assert!(script.is_closed(reader), "now it is unanswered");
}

/// When the close frame left while a pong was awaited, the time for the close began anew.
#[test]
fn the_time_for_a_close_is_counted_once() {
    let mut script = Script::new(Limits {
        heartbeat_interval: 10,
        idle_timeout: Some(12),
        close_timeout: 20,
        ..limits()
    });
    let idle = script.join("/ws");
    script.pass(10);
    script.turn();
    script.pass(2);
    script.turn();
    script.pass(1);
    script.turn();
    assert_eq!(script.take(idle)[..6], *b"\x89\x00\x88\x06\x03\xE9");
    script.pass(18);
    script.turn();
    assert!(!script.is_closed(idle));
    script.pass(1);
    script.turn();
    assert!(script.is_closed(idle));
}

/// The beginning of a frame that had come with the request, and had to wait for room in the topic,
/// was forgotten when its sender was lapped; what came then was taken for another frame.
#[test]
fn frames_that_had_to_wait_stay_whole_when_their_sender_is_lapped() {
    let mut script = Script::new(limits());
    let sender = script.join("/ws");
    let newcomer = script.connect();
    script.set_room(newcomer, 0);
    let (start, end) = (message(b"\x80\x80\x80\x80")[..7].to_vec(), b"\x80\x80\x80");
    // The turn takes in no more for this topic, so that the newcomer's frame has to wait.
    script.say(sender, &message(&[1; 16_000]).repeat(2));
    script.say(newcomer, &[request("/ws"), start].concat());
    script.turn();
    // It is lapped before it is read again.
    for _ in 0..3 {
        for _ in 0..2 {
            script
                .relay
                .handle_input(sender, &mut message(&[2; 16_000]));
        }
        script.turn();
    }
    assert_eq!(script.relay.counters().lapped, 1);
    script.say(newcomer, end);
    script.give_room(newcomer, usize::MAX);
    script.turn();
    script.turn();
    assert!(!script.is_shut(newcomer), "its close frame has yet to come");
    script.say(newcomer, &frame(true, OpCode::Close, &[]));
    script.turn();
    assert!(script.is_shut(newcomer));
}

/// Unfinished messages were counted by what had come of them, though the memory that they are
/// gathered in grows to twice its size at a time.
#[test]
fn unfinished_messages_keep_within_their_bound() {
    let private_bytes_max = 100_000;
    let mut script = Script::new(Limits {
        message_bytes_max: 1 << 20,
        topic_log_bytes_max: 4 << 20,
        log_bytes_max: 4 << 20,
        private_bytes_max,
        ..limits()
    });
    let sender = script.join("/ws");
    script.say(sender, &frame(false, OpCode::Binary, &[0; 30_000]));
    for _ in 0..20 {
        script.say(sender, &frame(false, OpCode::Continuation, &[0; 5000]));
        script.turn();
        let private_bytes = script.relay.private_bytes();
        assert!(private_bytes <= private_bytes_max, "{private_bytes} bytes");
    }
    assert_eq!(script.take(sender)[2..4], *b"\x03\xF5", "1013");
}

/// Request heads were counted, and not bounded.
#[test]
fn unfinished_requests_keep_within_their_bound() {
    let private_bytes_max = 100_000;
    let free = 16 * 1024;
    let mut script = Script::new(Limits {
        head_bytes_max: 1 << 20,
        private_bytes_max,
        ..limits()
    });
    let clients: Vec<_> = (0..20).map(|_| script.connect()).collect();
    let start = b"GET /ws HTTP/1.1\r\nx: ";
    clients.iter().for_each(|&client| script.say(client, start));
    for _ in 0..40 {
        for &client in &clients {
            script.say(client, &[b'x'; 1000]);
        }
        script.turn();
        let private_bytes = script.relay.private_bytes();
        let bytes_max = private_bytes_max + clients.len() * free;
        assert!(private_bytes <= bytes_max, "{private_bytes} bytes");
    }
    let mut answers = clients.iter().map(|&client| script.take(client));
    assert!(answers.any(|answer| answer.starts_with(b"HTTP/1.1 503 ")));
    // Whoever asks for less has a place all the same.
    script.join("/ws");
}

/// A reader that was moved to the live end while its socket was full had nothing pending when it
/// was to show whether it takes anything. The next message that it did not take at once ended it.
#[test]
fn who_has_nothing_pending_is_not_stalled() {
    let mut script = Script::new(Limits {
        slow_policy: SlowPolicy::Skip,
        stalled_write_timeout: 50,
        ..limits()
    });
    let reader = script.join("/ws");
    let sender = script.join("/ws");
    script.set_room(reader, 0);
    while script.relay.counters().skips == 0 {
        script.say(sender, &message(&[1; 16_000]));
        script.turn();
    }
    script.pass(50);
    script.turn();
    script.say(sender, &message(b"news"));
    script.turn();
    script.pass(49);
    script.turn();
    assert!(!script.is_closed(reader));
    script.pass(1);
    script.turn();
    assert!(script.is_closed(reader), "now it is stalled");
}

/// The end of a message did not count against idleness if a control frame left in the same write.
#[test]
fn who_hears_the_end_of_a_message_is_not_idle() {
    let mut script = Script::new(Limits {
        idle_timeout: Some(20),
        ..limits()
    });
    let reader = script.join("/ws");
    let sender = script.join("/ws");
    script.set_room(reader, 3);
    script.say(sender, &message(b"hello"));
    script.turn();
    script.say(reader, &frame(true, OpCode::Ping, b"?"));
    script.pass(10);
    script.give_room(reader, usize::MAX);
    script.turn();
    let heard = script.take(reader);
    assert_eq!(heard, [sent(b"hello"), b"\x8A\x01?".to_vec()].concat());
    script.pass(19);
    script.turn();
    assert_eq!(script.take(reader), b"");
    script.pass(1);
    script.turn();
    script.turn();
    assert_eq!(script.take(reader)[2..4], *b"\x03\xE9", "1001");
}

/// Only whole messages counted against idleness: an upload that took longer than that ended in 1001.
#[test]
fn who_is_in_the_middle_of_a_message_is_not_idle() {
    let mut script = Script::new(Limits {
        idle_timeout: Some(20),
        ..limits()
    });
    let sender = script.join("/ws");
    let large = message(&[1; 4000]);
    for piece in large.chunks(1000) {
        script.say(sender, piece);
        script.pass(19);
        script.turn();
    }
    script.say(sender, &frame(true, OpCode::Ping, b""));
    let heard = script.take(sender);
    assert_eq!(heard, sent(&[1; 4000]));
    script.pass(20);
    script.turn();
    script.turn();
    let close = b"\x88\x06\x03\xE9idle";
    assert_eq!(script.take(sender), [&b"\x8A\x00"[..], close].concat());
}

/// Bytes that were one too many closed their sender, which went on being served: it was answered,
/// counted, and looked up in the topic that it had left.
#[test]
fn who_is_closed_in_the_middle_of_its_input_is_not_served_any_more() {
    let mut limits = limits();
    limits.rates.messages_per_second_max = Some(1);
    let mut script = Script::new(limits);
    let reader = script.join("/ws");
    let sender = script.join("/ws?echo=0");
    let heard = message(b"heard").repeat(5);
    let deaf = [
        message(b"unheard"),
        frame(true, OpCode::Ping, b"?"),
        frame(true, OpCode::Pong, b"!"),
        frame(false, OpCode::Text, b"un"),
        frame(true, OpCode::Continuation, b"heard"),
    ];
    script.say(sender, &[heard, deaf.concat()].concat());
    script.turn();
    script.turn();
    assert_eq!(script.take(reader), sent(b"heard").repeat(5));
    let close = script.take(sender);
    assert_eq!(close[2..4], *b"\x03\xF0", "1008, and no pong");
    let counters = script.relay.counters();
    assert_eq!((counters.messages, counters.deliveries), (5, 5));
    assert_eq!((counters.pings_received, counters.pongs_received), (0, 0));
    script.say(sender, &frame(true, OpCode::Close, &[]));
    script.turn();
    assert!(
        script.is_shut(sender),
        "its close frame counts all the same"
    );
}

/// The same for what comes behind a request; and a sender that its own messages lap has said good-bye.
#[test]
fn a_close_frame_counts_behind_what_closed_its_sender() {
    let mut limits = limits();
    limits.rates.bytes_per_second_max = Some(1);
    let bye = frame(true, OpCode::Close, &[]);
    let frames = [message(&[1; 16_000]).repeat(2), bye.clone()].concat();
    let mut script = Script::new(limits);
    let newcomer = script.connect();
    script.say(newcomer, &[request("/ws"), frames].concat());
    script.turn();
    script.turn();
    assert!(script.is_shut(newcomer));
    assert_eq!(script.relay.counters().messages, 0);

    for rescue_bytes_max in [0, 64 << 10] {
        let mut script = Script::new(Limits {
            rescue_bytes_max,
            ..crate::script::limits()
        });
        let other = script.join("/ws?echo=0");
        let sender = script.join("/ws");
        script.set_room(sender, 1);
        let flood = [message(&[1; 16_000]).repeat(8), bye.clone()].concat();
        script.say(other, &message(b"hello"));
        script.turn();
        script.relay.handle_input(sender, &mut flood.clone());
        script.turn();
        assert_eq!(script.relay.counters().lapped, 1);
        script.give_room(sender, usize::MAX);
        script.turn();
        script.turn();
        assert!(script.is_closed(sender) || script.is_shut(sender));
    }
}

/// The walk over a topic's members began anew with each message, and was never complete if one came in
/// each turn: nothing was trimmed, and nobody lapped, while there was memory.
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
        script.set_room(stalled, 0);
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

/// After a pause, timers fired before what had come meanwhile was read: whoever did not fit into the
/// first turn was taken for dead.
#[test]
fn who_has_not_been_heard_yet_is_not_judged() {
    let silent = Limits {
        heartbeat_interval: 10,
        pong_timeout: 5,
        idle_timeout: Some(1000),
        ..limits()
    };
    let pong = frame(true, OpCode::Pong, b"");
    let mut script = Script::new(silent.clone());
    let heard = script.join("/ws");
    let unread = script.join("/ws");
    let unreported = script.join("/ws");
    let all = [heard, unread, unreported];
    script.pass(10);
    script.turn();
    for id in all {
        assert_eq!(script.take(id), b"\x89\x00", "a ping");
    }
    let before = script.now();
    script.pass(30);
    // The poll brings as many events as it can, and of those the turn reads one.
    script.relay.handle_poll(before, 2, true);
    script.say(heard, &pong);
    script.turn_with_unread(&[unread]);
    // The next has room for more: now everything that came before it began is known.
    script.relay.handle_poll(script.now(), 1, false);
    script.turn_with_unread(&[unread, unreported]);
    for id in all {
        assert!(!script.is_closed(id), "it has spoken");
    }
    for id in all {
        script.say(id, &pong);
    }
    script.pass(1);
    script.turn();
    for id in all {
        assert!(!script.is_closed(id));
    }
    script.pass(10);
    script.turn();
    script.pass(5);
    script.turn();
    for id in all {
        assert!(script.is_closed(id), "now it is silent");
    }
}

/// Who floods the relay has always something to be read, and ends in time all the same.
#[test]
fn who_goes_on_and_on_is_heard_once_after_its_time() {
    let mut limits = limits();
    limits.rates.messages_per_second_max = Some(1);
    limits.close_timeout = 20;
    let mut script = Script::new(limits);
    let flood = script.join("/ws?echo=0");
    let sends = message(b"flood").repeat(20);
    script.say(flood, &sends);
    script.turn_with_unread(&[flood]);
    script.pass(20);
    script.relay.handle_poll(script.now(), 0, false);
    script.turn_with_unread(&[flood]);
    assert!(!script.is_closed(flood), "its close frame may have come");
    script.pass(1);
    script.relay.handle_poll(script.now(), 0, false);
    script.say(flood, &sends);
    script.turn_with_unread(&[flood]);
    assert!(script.is_closed(flood));
}

/// All who lagged too far were lapped at once, in the middle of what somebody said, and that turn took as
/// long as it took. Now a turn laps so many, and the topic takes nothing in until all are.
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
        script.set_room(reader, 1);
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

/// To know what a reader missed, all that its log knows of senders who don't hear themselves was gone
/// through for each one that doesn't either: so many laps took a turn a tenth of a second.
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
        script.set_room(reader, 1);
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

/// A reader whose socket had room, but whose turn had not come, was lapped by what came meanwhile.
#[test]
fn who_has_room_again_is_served_and_not_lapped() {
    let mut script = Script::new(limits());
    let sender = script.join("/ws");
    let reader = script.join("/ws");
    script.set_room(reader, 0);
    let payload = [7; 15_000];
    for _ in 0..3 {
        script.say(sender, &message(&payload));
        script.turn();
    }
    script.give_room(reader, usize::MAX);
    script.say(sender, &message(&payload));
    script.say(sender, &message(&payload));
    script.turn();
    assert_eq!(script.relay.counters().lapped, 0);
    assert!(script.take(reader) == sent(&payload).repeat(5));
}

/// A turn wrote to so many members whatever that took: a flood to one topic kept the others from what they
/// were owed.
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

/// Nor do those wait who have output of their own, such as a pong, for a crowd that catches up.
#[test]
fn a_pong_does_not_wait_for_those_who_lag() {
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
        script.set_room(reader, 0);
    }
    script.say(flood[0], &message(&[7; 8000]));
    script.turn();
    for &reader in &flood {
        script.give_room(reader, usize::MAX);
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

/// A reader that was closing, and did not read, was counted as lapped again with each message that came, and
/// so were messages that it was not owed.
#[test]
fn who_closes_is_lapped_once_for_what_it_was_owed() {
    let mut script = Script::new(limits());
    let sender = script.join("/ws");
    let reader = script.join("/ws");
    script.set_room(reader, 0);
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
    script.give_room(reader, usize::MAX);
    script.turn();
    script.turn();
    assert_eq!(script.take(reader), b"\x88\x00");
}

/// Who was lapped while it closed got the code of its close, as if it had missed nothing.
#[test]
fn who_is_lapped_while_it_closes_is_told_that_it_missed_something() {
    let too_slow = [
        &b"\x03\xF5"[..],
        b"too slow: more was missed than the topic retains",
    ];
    let reason = |slow_policy, bytes: &[u8]| {
        let mut limits = limits();
        limits.slow_policy = slow_policy;
        limits.rates.messages_per_second_max = Some(1);
        let mut script = Script::new(limits);
        let reader = script.join("/ws");
        script.set_room(reader, 1);
        // What it is owed when it closes is gone from the log before it has room.
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
        script.give_room(reader, usize::MAX);
        script.turn();
        script.turn();
        let heard = script.take(reader);
        let rest = heard
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
        // Who said good-bye itself is answered.
        let bye = frame(true, OpCode::Close, &1000u16.to_be_bytes());
        assert_eq!(reason(slow_policy, &bye), 1000u16.to_be_bytes());
    }
}

/// What one had sent oneself, and did not want back, was counted as missed.
#[test]
fn ones_own_messages_are_not_missed() {
    let mut script = Script::new(Limits {
        slow_policy: SlowPolicy::Skip,
        ..limits()
    });
    let reader = script.join("/ws?echo=0");
    let sender = script.join("/ws");
    script.set_room(reader, 0);
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
fn who_is_dropped_without_a_close_frame_is_counted_so() {
    let mut script = Script::new(Limits {
        rescue_bytes_max: 0,
        ..limits()
    });
    let sender = script.join("/ws");
    let reader = script.join("/ws");
    script.set_room(reader, 1);
    while !script.is_closed(reader) {
        script.say(sender, &message(&[7; 8000]));
        script.turn();
    }
    let closes = &script.relay.counters().closes[Cause::Lapped as usize];
    assert_eq!(closes[close_code_index(1006)], 1);
    assert_eq!(closes[close_code_index(1013)], 0);
}

/// Who waited for its turn to be written to was held to have taken nothing for too long.
#[test]
fn who_waits_for_its_turn_is_not_stalled() {
    let timeout = 50;
    let mut script = Script::new(Limits {
        stalled_write_timeout: timeout,
        ..limits()
    });
    // More than a turn writes to.
    let many: Vec<_> = (0..300).map(|_| script.connect()).collect();
    for &id in &many {
        script.say(id, b"GET / HTTP/1.1\r\nHost: sim\r\n\r\n");
    }
    script.turn();
    let last = many[many.len() - 1];
    assert_eq!(script.take(last), b"");
    script.set_room(last, 0);
    script.pass(timeout);
    script.turn();
    assert!(!script.is_closed(last), "it was not asked");
    while script.relay.has_work() {
        script.turn();
    }
    script.pass(timeout - 1);
    script.turn();
    assert!(!script.is_closed(last));
    script.pass(1);
    script.turn();
    assert!(script.is_closed(last), "now it is stalled");
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
