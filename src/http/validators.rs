//! Validators: how a client finds out whether what it has is still what it would get
//! (RFC 9110 §8.8, §13).

use super::response::Header;
use crate::proto::Head;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use httpdate::HttpDate;
use sha1::{Digest, Sha1};

/// What a file is told by.
#[derive(Debug, PartialEq)]
pub(super) struct Validators {
    /// Made of the content alone: it stays the same over restarts, and on another machine.
    entity_tag: String,
    modified: Option<HttpDate>,
}

impl Validators {
    pub(super) fn new(body: &[u8], modified: Option<HttpDate>) -> Self {
        Validators {
            entity_tag: format!("\"{}\"", BASE64.encode(Sha1::digest(body))),
            modified,
        }
    }

    pub(super) fn headers(&self) -> impl Iterator<Item = Header> {
        let modified = self.modified;
        let modified = modified.map(|date| ("Last-Modified", date.to_string().into()));
        [("ETag", self.entity_tag.clone().into())]
            .into_iter()
            .chain(modified)
    }

    /// Whether the client that sent this has the same already. A date only counts for who names no
    /// tag (RFC 9110 §13.1.3); one that is there twice, or can't be read, says nothing.
    pub(super) fn hold(&self, head: &Head) -> bool {
        let headers = &head.headers;
        if headers.values("If-None-Match").next().is_some() {
            return headers
                .tokens("If-None-Match")
                .any(|tag| tag == "*" || is_same(tag, &self.entity_tag));
        }
        let since = headers.only("If-Modified-Since").ok().flatten();
        let since = since.and_then(|since| str::from_utf8(since).ok()?.parse::<HttpDate>().ok());
        matches!((self.modified, since), (Some(modified), Some(since)) if modified <= since)
    }
}

/// The weak comparison (RFC 9110 §8.8.3.2): a proxy that compresses what passes it makes tags weak.
fn is_same(tag: &str, own: &str) -> bool {
    tag.strip_prefix("W/").unwrap_or(tag) == own
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, SystemTime};

    /// Whether these header lines say that the client has "content" as of the year 2001.
    fn hold(lines: &str) -> bool {
        let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        let validators = Validators::new(b"content", Some(modified.into()));
        let lines = lines.replace("TAG", &validators.entity_tag);
        let head = format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
        validators.hold(&Head::parse(head.as_bytes()).expect("a head"))
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
    fn what_is_not_known_is_not_said() {
        let validators = Validators::new(b"", None);
        let names: Vec<_> = validators.headers().map(|(name, _)| name).collect();
        assert_eq!(names, ["ETag"]);
    }
}
