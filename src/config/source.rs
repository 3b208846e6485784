//! Where a setting's value came from.

use std::sync::Arc;

/// Where a setting's value came from, from the weakest to the strongest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// It was not set.
    Default,
    /// A line of the file.
    File {
        /// The file, as it was named.
        file: Arc<str>,
        /// Counted from 1.
        line: usize,
    },
    /// Its environment variable.
    Environment,
    /// Its flag.
    Flag,
}
