//! The clock that responses are dated with.

use std::time::SystemTime;

/// The time of day, for the date of a response. Nothing is decided by it.
pub type WallClock = fn() -> SystemTime;
