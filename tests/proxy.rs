//! Behind a proxy: which client a connection counts for, and which peers may say so.

mod common;

use common::*;
use std::path::{Path, PathBuf};

const PROXY_PROTOCOL: [&str; 8] = [
    "--client-address",
    "proxy-protocol",
    "--trusted-proxy",
    "127.0.0.1",
    "--address-connections-max",
    "1",
    "--log-level",
    "debug",
];

/// A header of version 1.
fn line(client: &str) -> Vec<u8> {
    let family = if client.contains(':') { "TCP6" } else { "TCP4" };
    let destination = if client.contains(':') {
        "::1"
    } else {
        "192.0.2.1"
    };
    format!("PROXY {family} {client} {destination} 4711 80\r\n").into_bytes()
}

/// A header of version 2, with this command, family and transport, and these bytes behind.
fn binary_header(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = (rest.len() as u16).to_be_bytes();
    [
        b"\r\n\r\n\0\r\nQUIT\n",
        &[command, family][..],
        &length,
        rest,
    ]
    .concat()
}

/// A connection that begins with these bytes, and then opens a WebSocket.
fn join_as(relay: &Relay, header: &[u8]) -> (Client, u16) {
    let mut client = Client::connect(relay);
    client.send(&[header, &upgrade("/ws")].concat());
    let status = client.response().status;
    (client, status)
}

/// The reason is in the log, with that peer.
fn assert_logged(relay: &mut Relay, reason: &str, peer: &str) {
    let (reason, peer) = (format!("reason={reason} "), format!("peer={peer} "));
    eventually(&format!("{reason}{peer}is logged"), || {
        let mut lines = relay.log().lines();
        lines.any(|line| format!("{line} ").contains(&reason) && line.contains(&peer))
    });
}

#[test]
fn each_client_of_a_proxy_has_an_address_of_its_own() {
    let mut relay = Relay::start(&PROXY_PROTOCOL);
    let (_first, status) = join_as(&relay, &line("203.0.113.7"));
    assert_eq!(status, 101);
    let (_second, status) = join_as(&relay, &line("203.0.113.8"));
    assert_eq!(status, 101);
    // In version 2 it is the same address, whatever TLVs come along.
    let ipv4 = [203, 0, 113, 7, 192, 0, 2, 1, 0x12, 0x67, 0, 80];
    let tlv = [4, 0, 3, 1, 2, 3];
    for rest in [&ipv4[..], &[&ipv4[..], &tlv].concat()] {
        let (_, status) = join_as(&relay, &binary_header(0x21, 0x11, rest));
        assert_eq!(status, 429);
    }
    assert_logged(&mut relay, "address_full", "203.0.113.7:4711");
    // An address of IPv6 is its first 64 bits.
    let (_third, status) = join_as(&relay, &line("2001:db8::1"));
    assert_eq!(status, 101);
    assert_eq!(join_as(&relay, &line("2001:db8::ffff:2")).1, 429);
    assert_logged(&mut relay, "address_full", "[2001:db8::ffff:2]:4711");
    let mut ipv6 = [0; 36];
    ipv6[..8].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 1]);
    let (_fourth, status) = join_as(&relay, &binary_header(0x21, 0x21, &ipv6));
    assert_eq!(status, 101);
}

#[test]
fn a_header_may_be_cut_at_any_byte() {
    let relay = Relay::start(&PROXY_PROTOCOL[..4]);
    let ipv4 = [203, 0, 113, 7, 192, 0, 2, 1, 0x12, 0x67, 0, 80];
    for header in [line("203.0.113.7"), binary_header(0x21, 0x11, &ipv4)] {
        let request = [&header[..], &upgrade("/ws/cut?echo=1")].concat();
        let mut client = Client::connect(&relay);
        client.send_bytewise(&request);
        client.expect_upgraded();
        for cut in 1..header.len() + 3 {
            let mut client = Client::connect(&relay);
            client.send(&request[..cut]);
            // What came is taken in before anything of a later connection is.
            let mut witness = Client::connect(&relay);
            witness.send(&[&line("203.0.113.8")[..], &upgrade("/ws")].concat());
            witness.expect_upgraded();
            client.send(&[&request[cut..], &text("hello")].concat());
            client.expect_upgraded();
            while client.frame().payload != b"hello" {}
        }
    }
}

#[test]
fn a_proxy_may_speak_for_itself_or_not_say() {
    let relay = Relay::start(&PROXY_PROTOCOL[..4]);
    for header in [
        &b"PROXY UNKNOWN\r\n"[..],
        b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n",
        &binary_header(0x20, 0x00, b""),
        &binary_header(0x20, 0x11, &[0; 12]),
        &binary_header(0x21, 0x00, &[4, 0, 1, 0]),
        &binary_header(0x21, 0x31, &[0; 216]),
    ] {
        assert_eq!(join_as(&relay, header).1, 101, "{header:?}");
    }
}

#[test]
fn a_header_that_is_none_is_refused() {
    let mut relay = Relay::start(&PROXY_PROTOCOL);
    let ipv4 = binary_header(0x21, 0x11, &[1; 12]);
    let too_long = [&binary_header(0x21, 0x11, &[1; 12])[..14], &[0xFF, 0xFF]].concat();
    for header in [
        &b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..],
        b"PROXY TCP4 203.0.113.7 192.0.2.1 4711\r\n",
        b"PROXY TCP4 203.0.113.7 192.0.2.1 4711 80\n",
        b"PROXY TCP4 \xFF\r\n",
        &[b"PROXY UNKNOWN ", &[b'x'; 200][..]].concat(),
        &[&ipv4[..12], &[0x31, 0x11, 0, 0]].concat(),
        &binary_header(0x21, 0x11, &[1; 11]),
        &too_long,
    ] {
        let mut client = Client::connect(&relay);
        client.send(header);
        let response = client.response();
        assert_eq!(response.status, 400, "{header:?}");
        assert!(response.text().contains("PROXY protocol"), "{response:?}");
        client.expect_end();
    }
    let log_says = |relay: &mut Relay| relay.log().matches("reason=proxy_header").count() >= 8;
    eventually("each is logged", || log_says(&mut relay));
    // A header of 4 KiB is the longest.
    let mut rest = vec![0; 4096 - 16];
    rest[..4].copy_from_slice(&[203, 0, 113, 9]);
    assert_eq!(join_as(&relay, &binary_header(0x21, 0x11, &rest)).1, 101);
    rest.push(0);
    assert_eq!(join_as(&relay, &binary_header(0x21, 0x11, &rest)).1, 400);
}

#[test]
fn a_header_that_never_comes_whole_is_timed_out() {
    let flags = [&PROXY_PROTOCOL[..4], &["--handshake-timeout", "200ms"]].concat();
    let relay = Relay::start(&flags);
    for start in [
        &b""[..],
        b"PROXY TCP4 203.0.",
        &binary_header(0x21, 0x11, &[1; 12])[..20],
    ] {
        let mut client = Client::connect(&relay);
        client.send(start);
        assert_eq!(client.response().status, 408);
        client.expect_end();
    }
}

#[test]
fn an_untrusted_peer_cannot_name_its_client() {
    let mut relay = Relay::start(&PROXY_PROTOCOL);
    let mut client = Client::connect_from(&relay, "127.0.0.2");
    client.send(&line("203.0.113.7"));
    assert_eq!(client.response().status, 400);
    drop(client);
    // Without a header, the peer's own address counts.
    let from = |relay: &Relay| {
        let mut client = Client::connect_from(relay, "127.0.0.2");
        client.try_send(&upgrade("/ws"));
        let status = client.response().status;
        (client, status)
    };
    let mut client = None;
    eventually("the last one is gone", || {
        let (again, status) = from(&relay);
        client = Some(again);
        status == 101
    });
    assert_eq!(from(&relay).1, 429);
    let peer = client.expect("it joined").local_address();
    assert_eq!(peer.ip().to_string(), "127.0.0.2");
    eventually("it is logged with its own address", || {
        let mut lines = relay.log().lines();
        lines.any(|line| line.contains("address_full") && line.contains("peer=127.0.0.2:"))
    });
}

/// An opening handshake with these further lines, to a relay that reads X-Forwarded-For.
fn join_for(relay: &Relay, from: &str, lines: &[&str]) -> (Client, u16) {
    let mut client = Client::connect_from(relay, from);
    client.try_send(&upgrade_and(lines));
    let status = client.response().status;
    (client, status)
}

const FORWARDED: [&str; 10] = [
    "--client-address",
    "forwarded-for",
    "--trusted-proxy",
    "127.0.0.1",
    "--trusted-proxy",
    "10.0.0.0/8,2001:db8:1::/48",
    "--address-connections-max",
    "1",
    "--log-level",
    "debug",
];

#[test]
fn the_client_is_the_last_address_that_is_no_proxys() {
    let mut relay = Relay::start(&FORWARDED);
    let proxy = "127.0.0.1";
    let (_first, status) = join_for(&relay, proxy, &["X-Forwarded-For: 203.0.113.7"]);
    assert_eq!(status, 101);
    for lines in [
        &["X-Forwarded-For: 203.0.113.7"][..],
        &["X-Forwarded-For: 6.6.6.6, 203.0.113.7, 10.1.2.3"],
        &[
            "X-Forwarded-For: 6.6.6.6",
            "x-forwarded-for: 203.0.113.7:99, 10.1.2.3",
        ],
        &["X-Forwarded-For: bogus, ::ffff:203.0.113.7,[2001:db8:1::5]:80"],
    ] {
        assert_eq!(join_for(&relay, proxy, lines).1, 429, "{lines:?}");
    }
    assert_logged(&mut relay, "address_full", "203.0.113.7");
    assert_logged(&mut relay, "address_full", "203.0.113.7:99");
    // Others are others.
    let (_second, status) = join_for(&relay, proxy, &["X-Forwarded-For: 203.0.113.7, 6.6.6.6"]);
    assert_eq!(status, 101);
    let (_third, status) = join_for(&relay, proxy, &["X-Forwarded-For: [2001:db8::1]:80"]);
    assert_eq!(status, 101);
    // A proxy that does not say is counted as itself.
    let (_fourth, status) = join_for(&relay, proxy, &[]);
    assert_eq!(status, 101);
    assert_eq!(
        join_for(&relay, proxy, &["X-Forwarded-For: unknown"]).1,
        429
    );
}

#[test]
fn x_forwarded_for_of_an_untrusted_peer_is_ignored() {
    let mut relay = Relay::start(&FORWARDED);
    let stranger = "127.0.0.2";
    let (_first, status) = join_for(&relay, stranger, &["X-Forwarded-For: 203.0.113.7"]);
    assert_eq!(status, 101);
    let (_, status) = join_for(&relay, stranger, &["X-Forwarded-For: 203.0.113.8"]);
    assert_eq!(status, 429);
    let (_second, status) = join_for(&relay, "127.0.0.1", &["X-Forwarded-For: 203.0.113.7"]);
    assert_eq!(status, 101);
    eventually("the stranger is logged as such", || {
        let mut lines = relay.log().lines();
        lines.any(|line| line.contains("address_full") && line.contains("peer=127.0.0.2:"))
    });
    // Nor is it read where no setting says so.
    let relay = Relay::start(&["--address-connections-max", "1"]);
    let (_first, status) = join_for(&relay, stranger, &["X-Forwarded-For: 203.0.113.7"]);
    assert_eq!(status, 101);
    let (_, status) = join_for(&relay, stranger, &["X-Forwarded-For: 203.0.113.8"]);
    assert_eq!(status, 429);
}

#[test]
fn requests_of_one_connection_may_be_of_several_clients() {
    let mut relay = Relay::start(&FORWARDED);
    let mut client = Client::connect(&relay);
    for _ in 0..3 {
        let lines = [UPGRADE[0], "X-Forwarded-For: 203.0.113.7"];
        client.send(&request("GET / HTTP/1.1", &lines));
        assert_eq!(client.response().status, 200);
    }
    let lines = [UPGRADE[0], "X-Forwarded-For: 203.0.113.8"];
    client.send(&request("GET /nothing HTTP/1.1", &lines));
    assert_eq!(client.response().status, 404);
    assert_logged(&mut relay, "not_found", "203.0.113.8");
    let mut client = Client::connect(&relay);
    client.send(&request(
        "GET / HTTP/1.1",
        &[UPGRADE[0], "X-Forwarded-For: 203.0.113.9"],
    ));
    assert_eq!(client.response().status, 200);
    // The next does not say whose it is: it is not the last one's.
    client.send(&request("GET /nothing HTTP/1.1", &UPGRADE[..1]));
    assert_eq!(client.response().status, 404);
    let peer = client.local_address().to_string();
    assert_logged(&mut relay, "not_found", &peer);
}

/// A relay on a Unix domain socket too.
fn start_on_unix(name: &str, flags: &[&str]) -> (Relay, PathBuf) {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let address = format!("unix:{}", path.display());
    (
        Relay::start(&[&["--listen", &address], flags].concat()),
        path,
    )
}

#[test]
fn proxies_on_unix_sockets_are_trusted_if_that_is_said() {
    let flags = [
        "--client-address",
        "proxy-protocol",
        "--trusted-proxy",
        "unix",
    ];
    let (relay, path) = start_on_unix(
        "trusted.sock",
        &[&flags[..], &["--address-connections-max=1"]].concat(),
    );
    let join = |header: &[u8]| {
        let mut client = Client::connect_unix(&path);
        client.send(&[header, &upgrade("/ws")].concat());
        let status = client.response().status;
        (client, status)
    };
    let (_first, status) = join(&line("203.0.113.7"));
    assert_eq!(status, 101);
    assert_eq!(join(&line("203.0.113.7")).1, 429);
    assert_eq!(join(b"").1, 400);
    // Over TCP, no peer is trusted here.
    assert_eq!(join_as(&relay, &line("203.0.113.8")).1, 400);

    let flags = [
        "--client-address",
        "forwarded-for",
        "--trusted-proxy",
        "unix",
    ];
    let (_relay, path) = start_on_unix(
        "forwarded.sock",
        &[&flags[..], &["--address-connections-max=1"]].concat(),
    );
    let join = |lines: &[&str]| {
        let mut client = Client::connect_unix(&path);
        client.send(&upgrade_and(lines));
        let status = client.response().status;
        (client, status)
    };
    let (_first, status) = join(&["X-Forwarded-For: 203.0.113.7"]);
    assert_eq!(status, 101);
    assert_eq!(join(&["X-Forwarded-For: 203.0.113.7"]).1, 429);
    // A client without an address is not counted.
    let unsaid: Vec<_> = (0..3).map(|_| join(&[])).collect();
    assert!(unsaid.iter().all(|(_, status)| *status == 101));
}

#[test]
fn the_admin_listener_is_asked_directly() {
    let flags = [&PROXY_PROTOCOL[..], &["--admin", "127.0.0.1:0"]].concat();
    let mut relay = Relay::start(&flags);
    let admin = relay.admin_address();
    let refused = join_as(&relay, b"GET").1;
    assert_eq!(refused, 400);
    for _ in 0..3 {
        let mut client = Client::connect_to(admin);
        client.send(&request(
            "GET /metrics HTTP/1.1",
            &[UPGRADE[0], "Connection: close"],
        ));
        let response = client.response();
        assert_eq!(response.status, 200);
        let counted = "fanfare_requests_refused_total{reason=\"proxy_header\",status=\"400\"} 1";
        assert!(response.text().contains(counted), "{}", response.text());
    }
}

#[test]
fn contradictions_end_the_start_with_2() {
    for (flags, said) in [
        (
            &["--client-address", "proxy-protocol"][..],
            "name them with --trusted-proxy",
        ),
        (
            &["--client-address", "forwarded-for"],
            "name them with --trusted-proxy",
        ),
        (
            &["--trusted-proxy", "10.0.0.0/8"],
            "--trusted-proxy 10.0.0.0/8 has no effect with --client-address (by default peer)",
        ),
        (
            &[
                "--trusted-proxy",
                "10.0.0.1/8",
                "--client-address",
                "forwarded-for",
            ],
            "did you mean 10.0.0.0/8?",
        ),
        (
            &["--address-connections-max", "65536"],
            "it has 65535 ports",
        ),
        (
            &["--subprotocol", "a b"],
            "expected the name of a subprotocol",
        ),
        (
            &["--client-address", "guess"],
            "expected one of peer, proxy-protocol, forwarded-for",
        ),
    ] {
        let output = command().args(flags).output().expect("it runs");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{flags:?}: {stderr}");
        assert!(stderr.contains(said), "{flags:?}: {stderr}");
    }
}
