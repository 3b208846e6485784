//! One test per bug that the simulation has found: each failed before its fix.

use crate::script::{Script, frame, limits, message, request, sent};
use fanfare::proto::OpCode;
use fanfare::relay::{Limits, SlowPolicy};

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
