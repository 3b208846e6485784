//! HTTP heads: the scanner says the same whatever the cuts, and finds the end that a plain search
//! finds; the parser and the handshake take whatever it accepts without a panic.

use super::cuts;
use crate::proto::handshake::{self, Agreed, Request};
use crate::proto::http1::check_origin;
use crate::proto::{Head, HeadError, HeadScanner, ResponseHead};

const END: &[u8] = b"\r\n\r\n";

/// The first two bytes are the limit, the third chooses the cuts; the rest is what the peer sends.
pub fn head(data: &[u8]) {
    let [high, low, seed, input @ ..] = data else {
        return;
    };
    let limit = usize::from(u16::from_be_bytes([*high, *low]));
    if let Some(head) = scan(&HeadScanner::default(), input, limit, *seed) {
        request(head);
    }
    if let Some(head) = scan(&HeadScanner::response(), input, limit, *seed) {
        response(head);
    }
}

/// The head, if there is a whole one.
fn scan<'a>(scanner: &HeadScanner, input: &'a [u8], limit: usize, seed: u8) -> Option<&'a [u8]> {
    let whole = scanner.clone().scan(input, limit);
    assert_eq!(
        scan_cut(scanner.clone(), input, limit, 0..input.len()),
        whole,
        "byte by byte"
    );
    let cuts = cuts(seed, input.len());
    assert_eq!(
        scan_cut(scanner.clone(), input, limit, cuts),
        whole,
        "in reads"
    );
    let head = &input[..whole.ok()??];
    assert!(head.len() <= limit);
    // The scanner against a plain search, after the empty lines that may come first.
    let empty_bytes = head
        .iter()
        .take_while(|byte| b"\r\n".contains(byte))
        .count();
    let end = input[empty_bytes..]
        .windows(END.len())
        .position(|window| window == END)
        .expect("a head has an end");
    assert_eq!(head.len(), empty_bytes + end + END.len());
    Some(head)
}

fn scan_cut(
    mut scanner: HeadScanner,
    input: &[u8],
    limit: usize,
    cuts: impl IntoIterator<Item = usize>,
) -> Result<Option<usize>, HeadError> {
    for end in cuts {
        match scanner.scan(&input[..end], limit) {
            Ok(None) => {}
            verdict => return verdict,
        }
    }
    scanner.scan(input, limit)
}

fn request(bytes: &[u8]) {
    let Ok(head) = Head::parse(bytes) else {
        return;
    };
    assert!(head.path().starts_with('/') || head.path() == "*" || head.method == "CONNECT");
    for (name, value) in head.headers.iter() {
        assert!(!name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c == ':'));
        assert!(!value.iter().any(|&byte| byte < b' ' && byte != b'\t'));
        assert!(head.headers.values(name).any(|other| other == value));
    }
    let Ok(upgrade) = handshake::check(&head) else {
        return;
    };
    // A request that we accept could have come from our own client, which takes our answer.
    let mut answer = Vec::new();
    upgrade.write_response(None, None, &mut answer);
    assert_eq!(
        HeadScanner::response().scan(&answer, answer.len() + 1),
        Ok(Some(answer.len()))
    );
    let answer = ResponseHead::parse(&answer).expect("our own response");
    assert_eq!(
        Request::new(upgrade.host, "/", upgrade.key).verify(&answer),
        Ok(Agreed::default())
    );
    assert!(check_origin(upgrade.origin, upgrade.host, ["*"]).is_ok());
    let none: [&str; 0] = [];
    let _ = check_origin(upgrade.origin, upgrade.host, none);
}

fn response(bytes: &[u8]) {
    if let Ok(head) = ResponseHead::parse(bytes) {
        let verdict = Request::new("a", "/", "dGhlIHNhbXBsZSBub25jZQ==").verify(&head);
        assert!(head.status == 101 || verdict.is_err());
    }
}
