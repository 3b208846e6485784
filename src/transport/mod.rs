//! A connection's bytes, on their way in and out: what a socket brought, and what it took.
//!
//! Whether a short read means that the socket is drained, and a short write that it is full, is known
//! here and nowhere else: it holds for a stream socket, and would not for one that encrypts.

mod plain;

pub use plain::{read, write};

/// The result of a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadOutcome {
    /// Some bytes.
    Bytes {
        /// How many.
        bytes: usize,
        /// There are no more at the moment: an event will say when more come.
        drained: bool,
    },
    /// Nothing at the moment.
    Empty,
    /// The peer's stream has ended.
    Ended,
    /// The connection is broken.
    Broken,
}

/// The result of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteOutcome {
    /// Some bytes were taken, or none.
    Taken {
        /// How many bytes.
        bytes: usize,
        /// The socket is full: an event will say when it is not.
        full: bool,
    },
    /// The connection is broken.
    Broken,
}
