//! A connection's fake kernel: a bounded buffer each way, whose bytes the network moves as it likes.
//!
//! ```text
//!   client ──push──► (network) ──arrive──► receive buffer ──read──► relay
//!   client ◄─deliver─ send buffer (and network) ◄──────────write── relay
//! ```
//!
//! What goes down to the client is checked where it is written, so only its length is kept here.
//! Events are edge-like: something changed, once, and the event tells the state of that moment.

use crate::random::Random;
use fanfare::transport::ReadOutcome;
use fanfare::wheel::Tick;

/// What the poller says about a socket.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Event {
    pub(crate) readable: bool,
    pub(crate) read_closed: bool,
    pub(crate) error: bool,
    pub(crate) writable: bool,
}

/// Both directions of a connection, and the relay's socket at the end of them.
#[derive(Debug, Default)]
pub(crate) struct Socket {
    /// What the client has sent and the relay not read.
    up: Vec<u8>,
    /// How much of `up` is in the receive buffer.
    arrived: usize,
    /// What came before `up`.
    read_bytes: u64,
    fin: Half,
    reset: Half,
    /// Bytes that were written, and of those, that reached the client.
    written: u64,
    delivered: u64,
    pub(crate) send_capacity: usize,
    pub(crate) receive_capacity: usize,
    /// Free bytes that a full send buffer must have again before the socket is called writable.
    pub(crate) writable_space: usize,
    /// A write came back short, and no event has said since that the socket is writable.
    awaits_space: bool,
    shut: bool,
    edge: bool,
    /// Nothing moves in this direction before that time.
    pub(crate) up_frozen: Tick,
    pub(crate) down_frozen: Tick,
}

/// Something that the client does at the end of its stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Half {
    #[default]
    No,
    Sent,
    Arrived,
}

/// The client's side.
impl Socket {
    /// Bytes that the client has sent since the connection began.
    pub(crate) fn pushed(&self) -> u64 {
        self.read_bytes + self.up.len() as u64
    }

    /// Bytes that have not been read yet.
    pub(crate) fn backlog(&self) -> usize {
        self.up.len()
    }

    pub(crate) fn push(&mut self) -> &mut Vec<u8> {
        debug_assert!(self.fin == Half::No);
        &mut self.up
    }

    pub(crate) fn push_fin(&mut self) {
        if self.fin == Half::No {
            self.fin = Half::Sent;
        }
    }

    /// No more will come, and what is under way may be lost.
    pub(crate) fn push_reset(&mut self) {
        if self.reset == Half::No {
            self.reset = Half::Sent;
        }
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.fin != Half::No || self.reset != Half::No
    }

    /// Bytes that the client has received.
    pub(crate) fn delivered(&self) -> u64 {
        self.delivered
    }

    /// The client has seen the end of the relay's stream.
    pub(crate) fn is_down_ended(&self) -> bool {
        self.shut && self.delivered == self.written
    }
}

/// The network.
impl Socket {
    /// Lets bytes come to the receive buffer, and the end of the stream behind the last of them.
    /// True if anything moved.
    pub(crate) fn arrive(&mut self, now: Tick, bytes_max: usize) -> bool {
        if self.reset == Half::Arrived || now < self.up_frozen {
            return false;
        }
        if self.reset == Half::Sent {
            self.reset = Half::Arrived;
            self.edge = true;
            return true;
        }
        let space = self.receive_capacity.saturating_sub(self.arrived);
        let bytes = (self.up.len() - self.arrived).min(space).min(bytes_max);
        self.arrived += bytes;
        let is_at_end = self.arrived == self.up.len() && bytes < bytes_max;
        let fin = self.fin == Half::Sent && is_at_end;
        if fin {
            self.fin = Half::Arrived;
        }
        self.edge |= bytes > 0 || fin;
        bytes > 0 || fin
    }

    /// Lets bytes reach the client. True if anything moved.
    pub(crate) fn deliver(&mut self, now: Tick, bytes_max: usize) -> bool {
        if now < self.down_frozen {
            return false;
        }
        let bytes = (self.written - self.delivered).min(bytes_max as u64);
        self.delivered += bytes;
        if self.awaits_space && self.space() >= self.writable_space {
            self.awaits_space = false;
            self.edge = true;
        }
        bytes > 0
    }

    /// An event that tells of no change.
    pub(crate) fn stir(&mut self) {
        self.edge = true;
    }

    pub(crate) fn has_edge(&self) -> bool {
        self.edge
    }

    fn space(&self) -> usize {
        self.send_capacity
            .saturating_sub((self.written - self.delivered) as usize)
    }
}

/// The relay's side.
impl Socket {
    /// The event that the poller has for this socket.
    pub(crate) fn take_event(&mut self) -> Event {
        self.edge = false;
        let reset = self.reset == Half::Arrived;
        Event {
            readable: self.arrived > 0 || reset,
            read_closed: self.fin == Half::Arrived || reset,
            error: reset,
            writable: reset || (!self.awaits_space && self.space() >= self.writable_space),
        }
    }

    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> ReadOutcome {
        if self.reset == Half::Arrived {
            return ReadOutcome::Broken;
        }
        let bytes = self.arrived.min(buffer.len());
        if bytes == 0 {
            return match self.fin {
                Half::Arrived => ReadOutcome::Ended,
                _ => ReadOutcome::Empty,
            };
        }
        buffer[..bytes].copy_from_slice(&self.up[..bytes]);
        self.up.drain(..bytes);
        self.arrived -= bytes;
        self.read_bytes += bytes as u64;
        let drained = bytes < buffer.len();
        ReadOutcome::Bytes { bytes, drained }
    }

    /// Takes some of `offered` bytes; `None` once the connection is broken. With `refuses`, less
    /// than there is space for, as a kernel short of memory does.
    pub(crate) fn write(
        &mut self,
        offered: usize,
        refuses: bool,
        random: &mut Random,
    ) -> Option<usize> {
        if self.reset == Half::Arrived {
            return None;
        }
        let mut sent = offered.min(self.space());
        if refuses {
            sent = random.below(sent.max(1));
        }
        self.written += sent as u64;
        self.awaits_space |= sent < offered;
        Some(sent)
    }

    pub(crate) fn shutdown_write(&mut self) {
        self.shut = true;
    }

    pub(crate) fn is_shut(&self) -> bool {
        self.shut
    }

    /// Bytes that are there to be read.
    pub(crate) fn unread(&self) -> usize {
        self.arrived
    }

    /// The end of the client's stream, or its reset, is there to be read.
    pub(crate) fn is_end_unread(&self) -> bool {
        self.fin == Half::Arrived || self.reset == Half::Arrived
    }
}
