//! What happened, in numbers.

/// Counts since the start of the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Connections that became WebSockets.
    pub opened: u64,
    /// Requests refused with an error status.
    pub refused: u64,
    /// Messages published.
    pub messages: u64,
    /// Readers closed because they lagged by more than their topic retains.
    pub lapped: u64,
    /// Times that a reader went on at the live end instead, and the messages that it missed.
    pub skips: u64,
    /// See `skips`.
    pub messages_skipped: u64,
    /// Connections that broke a rule of the protocol.
    pub failed: u64,
    /// Connections dropped because the peer did not answer a ping.
    pub dead: u64,
    /// Connections dropped because nothing could be written to them for too long.
    pub stalled: u64,
}
