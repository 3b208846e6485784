//! Incremental UTF-8 validation (RFC 6455 §8.1): text is checked as it arrives, however it is cut.
//!
//! The work is done by [`std::str::from_utf8`], which tells a sequence that is wrong from one that
//! is merely not whole yet. What is kept between two calls is the start of such a sequence: at most
//! three bytes. Most text is ASCII, and to ask that first is several times faster, since it doesn't
//! wait for an aligned address.

use std::error::Error;
use std::fmt;
use std::str;

/// The bytes so far can't be the start of any valid text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidUtf8;

impl fmt::Display for InvalidUtf8 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not UTF-8")
    }
}

impl Error for InvalidUtf8 {}

/// Whether this is UTF-8 on its own: for text that came whole.
#[inline]
pub fn is_valid(text: &[u8]) -> bool {
    text.is_ascii() || str::from_utf8(text).is_ok()
}

/// A validator between two pieces of one text.
///
/// ```
/// use fanfare::proto::utf8::Utf8;
///
/// let mut text = Utf8::default();
/// assert!(text.push(b"caf\xC3").is_ok());
/// assert!(!text.is_complete()); // may end here only if the é is finished
/// assert!(text.push(b"\xA9").is_ok());
/// assert!(text.is_complete());
/// assert!(text.push(b"\xED\xA0").is_err()); // a surrogate: its third byte isn't waited for
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Utf8 {
    /// The start of a sequence that the next piece has to finish; 0 ≤ `pending_bytes` ≤ 3.
    pending: [u8; 4],
    pending_bytes: u8,
}

impl Utf8 {
    /// Takes the next piece. It fails at the first byte that no further input could make valid:
    /// overlong forms, surrogates and what is beyond U+10FFFF are noticed at their second byte.
    /// After a failure the validator is of no further use.
    pub fn push(&mut self, piece: &[u8]) -> Result<(), InvalidUtf8> {
        let mut rest = piece;
        while self.pending_bytes > 0 {
            let Some((&byte, after)) = rest.split_first() else {
                return Ok(());
            };
            rest = after;
            self.pending[usize::from(self.pending_bytes)] = byte;
            self.pending_bytes += 1;
            match str::from_utf8(&self.pending[..usize::from(self.pending_bytes)]) {
                Ok(_) => self.pending_bytes = 0,
                Err(error) if error.error_len().is_some() => return Err(InvalidUtf8),
                Err(_) => {}
            }
        }
        if rest.is_ascii() {
            return Ok(());
        }
        if let Err(error) = str::from_utf8(rest) {
            if error.error_len().is_some() {
                return Err(InvalidUtf8);
            }
            let cut = &rest[error.valid_up_to()..];
            self.pending[..cut.len()].copy_from_slice(cut);
            self.pending_bytes = cut.len() as u8;
        }
        Ok(())
    }

    /// Whether the text may end here: no sequence has been cut.
    pub fn is_complete(&self) -> bool {
        self.pending_bytes == 0
    }
}

#[cfg(test)]
mod tests;
