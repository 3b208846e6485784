//! What the service manager is told (sd_notify(3)).

#![cfg(target_os = "linux")]

mod common;

use common::*;
use rustix::process::Signal;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;
use std::process::Command;

/// The service manager's end.
struct Manager {
    socket: UnixDatagram,
    name: String,
}

impl Manager {
    /// One at a name that is in no file system.
    fn unnamed(name: &str) -> Manager {
        let name = format!("fanfare-test-{}-{name}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).expect("a short name");
        Manager::of(
            UnixDatagram::bind_addr(&address).expect("a free name"),
            format!("@{name}"),
        )
    }

    fn of(socket: UnixDatagram, name: String) -> Manager {
        socket.set_read_timeout(Some(DEADLINE)).expect("a deadline");
        Manager { socket, name }
    }

    fn command(&self) -> Command {
        let mut command = command();
        command
            .args(["--listen", "127.0.0.1:0"])
            .env("NOTIFY_SOCKET", &self.name)
            .env_remove("WATCHDOG_USEC")
            .env_remove("WATCHDOG_PID");
        command
    }

    fn start(&self) -> Relay {
        Relay::start_as(self.command())
    }

    /// The next datagram.
    fn receives(&self) -> String {
        let mut datagram = [0; 4096];
        let bytes = self.socket.recv(&mut datagram).expect("it says something");
        String::from_utf8_lossy(&datagram[..bytes]).into_owned()
    }
}

#[test]
fn it_says_when_it_is_ready_and_when_it_ends() {
    std::env::set_current_dir(env!("CARGO_TARGET_TMPDIR")).expect("a folder of our own");
    let path = Path::new("notify-socket");
    let _ = std::fs::remove_file(path);
    let named = UnixDatagram::bind(path).expect("a free path");
    let named = Manager::of(named, path.display().to_string());
    for manager in [named, Manager::unnamed("ends")] {
        let relay = manager.start();
        let status = format!("READY=1\nSTATUS=listening on {}", relay.address);
        assert_eq!(manager.receives(), status);
        relay.signal(Signal::TERM);
        let said = manager.receives();
        // The drain, without connections, and the time for closes.
        let micros = said.strip_prefix("STOPPING=1\nEXTEND_TIMEOUT_USEC=");
        let micros: u64 = micros.and_then(|micros| micros.parse().ok()).expect(&said);
        assert!((1_000_000..=5_100_000).contains(&micros), "{said}");
        assert_eq!(relay.ended().code, Some(0));
    }
}

#[test]
fn it_says_when_it_reloads_and_when_it_has() {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("notify.toml");
    std::fs::write(&file, "pong_timeout = 5\n").expect("a folder of our own");
    let manager = Manager::unnamed("reload");
    let mut command = manager.command();
    command.arg("--config").arg(&file);
    let relay = Relay::start_as(command);
    let ready = manager.receives();
    let mut times = Vec::new();
    for (text, status) in [
        ("pong_timeout = 6\n", ""),
        ("pong_timeout = ", "; the last reload failed"),
        ("pong_timeout = 7\n", ""),
    ] {
        std::fs::write(&file, text).expect("a folder of our own");
        relay.signal(Signal::HUP);
        let said = manager.receives();
        let time = said.strip_prefix("RELOADING=1\nMONOTONIC_USEC=");
        let time: u64 = time.and_then(|time| time.parse().ok()).expect(&said);
        times.push(time);
        assert_eq!(manager.receives(), format!("{ready}{status}"));
    }
    assert!(times.is_sorted_by(|one, next| one < next), "{times:?}");
}

#[test]
fn the_watchdog_is_told_that_the_loop_turns_though_nothing_happens() {
    let manager = Manager::unnamed("watchdog");
    let mut command = manager.command();
    command.env("WATCHDOG_USEC", "400000");
    let _relay = Relay::start_as(command);
    assert!(manager.receives().starts_with("READY=1"));
    for _ in 0..3 {
        assert_eq!(manager.receives(), "WATCHDOG=1");
    }
}

#[test]
fn a_watchdog_of_another_process_is_left_alone() {
    let manager = Manager::unnamed("other");
    let mut command = manager.command();
    command
        .env("WATCHDOG_USEC", "200000")
        .env("WATCHDOG_PID", "1");
    let mut relay = Relay::start_as(command);
    assert!(manager.receives().starts_with("READY=1"));
    relay.assert_others_exchange();
    relay.signal(Signal::TERM);
    assert!(manager.receives().starts_with("STOPPING=1"));
}

#[test]
fn a_manager_that_is_gone_or_does_not_listen_is_no_reason_to_stop() {
    let manager = Manager::unnamed("gone");
    let mut relay = manager.start();
    drop(manager);
    relay.assert_others_exchange();
    relay.signal(Signal::HUP);
    relay.assert_others_exchange();

    // Nothing is read from this one, and its queue is short.
    let deaf = Manager::unnamed("deaf");
    let mut relay = deaf.start();
    for _ in 0..1000 {
        let filler = UnixDatagram::unbound().expect("a socket");
        filler.set_nonblocking(true).expect("a socket of ours");
        let address = SocketAddr::from_abstract_name(&deaf.name[1..]).expect("a short name");
        if filler.send_to_addr(b"", &address).is_err() {
            break;
        }
    }
    relay.signal(Signal::HUP);
    relay.assert_others_exchange();

    let mut command = command();
    command
        .args(["--listen", "127.0.0.1:0"])
        .env("NOTIFY_SOCKET", "/nowhere/at/all");
    let relay = Relay::start_as(command);
    let stderr = relay.terminated().stderr;
    assert!(stderr.contains("NOTIFY_SOCKET"), "{stderr}");
}
