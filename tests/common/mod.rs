//! What the tests over real sockets share: a relay of one's own, and a client that speaks bytes.
//!
//! Every test starts its own relay, the real binary on a free port, and ends it when it is done.
//! Every wait has a deadline, and is for something that happens; nothing is timed.

#![allow(
    dead_code,
    unused_imports,
    reason = "each test crate uses a part of this"
)]

mod client;
mod events;
mod relay;
mod wire;

pub(crate) use client::{Client, Response};
pub(crate) use events::{Event, Events};
pub(crate) use relay::{Ended, Relay, SMALL_LOG, command};
pub(crate) use wire::*;

use std::time::{Duration, Instant};

/// What takes longer than this does not happen: far more than a busy machine needs.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// Looks until the condition holds.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Deadline::begin();
    while !holds() {
        assert!(!deadline.has_passed(), "never happened: {what}");
        std::thread::park_timeout(Duration::from_millis(2));
    }
}

/// The end of a wait.
pub(crate) struct Deadline(Instant);

#[expect(
    clippy::disallowed_methods,
    reason = "deadlines of tests are real time"
)]
impl Deadline {
    pub(crate) fn begin() -> Self {
        Deadline(Instant::now() + DEADLINE)
    }

    pub(crate) fn has_passed(&self) -> bool {
        Instant::now() >= self.0
    }
}
