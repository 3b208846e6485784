//! `/metrics`: each number moves with what it counts.

use super::{ask, start};
use crate::common::*;
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// The value of one series.
pub(crate) fn value(page: &str, series: &str) -> f64 {
    let mut lines = page.lines().filter_map(|line| line.rsplit_once(' '));
    lines
        .find(|(name, _)| *name == series)
        .and_then(|(_, value)| value.parse().ok())
        .unwrap_or_else(|| panic!("no {series} in\n{page}"))
}

/// All series, by name and labels.
fn scrape(admin: SocketAddr) -> BTreeMap<String, f64> {
    let page = ask(admin, "/metrics").text();
    let series = page.lines().filter(|line| !line.starts_with('#'));
    series
        .map(|line| {
            let (name, value) = line.rsplit_once(' ').expect("a value");
            (name.to_owned(), value.parse().expect("a number"))
        })
        .collect()
}

/// What the numbers are, and what they were.
struct Watch {
    admin: SocketAddr,
    before: BTreeMap<String, f64>,
}

impl Watch {
    fn begin(admin: SocketAddr) -> Self {
        let before = scrape(admin);
        Watch { admin, before }
    }

    /// Waits until each series has grown by just this much since the last time.
    #[track_caller]
    fn expect(&mut self, growth: &[(&str, f64)]) {
        let mut now = scrape(self.admin);
        let before = std::mem::take(&mut self.before);
        let of = |series: &BTreeMap<String, f64>, name: &str| *series.get(name).unwrap_or(&0.0);
        eventually(&format!("it grows by {growth:?}"), || {
            now = scrape(self.admin);
            growth
                .iter()
                .all(|(name, by)| of(&now, name) - of(&before, name) == *by)
        });
        self.before = now;
    }
}

const MESSAGES: &str = "fanfare_messages_published_total";
const DELIVERIES: &str = "fanfare_deliveries_total";
const OPEN: &str = "fanfare_connections{state=\"open\"}";

/// A member that agreed on compression: `parameters` of it.
pub(crate) fn join_compressed(relay: &Relay, path: &str, parameters: &str) -> Client {
    let mut client = Client::connect(relay);
    offer_compression(&mut client, path, parameters);
    client
}

pub(crate) fn offer_compression(client: &mut Client, path: &str, parameters: &str) {
    let offer = format!("Sec-WebSocket-Extensions: permessage-deflate{parameters}");
    client.send(&request(
        &format!("GET {path} HTTP/1.1"),
        &[&UPGRADE[..], &[&offer]].concat(),
    ));
    client.expect_upgraded();
}

#[test]
fn messages_and_their_bytes() {
    let (relay, admin) = start(&[]);
    let mut watch = Watch::begin(admin);
    let mut members: Vec<Client> = (0..3).map(|_| Client::join(&relay, "/ws/room")).collect();
    let mut silent = Client::join(&relay, "/ws/room?echo=0");
    watch.expect(&[
        ("fanfare_websockets_opened_total", 4.0),
        (
            "fanfare_connections_accepted_total{listener=\"public\"}",
            4.0,
        ),
        (OPEN, 4.0),
        ("fanfare_topics", 1.0),
    ]);
    members[0].send(&text("hello"));
    members
        .iter_mut()
        .for_each(|member| member.expect_text("hello"));
    silent.expect_text("hello");
    watch.expect(&[
        (MESSAGES, 1.0),
        ("fanfare_messages_published_bytes_total", 5.0),
        (DELIVERIES, 4.0),
        ("fanfare_messages_per_write_count", 4.0),
        ("fanfare_messages_per_write_sum", 4.0),
        ("fanfare_messages_per_write_bucket{le=\"1.0\"}", 4.0),
    ]);
    // A sender that does not want it back is no reader of it; and one read that brings many, one write.
    silent.send(&text("to others").repeat(8));
    for _ in 0..8 {
        members
            .iter_mut()
            .for_each(|member| member.expect_text("to others"));
    }
    watch.expect(&[
        (MESSAGES, 8.0),
        ("fanfare_messages_published_bytes_total", 8.0 * 9.0),
        (DELIVERIES, 24.0),
    ]);
}

#[test]
fn bytes_on_the_wire() {
    let (relay, admin) = start(&[]);
    let mut client = Client::join(&relay, "/ws/room");
    // Each scrape is counted in the next one, and all are alike in length but for the numbers.
    let of =
        |series: &BTreeMap<String, f64>, way: &str| series[&format!("fanfare_{way}_bytes_total")];
    let before = scrape(admin);
    let message = binary(&[1; 1_000_000]);
    client.send(&message);
    client.expect_binary(&[1; 1_000_000]);
    let after = scrape(admin);
    for way in ["received", "sent"] {
        let grown = of(&after, way) - of(&before, way);
        assert!(
            (1_000_000.0..1_020_000.0).contains(&grown),
            "{way}: {grown}"
        );
    }
}

#[test]
fn pings_and_pongs() {
    let (relay, admin) = start(&["--heartbeat-interval", "300ms", "--pong-timeout", "300ms"]);
    let mut watch = Watch::begin(admin);
    let mut client = Client::join(&relay, "/ws");
    client.send(&[ping(b"a"), ping(b"b"), frame(FIN | PONG, b"c")].concat());
    client.expect_pong(b"a");
    client.expect_pong(b"b");
    watch.expect(&[
        ("fanfare_pings_received_total", 2.0),
        ("fanfare_pongs_received_total", 1.0),
    ]);
    client.expect_ping();
    client.expect_gone();
    watch.expect(&[
        ("fanfare_pings_sent_total", 1.0),
        ("fanfare_dead_total", 1.0),
        (
            "fanfare_websockets_closed_total{cause=\"dead\",code=\"1006\"}",
            1.0,
        ),
        (OPEN, -1.0),
    ]);
}

fn closed(cause: &str, code: &str) -> String {
    format!("fanfare_websockets_closed_total{{cause=\"{cause}\",code=\"{code}\"}}")
}

#[test]
fn closes_by_cause_and_code() {
    let (relay, admin) = start(&["--idle-timeout", "2s", "--message-bytes-max", "1KiB"]);
    let mut watch = Watch::begin(admin);
    for (says, cause, code) in [
        (close(1000, b""), "peer", "1000"),
        (close(1001, b"leaving"), "peer", "1001"),
        (frame(FIN | CLOSE, b""), "peer", "1005"),
        (close(3500, b""), "peer", "3xxx"),
        (close(4999, b""), "peer", "4xxx"),
        (frame(FIN | 0x3, b""), "protocol", "1002"),
        (frame(FIN | TEXT, b"\xff"), "protocol", "1007"),
        (header(FIN | TEXT, 1025), "protocol", "1009"),
        (Vec::new(), "idle", "1001"),
    ] {
        let mut client = Client::join(&relay, "/ws");
        client.send(&says);
        client.frame();
        watch.expect(&[(&closed(cause, code), 1.0)]);
    }
    Client::join(&relay, "/ws").shutdown_write();
    watch.expect(&[(&closed("ended", "1006"), 1.0)]);
    Client::join(&relay, "/ws").reset();
    watch.expect(&[(&closed("reset", "1006"), 1.0)]);
    let page = scrape(admin);
    let closes = page
        .iter()
        .filter(|(name, _)| name.starts_with("fanfare_websockets_closed"));
    let closes: f64 = closes.map(|(_, count)| count).sum();
    assert_eq!(closes, page["fanfare_websockets_opened_total"]);
    eventually("no connection is left", || {
        let page = scrape(admin);
        let states = ["handshake", "open", "closing", "lingering"];
        states
            .iter()
            .all(|state| page[&format!("fanfare_connections{{state=\"{state}\"}}")] == 0.0)
    });
}

fn refused(reason: &str, status: &str) -> String {
    format!("fanfare_requests_refused_total{{reason=\"{reason}\",status=\"{status}\"}}")
}

#[test]
fn refusals_by_reason() {
    let flags = [
        "--connections-max",
        "1",
        "--handshake-timeout",
        "500ms",
        "--head-bytes-max",
        "1KiB",
    ];
    let (relay, admin) = start(&flags);
    let mut watch = Watch::begin(admin);
    let mut bystander = Client::join(&relay, "/ws");
    let host = "Host: localhost";
    let long = format!("X-Long: {}", "x".repeat(1024));
    for (request, reason, status) in [
        (b"nonsense\r\n\r\n".to_vec(), "malformed_head", "400"),
        (upgrade_and(&[&long]), "head_too_large", "431"),
        (b"GET /ws HTTP/1.1\r\n".to_vec(), "timeout", "408"),
        (upgrade_and(&["Content-Length: 5"]), "body", "400"),
        (upgrade_but("Sec-WebSocket-Key", &[]), "header", "400"),
        (upgrade_but("Host", &[]), "header", "400"),
        (
            request("GET /nothing HTTP/1.1", &[host]),
            "not_found",
            "404",
        ),
        (request("POST / HTTP/1.1", &[host]), "method", "405"),
        (request("DELETE /ws HTTP/1.1", &[host]), "method", "405"),
        (request("GET /ws HTTP/1.1", &[host]), "no_upgrade", "426"),
        (
            upgrade_but("Sec-WebSocket-Version", &["Sec-WebSocket-Version: 8"]),
            "version",
            "426",
        ),
        (
            upgrade_and(&["Origin: http://evil.example"]),
            "origin",
            "403",
        ),
        (upgrade("/ws/"), "topic", "400"),
        (upgrade("/ws"), "full", "503"),
    ] {
        let mut client = Client::connect(&relay);
        client.send(&request);
        assert_eq!(client.response().status.to_string(), status, "{reason}");
        watch.expect(&[(&refused(reason, status), 1.0)]);
    }
    let mut client = Client::connect(&relay);
    client.send(b"GET /ws HT");
    client.shutdown_write();
    client.expect_gone();
    watch.expect(&[(&refused("disconnected", ""), 1.0)]);
    // What goes wrong on the admin listener is no client's fault.
    ask(admin, "/nothing");
    watch.expect(&[(&refused("not_found", "404"), 0.0)]);
    bystander.send(&text("still here"));
    bystander.expect_text("still here");
}

#[test]
fn a_reader_that_lags_and_one_that_is_lapped() {
    for (policy, lapped) in [
        ("skip", "fanfare_skips_total"),
        ("close", "fanfare_lapped_total"),
    ] {
        let (relay, admin) = start(&[
            "--slow-policy",
            policy,
            "--topic-log-bytes-max",
            "512KiB",
            "--message-bytes-max",
            "64KiB",
        ]);
        let mut publisher = Client::join(&relay, "/ws/room?echo=0");
        let _slow = Client::join_small(&relay, "/ws/room");
        let message = binary(&[7; 60_000]);
        let mut was_lagging = false;
        let mut page = scrape(admin);
        eventually("the slow reader is lapped", || {
            publisher.send(&message);
            page = scrape(admin);
            let lag = page["fanfare_lag_max_bytes"];
            was_lagging |= lag > 0.0;
            assert!(lag <= page["fanfare_log_bytes"], "{lag}");
            // One that was lapped is at the live end, and has yet to be sent the rest of a frame.
            assert!(
                lag == 0.0 || page["fanfare_lagging_members"] == 1.0,
                "{lag}"
            );
            page[lapped] > 0.0
        });
        assert!(was_lagging);
        let missed = page["fanfare_messages_skipped_total"] + page["fanfare_messages_lost_total"];
        assert!(missed > 0.0);
        assert!(page["fanfare_lag_bytes_count"] > 0.0);
        let is_skip = policy == "skip";
        assert_eq!(page["fanfare_messages_skipped_total"] > 0.0, is_skip);
        assert_eq!(page[&closed("lapped", "1013")] > 0.0, !is_skip);
    }
}

#[test]
fn memory_that_one_connection_holds() {
    let (relay, admin) = start(&[]);
    let mut client = Client::join(&relay, "/ws");
    client.send(&frame(TEXT, &[b'x'; 50_000]));
    eventually("an unfinished message is held", || {
        let held = scrape(admin)["fanfare_private_bytes"];
        (50_000.0..200_000.0).contains(&held)
    });
    client.send(&frame(FIN | CONTINUATION, b""));
    client.expect_text(&"x".repeat(50_000));
    eventually("it is given back", || {
        scrape(admin)["fanfare_private_bytes"] < 50_000.0
    });
}

#[test]
fn the_process_and_its_turns() {
    let (relay, admin) = start(&[]);
    let before = scrape(admin);
    let clients: Vec<Client> = (0..20).map(|_| Client::join(&relay, "/ws")).collect();
    let after = scrape(admin);
    let grown = |name: &str| after[name] - before[name];
    assert_eq!(grown("process_open_fds"), 20.0);
    assert!(grown("fanfare_turn_duration_seconds_count") > 20.0);
    assert!(grown("fanfare_turn_duration_seconds_sum") > 0.0);
    assert!(grown("process_cpu_seconds_total") >= 0.0);
    assert!(after["process_resident_memory_bytes"] > 1e6);
    assert!(after["process_virtual_memory_bytes"] > after["process_resident_memory_bytes"]);
    assert!(after["process_max_fds"] > after["process_open_fds"]);
    let now = std::fs::metadata("/proc/self").and_then(|process| process.modified());
    let now = now
        .expect("a time")
        .duration_since(std::time::UNIX_EPOCH)
        .expect("not before");
    let age = now.as_secs_f64() - after["process_start_time_seconds"];
    assert!((-5.0..120.0).contains(&age), "{age}");
    assert!(after["fanfare_kernel_tcp_memory_bytes"] >= 0.0);
    assert_eq!(
        after[&format!(
            "fanfare_build_info{{version=\"{}\"}}",
            env!("CARGO_PKG_VERSION")
        )],
        1.0
    );
    let infinite = after["fanfare_turn_duration_seconds_bucket{le=\"+Inf\"}"];
    assert_eq!(infinite, after["fanfare_turn_duration_seconds_count"]);
    drop(clients);
    eventually("their descriptors are closed", || {
        scrape(admin)["process_open_fds"] == before["process_open_fds"]
    });
}

/// "Hello", compressed: RFC 7692 §7.2.3.1.
const HELLO: &[u8] = &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];

#[test]
fn compression() {
    const BEFORE: &str = "fanfare_compression_bytes_total{size=\"before\"}";
    const AFTER: &str = "fanfare_compression_bytes_total{size=\"after\"}";
    let (relay, admin) = start(&[]);
    let mut watch = Watch::begin(admin);
    let mut plain = Client::join(&relay, "/ws/room");
    let mut small = join_compressed(&relay, "/ws/room", "; server_max_window_bits=9");
    let mut large = join_compressed(&relay, "/ws/room?echo=0", "");
    watch.expect(&[
        ("fanfare_websockets_opened_total", 3.0),
        ("fanfare_websockets_compressed_total", 2.0),
    ]);
    let story = "abc".repeat(400);
    plain.send(&text(&story));
    plain.expect_text(&story);
    let after: usize = [&mut small, &mut large]
        .into_iter()
        .map(|member| {
            let (first, payload) = member.any_frame();
            assert_eq!(first, FIN | 0x40 | TEXT);
            payload.len()
        })
        .sum();
    watch.expect(&[
        (MESSAGES, 1.0),
        ("fanfare_messages_published_bytes_total", 1200.0),
        (DELIVERIES, 3.0),
        ("fanfare_messages_per_write_count", 3.0),
        ("fanfare_messages_per_write_sum", 3.0),
        (
            "fanfare_compression_messages_total{outcome=\"compressed\"}",
            2.0,
        ),
        (BEFORE, 2400.0),
        (AFTER, after as f64),
    ]);
    let spent = value(
        &ask(admin, "/metrics").text(),
        "fanfare_compression_seconds_total",
    );
    assert!(spent > 0.0);

    // What comes compressed is counted as what it says, and what is small stays as it is.
    large.send(&frame(FIN | 0x40 | TEXT, HELLO));
    plain.expect_text("Hello");
    small.expect_text("Hello");
    watch.expect(&[
        (MESSAGES, 1.0),
        ("fanfare_messages_published_bytes_total", 5.0),
        (DELIVERIES, 2.0),
        ("fanfare_compression_messages_total{outcome=\"small\"}", 2.0),
        ("fanfare_decompression_messages_total", 1.0),
        (
            "fanfare_decompression_bytes_total{size=\"before\"}",
            HELLO.len() as f64,
        ),
        ("fanfare_decompression_bytes_total{size=\"after\"}", 5.0),
        (BEFORE, 0.0),
    ]);
    let spent = value(
        &ask(admin, "/metrics").text(),
        "fanfare_decompression_seconds_total",
    );
    assert!(spent > 0.0);

    // Noise does not shrink.
    let mut state = 1u32;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    })
    .take(1000)
    .collect();
    plain.send(&binary(&noise));
    large.expect_frame(FIN | BINARY, &noise);
    watch.expect(&[
        (DELIVERIES, 3.0),
        (
            "fanfare_compression_messages_total{outcome=\"in_vain\"}",
            2.0,
        ),
    ]);
}
