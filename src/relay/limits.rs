//! The bounds that the relay keeps, and what each one protects.

use super::policy::Policies;
use crate::proxy::{ClientAddress, Trusted};
use std::sync::Arc;

/// How messages are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compression {
    /// 1, the fastest, to 9, of which those above 6 can take seconds for one message.
    pub level: u8,
    /// Smaller messages are not worth the time.
    pub bytes_min: usize,
}

/// The bounds in force. Sizes are in bytes, times in ticks of 100 ms.
#[derive(Clone, Debug)]
pub struct Limits {
    /// WebSocket connections in all; one more is answered with 503.
    pub connections_max: usize,
    /// Topics that exist at a time; a request that would begin one more is answered with 503.
    pub topics_max: usize,
    /// An HTTP request head.
    pub head_bytes_max: usize,
    /// A message, all its fragments together. At most a quarter of `topic_log_bytes_max`.
    pub message_bytes_max: usize,
    /// What a topic retains for its slowest reader, in each encoding that has a reader: so it
    /// makes no difference to a reader what others have agreed on.
    pub topic_log_bytes_max: usize,
    /// What all topics retain together.
    pub log_bytes_max: usize,
    /// Control frames that wait for one connection, from which on only the latest pong is kept.
    pub outbox_bytes_max: usize,
    /// The rest of a frame that is saved for a reader which was lapped in the middle of it.
    pub rescue_bytes_max: usize,
    /// What all connections hold for themselves: unfinished messages and request heads, outboxes.
    pub private_bytes_max: usize,
    /// Messages that are ordered elsewhere and are not settled, beyond which publishers are not read.
    /// [`UNSETTLED_BYTES_MAX`](Self::UNSETTLED_BYTES_MAX) is the default.
    pub unsettled_bytes_max: usize,
    /// What holds for a topic, by its name.
    pub policies: Arc<Policies>,
    /// Which connections are let in, by address.
    pub admission: Admission,
    /// What one client may send.
    pub rates: Rates,
    /// Whether permessage-deflate is agreed on with clients that offer it, and how messages are compressed.
    pub compression: Option<Compression>,
    /// Origins whose pages may connect besides the one that the request is for, as
    /// [`check_origin`](crate::proto::http1::check_origin) has them.
    pub origins: Vec<String>,
    /// Hosts that requests may be for, besides addresses and loopback names: `chat.example`,
    /// `*.example`, `*` for all. If there are any, they hold for all requests, otherwise for those of
    /// connections that came by a listener on loopback.
    pub hosts: Vec<String>,
    /// Subprotocols that clients may choose from.
    pub subprotocols: Vec<String>,
    /// From the accept to the whole request.
    pub handshake_timeout: u32,
    /// How long the body of a request may take to come whole; where each line of it is a message, its first line.
    pub body_timeout: u32,
    /// From a response to the next request.
    pub keep_alive_timeout: u32,
    /// Silence of a peer until it is pinged; `u32::MAX` ticks, 13 years, are never.
    pub heartbeat_interval: u32,
    /// From when the ping left until any byte of the peer.
    pub pong_timeout: u32,
    /// Time without a message, or a part of one, either way.
    pub idle_timeout: Option<u32>,
    /// Time without progress while bytes are pending.
    pub stalled_write_timeout: u32,
    /// From when a close began until the peer's close frame.
    pub close_timeout: u32,
    /// How much is done at a time.
    pub pace: Pace,
}

impl Limits {
    /// A link of 1 Gbit/s carries as much in an eighth of a second. If more is under way, something is amiss, and
    /// to take in more would only have it wait here.
    pub const UNSETTLED_BYTES_MAX: usize = 16 << 20;
}

/// Which connections are let in, by address. The default is all.
#[derive(Clone, Debug, Default)]
pub struct Admission {
    /// What the address of a client is.
    pub client_address: ClientAddress,
    /// The proxies that may say so.
    pub trusted: Trusted,
    /// Connections of one address, or of 64 bits of one of IPv6; one more is answered with 429.
    pub address_connections_max: Option<u16>,
    /// New ones in a second, on the average; one more is answered with 429.
    pub address_connections_per_second_max: Option<u32>,
}

/// What one WebSocket may send, on the average of some seconds; more ends in 1008. The default is
/// whatever it likes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rates {
    /// Messages, pings among them, in a second.
    pub messages_per_second_max: Option<u32>,
    /// Bytes in a second, frame headers among them. After silence, the largest message may come at
    /// once.
    pub bytes_per_second_max: Option<u64>,
}

/// How much is done at a time, so that many connections don't hold up the others. The default is the pace of a server.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Members of one topic that a turn visits; the walk goes on in the next turn.
    pub topic_visits_per_turn: u32,
    /// Members that a turn visits in all topics together.
    pub visits_per_turn: u32,
    /// Bytes that a turn sends to the members of one topic as it visits them; what one of them is owed
    /// may exceed it.
    pub topic_flush_bytes_per_turn: u64,
    /// Bytes that it sends so to those of all topics together.
    pub flush_bytes_per_turn: u64,
    /// Bytes that a turn sends to connections with output of their own that keep up, such as pongs, and as many
    /// to those that lag; what one of them is owed may exceed it.
    pub output_bytes_per_turn: u64,
    /// Bytes that a turn sends to readers that missed them before they joined; what one of them is sent at a time
    /// may exceed it.
    pub replay_bytes_per_turn: u64,
    /// Bytes that one of them is sent at a time, so that they share a turn.
    pub replay_bytes_per_write: usize,
    /// Readers that a turn laps, or fewer where it takes long to know what they missed; while more are to
    /// be, their topics take nothing in.
    pub laps_per_turn: usize,
    /// What a turn inflates before it goes on to writing, in bytes: of a message the larger of its two
    /// sizes, and 1 KiB for each block that it consists of.
    pub inflated_bytes_per_turn: usize,
    /// What a message may take though the turn has hardly any left, so that a small one is never cut in
    /// two: that takes memory, which others may have used up.
    pub inflated_bytes_per_step_min: usize,
    /// Timers that a turn fires.
    pub timers_per_turn: u32,
    /// Connections that a shutdown closes in each tick, though the drain time would allow to spread
    /// them wider: 1,000 a second that come back do no harm.
    pub closes_per_tick: usize,
}

impl Default for Pace {
    fn default() -> Self {
        Pace {
            topic_visits_per_turn: 1024,
            visits_per_turn: 4096,
            // The kernel takes 4 MiB in a millisecond. With less, a large topic's turns end before much has come
            // for the next ones, and each write carries fewer messages: 1 MiB costs a seventh more CPU.
            topic_flush_bytes_per_turn: 4 << 20,
            flush_bytes_per_turn: 16 << 20,
            output_bytes_per_turn: 1 << 20,
            // To write as much takes 1 ms, as far as the kernel has sockets of this machine at the other end.
            replay_bytes_per_turn: 512 << 10,
            replay_bytes_per_write: 64 << 10,
            // Each takes microseconds: a boundary to find, a close frame, a notice.
            laps_per_turn: 256,
            // As much as a turn reads: 4.5 ms, if all is made to take as long as it can.
            inflated_bytes_per_turn: 1 << 20,
            inflated_bytes_per_step_min: 64 << 10,
            timers_per_turn: 1024,
            closes_per_tick: 100,
        }
    }
}

/// Bytes of an unfinished message or request that every connection may hold, whatever the others do. So
/// an attacker that uses up [`Limits::private_bytes_max`] can't have the frames refused that TCP merely
/// cut in two.
pub(super) const GATHER_BYTES_FREE: usize = 16 * 1024;

/// After the end of a connection, what is still read of a peer so that a reset does not eat our
/// last words: bytes, and ticks. Time is the bound that counts. A client that learns from a 1009
/// that its message was too large has sent most of it by then: with 64 KiB, it mostly learnt
/// nothing. To read and forget costs less than the messages of clients that keep to the rules.
pub(super) const LINGER_BYTES_MAX: u32 = 32 << 20;
pub(super) const LINGER_TICKS: u32 = 20;

/// Places of topics, taken or free, that an answer to the operator looks at: a turn has other things
/// to do.
pub(super) const TOPIC_SLOTS_PER_PAGE: usize = 8192;

/// Connections that the admin listener has at a time. For one more, the oldest goes: a client that hoards
/// them keeps no other out.
pub const ADMIN_CONNECTIONS_MAX: usize = 16;

/// Connections that were refused at the accept and linger, so that a reset does not eat the answer.
/// When there are as many, others are closed as soon as they were answered: a client that floods us with
/// connections must not take the places of others in that way.
pub(super) const REFUSED_LINGERING_MAX: usize = 64;

#[cfg(test)]
impl Limits {
    /// Bounds that tests don't meet unless they set them.
    pub(super) fn of_tests() -> Self {
        Limits {
            connections_max: usize::MAX,
            topics_max: usize::MAX,
            head_bytes_max: 16 << 10,
            message_bytes_max: 64 << 10,
            topic_log_bytes_max: 1 << 20,
            log_bytes_max: 64 << 20,
            outbox_bytes_max: 4 << 10,
            rescue_bytes_max: 64 << 10,
            unsettled_bytes_max: Limits::UNSETTLED_BYTES_MAX,
            private_bytes_max: 64 << 20,
            policies: Arc::default(),
            compression: None,
            admission: Admission::default(),
            rates: Rates::default(),
            origins: Vec::new(),
            hosts: Vec::new(),
            subprotocols: Vec::new(),
            handshake_timeout: 100,
            body_timeout: 300,
            keep_alive_timeout: 100,
            heartbeat_interval: 1000,
            pong_timeout: 100,
            idle_timeout: None,
            stalled_write_timeout: 300,
            close_timeout: 50,
            pace: Pace::default(),
        }
    }
}
