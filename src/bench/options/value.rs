//! Values as they are written on the command line, and in a report.

use super::super::payload::{PAYLOAD_BYTES_MIN, PUBLISHERS_MAX};
use super::super::probe::Pid;
use crate::config::{Bytes, Period};
use std::time::Duration;

/// Times go into a report as they are written on the command line.
pub(super) mod in_words {
    use serde::{Deserialize, Deserializer, Serializer, de};
    use std::fmt::Display;
    use std::str::FromStr;

    pub(in super::super) fn serialize<S: Serializer>(
        value: &impl Display,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub(in super::super) fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

/// Connections that a run may have: more than a machine has ports for, and few enough that a typing
/// error takes no more memory than there is.
pub(super) const CONNECTIONS_MAX: usize = 1_000_000;
/// Processes of a run: far more than a machine has cores.
const WORKERS_MAX: usize = 256;
/// A run of more than a day is taken for a mistake.
const TIME_MAX: Duration = Duration::from_secs(24 * 60 * 60);

pub(super) fn parse_header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once(':')
        .filter(|(name, _)| is_token(name))
        .ok_or("expected a header such as 'Authorization: Bearer x'")?;
    let lower = name.to_ascii_lowercase();
    if lower == "sec-websocket-protocol" {
        return Err("--subprotocol says which subprotocols are offered".into());
    }
    let of_request = [
        "upgrade",
        "connection",
        "content-length",
        "transfer-encoding",
    ];
    if of_request.contains(&lower.as_str()) || lower.starts_with("sec-websocket-") {
        return Err(format!("the request says {name} itself"));
    }
    if value.contains(|c: char| c.is_control() && c != '\t') {
        return Err("a header must not hold control characters, nor further lines".into());
    }
    Ok((name.into(), value.trim().into()))
}

pub(super) fn parse_method(text: &str) -> Result<String, String> {
    match is_token(text) {
        // The response to it has no body, whatever it says of one (RFC 9110 §9.3.2).
        _ if text == "HEAD" => Err("HEAD publishes nothing".into()),
        true => Ok(text.into()),
        false => Err("a method is a token, such as POST".into()),
    }
}

pub(super) fn parse_subprotocol(text: &str) -> Result<String, String> {
    match is_token(text) {
        true => Ok(text.into()),
        false => Err("a subprotocol is a token: letters, digits and !#$%&'*+-.^_`|~".into()),
    }
}

/// RFC 9110, section 5.6.2.
fn is_token(text: &str) -> bool {
    let is_in_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    !text.is_empty() && text.chars().all(is_in_token)
}

pub(super) fn parse_time(text: &str) -> Result<Period, String> {
    match text.parse() {
        Ok(Period(time)) if time > TIME_MAX => Err("at most a day (24h)".into()),
        Ok(time) => Ok(time),
        Err(why) => Err(why),
    }
}

/// A time that may be zero.
pub(super) fn parse_pause(text: &str) -> Result<Period, String> {
    match is_zero(text) {
        true => Ok(Period(Duration::ZERO)),
        false => parse_time(text),
    }
}

fn is_zero(text: &str) -> bool {
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    number.parse() == Ok(0.0)
}

pub(super) fn parse_pid(text: &str) -> Result<Pid, String> {
    text.parse()
        .map(Pid)
        .map_err(|_| "expected the number of a process".into())
}

pub(super) fn parse_count(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count @ 1..) => Ok(count),
        _ => Err("expected a number from 1 on".into()),
    }
}

pub(super) fn parse_readers(text: &str) -> Result<usize, String> {
    let expected = |_| "expected a number from 0 on".into();
    text.parse().map_err(expected)
}

pub(super) fn parse_total(text: &str) -> Result<u64, String> {
    parse_count(text).map(|count| count as u64)
}

pub(super) fn parse_workers(text: &str) -> Result<usize, String> {
    match parse_count(text)? {
        count if count <= WORKERS_MAX => Ok(count),
        _ => Err(format!("at most {WORKERS_MAX} processes")),
    }
}

pub(super) fn parse_rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if (0.001..=1e7).contains(&rate) => Ok(rate),
        _ => Err("expected a rate such as 100, at most ten million".into()),
    }
}

pub(super) fn parse_publishers(text: &str) -> Result<usize, String> {
    match parse_count(text)? {
        count if count <= PUBLISHERS_MAX => Ok(count),
        _ => Err(format!("at most {PUBLISHERS_MAX} can be told apart")),
    }
}

pub(super) fn parse_size(text: &str) -> Result<usize, String> {
    let bytes = match is_zero(text) {
        true => Bytes(0),
        false => text.parse()?,
    };
    match bytes.as_usize() {
        size @ PAYLOAD_BYTES_MIN..=PAYLOAD_BYTES_LIMIT => Ok(size),
        size if size < PAYLOAD_BYTES_MIN => Err(format!(
            "a message takes at least {PAYLOAD_BYTES_MIN} bytes, which hold its \
             publisher and its number"
        )),
        _ => Err("at most 64 MiB".into()),
    }
}

/// The largest message that can be asked for.
const PAYLOAD_BYTES_LIMIT: usize = 64 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_that_would_spoil_the_request() {
        for text in [
            "",
            ":x",
            "x",
            "a b: c",
            "X : y",
            "sec-websocket-key: x",
            "Sec-WebSocket-Protocol: x",
            "Connection: close",
            "content-length: 5",
            "X: a\r\nY: b",
            "X: a\n",
        ] {
            assert!(parse_header(text).is_err(), "{text:?}");
        }
        for text in [
            "X:",
            "Host: a",
            "Origin: http://a:80",
            "authorization:Bearer\tx ",
        ] {
            assert!(parse_header(text).is_ok(), "{text:?}");
        }
        assert_eq!(parse_header("A:  b "), Ok(("A".into(), "b".into())));
    }

    #[test]
    fn methods_are_tokens() {
        assert_eq!(parse_method("PUT"), Ok("PUT".into()));
        for text in ["", "HEAD", "P ST", "POST\r\nX"] {
            assert!(parse_method(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn subprotocols_are_tokens() {
        assert!(parse_subprotocol("chat.v1").is_ok());
        for text in ["", "a b", "a\r", "a/b", "ä"] {
            assert!(parse_subprotocol(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn times() {
        assert!(parse_time("24h").is_ok());
        for text in ["25h", "0", "0s", "0.0", "x", "-1s", ""] {
            assert!(parse_time(text).is_err(), "{text:?}");
        }
        assert_eq!(parse_pause("0s"), Ok(Period(Duration::ZERO)));
        assert_eq!(parse_pause("1s"), parse_time("1s"));
        assert!(parse_pause("s").is_err());
    }
}
