//! Time, for measuring: nanoseconds of the system's monotonic clock. They mean the same in every
//! process of the machine, so that workers can tell each other when something was.

use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds in a second.
pub(super) const SECOND: u64 = 1_000_000_000;

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
