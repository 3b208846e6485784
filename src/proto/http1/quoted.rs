//! Text from the network, made fit for logs and terminals: short, and in plain ASCII.

use std::fmt;

/// Displays text in quotes, escaped, and cut after [`QUOTED_MAX`] characters.
pub(super) struct Quoted<'a>(pub(super) &'a str);

/// Characters that are shown; the name of a host has at most 253.
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
