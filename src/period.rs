//! A span of time as people write it: in settings, and in requests.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

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
        let expected = "expected a time such as 10s, 500ms or 2m";
        match seconds.or_else(|| humantime::parse_duration(text).ok()) {
            Some(duration) if !duration.is_zero() => Ok(Period(duration)),
            None if !text.starts_with('-') => Err(expected.into()),
            _ => Err(format!("{expected}, and longer than none")),
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
    fn times() {
        for (text, millis) in [
            ("10s", 10_000),
            ("500ms", 500),
            ("2m", 120_000),
            ("2.5", 2500),
            ("1", 1000),
        ] {
            let period = Period(Duration::from_millis(millis));
            assert_eq!(text.parse(), Ok(period), "{text}");
            assert_eq!(period.to_string().parse(), Ok(period), "{period}");
        }
        for text in ["", "-1", "0", "0s", "soon", "nan", "inf", "1e300"] {
            assert!(text.parse::<Period>().is_err(), "{text}");
        }
    }
}
