//! Sizes and times as people write them.

use bytesize::ByteSize;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A number of bytes: `1048576`, `64KiB`, `8MiB`, `1GB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub u64);

impl Bytes {
    /// As an amount of memory.
    #[must_use]
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl FromStr for Bytes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let size: Result<ByteSize, _> = text.parse();
        match size {
            Ok(ByteSize(bytes)) if bytes > 0 => Ok(Bytes(bytes)),
            _ => Err("expected a number of bytes such as 4096, 64KiB or 8MiB".into()),
        }
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", ByteSize(self.0).display().iec())
    }
}

/// A span of time: `10s`, `500ms`, `2m`, or a bare number of seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Period(pub Duration);

impl FromStr for Period {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let seconds = text
            .parse()
            .ok()
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        match seconds.or_else(|| humantime::parse_duration(text).ok()) {
            Some(duration) if !duration.is_zero() => Ok(Period(duration)),
            _ => Err("expected a time such as 10s, 500ms or 2m".into()),
        }
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", humantime::format_duration(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("4096", 4096),
            ("64KiB", 65_536),
            ("8 MiB", 8 << 20),
            ("1kb", 1000),
        ] {
            assert_eq!(text.parse(), Ok(Bytes(bytes)), "{text}");
        }
        for text in ["", "-1", "0", "many", "1XB", "1e99"] {
            assert!(text.parse::<Bytes>().is_err(), "{text}");
        }
    }

    #[test]
    fn times() {
        for (text, millis) in [
            ("10s", 10_000),
            ("500ms", 500),
            ("2m", 120_000),
            ("2.5", 2500),
            ("1", 1000),
        ] {
            assert_eq!(
                text.parse(),
                Ok(Period(Duration::from_millis(millis))),
                "{text}"
            );
        }
        for text in ["", "-1", "0", "0s", "soon", "nan", "inf", "1e300"] {
            assert!(text.parse::<Period>().is_err(), "{text}");
        }
    }
}
