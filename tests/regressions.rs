//! One test per bug ever fixed: each failed before its fix.

mod common;

use common::*;
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, prlimit, setrlimit};
use std::time::Duration;

/// A side list names the messages of senders without echo. It was not counted in the log's bound,
/// so that empty messages, retained for a reader that stalls, took a dozen times as much.
#[test]
fn empty_messages_without_echo_keep_within_the_logs_bound() {
    let mut relay = Relay::start(&[
        "--topic-log-bytes-max",
        "4MiB",
        "--send-buffer-bytes",
        "16KiB",
    ]);
    relay.assert_others_exchange();
    let before = relay.resident_kib();
    let _stalled = Client::join_small(&relay, "/ws");
    let mut senders = [
        Client::join(&relay, "/ws?echo=0"),
        Client::join(&relay, "/ws?echo=0"),
    ];
    let mut healthy = Client::join(&relay, "/ws");
    let empty = text("").repeat(10_000);
    for _ in 0..75 {
        for sender in &mut senders {
            sender.send(&empty);
        }
        healthy.read_bytes(2 * 10_000 * 2);
        for sender in &mut senders {
            sender.read_bytes(10_000 * 2);
        }
    }
    let grown = relay.resident_kib().saturating_sub(before);
    assert!(grown < 4 * 1024 + 3 * 1024, "{grown} KiB retained");
    relay.assert_others_exchange();
}

/// A reader that had stopped in the middle of a frame was never found dead as long as its topic had
/// messages: each delivery put the deadline of its pong off.
#[test]
fn a_dead_peer_in_the_middle_of_a_frame_is_dropped_in_a_busy_topic() {
    let relay = Relay::start(&["--heartbeat-interval", "300ms", "--pong-timeout", "400ms"]);
    let mut dead = Client::join(&relay, "/ws");
    dead.send(&text("hello")[..8]);
    let mut sender = Client::join(&relay, "/ws");
    let mut said = 0;
    let descriptors = relay.descriptors();
    while relay.descriptors() == descriptors {
        sender.send(&text("busy"));
        sender.expect_text("busy");
        assert!(
            !sender.has_input(Duration::from_millis(20)),
            "only its own messages come"
        );
        said += 1;
        assert!(said < 500, "it is kept for ever");
    }
    dead.expect_gone();
}

/// What strangers send went into the log as it was: long, and with characters that steer terminals.
#[test]
fn a_refused_origin_is_logged_short_and_plain() {
    let relay = Relay::start(&[]);
    let origin = format!("Origin: http://\u{9b}31m\u{202e}{}", "\u{85}x".repeat(4000));
    let mut client = Client::connect(&relay);
    client.send(&upgrade_and(&[&origin]));
    let response = client.response();
    assert_eq!(response.status, 403);
    drop(client);
    let log = relay.terminated().stderr;
    assert!(log.contains("403"), "{log}");
    for said in [&response.text(), &log] {
        assert!(said.len() < 4000, "{} bytes", said.len());
        let odd = |letter: &char| !letter.is_ascii() || (letter.is_control() && *letter != '\n');
        assert_eq!(said.chars().find(odd), None, "{said}");
    }
}

/// A socket is writable again only when a third of its buffer is free. A reader that took longer for
/// that than the timeout was dropped as stalled, though it was reading all the time.
#[test]
fn a_slow_reader_is_not_a_stalled_one() {
    let relay = Relay::start(&["--slow-policy", "skip", "--stalled-write-timeout", "1s"]);
    let mut slow = Client::join_small(&relay, "/ws");
    let mut sender = Client::join(&relay, "/ws?echo=0");
    let mut bystander = Client::join(&relay, "/ws/elsewhere");
    sender.send(&binary(&[b'x'; 1000]).repeat(2000));
    sender.send(&ping(b"all sent"));
    sender.expect_pong(b"all sent");
    let descriptors = relay.descriptors();
    for _ in 0..150 {
        slow.read_bytes(1000);
        assert!(!bystander.has_input(Duration::from_millis(20)));
    }
    assert_eq!(relay.descriptors(), descriptors);
    drop((slow, sender, bystander));
    let log = relay.terminated().stderr;
    assert!(log.contains(" 0 stalled"), "{log}");
}

/// Each time that a connection closed while the system had no descriptor left, the next was accepted,
/// the one after it was not, and the log said so again: clients set the pace.
#[test]
fn that_no_descriptor_is_left_is_said_once() {
    let relay = Relay::start(&[]);
    let mut inside: Vec<Client> = (0..8).map(|_| Client::join(&relay, "/ws")).collect();
    let descriptors = relay.descriptors() as u64;
    let limit = Rlimit {
        current: Some(descriptors),
        maximum: Some(descriptors),
    };
    let pid = Pid::from_raw(relay.pid() as i32);
    prlimit(pid, Resource::Nofile, limit).expect("it is ours");
    let mut outside: Vec<Client> = (0..9).map(|_| Client::connect(&relay)).collect();
    for client in &mut outside[..8] {
        client.send(&upgrade("/ws"));
        drop(inside.pop());
        client.expect_upgraded();
    }
    drop(outside);
    let log = relay.terminated().stderr;
    assert_eq!(log.matches("accepting pauses").count(), 1, "{log}");
}

/// A client that was over its rate with the very bytes that came behind its request was closed for
/// it, had left its topic, and was looked up in no topic: the process ended.
#[test]
fn a_client_over_its_rate_with_its_request_ends_no_other() {
    let mut relay = Relay::start(&[
        "--message-bytes-max",
        "4KiB",
        "--bytes-per-second-max",
        "2KiB",
    ]);
    let mut client = Client::connect(&relay);
    let frames = binary(&[b'x'; 4000]).repeat(4);
    client.send(&[upgrade("/ws"), frames, close(1000, b"")].concat());
    client.expect_upgraded();
    client.expect_close(1008);
    // Its own close frame has come as well.
    client.expect_end();
    relay.assert_others_exchange();
}

/// After a pause, timers fired before what had come meanwhile was read: of very many, all those were
/// timed out, or taken for dead, whose bytes did not fit into one turn.
#[test]
fn after_a_pause_what_has_come_is_read_first() {
    // A poll brings 1,024 events.
    const CLIENTS: usize = 1500;
    let maximum = getrlimit(Resource::Nofile).maximum;
    let current = maximum;
    setrlimit(Resource::Nofile, Rlimit { current, maximum }).expect("the maximum is allowed");
    let relay = Relay::start(&["--handshake-timeout", "3s"]);
    let before = relay.descriptors();
    let mut clients: Vec<Client> = (0..CLIENTS).map(|_| Client::connect(&relay)).collect();
    eventually("they are accepted", || {
        relay.descriptors() == before + CLIENTS
    });
    relay.signal(Signal::STOP);
    for client in &mut clients {
        client.send(&upgrade("/ws?echo=0"));
    }
    let waits = Duration::from_secs(3);
    assert!(!clients[0].has_input(waits), "the relay stands still");
    relay.signal(Signal::CONT);
    for client in &mut clients {
        client.expect_upgraded();
    }
}
