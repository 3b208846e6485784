//! `fanfare bench` against servers that go wrong on purpose, each in one way: the report names the
//! fault. And each scenario against the relay, which does nothing wrong.

#![cfg(feature = "bench")]

#[path = "bench/endings.rs"]
mod endings;
#[path = "bench/hints.rs"]
mod hints;
#[path = "bench/http_server.rs"]
mod http_server;
#[path = "bench/publish.rs"]
mod publish;
#[path = "bench/server.rs"]
mod server;
#[path = "bench/since.rs"]
mod since;
#[path = "bench/sse.rs"]
mod sse;

mod common;

use common::{Relay, eventually};
use rustix::process::{Pid, Signal, kill_process};
use server::{Fault, Server};
use std::process::{Output, Stdio};

/// What came of a run.
struct Report {
    code: i32,
    out: String,
    errors: String,
}

impl From<Output> for Report {
    fn from(output: Output) -> Self {
        Report {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            errors: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Report {
    #[track_caller]
    fn assert_says(&self, words: &str) {
        assert!(
            self.out.contains(words) || self.errors.contains(words),
            "not said: {words:?}\n{}\n{}",
            self.out,
            self.errors
        );
    }

    #[track_caller]
    fn assert_correct(&self) {
        assert_eq!(self.code, 0, "{}\n{}", self.out, self.errors);
        self.assert_says("correct                  yes");
        assert!(!self.out.contains("fault"), "{}", self.out);
    }
}

fn bench(arguments: &[&str]) -> Report {
    let mut command = common::command();
    command.arg("bench").args(arguments);
    command.output().expect("it starts").into()
}

/// A fan-out of 200 messages to four readers and the publisher.
fn fan_out(server: &Server) -> Report {
    bench(&[
        "fanout",
        &server.url(),
        "--readers=4",
        "--window=8",
        "--messages=200",
        "--warm-up=1ms",
        "--duration=30s",
        "--timeout=2s",
    ])
}

#[track_caller]
fn assert_named(fault: Fault, words: &str) {
    let report = fan_out(&Server::start(fault));
    report.assert_says(words);
    assert_eq!(report.code, 1, "{}\n{}", report.out, report.errors);
    assert!(!report.out.contains("correct                  yes"));
}

#[test]
fn a_server_without_fault_is_correct() {
    fan_out(&Server::start(Fault::None)).assert_correct();
}

#[test]
fn fragments_and_pings_are_no_fault() {
    let report = fan_out(&Server::start(Fault::Fragments));
    report.assert_correct();
    report.assert_says("pings answered");
}

#[test]
fn lost_messages() {
    assert_named(Fault::Drops, "lost messages");
}

#[test]
fn duplicated_messages() {
    assert_named(Fault::Duplicates, "duplicated messages");
}

#[test]
fn swapped_messages() {
    assert_named(Fault::Swaps, "messages out of order");
}

#[test]
fn corrupted_messages() {
    assert_named(Fault::Corrupts, "corrupted messages");
}

#[test]
fn messages_of_the_wrong_length() {
    assert_named(Fault::Shortens, "messages of the wrong length");
}

#[test]
fn messages_of_the_wrong_kind() {
    assert_named(Fault::Retypes, "messages of the wrong kind");
}

#[test]
fn messages_that_were_never_sent() {
    assert_named(Fault::Invents, "messages that were never sent");
}

#[test]
fn masked_frames() {
    assert_named(Fault::Masks, "a server must not mask its frames");
}

#[test]
fn a_wrong_accept_key() {
    assert_named(
        Fault::WrongAcceptKey,
        "Sec-WebSocket-Accept does not belong to our key",
    );
}

#[test]
fn connections_closed_early() {
    assert_named(
        Fault::ClosesEarly,
        "connections closed by the server with 1001",
    );
}

#[test]
fn connections_that_just_end() {
    assert_named(Fault::EndsEarly, "connections ended without a close frame");
}

#[test]
fn connections_reset_in_mid_run() {
    let report = fan_out(&Server::start(Fault::Resets));
    report.assert_says("GIVEN UP: all connections have ended. Partial results");
    report.assert_says("connections reset by the server");
    assert_eq!(report.code, 1);
}

#[test]
fn a_server_that_falls_silent() {
    assert_named(
        Fault::FallsSilent,
        "receivers still waited when the run was given up",
    );
    assert_named(
        Fault::FallsSilent,
        "GIVEN UP: nothing more was delivered within the timeout",
    );
}

#[test]
fn a_page_instead_of_a_connection() {
    assert_named(Fault::AnswersPage, "status 200 instead of 101");
}

#[test]
fn an_answer_that_is_not_http() {
    assert_named(Fault::AnswersNoHttp, "the answer is not HTTP");
}

#[test]
fn no_answer_at_all() {
    assert_named(Fault::NeverAnswers, "the server did not answer in time");
}

#[test]
fn a_server_that_hangs_up() {
    assert_named(
        Fault::HangsUp,
        "the server closed the connection in the opening handshake",
    );
}

#[test]
fn a_port_without_a_listener() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    drop(listener);
    let report = bench(&["fanout", &format!("ws://{address}/")]);
    report.assert_says("nothing listens there");
    report.assert_says(&format!("can't connect to {address}: "));
    assert_eq!(report.code, 1);
    let report = bench(&["churn", &format!("ws://{address}/"), "--duration=10m"]);
    report.assert_says("nothing listens there");
    assert_eq!(report.code, 1);
}

#[test]
fn no_descriptor_is_left() {
    let relay = Relay::start(&[]);
    let url = format!("ws://{}/ws", relay.address);
    let binary = env!("CARGO_BIN_EXE_fanfare");
    let pid = relay.pid();
    let script =
        format!("ulimit -n 64; {binary} bench idle {url} --connections=100 --hold=1ms --pid {pid}");
    let output = std::process::Command::new("bash")
        .args(["-c", &script])
        .output();
    let report: Report = output.expect("there is a shell").into();
    report.assert_says("no file descriptor is left; raise the limit (ulimit -n)");
    report.assert_says("GIVEN UP");
    report.assert_says("memory per connection");
    assert_eq!(report.code, 1);
}

#[test]
fn what_is_wrong_with_the_command_line() {
    for (url, words) in [
        ("ftp://localhost/", "is neither ws:// nor http://"),
        ("localhost:8080", "the scheme is missing"),
        ("ws://localhost:x/", "is not a port"),
        ("ws://nowhere.invalid/", "there is no host nowhere.invalid"),
    ] {
        let report = bench(&["fanout", url]);
        report.assert_says(words);
        assert_eq!(report.code, 2, "{url}");
    }
    let report = bench(&["fanout", "ws://localhost/", "--size=5"]);
    report.assert_says("a message takes at least 12 bytes");
    assert_eq!(report.code, 2);
}

#[test]
fn a_signal_prints_what_there_is() {
    let server = Server::start(Fault::None);
    let child = common::command()
        .args(["bench", "fanout", &server.url(), "--readers=2"])
        .args(["--warm-up=1ms", "--duration=10m"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    eventually("messages flow", || server.published() > 100);
    kill_process(Pid::from_child(&child), Signal::INT).expect("it runs");
    let report: Report = child.wait_with_output().expect("a child of ours").into();
    report.assert_says("INTERRUPTED: partial results");
    report.assert_says("the run was interrupted");
    assert_eq!(report.code, 0, "{}", report.out);
}

#[test]
fn a_server_that_dies_in_mid_run() {
    let relay = Relay::start(&[]);
    let url = format!("ws://{}/ws", relay.address);
    let pid = relay.pid().to_string();
    let mut witness = common::Client::join(&relay, "/ws");
    let child = common::command()
        .args(["bench", "fanout", &url, "--readers=2", "--pid", &pid])
        .args(["--warm-up=1ms", "--duration=10m", "--text"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    // The first message is of the warm-up, the thousandth is not.
    for _ in 0..1000 {
        witness.frame();
    }
    relay.signal(Signal::KILL);
    relay.ended();
    let report: Report = child.wait_with_output().expect("a child of ours").into();
    // Of all, or of the publisher, as they come to be known.
    report.assert_says("have ended. Partial results");
    report.assert_says("the server's process has ended in the middle of the run");
    assert_eq!(report.code, 1);
}

/// Runs a scenario against the relay, which must do nothing wrong.
#[track_caller]
fn assert_relay_is_correct(scenario: &str, path: &str, options: &[&str]) -> Report {
    let relay = Relay::start(&[]);
    let url = format!("ws://{}{path}", relay.address);
    let pid = relay.pid().to_string();
    let fixed = [scenario, &url, "--pid", &pid];
    let report = bench(&[&fixed, options].concat());
    assert_eq!(report.code, 0, "{}\n{}", report.out, report.errors);
    assert!(!report.out.contains("fault"), "{}", report.out);
    report
}

const SHORT: &[&str] = &["--warm-up=1ms", "--messages=300", "--duration=30s"];

#[test]
fn fan_out_of_the_relay() {
    let options = [
        "--readers=20",
        "--publishers=3",
        "--window=16",
        "--size=64,20,3000",
    ];
    let report = assert_relay_is_correct("fanout", "/ws", &[&options, SHORT].concat());
    report.assert_correct();
    report.assert_says("CPU per delivery");
}

#[test]
fn many_rooms_of_the_relay() {
    let options = ["--rooms=10", "--readers=2", "--publishers=2", "--text"];
    assert_relay_is_correct("fanout", "/ws/{i}", &[&options, SHORT].concat()).assert_correct();
}

#[test]
fn messages_that_come_compressed() {
    let options = [
        "--deflate",
        "--content=json",
        "--text",
        "--readers=5",
        "--publishers=2",
        "--window=16",
        "--size=64,2000,70000",
    ];
    assert_relay_is_correct("fanout", "/ws", &[&options, SHORT].concat()).assert_correct();
}

#[test]
fn compressed_messages_in_several_processes() {
    let options = [
        "--deflate",
        "--content=json",
        "--text",
        "--readers=10",
        "--publishers=2",
        "--workers=3",
        "--window=8",
        "--size=64,2000,70000",
    ];
    let report = assert_relay_is_correct("fanout", "/ws", &[&options, SHORT].concat());
    report.assert_correct();
    report.assert_says("delivered                3,600 ");
}

#[test]
fn compressed_messages_of_connections_that_come_and_go() {
    let options = ["--deflate", "--content=json", "--size=2000", "--cycles=50"];
    let report = assert_relay_is_correct("churn", "/ws/{i}", &options);
    report.assert_says("cycles                   50 ");
}

#[test]
fn a_server_that_does_not_compress_is_told() {
    let relay = Relay::start(&["--compression", "off"]);
    let url = format!("ws://{}/ws", relay.address);
    let report = bench(&["idle", &url, "--connections=1", "--deflate"]);
    report.assert_says("the server does not agree on permessage-deflate");
    assert_eq!(report.code, 1, "{}\n{}", report.out, report.errors);
}

#[test]
fn rooms_that_are_one_are_told() {
    let relay = Relay::start(&[]);
    let url = format!("ws://{}/ws", relay.address);
    let options = ["echo", &url, "--connections=2", "--timeout=2s"];
    let report = bench(&[&options, SHORT].concat());
    report.assert_says("messages of another room");
    report.assert_says("put {i} into it");
    assert_eq!(report.code, 1);
}

#[test]
fn publishers_without_their_own_messages() {
    let options = ["--readers=3", "--publishers=2", "--no-self-echo"];
    let report = assert_relay_is_correct("fanout", "/ws?echo=0", &[&options, SHORT].concat());
    report.assert_correct();
}

#[test]
fn paced_messages_of_the_relay() {
    let options = ["--readers=5", "--rate=1000", "--publishers=2"];
    let report = assert_relay_is_correct("paced", "/ws", &[&options, SHORT].concat());
    report.assert_correct();
    report.assert_says("1,000 messages/s due");
}

#[test]
fn echoes_of_the_relay() {
    let options = ["--connections=20", "--depth=4"];
    assert_relay_is_correct("echo", "/ws/{i}", &[&options, SHORT].concat()).assert_correct();
}

#[test]
fn stalled_readers_of_the_relay() {
    let options = [
        "--readers=4",
        "--stalled=2",
        "--window=16",
        "--size=64KiB",
        "--warm-up=1ms",
        "--messages=1000",
        "--duration=30s",
    ];
    let report = assert_relay_is_correct("slow", "/ws", &options);
    report.assert_says("2 closed by the server with 1013");
    report.assert_says("server memory growth");
}

#[test]
fn connections_come_and_go() {
    let options = ["--connections=4", "--cycles=200", "--duration=30s"];
    let report = assert_relay_is_correct("churn", "/ws/{i}", &options);
    report.assert_correct();
    report.assert_says("cycles                   200 ");
    report.assert_says("descriptors leaked       0");
}

#[test]
fn connections_are_held() {
    let report = assert_relay_is_correct("idle", "/ws", &["--connections=200", "--hold=1ms"]);
    report.assert_says("memory per connection");
    report.assert_says("opened                   200 ");
}

#[test]
fn several_processes_receive_as_one() {
    let options = [
        "--readers=20",
        "--publishers=2",
        "--window=8",
        "--workers=3",
    ];
    let report = assert_relay_is_correct("fanout", "/ws", &[&options, SHORT].concat());
    report.assert_correct();
    report.assert_says("opened                   22 ");
    // Publishers get their own messages, too.
    report.assert_says("delivered                6,600 ");
}

#[test]
fn faults_that_another_process_saw() {
    let server = Server::start(Fault::Drops);
    let server_url = server.url();
    let options = [
        "fanout",
        &server_url,
        "--readers=3",
        "--workers=4",
        "--window=8",
    ];
    let report = bench(&[&options, SHORT].concat());
    report.assert_says("lost messages");
    report.assert_says("opened                   4 ");
    assert_eq!(report.code, 1);
}

#[test]
fn several_processes_hold_connections() {
    let options = ["--connections=100", "--hold=1ms", "--workers=3"];
    let report = assert_relay_is_correct("idle", "/ws", &options);
    report.assert_says("opened                   100 ");
}

#[test]
fn the_limit_needs_no_server() {
    let options = ["limit", "--readers=5", "--window=4"];
    bench(&[&options, SHORT].concat()).assert_correct();
}

#[test]
fn a_report_as_json_keeps_secrets_and_leaves_out_what_does_not_apply() {
    let relay = Relay::start(&[]);
    let url = format!("ws://{}/ws/{{i}}", relay.address);
    let header = "--header=Authorization: Bearer SECRET";
    let options = ["churn", &url, header, "--header", "X: SECRET"];
    let report = bench(&[&options[..], &["--cycles=5", "--quiet", "--json=-"]].concat());
    assert_eq!(report.code, 0, "{}", report.errors);
    let no_null = !report.out.contains("null");
    assert!(no_null && !report.out.contains("SECRET"), "{}", report.out);
    report.assert_says(r#""header":[["Authorization","***"],["X","***"]]"#);
    report.assert_says(r#""--header=Authorization: ***""#);
    report.assert_says(r#""outcome":"complete","correct":true"#);
}

#[test]
fn a_failure_is_listed_once() {
    let server = Server::start(Fault::AnswersPage);
    for (scenario, length) in [("idle", "--hold=1ms"), ("churn", "--cycles=2")] {
        let report = bench(&[
            scenario,
            &server.url(),
            "--connections=2",
            length,
            "--json=-",
        ]);
        assert_eq!(
            report.errors.matches("status 200").count(),
            1,
            "{}",
            report.errors
        );
        assert_eq!(report.code, 1);
    }
}

#[test]
fn reports_are_compared() {
    let folder = std::env::temp_dir().join(format!("fanfare-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder for temporary files");
    let path = |name: &str| folder.join(name).display().to_string();
    let (one, other) = (path("one.json"), path("other.json"));
    let limit = |json: &str| {
        let options = ["limit", "--readers=5", "--json", json];
        bench(&[&options, SHORT].concat()).assert_correct();
    };
    limit(&one);
    limit(&other);
    let text = std::fs::read_to_string(&one).expect("it was written");
    assert!(text.starts_with("{\"schema\":1,"), "{text}");
    // Several reports in one file are repetitions.
    std::fs::write(&other, text.repeat(3)).expect("it can be written");
    let report = bench(&["compare", &one, &other]);
    report.assert_says("server CPU per delivery");
    report.assert_says("other: 3 runs, every message arrived as it should");
    report.assert_says("1.00 × (1.00 to 1.00)");
    assert_eq!(report.code, 0);

    for (no_report, why) in [("schema", "is not a report: "), ("{}", "(schema 1)")] {
        std::fs::write(&other, no_report).expect("it can be written");
        let report = bench(&["compare", &one, &other]);
        report.assert_says("is not a report");
        report.assert_says(why);
        assert_eq!(report.code, 2);
    }
    std::fs::remove_dir_all(&folder).expect("it is ours");
}
