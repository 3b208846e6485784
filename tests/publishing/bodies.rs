//! Bodies of every kind of badness: a clear status, and nothing of one is ever taken for a request.

use super::*;

/// What must never be read as a request, since it is a part of a body.
const SMUGGLED: &[u8] =
    b"POST /ws/smuggled HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nbad";

/// What is wrong with a request, the lines of its head that say so, and the status that it is answered with. A body
/// follows that holds a request.
const BAD_HEADS: &[(&str, &[&str], u16)] = &[
    (
        "both",
        &["Content-Length: 4", "Transfer-Encoding: chunked"],
        400,
    ),
    (
        "both, the other way",
        &["Transfer-Encoding: chunked", "Content-Length: 4"],
        400,
    ),
    (
        "two lengths",
        &["Content-Length: 4", "Content-Length: 5"],
        400,
    ),
    (
        "the same twice",
        &["Content-Length: 4", "Content-Length: 4"],
        400,
    ),
    ("a list", &["Content-Length: 4, 4"], 400),
    ("a sign", &["Content-Length: +4"], 400),
    ("negative", &["Content-Length: -4"], 400),
    ("no number", &["Content-Length: four"], 400),
    ("hexadecimal", &["Content-Length: 0x4"], 400),
    ("empty", &["Content-Length:"], 400),
    (
        "above all numbers",
        &["Content-Length: 18446744073709551616"],
        400,
    ),
    (
        "the largest number",
        &["Content-Length: 18446744073709551615"],
        413,
    ),
    ("above the bound", &["Content-Length: 1048577"], 413),
    ("another coding", &["Transfer-Encoding: gzip"], 501),
    ("two codings", &["Transfer-Encoding: gzip, chunked"], 501),
    (
        "chunked twice",
        &["Transfer-Encoding: chunked, chunked"],
        501,
    ),
    (
        "chunked in two lines",
        &["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"],
        501,
    ),
    (
        "chunked is not last",
        &["Transfer-Encoding: chunked, identity"],
        501,
    ),
    ("no coding", &["Transfer-Encoding:"], 501),
    ("a parameter", &["Transfer-Encoding: chunked;a=b"], 501),
    ("quoted", &["Transfer-Encoding: \"chunked\""], 501),
    (
        "a space before the colon",
        &["Transfer-Encoding : chunked"],
        400,
    ),
    ("folded", &["Content-Length:", " 4"], 400),
    ("a vertical tab", &["Transfer-Encoding: \x0Bchunked"], 400),
    (
        "a content coding",
        &["Content-Length: 4", "Content-Encoding: gzip"],
        415,
    ),
    (
        "identity is one, too",
        &["Content-Length: 4", "Content-Encoding: identity"],
        415,
    ),
    (
        "an unknown expectation",
        &["Content-Length: 4", "Expect: 200-ok"],
        417,
    ),
    (
        "two types",
        &[
            "Content-Length: 4",
            "Content-Type: a/b",
            "Content-Type: a/c",
        ],
        400,
    ),
];

/// Chunks that are none, or hold too much besides the body, and the status.
const BAD_CHUNKS: &[(&str, &[u8], u16)] = &[
    ("no size", b"\r\nabc\r\n", 400),
    ("no number", b"x\r\nabc\r\n", 400),
    ("a prefix", b"0x3\r\nabc\r\n", 400),
    ("a sign", b"+3\r\nabc\r\n", 400),
    ("negative", b"-3\r\nabc\r\n", 400),
    ("a space first", b" 3\r\nabc\r\n", 400),
    ("above all numbers", b"10000000000000000\r\nabc\r\n", 400),
    (
        "very many zeros",
        b"00000000000000000000003\r\nabc\r\n",
        400,
    ),
    ("a bare LF", b"3\nabc\r\n", 400),
    ("a bare LF in an extension", b"3;a\nb\r\nabc\r\n", 400),
    ("a bare CR in an extension", b"3;a\rb\r\nabc\r\n", 400),
    ("NUL in an extension", b"3;a\0\r\nabc\r\n", 400),
    ("longer than it says", b"3\r\nabcd\r\n", 400),
    ("shorter than it says", b"5\r\nabc\r\n0\r\n\r\n", 400),
    ("a bare LF behind it", b"3\r\nabc\n0\r\n\r\n", 400),
    ("a bare CR behind it", b"3\r\nabc\r0\r\n\r\n", 400),
    (
        "a control character in a trailer",
        b"3\r\nabc\r\n0\r\na: \x01\r\n\r\n",
        400,
    ),
    (
        "a bare LF behind a trailer",
        b"3\r\nabc\r\n0\r\na: b\n\r\n",
        400,
    ),
    ("above the bound", b"100001\r\nabc", 413),
];

/// The answer is an error of that status, after which the connection ends, and no topic of that name ever began.
fn expect_refused(relay: &Relay, what: &str, bytes: &[u8], status: u16) {
    let mut client = Client::connect(relay);
    client.try_send(bytes);
    client.shutdown_write();
    let response = client.response();
    assert_eq!(response.status, status, "{what}: {}", response.text());
    assert_eq!(response.header("Connection"), Some("close"), "{what}");
    assert!(response.text().len() > 20, "{what}: {}", response.text());
    let rest = client.rest();
    assert!(
        rest.is_empty(),
        "{what}: {}",
        String::from_utf8_lossy(&rest)
    );
}

#[test]
fn heads_that_say_where_a_body_ends_in_a_wrong_way() {
    let mut relay = Relay::start(&["--retain", "1m"]);
    for method in ["POST", "PUT"] {
        for (what, lines, status) in BAD_HEADS {
            let head = request(
                &format!("{method} /ws HTTP/1.1"),
                &[&[HOST], *lines].concat(),
            );
            expect_refused(&relay, what, &[&head, SMUGGLED].concat(), *status);
        }
    }
    let old = request("POST /ws HTTP/1.0", &[HOST, "Transfer-Encoding: chunked"]);
    expect_refused(
        &relay,
        "chunks of HTTP/1.0",
        &[&old, SMUGGLED].concat(),
        400,
    );
    for path in ["/ws/smuggled", "/ws"] {
        let mut client = Client::connect(&relay);
        client.send(&request(&format!("GET {path}?as=info HTTP/1.1"), &[HOST]));
        assert_eq!(
            client.response().status,
            404,
            "{path}: something was published"
        );
    }
    relay.assert_others_exchange();
}

#[test]
fn chunks_that_are_none() {
    let mut relay = Relay::start(&["--retain", "1m"]);
    let head = request("POST /ws HTTP/1.1", &[HOST, "Transfer-Encoding: chunked"]);
    for (what, chunks, status) in BAD_CHUNKS {
        let status = match *what {
            // Its bytes have to come before it is too long.
            "above the bound" => {
                let body = vec![b'a'; 0x0010_0001];
                let bytes = [&head[..], b"100001\r\n", &body].concat();
                expect_refused(&relay, what, &bytes, *status);
                continue;
            }
            _ => *status,
        };
        expect_refused(&relay, what, &[&head, *chunks, SMUGGLED].concat(), status);
        // And byte by byte.
        let mut client = Client::connect(&relay);
        let _ = head
            .iter()
            .chain(*chunks)
            .all(|&byte| client.try_send(&[byte]));
        assert_eq!(client.response().status, status, "{what}");
        client.expect_gone();
    }
    let mut client = Client::connect(&relay);
    client.send(&request("GET /ws?as=info HTTP/1.1", &[HOST]));
    assert_eq!(client.response().status, 404, "something was published");
    relay.assert_others_exchange();
}

/// What comes with a body and is not of it has a bound, however it comes.
#[test]
fn endless_extensions_and_trailers() {
    let mut relay = Relay::start(&[]);
    let head = request("POST /ws HTTP/1.1", &[HOST, "Transfer-Encoding: chunked"]);
    let before = relay.resident_kib();
    let extension = [&b"3;"[..], &b"x".repeat(1 << 20)].concat();
    let extensions = format!("1;{}\r\na\r\n", "x".repeat(1000)).repeat(1000);
    let trailer = [&b"0\r\na: "[..], &b"x".repeat(1 << 20)].concat();
    let trailers = format!("0\r\n{}", "a: bcdefgh\r\n".repeat(100_000));
    for bytes in [
        &extension[..],
        extensions.as_bytes(),
        &trailer,
        trailers.as_bytes(),
    ] {
        let mut client = Client::connect(&relay);
        client.try_send(&[&head, bytes].concat());
        assert_eq!(client.response().status, 400);
        client.expect_gone();
        relay.assert_others_exchange();
    }
    let grown = relay.resident_kib().saturating_sub(before);
    assert!(grown < 8 * 1024, "{grown} KiB more are taken");
}

/// A few of them are no harm, and have no meaning.
#[test]
fn extensions_and_trailers_are_passed_over() {
    let relay = Relay::start(&[]);
    let mut reader = Client::join(&relay, "/ws");
    let mut client = Client::connect(&relay);
    let head = request("POST /ws HTTP/1.1", &[HOST, "Transfer-Encoding: Chunked"]);
    let body =
        b"0003;a=b;c=\"d\"\r\nabc\r\nA \r\n0123456789\r\n0;x\r\nContent-Length: 5\r\nX: y\r\n\r\n";
    for _ in 0..2 {
        client.send(&[&head[..], body, &post("/ws", "next")].concat());
        assert_eq!(client.response().status, 200);
        assert_eq!(client.response().status, 200);
        reader.expect_text("abc0123456789");
        reader.expect_text("next");
    }
}

/// A body that holds a request is a body.
#[test]
fn a_request_in_a_body_is_a_message() {
    let relay = Relay::start(&[]);
    let mut reader = Client::join(&relay, "/ws");
    let smuggled = String::from_utf8_lossy(SMUGGLED);
    for request in [
        post("/ws", &smuggled),
        chunked_with("/ws", &[], &[SMUGGLED]),
        chunked_with("/ws", &[], &[&SMUGGLED[..20], &SMUGGLED[20..]]),
    ] {
        let mut client = Client::connect(&relay);
        client.send(&request);
        assert_eq!(client.response().status, 200);
        reader.expect_text(&smuggled);
        client.send(&self::request("GET /ws/smuggled?as=info HTTP/1.1", &[HOST]));
        assert_eq!(client.response().status, 404);
    }
    // Of a page, or of a WebSocket, it is refused.
    let length = format!("Content-Length: {}", SMUGGLED.len());
    for (line, lines, status) in [
        ("GET / HTTP/1.1", &[HOST, &length][..], 400),
        ("POST / HTTP/1.1", &[HOST, &length], 405),
        ("GET /ws?as=info HTTP/1.1", &[HOST, &length], 400),
        (
            "GET /ws HTTP/1.1",
            &[&UPGRADE[..], &[&length]].concat(),
            400,
        ),
        (
            "GET /ws HTTP/1.1",
            &[&UPGRADE[..], &["Transfer-Encoding: chunked"]].concat(),
            400,
        ),
        ("DELETE /ws HTTP/1.1", &[HOST, &length], 405),
        ("OPTIONS /ws HTTP/1.1", &[HOST, &length], 400),
    ] {
        expect_refused(
            &relay,
            line,
            &[&request(line, lines), SMUGGLED].concat(),
            status,
        );
    }
    // Whoever would publish opens no WebSocket by it.
    let mut client = Client::connect(&relay);
    let lines = [&UPGRADE[..], &["Content-Length: 2"]].concat();
    client.send(&[&request("POST /ws HTTP/1.1", &lines)[..], b"hi"].concat());
    assert_eq!(client.response().status, 200);
    reader.expect_text("hi");
}

#[test]
fn too_large_or_no_text() {
    let relay = Relay::start(&["--message-bytes-max", "100"]);
    let mut reader = Client::join(&relay, "/ws");
    let mut client = Client::connect(&relay);
    let largest = "x".repeat(100);
    client.send(&post("/ws", &largest));
    assert_eq!(client.response().status, 200);
    client.send(&chunked_with("/ws", &[], &[&[b'x'; 60], &[b'x'; 40]]));
    assert_eq!(client.response().status, 200);
    reader.expect_text(&largest);
    reader.expect_text(&largest);
    // All of it has come, so the next request may follow.
    for request in [
        post_with("/ws", &[], b"\xFF"),
        chunked_with("/ws", &[], &[b"\xC3"]),
        post_with("/ws", &["Content-Type: application/json"], b"\xC3("),
    ] {
        client.send(&request);
        let response = client.response();
        assert_eq!(response.status, 415);
        assert_eq!(response.header("Connection"), Some("keep-alive"));
        assert!(
            response.text().contains("application/octet-stream"),
            "{}",
            response.text()
        );
    }
    client.send(&chunked_with(
        "/ws",
        &[],
        &["ü".as_bytes().split_at(1).0, "ü".as_bytes().split_at(1).1],
    ));
    assert_eq!(client.response().status, 200);
    reader.expect_text("ü");
    expect_refused(&relay, "by length", &post("/ws", &"x".repeat(101)), 413);
    let chunks = chunked_with("/ws", &[], &[&[b'x'; 60], &[b'x'; 41]]);
    expect_refused(&relay, "by chunks", &chunks, 413);
}

#[test]
fn told_to_go_on_or_not() {
    let relay = Relay::start(&[]);
    let mut reader = Client::join(&relay, "/ws");
    let expect = "Expect: 100-Continue";
    let mut client = Client::connect(&relay);
    for request in [
        post_with("/ws", &[expect], b"sized"),
        chunked_with("/ws", &[expect], &[b"sized"]),
    ] {
        let head_bytes = request.windows(4).position(|it| it == b"\r\n\r\n");
        let (head, body) = request.split_at(head_bytes.expect("it has a head") + 4);
        client.send(head);
        assert_eq!(
            client.response_to_head().head,
            "HTTP/1.1 100 Continue\r\n\r\n"
        );
        client.send(body);
        assert_eq!(client.response().status, 200);
        reader.expect_text("sized");
        // A client that has not waited is not told.
        client.send(&request);
        assert_eq!(client.response().status, 200);
        reader.expect_text("sized");
    }
    // There is nothing to wait for.
    client.send(&post_with("/ws", &[expect], b""));
    assert_eq!(client.response().status, 200);
    reader.expect_text("");
    // Behind others.
    let behind = post_with("/ws", &[expect], b"behind");
    client.send(&[post("/ws", "first"), behind[..behind.len() - 6].to_vec()].concat());
    assert_eq!(client.response().status, 200);
    assert_eq!(client.response_to_head().status, 100);
    client.send(b"behind");
    assert_eq!(client.response().status, 200);
    reader.expect_text("first");
    reader.expect_text("behind");
    // One of HTTP/1.0 would take it for the answer.
    let mut old = Client::connect(&relay);
    old.send(&request(
        "POST /ws HTTP/1.0",
        &[expect, "Content-Length: 3"],
    ));
    old.expect_silence(std::time::Duration::from_millis(50));
    old.send(b"old");
    assert_eq!(old.response().status, 200);
    // What is refused is not asked for.
    for (lines, status) in [
        (&["Content-Length: 1048577"][..], 413),
        (&["Content-Length: 3", "Content-Encoding: br"], 415),
        (&["Transfer-Encoding: br"], 501),
    ] {
        let head = request("POST /ws HTTP/1.1", &[&[HOST, expect], lines].concat());
        expect_refused(&relay, "expected", &head, status);
    }
}

#[test]
fn a_body_has_its_time() {
    let relay = Relay::start(&["--body-timeout", "1s", "--origin", "https://page.example"]);
    let origin = "Origin: https://page.example";
    let sized = post_with("/ws", &[origin], b"too late");
    let chunks = chunked_with("/ws", &[origin], &[b"too", b"late"]);
    let lines = chunked_with("/ws?each=line", &[origin], &[b"too late"]);
    for request in [sized, chunks, lines] {
        let mut client = Client::connect(&relay);
        client.send(&request[..request.len() - 8]);
        let response = client.response();
        assert_eq!(response.status, 408);
        let allowed = response.header("Access-Control-Allow-Origin");
        assert_eq!(allowed, Some("https://page.example"));
        client.expect_end();
    }
}

/// A body that trickles is whole in time or not; one that others gather takes no more than there is.
#[test]
fn memory_is_bounded() {
    let mut relay = Relay::start(&[
        "--private-bytes-max",
        "1MiB",
        "--message-bytes-max",
        "512KiB",
    ]);
    let mut reader = Client::join(&relay, "/ws");
    let body = "x".repeat(512 * 1024);
    let request = post("/ws", &body);
    let cut = request.len() - 1;
    let mut waiting = Vec::new();
    let refused = loop {
        let mut client = Client::connect(&relay);
        client.send(&request[..cut]);
        relay.assert_others_exchange();
        match client.has_input(std::time::Duration::from_millis(20)) {
            true => break client,
            false => waiting.push(client),
        }
        assert!(waiting.len() < 4, "it takes more than it may");
    };
    let mut refused = refused;
    let response = refused.response();
    assert_eq!(response.status, 503);
    assert_eq!(response.header("Retry-After"), Some("10"));
    assert!(!waiting.is_empty());
    // Small ones go on, and those that wait end as they should.
    let mut small = Client::connect(&relay);
    small.send_bytewise(&post("/ws", "small"));
    assert_eq!(expect_posted(&mut small, 1), Some(1));
    reader.expect_text("small");
    for client in &mut waiting {
        client.send(&request[cut..]);
        assert_eq!(client.response().status, 200);
        reader.expect_text(&body);
    }
}

/// The beginning of a line, or of a message, was looked through again for each chunk of it.
#[test]
fn a_large_body_of_tiny_chunks() {
    let relay = Relay::start(&["--message-bytes-max", "2MiB"]);
    let mut reader = Client::join(&relay, "/ws");
    let body = "x".repeat(1 << 20);
    for path in ["/ws", "/ws?each=line"] {
        let mut client = Client::connect(&relay);
        let head = request(
            &format!("POST {path} HTTP/1.1"),
            &[HOST, "Transfer-Encoding: chunked"],
        );
        client.send(&[&head[..], &b"1\r\nx\r\n".repeat(1 << 20), b"0\r\n\r\n"].concat());
        assert_eq!(client.response().status, 200);
        reader.expect_text(&body);
    }
}
