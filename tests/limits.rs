//! Limits, and what a client is told that exceeds one.

mod common;

use common::*;
use rustix::process::Signal;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// The answer to an opening handshake that offers these subprotocols.
fn chosen(relay: &Relay, lines: &[&str]) -> Option<String> {
    let mut client = Client::connect(relay);
    client.send(&upgrade_and(lines));
    let response = client.response_to_head();
    assert_eq!(response.status, 101, "{response:?}");
    response.header("Sec-WebSocket-Protocol").map(str::to_owned)
}

#[test]
fn the_first_subprotocol_of_the_clients_that_the_relay_has_is_chosen() {
    let relay = Relay::start(&["--subprotocol", "chat", "--subprotocol", "v2.chat,ticker"]);
    for (lines, expected) in [
        (&[][..], None),
        (&["Sec-WebSocket-Protocol: chat"], Some("chat")),
        (
            &["Sec-WebSocket-Protocol: soap, ticker, chat"],
            Some("ticker"),
        ),
        (
            &["Sec-WebSocket-Protocol: soap ,v2.chat,chat"],
            Some("v2.chat"),
        ),
        (
            &[
                "sec-websocket-protocol: soap",
                "X: y",
                "Sec-WebSocket-Protocol: mqtt, chat",
            ],
            Some("chat"),
        ),
        // Names are case-sensitive.
        (&["Sec-WebSocket-Protocol: CHAT"], None),
        (&["Sec-WebSocket-Protocol: soap, chatter, cha"], None),
        (&["Sec-WebSocket-Protocol:"], None),
        (&["Sec-WebSocket-Protocol: ,,"], None),
    ] {
        assert_eq!(chosen(&relay, lines).as_deref(), expected, "{lines:?}");
    }
}

#[test]
fn no_subprotocol_is_chosen_by_a_relay_that_has_none() {
    let relay = Relay::start(&[]);
    assert_eq!(chosen(&relay, &["Sec-WebSocket-Protocol: chat"]), None);
}

#[test]
fn topics_are_bounded() {
    let mut relay = Relay::start(&["--topics-max", "2", "--log-level", "debug"]);
    let mut first = Client::join(&relay, "/ws/one");
    let second = Client::join(&relay, "/ws/two");
    let third = || {
        let mut client = Client::connect(&relay);
        client.send(&upgrade("/ws/three"));
        client.response()
    };
    let refused = third();
    assert_eq!(refused.status, 503);
    assert_eq!(refused.header("Retry-After"), Some("10"));
    assert!(refused.text().contains("as many topics"), "{refused:?}");
    // Existing topics may be joined, and one that has ended makes way for another.
    let mut another = Client::join(&relay, "/ws/one");
    drop(second);
    eventually("there is space for another topic", || third().status == 101);
    first.send(&text("hello"));
    another.expect_text("hello");
    eventually("the refusal is logged", || {
        let log = relay.log();
        log.contains("reason=topics_full") && log.contains("status=503")
    });
}

#[test]
fn the_page_is_served_when_there_are_as_many_topics_as_may_be() {
    let relay = Relay::start(&["--topics-max", "0"]);
    let mut client = Client::connect(&relay);
    client.send(&request("GET / HTTP/1.1", &UPGRADE[..1]));
    assert_eq!(client.response().status, 200);
}

/// The answer to an opening handshake from that address of this machine.
fn knock(relay: &Relay, from: &str) -> (Client, Response) {
    let mut client = Client::connect_from(relay, from);
    client.try_send(&upgrade("/ws"));
    let response = client.response();
    (client, response)
}

#[test]
fn connections_of_an_address_are_bounded() {
    let mut relay = Relay::start(&["--address-connections-max", "2", "--log-level", "debug"]);
    let (first, _) = knock(&relay, "127.0.0.2");
    let (second, response) = knock(&relay, "127.0.0.2");
    assert_eq!(response.status, 101);
    let (mut third, refused) = knock(&relay, "127.0.0.2");
    assert_eq!(refused.status, 429);
    assert_eq!(refused.header("Retry-After"), Some("10"));
    assert!(refused.text().contains("from your address"), "{refused:?}");
    third.expect_gone();
    // Others have places of their own.
    let (other, response) = knock(&relay, "127.0.0.3");
    assert_eq!(response.status, 101);
    relay.assert_others_exchange();
    // Each one that leaves, however it does, makes way for one.
    second.reset();
    let mut fourth = None;
    eventually("there is space for another", || {
        let (client, response) = knock(&relay, "127.0.0.2");
        fourth = Some(client);
        response.status == 101
    });
    assert_eq!(knock(&relay, "127.0.0.2").1.status, 429);
    eventually("the refusal is logged", || {
        let log = relay.log();
        let is_it = |line: &str| line.contains("reason=address_full") && line.contains("127.0.0.2");
        log.lines().any(is_it)
    });
    drop((first, other, fourth));
}

#[test]
fn a_client_that_sends_nothing_is_counted_from_the_accept_on() {
    let mut relay = Relay::start(&["--address-connections-max", "3"]);
    let silent: Vec<Client> = (0..3)
        .map(|_| Client::connect_from(&relay, "127.0.0.2"))
        .collect();
    // It is told so though it sends nothing either.
    let mut fourth = Client::connect_from(&relay, "127.0.0.2");
    assert_eq!(fourth.response().status, 429);
    assert_eq!(knock(&relay, "127.0.0.3").1.status, 101);
    relay.assert_others_exchange();
    drop(silent);
    eventually("they have left", || {
        knock(&relay, "127.0.0.2").1.status == 101
    });
}

#[test]
fn a_flood_of_one_address_takes_no_other_clients_place() {
    let mut relay = Relay::start_after(
        "ulimit -n 200",
        &[
            "--address-connections-max",
            "5",
            "--handshake-timeout",
            "1h",
        ],
    );
    // Refused ones that never close: each is gone all the same.
    let flood: Vec<Client> = (0..600)
        .map(|_| Client::connect_from(&relay, "127.0.0.2"))
        .collect();
    relay.assert_others_exchange();
    assert_eq!(knock(&relay, "127.0.0.3").1.status, 101);
    assert!(relay.descriptors() < 150);
    drop(flood);
}

#[test]
fn new_connections_of_an_address_are_bounded_in_time() {
    let mut relay = Relay::start(&[
        "--address-connections-per-second-max",
        "1",
        "--log-level",
        "debug",
    ]);
    let mut answers: Vec<u16> = Vec::new();
    // A burst of five seconds' worth passes. What time gives back meanwhile is little.
    while !answers.contains(&429) {
        answers.push(knock(&relay, "127.0.0.2").1.status);
        assert!(answers.len() < 100, "they are never too many");
    }
    assert!(answers.len() > 5, "{answers:?}");
    let (_, refused) = knock(&relay, "127.0.0.2");
    if refused.status == 429 {
        assert!(refused.text().contains("at once"), "{refused:?}");
        assert_eq!(refused.header("Retry-After"), Some("5"));
    }
    assert_eq!(knock(&relay, "127.0.0.3").1.status, 101);
    eventually("the refusal is logged", || {
        relay.log().contains("reason=address_rate")
    });
    eventually("it may come again", || {
        knock(&relay, "127.0.0.2").1.status == 101
    });
}

#[test]
fn an_ipv4_client_is_one_on_a_socket_of_ipv6_too() {
    let mut command = command();
    command.args(["--listen", ":0", "--address-connections-max", "1"]);
    let relay = Relay::start_as(command);
    let (_first, response) = knock(&relay, "127.0.0.2");
    assert_eq!(response.status, 101);
    assert_eq!(knock(&relay, "127.0.0.2").1.status, 429);
    assert_eq!(knock(&relay, "127.0.0.3").1.status, 101);
}

#[test]
fn bounds_change_at_a_reload() {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("reloaded-limits.toml");
    let write = |text| fs::write(&file, text).expect("the file is written");
    write("");
    let relay = Relay::start(&["--config", file.to_str().expect("a path of ours")]);
    let mut clients = vec![knock(&relay, "127.0.0.2").0];
    write("address_connections_max = 1\nmessages_per_second_max = 1\nsubprotocol = 'chat'");
    relay.signal(Signal::HUP);
    // Earlier connections are not counted, nor touched.
    eventually("a bound is in force", || {
        let (client, response) = knock(&relay, "127.0.0.2");
        clients.push(client);
        response.status == 429
    });
    assert_eq!(
        chosen(&relay, &["Sec-WebSocket-Protocol: chat"]).as_deref(),
        Some("chat")
    );
    clients[0].send(&text("x").repeat(40));
    while clients[0].frame().first != FIN | CLOSE {}
    write("");
    relay.signal(Signal::HUP);
    eventually("the bound is gone", || {
        let (client, response) = knock(&relay, "127.0.0.2");
        clients.push(client);
        response.status == 101
    });
    clients.push(knock(&relay, "127.0.0.2").0);
    let last = clients.last_mut().expect("it is there");
    last.send(&text("x").repeat(40));
    for _ in 0..40 {
        last.expect_text("x");
    }
}

/// Sends this again and again until the relay has enough of it; how often it was taken, and the
/// reason of the close.
fn send_until_closed(relay: &Relay, bytes: &[u8]) -> (usize, String) {
    let mut client = Client::join(relay, "/ws/rates");
    for received in 0..10_000 {
        client.try_send(bytes);
        let frame = client.frame();
        if frame.first == FIN | CLOSE {
            assert_eq!(frame.payload[..2], 1008u16.to_be_bytes());
            let reason = String::from_utf8_lossy(&frame.payload[2..]).into_owned();
            return (received, reason);
        }
    }
    panic!("it is never too much");
}

#[test]
fn messages_and_pings_in_a_second_are_bounded() {
    let mut relay = Relay::start(&["--messages-per-second-max", "2", "--log-level", "debug"]);
    for bytes in [text("hello"), ping(b"?")] {
        let (received, reason) = send_until_closed(&relay, &bytes);
        // A burst of ten, and what time has given back.
        assert!(received >= 10, "{received}");
        assert!(
            reason.starts_with("over 2 messages a second: send less"),
            "{reason}"
        );
    }
    relay.assert_others_exchange();
    eventually("the close is logged", || {
        let log = relay.log();
        log.contains("cause=rate") && log.contains("code=1008")
    });
}

#[test]
fn what_was_one_too_many_is_not_published_and_what_was_not_is() {
    let relay = Relay::start(&["--messages-per-second-max", "2"]);
    let mut reader = Client::join(&relay, "/ws/rates");
    let mut speaker = Client::join(&relay, "/ws/rates?echo=0");
    let burst: Vec<u8> = (0..40).flat_map(|n| text(&n.to_string())).collect();
    speaker.send(&burst);
    speaker.expect_close(1008);
    for n in 0..10 {
        reader.expect_text(&n.to_string());
    }
    reader.expect_silence(Duration::from_millis(100));
}

#[test]
fn fragments_are_one_message() {
    let relay = Relay::start(&["--messages-per-second-max", "1"]);
    let mut client = Client::join(&relay, "/ws");
    client.send(&frame(TEXT, b"a"));
    for _ in 0..100 {
        client.send(&frame(CONTINUATION, b"b"));
    }
    client.send(&frame(FIN | CONTINUATION, b"c"));
    client.expect_text(&format!("a{}c", "b".repeat(100)));
}

#[test]
fn bytes_in_a_second_are_bounded_but_the_largest_message_passes() {
    let relay = Relay::start(&[
        "--bytes-per-second-max",
        "1",
        "--message-bytes-max",
        "64KiB",
    ]);
    let largest = vec![b'x'; 64 << 10];
    let mut client = Client::join(&relay, "/ws");
    client.send(&frame(FIN | BINARY, &largest));
    client.expect_binary(&largest);
    let (_, reason) = send_until_closed(&relay, &frame(FIN | BINARY, &[b'x'; 1000]));
    assert!(
        reason.starts_with("over 1 bytes a second: send less"),
        "{reason}"
    );
}

#[test]
fn a_client_over_its_rate_can_still_close_properly() {
    let relay = Relay::start(&["--messages-per-second-max", "1"]);
    let mut client = Client::join(&relay, "/ws?echo=0");
    let burst: Vec<u8> = (0..40).flat_map(|n| text(&n.to_string())).collect();
    // The rest of the burst, a message cut in two, is no fault of its: it could not know.
    client.send(&burst);
    client.send(&frame(TEXT, b"half"));
    client.expect_close(1008);
    client.send(&close(1000, b""));
    client.expect_end();
}
