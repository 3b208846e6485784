//! SIGHUP: what changes while the relay runs, what does not, and that no connection notices.

mod common;

use common::*;
use rustix::process::Signal;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn path(test: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{test}.toml"))
}

/// A file of settings of one test's own.
fn settings(test: &str, text: &str) -> PathBuf {
    let path = path(test);
    fs::write(&path, text).expect("the file is written");
    path
}

fn start(file: &Path) -> Relay {
    Relay::start(&["--config", file.to_str().expect("a path of ours")])
}

/// Has the settings loaded again, and waits until that is done.
fn reload(relay: &mut Relay) {
    let count = |relay: &mut Relay| {
        let log = relay.log();
        log.matches("the settings ").count()
    };
    let before = count(relay);
    relay.signal(Signal::HUP);
    eventually("the settings are loaded, or not", || count(relay) > before);
}

/// Whether a message of this many bytes comes back.
fn passes(relay: &Relay, bytes: usize) -> bool {
    let mut client = Client::join(relay, "/ws/probe");
    client.send(&text(&"x".repeat(bytes)));
    client.frame().payload.len() == bytes
}

#[test]
fn limits_change_without_touching_a_connection() {
    let file = settings("limits", "message_bytes_max = '1KiB'");
    let relay = start(&file);
    let mut member = Client::join(&relay, "/ws");
    assert!(!passes(&relay, 2000));
    settings("limits", "message_bytes_max = '4KiB'");
    relay.signal(Signal::HUP);
    eventually("the limit is raised", || passes(&relay, 2000));
    member.send(&text(&"y".repeat(3000)));
    member.expect_text(&"y".repeat(3000));
    assert_eq!(relay.terminated().code, Some(0));
}

/// The head's scanner had looked at more bytes than the new limit has, and looked on behind the end.
#[test]
fn a_lower_limit_for_heads_ends_one_that_is_half_there() {
    let file = settings("heads", "head_bytes_max = '16KiB'");
    let mut relay = start(&file);
    let mut client = Client::connect(&relay);
    client.send(format!("GET /{}", "a".repeat(8000)).as_bytes());
    settings("heads", "head_bytes_max = '2KiB'");
    // What was sent before is read.
    relay.assert_others_exchange();
    reload(&mut relay);
    client.send(b"a");
    assert_eq!(client.response().status, 431);
    relay.assert_others_exchange();
}

#[test]
fn a_failed_reload_keeps_what_was_in_force() {
    let file = settings("failed", "message_bytes_max = '1KiB'");
    let mut relay = start(&file);
    for broken in [
        "message_bytes_max = ",
        "message_bytes_max = '4KiB'\ntopic_log_bytes_max = '4KiB'",
        "message_bytes_max = '4KiB'\n[[topic]]\nmatch = 'a'\n[[topic]]\nmatch = 'a'\nretain_messages = 5",
    ] {
        settings("failed", broken);
        reload(&mut relay);
        assert!(passes(&relay, 1000) && !passes(&relay, 2000), "{broken}");
    }
    let ended = relay.terminated();
    assert_eq!(ended.code, Some(0));
    assert!(
        ended.stderr.contains("the settings stay as they were"),
        "{}",
        ended.stderr
    );
    // Each of several problems has a line of its own.
    let problems = ["retain_messages = 5 has no effect", "is never met"];
    let said = |line: &str| problems.iter().filter(|it| line.contains(**it)).count();
    let said: Vec<usize> = ended
        .stderr
        .lines()
        .map(said)
        .filter(|&it| it > 0)
        .collect();
    assert_eq!(said, [1, 1], "{}", ended.stderr);
}

#[test]
fn what_takes_a_restart_is_said() {
    let file = settings(
        "restart",
        "send_buffer_bytes = '64KiB'\nmessage_bytes_max = '1KiB'",
    );
    let relay = start(&file);
    settings(
        "restart",
        "send_buffer_bytes = '32KiB'\nmessage_bytes_max = '4KiB'",
    );
    relay.signal(Signal::HUP);
    eventually("the limit is raised", || passes(&relay, 2000));
    let stderr = relay.terminated().stderr;
    assert!(
        stderr.contains("send_buffer_bytes changes with a restart only"),
        "{stderr}"
    );
}

/// The loop does not wait for what stands in the place of a file, and goes on serving.
#[test]
fn settings_that_never_come_hold_up_no_client() {
    // A run that failed may have left its pipe, for which this would wait.
    let _ = fs::remove_file(path("pipe"));
    let file = settings("pipe", "message_bytes_max = '1KiB'");
    let mut relay = start(&file);
    fs::remove_file(&file).expect("it is ours");
    let made = Command::new("mkfifo").arg(&file).status();
    assert!(made.is_ok_and(|status| status.success()));
    relay.signal(Signal::HUP);
    // The signal is taken in before the next connection is.
    relay.assert_others_exchange();
    relay.assert_others_exchange();
    assert!(passes(&relay, 1000) && !passes(&relay, 2000));
    // Once they come, they are what counts.
    fs::write(&file, "message_bytes_max = '4KiB'").expect("the relay reads it");
    eventually("the limit is raised", || passes(&relay, 2000));
    fs::remove_file(&file).expect("it is ours");
    assert_eq!(relay.terminated().code, Some(0));
}

/// What holds for a topic changes while it exists, at the turn in which the settings do.
#[test]
fn what_differs_by_topic_changes() {
    let file = settings("topics", "");
    let mut relay = start(&file);
    let mut member = Client::join(&relay, "/ws/prices");
    member.send(&text("1"));
    member.expect_text("1");
    let late = |relay: &Relay, published: &str| {
        let mut late = Client::join(relay, "/ws/prices?since=all");
        late.send(&text("mark"));
        let first = late.frame().payload;
        first == published.as_bytes()
    };
    assert!(!late(&relay, "1"), "nothing is retained");
    member.expect_text("mark");
    settings(
        "topics",
        "[[topic]]\nmatch = 'prices'\nretain = '10m'\nretain_messages = 1",
    );
    reload(&mut relay);
    member.send(&text("2"));
    member.expect_text("2");
    assert!(late(&relay, "2"));
    member.expect_text("mark");
    settings("topics", "[[topic]]\nmatch = 'p*'\npublish = 'nobody'");
    reload(&mut relay);
    let mut late = Client::join(&relay, "/ws/prices?since=all");
    late.expect_silence(std::time::Duration::from_millis(100));
    member.send(&text("3"));
    member.expect_closed(1008);
    assert_eq!(relay.terminated().code, Some(0));
}
