//! Values as they are written on the command line, and in a report.

use super::super::probe::Pid;
use super::super::script::{PAYLOAD_BYTES_MIN, PUBLISHERS_MAX};
use crate::config::Bytes;

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

pub(super) fn parse_header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once(':')
        .ok_or("expected a header such as 'Authorization: Bearer x'")?;
    Ok((name.trim().into(), value.trim().into()))
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
    let bytes: Bytes = text.parse()?;
    match bytes.as_usize() {
        size @ PAYLOAD_BYTES_MIN..=PAYLOAD_BYTES_LIMIT => Ok(size),
        size if size < PAYLOAD_BYTES_MIN => Err(format!(
            "a message takes at least {PAYLOAD_BYTES_MIN} bytes, which tell whose it is and its \
             number"
        )),
        _ => Err("at most 64 MiB".into()),
    }
}

/// The largest message that can be asked for.
const PAYLOAD_BYTES_LIMIT: usize = 64 << 20;
