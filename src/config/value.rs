//! Values as people write them, the same on the command line, in the environment and in a file.

use crate::journal::LogFormat;
use crate::proxy::{ClientAddress, Network};
use crate::relay::{Publish, SlowPolicy};
use bytesize::ByteSize;
use log::LevelFilter;
use std::fmt;
use std::str::FromStr;

pub use crate::period::Period;

/// One value: read from text, with an error that says what was expected, and written so that it
/// reads back as the same.
pub trait Value: FromStr<Err = String> + fmt::Display {
    /// What stands for it in the help.
    const UNIT: &'static str;
    /// It may stand in a file without quotes.
    const IS_NUMBER: bool = false;
}

/// What a setting holds: a value, a value or none, or a list of them.
pub(super) trait Values: Sized {
    const UNIT: &'static str;
    const IS_NUMBER: bool;
    const IS_LIST: bool = false;

    /// Whether a text is one of its values.
    fn check(text: &str) -> Result<(), String>;

    /// All its values. What is no list has one.
    fn read(texts: &[String]) -> Result<Self, String>;

    /// Its values as text.
    fn write(&self) -> Vec<String>;
}

impl<T: Value> Values for T {
    const UNIT: &'static str = T::UNIT;
    const IS_NUMBER: bool = T::IS_NUMBER;

    fn check(text: &str) -> Result<(), String> {
        text.parse().map(|_: T| ())
    }

    fn read(texts: &[String]) -> Result<Self, String> {
        match texts {
            [text] => text.parse(),
            texts => Err(format!("expected one value, not {}", texts.len())),
        }
    }

    fn write(&self) -> Vec<String> {
        vec![self.to_string()]
    }
}

/// What stands for no value.
const OFF: &str = "off";

impl<T: Value> Values for Option<T> {
    const UNIT: &'static str = T::UNIT;
    const IS_NUMBER: bool = T::IS_NUMBER;

    fn check(text: &str) -> Result<(), String> {
        match text {
            OFF => Ok(()),
            text => T::check(text).map_err(|expected| format!("{expected}, or `{OFF}`")),
        }
    }

    fn read(texts: &[String]) -> Result<Self, String> {
        match texts {
            [text] if text == OFF => Ok(None),
            texts => T::read(texts).map(Some),
        }
    }

    fn write(&self) -> Vec<String> {
        vec![self.as_ref().map_or(OFF.into(), T::to_string)]
    }
}

impl<T: Value> Values for Vec<T> {
    const UNIT: &'static str = T::UNIT;
    const IS_NUMBER: bool = T::IS_NUMBER;
    const IS_LIST: bool = true;

    /// Spaces around it are none of its own: they come with the commas between.
    fn check(text: &str) -> Result<(), String> {
        T::check(text.trim())
    }

    fn read(texts: &[String]) -> Result<Self, String> {
        texts.iter().map(|text| text.trim().parse()).collect()
    }

    fn write(&self) -> Vec<String> {
        self.iter().map(T::to_string).collect()
    }
}

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

impl Value for Bytes {
    const UNIT: &'static str = "BYTES";
    const IS_NUMBER: bool = true;
}

const BYTES_EXPECTED: &str = "expected a number of bytes such as 4096, 64KiB or 8MiB";

impl FromStr for Bytes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let size: Result<ByteSize, _> = text.parse();
        match size {
            Ok(ByteSize(bytes)) if bytes > 0 => Ok(Bytes(bytes)),
            Ok(_) => Err(format!("{BYTES_EXPECTED}, and 1 at least")),
            Err(_) => Err(BYTES_EXPECTED.into()),
        }
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
        let whole = |&(shift, _): &(u32, &str)| self.0.trailing_zeros() >= shift;
        match units.into_iter().find(whole) {
            Some((shift, unit)) => write!(f, "{}{unit}", self.0 >> shift),
            None => write!(f, "{}", self.0),
        }
    }
}

impl Value for Period {
    const UNIT: &'static str = "TIME";
    const IS_NUMBER: bool = true;
}

/// How many of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Count(pub usize);

impl Value for Count {
    const UNIT: &'static str = "COUNT";
    const IS_NUMBER: bool = true;
}

impl FromStr for Count {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = |_| "expected a whole number such as 10000".into();
        text.parse().map(Count).map_err(expected)
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The name of a subprotocol: `mqtt`, `v1.chat.example.com`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subprotocol(String);

impl Value for Subprotocol {
    const UNIT: &'static str = "NAME";
}

impl FromStr for Subprotocol {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // A token (RFC 6455 §4.1, RFC 9110 §5.6.2).
        let is_separator = |c: char| "\"(),/:;<=>?@[\\]{}".contains(c);
        if text.is_empty() || text.contains(|c: char| !c.is_ascii_graphic() || is_separator(c)) {
            return Err("expected the name of a subprotocol such as mqtt or v1.chat".into());
        }
        Ok(Subprotocol(text.into()))
    }
}

impl fmt::Display for Subprotocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How much time is spent to make messages smaller: 1, the least, to 6. Of what comes above that, one
/// message made for the purpose can hold the loop for seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompressionLevel(pub u8);

impl Value for CompressionLevel {
    const UNIT: &'static str = "LEVEL";
    const IS_NUMBER: bool = true;
}

impl FromStr for CompressionLevel {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(level @ 1..=6) => Ok(CompressionLevel(level)),
            _ => Err("expected a level from 1 to 6".into()),
        }
    }
}

impl fmt::Display for CompressionLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The permissions of a file, in octal: `0660`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode(pub u32);

impl Value for Mode {
    const UNIT: &'static str = "MODE";
}

impl FromStr for Mode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match u32::from_str_radix(text, 8) {
            Ok(mode) if mode <= 0o777 => Ok(Mode(mode)),
            _ => Err("expected an octal mode such as 0660".into()),
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

/// Makes a value of an enum with named variants.
macro_rules! choice {
    ($type:ty, $unit:literal, $($name:literal => $variant:expr),+ $(,)?) => {
        impl Value for $type {
            const UNIT: &'static str = $unit;
        }

        impl FromStr for $type {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                let choices = [$(($name, $variant)),+];
                let choice = choices.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
                choice.map(|&(_, variant)| variant).ok_or_else(|| {
                    let names: Vec<&str> = choices.iter().map(|&(name, _)| name).collect();
                    format!("expected one of {}", names.join(", "))
                })
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let choices = [$(($name, $variant)),+];
                let choice = choices.iter().find(|(_, variant)| variant == self);
                f.write_str(choice.map_or("", |&(name, _)| name))
            }
        }
    };
}

choice!(SlowPolicy, "POLICY", "close" => SlowPolicy::Close, "skip" => SlowPolicy::Skip);

choice! {
    Publish, "PUBLISHERS",
    "anybody" => Publish::Anybody,
    "http" => Publish::Http,
    "nobody" => Publish::Nobody,
}

/// Whether something is done at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    /// No.
    Off,
    /// Yes.
    On,
}

choice!(Switch, "SWITCH", "off" => Switch::Off, "on" => Switch::On);

/// How much is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level(pub LevelFilter);

choice! {
    Level, "LEVEL",
    "off" => Level(LevelFilter::Off),
    "error" => Level(LevelFilter::Error),
    "warn" => Level(LevelFilter::Warn),
    "info" => Level(LevelFilter::Info),
    "debug" => Level(LevelFilter::Debug),
    "trace" => Level(LevelFilter::Trace),
}

choice! {
    ClientAddress, "HOW",
    "peer" => ClientAddress::Peer,
    "proxy-protocol" => ClientAddress::ProxyProtocol,
    "forwarded-for" => ClientAddress::ForwardedFor,
}

impl Value for Network {
    const UNIT: &'static str = "NET";
}

choice!(LogFormat, "FORMAT", "human" => LogFormat::Human, "json" => LogFormat::Json);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, bytes, written) in [
            ("4096", 4096, "4KiB"),
            ("64KiB", 65_536, "64KiB"),
            ("8 MiB", 8 << 20, "8MiB"),
            ("3GiB", 3 << 30, "3GiB"),
            ("1kb", 1000, "1000"),
        ] {
            assert_eq!(text.parse(), Ok(Bytes(bytes)), "{text}");
            assert_eq!(Bytes(bytes).to_string(), written);
            assert_eq!(written.parse(), Ok(Bytes(bytes)), "{written}");
        }
        for text in ["", "-1", "0", "many", "1XB", "1e99"] {
            assert!(text.parse::<Bytes>().is_err(), "{text}");
        }
    }

    #[test]
    fn compression_levels() {
        for level in 1..=6 {
            let written = CompressionLevel(level).to_string();
            assert_eq!(written.parse(), Ok(CompressionLevel(level)));
        }
        for text in ["", "0", "7", "-1", "1.5", "best"] {
            assert!(text.parse::<CompressionLevel>().is_err(), "{text}");
        }
    }

    #[test]
    fn subprotocols() {
        for text in ["mqtt", "v1.chat.example.com", "a+b"] {
            assert_eq!(text.parse::<Subprotocol>().unwrap().to_string(), text);
        }
        for text in ["", "a b", "a,b", "a/b", "\"a\"", "\u{e9}", "a\r\nb"] {
            assert!(text.parse::<Subprotocol>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn modes() {
        for (text, mode) in [("0660", 0o660), ("600", 0o600), ("0", 0)] {
            assert_eq!(text.parse(), Ok(Mode(mode)));
        }
        assert_eq!(Mode(0o60).to_string(), "0060");
        for text in ["", "0680", "1777", "-1", "rw"] {
            assert!(text.parse::<Mode>().is_err(), "{text}");
        }
    }

    #[test]
    fn choices_are_written_as_they_are_read() {
        for text in ["close", "skip"] {
            assert_eq!(text.parse::<SlowPolicy>().unwrap().to_string(), text);
        }
        for text in ["anybody", "http", "nobody"] {
            assert_eq!(text.parse::<Publish>().unwrap().to_string(), text);
        }
        for text in ["off", "on"] {
            assert_eq!(text.parse::<Switch>().unwrap().to_string(), text);
        }
        assert_eq!("INFO".parse(), Ok(Level(LevelFilter::Info)));
        let error = "loud".parse::<Level>().unwrap_err();
        assert_eq!(
            error,
            "expected one of off, error, warn, info, debug, trace"
        );
    }
}
