//! How runs end before their time, and what is left of them: by signals, by servers that die or never
//! answer, and by outputs that are not read.

use super::common::{self, Client, Relay, eventually};
use super::server::{Fault, Server};
use super::{Report, SHORT, bench};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Stdio};

fn start(arguments: &[&str]) -> Child {
    common::command()
        .arg("bench")
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .expect("it starts")
}

fn finish(child: Child) -> Report {
    child.wait_with_output().expect("a child of ours").into()
}

/// A file that a test writes and then removes.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let name = format!("fanfare-bench-{}-{name}", std::process::id());
        Scratch(std::env::temp_dir().join(name))
    }

    fn path(&self) -> &str {
        self.0.to_str().expect("it is ASCII")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// A short run whose standard output is this, and what it wrote as JSON.
fn limit_into(output: impl Into<Stdio>, name: &str) -> (Report, String) {
    let json = Scratch::new(name);
    fs::write(
        json.path(),
        "an earlier report, which was longer ".repeat(500),
    )
    .expect("it can");
    let child = common::command()
        .args(["bench", "limit", "--readers=2", "--json", json.path()])
        .args(SHORT)
        .stdout(output)
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let report = finish(child);
    let text = fs::read_to_string(json.path()).expect("it is there");
    (report, text)
}

#[test]
fn a_table_that_is_not_read() {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let (report, json) = limit_into(writer, "unread.json");
    assert!(json.starts_with("{\"schema\""), "{json}");
    assert!(json.ends_with("}\n"), "{json}");
    assert_eq!((report.code, report.errors.as_str()), (0, ""));
}

#[test]
fn no_space_for_the_table() {
    let full = || {
        File::options()
            .write(true)
            .open("/dev/full")
            .expect("Linux has it")
    };
    let (report, json) = limit_into(full(), "full.json");
    assert!(json.starts_with("{\"schema\""), "{json}");
    report.assert_says("can't write to standard output: No space left on device");
    assert_eq!(report.code, 1);

    let (one, other) = (Scratch::new("one.json"), Scratch::new("other.json"));
    fs::write(one.path(), &json).expect("it can");
    fs::write(other.path(), &json).expect("it can");
    let compared = common::command()
        .args(["bench", "compare", one.path(), other.path()])
        .stdout(full())
        .stderr(Stdio::piped())
        .spawn();
    let report = finish(compared.expect("it starts"));
    report.assert_says("can't write to standard output");
    assert_eq!(report.code, 1);
}

#[track_caller]
fn assert_partial(report: &Report) {
    report.assert_says("GIVEN UP");
    report.assert_says("the server's process has ended in the middle of the run");
    assert_eq!(report.code, 1);
}

#[test]
fn a_server_that_dies_while_connections_come_and_go() {
    let relay = Relay::start(&[]);
    let url = format!("ws://{}/ws", relay.address);
    let pid = relay.pid().to_string();
    let mut witness = Client::join(&relay, "/ws");
    let child = start(&[
        "churn",
        &url,
        "--pid",
        &pid,
        "--connections=2",
        "--duration=10m",
        "--text",
    ]);
    for _ in 0..100 {
        witness.frame();
    }
    relay.signal(Signal::KILL);
    relay.ended();
    assert_partial(&finish(child));
}

#[test]
fn a_server_that_dies_while_connections_are_held() {
    let relay = Relay::start(&[]);
    let url = format!("ws://{}/ws", relay.address);
    let pid = relay.pid().to_string();
    let child = start(&[
        "idle",
        &url,
        "--pid",
        &pid,
        "--connections=50",
        "--hold=10m",
    ]);
    let descriptors = || fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count);
    eventually("all are connected", || descriptors() > 50);
    relay.signal(Signal::KILL);
    relay.ended();
    assert_partial(&finish(child));
}

/// Sends SIGTERM to a run and all its processes until it has ended.
fn terminate_again_and_again(mut child: Child) -> Report {
    let group = Pid::from_child(&child);
    eventually("it ends", || {
        let has_ended = child.try_wait().expect("a child of ours").is_some();
        // What has ended is not there any more.
        let _ = kill_process_group(group, Signal::TERM);
        has_ended
    });
    finish(child)
}

#[test]
fn termination_that_comes_twice() {
    let server = Server::start(Fault::None);
    let url = server.url();
    for processes in ["--workers=1", "--workers=3"] {
        let before = server.published();
        let options = [
            "fanout",
            &url,
            "--readers=6",
            "--warm-up=0s",
            "--duration=10m",
            processes,
        ];
        let child = start(&options);
        eventually("messages flow", || server.published() > before + 100);
        let report = terminate_again_and_again(child);
        report.assert_says("INTERRUPTED");
        assert_eq!(report.code, 0, "{}\n{}", report.out, report.errors);
    }
}

#[test]
fn what_is_on_its_way_to_other_processes_is_not_missed() {
    let server = Server::start(Fault::FallsSilent);
    let child = start(&[
        "fanout",
        &server.url(),
        "--readers=6",
        "--workers=3",
        "--warm-up=0s",
        "--duration=10m",
        "--timeout=10m",
    ]);
    eventually("it falls silent", || server.published() > 10);
    kill_process(Pid::from_child(&child), Signal::INT).expect("it runs");
    let report = finish(child);
    report.assert_correct();
    report.assert_says("INTERRUPTED");
}

#[test]
fn a_sender_ends_with_its_input_and_by_nothing_else() {
    let mut sender = common::command()
        .args(["bench", "sender", "--readers=5"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut port = String::new();
    let output = sender.stdout.take().expect("it is a pipe");
    BufReader::new(output)
        .read_line(&mut port)
        .expect("it says its port");
    for signal in [Signal::TERM, Signal::INT] {
        kill_process(Pid::from_child(&sender), signal).expect("it runs");
    }
    drop(sender.stdin.take());
    eventually("it ends", || {
        sender.try_wait().expect("a child of ours").is_some()
    });
    assert_eq!(sender.wait().expect("a child of ours").code(), Some(0));
}

#[test]
fn connections_that_are_never_answered_are_given_up() {
    let server = Server::start(Fault::NeverAnswers);
    let report = bench(&[
        "idle",
        &server.url(),
        "--connections=1000",
        "--in-flight=4",
        "--timeout=50ms",
        "--hold=10m",
    ]);
    report.assert_says("GIVEN UP");
    report.assert_says("the server did not answer in time");
    assert_eq!(report.code, 1);
    assert!(server.accepted() < 1000);
}

#[test]
fn a_server_that_refuses_all_is_not_asked_again_and_again() {
    for (fault, words) in [
        (
            Fault::HangsUp,
            "the server closed the connection in the opening handshake",
        ),
        (Fault::AnswersPage, "status 200 instead of 101"),
    ] {
        let server = Server::start(fault);
        let report = bench(&["churn", &server.url(), "--connections=8", "--duration=10m"]);
        report.assert_says(words);
        assert_eq!((report.code, report.out.as_str()), (1, ""));
        assert!(server.accepted() < 100, "{}", server.accepted());
    }
}

#[test]
fn an_interrupted_churn_ends_at_once() {
    let server = Server::start(Fault::NeverAnswers);
    let child = start(&["churn", &server.url(), "--timeout=10m", "--duration=10m"]);
    eventually("it connects", || server.accepted() > 0);
    kill_process(Pid::from_child(&child), Signal::INT).expect("it runs");
    finish(child).assert_says("INTERRUPTED");
}

#[test]
fn interrupted_in_the_warm_up() {
    let server = Server::start(Fault::None);
    for scenario in ["fanout", "paced", "slow"] {
        let before = server.published();
        let child = start(&[scenario, &server.url(), "--readers=2", "--warm-up=10m"]);
        eventually("messages flow", || server.published() > before + 20);
        kill_process(Pid::from_child(&child), Signal::INT).expect("it runs");
        let report = finish(child);
        report.assert_says("interrupted in the warm-up: nothing was measured");
        assert_eq!((report.code, report.out.as_str()), (1, ""));
    }
}

#[test]
fn what_was_measured_before_readers_stalled_is_reported() {
    let server = Server::start(Fault::None);
    let options = [
        "slow",
        &server.url(),
        "--readers=2",
        "--warm-up=0s",
        "--duration=10m",
    ];
    let child = start(&options);
    eventually("messages flow", || server.published() > 100);
    kill_process(Pid::from_child(&child), Signal::INT).expect("it runs");
    let report = finish(child);
    report.assert_says("INTERRUPTED");
    report.assert_says("the run was interrupted");
    assert!(!report.out.contains("Stalled readers"), "{}", report.out);
    assert!(
        !report.out.contains("delivered                0 "),
        "{}",
        report.out
    );
}
