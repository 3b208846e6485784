use super::*;
use crate::http::Status;
use std::fmt::Debug;

const PAGE: &str = "https://page.example";
const ORIGIN: &str = "Origin: https://page.example";
const UPGRADE: &[&str] = &[
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
];

/// What a request is for, with these lines besides its host.
fn route<R>(line: &str, lines: &[&str], look: impl FnOnce(Result<Answer, Response>) -> R) -> R {
    let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    let request = format!("{line} HTTP/1.1\r\nHost: relay.example\r\n{lines}\r\n");
    let head = Head::parse(request.as_bytes()).unwrap();
    let name = topic_in(head.path()).unwrap();
    look(route_topic(&head, name, &[PAGE.into()]))
}

fn publication<R: Debug>(line: &str, lines: &[&str], look: impl FnOnce(Publish) -> R) -> R {
    route(line, lines, |answer| match answer {
        Ok(Answer::Publish(publish)) => look(publish),
        other => panic!("{line}, {lines:?}: {other:?}"),
    })
}

fn refusal(line: &str, lines: &[&str]) -> Response {
    route(line, lines, |answer| match answer {
        Err(response) => response,
        other => panic!("{line}, {lines:?}: {other:?}"),
    })
}

#[test]
fn what_a_publication_says_of_itself() {
    publication("POST /ws/caf%C3%A9", &["Content-Length: 3"], |publish| {
        assert_eq!(publish.topic, "café");
        assert_eq!(publish.length, BodyLength::Bytes(3));
        assert_eq!(
            (publish.kind, publish.each_line),
            (MessageKind::Text, false)
        );
        assert_eq!((publish.key, publish.origin), (None, None));
        assert!(publish.keep_alive && !publish.expects_continue);
    });
    let lines = [
        ORIGIN,
        "Transfer-Encoding: chunked",
        "Content-Type: APPLICATION/octet-stream ;x",
        "Idempotency-Key: \"a\"",
        "Expect: 100-Continue",
        "Connection: close",
    ];
    publication("PUT /ws?x=y", &lines, |publish| {
        assert_eq!(publish.topic, "lobby");
        assert_eq!(publish.length, BodyLength::Chunked);
        assert_eq!(publish.kind, MessageKind::Binary);
        assert_eq!((publish.key, publish.origin), (Some("\"a\""), Some(PAGE)));
        assert!(!publish.keep_alive && publish.expects_continue);
    });
    publication("POST /ws?each=line", &[], |publish| {
        assert!(publish.each_line);
        assert_eq!(publish.length, BodyLength::Bytes(0));
    });
    // What is for reading has no meaning here.
    for query in ["?as=info", "?echo=0", "?since=all", "?since=nonsense"] {
        publication(&format!("POST /ws{query}"), UPGRADE, |_| ());
    }
}

#[test]
fn only_bytes_are_binary() {
    for (content_type, kind) in [
        ("application/octet-stream", MessageKind::Binary),
        (
            "\tapplication/OCTET-stream\t; charset=utf-8",
            MessageKind::Binary,
        ),
        ("application/octet-streams", MessageKind::Text),
        ("text/plain; application/octet-stream", MessageKind::Text),
        ("image/png", MessageKind::Text),
        ("", MessageKind::Text),
    ] {
        let line = format!("Content-Type: {content_type}");
        publication("POST /ws", &[&line], |publish| {
            assert_eq!(publish.kind, kind, "{line}")
        });
    }
}

#[test]
fn what_is_refused_and_how() {
    let long = format!("Idempotency-Key: {}", "k".repeat(65));
    for (line, lines, status) in [
        ("POST /ws/", &[][..], Status::BadRequest),
        ("POST /ws/%2F", &[], Status::BadRequest),
        ("POST /ws?as=tea", &[], Status::BadRequest),
        ("POST /ws?each=word", &[], Status::BadRequest),
        (
            "POST /ws?each=line",
            &["Idempotency-Key: k"],
            Status::BadRequest,
        ),
        ("POST /ws", &["Idempotency-Key:"], Status::BadRequest),
        ("POST /ws", &[&long], Status::BadRequest),
        (
            "POST /ws",
            &["Content-Length: 1", "Transfer-Encoding: chunked"],
            Status::BadRequest,
        ),
        (
            "POST /ws",
            &["Transfer-Encoding: gzip"],
            Status::NotImplemented,
        ),
        (
            "POST /ws",
            &["Content-Encoding: gzip"],
            Status::UnsupportedMediaType,
        ),
        ("POST /ws", &["Expect: more"], Status::ExpectationFailed),
        ("DELETE /ws", &[], Status::MethodNotAllowed),
        ("GET /ws", &[], Status::UpgradeRequired),
        ("HEAD /ws", &[], Status::UpgradeRequired),
        ("GET /ws", &["Content-Length: 1"], Status::BadRequest),
        (
            "GET /ws?as=info",
            &["Content-Length: 1"],
            Status::BadRequest,
        ),
        (
            "POST /ws",
            &["Origin: https://other.example"],
            Status::Forbidden,
        ),
        ("POST /ws", &["Origin: null"], Status::Forbidden),
    ] {
        let response = refusal(line, lines);
        assert_eq!(response.status, status, "{line}, {lines:?}");
        assert!(!response.keep_alive, "{line}, {lines:?}");
        // A page that is allowed to ask can read it; another one can't.
        if !lines.iter().any(|line| line.starts_with("Origin")) {
            let response = refusal(line, &[lines, &[ORIGIN]].concat());
            assert!(is_readable(&response), "{line}, {lines:?}");
        } else {
            assert!(!is_readable(&response), "{line}");
        }
    }
}

fn is_readable(response: &Response) -> bool {
    let head = String::from_utf8(response.encode_head(None)).unwrap();
    let allows = head.contains("\r\nAccess-Control-Allow-Origin: https://page.example\r\n");
    assert_eq!(allows, head.contains("\r\nVary: Origin\r\n"), "{head}");
    allows
}

#[test]
fn who_asks_and_who_joins() {
    for (line, head_only) in [("GET /ws/a?as=info", false), ("HEAD /ws/a?as=info", true)] {
        route(line, &[ORIGIN], |answer| match answer {
            Ok(Answer::Ask(ask)) => {
                assert_eq!((&*ask.topic, ask.head_only), ("a", head_only));
                assert_eq!((ask.origin, ask.keep_alive), (Some(PAGE), true));
            }
            other => panic!("{line}: {other:?}"),
        });
    }
    route("GET /ws/a", UPGRADE, |answer| {
        assert!(matches!(answer, Ok(Answer::Join(join)) if join.topic == "a" && join.echo));
    });
    // The page of the site itself.
    publication("POST /ws", &["Origin: http://relay.example"], |_| ());
}

#[test]
fn a_preflight_says_what_may_be_asked() {
    let asks = [ORIGIN, "Access-Control-Request-Method: POST"];
    let response = refusal("OPTIONS /ws/a", &asks);
    let head = String::from_utf8(response.encode_head(None)).unwrap();
    assert_eq!(response.status, Status::NoContent);
    assert!(is_readable(&response));
    for name in [
        "Allow-Methods: GET",
        "Allow-Headers: Authorization",
        "Max-Age: ",
    ] {
        assert!(head.contains(&format!("Access-Control-{name}")), "{head}");
    }
    let plain = refusal("OPTIONS /ws/a", &[]);
    let head = String::from_utf8(plain.encode_head(None)).unwrap();
    assert!(
        head.contains("\r\nAllow: GET") && !head.contains("Access-Control"),
        "{head}"
    );
}
