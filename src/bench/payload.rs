//! How each payload begins: with numbers that identify the message.
//!
//! ```text
//!   payload   |tag 3|publisher 3|sequence 6|filler . . . . . . . . . . . .|
//! ```
//!
//! Each number is written in base 64, in the characters `0` to `o`. The tag tells the messages of one
//! run from those of others.

/// The least payload: tag, publisher and sequence.
pub(super) const PAYLOAD_BYTES_MIN: usize = TAG_DIGITS + PUBLISHER_DIGITS + SEQUENCE_DIGITS;
/// The number of different tags.
pub(super) const TAGS: u32 = 1 << (6 * TAG_DIGITS);
/// The number of different publishers.
pub(super) const PUBLISHERS_MAX: usize = 1 << (6 * PUBLISHER_DIGITS);
/// The first of the 64 characters.
pub(super) const DIGIT_ZERO: u8 = b'0';

const TAG_DIGITS: usize = 3;
const PUBLISHER_DIGITS: usize = 3;
const SEQUENCE_DIGITS: usize = 6;

/// A message's publisher, and its number among that publisher's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fields {
    pub(super) publisher: usize,
    pub(super) sequence: u64,
}

impl Fields {
    /// Appends the start of a payload.
    pub(super) fn write(self, tag: u32, out: &mut Vec<u8>) {
        write_number(tag.into(), TAG_DIGITS, out);
        write_number(self.publisher as u64, PUBLISHER_DIGITS, out);
        write_number(self.sequence, SEQUENCE_DIGITS, out);
    }

    /// What the start of a payload says, if it has this tag.
    pub(super) fn read(tag: u32, payload: &[u8]) -> Option<Self> {
        let (its_tag, rest) = payload.split_at_checked(TAG_DIGITS)?;
        let (publisher, rest) = rest.split_at_checked(PUBLISHER_DIGITS)?;
        let sequence = rest.get(..SEQUENCE_DIGITS)?;
        (read_number(its_tag)? == u64::from(tag)).then_some(Fields {
            publisher: read_number(publisher)? as usize,
            sequence: read_number(sequence)?,
        })
    }
}

/// The publisher of a payload, from its first bytes; none if they are too few, or not digits.
pub(super) fn publisher_of(payload: &[u8]) -> Option<usize> {
    let digits = payload.get(TAG_DIGITS..TAG_DIGITS + PUBLISHER_DIGITS)?;
    read_number(digits).map(|number| number as usize)
}

fn write_number(number: u64, digits: usize, out: &mut Vec<u8>) {
    for place in (0..digits).rev() {
        out.push(DIGIT_ZERO + (number >> (6 * place) & 63) as u8);
    }
}

fn read_number(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |number, &digit| {
        let value = digit.wrapping_sub(DIGIT_ZERO);
        (value < 64).then_some(number << 6 | u64::from(value))
    })
}
