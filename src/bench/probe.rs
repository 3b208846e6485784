//! What the system knows of a server's processes: CPU time, memory, descriptors (proc(5)).

use super::clock::SECOND;
use std::collections::BTreeMap;
use std::fs;
use std::io;

/// A process to be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pid(pub(super) u32);

/// What a process has used and holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sample {
    /// By thread: nanoseconds on a CPU. Threads that have ended are missing.
    threads: BTreeMap<u32, u64>,
    /// In user mode and in the kernel, to a hundredth of a second; ended threads included.
    pub(super) user: u64,
    pub(super) system: u64,
    /// Bytes of memory in use.
    pub(super) resident: u64,
    /// The same, with what is shared split among its sharers.
    pub(super) proportional: u64,
    pub(super) descriptors: u64,
}

impl Pid {
    fn path(self, file: &str) -> String {
        format!("/proc/{}/{file}", self.0)
    }

    /// Everything, as it is now.
    pub(super) fn sample(self) -> io::Result<Sample> {
        let (user, system) = self.user_and_system()?;
        Ok(Sample {
            threads: self.threads().unwrap_or_default(),
            user,
            system,
            resident: self.kib("status", "VmRSS:")?,
            // Others' processes may show less of themselves.
            proportional: self.kib("smaps_rollup", "Pss:").unwrap_or_default(),
            descriptors: fs::read_dir(self.path("fd")).map_or(0, |files| files.count() as u64),
        })
    }

    /// The scheduler's own count, which is finer than what `stat` says.
    fn threads(self) -> io::Result<BTreeMap<u32, u64>> {
        let mut threads = BTreeMap::new();
        for thread in fs::read_dir(self.path("task"))? {
            let thread = thread?;
            let Some(id) = parse(thread.file_name().to_str()) else {
                continue;
            };
            // A thread may end while we look.
            if let Ok(text) = fs::read_to_string(thread.path().join("schedstat"))
                && let Some(nanos) = parse(text.split(' ').next())
            {
                threads.insert(id, nanos);
            }
        }
        Ok(threads)
    }

    fn user_and_system(self) -> io::Result<(u64, u64)> {
        let text = fs::read_to_string(self.path("stat"))?;
        // The second field is the program's name in parentheses, which may hold anything.
        let after_name = text.rsplit_once(')').map_or("", |(_, rest)| rest);
        let mut fields = after_name.split_whitespace().skip(11);
        let mut next =
            || parse(fields.next()).map(|ticks: u64| ticks * (SECOND / TICKS_PER_SECOND));
        next()
            .zip(next())
            .ok_or_else(|| io::Error::other("/proc/PID/stat has fewer fields than expected"))
    }

    fn kib(self, file: &str, key: &str) -> io::Result<u64> {
        let text = fs::read_to_string(self.path(file))?;
        let value = text.lines().find_map(|line| line.strip_prefix(key));
        let kib: Option<u64> = value.and_then(|value| parse(value.split_whitespace().next()));
        Ok(kib.unwrap_or_default() * 1024)
    }
}

/// Linux has shown user space this many ticks a second on every machine for twenty years.
const TICKS_PER_SECOND: u64 = 100;

fn parse<T: std::str::FromStr>(text: Option<&str>) -> Option<T> {
    text?.trim().parse().ok()
}

impl Sample {
    /// CPU nanoseconds since an earlier sample.
    pub(super) fn cpu_since(&self, earlier: &Sample) -> u64 {
        let coarse = (self.user + self.system).saturating_sub(earlier.user + earlier.system);
        let nobody_ended = earlier
            .threads
            .keys()
            .all(|thread| self.threads.contains_key(thread));
        let fine = self.threads.iter().map(|(thread, nanos)| {
            let before = earlier.threads.get(thread).copied().unwrap_or_default();
            nanos.saturating_sub(before)
        });
        match nobody_ended && !self.threads.is_empty() {
            true => fine.sum(),
            // The system does not count by thread, or what ended ones took is in no thread's count.
            false => coarse,
        }
    }
}

/// Samples of several processes.
pub(super) fn sample_all(pids: &[Pid]) -> io::Result<Vec<Sample>> {
    pids.iter().map(|pid| pid.sample()).collect()
}

/// CPU nanoseconds of all of them together.
pub(super) fn cpu_between(before: &[Sample], after: &[Sample]) -> u64 {
    let pairs = before.iter().zip(after);
    pairs.map(|(before, after)| after.cpu_since(before)).sum()
}
