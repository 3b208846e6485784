//! The admin listener over real sockets: what it answers, to which requests, and that every number moves
//! with what it counts.

#[path = "../common/mod.rs"]
mod common;
mod metrics;
mod topics;

use common::*;
use rustix::process::Signal;
use std::net::SocketAddr;

const ADMIN: [&str; 2] = ["--admin", "127.0.0.1:0"];

/// A relay with an admin listener.
fn start(flags: &[&str]) -> (Relay, SocketAddr) {
    let mut relay = Relay::start(&[&ADMIN, flags].concat());
    let admin = relay.admin_address();
    (relay, admin)
}

fn ask_with(admin: SocketAddr, method: &str, path: &str, headers: &[&str]) -> Response {
    let mut client = Client::connect_to(admin);
    let headers = [&["Host: localhost", "Connection: close"], headers].concat();
    client.send(&request(&format!("{method} {path} HTTP/1.1"), &headers));
    let response = match method {
        "HEAD" => client.response_to_head(),
        _ => client.response(),
    };
    client.expect_end();
    response
}

fn ask(admin: SocketAddr, path: &str) -> Response {
    ask_with(admin, "GET", path, &[])
}

#[test]
fn each_page_is_what_it_says() {
    let (_relay, admin) = start(&[]);
    for (path, content_type, says) in [
        ("/", "text/plain; charset=utf-8", "/metrics"),
        ("/healthz", "text/plain; charset=utf-8", "ok\n"),
        ("/readyz", "text/plain; charset=utf-8", "ready\n"),
        ("/topics", "application/json", "\"topics\":[]"),
        (
            "/metrics",
            "text/plain; version=0.0.4; charset=utf-8",
            "fanfare_topics 0\n",
        ),
    ] {
        let page = ask(admin, path);
        assert_eq!(page.status, 200, "{path}");
        assert_eq!(page.header("Content-Type"), Some(content_type), "{path}");
        assert_eq!(page.header("Cache-Control"), Some("no-store"), "{path}");
        assert!(page.text().contains(says), "{path}: {}", page.text());
        let head = ask_with(admin, "HEAD", path, &[]);
        assert_eq!(head.status, 200, "{path}");
        assert_eq!(head.header("Content-Type"), Some(content_type), "{path}");
        for method in ["POST", "PUT", "DELETE"] {
            let refused = ask_with(admin, method, path, &[]);
            assert_eq!(refused.status, 405, "{method} {path}");
            assert_eq!(refused.header("Allow"), Some("GET, HEAD, OPTIONS"));
        }
    }
}

#[test]
fn open_metrics_is_for_scrapers_that_accept_it() {
    let (_relay, admin) = start(&[]);
    let prometheus = "Accept: application/openmetrics-text;version=1.0.0;q=0.5,\
                      text/plain;version=0.0.4;q=0.3,*/*;q=0.1";
    for (accept, is_open) in [
        (prometheus, true),
        ("Accept: Application/OpenMetrics-Text", true),
        ("Accept: text/plain", false),
        ("Accept: application/openmetrics-textual", false),
        ("Accept: */*", false),
        ("Accept: application/openmetrics-text;q=0", false),
        (
            "Accept: application/openmetrics-text; version=1.0.0; Q=0.000, */*",
            false,
        ),
        (
            "Accept: application/openmetrics-text;q=0.2, text/plain;q=0.3",
            false,
        ),
        (
            "Accept: application/openmetrics-text;q=0.3, text/plain;q=0.3",
            true,
        ),
        (
            "Accept: application/openmetrics-text;q=0.3, text/*, text/plain;q=0.2",
            true,
        ),
        ("Accept: application/openmetrics-text;q=0.3, */*", false),
        (
            "Accept: application/openmetrics-text;q=0, application/openmetrics-text;version=1.0.0",
            true,
        ),
        ("Accept: application/openmetrics-text;q=high", false),
    ] {
        let page = ask_with(admin, "GET", "/metrics", &[accept]);
        let content_type = page.header("Content-Type").unwrap_or_default();
        assert_eq!(content_type.contains("openmetrics"), is_open, "{accept}");
        assert_eq!(page.text().ends_with("# EOF\n"), is_open, "{accept}");
    }
}

#[test]
fn requests_may_follow_each_other_in_any_pieces() {
    let (_relay, admin) = start(&[]);
    let mut client = Client::connect_to(admin);
    let get = |path: &str| request(&format!("GET {path} HTTP/1.1"), &["Host: localhost"]);
    let pages = ["/metrics", "/healthz", "/topics", "/metrics", "/readyz"];
    client.send(&pages.map(get).concat());
    for page in pages {
        assert_eq!(client.response().status, 200, "{page}");
    }
    client.send_bytewise(&get("/metrics"));
    assert_eq!(client.response().status, 200);
    // An error ends it, and nothing that was sent behind it is answered.
    client.send(&[get("/nothing"), get("/metrics")].concat());
    assert_eq!(client.response().status, 404);
    client.expect_gone();
}

#[test]
fn bad_requests_get_clear_answers() {
    let (mut relay, admin) = start(&[]);
    for (path, status) in [
        ("/nothing", 404),
        ("/metrics/", 404),
        ("/..", 404),
        ("/topics?limit=many", 400),
        ("/topics?from=-1", 400),
    ] {
        assert_eq!(ask(admin, path).status, status, "{path}");
    }
    let mut client = Client::connect_to(admin);
    client.send(b"nonsense\r\n\r\n");
    assert_eq!(client.response().status, 400);
    let mut client = Client::connect_to(admin);
    client.send(&request("GET /metrics HTTP/1.1", &[]));
    assert_eq!(client.response().status, 400);
    assert_eq!(ask(admin, "/healthz").status, 200);
    relay.assert_others_exchange();
}

#[test]
fn neither_side_is_served_what_is_the_others() {
    let (relay, admin) = start(&[]);
    for path in ["/healthz", "/readyz", "/metrics", "/topics"] {
        assert_eq!(ask(relay.address, path).status, 404, "{path}");
    }
    for path in ["/ws", "/ws/room", "/app.js"] {
        assert_eq!(ask(admin, path).status, 404, "{path}");
    }
    let mut client = Client::connect_to(admin);
    client.send(&upgrade("/ws"));
    assert_eq!(client.response().status, 404);
    // And without the flag, there is no listener for it.
    let mut relay = Relay::start(&[]);
    relay.assert_others_exchange();
    assert!(!relay.terminated().stderr.contains("admin"));
}

#[test]
fn its_address_is_not_a_public_one() {
    for (flags, says) in [
        (
            ["--listen", "127.0.0.1:1808", "--admin", "1808"],
            "--admin 1808",
        ),
        (
            ["--listen", ":1808", "--admin", "127.0.0.1:1808"],
            "--listen :1808",
        ),
        (
            ["--listen", "localhost:1808", "--admin", "0.0.0.0:1808"],
            "where the public is let in",
        ),
        (
            [
                "--listen",
                "unix:/tmp/a.sock",
                "--admin",
                "unix:/tmp/a.sock",
            ],
            "where the public is let in",
        ),
        (
            ["--listen", "127.0.0.1:0", "--admin", "systemd"],
            "for the public",
        ),
        (["--listen", "127.0.0.1:0", "--admin", "nowhere"], "--admin"),
    ] {
        let output = command().args(flags).output().expect("it runs");
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{flags:?}: {error}");
        assert!(error.contains(says), "{flags:?}: {error}");
    }
}

#[test]
fn a_port_that_is_taken_is_an_error_of_its_own_flag() {
    let (_relay, admin) = start(&[]);
    let admin = admin.to_string();
    let flags = ["--listen", "127.0.0.1:0", "--admin", &admin];
    let output = command().args(flags).output().expect("it runs");
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("another port with --admin"), "{error}");
}

#[test]
fn readiness_ends_with_sigterm_and_health_does_not() {
    let (relay, admin) = start(&["--close-timeout", "20s"]);
    assert_eq!(ask(admin, "/readyz").status, 200);
    // It never answers its close frame, so the relay waits for it.
    let mut client = Client::join(&relay, "/ws");
    relay.signal(Signal::TERM);
    client.expect_close(1012);
    let not_ready = ask(admin, "/readyz");
    assert_eq!(not_ready.status, 503, "{}", not_ready.text());
    assert_eq!(ask(admin, "/healthz").status, 200);
    let page = ask(admin, "/metrics").text();
    let closed = "fanfare_websockets_closed_total{cause=\"shutdown\",code=\"1012\"} 1\n";
    assert!(page.contains(closed), "{page}");
    // Nor does a waiting operator hold up the end.
    let _waits = Client::connect_to(admin);
    drop(client);
    assert_eq!(relay.ended().code, Some(0));
}

/// The oldest connection makes way: a client that hoards them keeps no other out.
#[test]
fn hoarding_connections_keeps_no_operator_out() {
    let (_relay, admin) = start(&[]);
    let mut hoard: Vec<Client> = (0..40).map(|_| Client::connect_to(admin)).collect();
    for client in &mut hoard {
        client.try_send(b"GET /metrics HTTP/1.1\r\n");
    }
    assert_eq!(ask(admin, "/healthz").status, 200);
    for client in &mut hoard[..20] {
        client.expect_gone();
    }
}

/// The public has used up all descriptors that it may have, and more connections wait to be accepted.
#[test]
fn the_operator_gets_in_when_the_public_does_not() {
    let mut relay = Relay::start_after("ulimit -n 100", &ADMIN);
    let admin = relay.admin_address();
    let clients: Vec<Client> = (0..150).map(|_| Client::connect(&relay)).collect();
    eventually("it is full", || {
        let page = ask(admin, "/metrics").text();
        let waiting = metrics::value(&page, "fanfare_connections{state=\"handshake\"}");
        let open = metrics::value(&page, "process_open_fds");
        waiting >= 60.0 && open >= 70.0
    });
    for _ in 0..20 {
        assert_eq!(ask(admin, "/healthz").status, 200);
    }
    drop(clients);
    relay.assert_others_exchange();
}

#[test]
fn it_may_be_a_unix_socket() {
    let path = std::env::temp_dir().join(format!("fanfare-admin-{}", std::process::id()));
    let flag = format!("unix:{}", path.display());
    let mut relay = Relay::start(&["--admin", &flag]);
    let mut client = Client::connect_unix(&path);
    client.send(&request("GET /readyz HTTP/1.1", &["Host: localhost"]));
    assert_eq!(client.response().text(), "ready\n");
    relay.assert_others_exchange();
    assert_eq!(relay.terminated().code, Some(0));
    assert!(!path.exists());
}
