//! Telling the service manager how the process is (sd_notify(3)): a datagram of `NAME=value` lines
//! to the socket that `NOTIFY_SOCKET` names.
//!
//! The socket is opened once, so that a process that is out of descriptors can still say that it is
//! alive. Nothing here waits: what the service manager does not take is lost, and it judges for
//! itself.

use super::clock::{TICK, monotonic_micros};
use crate::wheel::Tick;
use std::env;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixDatagram;
use std::process;
use std::time::Duration;

/// Says to the service manager how the process is, if there is one that wants to know.
#[derive(Debug, Default)]
pub struct Notifier {
    socket: Option<UnixDatagram>,
    watchdog: Option<Watchdog>,
}

/// The service manager kills the process if it is told nothing for a while.
#[derive(Debug)]
struct Watchdog {
    /// Half of that while, in ticks.
    interval: u32,
    /// When it is to be told of us.
    due: Tick,
}

impl Notifier {
    /// One for the service manager that started this process, if one did.
    pub fn from_env() -> io::Result<Self> {
        let Some(name) = env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else {
            return Ok(Notifier::default());
        };
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        connect(&socket, &name)?;
        Ok(Notifier {
            socket: Some(socket),
            watchdog: Watchdog::from_env(),
        })
    }

    /// It serves: after the start, and after a reload. The status is for people.
    pub fn ready(&self, status: &str) {
        let status = status.replace(char::is_control, "?");
        self.send(&format!("READY=1\nSTATUS={status}"));
    }

    /// It loads its settings again; [`ready`](Notifier::ready) says when it has.
    pub fn reloading(&self) {
        // By this time, the manager tells which of several reloads is meant.
        let now = monotonic_micros();
        self.send(&format!("RELOADING=1\nMONOTONIC_USEC={now}"));
    }

    /// It ends, and needs so long for it at the most.
    pub fn stopping(&self, within: Duration) {
        let micros = within.as_micros();
        self.send(&format!("STOPPING=1\nEXTEND_TIMEOUT_USEC={micros}"));
    }

    /// When [`handle_turn`](Notifier::handle_turn) is due.
    #[must_use]
    pub fn due(&self) -> Option<Tick> {
        self.watchdog.as_ref().map(|watchdog| watchdog.due)
    }

    /// The loop turns: the watchdog wants to be told so from time to time.
    pub fn handle_turn(&mut self, now: Tick) {
        if let Some(watchdog) = &mut self.watchdog
            && watchdog.due <= now
        {
            watchdog.due = now.after(watchdog.interval);
            self.send("WATCHDOG=1");
        }
    }

    fn send(&self, state: &str) {
        let Some(socket) = &self.socket else { return };
        if let Err(error) = socket.send(state.as_bytes()) {
            log::warn!("the service manager did not take {state:?}: {error}");
        }
    }
}

impl Watchdog {
    fn from_env() -> Option<Self> {
        let number = |name| env::var(name).ok()?.parse::<u64>().ok();
        let is_meant = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(process::id()));
        let timeout = number("WATCHDOG_USEC").filter(|&micros| micros > 0 && is_meant)?;
        let half = Duration::from_micros(timeout / 2).as_millis() / TICK.as_millis();
        Some(Watchdog {
            interval: u32::try_from(half).unwrap_or(u32::MAX).max(1),
            due: Tick(0),
        })
    }
}

/// Connects to a path, or, after an `@`, to a name that is in no file system.
fn connect(socket: &UnixDatagram, name: &OsStr) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    if let Some(name) = name.as_bytes().strip_prefix(b"@") {
        use std::os::linux::net::SocketAddrExt;
        use std::os::unix::net::SocketAddr;
        return socket.connect_addr(&SocketAddr::from_abstract_name(name)?);
    }
    socket.connect(name)
}
