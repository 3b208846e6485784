use super::*;
use crate::proto::http1::{Head, HeadScanner, RequestRefusal, ResponseHead};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use proptest::prelude::*;

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// A good request, with the lines that begin with one of `without` left out and others added.
fn request(without: &[&str], with: &[&str]) -> String {
    let good = [
        "GET /ws HTTP/1.1",
        "Host: example.com",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Origin: http://example.com",
    ];
    let kept = good
        .iter()
        .filter(|line| !without.iter().any(|name| line.starts_with(name)));
    // A request line goes first.
    let (first, rest): (Vec<&str>, Vec<&str>) = kept
        .chain(with)
        .copied()
        .partition(|line| line.contains(" HTTP/1."));
    [first, rest, vec!["\r\n"]].concat().join("\r\n")
}

fn verdict(request: &str) -> Result<(), Refusal> {
    let request = &request[..request.find("\r\n\r\n").unwrap() + 4];
    check(&Head::parse(request.as_bytes()).unwrap()).map(drop)
}

#[test]
fn the_example_of_the_rfc() {
    // §1.2
    let request = "GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\n\
        Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        Origin: http://example.com\r\nSec-WebSocket-Protocol: chat, superchat\r\n\
        Sec-WebSocket-Version: 13\r\n\r\n";
    let head = Head::parse(request.as_bytes()).unwrap();
    let upgrade = check(&head).unwrap();
    assert_eq!(upgrade.key, KEY);
    assert_eq!(upgrade.host, "server.example.com");
    assert_eq!(upgrade.origin, Some("http://example.com"));
    let mut response = Vec::new();
    upgrade.write_response(Some("chat"), None, &mut response);
    assert_eq!(
        String::from_utf8(response).unwrap(),
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
         Sec-WebSocket-Protocol: chat\r\n\r\n"
    );
}

#[test]
fn good_requests_pass_in_each_of_their_forms() {
    for (without, with) in [
        (&[][..], &[][..]),
        (&["Origin"], &[]),
        (&["Connection"], &["CONNECTION: keep-alive, UPGRADE"]),
        (
            &["Connection"],
            &["Connection: keep-alive", "Connection: upgrade"],
        ),
        (&["Upgrade"], &["upgrade: h2c, WebSocket"]),
        (&["Upgrade"], &["Upgrade: h2c", "Upgrade: websocket"]),
        (&["GET"], &["GET http://example.com/ws HTTP/1.1"]),
        (&["Host"], &["Host: [::1]:8080"]),
        (&["Host"], &["Host: [::ffff:192.0.2.1]"]),
        (&["Host"], &["Host: example.com:"]),
        (&["Host"], &["Host: my_host-1.example.:65535"]),
        (&["Host"], &["Host: caf%C3%A9"]),
        (&[], &["Content-Length: 0"]),
        (&[], &["Sec-WebSocket-Extensions: permessage-deflate"]),
    ] {
        assert_eq!(verdict(&request(without, with)), Ok(()), "{with:?}");
    }
}

#[test]
fn a_host_is_a_name_or_an_address_and_a_port_a_number() {
    for host in [
        "a:b", "a:80:80", "a:-1", "a:+1", "a:65536", "[::1", "::1", "[]", "[x]", "[::1]x",
        "[::1]:x", "a]b", "a[", "]", ":", ":80", "%", "a%zz", "a%1",
    ] {
        let host = format!("Host: {host}");
        let refused = Err(RequestRefusal::Malformed("Host").into());
        assert_eq!(verdict(&request(&["Host"], &[&host])), refused, "{host}");
    }
}

#[test]
fn each_bad_request_has_its_refusal() {
    for (without, with, refusal) in [
        (
            &["Host"][..],
            &[][..],
            RequestRefusal::Missing("Host").into(),
        ),
        (
            &[],
            &["Host: example.com"],
            RequestRefusal::Repeated("Host").into(),
        ),
        (
            &["Host"],
            &["Host:"],
            RequestRefusal::Malformed("Host").into(),
        ),
        (
            &["Host"],
            &["Host: a, b"],
            RequestRefusal::Malformed("Host").into(),
        ),
        (
            &["Host"],
            &["Host: a b"],
            RequestRefusal::Malformed("Host").into(),
        ),
        (
            &["Host"],
            &["Host: http://a/"],
            RequestRefusal::Malformed("Host").into(),
        ),
        (
            &["Host"],
            &["Host: café"],
            RequestRefusal::Malformed("Host").into(),
        ),
        (
            &["GET"],
            &["GET http://me@example.com/ws HTTP/1.1"],
            RequestRefusal::Malformed("Host").into(),
        ),
        (
            &[],
            &["Transfer-Encoding: chunked"],
            RequestRefusal::Body.into(),
        ),
        (
            &[],
            &["Transfer-Encoding: identity"],
            RequestRefusal::Body.into(),
        ),
        (&[], &["Content-Length: 5"], RequestRefusal::Body.into()),
        (&[], &["Content-Length: -0"], RequestRefusal::Body.into()),
        (&[], &["Content-Length:"], RequestRefusal::Body.into()),
        (
            &[],
            &["Content-Length: 0", "Content-Length: 0"],
            RequestRefusal::Body.into(),
        ),
        (&["GET"], &["POST /ws HTTP/1.1"], Refusal::Method),
        (&["GET"], &["get /ws HTTP/1.1"], Refusal::Method),
        (&["GET"], &["GET /ws HTTP/1.0"], Refusal::HttpVersion),
        (
            &["GET", "Host"],
            &["GET /ws HTTP/1.0"],
            Refusal::HttpVersion,
        ),
        (&["Upgrade"], &[], Refusal::NoUpgrade),
        (&["Upgrade"], &["Upgrade: websockets"], Refusal::NoUpgrade),
        (&["Connection"], &[], Refusal::NoUpgrade),
        (&["Connection"], &["Connection: close"], Refusal::NoUpgrade),
        (&["Sec-WebSocket-Version"], &[], Refusal::Version),
        (
            &["Sec-WebSocket-Version"],
            &["Sec-WebSocket-Version: 8"],
            Refusal::Version,
        ),
        (
            &["Sec-WebSocket-Version"],
            &["Sec-WebSocket-Version: 013"],
            Refusal::Version,
        ),
        (
            &["Sec-WebSocket-Version"],
            &["Sec-WebSocket-Version: 13, 8"],
            Refusal::Version,
        ),
        (
            &[],
            &["Sec-WebSocket-Version: 13"],
            RequestRefusal::Repeated("Sec-WebSocket-Version").into(),
        ),
        (
            &["Sec-WebSocket-Key"],
            &[],
            RequestRefusal::Missing("Sec-WebSocket-Key").into(),
        ),
        (
            &[],
            &["Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="],
            RequestRefusal::Repeated("Sec-WebSocket-Key").into(),
        ),
        (
            &[],
            &["Origin: http://b"],
            RequestRefusal::Repeated("Origin").into(),
        ),
    ] {
        assert_eq!(verdict(&request(without, with)), Err(refusal), "{with:?}");
    }
}

#[test]
fn a_key_is_base64_of_sixteen_bytes() {
    let with_key = |key: &str| {
        verdict(&request(
            &["Sec-WebSocket-Key"],
            &[&format!("Sec-WebSocket-Key: {key}")],
        ))
    };
    for key in [KEY, "AAAAAAAAAAAAAAAAAAAAAA==", "+/+/+/+/+/+/+/+/+/+/+/=="] {
        assert_eq!(with_key(key), Ok(()), "{key}");
    }
    for key in [
        "",
        "dGhlIHNhbXBsZSBub25jZQ",
        "dGhlIHNhbXBsZSBub25jZQ=",
        "dGhlIHNhbXBsZSBub25jZQ===",
        "dGhlIHNhbXBsZSBub25jZQAA",
        "SGVsbG8sIHdvcmxkIQ==",
        "dGhlIHNhbXBsZSBub25j-_==",
        "dGhlIHNhbXBsZSB ub25jZ==",
        "AAAAAAAAAAAAAAAAAAAAA===",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    ] {
        assert_eq!(with_key(key), Err(Refusal::Key), "{key}");
    }
}

#[test]
fn refusals_come_in_order() {
    // Each of these requests breaks several rules; the more general one is named.
    let all_wrong = ["POST /ws HTTP/1.1", "Content-Length: 5"];
    assert_eq!(
        verdict(&request(&["GET", "Host", "Upgrade", "Sec-"], &all_wrong)),
        Err(RequestRefusal::Missing("Host").into())
    );
    assert_eq!(
        verdict(&request(&["GET", "Upgrade", "Sec-"], &all_wrong)),
        Err(RequestRefusal::Body.into())
    );
    assert_eq!(
        verdict(&request(&["GET", "Upgrade", "Sec-"], &all_wrong[..1])),
        Err(Refusal::Method)
    );
    assert_eq!(
        verdict(&request(&["Upgrade", "Sec-"], &[])),
        Err(Refusal::NoUpgrade)
    );
    assert_eq!(verdict(&request(&["Sec-"], &[])), Err(Refusal::Version));
}

#[test]
fn refusals_say_what_would_have_been_right() {
    assert_eq!(Refusal::Method.headers(), [("Allow", "GET")]);
    let upgrade = [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Version", "13"),
    ];
    for refusal in [Refusal::NoUpgrade, Refusal::HttpVersion, Refusal::Version] {
        assert_eq!(refusal.headers(), upgrade);
    }
    let no_host = Refusal::from(RequestRefusal::Missing("Host"));
    assert!(no_host.headers().is_empty());
    assert_eq!(no_host.to_string(), "The request has no Host header.");
}

#[test]
fn a_client_asks_and_verifies() {
    let key = fresh_key();
    let request = Request {
        subprotocols: &["chat", "superchat"],
        deflate: true,
        headers: &[("Origin", "http://example.com")],
        ..Request::new("example.com", "/ws?echo=0", &key)
    };
    let mut bytes = Vec::new();
    request.write(&mut bytes).unwrap();
    assert_eq!(
        HeadScanner::default().scan(&bytes, 4096),
        Ok(Some(bytes.len()))
    );
    let head = Head::parse(&bytes).unwrap();
    let upgrade = check(&head).unwrap();
    assert_eq!((head.path(), head.query()), ("/ws", Some("echo=0")));
    assert_eq!(upgrade.origin, Some("http://example.com"));
    let offered: Vec<_> = head.headers.tokens("Sec-WebSocket-Protocol").collect();
    assert_eq!(offered, request.subprotocols);
    let mut response = Vec::new();
    upgrade.write_response(Some("superchat"), upgrade.deflate.as_ref(), &mut response);
    let response = ResponseHead::parse(&response).unwrap();
    let agreed = request.verify(&response).unwrap();
    assert_eq!(agreed.subprotocol, Some("superchat"));
    assert_eq!(agreed.deflate, upgrade.deflate);
    assert!(agreed.deflate.is_some());
}

#[test]
fn a_client_that_offers_no_subprotocol_says_nothing_of_it() {
    let mut bytes = Vec::new();
    Request::new("a", "/", KEY).write(&mut bytes).unwrap();
    let head = Head::parse(&bytes).unwrap();
    assert_eq!(head.headers.only("Sec-WebSocket-Protocol"), Ok(None));
}

#[test]
fn errors_are_told_in_sentences() {
    assert!(ResponseError::Status(302).to_string().contains("302"));
    assert!(
        ResponseError::WrongAcceptKey
            .to_string()
            .contains("Sec-WebSocket-Accept")
    );
    assert!(RequestError.to_string().contains("control characters"));
}

#[test]
fn each_bad_response_has_its_error() {
    let request = Request {
        subprotocols: &["chat"],
        ..Request::new("example.com", "/", KEY)
    };
    let accept = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
    let good = [
        "HTTP/1.1 101 Fine",
        "Upgrade: WebSocket",
        "Connection: upgrade",
        accept,
    ];
    let verify = |without: usize, with: &[&str]| {
        let mut lines = good.to_vec();
        if without == 0 {
            lines[0] = "HTTP/1.1 302 Found";
        } else if without < lines.len() {
            lines.remove(without);
        }
        lines.extend(with);
        let bytes = format!("{}\r\n\r\n", lines.join("\r\n"));
        request
            .verify(&ResponseHead::parse(bytes.as_bytes()).unwrap())
            .map(|agreed| agreed.subprotocol.map(str::to_owned))
    };
    let all = good.len();
    assert_eq!(verify(all, &[]), Ok(None));
    assert_eq!(
        verify(all, &["Sec-WebSocket-Protocol: chat"]),
        Ok(Some("chat".into()))
    );
    assert_eq!(verify(0, &[]), Err(ResponseError::Status(302)));
    assert_eq!(verify(1, &[]), Err(ResponseError::NoUpgrade));
    assert_eq!(verify(2, &[]), Err(ResponseError::NoUpgrade));
    assert_eq!(verify(3, &[]), Err(ResponseError::NoAcceptKey));
    assert_eq!(verify(all, &[accept]), Err(ResponseError::NoAcceptKey));
    assert_eq!(
        verify(3, &["Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA="]),
        Err(ResponseError::WrongAcceptKey)
    );
    assert_eq!(
        verify(all, &["Sec-WebSocket-Extensions: permessage-deflate"]),
        Err(ResponseError::Extension)
    );
    for chosen in ["other", "Chat", "chat, chat"] {
        assert_eq!(
            verify(all, &[&format!("Sec-WebSocket-Protocol: {chosen}")]),
            Err(ResponseError::Subprotocol)
        );
    }
}

#[test]
fn a_request_can_not_be_made_to_hold_another_one() {
    let good = Request::new("a", "/", KEY);
    for request in [
        Request {
            host: "a\r\nX: y",
            ..good
        },
        Request {
            target: "/ HTTP/1.1\r\nX: y",
            ..good
        },
        Request {
            target: "/a b",
            ..good
        },
        Request { target: "", ..good },
        Request { key: "\n", ..good },
        Request {
            subprotocols: &["\r"],
            ..good
        },
        Request {
            headers: &[("A", "b\nc: d")],
            ..good
        },
        Request {
            headers: &[("A\r\nB", "c")],
            ..good
        },
    ] {
        let mut out = Vec::new();
        assert_eq!(request.write(&mut out), Err(RequestError));
        assert!(out.is_empty());
    }
}

proptest! {
    #[test]
    fn keys_are_checked_like_base64(key in "[A-Za-z0-9+/]{21}[AQgw]={1,3}") {
        let decoded = BASE64.decode(&key).is_ok_and(|bytes| bytes.len() == 16);
        let verdict = verdict(&request(&["Sec-WebSocket-Key"], &[&format!("Sec-WebSocket-Key: {key}")]));
        prop_assert_eq!(verdict.is_ok(), decoded);
    }
}
