//! Validators: how a client finds out whether what it has is still what it would get
//! (RFC 9110 §8.8, §13).

use super::response::ResponseHeader;
use crate::proto::Head;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use httpdate::HttpDate;
use sha1::{Digest, Sha1};

/// When a file was changed last.
#[derive(Clone, Copy, Debug)]
pub struct Modified {
    /// To the second.
    pub date: HttpDate,
    /// That second was over when the file was read, so that what may come later has another date: it is a
    /// strong validator (RFC 9110 §8.8.2.2).
    pub is_strong: bool,
}

/// What tells one version of a file from another.
#[derive(Clone, Debug)]
pub(super) struct Validators {
    /// Made of the content alone: it stays the same over restarts, and on another machine.
    entity_tag: String,
    modified: Option<Modified>,
}

/// What is to be done about a request, by the conditions that it has.
#[derive(Debug, PartialEq)]
pub(super) enum Condition {
    /// It is answered.
    Holds,
    /// The client has already what it would get.
    NotModified,
    /// The client does not want what there is now.
    Failed,
}

impl Validators {
    pub(super) fn new(body: &[u8], modified: Option<Modified>) -> Self {
        Validators {
            entity_tag: format!("\"{}\"", BASE64.encode(Sha1::digest(body))),
            modified,
        }
    }

    /// Whether both are of the same content, whenever it was changed.
    pub(super) fn are_of_same_content(&self, other: &Validators) -> bool {
        self.entity_tag == other.entity_tag
    }

    pub(super) fn headers(&self) -> impl Iterator<Item = ResponseHeader> {
        let modified = self.modified;
        let modified = modified.map(|it| ("Last-Modified", it.date.to_string().into()));
        [("ETag", self.entity_tag.clone().into())]
            .into_iter()
            .chain(modified)
    }

    /// Evaluates a request's conditions, in the order of RFC 9110 §13.2.2. A date only counts if
    /// no tag is named; one that is repeated or malformed is ignored.
    pub(super) fn check(&self, head: &Head) -> Condition {
        let names = |name| head.headers.values(name).next().is_some();
        let any = |name, is_ours: fn(&str, &str) -> bool| {
            let mut tags = head.headers.tokens(name);
            tags.any(|tag| tag == "*" || is_ours(tag, &self.entity_tag))
        };
        let is_unmodified_since = |name| {
            let date = self.modified?.date;
            Some(date <= date_of(head, name)?)
        };
        let is_wanted = match names("If-Match") {
            true => any("If-Match", is_same),
            false => is_unmodified_since("If-Unmodified-Since") != Some(false),
        };
        let is_held = match names("If-None-Match") {
            true => any("If-None-Match", is_alike),
            false => is_unmodified_since("If-Modified-Since") == Some(true),
        };
        match (is_wanted, is_held) {
            (false, _) => Condition::Failed,
            (true, true) => Condition::NotModified,
            (true, false) => Condition::Holds,
        }
    }

    /// Whether a part is of the same file that the client has other parts of, as far as it asks: it would
    /// put them together (RFC 9110 §13.1.5).
    pub(super) fn allow_parts(&self, head: &Head) -> bool {
        match head.headers.only("If-Range") {
            Ok(None) => true,
            Ok(Some(tag)) if tag == self.entity_tag.as_bytes() => true,
            _ => self.modified.is_some_and(|modified| {
                modified.is_strong && date_of(head, "If-Range") == Some(modified.date)
            }),
        }
    }
}

fn date_of(head: &Head, name: &str) -> Option<HttpDate> {
    let date = head.headers.only(name).ok()??;
    str::from_utf8(date).ok()?.parse().ok()
}

/// The strong comparison (RFC 9110 §8.8.3.2): byte for byte the same.
fn is_same(tag: &str, own: &str) -> bool {
    tag == own
}

/// The weak comparison: a proxy that compresses what passes it makes tags weak (nginx), or appends a
/// hyphen and the encoding (Apache's `-gzip`). All tags of ours have the same length, so that one with
/// something behind it is no other one.
fn is_alike(tag: &str, own: &str) -> bool {
    let tag = tag.strip_prefix("W/").unwrap_or(tag);
    let own = own.trim_end_matches('"');
    let mark = tag
        .strip_prefix(own)
        .and_then(|mark| mark.strip_suffix('"'));
    mark.is_some_and(|mark| mark.is_empty() || mark.starts_with('-'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, SystemTime};

    /// What there is: "content" as of the year 2001.
    fn validators(is_strong: bool) -> Validators {
        let date = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        let date = date.into();
        Validators::new(b"content", Some(Modified { date, is_strong }))
    }

    /// Asks what these header lines mean.
    fn ask<T>(validators: &Validators, lines: &str, what: fn(&Validators, &Head) -> T) -> T {
        let tag = &validators.entity_tag;
        let lines = lines.replace("TAG", tag);
        let lines = lines.replace("OPAQUE", tag.trim_matches('"'));
        let head = format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
        let head = Head::parse(head.as_bytes()).expect("a head");
        what(validators, &head)
    }

    fn check(lines: &str) -> Condition {
        ask(&validators(true), lines, Validators::check)
    }

    /// Whether these header lines say that the client has it.
    fn hold(lines: &str) -> bool {
        check(lines) == Condition::NotModified
    }

    #[test]
    fn tags() {
        for lines in [
            "If-None-Match: TAG\r\n",
            "If-None-Match: W/TAG\r\n",
            "if-none-match:TAG\r\n",
            "If-None-Match: \"a\", TAG\r\n",
            "If-None-Match: \"a\",\"b,c\" ,W/TAG,\"d\"\r\n",
            "If-None-Match: , ,TAG\r\n",
            "If-None-Match: \"OPAQUE-gzip\"\r\n",
            "If-None-Match: W/\"OPAQUE--gzip\"\r\n",
            "If-None-Match: \"a\"\r\nIf-None-Match: TAG\r\n",
            "If-None-Match: *\r\n",
            // The date is not asked.
            "If-None-Match: TAG\r\nIf-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n",
        ] {
            assert!(hold(lines), "{lines}");
        }
        for lines in [
            "",
            "If-None-Match: \"a\"\r\n",
            "If-None-Match: \r\n",
            "If-None-Match: w/TAG\r\n",
            "If-None-Match: W/W/TAG\r\n",
            "If-None-Match: \"TAG\"\r\n",
            "If-None-Match: TAG-gzip\r\n",
            "If-None-Match: \"OPAQUEgzip\"\r\n",
            "If-None-Match: \"-gzip\"\r\n",
            "If-None-Match: \"OPAQUE-gzip\r\n",
            "If-None-Match: \"\r\n",
            "If-None-Match: \"*\"\r\n",
            "If-None-Match: **\r\n",
            "If-None-Match: \"a\"\r\nIf-Modified-Since: Sun, 06 Nov 2094 08:49:37 GMT\r\n",
            "If-Match: TAG\r\n",
        ] {
            assert!(!hold(lines), "{lines}");
        }
    }

    #[test]
    fn dates() {
        for (date, holds) in [
            ("Sun, 09 Sep 2001 01:46:39 GMT", false),
            ("Sun, 09 Sep 2001 01:46:40 GMT", true),
            ("Sun, 09 Sep 2001 01:46:41 GMT", true),
            ("Sunday, 09-Sep-01 01:46:40 GMT", true),
            ("Sun Sep  9 01:46:40 2001", true),
            ("Sun, 06 Nov 1994 08:49:37 GMT", false),
            ("Fri, 31 Dec 9999 23:59:59 GMT", true),
            ("Sun, 09 Sep 2001 01:46:40 CET", false),
            ("tomorrow", false),
            ("", false),
        ] {
            let line = format!("If-Modified-Since: {date}\r\n");
            assert_eq!(hold(&line), holds, "{date}");
            assert!(!hold(&line.repeat(2)), "{date}, twice");
        }
    }

    #[test]
    fn what_the_client_does_not_want() {
        for lines in [
            "If-Match: \"a\"\r\n",
            "If-Match: W/TAG\r\n",
            "If-Match: \"OPAQUE-gzip\"\r\n",
            "If-Match: \r\n",
            "If-Unmodified-Since: Sun, 09 Sep 2001 01:46:39 GMT\r\n",
            // Before everything else.
            "If-None-Match: TAG\r\nIf-Match: \"a\"\r\n",
            "If-Match: \"a\"\r\nIf-Unmodified-Since: Sun, 09 Sep 2001 01:46:40 GMT\r\n",
        ] {
            assert_eq!(check(lines), Condition::Failed, "{lines}");
        }
        for lines in [
            "If-Match: TAG\r\n",
            "If-Match: \"a\", TAG\r\n",
            "If-Match: *\r\n",
            "If-Unmodified-Since: Sun, 09 Sep 2001 01:46:40 GMT\r\n",
            "If-Unmodified-Since: yesterday\r\n",
            "If-Match: TAG\r\nIf-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n",
        ] {
            assert_eq!(check(lines), Condition::Holds, "{lines}");
        }
        assert!(hold("If-Match: TAG\r\nIf-None-Match: TAG\r\n"));
    }

    #[test]
    fn parts_are_of_what_the_client_has() {
        let allow = |is_strong, lines| ask(&validators(is_strong), lines, Validators::allow_parts);
        for lines in ["", "If-Range: TAG\r\n"] {
            assert!(allow(true, lines) && allow(false, lines), "{lines}");
        }
        let date = "If-Range: Sun, 09 Sep 2001 01:46:40 GMT\r\n";
        // Another file may have had the same date.
        assert!(allow(true, date) && !allow(false, date));
        for lines in [
            "If-Range: W/TAG\r\n",
            "If-Range: \"OPAQUE-gzip\"\r\n",
            "If-Range: \"a\"\r\n",
            "If-Range: *\r\n",
            "If-Range: TAG, TAG\r\n",
            "If-Range: \r\n",
            "If-Range: TAG\r\nIf-Range: TAG\r\n",
            "If-Range: Sun, 09 Sep 2001 01:46:39 GMT\r\n",
            "If-Range: Sun, 09 Sep 2001 01:46:41 GMT\r\n",
        ] {
            assert!(!allow(true, lines), "{lines}");
        }
    }

    #[test]
    fn what_is_not_known_is_not_said() {
        let validators = Validators::new(b"", None);
        let names: Vec<_> = validators.headers().map(|(name, _)| name).collect();
        assert_eq!(names, ["ETag"]);
    }
}
