//! `--sse`: readers that get server-sent events.

use super::http_server::{Conduct, HttpServer};
use super::server::{Fault, Server};
use super::{SHORT, assert_relay_is_correct, bench};

/// Three readers of what is published by request.
fn read(conduct: Conduct, options: &[&str]) -> super::Report {
    let url = HttpServer::start(conduct).url();
    let fixed = [
        "publish",
        &url,
        "--sse",
        "--readers=3",
        // None of the last ones is a tenth.
        "--messages=305",
        "--warm-up=0s",
        "--duration=30s",
        "--timeout=2s",
    ];
    bench(&[&fixed, options].concat())
}

#[track_caller]
fn assert_named(conduct: Conduct, words: &str) {
    let report = read(conduct, &["--depth=8"]);
    report.assert_says(words);
    assert_eq!(report.code, 1, "{}\n{}", report.out, report.errors);
    assert!(!report.out.contains("correct                  yes"));
}

#[test]
fn events_are_read_however_they_are_written() {
    for conduct in [Conduct::Plain, Conduct::Free, Conduct::CarriageReturns] {
        let report = read(conduct, &["--connections=2", "--size=64,20,70000"]);
        report.assert_correct();
        report.assert_says("delivered                915 ");
        report.assert_says("3 readers of server-sent events");
    }
    read(Conduct::SendsBinary, &["--binary", "--size=64,20,70000"]).assert_correct();
}

#[test]
fn what_is_wrong_with_events() {
    assert_named(Conduct::Drops, "lost messages");
    assert_named(Conduct::SendsBinary, "messages of the wrong kind");
    assert_named(Conduct::SendsNoBase64, "connections broke the protocol");
    assert_named(Conduct::EndsStreams, "connections ended by the server");
}

#[test]
fn what_is_no_event_stream() {
    let why = "is not of the type text/event-stream; see that the URL leads to an event stream";
    assert_named(Conduct::AnswersPage, why);
    // A server that knows WebSockets only has no key to answer.
    let server = Server::start(Fault::AnswersNoHttp);
    let report = bench(&["fanout", &server.url(), "--sse"]);
    report.assert_says("the answer is not HTTP");
    assert_eq!(report.code, 1);
}

#[test]
fn events_of_the_relay() {
    for (scenario, options) in [
        (
            "fanout",
            &[
                "--readers=10",
                "--publishers=3",
                "--window=16",
                "--size=64,20,3000",
            ][..],
        ),
        (
            "fanout",
            &["--rooms=3", "--readers=4", "--binary", "--size=20,3000"],
        ),
        ("fanout", &["--workers=3", "--readers=10", "--window=8"]),
        ("paced", &["--readers=5", "--rate=1000"]),
        ("publish", &["--readers=10", "--connections=3", "--depth=8"]),
        (
            "publish",
            &[
                "--readers=3",
                "--no-keep-alive",
                "--binary",
                "--size=20,3000",
            ],
        ),
    ] {
        let options = [&["--sse"], options, SHORT].concat();
        let report = assert_relay_is_correct(scenario, "/ws/{i}", &options);
        report.assert_correct();
        report.assert_says("readers of server-sent events");
    }
    let report =
        assert_relay_is_correct("idle", "/ws", &["--sse", "--connections=50", "--hold=1ms"]);
    report.assert_says("opened                   50 ");
}

#[test]
fn streams_that_are_not_read() {
    let options = [
        "--sse",
        "--readers=4",
        "--stalled=2",
        "--window=16",
        "--size=64KiB",
        "--warm-up=1ms",
        "--messages=1000",
        "--duration=30s",
    ];
    let report = assert_relay_is_correct("slow", "/ws", &options);
    report.assert_says("of the stalled           2 ended by the server");
}

#[test]
fn streams_are_held() {
    let url = HttpServer::start(Conduct::Free).url();
    for processes in ["--workers=1", "--workers=3"] {
        let options = ["--sse", "--connections=50", "--hold=1ms", processes];
        let report = bench(&[&["idle", &url], &options[..]].concat());
        report.assert_says("opened                   50 ");
        assert_eq!(report.code, 0, "{}\n{}", report.out, report.errors);
    }
}
