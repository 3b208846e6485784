//! Time, for measuring: nanoseconds of the system's monotonic clock. They mean the same in every
//! process of the machine, so that workers can tell each other when something was.

use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// Nanoseconds in a second.
pub(super) const SECOND: u64 = 1_000_000_000;

/// So far away that it never comes.
pub(super) const NEVER: u64 = u64::MAX / 2;

/// How long a loop sleeps at a time when it has nothing to do.
pub(super) const REST: u64 = SECOND;

/// A duration in nanoseconds.
pub(super) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).map_or(NEVER, |nanos| nanos.min(NEVER))
}

/// Nanoseconds since some moment before the first process.
pub(super) fn now() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec as u64 * SECOND + now.tv_nsec as u64
}

/// The CPU time that this process has taken so far, in nanoseconds.
pub(super) fn own_cpu() -> u64 {
    let cpu = clock_gettime(ClockId::ProcessCPUTime);
    cpu.tv_sec as u64 * SECOND + cpu.tv_nsec as u64
}
