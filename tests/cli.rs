//! The command line: what it understands, what it says, and the codes it ends with.

mod common;

use common::*;
use rustix::process::Signal;
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output};

fn run(arguments: &[&str]) -> Output {
    command().args(arguments).output().expect("it runs")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("text")
}

/// It ends with that code, and an error that says all of this.
fn assert_refused(arguments: &[&str], code: i32, says: &[&str]) {
    let output = run(arguments);
    let error = stderr(&output);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {error}");
    assert_eq!(stdout(&output), "", "{arguments:?}");
    for said in says {
        assert!(
            error.contains(said),
            "{arguments:?} does not say {said:?}: {error}"
        );
    }
}

#[test]
fn help_is_enough_to_get_going() {
    for arguments in [
        &["--help"][..],
        &["serve", "--help"],
        &["help"],
        &["help", "serve"],
        &["-h"],
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert_eq!(stderr(&output), "");
        let help = stdout(&output);
        for said in [
            "--listen",
            "--origin",
            "--slow-policy",
            "--heartbeat-interval",
            "--connections-max",
            "FANFARE_LISTEN",
            "127.0.0.1:8080",
            "/ws/TOPIC",
            "echo=0",
            "Exit codes",
        ] {
            assert!(
                help.contains(said),
                "{arguments:?} does not say {said:?}:\n{help}"
            );
        }
    }
}

#[test]
fn the_version_is_the_crates() {
    for flag in ["--version", "-V"] {
        let output = run(&[flag]);
        assert_eq!(output.status.code(), Some(0));
        assert_eq!(
            stdout(&output),
            format!("fanfare {}\n", env!("CARGO_PKG_VERSION"))
        );
    }
}

#[test]
fn every_way_to_write_an_address() {
    for (address, reached_at) in [
        ("0", "127.0.0.1"),
        (":0", "127.0.0.1"),
        ("*:0", "127.0.0.1"),
        ("localhost:0", "127.0.0.1"),
        ("127.0.0.1:0", "127.0.0.1"),
        ("127.0.0.2:0", "127.0.0.2"),
        ("0.0.0.0:0", "127.0.0.1"),
        ("[::1]:0", "::1"),
        ("[::]:0", "127.0.0.1"),
        ("[::]:0", "::1"),
    ] {
        if reached_at == "::1" && TcpListener::bind("[::1]:0").is_err() {
            continue;
        }
        for serve in [&[][..], &["serve"]] {
            let mut command = command();
            command.args(serve).args(["--listen", address]);
            let relay = Relay::start_as(command);
            let ip: std::net::IpAddr = reached_at.parse().expect("an address");
            let reached = TcpStream::connect((ip, relay.address.port()));
            assert!(reached.is_ok(), "{address} is not reached at {reached_at}");
            assert_eq!(relay.terminated().code, Some(0), "{address}");
        }
    }
}

#[test]
fn several_addresses() {
    let free = || TcpListener::bind("127.0.0.3:0").and_then(|listener| listener.local_addr());
    let (one, two) = (free().expect("a port"), free().expect("a port"));
    for arguments in [
        vec![
            "--listen".to_owned(),
            one.to_string(),
            "--listen".to_owned(),
            two.to_string(),
        ],
        vec!["--listen".to_owned(), format!("{one},{two}")],
    ] {
        let mut command = command();
        command.args(&arguments);
        let relay = Relay::start_as(command);
        assert!(TcpStream::connect(one).is_ok() && TcpStream::connect(two).is_ok());
        assert_eq!(relay.terminated().code, Some(0));
    }
}

#[test]
fn both_families_at_one_port() {
    if TcpListener::bind("[::1]:0").is_err() {
        return;
    }
    for (ipv4, ipv6, elsewhere) in [
        ("0.0.0.0", "[::]", true),
        ("127.0.0.1", "[::]", false),
        ("0.0.0.0", "[::1]", true),
    ] {
        let free = TcpListener::bind("[::]:0").expect("a free port");
        let port = free.local_addr().expect("it has one").port();
        drop(free);
        let addresses = [format!("{ipv4}:{port}"), format!("{ipv6}:{port}")];
        for order in [[0, 1], [1, 0]] {
            let mut command = command();
            for index in order {
                command.args(["--listen", &addresses[index]]);
            }
            let relay = Relay::start_as(command);
            assert!(TcpStream::connect(("127.0.0.1", port)).is_ok());
            assert!(TcpStream::connect(("::1", port)).is_ok());
            let beyond = TcpStream::connect(("127.0.0.2", port));
            assert_eq!(beyond.is_ok(), elsewhere, "{addresses:?}");
            assert_eq!(relay.terminated().code, Some(0));
        }
    }
    assert_refused(
        &["--listen", ":8080", "--listen", "127.0.0.1:8080"],
        2,
        &["--listen", ":8080 and 127.0.0.1:8080", "leave one out"],
    );
}

#[test]
fn addresses_that_are_none() {
    for address in [
        "",
        "nonsense",
        "localhost",
        "1.2.3.4:99999",
        "::1:8080",
        "[nope]:1",
        "[::1]",
        "host:",
        ":",
        "127.0.0.1:80 80",
    ] {
        assert_refused(&["--listen", address], 2, &["--listen", address]);
    }
    assert_refused(
        &["--listen", "no-such-host.invalid:0"],
        2,
        &["no-such-host.invalid:0", "no such host"],
    );
    assert_refused(
        &["--listen", "192.0.2.1:0"],
        2,
        &["192.0.2.1:0", "no such address"],
    );
}

#[test]
fn a_port_in_use() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("it has one").to_string();
    assert_refused(
        &["--listen", &address],
        1,
        &[&address, "another program listens there", "--listen"],
    );
    assert_refused(
        &["--listen", "127.0.0.1:0", "--listen", &address],
        1,
        &[&address],
    );
}

#[test]
fn a_restart_finds_its_port_free() {
    let relay = Relay::start(&[]);
    let address = relay.address.to_string();
    // Closed by the relay, so that its side of the connection waits for a while.
    let mut client = Client::join(&relay, "/ws");
    relay.signal(Signal::TERM);
    client.expect_close(1012);
    client.send(&close(1012, b""));
    client.expect_end();
    assert_eq!(relay.ended().code, Some(0));
    let mut command = command();
    command.args(["--listen", &address]);
    Client::join(&Relay::start_as(command), "/ws");
}

#[test]
fn numbers_that_are_none() {
    for (flag, value, says) in [
        ("--connections-max", "many", "--connections-max"),
        ("--connections-max", "-1", "--connections-max"),
        ("--message-bytes-max", "1XB", "64KiB"),
        ("--message-bytes-max", "0", "64KiB"),
        ("--topic-log-bytes-max", "", "64KiB"),
        ("--head-bytes-max", "1e99", "64KiB"),
        ("--heartbeat-interval", "soon", "10s"),
        ("--heartbeat-interval", "0", "10s"),
        ("--pong-timeout", "-1s", "10s"),
        ("--idle-timeout", "never", "10s"),
        ("--close-timeout", "off", "10s"),
        ("--slow-policy", "drop", "close, skip"),
        ("--log-level", "loud", "--log-level"),
    ] {
        let value = format!("{flag}={value}");
        assert_refused(&[&value], 2, &[flag, says]);
    }
    assert_refused(&["--no-such-flag"], 2, &["--no-such-flag", "--help"]);
    assert_refused(&["no-such-command"], 2, &["no-such-command"]);
    assert_refused(&["--listen"], 2, &["--listen"]);
}

#[test]
fn limits_that_contradict_each_other() {
    assert_refused(
        &["--topic-log-bytes-max", "3MiB"],
        2,
        &["--topic-log-bytes-max", "--message-bytes-max", "4 times"],
    );
    assert_refused(
        &["--message-bytes-max", "4MiB"],
        2,
        &["--topic-log-bytes-max", "raise"],
    );
    assert_refused(
        &[
            "--message-bytes-max",
            "2GiB",
            "--topic-log-bytes-max",
            "8GiB",
        ],
        2,
        &["--message-bytes-max", "1 GiB"],
    );
    assert_refused(
        &["--log-bytes-max", "1MiB"],
        2,
        &["--log-bytes-max", "--topic-log-bytes-max"],
    );
    assert_refused(
        &["--listen", "127.0.0.1:0", "--connections-max", "1000000000"],
        2,
        &["--connections-max", "ulimit -n", "lower"],
    );
    assert_refused(
        &[
            "--listen",
            "127.0.0.1:0",
            "--connections-max",
            &u64::MAX.to_string(),
        ],
        2,
        &["--connections-max", "ulimit -n"],
    );
}

#[test]
fn too_few_descriptors() {
    let output = Command::new("bash")
        .args([
            "-c",
            "ulimit -n 12; exec \"$0\" --listen 127.0.0.1:0",
            env!("CARGO_BIN_EXE_fanfare"),
        ])
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("ulimit -n"), "{}", stderr(&output));
}

#[test]
fn the_environment_sets_what_flags_set_and_flags_win() {
    let mut with_environment = command();
    with_environment
        .env("FANFARE_LISTEN", "127.0.0.1:0")
        .env("FANFARE_CONNECTIONS_MAX", "0");
    let relay = Relay::start_as(with_environment);
    let mut client = Client::connect(&relay);
    client.send(&upgrade("/ws"));
    assert_eq!(client.response().status, 503);
    drop(relay);

    let mut with_both = command();
    with_both
        .env("FANFARE_LISTEN", "no-such-host.invalid:0")
        .env("FANFARE_CONNECTIONS_MAX", "0")
        .args(["--listen", "127.0.0.1:0", "--connections-max", "1"]);
    let relay = Relay::start_as(with_both);
    Client::join(&relay, "/ws");

    let wrong = command()
        .env("FANFARE_HEARTBEAT_INTERVAL", "soon")
        .output()
        .expect("it runs");
    assert_eq!(wrong.status.code(), Some(2), "{}", stderr(&wrong));
    assert!(
        stderr(&wrong).contains("FANFARE_HEARTBEAT_INTERVAL"),
        "{}",
        stderr(&wrong)
    );
}

#[test]
fn the_log_level_is_heeded() {
    for (level, is_told) in [("info", true), ("warn", false), ("off", false)] {
        let log = Relay::start(&["--log-level", level]).terminated().stderr;
        assert_eq!(log.contains("ended:"), is_told, "{level}: {log}");
    }
}

/// Standard error may be a pipe whose reader is gone.
#[test]
fn a_log_without_a_reader_does_no_harm() {
    let mut relay = Relay::start_after("exec 2> >(exec true)", &["--log-level", "debug"]);
    for _ in 0..20 {
        let mut client = Client::connect(&relay);
        client.send(&upgrade_and(&["Origin: http://evil.example"]));
        assert_eq!(client.response().status, 403);
    }
    relay.assert_others_exchange();
}
