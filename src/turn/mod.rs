//! One turn of the loop: what is done in which order, how much of each connection is read, which ones are
//! written to, and what waits for the next turn.
//!
//! ```text
//!   begin ─► what the poll brought ─► read ─► timers ─► laps ─► flush ─► notices, actions ─► end
//!            mark_ready, accept,      ≤ a share each,  worked  a write
//!            handle_writable          ≤ 1 MiB in all   off     each
//! ```
//!
//! Messages are appended, and readers lapped, before the flush begins: from then on, nothing is added to
//! what readers are owed, and nothing is trimmed that one of them is about to be sent.
//!
//! It is written once, over a [`Driver`]: the server's has the kernel's sockets, the simulation's a fake
//! network's, and the benches' take whatever they are offered. The driver brings events and time, and
//! carries out what the relay decides about connections that exist. Which ones it accepts, and when, is its
//! own to decide.
//!
//! Readiness is edge-like: an event says that something changed, once. So a connection that stops
//! reading before its socket is drained stands on the ready list, or would sleep for ever.

mod ready;

pub use ready::{Readiness, Shares};

use crate::relay::{Action, ConnId, Notice, Reading, Relay};
use crate::transport::{ReadOutcome, WriteOutcome};
use ready::Ready;

/// Sockets, and the relay whose connections they belong to.
pub trait Driver {
    /// The relay.
    fn relay(&mut self) -> &mut Relay;

    /// What the loop keeps of a connection's socket; `None` once that is closed.
    fn readiness(&mut self, id: ConnId) -> Option<&mut Readiness>;

    /// Reads once from a connection's socket, at most what the buffer holds. One that is closed has
    /// nothing.
    fn read(&mut self, id: ConnId, buffer: &mut [u8]) -> ReadOutcome;

    /// Offers a connection's socket what [`Relay::transmit`] holds for it, once.
    fn write(&mut self, id: ConnId) -> WriteOutcome;

    /// Does something with a connection's socket.
    fn act(&mut self, id: ConnId, action: Action);

    /// Notes a refusal or a failure, while the socket still exists.
    fn handle_notice(&mut self, id: ConnId, notice: &Notice) {
        let _ = (id, notice);
    }

    /// Hands something to the relay that may change what it owes; the simulation's judges look on here.
    fn tell<R>(&mut self, what: Told, call: impl FnOnce(&mut Relay) -> R) -> R {
        let _ = what;
        call(self.relay())
    }
}

/// What the relay is being told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// What it kept of a connection's input is to be taken in.
    Kept(ConnId),
    /// This many bytes came.
    Input(ConnId, usize),
    /// A connection's stream has ended.
    End(ConnId),
    /// A connection is broken.
    Reset(ConnId),
    /// Time is up for a connection.
    Timer(ConnId),
    /// Readers that lag too far behind are to be dealt with.
    Laps,
    /// A socket took what it was offered, or a part of it.
    Sent(ConnId),
}

/// The turns of a loop. See the [module](self).
#[derive(Debug)]
pub struct Turn {
    ready: Ready,
    shares: Shares,
    buffer: Vec<u8>,
}

impl Turn {
    /// Turns in which connections get these shares.
    #[must_use]
    pub fn new(shares: Shares) -> Self {
        Turn {
            ready: Ready::default(),
            buffer: vec![0; shares.read_bytes_max],
            shares,
        }
    }

    /// A connection has, or may have, something to read.
    pub fn mark_ready(&mut self, driver: &mut impl Driver, id: ConnId) {
        if let Some(readiness) = driver.readiness(id)
            && !std::mem::replace(&mut readiness.is_listed, true)
        {
            self.ready.push(id);
        }
    }

    /// The next turn is due at once: a connection was not read to the end.
    #[must_use]
    pub fn has_work(&self) -> bool {
        !self.ready.is_empty()
    }

    /// The rest of a turn, once [`begin_turn`](Relay::begin_turn) and [`handle_poll`](Relay::handle_poll)
    /// were called, and relay and turn were told of all events.
    pub fn run(&mut self, driver: &mut impl Driver) {
        self.read(driver);
        fire_timers(driver);
        flush(driver);
        while let Some((id, notice)) = driver.relay().poll_notice() {
            driver.handle_notice(id, &notice);
        }
        while let Some((id, action)) = driver.relay().poll_action() {
            driver.act(id, action);
        }
        while let Some(id) = driver.relay().poll_resume() {
            self.mark_ready(driver, id);
        }
        driver.relay().end_turn();
    }

    /// Reads once from each connection that is ready, until the turn has taken in enough.
    fn read(&mut self, driver: &mut impl Driver) {
        let share = self.shares.of(self.ready.len());
        let mut bytes_left = self.shares.turn_bytes_max;
        for _ in 0..self.ready.len() {
            let Some(id) = self.ready.pop() else { break };
            bytes_left = bytes_left.saturating_sub(self.read_from(driver, id, share));
            if bytes_left == 0 {
                break;
            }
        }
        self.ready.end_turn();
    }

    /// Reads from a connection, and returns the bytes that it brought.
    fn read_from(&mut self, driver: &mut impl Driver, id: ConnId, share: usize) -> usize {
        let bytes_max = match driver.relay().reading(id) {
            Reading::Now(bytes_max) => bytes_max.min(share).min(self.buffer.len()),
            Reading::Kept => {
                driver.tell(Told::Kept(id), |relay| relay.handle_kept(id));
                self.ready.push(id);
                return 0;
            }
            Reading::NextTurn => {
                self.ready.put_off(id);
                return 0;
            }
            Reading::Later => {
                unlist(driver, id);
                return 0;
            }
            Reading::Held => {
                unlist(driver, id);
                driver.relay().handle_held(id);
                return 0;
            }
        };
        let buffer = &mut self.buffer[..bytes_max];
        match driver.read(id, buffer) {
            ReadOutcome::Bytes { bytes, drained } => {
                let is_over = drained && driver.readiness(id).is_none_or(|of| !of.read_to_end);
                match is_over {
                    true => unlist(driver, id),
                    false => self.ready.push(id),
                }
                let input = &mut buffer[..bytes];
                driver.tell(Told::Input(id, bytes), |relay| {
                    relay.handle_input(id, input)
                });
                return bytes;
            }
            ReadOutcome::Empty => unlist(driver, id),
            ReadOutcome::Ended => {
                unlist(driver, id);
                driver.tell(Told::End(id), |relay| relay.handle_end(id));
            }
            ReadOutcome::Broken => {
                unlist(driver, id);
                driver.tell(Told::Reset(id), |relay| relay.handle_reset(id));
            }
        }
        0
    }
}

/// Fires what is due. A connection on the ready list may be read first.
fn fire_timers(driver: &mut impl Driver) {
    while let Some(id) = driver.relay().poll_timer() {
        let is_unread = driver.readiness(id).is_some_and(|of| of.is_listed);
        driver.tell(Told::Timer(id), |relay| relay.handle_timer(id, is_unread));
    }
}

/// Writes to every connection that is due in this turn.
fn flush(driver: &mut impl Driver) {
    driver.tell(Told::Laps, Relay::begin_flush);
    while let Some(id) = driver.relay().poll_transmit() {
        match driver.write(id) {
            WriteOutcome::Taken { bytes, full } => {
                driver.tell(Told::Sent(id), |relay| relay.handle_sent(id, bytes, full));
            }
            WriteOutcome::Broken => {
                driver.tell(Told::Reset(id), |relay| relay.handle_reset(id));
            }
        }
    }
}

/// Takes a connection off the ready list.
fn unlist(driver: &mut impl Driver, id: ConnId) {
    if let Some(readiness) = driver.readiness(id) {
        readiness.is_listed = false;
    }
}
