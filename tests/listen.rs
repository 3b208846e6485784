//! Where a relay listens besides TCP: Unix domain sockets, and sockets that systemd hands over.

mod common;

use common::*;
use rustix::process::Signal;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A path for a socket of this name, at which there is nothing.
fn path(name: &str) -> PathBuf {
    // A socket's path may have 107 bytes at most, so all here go by names in one folder.
    std::env::set_current_dir(env!("CARGO_TARGET_TMPDIR")).expect("a folder of our own");
    let path = PathBuf::from(format!("socket-{name}"));
    let _ = fs::remove_file(&path);
    path
}

/// A relay that listens there, and on a port.
fn start(path: &Path, flags: &[&str]) -> Relay {
    let address = format!("unix:{}", path.display());
    let listen = ["--listen", &address];
    Relay::start(&[&listen[..], flags].concat())
}

fn join(path: &Path) -> Client {
    let mut client = Client::connect_unix(path);
    client.upgrade("/ws");
    client
}

/// Starts what is to be refused, and returns its exit code and what it says.
fn refused(mut command: Command) -> (Option<i32>, String) {
    let output = command.output().expect("it runs");
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), error)
}

fn refused_path(path: &Path) -> (Option<i32>, String) {
    let mut command = command();
    command.args(["--listen", &format!("unix:{}", path.display())]);
    refused(command)
}

#[test]
fn a_unix_socket_leads_to_the_same_topics() {
    let path = path("same");
    let relay = start(&path, &[]);
    let mut page = Client::connect_unix(&path);
    page.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(page.response().status, 200);
    let mut near = join(&path);
    let mut far = Client::join(&relay, "/ws");
    for (said, from_near) in [("from near", true), ("from far", false)] {
        let sender = if from_near { &mut near } else { &mut far };
        sender.send(&text(said));
        near.expect_text(said);
        far.expect_text(said);
    }
}

#[test]
fn a_reader_on_a_unix_socket_that_pauses_misses_nothing() {
    let path = path("pause");
    let _relay = start(&path, &["--send-buffer-bytes", "16KiB"]);
    let (mut paused, mut sender) = (join(&path), join(&path));
    // More than the kernel takes in, less than the topic retains.
    let message = "x".repeat(1 << 20);
    for _ in 0..4 {
        sender.send(&text(&message));
        sender.expect_text(&message);
    }
    for _ in 0..4 {
        paused.expect_text(&message);
    }
}

#[test]
fn the_kernel_holds_no_more_than_the_setting_says() {
    let path = path("buffer");
    let flags = [
        "--send-buffer-bytes=4KiB",
        "--message-bytes-max=4KiB",
        "--topic-log-bytes-max=16KiB",
    ];
    let _relay = start(&path, &flags);
    let (mut stalled, mut sender) = (join(&path), join(&path));
    // The kernel's default takes in all of this.
    let message = "x".repeat(4000);
    for _ in 0..16 {
        sender.send(&text(&message));
        sender.expect_text(&message);
    }
    let mut frames = std::iter::repeat_with(|| stalled.frame()).take(16);
    let close = frames.find(|frame| frame.first == FIN | CLOSE);
    let close = close.expect("it was lapped");
    assert_eq!(close.payload[..2], 1013u16.to_be_bytes());
}

#[test]
fn a_name_that_stands_in_no_file_system() {
    std::env::set_current_dir(env!("CARGO_TARGET_TMPDIR")).expect("a folder of our own");
    let name = format!("fanfare-{}", std::process::id());
    let flag = format!("unix:@{name}");
    let relay = Relay::start(&["--listen", &flag]);
    let address = SocketAddr::from_abstract_name(&name).expect("a short name");
    let mut near = UnixStream::connect_addr(&address).expect("it listens");
    near.write_all(&upgrade("/ws")).expect("it reads");
    let mut answer = [0; 12];
    near.read_exact(&mut answer).expect("it answers");
    assert_eq!(&answer, b"HTTP/1.1 101");
    assert!(!Path::new(&format!("@{name}")).exists());
    let (code, error) = refused_path(Path::new(&format!("@{name}")));
    assert_eq!(code, Some(1), "{error}");
    assert!(error.contains("another program listens there"), "{error}");
    let (code, error) = refused_path(Path::new(&format!("@{}", "long".repeat(30))));
    assert_eq!(code, Some(2), "{error}");
    assert!(error.contains("107 bytes"), "{error}");
    drop(near);
    relay.terminated();
    assert!(UnixStream::connect_addr(&address).is_err());
}

#[test]
fn its_mode_is_what_the_setting_says_whatever_the_mask() {
    for (mask, flags, mode) in [
        ("022", &[][..], 0o660),
        ("077", &[], 0o660),
        ("000", &["--unix-mode", "0600"], 0o600),
        ("077", &["--unix-mode", "0666"], 0o666),
    ] {
        let path = path("mode");
        let address = format!("unix:{}", path.display());
        let flags = [&["--listen", &address][..], flags].concat();
        let relay = Relay::start_after(&format!("umask {mask}"), &flags);
        let found = fs::metadata(&path).expect("it is there").permissions();
        assert_eq!(found.mode() & 0o777, mode, "{mask} {flags:?}");
        assert_eq!(relay.terminated().code, Some(0));
    }
}

#[test]
fn it_is_removed_at_a_clean_end() {
    let path = path("removed");
    let relay = start(&path, &[]);
    join(&path);
    assert_eq!(relay.terminated().code, Some(0));
    assert!(!path.exists());
}

#[test]
fn what_took_its_place_is_not_removed() {
    let path = path("successor");
    let relay = start(&path, &[]);
    fs::remove_file(&path).expect("it is there");
    let _successor = UnixListener::bind(&path).expect("a path that is free");
    assert_eq!(relay.terminated().code, Some(0));
    assert!(path.exists());
}

#[test]
fn what_a_killed_relay_left_is_replaced() {
    let path = path("stale");
    let relay = start(&path, &[]);
    relay.signal(Signal::KILL);
    relay.ended();
    assert!(
        path.exists(),
        "the relay was killed before it could remove it"
    );
    let _relay = start(&path, &[]);
    join(&path);
}

#[test]
fn a_socket_that_another_program_listens_on_stays() {
    let path = path("taken");
    let _relay = start(&path, &[]);
    let (code, error) = refused_path(&path);
    assert_eq!(code, Some(1), "{error}");
    assert!(error.contains("another program listens there"), "{error}");
    join(&path);

    // A program that does not accept, with a full backlog.
    let full = self::path("full");
    let _listener = UnixListener::bind(&full).expect("a path that is free");
    let mut waiting = Vec::new();
    loop {
        let socket = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None)
            .expect("a socket");
        socket.set_nonblocking(true).expect("a socket of ours");
        let address = socket2::SockAddr::unix(&full).expect("a short path");
        match socket.connect(&address) {
            Ok(()) => waiting.push(socket),
            Err(_) => break,
        }
    }
    assert_eq!(refused_path(&full).0, Some(1));
    assert!(full.exists());
}

#[test]
fn what_is_no_socket_is_left_alone() {
    let file = path("file");
    fs::write(&file, "precious").expect("a folder of our own");
    let link = path("link");
    std::os::unix::fs::symlink(&file, &link).expect("a folder of our own");
    for path in [&file, &link] {
        let (code, error) = refused_path(path);
        assert_eq!(code, Some(2), "{error}");
        assert!(error.contains("no socket"), "{error}");
    }
    assert_eq!(fs::read(&file).expect("it is there"), b"precious");
}

#[test]
fn paths_where_no_socket_can_be() {
    for (path, says) in [
        (path("missing/socket"), "no such folder"),
        (path(&"long".repeat(30)), "107 bytes"),
    ] {
        let (code, error) = refused_path(&path);
        assert_eq!(code, Some(2), "{error}");
        assert!(error.contains(says), "{error}");
    }
    let (code, error) = refused_path(Path::new(""));
    assert_eq!(code, Some(2), "{error}");
    assert!(error.contains("unix:/run/fanfare.sock"), "{error}");
}

#[test]
fn systemd_hands_over_a_port() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it has one");
    // A client that comes before the relay is up waits in the backlog.
    let early = std::net::TcpStream::connect(address).expect("it listens");
    let mut relay = Relay::start_with_socket(listener.into(), &["--listen", "systemd"]);
    assert_eq!(relay.address, address);
    relay.assert_others_exchange();
    drop(early);
    assert_eq!(relay.terminated().code, Some(0));
}

#[test]
fn systemd_hands_over_a_unix_socket_and_keeps_it() {
    let path = path("handed-over");
    let listener = UnixListener::bind(&path).expect("a path that is free");
    let flags = ["--listen", "systemd", "--listen", "127.0.0.1:0"];
    let relay = Relay::start_with_socket(listener.into(), &flags);
    let mut client = join(&path);
    client.send(&text("hello"));
    client.expect_text("hello");
    relay.signal(Signal::TERM);
    client.expect_close(1012);
    drop(client);
    assert_eq!(relay.ended().code, Some(0));
    let kind = fs::symlink_metadata(&path)
        .expect("it is there")
        .file_type();
    assert!(kind.is_socket(), "it is systemd's, for the next start");
}

#[test]
fn what_systemd_hands_over_and_can_t_be_used() {
    let hand_over = |socket: Option<OwnedFd>| {
        let mut command = Command::new("bash");
        let script =
            "exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" --listen systemd";
        let standard_input = socket.map_or_else(Stdio::null, Stdio::from);
        command
            .args(["-c", script, env!("CARGO_BIN_EXE_fanfare")])
            .stdin(standard_input);
        refused(command)
    };
    let (connected, _peer) = UnixStream::pair().expect("a pair");
    let datagram = UnixDatagram::unbound().expect("a socket");
    let file = File::open("/dev/null").expect("it is there");
    for (socket, says) in [
        (Some(connected.into()), "does not listen"),
        (Some(datagram.into()), "no stream socket"),
        (Some(file.into()), "no stream socket"),
        (None, "no stream socket"),
    ] {
        let (code, error) = hand_over(socket);
        assert_eq!(code, Some(2), "{error}");
        assert!(error.contains("systemd") && error.contains(says), "{error}");
    }
    let mut nothing = command();
    nothing.args(["--listen", "systemd"]);
    let (code, error) = refused(nothing);
    assert_eq!(code, Some(2), "{error}");
    assert!(error.contains("handed over no socket"), "{error}");
}

#[test]
fn sockets_that_are_not_listened_on_are_reported() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let relay = Relay::start_with_socket(listener.into(), &["--listen", "127.0.0.1:0"]);
    let stderr = relay.terminated().stderr;
    assert!(stderr.contains("--listen systemd is missing"), "{stderr}");
    // None were handed over, or they were asked for.
    assert!(!Relay::start(&[]).terminated().stderr.contains("systemd"));
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let relay = Relay::start_with_socket(listener.into(), &["--listen", "systemd"]);
    assert!(!relay.terminated().stderr.contains("systemd"));
}

#[test]
fn a_port_that_takes_a_privilege() {
    let first = fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start");
    let first: u32 = first
        .ok()
        .and_then(|port| port.trim().parse().ok())
        .unwrap_or(1024);
    let mut command = Command::new("setpriv");
    command
        .args([
            "--bounding-set=-net_bind_service",
            "--inh-caps=-net_bind_service",
        ])
        .arg(env!("CARGO_BIN_EXE_fanfare"))
        .args(["--listen", "127.0.0.1:1"]);
    let can_drop_it = Command::new("setpriv")
        .args(["--bounding-set=-net_bind_service", "true"])
        .output()
        .is_ok_and(|output| output.status.success());
    if first <= 1 || !can_drop_it {
        eprintln!("SKIPPED: every port is free for all here, or no privilege can be dropped");
        return;
    }
    let (code, error) = refused(command);
    assert_eq!(code, Some(2), "{error}");
    assert!(
        error.contains("127.0.0.1:1") && error.contains("CAP_NET_BIND_SERVICE"),
        "{error}"
    );
}

#[test]
fn sockets_for_another_process_are_not_taken() {
    let mut command = command();
    command
        .args(["--listen", "systemd"])
        .env("LISTEN_PID", "1")
        .env("LISTEN_FDS", "1");
    let (code, error) = refused(command);
    assert_eq!(code, Some(2), "{error}");
    assert!(error.contains("handed over no socket"), "{error}");
}
