//! Input: frames stay whole, bounds hold, and after a close in the middle nothing more is taken in.

use crate::script::{Script, frame, limits, message, request, sent};
use fanfare::proto::OpCode;
use fanfare::relay::Limits;

/// The beginning of a frame that had come with the request, and had to wait as the topic was full,
/// was forgotten when its sender was lapped; what came then was taken for another frame.
#[test]
fn frames_that_had_to_wait_stay_whole_when_their_sender_is_lapped() {
    let mut script = Script::new(limits());
    let sender = script.join("/ws");
    let newcomer = script.connect();
    script.set_space(newcomer, 0);
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
    script.give_space(newcomer, usize::MAX);
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
    // A smaller request is served all the same.
    script.join("/ws");
}

/// Bytes that were one too many closed their sender, which went on being served: it was answered,
/// counted, and looked up in the topic that it had left.
#[test]
fn a_connection_closed_in_the_middle_of_its_input_is_not_served_any_more() {
    let mut limits = limits();
    limits.rates.messages_per_second_max = Some(1);
    let mut script = Script::new(limits);
    let reader = script.join("/ws");
    let sender = script.join("/ws?echo=0");
    let taken = message(b"taken").repeat(5);
    let deaf = [
        message(b"not taken"),
        frame(true, OpCode::Ping, b"?"),
        frame(true, OpCode::Pong, b"!"),
        frame(false, OpCode::Text, b"un"),
        frame(true, OpCode::Continuation, b"taken"),
    ];
    script.say(sender, &[taken, deaf.concat()].concat());
    script.turn();
    script.turn();
    assert_eq!(script.take(reader), sent(b"taken").repeat(5));
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
        script.set_space(sender, 1);
        let flood = [message(&[1; 16_000]).repeat(8), bye.clone()].concat();
        script.say(other, &message(b"hello"));
        script.turn();
        script.relay.handle_input(sender, &mut flood.clone());
        script.turn();
        assert_eq!(script.relay.counters().lapped, 1);
        script.give_space(sender, usize::MAX);
        script.turn();
        script.turn();
        assert!(script.is_closed(sender) || script.is_shut(sender));
    }
}
