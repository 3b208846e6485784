use super::*;
use crate::proto::Head;
use proptest::prelude::*;

/// The answer to a request with these lines.
fn answer(lines: &[&str]) -> Option<String> {
    let request = lines
        .iter()
        .fold("GET / HTTP/1.1\r\n".to_owned(), |request, line| {
            format!("{request}{HEADER}: {line}\r\n")
        });
    let request = format!("{request}\r\n");
    let head = Head::parse(request.as_bytes()).unwrap();
    Deflate::accept(&head.headers).map(|deflate| deflate.to_string())
}

/// What stands in an answer behind that which stands in all of them.
fn extra(offer: &str) -> Option<String> {
    answer(&[offer]).map(|answer| answer.strip_prefix(OFFER).unwrap().to_owned())
}

#[test]
fn offers_that_are_accepted() {
    for (offer, expected) in [
        ("permessage-deflate", ""),
        (" permessage-deflate\t", ""),
        ("permessage-deflate; server_no_context_takeover", ""),
        ("permessage-deflate; client_no_context_takeover", ""),
        // Chromium and Firefox, then Safari.
        (
            "permessage-deflate; client_max_window_bits",
            "; client_max_window_bits=15",
        ),
        (
            "permessage-deflate;client_max_window_bits=15",
            "; client_max_window_bits=15",
        ),
        (
            "permessage-deflate; client_max_window_bits=8",
            "; client_max_window_bits=8",
        ),
        (
            "permessage-deflate; server_max_window_bits=15",
            "; server_max_window_bits=15",
        ),
        (
            "permessage-deflate; server_max_window_bits=14",
            "; server_max_window_bits=9",
        ),
        (
            "permessage-deflate; server_max_window_bits=10",
            "; server_max_window_bits=9",
        ),
        (
            "permessage-deflate; server_max_window_bits=9",
            "; server_max_window_bits=9",
        ),
        (
            "permessage-deflate; client_max_window_bits=10; server_no_context_takeover; \
             server_max_window_bits=12; client_no_context_takeover",
            "; server_max_window_bits=9; client_max_window_bits=10",
        ),
        (
            "permessage-deflate ; server_max_window_bits = \"12\"",
            "; server_max_window_bits=9",
        ),
        (
            "permessage-deflate; server_max_window_bits=\"1\\2\"",
            "; server_max_window_bits=9",
        ),
        (",, permessage-deflate ,", ""),
    ] {
        assert_eq!(extra(offer).as_deref(), Some(expected), "{offer}");
    }
}

#[test]
fn offers_that_are_declined() {
    for offer in [
        "",
        ",",
        "permessage-deflat",
        "Permessage-Deflate",
        "x-webkit-deflate-frame",
        "permessage-bzip2",
        "permessage-deflate;",
        "permessage-deflate;;client_max_window_bits",
        "permessage-deflate client_max_window_bits",
        "permessage-deflate=1",
        "permessage-deflate; unknown",
        "permessage-deflate; unknown=1",
        "permessage-deflate; server_no_context_takeover=1",
        "permessage-deflate; client_no_context_takeover=true",
        "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
        "permessage-deflate; client_no_context_takeover; client_no_context_takeover",
        "permessage-deflate; client_max_window_bits; client_max_window_bits=15",
        "permessage-deflate; server_max_window_bits=15; server_max_window_bits=15",
        "permessage-deflate; server_max_window_bits",
        "permessage-deflate; server_max_window_bits=",
        "permessage-deflate; server_max_window_bits=8",
        "permessage-deflate; server_max_window_bits=7",
        "permessage-deflate; server_max_window_bits=16",
        "permessage-deflate; server_max_window_bits=09",
        "permessage-deflate; server_max_window_bits=+9",
        "permessage-deflate; server_max_window_bits=-9",
        "permessage-deflate; server_max_window_bits=9.0",
        "permessage-deflate; server_max_window_bits=271",
        "permessage-deflate; client_max_window_bits=",
        "permessage-deflate; client_max_window_bits=7",
        "permessage-deflate; client_max_window_bits=16",
        "permessage-deflate; client_max_window_bits=015",
        "permessage-deflate; client_max_window_bits=\"\"",
        "permessage-deflate; client_max_window_bits=\"15",
        "permessage-deflate; client_max_window_bits=\"15\"x",
        "permessage-deflate; client_max_window_bits=\"15\\\"",
        "permessage-deflate; client_max_window_bits=\" 15\"",
        "permessage-deflate; =15",
        "permessage-deflate; client max=15",
    ] {
        assert_eq!(extra(offer), None, "{offer}");
    }
}

#[test]
fn the_first_offer_that_can_be_accepted_is() {
    for (lines, expected) in [
        (
            &["permessage-deflate; server_max_window_bits=8, permessage-deflate"][..],
            "",
        ),
        (
            &["permessage-deflate; server_max_window_bits=10, permessage-deflate"],
            "; server_max_window_bits=9",
        ),
        (
            &["foo; bar=\"a, permessage-deflate\", permessage-deflate; client_max_window_bits=9"],
            "; client_max_window_bits=9",
        ),
        (
            &[
                "foo; bar=\"\\\", permessage-deflate\", permessage-deflate; client_max_window_bits=9",
            ],
            "; client_max_window_bits=9",
        ),
        (&["foo; \"", "permessage-deflate"], ""),
        (&["permessage-deflate; x", "y", "permessage-deflate, z"], ""),
        (&["caf\u{e9}, a", "permessage-deflate"], ""),
    ] {
        let expected = format!("{OFFER}{expected}");
        assert_eq!(answer(lines), Some(expected), "{lines:?}");
    }
    assert_eq!(answer(&["foo; \", permessage-deflate"]), None);
    assert_eq!(answer(&[]), None);
}

#[test]
fn a_header_that_is_not_utf_8_offers_nothing() {
    let request = b"GET / HTTP/1.1\r\nSec-WebSocket-Extensions: permessage-deflate, \xff\r\n\r\n";
    let head = Head::parse(request).unwrap();
    assert_eq!(Deflate::accept(&head.headers), None);
}

#[test]
fn answers_that_a_client_takes() {
    let verify = |answer: &str| {
        let request = format!("GET / HTTP/1.1\r\n{HEADER}: {answer}\r\n\r\n");
        Deflate::verify(&Head::parse(request.as_bytes()).unwrap().headers)
    };
    assert_eq!(verify(""), Ok(None));
    for (answer, window) in [
        ("server_no_context_takeover", Window::Bits15),
        (
            "client_no_context_takeover; server_no_context_takeover",
            Window::Bits15,
        ),
        (
            "server_no_context_takeover; server_max_window_bits=10",
            Window::Bits9,
        ),
        (
            "server_no_context_takeover; server_max_window_bits=15",
            Window::Bits15,
        ),
    ] {
        let deflate = verify(&format!("permessage-deflate; {answer}")).unwrap();
        assert_eq!(deflate.unwrap().server_window(), window, "{answer}");
    }
    for answer in [
        "permessage-deflate",
        "permessage-deflate; client_no_context_takeover",
        "permessage-deflate; server_no_context_takeover; client_max_window_bits=15",
        "permessage-deflate; server_no_context_takeover; server_max_window_bits",
        "permessage-deflate; server_no_context_takeover; server_max_window_bits=16",
        "permessage-deflate; server_no_context_takeover; other",
        "permessage-deflate; server_no_context_takeover, permessage-deflate",
        "other",
        "\"",
    ] {
        assert_eq!(verify(answer), Err(NotOffered), "{answer}");
    }
}

proptest! {
    /// Whatever stands in the header, an answer is one that the offer allows, and none panics.
    #[test]
    fn no_answer_but_to_an_offer(line in "[ ,;=\"\\\\a-z0-9_-]{0,40}(permessage-deflate)?[ ,;=\"\\\\a-z0-9_]{0,60}") {
        if let Some(answer) = answer(&[&line]) {
            prop_assert!(line.contains(PERMESSAGE_DEFLATE));
            prop_assert!(answer.starts_with(OFFER));
        }
    }

    /// Splitting takes nothing away but separators and white space.
    #[test]
    fn parts_join_to_the_whole(list in "[ ,;\"\\\\a-c]{0,60}") {
        let squeeze = |text: &str| text.replace([' ', '\t'], "");
        let joined = split(&list, b',').collect::<Vec<_>>().join(",");
        prop_assert_eq!(squeeze(&joined), squeeze(&list));
    }
}
