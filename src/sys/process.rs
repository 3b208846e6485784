//! What the kernel says of this process (proc(5)), as far as there is a /proc.

use rustix::param::{clock_ticks_per_second, page_size};
use std::fs;

/// This process, to be looked at from time to time.
#[derive(Debug)]
pub struct Process {
    start_time_seconds: Option<f64>,
    /// Descriptors that are not sockets of connections.
    descriptors_at_start: u64,
}

impl Process {
    /// Notes what does not change: to be called when everything is open but connections.
    #[must_use]
    pub fn observe() -> Self {
        Process {
            start_time_seconds: start_time_seconds(),
            descriptors_at_start: fs::read_dir("/proc/self/fd")
                .map_or(0, |files| files.count() as u64),
        }
    }

    /// When it was started, in seconds since 1970.
    #[must_use]
    pub fn start_time_seconds(&self) -> Option<f64> {
        self.start_time_seconds
    }

    /// Descriptors that are open, `sockets` of them for connections.
    #[must_use]
    pub fn open_descriptors(&self, sockets: usize) -> Option<u64> {
        // Newer kernels (6.2) say how many there are; to count a million would hold up the loop.
        let counted = fs::metadata("/proc/self/fd").map_or(0, |directory| directory.len());
        match counted {
            0 if self.descriptors_at_start == 0 => None,
            0 => Some(self.descriptors_at_start + sockets as u64),
            counted => Some(counted),
        }
    }
}

// Fields of /proc/self/stat, counted from 0 after the program's name.
const USER_TICKS: usize = 11;
const SYSTEM_TICKS: usize = 12;
#[cfg(target_os = "linux")]
const START_TICKS: usize = 19;
const VIRTUAL_BYTES: usize = 20;
const RESIDENT_PAGES: usize = 21;

/// `/proc/self/stat`: what the process has used until now.
#[derive(Debug)]
pub struct Stat(String);

impl Stat {
    /// Reads it.
    #[must_use]
    pub fn read() -> Option<Self> {
        fs::read_to_string("/proc/self/stat").ok().map(Stat)
    }

    fn number(&self, field: usize) -> Option<u64> {
        // The program's name stands in parentheses, and may hold anything.
        let (_, fields) = self.0.rsplit_once(')')?;
        fields.split_ascii_whitespace().nth(field)?.parse().ok()
    }

    /// CPU time used, in user mode and in the kernel, in seconds.
    #[must_use]
    pub fn cpu_seconds(&self) -> Option<f64> {
        let ticks = self.number(USER_TICKS)? + self.number(SYSTEM_TICKS)?;
        Some(ticks as f64 / clock_ticks_per_second() as f64)
    }

    /// Memory in use, in bytes.
    #[must_use]
    pub fn resident_bytes(&self) -> Option<u64> {
        Some(self.number(RESIDENT_PAGES)? * page_size() as u64)
    }

    /// Address space in use, in bytes.
    #[must_use]
    pub fn virtual_bytes(&self) -> Option<u64> {
        self.number(VIRTUAL_BYTES)
    }
}

/// The kernel counts from when the machine was booted. A service may not see `/proc/stat`, which
/// would say when that was.
#[cfg(target_os = "linux")]
fn start_time_seconds() -> Option<f64> {
    use rustix::time::{ClockId, Timespec, clock_gettime};
    let now = |clock| {
        let Timespec { tv_sec, tv_nsec } = clock_gettime(clock);
        tv_sec as f64 + tv_nsec as f64 / 1e9
    };
    let after_boot = Stat::read()?.number(START_TICKS)? as f64 / clock_ticks_per_second() as f64;
    Some(now(ClockId::Realtime) - now(ClockId::Boottime) + after_boot)
}

#[cfg(not(target_os = "linux"))]
fn start_time_seconds() -> Option<f64> {
    None
}

/// Descriptors that may be open.
#[must_use]
pub fn descriptors_max() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current
}

/// Memory that the kernel holds for TCP in all processes (of this network namespace), in bytes:
/// `TCP: inuse 5 orphan 0 tw 0 alloc 7 mem 134`, of which the last is in pages.
#[must_use]
pub fn tcp_memory_bytes() -> Option<u64> {
    let sockets = fs::read_to_string("/proc/self/net/sockstat").ok()?;
    let tcp = sockets.lines().find_map(|line| line.strip_prefix("TCP:"))?;
    let mut words = tcp
        .split_ascii_whitespace()
        .skip_while(|word| *word != "mem");
    let pages: u64 = words.nth(1)?.parse().ok()?;
    Some(pages * page_size() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_behind_any_name() {
        let fields: Vec<String> = (0..30).map(|field| field.to_string()).collect();
        let stat = Stat(format!("42 (a) b) (c) {}", fields.join(" ")));
        assert_eq!(stat.number(RESIDENT_PAGES), Some(21));
        assert_eq!(stat.number(99), None);
        assert_eq!(Stat("42".into()).number(0), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn linux_says_everything() {
        let (process, stat) = (Process::observe(), Stat::read().unwrap());
        assert!(stat.cpu_seconds().is_some());
        assert!(stat.resident_bytes() > Some(1 << 20));
        assert!(stat.virtual_bytes() >= stat.resident_bytes());
        assert!(process.open_descriptors(0) >= Some(3));
        assert!(descriptors_max() >= process.open_descriptors(0));
        assert!(process.start_time_seconds() > Some(1e9));
        assert!(tcp_memory_bytes().is_some());
    }
}
