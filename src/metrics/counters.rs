//! What happened since the start.

use super::cause::Cause;
use super::histogram::Histogram;
use crate::http::Reason;

/// The states of connections, as they are shown.
pub const STATES: [&str; 6] = [
    "handshake",
    "publishing",
    "responding",
    "open",
    "closing",
    "lingering",
];

/// The status codes of close frames, as they are counted. Clients choose theirs, so those that
/// belong to libraries and applications are counted together. 1005 is a close frame without a code,
/// 1006 stands for none at all.
pub const CLOSE_CODES: [&str; 16] = [
    "1000", "1001", "1002", "1003", "1005", "1006", "1007", "1008", "1009", "1010", "1011", "1012",
    "1013", "1014", "3xxx", "4xxx",
];

/// The index of a code among [`CLOSE_CODES`].
#[must_use]
pub fn close_code_index(code: u16) -> usize {
    match code {
        1000..=1003 => usize::from(code - 1000),
        1007..=1014 => usize::from(code - 1001),
        3000..=3999 => 14,
        4000..=4999 => 15,
        1005 => 4,
        _ => 5,
    }
}

/// Counts since the start of the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Connections accepted.
    pub accepted: u64,
    /// Connections accepted on the admin listener.
    pub admin_accepted: u64,
    /// Connections that became WebSockets, or streams of events.
    pub opened: u64,
    /// Those that became streams of events.
    pub opened_sse: u64,
    /// Requests that were refused, or never came whole, by [`Reason`].
    pub refusals: [u64; Reason::ALL.len()],
    /// WebSockets that ceased to be open, by [`Cause`] and by index of the code.
    pub closes: [[u64; CLOSE_CODES.len()]; Cause::ALL.len()],
    /// Messages published.
    pub messages: u64,
    /// Messages published by HTTP, those that reached no topic among them.
    pub posted: u64,
    /// Bytes of their payloads.
    pub message_bytes: u64,
    /// Messages owed to members: one for each member that a message was published to.
    pub deliveries: u64,
    /// Bytes read from connections.
    pub received_bytes: u64,
    /// Bytes written to connections.
    pub sent_bytes: u64,
    /// WebSockets that agreed on compression.
    pub opened_compressed: u64,
    /// Messages compressed, once for each window that a reader uses.
    pub deflated: Sizes,
    /// Messages left as they are for readers of compressed ones, since they are small.
    pub deflate_small: u64,
    /// The same, since they would not shrink.
    pub deflate_vain: u64,
    /// Time spent on compressing.
    pub deflate_nanoseconds: u64,
    /// Messages that came compressed.
    pub inflated: Sizes,
    /// Time spent on inflating.
    pub inflate_nanoseconds: u64,
    /// Readers closed because they lagged by more than their topic retains.
    pub lapped: u64,
    /// Times that a reader went on at the live end instead.
    pub skips: u64,
    /// Messages that they missed.
    pub messages_skipped: u64,
    /// Messages that lapped readers were owed and did not get.
    pub messages_lost: u64,
    /// Readers that were sent messages of before they joined.
    pub replays: u64,
    /// Those messages.
    pub messages_replayed: u64,
    /// Readers that asked for messages of which some were not retained.
    pub replay_gaps: u64,
    /// Connections that broke a rule of the protocol.
    pub failed: u64,
    /// Connections dropped because the peer did not answer a ping.
    pub dead: u64,
    /// Connections dropped because nothing could be written to them for too long.
    pub stalled: u64,
    /// Pings sent to silent peers.
    pub pings_sent: u64,
    /// Pings received, each of which is owed a pong.
    pub pings_received: u64,
    /// Pongs received.
    pub pongs_received: u64,
    /// Messages that a write carried, for the writes to members that keep up.
    pub messages_per_write: Histogram<0>,
    /// How far readers that lag were behind whenever they went on or were lapped, in bytes.
    pub lag_bytes: Histogram<10>,
}

/// Messages that became smaller or larger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// How many.
    pub messages: u64,
    /// Bytes of their payloads before.
    pub bytes_before: u64,
    /// And after.
    pub bytes_after: u64,
}

impl Sizes {
    /// Counts a message.
    pub fn count(&mut self, bytes_before: usize, bytes_after: usize) {
        self.messages += 1;
        self.bytes_before += bytes_before as u64;
        self.bytes_after += bytes_after as u64;
    }
}

impl Counters {
    /// Requests that were refused.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refusals.iter().sum::<u64>() - self.refusals[Reason::Disconnected as usize]
    }

    /// Counts a WebSocket that ceases to be open.
    pub fn count_close(&mut self, cause: Cause, code: u16) {
        self.closes[cause as usize][close_code_index(code)] += 1;
    }

    /// WebSockets that ceased to be open.
    #[must_use]
    pub fn closed(&self) -> u64 {
        self.closes.as_flattened().iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_agree() {
        for (index, cause) in Cause::ALL.iter().enumerate() {
            assert_eq!(*cause as usize, index);
        }
        for (index, reason) in Reason::ALL.iter().enumerate() {
            assert_eq!(*reason as usize, index);
        }
    }

    #[test]
    fn every_code_has_its_place() {
        for (index, name) in CLOSE_CODES.iter().enumerate() {
            let code = name.replace("xxx", "123").parse().unwrap();
            assert_eq!(close_code_index(code), index, "{name}");
        }
        assert_eq!(close_code_index(3000), close_code_index(3999));
        assert_eq!(CLOSE_CODES[close_code_index(65535)], "1006");
    }
}
