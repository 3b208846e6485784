//! What pages of other origins may do, and that they may read the answer.

use super::*;

const PAGE: &str = "https://page.example";
const ORIGIN: &str = "Origin: https://page.example";

fn assert_allowed(response: &Response) {
    let head = &response.head;
    assert_eq!(
        response.header("Access-Control-Allow-Origin"),
        Some(PAGE),
        "{head}"
    );
    assert_eq!(response.header("Vary"), Some("Origin"), "{head}");
    assert_eq!(
        response.header("Access-Control-Expose-Headers"),
        Some("Retry-After"),
        "{head}"
    );
    assert_eq!(
        response.header("Access-Control-Allow-Credentials"),
        None,
        "{head}"
    );
}

fn assert_not_allowed(response: &Response) {
    assert!(
        !response.head.contains("Access-Control"),
        "{}",
        response.head
    );
}

#[test]
fn a_page_that_is_allowed_reads_every_answer() {
    let relay = Relay::start(&["--origin", PAGE, "--message-bytes-max", "10"]);
    let _reader = Client::join(&relay, "/ws");
    let ask = |line: &str| request(&format!("{line} HTTP/1.1"), &[HOST, ORIGIN]);
    let with =
        |path, lines: &[&str], body: &[u8]| post_with(path, &[&[ORIGIN], lines].concat(), body);
    for (request, status) in [
        (with("/ws", &[], b"x"), 200),
        (chunked_with("/ws", &[ORIGIN], &[b"x"]), 200),
        (with("/ws?each=line", &[], b"x"), 200),
        (with("/ws", &[], b"\xFF"), 415),
        (with("/ws", &[], b"12345678901"), 413),
        (chunked_with("/ws", &[ORIGIN], &[b"12345678901"]), 413),
        (with("/ws?each=line", &[], b"12345678901"), 413),
        (with("/ws", &["Content-Encoding: gzip"], b"x"), 415),
        (with("/ws", &["Idempotency-Key: a"], b"x"), 400),
        (with("/ws", &["Expect: much"], b""), 417),
        (with("/ws/a%2Fb", &[], b"x"), 400),
        (with("/ws?each=word", &[], b"x"), 400),
        (ask("GET /ws?as=info"), 200),
        (ask("GET /ws/nobody?as=info"), 404),
        (ask("GET /ws?as=tea"), 400),
        (ask("GET /ws"), 426),
        (ask("OPTIONS /ws"), 204),
        ([ask("POST /ws"), vec![]].concat(), 200),
    ] {
        let mut client = Client::connect(&relay);
        client.send(&request);
        let response = client.response();
        let shown = String::from_utf8_lossy(&request);
        assert_eq!(response.status, status, "{shown}: {}", response.text());
        assert_allowed(&response);
    }
    let mut client = Client::connect(&relay);
    client.send(&ask("HEAD /ws?as=info"));
    assert_allowed(&client.response_to_head());
}

#[test]
fn other_pages_are_refused() {
    let relay = Relay::start(&["--origin", PAGE]);
    let mut reader = Client::join(&relay, "/ws");
    for origin in [
        "Origin: https://evil.example",
        "Origin: null",
        "Origin: http://page.example",
    ] {
        for request in [
            post_with("/ws", &[origin], b"evil"),
            post_with("/ws", &[origin, "Content-Type: text/plain"], b"evil"),
            chunked_with("/ws?each=line", &[origin], &[b"evil"]),
            request("GET /ws?as=info HTTP/1.1", &[HOST, origin]),
            request(
                "OPTIONS /ws HTTP/1.1",
                &[HOST, origin, "Access-Control-Request-Method: PUT"],
            ),
        ] {
            let mut client = Client::connect(&relay);
            client.send(&request);
            let response = client.response();
            assert_eq!(response.status, 403, "{origin}");
            assert_not_allowed(&response);
            client.expect_end();
        }
    }
    // Its own page, and what is no page.
    let mut client = Client::connect(&relay);
    for lines in [&["Origin: http://localhost"][..], &[]] {
        client.send(&post_with("/ws", lines, b"fine"));
        assert_eq!(client.response().status, 200);
        reader.expect_text("fine");
    }
}

#[test]
fn a_preflight() {
    let relay = Relay::start(&["--origin", PAGE]);
    let mut client = Client::connect(&relay);
    let asked = [
        HOST,
        ORIGIN,
        "Access-Control-Request-Method: PUT",
        "Access-Control-Request-Headers: content-type,idempotency-key",
    ];
    for _ in 0..2 {
        client.send(&request("OPTIONS /ws/news HTTP/1.1", &asked));
        let response = client.response_to_head();
        assert_eq!(response.status, 204);
        assert_allowed(&response);
        let methods = response.header("Access-Control-Allow-Methods");
        assert_eq!(methods, Some("GET, HEAD, POST, PUT, OPTIONS"));
        let headers = response
            .header("Access-Control-Allow-Headers")
            .expect("some");
        for name in ["Content-Type", "Idempotency-Key", "Authorization"] {
            assert!(headers.contains(name), "{headers}");
        }
        assert!(response.header("Access-Control-Max-Age").is_some());
    }
}
