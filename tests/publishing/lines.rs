//! Each line of a body is a message.

use super::*;

const PATH: &str = "/ws/log?each=line";

fn expect_lines(client: &mut Client, published: u64) -> Value {
    let response = client.response();
    assert_eq!(response.status, 200, "{}", response.text());
    let said = json(&response);
    assert_eq!(said["published"], published, "{said}");
    said
}

#[test]
fn each_line_is_a_message() {
    let relay = Relay::start(&[]);
    let mut reader = Client::join(&relay, "/ws/log");
    let mut client = Client::connect(&relay);
    let body = "one\ntwo\r\n\n\r\nthree\rof it\nlast";
    let expected = ["one", "two", "three\rof it", "last"];
    let cuts: Vec<&[u8]> = body.as_bytes().chunks(1).collect();
    for request in [
        post(PATH, body),
        chunked_with(PATH, &[], &[body.as_bytes()]),
        chunked_with(PATH, &[], &cuts),
    ] {
        client.send(&request);
        let said = expect_lines(&mut client, 4);
        assert_eq!(number(said["id"].as_str().expect("an id")) % 4, 0);
        expected.iter().for_each(|line| reader.expect_text(line));
    }
    // The next request follows at once.
    client.send(&[post(PATH, "a\nb\n"), post("/ws/log", "c\nd")].concat());
    expect_lines(&mut client, 2);
    assert_eq!(client.response().status, 200);
    ["a", "b", "c\nd"]
        .iter()
        .for_each(|text| reader.expect_text(text));
    let binary = ["Content-Type: application/octet-stream"];
    client.send(&post_with(PATH, &binary, b"\xFF\n\x00\n"));
    expect_lines(&mut client, 2);
    reader.expect_binary(b"\xFF");
    reader.expect_binary(b"\x00");
    for empty in ["", "\n", "\r\n\n"] {
        client.send(&post(PATH, empty));
        assert_eq!(expect_lines(&mut client, 0)["id"], Value::Null);
    }
}

/// As `tail -f | curl -T -` sends them.
#[test]
fn lines_are_published_as_they_come() {
    let relay = Relay::start(&["--body-timeout", "1s"]);
    let mut reader = Client::join(&relay, "/ws/log");
    let mut client = Client::connect(&relay);
    let head = request(
        &format!("PUT {PATH} HTTP/1.1"),
        &[HOST, "Transfer-Encoding: chunked", "Expect: 100-continue"],
    );
    client.send(&head);
    assert_eq!(client.response_to_head().status, 100);
    for n in 0..100 {
        client.send(&chunk(format!("line {n}\nthe beg").as_bytes()));
        reader.expect_text(&format!("line {n}"));
        client.send(&chunk(b"inning\n"));
        reader.expect_text("the beginning");
    }
    // It may take its time, far beyond the timeout.
    client.expect_silence(std::time::Duration::from_millis(2500));
    client.send(&[chunk(b"much later"), b"0\r\n\r\n".to_vec()].concat());
    expect_lines(&mut client, 201);
    reader.expect_text("much later");
}

#[test]
fn a_bad_line_ends_it() {
    let relay = Relay::start(&["--message-bytes-max", "10"]);
    let mut reader = Client::join(&relay, "/ws/log");
    let endless = "x".repeat(100_000);
    for (bad, status) in [
        (&b"\xFF\nafter"[..], 415),
        (b"12345678901\nafter", 413),
        (b"12345678901", 413),
        (endless.as_bytes(), 413),
        (b"\xFF", 415),
    ] {
        let body = [b"good\n\r\nbetter\n", bad].concat();
        for request in [
            post_with(PATH, &[], &body),
            chunked_with(PATH, &[], &[&body]),
        ] {
            let mut client = Client::connect(&relay);
            client.try_send(&[request, post("/ws/log", "never")].concat());
            let response = client.response();
            assert_eq!(response.status, status, "{}", response.text());
            let said = json(&response);
            assert_eq!(
                (&said["published"], &said["line"]),
                (&2.into(), &4.into()),
                "{said}"
            );
            assert!(
                said["error"].as_str().is_some_and(|why| why.len() > 10),
                "{said}"
            );
            assert_eq!(response.header("Connection"), Some("close"));
            client.expect_gone();
            reader.expect_text("good");
            reader.expect_text("better");
        }
    }
    // The largest line, whatever it ends in.
    let mut client = Client::connect(&relay);
    client.send(&post(PATH, "1234567890\n1234567890\r\n1234567890"));
    expect_lines(&mut client, 3);
    (0..3).for_each(|_| reader.expect_text("1234567890"));
}

/// Whatever ends it, it is told what is published.
#[test]
fn a_broken_chunk_ends_it() {
    let relay = Relay::start(&[]);
    let head = request(
        &format!("POST {PATH} HTTP/1.1"),
        &[HOST, "Transfer-Encoding: chunked"],
    );
    let mut client = Client::connect(&relay);
    client.send(&[&head[..], &chunk(b"one\ntwo\nthr"), b"no size\r\n"].concat());
    let response = client.response();
    assert_eq!(response.status, 400);
    let said = json(&response);
    assert_eq!(
        (&said["published"], &said["line"]),
        (&2.into(), &3.into()),
        "{said}"
    );
    client.expect_end();
}

#[test]
fn a_drain_ends_it() {
    let relay = Relay::start(&["--origin", "https://page.example"]);
    let mut reader = Client::join(&relay, "/ws/log");
    let mut client = Client::connect(&relay);
    let lines = [
        HOST,
        "Transfer-Encoding: chunked",
        "Origin: https://page.example",
    ];
    client.send(&request(&format!("POST {PATH} HTTP/1.1"), &lines));
    client.send(&chunk(b"one\ntwo\nthr"));
    reader.expect_text("one");
    reader.expect_text("two");
    relay.signal(Signal::TERM);
    let response = client.response();
    assert_eq!(response.status, 503);
    assert_eq!(response.header("Retry-After"), Some("1"));
    assert_eq!(
        response.header("Access-Control-Allow-Origin"),
        Some("https://page.example")
    );
    let said = json(&response);
    assert_eq!(
        (&said["published"], &said["line"]),
        (&2.into(), &3.into()),
        "{said}"
    );
    client.expect_end();
    drop(reader);
    assert_eq!(relay.ended().code, Some(0));
}

/// More than a topic takes in a turn waits, and is not lost.
#[test]
fn lines_wait_for_space() {
    let relay = Relay::start(&[
        "--message-bytes-max",
        "16KiB",
        "--topic-log-bytes-max",
        "128KiB",
    ]);
    let mut reader = Client::join(&relay, "/ws/log");
    let lines: Vec<String> = (0..5000)
        .map(|n| format!("{n} {}", "x".repeat(n % 100)))
        .collect();
    let body = lines.join("\n");
    let reading = std::thread::spawn(move || {
        lines.iter().for_each(|line| reader.expect_text(line));
    });
    let mut client = Client::connect(&relay);
    client.send(&[post(PATH, &body), post("/ws/log", "behind")].concat());
    expect_lines(&mut client, 5000);
    assert_eq!(client.response().status, 200);
    reading.join().expect("all of them came, in order");
}

/// Whatever follows the last line in the same read is the next request.
#[test]
fn other_values_of_each() {
    let relay = Relay::start(&[]);
    let mut client = Client::connect(&relay);
    client.send(&post("/ws?each=word", "a b"));
    assert_eq!(client.response().status, 400);
    client.expect_end();
}

/// It may be silent for ever; but once its peer is gone, the kernel says so.
#[cfg(target_os = "linux")]
#[test]
fn a_silent_one_is_kept_alive() {
    const KEEP_ALIVE_TIMER: &str = "02";
    let relay = Relay::start(&[]);
    let mut client = Client::connect(&relay);
    let head = [HOST, "Transfer-Encoding: chunked"];
    client.send(&request(&format!("POST {PATH} HTTP/1.1"), &head));
    let ports = [relay.address, client.local_address()].map(|it| format!("{:04X}", it.port()));
    eventually("the kernel asks for signs of life", || {
        let sockets = std::fs::read_to_string("/proc/net/tcp").expect("the kernel tells");
        let mut lines = sockets.lines().map(|line| line.split_whitespace());
        lines.any(|mut fields| {
            let is_it =
                |port: &str, field: Option<&str>| field.is_some_and(|it| it.ends_with(port));
            is_it(&ports[0], fields.nth(1))
                && is_it(&ports[1], fields.next())
                && fields
                    .nth(2)
                    .is_some_and(|timer| timer.starts_with(KEEP_ALIVE_TIMER))
        })
    });
}
