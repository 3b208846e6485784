//! What the relay writes to standard error: the forms, the levels, and that no client can forge a line.

mod common;

use common::*;
use rustix::process::Signal;
use serde_json::Value;
use std::io::PipeReader;

fn refuse(relay: &Relay, origin: &[u8]) -> Client {
    let mut client = Client::connect(relay);
    let mut request = upgrade_and(&["Origin: ORIGIN"]);
    let at = request
        .windows(6)
        .position(|six| six == b"ORIGIN")
        .expect("it is there");
    request.splice(at..at + 6, origin.iter().copied());
    client.send(&request);
    assert_eq!(client.response().status, 403);
    client
}

fn json_lines(log: &str) -> Vec<Value> {
    let lines = log.lines().map(serde_json::from_str);
    lines
        .map(|line| line.expect("every line is JSON"))
        .collect()
}

/// The line of the only one that says this.
fn line_saying<'a>(log: &'a str, what: &str) -> &'a str {
    let lines: Vec<&str> = log.lines().filter(|line| line.contains(what)).collect();
    assert_eq!(lines.len(), 1, "{what}: {log}");
    lines[0]
}

#[test]
fn a_foreign_origin_is_logged_at_once_as_a_warning() {
    let mut relay = Relay::start(&[]);
    let client = refuse(&relay, b"https://evil.example");
    let peer = client.local_address().to_string();
    eventually("it is said", || relay.log().contains("evil.example"));
    let log = relay.log().to_owned();
    let line = line_saying(&log, "evil.example");
    for said in [
        " warn ",
        "localhost",
        "--origin",
        "status=403",
        "reason=origin",
    ] {
        assert!(line.contains(said), "{said}: {line}");
    }
    assert!(
        line.ends_with(&format!(" peer={peer} reason=origin status=403")),
        "{line}"
    );
}

#[test]
fn many_refusals_become_one_line() {
    let relay = Relay::start(&[]);
    for _ in 0..150 {
        refuse(&relay, b"https://evil.example");
    }
    let log = relay.terminated().stderr;
    assert!(log.lines().count() < 10, "{log}");
    line_saying(&log, "refused a request");
    line_saying(&log, "150 requests refused (150 origin)");
}

#[test]
fn clients_mistakes_are_no_warning_unless_there_are_many() {
    let relay = Relay::start(&[]);
    let send = |bytes: &[u8]| {
        let mut client = Client::connect(&relay);
        client.send(bytes);
        client.rest();
    };
    (0..60).for_each(|_| send(b"nonsense\r\n\r\n"));
    (0..60).for_each(|_| {
        send(&request(
            "GET /ws HTTP/1.1",
            &["Host: localhost", "Connection: close"],
        ))
    });
    let log = relay.terminated().stderr;
    line_saying(&log, "120 requests refused (60 ");
    assert!(!log.contains("refused a request"), "{log}");

    let relay = Relay::start(&[]);
    let mut client = Client::connect(&relay);
    client.send(b"nonsense\r\n\r\n");
    client.rest();
    let log = relay.terminated().stderr;
    assert!(
        !log.contains("refused a request") && !log.contains("requests refused ("),
        "{log}"
    );
}

#[test]
fn at_debug_each_has_a_line_with_reason_and_peer() {
    let mut relay = Relay::start(&["--log-level", "debug", "--log-format", "json"]);
    let mut peers = Vec::new();
    let mut talk = |bytes: Vec<u8>, is_websocket: bool| {
        let mut client = match is_websocket {
            true => Client::join(&relay, "/ws"),
            false => Client::connect(&relay),
        };
        peers.push(client.local_address().to_string());
        client.send(&bytes);
        client.rest();
    };
    talk(b"nonsense\r\n\r\n".to_vec(), false);
    talk(
        request("GET /nothing HTTP/1.0", &["Host: localhost"]),
        false,
    );
    talk(frame(FIN | 0x3, b""), true);
    talk(frame(FIN | TEXT, b"\xff"), true);
    // A client that closes as it should is nothing to speak of.
    talk(close(1000, b""), true);
    let reset = Client::join(&relay, "/ws");
    reset.reset();
    eventually("a reset is told", || relay.log().contains("reset"));
    let log = relay.terminated().stderr;
    let lines = json_lines(&log);
    let of_peer = |index: usize| -> Vec<&Value> {
        lines
            .iter()
            .filter(|line| line["peer"] == peers[index])
            .collect()
    };
    for (index, (key, reason, number)) in [
        ("reason", "malformed_head", ("status", 400)),
        ("reason", "not_found", ("status", 404)),
        ("cause", "protocol", ("code", 1002)),
        ("cause", "protocol", ("code", 1007)),
    ]
    .into_iter()
    .enumerate()
    {
        let [line] = of_peer(index)[..] else {
            panic!("not one line for {reason}: {log}");
        };
        assert_eq!(line["level"], "debug");
        assert_eq!(line[key], reason);
        assert_eq!(line[number.0], number.1);
    }
    assert!(of_peer(4).is_empty(), "{log}");
    let reset = lines
        .iter()
        .find(|line| line["cause"] == "reset")
        .expect("a line");
    assert_eq!(reset["code"], 1006);
}

#[test]
fn no_message_has_a_line() {
    let mut relay = Relay::start(&["--log-level", "trace"]);
    relay.assert_others_exchange();
    let before = relay.log().lines().count();
    for _ in 0..50 {
        relay.assert_others_exchange();
    }
    assert_eq!(relay.log().lines().count(), before);
}

/// Whatever a client says: a line begins with the time, and all of it prints.
#[test]
fn nothing_that_a_client_says_forges_a_line() {
    let hostile: [&[u8]; 6] = [
        b"https://evil.example\xe2\x80\xa8warn",
        "https://\u{202e}evil.example\u{2066}".as_bytes(),
        b"https://evil.example\xc2\x85\xc2\x9b31m",
        b"https://evil.example\xff\xfe",
        b"https://a\", \"level\": \"error\", \"x\": \"",
        b"https://evil.example peer=1.2.3.4:5 status=200",
    ];
    for format in ["human", "json"] {
        let flags = ["--log-level", "debug", "--log-format", format];
        let relay = Relay::start(&flags);
        for origin in hostile {
            let mut client = Client::connect(&relay);
            let mut request = upgrade_and(&["Origin: ORIGIN"]);
            let at = request
                .windows(6)
                .position(|six| six == b"ORIGIN")
                .expect("there");
            request.splice(at..at + 6, origin.iter().copied());
            client.send(&request);
            assert!(matches!(client.response().status, 400 | 403));
        }
        // Control characters never get as far as that; what is refused then is not quoted.
        for bytes in [
            &b"GET /\x1b[2J HTTP/1.1\r\n\r\n"[..],
            b"GET / HTTP/1.1\r\nA: \x07\r\n\r\n",
        ] {
            let mut client = Client::connect(&relay);
            client.send(bytes);
            assert_eq!(client.response().status, 400);
        }
        let log = relay.terminated().stderr;
        let is_plain =
            |c: char| c == '\n' || !c.is_control() && !"\u{2028}\u{202e}\u{2066}".contains(c);
        assert!(log.chars().all(is_plain), "{log:?}");
        let refused = log
            .lines()
            .filter(|line| line.contains("refused a request"));
        assert_eq!(refused.count(), hostile.len() + 2, "{log}");
        if format == "json" {
            for line in json_lines(&log) {
                let level = line["level"].as_str().expect("a level");
                assert!(["debug", "info", "warn"].contains(&level), "{line}");
            }
        } else {
            for line in log.lines() {
                let time = line.split(' ').next().expect("a time");
                assert!(time.len() == 24 && time.ends_with('Z'), "{line}");
            }
        }
    }
}

#[test]
fn the_level_changes_with_a_reload() {
    let file = std::env::temp_dir().join(format!("fanfare-logs-{}.toml", std::process::id()));
    std::fs::write(&file, "log_level = \"warn\"\n").expect("a file");
    let path = file.to_str().expect("a plain name").to_owned();
    let mut relay = Relay::start(&["--config", &path]);
    let nonsense = |relay: &Relay| {
        let mut client = Client::connect(relay);
        client.send(b"nonsense\r\n\r\n");
        client.rest();
    };
    nonsense(&relay);
    std::fs::write(&file, "log_level = \"debug\"\n").expect("a file");
    relay.signal(Signal::HUP);
    eventually("it is loaded", || relay.log().contains("loaded again"));
    nonsense(&relay);
    eventually("it is told", || relay.log().contains("refused a request"));
    std::fs::remove_file(&file).expect("it is ours");
    let log = relay.terminated().stderr;
    line_saying(&log, "refused a request");
}

/// Has this many requests refused by a relay whose log is not read, each with a line of some 400 bytes.
fn refuse_unread(requests: usize) -> (Relay, PipeReader) {
    let mut command = command();
    command.args(["--listen", "127.0.0.1:0", "--log-level", "debug"]);
    let (relay, errors) = Relay::start_unread(command);
    let origin = format!("https://{}.example", "a".repeat(200));
    for _ in 0..requests {
        refuse(&relay, origin.as_bytes());
    }
    (relay, errors)
}

#[test]
fn no_client_waits_for_a_log_that_is_not_read() {
    // More than fits into a pipe, and into what waits for it.
    let (mut relay, errors) = refuse_unread(2000);
    relay.assert_others_exchange();
    relay.read_log(errors);
    eventually("it is said what is missing", || {
        relay.log().contains("lines are missing here")
    });
    refuse(&relay, b"https://evil.example");
    let ended = relay.terminated();
    assert_eq!(ended.code, Some(0));
    let lines: Vec<&str> = ended.stderr.lines().collect();
    let at = |what: &str| lines.iter().position(|line| line.contains(what));
    let missing_at = at("lines are missing here").expect("it is said");
    assert!(at("https://evil.example") > Some(missing_at));
    let missing = lines[missing_at].split_whitespace().nth(2);
    let missing: usize = missing.and_then(|n| n.parse().ok()).expect("a number");
    let said = lines[..missing_at].iter();
    let said = said.filter(|line| line.contains("refused a request"));
    // A summary may be among the missing lines.
    assert!(said.count() + missing >= 2000, "{}", lines[missing_at]);
    assert!(lines.last().is_some_and(|line| line.contains("ended: ")));
}

#[test]
fn it_ends_though_its_log_is_not_read() {
    // More than fits into a pipe.
    let (mut relay, errors) = refuse_unread(500);
    relay.signal(Signal::TERM);
    eventually("it ends", || !relay.is_running());
    relay.read_log(errors);
    assert_eq!(relay.ended().code, Some(0));
}
