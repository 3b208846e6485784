//! A message's id, and how it is written.
//!
//! A message's id says which life of its topic it belongs to, and which one of that life's it is. A topic's
//! numbers begin at 1 and have no gaps, so that two of them say how many messages lie between. They begin
//! anew with the topic: an epoch, drawn by chance, tells one life from another. To clients an id is opaque. It
//! has no colon, for a browser that sends one back in `Last-Event-ID` would have to ask for permission first
//! (CORS).

use serde::{Serialize, Serializer};
use std::error::Error;
use std::fmt;
use std::str::FromStr;

/// Which life of its topic a message belongs to: 35 bits, written as seven characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Epoch(u64);

/// Names a message, as in `k3f9x2a-1042`: at most 28 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MessageId {
    /// The life of its topic.
    pub epoch: Epoch,
    /// Its number in that: 1 for the first.
    pub number: u64,
}

/// A text is no id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidId;

/// Crockford's base 32: no letter of it is taken for a digit.
const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const DIGIT_BITS: u32 = 5;
const EPOCH_DIGITS: u32 = 7;

impl Epoch {
    /// One of them.
    #[cfg(test)]
    pub(crate) const ZERO: Self = Epoch(0);

    /// The epoch that chance has drawn.
    pub(crate) fn of(chance: u64) -> Self {
        Epoch(chance >> (u64::BITS - EPOCH_DIGITS * DIGIT_BITS))
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (0..EPOCH_DIGITS).rev().try_for_each(|place| {
            let digit = self.0 >> (place * DIGIT_BITS) & (DIGITS.len() as u64 - 1);
            write!(f, "{}", char::from(DIGITS[digit as usize]))
        })
    }
}

impl FromStr for Epoch {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        if text.len() != EPOCH_DIGITS as usize {
            return Err(InvalidId);
        }
        let value = text.bytes().try_fold(0, |value, byte| {
            let digit = DIGITS.iter().position(|&digit| digit == byte)?;
            Some(value << DIGIT_BITS | digit as u64)
        });
        value.map(Epoch).ok_or(InvalidId)
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.epoch, self.number)
    }
}

impl FromStr for MessageId {
    type Err = InvalidId;

    /// Takes an id as it is written, and in no other way.
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let (epoch, digits) = text.split_once('-').ok_or(InvalidId)?;
        let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit());
        if !is_plain || digits.starts_with('0') && digits != "0" {
            return Err(InvalidId);
        }
        Ok(MessageId {
            epoch: epoch.parse()?,
            number: digits.parse().map_err(|_| InvalidId)?,
        })
    }
}

impl Serialize for MessageId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for InvalidId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a message's id is seven characters, a hyphen and a number, as in k3f9x2a-1042")
    }
}

impl Error for InvalidId {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_id_is_read_as_it_was_written(chance: u64, number: u64) {
            let epoch = Epoch::of(chance);
            let id = MessageId { epoch, number };
            let text = id.to_string();
            prop_assert!(text.len() <= 28 && !text.contains(':'));
            prop_assert_eq!(text.parse(), Ok(id));
        }

        #[test]
        fn nothing_else_is_read(text in "\\PC{0,30}") {
            if let Ok(id) = text.parse::<MessageId>() {
                prop_assert_eq!(id.to_string(), text);
            }
        }
    }

    #[test]
    fn what_is_no_id() {
        for text in [
            "",
            "-",
            "k3f9x2a",
            "k3f9x2a-",
            "k3f9x2-1",
            "k3f9x2a1-1",
            "k3f9x2u-1",
            "K3F9X2A-1",
            "k3f9x2a-01",
            "k3f9x2a-+1",
            "k3f9x2a--1",
            "k3f9x2a-1 ",
            "k3f9x2a-18446744073709551616",
        ] {
            assert_eq!(text.parse::<MessageId>(), Err(InvalidId), "{text}");
        }
    }
}
