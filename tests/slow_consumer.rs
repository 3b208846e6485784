//! Readers that don't read: what becomes of them under either policy, what they cost the relay, and
//! that other readers don't notice.

mod common;

use common::*;

/// A message that says its number, and the same all over.
fn message(number: usize, bytes: usize) -> String {
    let start = format!("{number};");
    let letter = char::from(b'a' + (number % 26) as u8).to_string();
    start.clone() + &letter.repeat(bytes - start.len())
}

/// The number of a message, of which every byte is right.
fn number(payload: &[u8], bytes: usize) -> usize {
    let text = std::str::from_utf8(payload).expect("text");
    let number = text
        .split_once(';')
        .and_then(|(number, _)| number.parse().ok());
    let number = number.unwrap_or_else(|| panic!("no message: {text:.50}"));
    assert_eq!(text, message(number, bytes));
    number
}

/// Publishes messages to a topic in which `healthy` keeps up.
fn publish(
    sender: &mut Client,
    healthy: &mut Client,
    numbers: std::ops::Range<usize>,
    bytes: usize,
) {
    // What fits into a small send buffer at once does not wait for acknowledgements.
    let at_once = (12_000 / bytes).max(1);
    for from in numbers.clone().step_by(at_once) {
        let batch = from..numbers.end.min(from + at_once);
        sender.send(
            &batch
                .clone()
                .flat_map(|n| text(&message(n, bytes)))
                .collect::<Vec<u8>>(),
        );
        for n in batch {
            healthy.expect_text(&message(n, bytes));
        }
    }
}

fn with(more: &[&'static str]) -> Vec<&'static str> {
    [SMALL_LOG, more].concat()
}

#[test]
fn a_lapped_reader_is_closed_on_a_frame_boundary() {
    let mut relay = Relay::start(SMALL_LOG);
    let mut stalled = Client::join_small(&relay, "/ws");
    let mut healthy = Client::join(&relay, "/ws");
    let mut sender = Client::join(&relay, "/ws?echo=0");
    publish(&mut sender, &mut healthy, 0..1000, 1000);
    relay.assert_others_exchange();
    // It gets a contiguous run, the frame that it was in the middle of included, and then the reason.
    let mut expected = 0;
    let code = loop {
        let frame = stalled.frame();
        if frame.first == FIN | CLOSE {
            break u16::from_be_bytes([frame.payload[0], frame.payload[1]]);
        }
        assert_eq!(number(&frame.payload, 1000), expected);
        expected += 1;
    };
    assert_eq!(code, 1013);
    assert!(
        (1..700).contains(&expected),
        "{expected} messages before it was lapped"
    );
    stalled.send(&close(1013, b""));
    stalled.expect_end();
    publish(&mut sender, &mut healthy, 1000..1100, 1000);
    relay.assert_others_exchange();
    drop((healthy, sender));
    let log = relay.terminated().stderr;
    assert!(log.contains("1 readers lapped, 0 skips"), "{log}");
}

#[test]
fn a_lapped_reader_is_dropped_where_the_rest_of_its_frame_is_long() {
    let mut relay = Relay::start(&with(&["--rescue-bytes-max", "1KiB"]));
    let mut stalled = Client::join_small(&relay, "/ws");
    let mut healthy = Client::join(&relay, "/ws");
    let mut sender = Client::join(&relay, "/ws?echo=0");
    publish(&mut sender, &mut healthy, 0..100, 60_000);
    stalled.expect_gone();
    relay.assert_others_exchange();
    drop((healthy, sender));
    let log = relay.terminated().stderr;
    assert!(log.contains("1 readers lapped, 0 skips"), "{log}");
}

#[test]
fn under_skip_a_lapped_reader_goes_on_at_the_live_end() {
    const MESSAGES: usize = 3000;
    let mut relay = Relay::start(&with(&["--slow-policy", "skip"]));
    let mut stalled = Client::join_small(&relay, "/ws");
    let mut healthy = Client::join(&relay, "/ws");
    let mut sender = Client::join(&relay, "/ws?echo=0");
    publish(&mut sender, &mut healthy, 0..MESSAGES, 1000);
    relay.assert_others_exchange();
    let mut received = Vec::new();
    while received.last() != Some(&(MESSAGES - 1)) {
        let frame = stalled.frame();
        assert_eq!(frame.first, FIN | TEXT);
        received.push(number(&frame.payload, 1000));
    }
    assert!(
        received.is_sorted_by(|a, b| a < b),
        "out of order: {received:?}"
    );
    assert_eq!(received[0], 0);
    let skipped = MESSAGES - received.len();
    assert!(skipped > 1000, "{skipped} messages skipped");
    // It is a reader like any other again.
    publish(&mut sender, &mut healthy, MESSAGES..MESSAGES + 50, 1000);
    for n in MESSAGES..MESSAGES + 50 {
        stalled.expect_text(&message(n, 1000));
    }
    drop((stalled, healthy, sender));
    let log = relay.terminated().stderr;
    assert!(log.contains("0 readers lapped"), "{log}");
    assert!(
        log.contains(&format!("skips over {skipped} messages")),
        "{skipped}: {log}"
    );
}

#[test]
fn under_skip_a_reader_in_the_middle_of_a_long_frame_is_dropped() {
    let mut relay = Relay::start(&with(&[
        "--slow-policy",
        "skip",
        "--rescue-bytes-max",
        "1KiB",
    ]));
    let mut stalled = Client::join_small(&relay, "/ws");
    let mut healthy = Client::join(&relay, "/ws");
    let mut sender = Client::join(&relay, "/ws?echo=0");
    publish(&mut sender, &mut healthy, 0..100, 60_000);
    stalled.expect_gone();
    publish(&mut sender, &mut healthy, 100..110, 60_000);
    relay.assert_others_exchange();
}

#[test]
fn a_reader_that_pauses_is_not_lapped_by_default() {
    // 2 s at 1,000 messages of 1 KiB a second, and as much again.
    const MESSAGES: usize = 4000;
    let relay = Relay::start(&[]);
    let mut paused = Client::join_small(&relay, "/ws");
    let mut healthy = Client::join(&relay, "/ws");
    let mut sender = Client::join(&relay, "/ws?echo=0");
    publish(&mut sender, &mut healthy, 0..MESSAGES, 1024);
    for n in 0..MESSAGES {
        paused.expect_text(&message(n, 1024));
    }
}

#[test]
fn control_frames_enter_between_frames_of_a_stalled_reader() {
    let mut relay = Relay::start(&["--send-buffer-bytes", "16KiB"]);
    let mut stalled = Client::join_small(&relay, "/ws");
    let mut healthy = Client::join(&relay, "/ws");
    let mut sender = Client::join(&relay, "/ws?echo=0");
    publish(&mut sender, &mut healthy, 0..300, 5000);
    for n in 0..20u8 {
        stalled.send(&ping(&[n]));
    }
    relay.assert_others_exchange();
    publish(&mut sender, &mut healthy, 300..400, 5000);
    stalled.send(&close(1000, b"enough"));
    relay.assert_others_exchange();
    publish(&mut sender, &mut healthy, 400..450, 5000);
    let (mut expected, mut pongs) = (0, 0);
    loop {
        let frame = stalled.frame();
        match frame.first & 0xF {
            TEXT => {
                assert_eq!(number(&frame.payload, 5000), expected);
                expected += 1;
            }
            PONG => {
                assert_eq!(frame.payload, [pongs]);
                pongs += 1;
            }
            _ => {
                assert_eq!(
                    (frame.first, &frame.payload[..2]),
                    (FIN | CLOSE, &[3, 0xE8][..])
                );
                break;
            }
        }
    }
    // All that was published before its close frame came, and nothing since.
    assert_eq!((expected, pongs), (400, 20));
    stalled.expect_end();
}

/// What stalled readers cost, in KiB, beyond what the same traffic costs without them.
fn cost_of_stalled(
    flags: &[&str],
    path: &str,
    readers: usize,
    mut traffic: impl FnMut(&Relay),
) -> u64 {
    let relay = Relay::start(flags);
    traffic(&relay);
    let before = relay.resident_kib();
    let stalled: Vec<Client> = (0..readers)
        .map(|_| Client::join_small(&relay, path))
        .collect();
    traffic(&relay);
    let after = relay.resident_kib();
    drop(stalled);
    after.saturating_sub(before)
}

/// What allocator and connections take besides.
const SLACK_KIB: u64 = 3 * 1024;

#[test]
fn stalled_readers_cost_no_more_than_the_log() {
    for policy in ["close", "skip"] {
        let mut flags = with(&["--slow-policy", policy]);
        flags[5] = "1MiB";
        let cost = cost_of_stalled(&flags, "/ws", 30, |relay| {
            let mut healthy = Client::join(relay, "/ws");
            let mut sender = Client::join(relay, "/ws?echo=0");
            publish(&mut sender, &mut healthy, 0..1000, 5000);
        });
        assert!(cost < 1024 + SLACK_KIB, "{cost} KiB under {policy}");
    }
}

#[test]
fn all_topics_together_keep_within_their_bound() {
    let flags = [
        "--topic-log-bytes-max",
        "1MiB",
        "--message-bytes-max",
        "64KiB",
        "--log-bytes-max",
        "4MiB",
        "--send-buffer-bytes",
        "16KiB",
    ];
    let mut relay = Relay::start(&flags);
    relay.assert_others_exchange();
    let before = relay.resident_kib();
    let mut stalled = Vec::new();
    for topic in 0..20 {
        let path = format!("/ws/{topic}");
        stalled.push(Client::join_small(&relay, &path));
        let mut healthy = Client::join(&relay, &path);
        let mut sender = Client::join(&relay, &format!("{path}?echo=0"));
        publish(&mut sender, &mut healthy, 0..200, 5000);
    }
    let cost = relay.resident_kib().saturating_sub(before);
    assert!(cost < 4 * 1024 + SLACK_KIB, "{cost} KiB");
    relay.assert_others_exchange();
}

#[test]
fn unread_pongs_cost_nothing() {
    let mut relay = Relay::start(&["--send-buffer-bytes", "16KiB"]);
    relay.assert_others_exchange();
    let before = relay.resident_kib();
    let mut deaf = Client::join_small(&relay, "/ws");
    let pings = ping(&[b'p'; 125]).repeat(1000);
    for _ in 0..100 {
        deaf.send(&pings);
    }
    relay.assert_others_exchange();
    let cost = relay.resident_kib().saturating_sub(before);
    assert!(cost < 1024, "{cost} KiB for 13 MB of pings");
    // The latest is answered all the same.
    deaf.send(&ping(b"the latest"));
    while deaf.frame().payload != b"the latest" {}
}

#[test]
fn an_unread_echo_costs_no_more_than_the_log() {
    for policy in ["close", "skip"] {
        let flags = [
            "--slow-policy",
            policy,
            "--topic-log-bytes-max",
            "4MiB",
            "--send-buffer-bytes",
            "16KiB",
        ];
        let mut relay = Relay::start(&flags);
        relay.assert_others_exchange();
        let before = relay.resident_kib();
        let mut deaf = Client::join_small(&relay, "/ws");
        let messages = text(&"x".repeat(1000)).repeat(100);
        for _ in 0..300 {
            if !deaf.try_send(&messages) {
                break;
            }
        }
        relay.assert_others_exchange();
        let cost = relay.resident_kib().saturating_sub(before);
        assert!(
            cost < 4 * 1024 + SLACK_KIB,
            "{cost} KiB for 30 MB of echo under {policy}"
        );
    }
}

#[test]
fn a_stalled_reader_takes_nothing_from_the_others() {
    const MESSAGES: usize = 2000;
    let relay = Relay::start(&with(&["--slow-policy", "skip"]));
    let _stalled: Vec<Client> = (0..10).map(|_| Client::join_small(&relay, "/ws")).collect();
    let mut healthy: Vec<Client> = (0..4).map(|_| Client::join(&relay, "/ws")).collect();
    let mut sender = Client::join(&relay, "/ws?echo=0");
    // In steps that fit into a send buffer: a client that reads each of them is never behind.
    const STEP: usize = 5;
    for first in (0..MESSAGES).step_by(STEP) {
        let step = first..first + STEP;
        let frames: Vec<u8> = step.clone().flat_map(|n| text(&message(n, 2000))).collect();
        sender.send(&frames);
        for reader in &mut healthy {
            step.clone()
                .for_each(|n| reader.expect_text(&message(n, 2000)));
        }
    }
}
