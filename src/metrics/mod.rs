//! What happened, and how things stand, in numbers; and how Prometheus gets to see them.
//!
//! The relay counts in plain integers, [`Counters`], since it has one thread. For a scrape, they
//! become a [`Snapshot`], together with the present levels ([`Levels`]) and what the system says of
//! the process ([`ProcessFigures`]), and [`Snapshot::render`] turns that into a page with the official
//! client library. No label has values that clients choose.

mod cause;
mod counters;
mod figures;
mod histogram;
mod page;
mod render;

pub use cause::{Cause, NO_CLOSE_CODE, NO_CLOSE_FRAME};
pub use counters::{CLOSE_CODES, Counters, STATES, close_code_index};
pub use figures::{Levels, ProcessFigures};
pub use histogram::{BUCKETS, Histogram};
pub use render::Format;

/// A clock in nanoseconds, to measure with. Nothing is decided by it.
pub type Stopwatch = fn() -> u64;

/// Everything that a scrape shows.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// What happened since the start.
    pub counters: Counters,
    /// How things stand.
    pub levels: Levels,
    /// What the system says.
    pub process: ProcessFigures,
}

#[cfg(test)]
mod tests;
