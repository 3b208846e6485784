//! Waking up on time. The poller counts in milliseconds, which is too coarse for sending messages when
//! they are due; Linux has a timer that counts in nanoseconds, and can be polled.

use mio::{Registry, Token};
use std::io;

/// The alarm's own event, which no connection has.
pub(super) const ALARM: Token = Token(usize::MAX);

/// A timer among the events of a poller.
#[derive(Debug)]
pub(super) struct Alarm {
    #[cfg(target_os = "linux")]
    timer: rustix::fd::OwnedFd,
}

#[cfg(target_os = "linux")]
impl Alarm {
    pub(super) fn new(registry: &Registry) -> io::Result<Self> {
        use mio::Interest;
        use mio::unix::SourceFd;
        use rustix::fd::AsRawFd;
        use rustix::time::{TimerfdClockId, TimerfdFlags, timerfd_create};

        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        registry.register(&mut SourceFd(&timer.as_raw_fd()), ALARM, Interest::READABLE)?;
        Ok(Alarm { timer })
    }

    /// Rings at this time, and not at any that was set before. Returns how long the poller may
    /// sleep at most, in nanoseconds from `now`.
    pub(super) fn set(&self, at: u64, _now: u64) -> io::Result<u64> {
        use super::clock::SECOND;
        use rustix::time::{Itimerspec, TimerfdTimerFlags, Timespec, timerfd_settime};

        let setting = Itimerspec {
            it_interval: Timespec::default(),
            it_value: Timespec {
                tv_sec: (at / SECOND) as i64,
                // All zero would switch it off.
                tv_nsec: (at % SECOND).max(1) as i64,
            },
        };
        timerfd_settime(&self.timer, TimerfdTimerFlags::ABSTIME, &setting)?;
        Ok(SECOND)
    }
}

#[cfg(not(target_os = "linux"))]
impl Alarm {
    pub(super) fn new(_: &Registry) -> io::Result<Self> {
        Ok(Alarm {})
    }

    /// The poller's own timeout has to do.
    pub(super) fn set(&self, at: u64, now: u64) -> io::Result<u64> {
        Ok(at.saturating_sub(now))
    }
}
