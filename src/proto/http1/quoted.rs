//! What a stranger sent, fit for logs and terminals: short, and in plain ASCII.

use std::fmt;

/// It is shown like this.
pub(super) struct Quoted<'a>(pub(super) &'a str);

/// Letters of it that are shown; a host's name has at most 253.
const QUOTED_MAX: usize = 300;

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (shown, dots) = match self.0.char_indices().nth(QUOTED_MAX) {
            Some((end, _)) => (&self.0[..end], "..."),
            None => (self.0, ""),
        };
        write!(f, "\"{}\"{dots}", shown.escape_default())
    }
}
