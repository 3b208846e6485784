//! The opening handshake over real sockets: every request that opens a WebSocket, and every row of
//! bad input with the status that answers it. After each one, others' traffic goes on.

mod common;

use common::*;

/// A request that is refused.
struct Refused {
    what: &'static str,
    status: u16,
    request: Vec<u8>,
}

fn refused(status: u16, what: &'static str, request: impl AsRef<[u8]>) -> Refused {
    Refused {
        what,
        status,
        request: request.as_ref().to_vec(),
    }
}

/// Each is answered with its status and then closed, whether it comes whole or byte by byte.
fn assert_refused(flags: &[&str], cases: &[Refused]) {
    let mut relay = Relay::start(flags);
    for case in cases {
        for bytewise in [false, true] {
            // Where the fault is seen before the end, the rest may come to a closed connection.
            if bytewise && case.request.len() > 1000 {
                continue;
            }
            let mut client = Client::connect(&relay);
            if bytewise {
                for byte in case.request.chunks(1) {
                    if !client.try_send(byte) {
                        break;
                    }
                }
            } else {
                client.send(&case.request);
            }
            let response = client.response();
            assert_eq!(response.status, case.status, "{}: {response:?}", case.what);
            assert!(response.text().starts_with(&case.status.to_string()));
            if case.status == 426 {
                assert_eq!(
                    response.header("Upgrade"),
                    Some("websocket"),
                    "{}",
                    case.what
                );
                assert_eq!(
                    response.header("Connection"),
                    Some("Upgrade"),
                    "{}",
                    case.what
                );
                assert_eq!(response.header("Sec-WebSocket-Version"), Some("13"));
            } else {
                assert_eq!(
                    response.header("Connection"),
                    Some("close"),
                    "{}",
                    case.what
                );
            }
            client.expect_end();
            relay.assert_others_exchange();
        }
    }
}

fn get(headers: &[&str]) -> Vec<u8> {
    request("GET / HTTP/1.1", headers)
}

#[test]
fn what_is_not_http() {
    let host = "Host: localhost";
    assert_refused(
        &[],
        &[
            refused(400, "noise", "hello, relay\r\n\r\n"),
            refused(400, "noise without an end", "\x01\x02\x03\x04"),
            refused(
                400,
                "the start of TLS",
                b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
            ),
            refused(400, "HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
            refused(400, "HTTP/0.9", "GET /\r\n\r\n"),
            refused(400, "HTTP/1.2", "GET / HTTP/1.2\r\nHost: localhost\r\n\r\n"),
            refused(
                400,
                "HTTP/11.1",
                "GET / HTTP/11.1\r\nHost: localhost\r\n\r\n",
            ),
            refused(
                400,
                "lower case http",
                "GET / http/1.1\r\nHost: localhost\r\n\r\n",
            ),
            refused(
                400,
                "two spaces",
                "GET  / HTTP/1.1\r\nHost: localhost\r\n\r\n",
            ),
            refused(400, "no target", "GET HTTP/1.1\r\nHost: localhost\r\n\r\n"),
            refused(
                400,
                "a relative target",
                "GET ws HTTP/1.1\r\nHost: localhost\r\n\r\n",
            ),
            refused(
                400,
                "a fragment",
                "GET /ws#x HTTP/1.1\r\nHost: localhost\r\n\r\n",
            ),
            refused(
                400,
                "another scheme",
                "GET file:///ws HTTP/1.1\r\nHost: localhost\r\n\r\n",
            ),
            refused(400, "bare LF", "GET / HTTP/1.1\nHost: localhost\n\n"),
            refused(
                400,
                "bare LF after a header",
                "GET / HTTP/1.1\r\nHost: localhost\n\r\n",
            ),
            refused(400, "bare CR in a header", get(&[host, "X: a\rb"])),
            refused(
                400,
                "bare CR in the first line",
                "GET /\r HTTP/1.1\r\nHost: localhost\r\n\r\n",
            ),
            refused(
                400,
                "CR CR LF",
                "GET / HTTP/1.1\r\nHost: localhost\r\r\n\r\n",
            ),
            refused(400, "NUL in a value", get(&[host, "X: a\0b"])),
            refused(400, "NUL in a name", get(&[host, "X\0: a"])),
            refused(
                400,
                "NUL in the target",
                "GET /\0 HTTP/1.1\r\nHost: localhost\r\n\r\n",
            ),
            refused(400, "a folded header", get(&[host, "X: a", " b"])),
            refused(
                400,
                "a header folded with a tab",
                get(&[host, "X: a", "\tb"]),
            ),
            refused(
                400,
                "the first header folded",
                "GET / HTTP/1.1\r\n Host: localhost\r\n\r\n",
            ),
            refused(400, "space before a colon", get(&["Host : localhost"])),
            refused(400, "tab before a colon", get(&["Host\t: localhost"])),
            refused(400, "no colon", get(&[host, "nonsense"])),
            refused(400, "no name", get(&[host, ": nonsense"])),
            refused(400, "a name beyond ASCII", get(&[host, "Ünicode: x"])),
            refused(
                400,
                "too many empty lines",
                "\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\n\r\n",
            ),
        ],
    );
}

#[test]
fn heads_over_the_limit() {
    let long = |bytes: usize| get(&["Host: localhost", &format!("X: {}", "x".repeat(bytes))]);
    let lines = |count: usize| {
        let mut headers = vec!["Host: localhost"];
        headers.resize(count, "X: y");
        get(&headers)
    };
    let frame_bytes = long(0).len();
    assert_refused(
        &[],
        &[
            refused(
                431,
                "one byte over 16 KiB",
                long(16 * 1024 + 1 - frame_bytes),
            ),
            refused(431, "far over 16 KiB", long(60_000)),
            refused(
                431,
                "16 KiB without an end of line",
                format!("GET /{}", "x".repeat(20_000)),
            ),
            refused(431, "101 headers", lines(101)),
            refused(431, "1,000 headers", lines(1000)),
            refused(
                431,
                "empty headers without an end",
                "GET / HTTP/1.1\r\n".to_owned() + &"X:\r\n".repeat(5000),
            ),
        ],
    );
    let mut relay = Relay::start(&[]);
    for (what, request) in [
        ("just 16 KiB", long(16 * 1024 - frame_bytes)),
        ("100 headers", lines(100)),
    ] {
        let mut client = Client::connect(&relay);
        client.send(&request);
        assert_eq!(client.response().status, 200, "{what}");
        relay.assert_others_exchange();
    }
}

#[test]
fn the_head_limit_does_not_count_the_frames_behind_it() {
    let relay = Relay::start(&["--head-bytes-max", "1KiB"]);
    let mut client = Client::connect(&relay);
    let message = "x".repeat(50_000);
    client.send(&[upgrade("/ws"), text(&message)].concat());
    client.expect_upgraded();
    client.expect_text(&message);
}

#[test]
fn host_and_key_are_there_once() {
    assert_refused(
        &[],
        &[
            refused(400, "no Host", upgrade_but("Host", &[])),
            refused(400, "two Hosts", upgrade_and(&["Host: localhost"])),
            refused(400, "no Host on the page", get(&[])),
            refused(400, "two Hosts on the page", get(&["Host: a", "Host: b"])),
            refused(
                400,
                "no Host nowhere",
                request("GET /nowhere HTTP/1.1", &[]),
            ),
            refused(400, "an empty Host", upgrade_but("Host", &["Host:"])),
            refused(400, "a list as Host", upgrade_but("Host", &["Host: a, b"])),
            refused(
                400,
                "a URL as Host",
                upgrade_but("Host", &["Host: http://a/"]),
            ),
            refused(400, "no key", upgrade_but("Sec-WebSocket-Key", &[])),
            refused(400, "two keys", upgrade_and(&[UPGRADE[3]])),
            refused(
                400,
                "an empty key",
                upgrade_but("Sec-WebSocket-Key", &["Sec-WebSocket-Key:"]),
            ),
            refused(
                400,
                "a short key",
                upgrade_but(
                    "Sec-WebSocket-Key",
                    &["Sec-WebSocket-Key: dGhlIHNhbXBsZQ=="],
                ),
            ),
            refused(
                400,
                "a long key",
                upgrade_but(
                    "Sec-WebSocket-Key",
                    &["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZSE="],
                ),
            ),
            refused(
                400,
                "no padding",
                upgrade_but(
                    "Sec-WebSocket-Key",
                    &["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ"],
                ),
            ),
            refused(
                400,
                "no base64",
                upgrade_but(
                    "Sec-WebSocket-Key",
                    &["Sec-WebSocket-Key: ~~~~~~~~~~~~~~~~~~~~~~=="],
                ),
            ),
            refused(
                400,
                "a list of keys",
                upgrade_but(
                    "Sec-WebSocket-Key",
                    &["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==, dGhlIHNhbXBsZSBub25jZQ=="],
                ),
            ),
            refused(
                400,
                "two versions",
                upgrade_and(&["Sec-WebSocket-Version: 13"]),
            ),
            refused(
                400,
                "two origins",
                upgrade_and(&["Origin: http://localhost", "Origin: http://localhost"]),
            ),
        ],
    );
}

#[test]
fn other_methods_and_paths() {
    let with_upgrade = |line: &str| request(line, &UPGRADE);
    let mut relay = Relay::start(&[]);
    for method in ["DELETE", "PATCH", "TRACE", "get", "BREW"] {
        for headers in [&UPGRADE[..], &UPGRADE[..1]] {
            let mut client = Client::connect(&relay);
            client.send(&request(&format!("{method} /ws/topic HTTP/1.1"), headers));
            let response = client.response();
            assert_eq!(response.status, 405, "{method}");
            let allow = Some("GET, HEAD, POST, PUT, OPTIONS");
            assert_eq!(response.header("Allow"), allow, "{method}");
            client.expect_end();
            relay.assert_others_exchange();
        }
    }
    assert_refused(
        &[],
        &[
            refused(404, "unknown", with_upgrade("GET /nowhere HTTP/1.1")),
            refused(404, "almost", with_upgrade("GET /wsx HTTP/1.1")),
            refused(404, "upper case", with_upgrade("GET /WS HTTP/1.1")),
            refused(404, "an asset's parent", with_upgrade("GET //ws HTTP/1.1")),
            refused(404, "a climb", with_upgrade("GET /../ws HTTP/1.1")),
            refused(
                404,
                "an encoded slash",
                with_upgrade("GET /ws%2Ftopic HTTP/1.1"),
            ),
            refused(
                404,
                "everything",
                "GET * HTTP/1.1\r\nHost: localhost\r\n\r\n",
            ),
            refused(
                404,
                "a tunnel",
                "CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n",
            ),
        ],
    );
}

#[test]
fn what_asks_for_no_websocket() {
    assert_refused(
        &[],
        &[
            refused(
                426,
                "a plain GET",
                request("GET /ws HTTP/1.1", &UPGRADE[..1]),
            ),
            refused(426, "HTTP/1.0", request("GET /ws HTTP/1.0", &UPGRADE)),
            refused(
                426,
                "HTTP/1.0 without Host",
                request("GET /ws HTTP/1.0", &[]),
            ),
            refused(426, "no Upgrade", upgrade_but("Upgrade", &[])),
            refused(
                426,
                "another Upgrade",
                upgrade_but("Upgrade", &["Upgrade: h2c"]),
            ),
            refused(
                426,
                "almost Upgrade",
                upgrade_but("Upgrade", &["Upgrade: websockets"]),
            ),
            refused(426, "no Connection", upgrade_but("Connection", &[])),
            refused(
                426,
                "another Connection",
                upgrade_but("Connection", &["Connection: keep-alive"]),
            ),
            refused(426, "no version", upgrade_but("Sec-WebSocket-Version", &[])),
            refused(
                426,
                "version 8",
                upgrade_but("Sec-WebSocket-Version", &["Sec-WebSocket-Version: 8"]),
            ),
            refused(
                426,
                "version 0",
                upgrade_but("Sec-WebSocket-Version", &["Sec-WebSocket-Version: 0"]),
            ),
            refused(
                426,
                "version 14",
                upgrade_but("Sec-WebSocket-Version", &["Sec-WebSocket-Version: 14"]),
            ),
            refused(
                426,
                "version 013",
                upgrade_but("Sec-WebSocket-Version", &["Sec-WebSocket-Version: 013"]),
            ),
            refused(
                426,
                "a list of versions",
                upgrade_but("Sec-WebSocket-Version", &["Sec-WebSocket-Version: 13, 8"]),
            ),
            refused(
                426,
                "no number",
                upgrade_but("Sec-WebSocket-Version", &["Sec-WebSocket-Version: x"]),
            ),
        ],
    );
}

#[test]
fn bodies() {
    assert_refused(
        &[],
        &[
            refused(400, "a length", upgrade_and(&["Content-Length: 5"])),
            refused(
                400,
                "a negative length",
                upgrade_and(&["Content-Length: -1"]),
            ),
            refused(400, "a plus", upgrade_and(&["Content-Length: +0"])),
            refused(
                400,
                "two lengths",
                upgrade_and(&["Content-Length: 0", "Content-Length: 0"]),
            ),
            refused(
                400,
                "a list of lengths",
                upgrade_and(&["Content-Length: 0, 0"]),
            ),
            refused(
                400,
                "an endless length",
                upgrade_and(&["Content-Length: 18446744073709551616"]),
            ),
            refused(400, "chunks", upgrade_and(&["Transfer-Encoding: chunked"])),
            refused(
                400,
                "no chunks",
                upgrade_and(&["Transfer-Encoding: identity"]),
            ),
            refused(
                400,
                "both",
                upgrade_and(&["Content-Length: 0", "Transfer-Encoding: chunked"]),
            ),
            refused(
                400,
                "a body for the page",
                get(&["Host: localhost", "Content-Length: 1"]),
            ),
        ],
    );
    let relay = Relay::start(&[]);
    let mut client = Client::connect(&relay);
    client.send(&upgrade_and(&["Content-Length: 0"]));
    client.expect_upgraded();
}

#[test]
fn origins() {
    let from = |host: &str, origin: &str| {
        let (host, origin) = (format!("Host: {host}"), format!("Origin: {origin}"));
        request(
            "GET /ws HTTP/1.1",
            &[&[&*host, &*origin], &UPGRADE[1..]].concat(),
        )
    };
    for (origin, host, flags, allowed) in [
        ("http://localhost", "localhost", &[][..], true),
        ("https://localhost", "localhost:443", &[], true),
        ("http://LOCALHOST:80", "localhost", &[], true),
        ("http://localhost:3000", "localhost:3000", &[], true),
        ("http://localhost:3000", "localhost:8080", &[], false),
        ("http://evil.example", "localhost", &[], false),
        ("http://localhost.evil.example", "localhost", &[], false),
        ("null", "localhost", &[], false),
        ("", "localhost", &[], false),
        ("localhost", "localhost", &[], false),
        (
            "https://a.b.example",
            "localhost",
            &["--origin", "https://*.b.example"],
            true,
        ),
        (
            "https://b.example",
            "localhost",
            &["--origin", "https://*.b.example"],
            false,
        ),
        (
            "http://localhost:3000",
            "localhost:8080",
            &["--origin", "http://localhost:*"],
            true,
        ),
        (
            "chrome-extension://abcdefgh",
            "localhost",
            &["--origin", "chrome-extension://*"],
            true,
        ),
        (
            "https://xn--bcher-kva.example",
            "localhost",
            &["--origin", "https://b\u{fc}cher.example"],
            true,
        ),
        ("file://", "localhost", &[], false),
        ("file://", "localhost", &["--origin", "file://"], true),
        (
            "http://host/path",
            "localhost",
            &["--origin", "http://host/path"],
            true,
        ),
        ("null", "localhost", &["--origin", "*"], true),
        ("http://any.example", "localhost", &["--origin", "*"], true),
        (
            "http://a.example",
            "localhost",
            &[
                "--origin",
                "http://b.example",
                "--origin",
                "http://a.example",
            ],
            true,
        ),
        (
            "https://a.example",
            "localhost",
            &["--origin", "http://a.example"],
            false,
        ),
        (
            "https://a.example",
            "localhost",
            &["--origin", "a.example"],
            true,
        ),
        (
            "http://b.example",
            "localhost",
            &["--origin", "a.example"],
            false,
        ),
    ] {
        let mut relay = Relay::start(flags);
        let mut client = Client::connect(&relay);
        client.send(&from(host, origin));
        if allowed {
            client.expect_upgraded();
        } else {
            let response = client.response();
            assert_eq!(response.status, 403, "{origin} to {host}");
            for said in [origin, host, "--origin"] {
                assert!(
                    response.text().contains(said),
                    "{said}: {}",
                    response.text()
                );
            }
            client.expect_end();
        }
        relay.assert_others_exchange();
        if !allowed {
            let log = relay.terminated().stderr;
            for said in ["403", origin, host, "--origin"] {
                assert!(log.contains(said), "{said}: {log}");
            }
        }
    }
}

#[test]
fn topic_names() {
    let long = |bytes: usize| format!("/ws/{}", "x".repeat(bytes));
    let paths = [
        "/ws/",
        "/ws/a/b",
        "/ws/a%2Fb",
        "/ws/%",
        "/ws/%zz",
        "/ws/a%4",
        "/ws/%%41",
        "/ws/%-1",
        "/ws/%2f",
        "/ws/%00",
        "/ws/a%0Ab",
        "/ws/%7F",
        "/ws/%C2%85",
        "/ws/%FF",
        "/ws/%C3",
        "/ws/%ED%A0%80",
        "/ws/%F4%90%80%80",
        "/ws/%C0%AF",
        "/ws//",
        "/ws/a/",
        "/ws/?topic=a",
        &long(129),
        &format!("/ws/{}", "%C3%A9".repeat(65)),
    ];
    let cases: Vec<Refused> = paths
        .iter()
        .map(|path| refused(400, "a bad topic name", upgrade(path)))
        .collect();
    assert_refused(&[], &cases);

    let relay = Relay::start(&[]);
    for path in [
        "/ws",
        "/ws?",
        "/ws?echo=1",
        "/ws/lobby",
        "/ws/a%20b",
        "/ws/ünïcode",
        "/ws/%F0%9F%8E%BA",
        "/ws/..",
        "/ws/a?b/c",
        "/ws/100%25",
        &long(128),
        &format!("/ws/{}", "%C3%A9".repeat(64)),
        "http://localhost/ws/absolute",
        "ws://localhost/ws",
    ] {
        Client::join(&relay, path);
    }
}

#[test]
fn the_answer_is_the_rfcs() {
    let relay = Relay::start(&[]);
    let mut client = Client::connect(&relay);
    client.send(&upgrade_and(&[
        "Sec-WebSocket-Protocol: chat, superchat",
        "Sec-WebSocket-Extensions: permessage-bzip2, x-unknown",
        "Origin: http://localhost",
    ]));
    let response = client.response_to_head();
    assert_eq!(response.status, 101);
    assert_eq!(response.header("Sec-WebSocket-Accept"), Some(RFC_ACCEPT));
    assert_eq!(response.header("Upgrade"), Some("websocket"));
    assert_eq!(response.header("Connection"), Some("Upgrade"));
    // What was not agreed on is not spoken of.
    assert_eq!(response.header("Sec-WebSocket-Protocol"), None);
    assert_eq!(response.header("Sec-WebSocket-Extensions"), None);
    assert_eq!(response.header("Content-Length"), None);
}

#[test]
fn the_many_ways_to_ask_for_an_upgrade() {
    let relay = Relay::start(&[]);
    for (what, request) in [
        (
            "Connection in two lines",
            upgrade_but(
                "Connection",
                &["Connection: keep-alive", "Connection: Upgrade"],
            ),
        ),
        (
            "Connection as a list",
            upgrade_but("Connection", &["Connection: keep-alive,, upgrade ,x"]),
        ),
        (
            "Upgrade as a list",
            upgrade_but("Upgrade", &["Upgrade: h2c, WebSocket"]),
        ),
        (
            "Upgrade in two lines",
            upgrade_but("Upgrade", &["Upgrade: h2c", "Upgrade: websocket"]),
        ),
        (
            "other cases",
            upgrade_but("Upgrade", &["uPGRADE: WEBSOCKET"]),
        ),
        (
            "no space after the colon",
            upgrade_but("Host", &["Host:localhost"]),
        ),
        (
            "spaces around a value",
            upgrade_but("Host", &["Host: \t localhost \t "]),
        ),
        (
            "the key's case",
            upgrade_but(
                "Sec-WebSocket-Key",
                &["sec-websocket-KEY: dGhlIHNhbXBsZSBub25jZQ=="],
            ),
        ),
        (
            "empty lines before it",
            [b"\r\n\r\n", &*upgrade("/ws")].concat(),
        ),
        ("bytes beyond ASCII in a value", upgrade_and(&["X: \u{e9}"])),
        (
            "a full URL",
            request("GET http://localhost:80/ws HTTP/1.1", &UPGRADE),
        ),
        ("an IPv6 host", upgrade_but("Host", &["Host: [::1]:8080"])),
    ] {
        for bytewise in [false, true] {
            let mut client = Client::connect(&relay);
            if bytewise {
                client.send_bytewise(&request);
            } else {
                client.send(&request);
            }
            let response = client.response_to_head();
            assert_eq!(response.status, 101, "{what}: {response:?}");
            client.send(&text(what));
            client.expect_text(what);
        }
    }
}

#[test]
fn first_frames_in_the_segment_of_the_upgrade() {
    let relay = Relay::start(&[]);
    let mut client = Client::connect(&relay);
    let fragments = [frame(TEXT, b"in "), frame(FIN | CONTINUATION, b"pieces")].concat();
    let first = [
        upgrade("/ws"),
        text("first"),
        ping(b"!"),
        fragments,
        text("ha"),
    ]
    .concat();
    // The last frame is cut.
    client.send(&first[..first.len() - 1]);
    client.expect_upgraded();
    let mut received = [client.frame(), client.frame(), client.frame()];
    received.sort_by_key(|frame| frame.first);
    assert_eq!(received[0].payload, b"first");
    assert_eq!(received[1].payload, b"in pieces");
    assert_eq!(
        (received[2].first, &*received[2].payload),
        (FIN | PONG, &b"!"[..])
    );
    client.send(&first[first.len() - 1..]);
    client.expect_text("ha");
}

#[test]
fn an_upgrade_with_its_first_frames_may_be_cut_anywhere() {
    let relay = Relay::start(&[]);
    let bytes = [upgrade("/ws/cut"), text("first"), close(1000, b"")].concat();
    for cut in 1..bytes.len() {
        let mut client = Client::connect(&relay);
        client.send(&bytes[..cut]);
        client.send(&bytes[cut..]);
        client.expect_upgraded();
        client.expect_text("first");
        client.expect_closed(1000);
    }
}

#[test]
fn as_many_as_are_allowed_and_the_next_is_told() {
    let mut relay = Relay::start(&["--connections-max", "4"]);
    relay.assert_others_exchange();
    let first = Client::join(&relay, "/ws");
    let _second = Client::join(&relay, "/ws");
    let mut third = Client::connect(&relay);
    third.send(&upgrade("/ws"));
    let response = third.response();
    assert_eq!(response.status, 503);
    assert!(response.header("Retry-After").is_some());
    third.expect_end();
    relay.assert_others_exchange();
    // The page is still served, and a place that becomes free is given away.
    let mut reader = Client::connect(&relay);
    reader.send(&get(&["Host: localhost"]));
    assert_eq!(reader.response().status, 200);
    first.reset();
    eventually("there is a place again", || {
        let mut next = Client::connect(&relay);
        next.send(&upgrade("/ws"));
        next.response_to_head().status == 101
    });
}
