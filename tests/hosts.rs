//! The names that a relay answers to, where a page could have its own name resolve to this machine (DNS
//! rebinding), and the origins of pages that may connect.

mod common;

use common::*;
use fanfare::config::OriginRule;
use fanfare::proto::http1::check_origin;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// An opening handshake for that host, by a page of it.
fn upgrade_of(host: &str) -> Vec<u8> {
    let (name, origin) = (format!("Host: {host}"), format!("Origin: http://{host}"));
    upgrade_but("Host", &[&name, &origin])
}

/// The status of an opening handshake for that host, by a page of it.
fn status_at(address: SocketAddr, host: &str) -> u16 {
    let mut client = Client::connect_to(address);
    client.send(&upgrade_of(host));
    client.response().status
}

fn assert_refused(mut client: Client, first_line: &str, host: &str) {
    client.send(&request(first_line, &[&format!("Host: {host}")]));
    let response = match first_line.starts_with("HEAD") {
        true => client.response_to_head(),
        false => client.response(),
    };
    assert_eq!(response.status, 421, "{first_line}: {response:?}");
    if !first_line.starts_with("HEAD") {
        for said in [host, "--host", "--trusted-proxy"] {
            assert!(response.text().contains(said), "{}", response.text());
        }
    }
    client.expect_end();
}

#[test]
fn a_foreign_name_is_refused_on_loopback_whatever_is_asked_for() {
    let mut relay = Relay::start(&[]);
    for first_line in [
        "GET / HTTP/1.1",
        "HEAD / HTTP/1.1",
        "GET /app.js HTTP/1.1",
        "GET /nothing HTTP/1.1",
        "GET /ws HTTP/1.1",
        "POST / HTTP/1.1",
        "OPTIONS / HTTP/1.1",
        "GET http://evil.example/ HTTP/1.1",
        "GET / HTTP/1.0",
    ] {
        assert_refused(Client::connect(&relay), first_line, "evil.example");
    }
    let mut client = Client::connect(&relay);
    client.send(&upgrade_of("evil.example:8080"));
    assert_eq!(client.response().status, 421);
    // The second request of a connection is no better.
    let mut client = Client::connect(&relay);
    client.send(&request("GET / HTTP/1.1", &["Host: localhost"]));
    assert_eq!(client.response().status, 200);
    assert_refused(client, "GET / HTTP/1.1", "evil.example");
    relay.assert_others_exchange();
    let log = relay.terminated().stderr;
    let told = log
        .lines()
        .find(|line| line.contains(" warn ") && line.contains("evil.example"));
    assert!(told.is_some_and(|line| line.contains("--host")), "{log}");
}

#[test]
fn names_that_no_dns_server_can_point_elsewhere() {
    let relay = Relay::start(&[]);
    for (host, status) in [
        ("localhost", 101),
        ("LOCALHOST:1", 101),
        ("localhost.", 101),
        ("app.localhost:8080", 101),
        ("127.0.0.1:8080", 101),
        ("[::1]:8080", 101),
        // By port forwarding, or an address translated on the way.
        ("192.0.2.1", 101),
        ("[2001:db8::1]", 101),
        ("evil.example", 421),
        ("localhost.evil.example", 421),
        ("evil-localhost", 421),
        ("127.0.0.1.evil.example", 421),
        ("0x7f000001", 421),
        (".localhost", 421),
    ] {
        assert_eq!(status_at(relay.address, host), status, "{host}");
    }
    // A request without a Host header does not come from a browser.
    let mut client = Client::connect(&relay);
    client.send(b"GET / HTTP/1.0\r\n\r\n");
    assert_eq!(client.response().status, 200);
}

#[test]
fn names_that_were_given() {
    for (flags, host, status) in [
        (&["--host", "chat.example"][..], "chat.example", 101),
        (&["--host", "chat.example"], "Chat.Example:443", 101),
        (&["--host", "chat.example"], "a.chat.example", 421),
        (&["--host", "chat.example"], "localhost", 101),
        (&["--host", "*.example"], "a.chat.example", 101),
        (&["--host", "*.example"], "example", 421),
        (&["--host", "a.example, b.example"], "b.example", 101),
        (
            &["--host", "b\u{fc}cher.example"],
            "xn--bcher-kva.example",
            101,
        ),
        (&["--host", "*"], "any.example", 101),
    ] {
        let relay = Relay::start(flags);
        assert_eq!(status_at(relay.address, host), status, "{flags:?} {host}");
    }
}

#[test]
fn where_others_reach_names_are_checked_once_one_is_given() {
    for (flags, status) in [(&[][..], 101), (&["--host", "chat.example"], 421)] {
        let mut command = command();
        command.args(["--listen", ":0"]).args(flags);
        let relay = Relay::start_as(command);
        assert_eq!(status_at(relay.address, "any.example"), status, "{flags:?}");
        assert_eq!(status_at(relay.address, "chat.example"), 101, "{flags:?}");
    }
}

#[test]
fn a_unix_socket_is_reached_by_no_page() {
    std::env::set_current_dir(env!("CARGO_TARGET_TMPDIR")).expect("a folder of our own");
    let path = PathBuf::from("socket-hosts");
    let _ = std::fs::remove_file(&path);
    let _relay = Relay::start(&["--listen", &format!("unix:{}", path.display())]);
    let mut client = Client::connect_unix(Path::new(&path));
    client.send(&upgrade_of("any.example"));
    client.expect_upgraded();
}

#[test]
fn a_trusted_proxy_brings_what_it_likes() {
    let trusted = |how, network| ["--client-address", how, "--trusted-proxy", network];
    let forwarded = |headers: &[&str]| {
        let headers = [&["Host: chat.example"], headers].concat();
        upgrade_but("Host", &headers)
    };
    let said = forwarded(&["X-Forwarded-For: 192.0.2.1"]);
    let header = b"PROXY TCP4 192.0.2.1 192.0.2.2 4711 80\r\n";
    for (flags, request, status) in [
        (trusted("forwarded-for", "127.0.0.1"), said.clone(), 101),
        // A page can't have its browser say that with a handshake, and so it came by no proxy.
        (trusted("forwarded-for", "127.0.0.1"), forwarded(&[]), 421),
        (trusted("forwarded-for", "10.0.0.0/8"), said.clone(), 421),
        (
            trusted("proxy-protocol", "127.0.0.1"),
            [&header[..], &forwarded(&[])].concat(),
            101,
        ),
        (trusted("proxy-protocol", "10.0.0.0/8"), said, 421),
    ] {
        let relay = Relay::start(&[&flags[..], &["--host", "other.example"]].concat());
        let mut client = Client::connect(&relay);
        client.send(&request);
        assert_eq!(client.response().status, status, "{flags:?}");
    }
}

#[test]
fn the_admin_listener_is_as_wary() {
    for (flags, host, status) in [
        (&[][..], "evil.example", 421),
        (&[], "localhost:9090", 200),
        (&[], "127.0.0.1:9090", 200),
        (&["--host", "metrics.example"], "metrics.example", 200),
        (&["--host", "metrics.example"], "evil.example", 421),
    ] {
        let mut relay = Relay::start(&[&["--admin", "127.0.0.1:0"], flags].concat());
        let admin = relay.admin_address();
        for path in [
            "/", "/topics", "/metrics", "/healthz", "/readyz", "/nothing",
        ] {
            let mut client = Client::connect_to(admin);
            let lines = [&*format!("Host: {host}"), "X-Forwarded-For: 192.0.2.1"];
            client.send(&request(&format!("GET {path} HTTP/1.1"), &lines));
            let expected = match path {
                "/nothing" if status == 200 => 404,
                _ => status,
            };
            assert_eq!(client.response().status, expected, "{host}{path}");
        }
        let log = relay.terminated().stderr;
        assert_eq!(log.contains("evil.example"), status == 421, "{log}");
    }
}

/// Entries of `--origin`, how they are put, and what is sent that they let in.
#[test]
fn every_origin_that_loads_lets_a_page_in() {
    for (text, written, sent) in [
        ("*", "*", "null"),
        ("example.com", "example.com", "https://example.com"),
        ("example.com/", "example.com", "http://example.com"),
        (
            "EXAMPLE.com:8080",
            "example.com:8080",
            "app://example.com:8080",
        ),
        (
            "HTTPS://Example.com/",
            "https://example.com",
            "https://example.com",
        ),
        (
            "https://example.com:443",
            "https://example.com",
            "https://example.com",
        ),
        (
            "http://example.com:080",
            "http://example.com",
            "http://example.com",
        ),
        (
            "http://example.com:443",
            "http://example.com:443",
            "http://example.com:443",
        ),
        (
            "https://*.example.com",
            "https://*.example.com",
            "https://a.b.example.com",
        ),
        (
            "*.example.com:*",
            "*.example.com:*",
            "http://a.example.com:81",
        ),
        (
            "http://localhost:*",
            "http://localhost:*",
            "http://localhost",
        ),
        ("localhost:*", "localhost:*", "http://localhost:3000"),
        ("https://*", "https://*", "https://any.example"),
        (
            "http://[0::1]:8080/",
            "http://[::1]:8080",
            "http://[::1]:8080",
        ),
        ("http://[::1]:*", "http://[::1]:*", "http://[::1]:3000"),
        (
            "chrome-extension://*",
            "chrome-extension://*",
            "chrome-extension://abcdefgh",
        ),
        (
            "moz-extension://0b1c",
            "moz-extension://0b1c",
            "moz-extension://0b1c",
        ),
        (
            "vscode-webview://123",
            "vscode-webview://123",
            "vscode-webview://123",
        ),
        (
            "capacitor://localhost",
            "capacitor://localhost",
            "capacitor://localhost",
        ),
        (
            "https://b\u{fc}cher.example",
            "https://xn--bcher-kva.example",
            "https://xn--bcher-kva.example",
        ),
        (
            "https://*.b\u{fc}cher.example",
            "https://*.xn--bcher-kva.example",
            "https://a.xn--bcher-kva.example",
        ),
        ("file://", "file://", "file://"),
        ("file:///", "file:///", "file:///"),
        ("http://host/path", "http://host/path", "http://host/path"),
        (
            "ws://host:81/ws?x=1",
            "ws://host:81/ws?x=1",
            "ws://host:81/ws?x=1",
        ),
    ] {
        let origin: OriginRule = text.parse().expect(text);
        assert_eq!(origin.to_string(), written);
        assert_eq!(written.parse(), Ok(origin), "{written}");
        let checked = check_origin(Some(sent), "relay.example", [written]);
        assert!(checked.is_ok(), "{written} does not let {sent} in");
    }
}
