//! Monotonic time, in ticks, and the time of day.

use crate::wheel::Tick;
use std::time::{Duration, Instant, SystemTime};

/// How long a tick is: short enough for timeouts of a second, long enough that 100,000 connections
/// seldom share one.
pub const TICK: Duration = Duration::from_millis(100);

/// Counts ticks since it was made. The one place that reads the clock.
#[derive(Debug)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// A clock at tick 0.
    #[must_use]
    pub fn start() -> Self {
        Clock { start: now() }
    }

    /// The time that has passed.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        now().duration_since(self.start)
    }

    /// The tick in which this much time has passed.
    #[must_use]
    pub fn tick(elapsed: Duration) -> Tick {
        let ticks = elapsed.as_millis() / TICK.as_millis();
        Tick(u32::try_from(ticks).unwrap_or(u32::MAX))
    }

    /// Time from now until `tick` begins; zero if it has.
    #[must_use]
    pub fn until(&self, tick: Tick) -> Duration {
        let begins = self.start + TICK * tick.0;
        begins.saturating_duration_since(now())
    }
}

/// The time of day.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is where the clock is read")]
pub fn time_of_day() -> SystemTime {
    SystemTime::now()
}

#[expect(clippy::disallowed_methods, reason = "this is where the clock is read")]
fn now() -> Instant {
    Instant::now()
}

/// The system's monotonic time, in nanoseconds: for measuring how long something takes.
#[must_use]
pub fn nanoseconds() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs()
}

/// The system's monotonic time, in microseconds, as other processes of this machine see it too.
#[must_use]
pub fn monotonic_micros() -> i64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec * 1_000_000 + now.tv_nsec / 1000
}

/// The ticks that a duration takes, rounded up: a timeout never fires early, and never at once.
#[must_use]
pub fn ticks(duration: Duration) -> u32 {
    let ticks = duration.as_millis().div_ceil(TICK.as_millis());
    u32::try_from(ticks).unwrap_or(u32::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nanoseconds_never_go_back() {
        let readings: Vec<u64> = (0..100).map(|_| nanoseconds()).collect();
        assert!(readings.is_sorted());
    }

    #[test]
    fn durations_round_up() {
        assert_eq!(ticks(Duration::from_millis(1)), 1);
        assert_eq!(ticks(Duration::from_millis(100)), 1);
        assert_eq!(ticks(Duration::from_millis(101)), 2);
        assert_eq!(ticks(Duration::ZERO), 1);
        assert_eq!(ticks(Duration::MAX), u32::MAX);
    }
}
