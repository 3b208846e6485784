//! Deadlines: no connection is ended for what is not its fault.

use crate::script::{Script, frame, limits, message, sent};
use fanfare::proto::OpCode;
use fanfare::relay::{Limits, SlowPolicy};
use std::sync::Arc;

/// The ping waited behind a full socket, and the time for its answer was counted all the same, if
/// the socket was writable again in the very turn in which a timer was due.
#[test]
fn a_ping_that_has_not_left_is_not_unanswered() {
    let mut script = Script::new(Limits {
        heartbeat_interval: 10,
        pong_timeout: 5,
        stalled_write_timeout: 50,
        ..limits()
    });
    let reader = script.join("/ws");
    script.set_space(reader, 0);
    script.pass(10);
    script.turn();
    script.pass(50);
    script.give_space(reader, usize::MAX);
    script.turn();
    assert!(!script.is_closed(reader));
    assert_eq!(script.take(reader), b"\x89\x00");
    assert_eq!(script.relay.counters().pings_sent, 1);
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

/// A reader that was moved to the live end while its socket was full had nothing pending when it
/// was to show whether it takes anything. The next message that it did not take at once ended it.
#[test]
fn a_reader_with_nothing_pending_is_not_stalled() {
    let mut script = Script::new(Limits {
        policies: Arc::new(SlowPolicy::Skip.into()),
        stalled_write_timeout: 50,
        ..limits()
    });
    let reader = script.join("/ws");
    let sender = script.join("/ws");
    script.set_space(reader, 0);
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
fn a_reader_that_gets_the_end_of_a_message_is_not_idle() {
    let mut script = Script::new(Limits {
        idle_timeout: Some(20),
        ..limits()
    });
    let reader = script.join("/ws");
    let sender = script.join("/ws");
    script.set_space(reader, 3);
    script.say(sender, &message(b"hello"));
    script.turn();
    script.say(reader, &frame(true, OpCode::Ping, b"?"));
    script.pass(10);
    script.give_space(reader, usize::MAX);
    script.turn();
    let received = script.take(reader);
    assert_eq!(received, [sent(b"hello"), b"\x8A\x01?".to_vec()].concat());
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
fn a_sender_in_the_middle_of_a_message_is_not_idle() {
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
    let received = script.take(sender);
    assert_eq!(received, sent(&[1; 4000]));
    script.pass(20);
    script.turn();
    script.turn();
    let close = b"\x88\x06\x03\xE9idle";
    assert_eq!(script.take(sender), [&b"\x8A\x00"[..], close].concat());
}

/// After a pause, timers fired before what had come meanwhile was read: a peer that did not fit into the
/// first turn was taken for dead.
#[test]
fn a_peer_whose_bytes_are_still_unread_is_not_timed_out() {
    let silent = Limits {
        heartbeat_interval: 10,
        pong_timeout: 5,
        idle_timeout: Some(1000),
        ..limits()
    };
    let pong = frame(true, OpCode::Pong, b"");
    let mut script = Script::new(silent.clone());
    let read = script.join("/ws");
    let unread = script.join("/ws");
    let unreported = script.join("/ws");
    let all = [read, unread, unreported];
    script.pass(10);
    script.turn();
    for id in all {
        assert_eq!(script.take(id), b"\x89\x00", "a ping");
    }
    let before = script.now();
    script.pass(30);
    // The poll brings as many events as it can, and of those the turn reads one.
    script.relay.handle_poll(before, 2, true);
    script.say(read, &pong);
    script.turn_with_unread(&[unread]);
    // The next is not full: now everything that came before it began is known.
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

/// A client that floods the relay has always something to be read, and ends in time all the same.
#[test]
fn a_peer_that_keeps_sending_is_read_once_after_its_deadline() {
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

/// A connection that waited for its turn to be written to was held to have taken nothing for too long.
#[test]
fn a_reader_that_waits_for_its_turn_is_not_stalled() {
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
    script.set_space(last, 0);
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
