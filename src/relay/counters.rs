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
    /// Messages compressed, once for each window that somebody reads, and their bytes before and
    /// after.
    pub deflated: u64,
    /// See `deflated`.
    pub deflated_bytes_before: u64,
    /// See `deflated`.
    pub deflated_bytes_after: u64,
    /// Messages left as they are for those who read them compressed: too small, or they would not
    /// shrink.
    pub deflate_passed: u64,
    /// Time spent on compressing.
    pub deflate_nanoseconds: u64,
    /// Messages that came compressed, and their bytes before and after they were inflated.
    pub inflated: u64,
    /// See `inflated`.
    pub inflated_bytes_before: u64,
    /// See `inflated`.
    pub inflated_bytes_after: u64,
    /// Time spent on inflating.
    pub inflate_nanoseconds: u64,
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
