//! What the relay asks of its driver for a connection.

use crate::metrics::Format;

/// What to do with a connection's socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Shut the writing side: the peer reads to the end, and we discard what still comes.
    ShutdownWrite,
    /// Have the kernel find out now and then whether the peer is still there: it may be silent for as long as it likes.
    KeepAlive,
    /// Close it. The connection is gone.
    Close,
    /// Hand this back to [`Relay::handle_report`](super::Relay::handle_report), with what the system knows of
    /// the process.
    Report(Scrape),
}

/// A request for metrics, which waits for what the system knows. To be handed back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scrape {
    pub(super) format: Format,
    pub(super) reply: Reply,
}

/// How a response is to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) head_only: bool,
    pub(super) keep_alive: bool,
}
