//! Publishing by HTTP: the requests, what they are answered, and what readers get of them.

#[path = "../common/mod.rs"]
mod common;

mod bodies;
mod keys;
mod lines;
mod origins;
mod rights;
mod standing;

use common::*;
use rustix::process::Signal;
use serde_json::Value;

const HOST: &str = "Host: localhost";

/// A request that publishes these bytes.
fn post_with(path: &str, headers: &[&str], body: &[u8]) -> Vec<u8> {
    let length = format!("Content-Length: {}", body.len());
    let line = format!("POST {path} HTTP/1.1");
    let head = request(&line, &[&[HOST, &length], headers].concat());
    [&head, body].concat()
}

fn post(path: &str, body: &str) -> Vec<u8> {
    post_with(path, &[], body.as_bytes())
}

/// The same in chunks.
fn chunked_with(path: &str, headers: &[&str], chunks: &[&[u8]]) -> Vec<u8> {
    let line = format!("POST {path} HTTP/1.1");
    let coding = "Transfer-Encoding: chunked";
    let mut request = request(&line, &[&[HOST, coding], headers].concat());
    for chunk in chunks {
        request.extend(self::chunk(chunk));
    }
    request.extend(b"0\r\n\r\n");
    request
}

fn chunk(bytes: &[u8]) -> Vec<u8> {
    let size = format!("{:x}\r\n", bytes.len());
    [size.as_bytes(), bytes, b"\r\n"].concat()
}

fn json(response: &Response) -> Value {
    let json = serde_json::from_slice(&response.body);
    json.unwrap_or_else(|error| panic!("{error}: {}", response.text()))
}

/// The next answer says that a message is published; returns its number, if it has one.
fn expect_posted(client: &mut Client, readers: u64) -> Option<u64> {
    let response = client.response();
    assert_eq!(response.status, 200, "{}", response.text());
    let said = json(&response);
    assert_eq!(said["readers"], readers, "{said}");
    said["id"].as_str().map(number)
}

fn number(id: &str) -> u64 {
    let number = id
        .split_once('-')
        .and_then(|(_, number)| number.parse().ok());
    number.unwrap_or_else(|| panic!("no id: {id}"))
}

#[test]
fn what_is_posted_is_read() {
    let mut relay = Relay::start(&[]);
    let mut readers = [
        Client::join(&relay, "/ws/news"),
        Client::join(&relay, "/ws/news"),
    ];
    let mut publisher = Client::connect(&relay);
    for (number, body) in ["hello", "", "ünïcode", &"long".repeat(50_000)]
        .iter()
        .enumerate()
    {
        publisher.send(&post("/ws/news", body));
        assert_eq!(expect_posted(&mut publisher, 2), Some(number as u64 + 1));
        readers
            .iter_mut()
            .for_each(|reader| reader.expect_text(body));
    }
    let binary = ["Content-Type: Application/Octet-Stream; a=b"];
    publisher.send(&post_with("/ws/news", &binary, b"\xFF\x00"));
    assert_eq!(expect_posted(&mut publisher, 2), Some(5));
    readers
        .iter_mut()
        .for_each(|reader| reader.expect_binary(b"\xFF\x00"));
    // As curl has it, and text all the same.
    let form = ["Content-Type: application/x-www-form-urlencoded"];
    publisher.send(&post_with("/ws/news", &form, b"a=b"));
    assert_eq!(expect_posted(&mut publisher, 2), Some(6));
    readers
        .iter_mut()
        .for_each(|reader| reader.expect_text("a=b"));
    relay.assert_others_exchange();
}

#[test]
fn without_readers_and_retention_there_is_no_id() {
    let relay = Relay::start(&[]);
    let mut client = Client::connect(&relay);
    for _ in 0..2 {
        client.send(&post("/ws/nobody", "unheard"));
        assert_eq!(expect_posted(&mut client, 0), None);
    }
    client.send(&post("/ws", "in the lobby"));
    assert_eq!(expect_posted(&mut client, 0), None);
}

#[test]
fn what_is_retained_has_an_id_without_readers() {
    let relay = Relay::start(&["--retain", "1m"]);
    let mut client = Client::connect(&relay);
    for number in 1..=3 {
        client.send(&post("/ws/kept", &format!("message {number}")));
        assert_eq!(expect_posted(&mut client, 0), Some(number));
    }
    let mut reader = Client::join(&relay, "/ws/kept?since=all");
    for number in 1..=3 {
        reader.expect_text(&format!("message {number}"));
    }
}

#[test]
fn put_and_chunks_and_every_cut() {
    let relay = Relay::start(&[]);
    let mut reader = Client::join(&relay, "/ws");
    let mut client = Client::connect(&relay);
    let put = String::from_utf8(post("/ws", "put")).expect("it is text");
    client.send(put.replace("POST", "PUT").as_bytes());
    assert_eq!(expect_posted(&mut client, 1), Some(1));
    reader.expect_text("put");
    let chunks: [&[u8]; 3] = [b"in ", b"three ", b"chunks"];
    client.send(&chunked_with("/ws", &[], &chunks));
    assert_eq!(expect_posted(&mut client, 1), Some(2));
    reader.expect_text("in three chunks");
    client.send(&chunked_with("/ws", &[], &[]));
    assert_eq!(expect_posted(&mut client, 1), Some(3));
    reader.expect_text("");
    // One write for each byte, and requests that follow at once.
    let both = [post("/ws", "sized"), chunked_with("/ws", &[], &chunks)].concat();
    client.send_bytewise(&both.repeat(2));
    for number in [4, 6] {
        assert_eq!(expect_posted(&mut client, 1), Some(number));
        assert_eq!(expect_posted(&mut client, 1), Some(number + 1));
        reader.expect_text("sized");
        reader.expect_text("in three chunks");
    }
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let mut relay = Relay::start(&[]);
    let mut reader = Client::join(&relay, "/ws/line");
    let mut client = Client::connect(&relay);
    // Of all kinds, and cut in the middle of one.
    let long = "long ".repeat(20_000);
    let many: Vec<u8> = (0..200)
        .flat_map(|n| {
            let text = format!("message {n}");
            match n % 10 {
                7 => chunked_with("/ws/line", &[], &[text.as_bytes(), &[]]),
                8 => post("/ws/line", &long),
                9 => request("GET / HTTP/1.1", &[HOST]),
                _ => post("/ws/line", &text),
            }
        })
        .collect();
    // What a chunk of no bytes ends is not followed by another end.
    let many = String::from_utf8(many).expect("it is text");
    let many = many.replace("0\r\n\r\n0\r\n\r\n", "0\r\n\r\n").into_bytes();
    let reading = std::thread::spawn(move || {
        for n in (0..200).filter(|n| n % 10 != 9) {
            match n % 10 {
                8 => reader.expect_text(&long),
                _ => reader.expect_text(&format!("message {n}")),
            }
        }
    });
    for part in many.chunks(many.len() / 3 + 7) {
        client.send(part);
    }
    let mut published = 0;
    for n in 0..200 {
        if n % 10 == 9 {
            assert_eq!(
                client.response().header("Content-Type"),
                Some("text/html; charset=utf-8")
            );
            continue;
        }
        published += 1;
        assert_eq!(expect_posted(&mut client, 1), Some(published), "{n}");
    }
    reading.join().expect("all of it came");
    relay.assert_others_exchange();
}

/// Answers that are not read wait in bounded memory, and then requests are not read.
#[test]
fn a_publisher_that_reads_no_answers_is_not_read() {
    let mut relay = Relay::start(&["--send-buffer-bytes", "16KiB"]);
    let mut client = Client::connect_small(&relay);
    let many = post("/ws", "unread").repeat(1000);
    let mut sent = 0;
    loop {
        let more = client.send_what_fits(&many[sent % many.len()..]);
        sent += more;
        if more == 0 {
            // Once others were served, whatever could be taken was.
            relay.assert_others_exchange();
            relay.assert_others_exchange();
            let more = client.send_what_fits(&many[sent % many.len()..]);
            sent += more;
            if more == 0 {
                break;
            }
        }
    }
    let whole = sent / post("/ws", "unread").len();
    for _ in 0..whole {
        assert_eq!(expect_posted(&mut client, 0), None);
    }
}

#[test]
fn a_connection_is_kept_or_not() {
    let relay = Relay::start(&[]);
    let mut client = Client::connect(&relay);
    client.send(&post("/ws", "first"));
    assert_eq!(client.response().header("Connection"), Some("keep-alive"));
    // What follows the last request is ignored.
    let last = post_with("/ws", &["Connection: close"], b"last");
    client.send(&[last, post("/ws", "ignored")].concat());
    let response = client.response();
    assert_eq!(response.status, 200);
    assert_eq!(response.header("Connection"), Some("close"));
    client.expect_end();
    let mut client = Client::connect(&relay);
    client.send(b"POST /ws HTTP/1.0\r\nContent-Length: 2\r\n\r\nhi");
    let response = client.response();
    assert_eq!(
        (response.status, response.header("Connection")),
        (200, Some("close"))
    );
    client.expect_end();
    let mut client = Client::connect(&relay);
    for _ in 0..2 {
        client.send(b"POST /ws HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi");
        assert_eq!(client.response().header("Connection"), Some("keep-alive"));
    }
    // A WebSocket may follow.
    let mut client = Client::connect(&relay);
    client.send(&[post("/ws", "before"), upgrade("/ws"), text("after")].concat());
    assert_eq!(client.response().status, 200);
    client.expect_upgraded();
    client.expect_text("after");
}

/// A client that has said all is answered, though it says that no more comes.
#[test]
fn a_client_that_half_closes_is_answered() {
    let mut relay = Relay::start(&[]);
    let mut reader = Client::join(&relay, "/ws/half");
    for request in [
        post("/ws/half", "sized"),
        chunked_with("/ws/half", &[], &[b"sized"]),
        [post("/ws/half", "sized"), post("/ws/half", "sized")].concat(),
    ] {
        let mut client = Client::connect(&relay);
        let count = request.windows(5).filter(|five| five == b"POST ").count();
        client.send(&request);
        client.shutdown_write();
        for _ in 0..count {
            assert_eq!(client.response().status, 200);
            reader.expect_text("sized");
        }
        client.expect_end();
    }
    // One that has not said all is not.
    for request in [
        &post("/ws/half", "sized")[..],
        &chunked_with("/ws/half", &[], &[b"sized"]),
        &chunked_with("/ws/half?each=line", &[], &[b"sized"]),
    ] {
        let mut client = Client::connect(&relay);
        client.send(&request[..request.len() - 2]);
        client.shutdown_write();
        client.expect_end();
    }
    relay.assert_others_exchange();
    let mut client = Client::connect(&relay);
    client.send(&post("/ws/half", "the next"));
    assert_eq!(client.response().status, 200);
    reader.expect_text("the next");
}

#[test]
fn a_relay_that_goes_down_takes_no_more() {
    let relay = Relay::start(&[]);
    let mut reader = Client::join(&relay, "/ws/last");
    let mut begun = Client::connect(&relay);
    let request = post("/ws/last", "begun");
    begun.send(&request[..request.len() - 1]);
    let mut unheard = Client::connect(&relay);
    unheard.send(&request[..20]);
    let mut settled = Client::connect(&relay);
    settled.send(&post("/ws/other", "x"));
    assert_eq!(settled.response().status, 200);
    reader.send(&ping(b"is it read?"));
    reader.expect_pong(b"is it read?");
    relay.signal(Signal::TERM);
    reader.expect_close(1012);
    reader.send(&close(1012, b""));
    unheard.send(&request[20..]);
    let response = unheard.response();
    assert_eq!(response.status, 503, "{}", response.text());
    assert_eq!(response.header("Retry-After"), Some("1"));
    assert_eq!(response.header("Connection"), Some("close"));
    // What it has begun, it may finish.
    begun.send(&request[request.len() - 1..]);
    let response = begun.response();
    assert_eq!(response.status, 200, "{}", response.text());
    assert_eq!(response.header("Connection"), Some("close"));
    assert_eq!(relay.ended().code, Some(0));
}
