//! Negotiation: what is agreed on was offered, and the answer is one that a client takes.

use crate::proto::deflate::Window;
use crate::proto::handshake;
use crate::proto::{Head, HeadScanner};

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// All of it is the value of a client's `Sec-WebSocket-Extensions`, in lines.
pub fn extension(data: &[u8]) {
    let mut request = b"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n\
        Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "
        .to_vec();
    request.extend_from_slice(KEY.as_bytes());
    for line in data.split(|&byte| byte == b'\n') {
        request.extend_from_slice(b"\r\nSec-WebSocket-Extensions: ");
        request.extend_from_slice(line);
    }
    request.extend_from_slice(b"\r\n\r\n");
    // Bytes that can't stand in a header at all are for another target.
    if HeadScanner::default().scan(&request, request.len()) != Ok(Some(request.len())) {
        return;
    }
    let Ok(head) = Head::parse(&request) else {
        return;
    };
    let upgrade = handshake::check(&head).expect("extensions never end a connection");
    let Some(deflate) = upgrade.deflate else {
        return;
    };
    let holds = |words: &str| {
        data.windows(words.len())
            .any(|part| part == words.as_bytes())
    };
    assert!(holds("permessage-deflate"), "it was not offered");
    let answer = deflate.to_string();
    let mut parameters = answer.split("; ");
    assert_eq!(parameters.next(), Some("permessage-deflate"));
    assert_eq!(parameters.next(), Some("server_no_context_takeover"));
    assert_eq!(parameters.next(), Some("client_no_context_takeover"));
    for parameter in parameters {
        match parameter.split_once('=') {
            Some(("server_max_window_bits", bits)) => {
                assert!(holds("server_max_window_bits"), "it was not asked for");
                assert_eq!(bits, deflate.server_window().bits().to_string());
            }
            Some(("client_max_window_bits", bits)) => {
                assert!(holds("client_max_window_bits"), "it was not offered");
                assert!((8..=15).contains(&bits.parse::<u8>().expect("a number")));
            }
            _ => panic!("{parameter} is none that may be answered"),
        }
    }
    if !answer.contains("server_max_window_bits") {
        assert_eq!(deflate.server_window(), Window::Bits15);
    }
}
