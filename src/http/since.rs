//! Which messages of before a reader asks for: in `since=` of its query, or by the last message that it has,
//! in `last_event_id=` or the header `Last-Event-ID`.
//!
//! An `EventSource` repeats its URL whenever it comes back, and says in the header how far it got; a script
//! adds that to a URL that may have a `since=` already. So the header beats `last_event_id=`, and that
//! beats `since=`. What is beaten is not looked at.

use super::reason::Reason;
use super::response::{Response, refused};
use crate::period::Period;
use crate::proto::{Head, InvalidId, MessageId};
use std::error::Error;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// Where a reader begins, as far as messages are retained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// With what comes.
    None,
    /// With the oldest message that is retained.
    All,
    /// With what is no older than this.
    Age(Duration),
    /// With as many messages before those that come.
    Last(u64),
    /// After this message, which may be of another epoch, or not exist yet.
    After(MessageId),
}

/// A text does not say since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidSince;

const HEADER: &str = "Last-Event-ID";

/// The longest `since=` that is read. All its forms are far shorter, except spans of time with more parts than
/// anybody needs.
const BYTES_MAX: usize = 64;

impl Since {
    /// What a request asks for, if it says so.
    pub(super) fn of(head: &Head) -> Result<Option<Since>, Response> {
        // An empty id is none (HTML §9.2.4), so that a script that has got nothing yet may send it.
        if let Some(id) = head.headers.text(HEADER).map_err(refused)?
            && !id.is_empty()
        {
            return after(HEADER, id).map(Some);
        }
        let query = head.query().unwrap_or_default();
        let first = |name| {
            let mut pairs = form_urlencoded::parse(query.as_bytes());
            pairs.find(|(key, _)| key == name).map(|(_, value)| value)
        };
        if let Some(id) = first("last_event_id").filter(|id| !id.is_empty()) {
            return after("last_event_id", &id).map(Some);
        }
        let since = first("since").map(|text| text.parse());
        since.transpose().map_err(|invalid: InvalidSince| {
            let why = format!("`since` is {invalid}.");
            Response::refusal(Reason::Query, &why, &[])
        })
    }
}

impl fmt::Display for InvalidSince {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "none, all, a time such as 10m, last, a count such as last-20, or a message's id such as \
             k3f9x2a-1042",
        )
    }
}

impl Error for InvalidSince {}

/// The message that a reader got last.
fn after(name: &str, id: &str) -> Result<Since, Response> {
    id.parse().map(Since::After).map_err(|invalid: InvalidId| {
        let why = format!("`{name}` is no id: {invalid}.");
        Response::refusal(Reason::Query, &why, &[])
    })
}

impl FromStr for Since {
    type Err = InvalidSince;

    fn from_str(text: &str) -> Result<Self, InvalidSince> {
        if text.len() > BYTES_MAX {
            return Err(InvalidSince);
        }
        match text {
            "none" => return Ok(Since::None),
            "all" => return Ok(Since::All),
            "last" => return Ok(Since::Last(1)),
            _ => {}
        }
        if let Some(count) = text.strip_prefix("last-") {
            // A sign would be read, too.
            let is_plain = count.bytes().all(|byte| byte.is_ascii_digit());
            let count = count.parse().ok().filter(|_| is_plain);
            return count.map(Since::Last).ok_or(InvalidSince);
        }
        // An id may look like a number, too: 000001e-5.
        if let Ok(id) = text.parse() {
            return Ok(Since::After(id));
        }
        match text.parse() {
            Ok(Period(age)) => Ok(Since::Age(age)),
            Err(_) => Err(InvalidSince),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::answer::{Answer, Join};
    use super::super::asset::Site;
    use super::super::route::route;
    use super::*;
    use proptest::prelude::*;

    /// What is made of an upgrade with this query, and these lines.
    fn ask<T>(query: &str, lines: &[&str], check: impl Fn(Result<&Join, &str>) -> T) -> T {
        let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
        let request = format!(
            "GET /ws/prices{query} HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{lines}\r\n"
        );
        let head = Head::parse(request.as_bytes()).unwrap();
        match route(&head, &Site::new([]), &[]) {
            Answer::Join(join) => check(Ok(&join)),
            Answer::Respond(response) => {
                assert_eq!(response.status, super::super::Status::BadRequest);
                check(Err(str::from_utf8(&response.body).unwrap()))
            }
            answer => panic!("{answer:?}"),
        }
    }

    fn since(query: &str, lines: &[&str]) -> Result<Option<Since>, String> {
        ask(query, lines, |answer| {
            answer.map(|join| join.since).map_err(str::to_owned)
        })
    }

    fn after(id: &str) -> Since {
        Since::After(id.parse().unwrap())
    }

    #[test]
    fn each_form_is_read() {
        let seconds = |seconds| Since::Age(Duration::from_secs(seconds));
        for (text, expected) in [
            ("none", Since::None),
            ("all", Since::All),
            ("10m", seconds(600)),
            ("1h%2030m", seconds(5400)),
            ("2.5", Since::Age(Duration::from_millis(2500))),
            ("last", Since::Last(1)),
            ("last-0", Since::Last(0)),
            ("last-20", Since::Last(20)),
            ("last-18446744073709551615", Since::Last(u64::MAX)),
            ("k3f9x2a-1042", after("k3f9x2a-1042")),
            ("000001e-5", after("000001e-5")),
        ] {
            let query = format!("?since={text}");
            assert_eq!(since(&query, &[]), Ok(Some(expected)), "{text}");
        }
        assert_eq!(since("", &[]), Ok(None));
        assert_eq!(since("?echo=1", &[]), Ok(None));
    }

    #[test]
    fn what_is_malformed_is_refused_with_what_may_be_written() {
        for text in [
            "",
            "yesterday",
            "NONE",
            "0",
            "-1",
            "inf",
            "last-",
            "last--1",
            "last-%2B1",
            "last-18446744073709551616",
            "k3f9x2a-",
            "k3f9x2a-01",
            "undefined",
            &"1s".repeat(BYTES_MAX),
            "%ff",
        ] {
            let why = since(&format!("?since={text}"), &[]).unwrap_err();
            assert!(why.contains("last-20"), "{text}: {why}");
        }
        for (query, line) in [
            ("?last_event_id=all", "X: y"),
            ("", "Last-Event-ID: 17"),
            ("?last_event_id=k3f9x2a-1", "last-event-id: last"),
        ] {
            let why = since(query, &[line]).unwrap_err();
            assert!(why.contains("k3f9x2a-1042"), "{query} {line}: {why}");
        }
        let twice = ["Last-Event-ID: k3f9x2a-1", "Last-Event-ID: k3f9x2a-1"];
        assert!(since("", &twice).is_err());
    }

    #[test]
    fn the_header_beats_the_query_and_an_id_what_stands_beside_it() {
        let header = "Last-Event-ID: k3f9x2a-3";
        let both = "?since=bad&last_event_id=k3f9x2a-2";
        assert_eq!(since(both, &[header]), Ok(Some(after("k3f9x2a-3"))));
        assert_eq!(since(both, &[]), Ok(Some(after("k3f9x2a-2"))));
        let empty = "?last_event_id=&since=all&since=none";
        assert_eq!(since(empty, &["Last-Event-ID:"]), Ok(Some(Since::All)));
    }

    #[test]
    fn v1_is_chosen_whenever_it_is_offered_and_echoes() {
        let offers = "Sec-WebSocket-Protocol: chat, fanfare.v1";
        for (query, line, expected) in [
            ("", offers, Ok(true)),
            ("?echo=1", offers, Ok(true)),
            ("", "Sec-WebSocket-Protocol: chat, fanfare.v10", Ok(false)),
            ("?echo=0", "X: y", Ok(false)),
            ("?echo=0", offers, Err(())),
        ] {
            let is_v1 = ask(query, &[line], |answer| match answer {
                Ok(join) => Ok(join.is_v1),
                Err(why) => {
                    assert!(why.contains("echo=0"), "{why}");
                    Err(())
                }
            });
            assert_eq!(is_v1, expected, "{query} {line}");
        }
    }

    proptest! {
        #[test]
        fn an_id_is_never_anything_else(chance: u64, number: u64) {
            let id = MessageId { epoch: crate::proto::Epoch::of(chance), number };
            prop_assert_eq!(id.to_string().parse(), Ok(Since::After(id)));
        }
    }
}
