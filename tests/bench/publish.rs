//! `fanfare bench publish`: requests that publish, and whether they are answered.

use super::common::Relay;
use super::http_server::{Conduct, HttpServer};
use super::server::{Fault, Server};
use super::{Report, SHORT, assert_relay_is_correct, bench};

/// 300 messages by request, with these options.
fn publish(server: &HttpServer, options: &[&str]) -> Report {
    let url = server.url();
    let fixed = [
        "publish",
        &url,
        "--messages=300",
        "--warm-up=1ms",
        "--duration=30s",
        "--timeout=2s",
    ];
    bench(&[&fixed, options].concat())
}

#[track_caller]
fn assert_named(conduct: Conduct, options: &[&str], words: &str) -> Report {
    let report = publish(&HttpServer::start(conduct), options);
    report.assert_says(words);
    report.assert_says("correct                  NO");
    assert_eq!(report.code, 1, "{}\n{}", report.out, report.errors);
    report
}

#[test]
fn requests_are_answered() {
    for conduct in [Conduct::Plain, Conduct::Free, Conduct::Announces] {
        for options in [
            &[][..],
            &["--connections=3", "--depth=8", "--size=64,20,3000"],
            &["--connections=3", "--no-keep-alive"],
            &["--connections=2", "--depth=4", "--readers=5", "--sse"],
            &["--no-keep-alive", "--readers=2", "--sse"],
        ] {
            let report = publish(&HttpServer::start(conduct), options);
            report.assert_correct();
            report.assert_says("answered                 300 ");
        }
    }
}

#[test]
fn connections_are_used_again_unless_they_are_not_to_be() {
    for (option, is_once) in [("--text", false), ("--no-keep-alive", true)] {
        let server = HttpServer::start(Conduct::Plain);
        publish(&server, &[option, "--connections=2"]).assert_correct();
        let requests = server.requests();
        assert!(
            requests
                .iter()
                .all(|it| it.has("Connection: close") == is_once)
        );
        let expected = if is_once { requests.len() as u64 } else { 2 };
        assert_eq!(server.connections(), expected);
    }
}

#[test]
fn requests_say_what_they_are_told_to() {
    let server = HttpServer::start(Conduct::Plain);
    publish(
        &server,
        &[
            "--method=PUT",
            "--header=Authorization: Bearer x",
            "--header=content-type: application/json",
            "--header=Host: example.com",
            r#"--body-template={"n":{number},"data":"{payload:json}"}"#,
            "--connections=2",
        ],
    )
    .assert_correct();
    let mut numbers = Vec::new();
    for request in server.requests() {
        assert_eq!(request.line, "PUT /topic HTTP/1.1");
        for header in [
            "Authorization: Bearer x",
            "content-type: application/json",
            "Host: example.com",
        ] {
            assert!(request.has(header), "{:?}", request.headers);
        }
        assert!(
            !request
                .headers
                .iter()
                .any(|it| it.starts_with("Content-Type"))
        );
        let body: serde_json::Value = serde_json::from_slice(&request.body).expect("JSON");
        assert_eq!(body["data"].as_str().map(str::len), Some(64));
        numbers.push(body["n"].as_u64().expect("a number"));
    }
    numbers.sort_unstable();
    let count = numbers.len();
    numbers.dedup();
    assert_eq!(numbers.len(), count);

    for (kind, content_type) in [
        ("--text", "Content-Type: text/plain; charset=utf-8"),
        ("--binary", "Content-Type: application/octet-stream"),
    ] {
        let server = HttpServer::start(Conduct::Plain);
        publish(&server, &[kind]).assert_correct();
        assert!(server.requests().iter().all(|it| it.has(content_type)));
    }
}

#[test]
fn messages_that_are_refused() {
    for options in [
        &["--connections=2", "--depth=4"][..],
        &["--connections=2", "--depth=4", "--readers=3", "--sse"],
        &["--no-keep-alive", "--readers=3", "--sse"],
    ] {
        let conduct = match options.contains(&"--no-keep-alive") {
            true => Conduct::RefusesAll,
            false => Conduct::Refuses,
        };
        let report = assert_named(conduct, options, "requests answered with 429");
        report.assert_says("first failure            429 Too Many Requests: slow\\u{7} down");
        // What was not taken is not missed, and nothing waits for it.
        for words in ["lost", "did not come", "GIVEN UP"] {
            assert!(!report.out.contains(words), "{}", report.out);
        }
    }
}

#[test]
fn connections_that_end_unannounced() {
    for (conduct, words) in [
        (Conduct::HangsUp, "connections ended by the server"),
        (Conduct::Breaks, "connections ended by the server"),
        (Conduct::AnswersNoHttp, "connections broke the protocol"),
    ] {
        let report = assert_named(conduct, &["--connections=2", "--depth=4"], words);
        report.assert_says("GIVEN UP: all connections have ended");
    }
    assert_named(
        Conduct::Breaks,
        &["--depth=4", "--readers=2", "--sse"],
        "requests that were not answered",
    );
}

#[test]
fn a_server_that_falls_silent() {
    let words = "GIVEN UP: nothing more was answered or delivered within the timeout";
    let report = assert_named(Conduct::FallsSilent, &["--depth=4"], words);
    report.assert_says("requests that were not answered");
}

#[test]
fn requests_to_the_relay() {
    for options in [
        &["--connections=3", "--depth=16", "--readers=10"][..],
        &["--size=64,20,70000", "--text", "--readers=2", "--deflate"],
        &[
            "--rooms=3",
            "--connections=2",
            "--readers=2",
            "--method=PUT",
        ],
        &["--no-keep-alive", "--connections=3", "--readers=2"],
        &["--depth=8"],
    ] {
        let report = assert_relay_is_correct("publish", "/ws/{i}", &[options, SHORT].concat());
        report.assert_correct();
        report.assert_says("answered                 300 ");
        report.assert_says("CPU per request");
    }
}

#[test]
fn what_the_relay_refuses() {
    let relay = Relay::start(&["--message-bytes-max=1KiB"]);
    let url = format!("http://{}/ws", relay.address);
    let fixed = ["publish", &url, "--size=64,2000", "--readers=3"];
    let report = bench(&[&fixed, SHORT].concat());
    report.assert_says("requests answered with 413");
    report.assert_says("first failure            413 ");
    assert!(!report.out.contains("lost"), "{}", report.out);
    assert_eq!(report.code, 1);
}

#[test]
fn a_server_that_is_not_for_requests() {
    // It waits for frames.
    let server = Server::start(Fault::AnswersPage);
    let report = bench(&["publish", &server.url(), "--messages=3", "--timeout=2s"]);
    // Whether it ends or resets them depends on what it had read by then.
    report.assert_says("by the server");
    report.assert_says("requests that were not answered");
    assert_eq!(report.code, 1);
}

#[test]
fn a_report_of_requests_as_json() {
    let server = HttpServer::start(Conduct::Refuses);
    let report = publish(&server, &["--json=-", "--quiet"]);
    let document: serde_json::Value = serde_json::from_str(&report.out).expect("JSON");
    let requests = &document["requests"];
    // What failed in the warm-up is a fault as well.
    let number = |value: &serde_json::Value| value.as_u64().unwrap_or_default();
    assert_eq!(
        number(&requests["succeeded"]) + number(&requests["failed"]),
        300
    );
    assert_eq!(requests["latency"]["count"], requests["succeeded"]);
    assert!(number(&requests["sent_bytes"]) > 300 * 64 && number(&requests["received_bytes"]) > 0);
    assert_eq!(
        requests["first_failure"],
        "429 Too Many Requests: slow\\u{7} down"
    );
    assert!(
        number(&document["faults"]["requests answered with 429"]) >= number(&requests["failed"])
    );
    assert_eq!(document["messages"], serde_json::Value::Null);
    assert_eq!(document["settings"]["method"], "POST");
}
