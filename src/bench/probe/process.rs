//! What the system knows of one process: CPU time, memory, descriptors (proc(5)).

use super::super::clock::SECOND;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::io;

/// A process to sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(in super::super) struct Pid(pub(in super::super) u32);

/// What a process has used and holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct Sample {
    /// By thread: nanoseconds on a CPU. Threads that have ended are missing.
    threads: BTreeMap<u32, u64>,
    /// Nanoseconds in user mode and in the kernel, to a hundredth of a second; those of ended
    /// threads included.
    pub(in super::super) user: u64,
    pub(in super::super) system: u64,
    /// Bytes of memory in use.
    pub(in super::super) resident: u64,
    /// The same, with shared memory split among the processes that share it.
    pub(in super::super) proportional: u64,
    pub(in super::super) descriptors: u64,
}

impl Pid {
    fn path(self, file: &str) -> String {
        format!("/proc/{}/{file}", self.0)
    }

    /// Everything, as it is now.
    pub(super) fn sample(self) -> io::Result<Sample> {
        let ticks = |field| Ok::<u64, io::Error>(self.stat(field)? * (SECOND / TICKS_PER_SECOND));
        Ok(Sample {
            threads: self.threads().unwrap_or_default(),
            user: ticks(FIELD_USER)?,
            system: ticks(FIELD_SYSTEM)?,
            resident: self.resident()?,
            // Other users' processes may show less.
            proportional: self.kib("smaps_rollup", "Pss:").unwrap_or_default(),
            descriptors: fs::read_dir(self.path("fd")).map_or(0, |files| files.count() as u64),
        })
    }

    /// Bytes of memory in use.
    pub(super) fn resident(self) -> io::Result<u64> {
        self.kib("status", "VmRSS:")
    }

    /// The process that has started this one.
    pub(super) fn parent(self) -> io::Result<Pid> {
        let parent = self.stat(FIELD_PARENT)?;
        Ok(Pid(u32::try_from(parent).unwrap_or_default()))
    }

    /// The scheduler's own count, which is finer than what `stat` says.
    fn threads(self) -> io::Result<BTreeMap<u32, u64>> {
        let mut threads = BTreeMap::new();
        for thread in fs::read_dir(self.path("task"))? {
            let thread = thread?;
            let Some(id) = parse(thread.file_name().to_str()) else {
                continue;
            };
            // A thread may end meanwhile.
            if let Ok(text) = fs::read_to_string(thread.path().join("schedstat"))
                && let Some(nanos) = parse(text.split(' ').next())
            {
                threads.insert(id, nanos);
            }
        }
        Ok(threads)
    }

    /// A field of `stat`, counted from the one after the program's name.
    fn stat(self, field: usize) -> io::Result<u64> {
        let text = fs::read_to_string(self.path("stat"))?;
        // The name stands in parentheses, and may hold anything.
        let after_name = text.rsplit_once(')').map_or("", |(_, rest)| rest);
        parse(after_name.split_whitespace().nth(field))
            .ok_or_else(|| io::Error::other("/proc/PID/stat has fewer fields than expected"))
    }

    fn kib(self, file: &str, key: &str) -> io::Result<u64> {
        let text = fs::read_to_string(self.path(file))?;
        let value = text.lines().find_map(|line| line.strip_prefix(key));
        let kib: Option<u64> = value.and_then(|value| parse(value.split_whitespace().next()));
        Ok(kib.unwrap_or_default() * 1024)
    }
}

const FIELD_PARENT: usize = 1;
const FIELD_USER: usize = 11;
const FIELD_SYSTEM: usize = 12;

/// Linux has shown user space this many ticks per second on every machine for twenty years.
const TICKS_PER_SECOND: u64 = 100;

pub(super) fn parse<T: std::str::FromStr>(text: Option<&str>) -> Option<T> {
    text?.trim().parse().ok()
}

impl Sample {
    /// CPU nanoseconds since an earlier sample.
    pub(in super::super) fn cpu_since(&self, earlier: &Sample) -> u64 {
        let coarse = (self.user + self.system).saturating_sub(earlier.user + earlier.system);
        let none_ended = earlier
            .threads
            .keys()
            .all(|thread| self.threads.contains_key(thread));
        let fine = self.threads.iter().map(|(thread, nanos)| {
            let before = earlier.threads.get(thread).copied().unwrap_or_default();
            nanos.saturating_sub(before)
        });
        match none_ended && !self.threads.is_empty() {
            true => fine.sum(),
            // The system does not count by thread, or what ended ones took is in no thread's count.
            false => coarse,
        }
    }
}
