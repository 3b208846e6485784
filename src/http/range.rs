//! Parts of a file: one range of bytes at a time (RFC 9110 §14).
//!
//! Players seek with them, and Safari plays nothing without them; other clients resume a download that
//! was cut off. A request for several ranges at once gets the whole file, which §14.2 leaves to the
//! server: no player needs it, and many small ranges of a large file would be the most expensive request.

use crate::proto::Head;
use std::ops::Range;

/// What a request wants of a body.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// All of it.
    Whole,
    /// These bytes, one at least.
    Part(Range<usize>),
    /// None of its bytes.
    Nothing,
}

/// What a request wants of a body of this many bytes. A malformed range is ignored, and so is one of an
/// empty body: it has no parts, and a client that always asks for the first bytes has made no mistake.
pub(super) fn wanted(head: &Head, body_bytes: usize) -> Wanted {
    if head.method != "GET" || body_bytes == 0 {
        return Wanted::Whole;
    }
    let range = head.headers.only("Range").ok().flatten();
    let range = range.and_then(|range| parse(str::from_utf8(range).ok()?, body_bytes));
    match range {
        None => Wanted::Whole,
        Some(part) if part.is_empty() => Wanted::Nothing,
        Some(part) => Wanted::Part(part),
    }
}

/// The part of a body that a single range names; empty if the body ends before it.
fn parse(range: &str, body_bytes: usize) -> Option<Range<usize>> {
    let (unit, set) = range.split_once('=')?;
    let mut specs = set.split(',').map(|spec| spec.trim_matches([' ', '\t']));
    let mut specs = specs.by_ref().filter(|spec| !spec.is_empty());
    let (first, last) = specs.next()?.split_once('-')?;
    if !unit.eq_ignore_ascii_case("bytes") || specs.next().is_some() {
        return None;
    }
    let (start, end) = match (first, last) {
        // A suffix: the last bytes, this many.
        ("", bytes) => (body_bytes.saturating_sub(number(bytes)?), body_bytes),
        (first, "") => (number(first)?, body_bytes),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            if last < first {
                return None;
            }
            (first, last.saturating_add(1))
        }
    };
    Some(start.min(body_bytes)..end.min(body_bytes))
}

/// A number of any length; one that is too large becomes the largest.
fn number(digits: &str) -> Option<usize> {
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What these header lines want of this many bytes.
    fn wanted_by(method: &str, lines: &str, body_bytes: usize) -> Wanted {
        let head = format!("{method} / HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
        wanted(&Head::parse(head.as_bytes()).expect("a head"), body_bytes)
    }

    #[test]
    fn ranges_of_ten_bytes() {
        const HUGE: &str = "340282366920938463463374607431768211456";
        for (range, start, end) in [
            ("bytes=0-0", 0, 1),
            ("bytes=0-1", 0, 2),
            ("bytes=3-7", 3, 8),
            ("bytes=3-9", 3, 10),
            ("bytes=3-10", 3, 10),
            ("bytes=9-", 9, 10),
            ("bytes=0-", 0, 10),
            ("bytes=-1", 9, 10),
            ("bytes=-10", 0, 10),
            ("bytes=-11", 0, 10),
            ("Bytes=00003-0004", 3, 5),
            ("bytes= 3-4", 3, 5),
            ("bytes=,\t3-4 ,", 3, 5),
            (&format!("bytes=3-{HUGE}"), 3, 10),
            (&format!("bytes=3-{}", u64::MAX), 3, 10),
            (&format!("bytes=-{HUGE}"), 0, 10),
        ] {
            let part = wanted_by("GET", &format!("Range: {range}\r\n"), 10);
            assert_eq!(part, Wanted::Part(start..end), "{range}");
        }
        for range in [
            "bytes=10-",
            "bytes=10-10",
            "bytes=-0",
            "bytes=-000",
            &format!("bytes={HUGE}-"),
            &format!("bytes={HUGE}-{HUGE}"),
            &format!("bytes={}-", u64::MAX),
        ] {
            let none = wanted_by("GET", &format!("Range: {range}\r\n"), 10);
            assert_eq!(none, Wanted::Nothing, "{range}");
        }
    }

    #[test]
    fn what_is_no_single_range_means_the_whole() {
        for lines in [
            "",
            "Range: \r\n",
            "Range: bytes\r\n",
            "Range: bytes=\r\n",
            "Range: bytes=,\r\n",
            "Range: bytes=-\r\n",
            "Range: bytes=1\r\n",
            "Range: bytes=2-1\r\n",
            "Range: bytes=+1-2\r\n",
            "Range: bytes=1-+2\r\n",
            "Range: bytes=--1\r\n",
            "Range: bytes=1 -2\r\n",
            "Range: bytes=0x1-2\r\n",
            "Range: bytes=1-2-3\r\n",
            "Range: bytes=a-b\r\n",
            "Range: bytes =1-2\r\n",
            "Range: bytes:1-2\r\n",
            "Range: items=1-2\r\n",
            "Range: bytes=0-1,3-4\r\n",
            "Range: bytes=0-1\r\nRange: bytes=3-4\r\n",
            "Range: bytes=0-\u{fc}\r\n",
        ] {
            assert_eq!(wanted_by("GET", lines, 10), Wanted::Whole, "{lines}");
        }
        for method in ["HEAD", "POST", "get"] {
            let whole = wanted_by(method, "Range: bytes=0-1\r\n", 10);
            assert_eq!(whole, Wanted::Whole, "{method}");
        }
        let whole = wanted_by("GET", "Range: bytes=0-1\r\n", 0);
        assert_eq!(whole, Wanted::Whole);
    }

    proptest! {
        #[test]
        fn a_part_is_within_the_body(range in "(bytes=)?[-0-9, ]{0,24}", body_bytes in 0_usize..1000) {
            if let Wanted::Part(part) = wanted_by("GET", &format!("Range: {range}\r\n"), body_bytes) {
                prop_assert!(part.start < part.end && part.end <= body_bytes);
            }
        }
    }
}
