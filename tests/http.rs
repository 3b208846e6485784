//! HTTP over real sockets: the page and what belongs to it, and connections that serve one request
//! after the other.

mod common;

use common::*;
use fanfare::sys::clock::time_of_day;
use std::fs;
use std::path::Path;
use std::time::Duration;

const HOST: &str = "Host: localhost";

fn get(path: &str) -> Vec<u8> {
    request(&format!("GET {path} HTTP/1.1"), &[HOST])
}

/// Every file of the page, by the path that it is served at.
fn assets() -> Vec<(String, Vec<u8>)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/web");
    let files = fs::read_dir(directory).expect("the page's files");
    let mut assets: Vec<_> = files
        .map(|file| {
            let path = file.expect("a file").path();
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .expect("a plain name");
            let name = if name == "index.html" { "" } else { name };
            (format!("/{name}"), fs::read(&path).expect("it is readable"))
        })
        .collect();
    assets.sort();
    assets
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.') {
        Some((_, "js")) => "text/javascript; charset=utf-8",
        Some((_, "css")) => "text/css; charset=utf-8",
        Some((_, "svg")) => "image/svg+xml",
        None => "text/html; charset=utf-8",
        _ => panic!("{path} has no content type"),
    }
}

#[test]
fn the_page_and_everything_that_belongs_to_it() {
    let mut relay = Relay::start(&[]);
    let assets = assets();
    assert!(assets.len() > 5, "{assets:?}");
    // One connection is enough for all of it.
    let mut client = Client::connect(&relay);
    for (path, body) in &assets {
        client.send(&get(path));
        let response = client.response();
        assert_eq!(response.status, 200, "{path}");
        assert!(response.body == *body, "{path} has another body");
        assert_eq!(
            response.header("Content-Type"),
            Some(content_type(path)),
            "{path}"
        );
        assert_eq!(response.header("Connection"), Some("keep-alive"), "{path}");
        assert_eq!(
            response.header("X-Content-Type-Options"),
            Some("nosniff"),
            "{path}"
        );
        let policy = response
            .header("Content-Security-Policy")
            .expect("a policy");
        for rule in [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "frame-ancestors 'none'",
        ] {
            assert!(policy.contains(rule), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        let tag = response.header("ETag").expect("a tag");
        let held = format!("If-None-Match: {tag}");
        client.send(&request(&format!("GET {path} HTTP/1.1"), &[HOST, &held]));
        assert_eq!(client.response().status, 304, "{path}");
    }
    relay.assert_others_exchange();
}

/// A server that has a clock dates its answers (RFC 9110 §6.6.1).
#[test]
fn every_answer_is_dated() {
    let relay = Relay::start(&[]);
    for head in [
        "GET / HTTP/1.1",
        "HEAD / HTTP/1.1",
        "GET /nowhere HTTP/1.1",
        "POST / HTTP/1.1",
        "GET /ws HTTP/1.1",
        "GET / HTTP/9",
    ] {
        let before = time_of_day() - Duration::from_secs(1);
        let mut client = Client::connect(&relay);
        client.send(&request(head, &[HOST]));
        let response = client.response_to_head();
        let date = response.header("Date").map(httpdate::parse_http_date);
        let Some(Ok(date)) = date else {
            panic!("{head}: {date:?}");
        };
        assert!((before..=time_of_day()).contains(&date), "{head}");
    }
}

#[test]
fn the_page_names_nothing_that_is_not_served() {
    let relay = Relay::start(&[]);
    let assets = assets();
    let mut client = Client::connect(&relay);
    client.send(&get("/"));
    let page = client.response().text();
    let named: Vec<&str> = ["src=\"", "href=\""]
        .iter()
        .flat_map(|attribute| page.split(attribute).skip(1))
        .filter_map(|rest| rest.split('"').next())
        .filter(|name| !name.starts_with('#') && !name.starts_with("data:"))
        .collect();
    assert!(named.len() > 2, "{named:?}");
    for name in named {
        // Relative, so that it works beneath a proxy's prefix.
        let path = format!("/{}", name.trim_start_matches("./"));
        assert!(
            assets.iter().any(|(asset, _)| *asset == path),
            "{name} is not served"
        );
    }
}

#[test]
fn a_query_changes_nothing() {
    let relay = Relay::start(&[]);
    let mut client = Client::connect(&relay);
    for path in [
        "/?room=x",
        "/?",
        "/app.js?v=1",
        "http://localhost/",
        "http://localhost",
        "http://localhost?x",
    ] {
        client.send(&get(path));
        assert_eq!(client.response().status, 200, "{path}");
    }
}

#[test]
fn a_head_is_what_it_would_be_without_a_body() {
    let relay = Relay::start(&[]);
    let mut client = Client::connect(&relay);
    for (path, _) in assets() {
        client.send(&get(&path));
        let with_body = client.response();
        client.send(&request(&format!("HEAD {path} HTTP/1.1"), &[HOST]));
        assert_eq!(client.response_to_head().head, with_body.head, "{path}");
    }
    client.send(&request("HEAD /nowhere HTTP/1.1", &[HOST]));
    assert_eq!(client.response_to_head().status, 404);
    client.expect_end();
}

#[test]
fn requests_one_after_the_other_and_all_at_once() {
    let mut relay = Relay::start(&[]);
    let mut client = Client::connect(&relay);
    for _ in 0..20 {
        client.send(&get("/app.js"));
        assert_eq!(client.response().status, 200);
    }
    // In one segment, and cut in the middle of one.
    let many = [
        get("/"),
        get("/style.css"),
        request("HEAD / HTTP/1.1", &[HOST]),
    ]
    .concat()
    .repeat(100);
    let (page, style) = (
        assets().remove(0).1,
        fs::read("src/web/style.css").expect("it is there"),
    );
    client.send(&many[..many.len() / 2 + 7]);
    client.send(&many[many.len() / 2 + 7..]);
    for _ in 0..100 {
        assert!(client.response().body == page);
        assert!(client.response().body == style);
        assert_eq!(client.response_to_head().status, 200);
    }
    // The last one says that it is the last; what follows is ignored.
    let last = request("GET / HTTP/1.1", &[HOST, "Connection: close"]);
    client.send(&[get("/"), last, get("/"), get("/")].concat());
    assert_eq!(client.response().header("Connection"), Some("keep-alive"));
    assert_eq!(client.response().header("Connection"), Some("close"));
    client.expect_end();
    relay.assert_others_exchange();
}

#[test]
fn an_upgrade_may_follow_a_page() {
    let relay = Relay::start(&[]);
    let mut client = Client::connect(&relay);
    client.send(&[get("/"), upgrade("/ws"), text("after the page")].concat());
    assert_eq!(client.response().status, 200);
    client.expect_upgraded();
    client.expect_text("after the page");
}

#[test]
fn requests_may_be_cut_at_any_byte() {
    let relay = Relay::start(&[]);
    let mut client = Client::connect(&relay);
    client.send_bytewise(&get("/").repeat(3));
    for _ in 0..3 {
        assert_eq!(client.response().status, 200);
    }
}

#[test]
fn http_1_0() {
    let relay = Relay::start(&[]);
    for headers in [
        &[][..],
        &[HOST],
        &[HOST, "Connection: close"],
        &[HOST, "Connection: keep-alive, close"],
    ] {
        let mut client = Client::connect(&relay);
        client.send(&request("GET / HTTP/1.0", headers));
        let response = client.response();
        assert_eq!(
            (response.status, response.header("Connection")),
            (200, Some("close"))
        );
        client.expect_end();
    }
    let mut client = Client::connect(&relay);
    for _ in 0..3 {
        client.send(&request("GET / HTTP/1.0", &["Connection: Keep-Alive"]));
        let response = client.response();
        assert_eq!(
            (response.status, response.header("Connection")),
            (200, Some("keep-alive"))
        );
    }
}

/// The answer to HEAD has no body, though the rest of the head was no good (RFC 9110 §9.3.2).
#[test]
fn a_malformed_head_request_is_answered_without_a_body() {
    let relay = Relay::start(&["--head-bytes-max", "1KiB"]);
    let long = format!("X: {}", "x".repeat(1024));
    for (header, status) in [("a b: c", 400), (&*long, 431)] {
        let mut client = Client::connect(&relay);
        client.send(&request("HEAD / HTTP/1.1", &[HOST, header]));
        assert_eq!(client.response_to_head().status, status);
        client.expect_end();
    }
}

#[test]
fn what_is_not_there() {
    let mut relay = Relay::start(&[]);
    for path in [
        "/nowhere",
        "/app.js/",
        "//",
        "/../Cargo.toml",
        "/%2e%2e/Cargo.toml",
        "/.%00",
        "/app%252Ejs",
        "/x%2F..%2Fapp.js",
        "/etc/passwd",
        "/favicon.ico",
        "/healthz",
        "/metrics",
    ] {
        let mut client = Client::connect(&relay);
        client.send(&get(path));
        let response = client.response();
        assert_eq!(response.status, 404, "{path}");
        assert!(response.text().contains("/ws/TOPIC"), "{}", response.text());
        assert_eq!(
            response.header("Content-Type"),
            Some("text/plain; charset=utf-8")
        );
        client.expect_end();
        relay.assert_others_exchange();
    }
}

#[test]
fn pages_are_read_and_not_written() {
    let mut relay = Relay::start(&[]);
    for method in ["POST", "PUT", "DELETE", "TRACE", "PATCH", "get"] {
        let mut client = Client::connect(&relay);
        client.send(&request(
            &format!("{method} /app.js HTTP/1.1"),
            &[HOST, "Content-Length: 4"],
        ));
        let response = client.response();
        assert_eq!(response.status, 405, "{method}");
        let allow = response.header("Allow");
        assert_eq!(allow, Some("GET, HEAD, OPTIONS"), "{method}");
        client.expect_end();
        relay.assert_others_exchange();
    }
}

/// As proxies check a server's health: HAProxy with the first of them.
#[test]
fn options_say_what_can_be_done() {
    let mut relay = Relay::start(&["--public", "tests/common", "--admin", "127.0.0.1:0"]);
    let mut client = Client::connect(&relay);
    client.send(b"OPTIONS / HTTP/1.0\r\n\r\n");
    let response = client.response();
    assert_eq!(response.status, 204);
    assert_eq!(response.header("Content-Length"), None);
    assert_eq!(response.header("Connection"), Some("close"));
    client.expect_end();
    let mut client = Client::connect(&relay);
    for (path, allow) in [
        ("*", "GET, HEAD, OPTIONS"),
        ("/", "GET, HEAD, OPTIONS"),
        ("/mod.rs?a=b", "GET, HEAD, OPTIONS"),
        ("/ws", "GET, HEAD, POST, PUT, OPTIONS"),
        ("/ws/topic", "GET, HEAD, POST, PUT, OPTIONS"),
    ] {
        client.send(&request(&format!("OPTIONS {path} HTTP/1.1"), &[HOST]));
        let response = client.response();
        assert_eq!(response.status, 204, "{path}");
        assert_eq!(response.header("Allow"), Some(allow), "{path}");
    }
    for (path, header, status) in [
        ("/nowhere", "A: b", 404),
        // A body is not read: what is in it must not be taken for a request.
        ("/mod.rs", "Content-Length: 4", 400),
        ("/ws", "Transfer-Encoding: chunked", 400),
    ] {
        let mut client = Client::connect(&relay);
        let line = format!("OPTIONS {path} HTTP/1.1");
        client.send(&request(&line, &[HOST, header]));
        assert_eq!(client.response().status, status, "{path}");
        client.expect_end();
    }
    relay.assert_others_exchange();
}

/// A slash too many is the usual slip when an address is put together.
#[test]
fn a_path_that_is_almost_a_websockets_is_told_the_right_one() {
    let relay = Relay::start(&[]);
    for (path, status, meant) in [
        ("/ws/", 400, "/ws"),
        ("/ws/chat/", 400, "/ws/chat"),
        ("/ws//chat", 400, "/ws/chat"),
        ("/ws/caf%C3%A9//", 400, "/ws/caf%C3%A9"),
        ("//ws", 404, "/ws"),
        ("//ws/chat", 404, "/ws/chat"),
        ("/WS/Chat", 404, "/ws/Chat"),
        ("//ws//", 404, "/ws"),
    ] {
        let mut client = Client::connect(&relay);
        client.send(&upgrade(path));
        let response = client.response();
        assert_eq!(response.status, status, "{path}");
        let hint = format!("Did you mean {meant}?\n");
        assert!(response.text().ends_with(&hint), "{}", response.text());
    }
    for path in ["/ws/a/b", "/wss", "//", "/ws/%2F", "/ws/a/%FF", "/x/ws"] {
        let mut client = Client::connect(&relay);
        client.send(&upgrade(path));
        let said = client.response().text();
        assert!(!said.contains("Did you mean"), "{path}: {said}");
    }
}

/// `'self'` does not cover WebSockets in Safari before 15.4: the page's own host is named as well. What
/// is no plain host is not, so that no client can write into the policy.
#[test]
fn the_policy_lets_the_page_connect_to_its_host() {
    // Behind a proxy, it may have any name.
    let relay = Relay::start(&[
        "--client-address",
        "forwarded-for",
        "--trusted-proxy",
        "127.0.0.1",
    ]);
    let via = "X-Forwarded-For: 192.0.2.1";
    let mut client = Client::connect(&relay);
    for (line, host, named) in [
        ("GET /", "chat.example", Some("chat.example")),
        ("GET /", "Chat.example:8443", Some("Chat.example:8443")),
        ("GET /", "127.0.0.1:80", Some("127.0.0.1:80")),
        ("GET /", "chat.example:", Some("chat.example")),
        (
            "GET http://other.example/",
            "chat.example",
            Some("other.example"),
        ),
        ("GET /", "[::1]:8080", None),
        ("GET /", "*", None),
        ("GET /", "a;script-src", None),
        ("GET /", "a'b", None),
        ("GET /", "a%3Bb", None),
    ] {
        let host_line = format!("Host: {host}");
        client.send(&request(&format!("{line} HTTP/1.1"), &[&host_line, via]));
        let response = client.response();
        let policy = response.header("Content-Security-Policy");
        let sources = policy
            .and_then(|policy| policy.split("; ").find(|it| it.starts_with("connect-src ")))
            .expect("it says where to connect");
        let expected = match named {
            Some(host) => format!("connect-src 'self' ws://{host} wss://{host}"),
            None => "connect-src 'self'".into(),
        };
        assert_eq!(sources, expected, "{host}");
        // A cache keeps it with the page, for the same host.
        let tag = response.header("ETag").expect("a tag");
        let held = format!("If-None-Match: {tag}");
        client.send(&request(
            &format!("{line} HTTP/1.1"),
            &[&host_line, &held, via],
        ));
        let again = client.response();
        assert_eq!(
            (again.status, again.header("Content-Security-Policy")),
            (304, policy)
        );
    }
    client.send(b"GET / HTTP/1.0\r\n\r\n");
    let response = client.response();
    let policy = response.header("Content-Security-Policy");
    assert!(policy.is_some_and(|policy| policy.contains("connect-src 'self';")));
}

#[test]
fn a_refusal_survives_the_body_that_follows_it() {
    let relay = Relay::start(&[]);
    let mut client = Client::connect(&relay);
    let body = vec![b'x'; 60_000];
    client.send(&request(
        "POST / HTTP/1.1",
        &[HOST, "Content-Length: 60000"],
    ));
    client.send(&body);
    assert_eq!(client.response().status, 405);
    client.expect_end();
}
