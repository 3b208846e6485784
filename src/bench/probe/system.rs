//! What the system knows of itself: the machine, its load, the kernel's memory for sockets.

use super::super::clock::SECOND;
use super::process::{Pid, parse};
use serde::Serialize;
use std::fs;
use std::path::{Path, PathBuf};

/// Counters of the whole machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct System {
    /// CPU nanoseconds of all processes, to a hundredth of a second.
    pub(in super::super) busy: u64,
    /// The same, of what the host of a virtual machine gave to others.
    pub(in super::super) stolen: u64,
    /// Memory in TCP's buffers.
    pub(in super::super) tcp_bytes: u64,
    /// All of the kernel's own objects: sockets, descriptors, buffers among them.
    pub(in super::super) slab_bytes: u64,
    /// How often control groups of the server's processes were throttled.
    pub(in super::super) throttled: u64,
}

/// Pages of the kernel, which `sockstat` counts in.
const PAGE_BYTES: u64 = 4096;

impl System {
    /// The counters now, with the control groups of these processes.
    pub(super) fn now(server: impl Iterator<Item = Pid>) -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let stat = read("/proc/stat");
        let cpu: Vec<u64> = stat
            .lines()
            .next()
            .unwrap_or_default()
            .split_whitespace()
            .skip(1)
            .map(|ticks| parse::<u64>(Some(ticks)).unwrap_or_default() * (SECOND / 100))
            .collect();
        // user, nice, system, (idle, iowait,) irq, softirq, steal
        let busy = [0, 1, 2, 5, 6].iter().filter_map(|&field| cpu.get(field));
        System {
            busy: busy.sum(),
            stolen: cpu.get(7).copied().unwrap_or_default(),
            tcp_bytes: tcp_pages(&read("/proc/net/sockstat")) * PAGE_BYTES,
            slab_bytes: field(&read("/proc/meminfo"), "Slab:") * 1024,
            throttled: throttled(server),
        }
    }
}

/// `TCP: inuse 5 orphan 0 tw 0 alloc 6 mem 44`
fn tcp_pages(sockstat: &str) -> u64 {
    let line = sockstat.lines().find_map(|line| line.strip_prefix("TCP:"));
    let mut words = line.unwrap_or_default().split_whitespace();
    words.find(|word| *word == "mem");
    parse(words.next()).unwrap_or_default()
}

fn field(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| parse(line.split_whitespace().next()))
        .unwrap_or_default()
}

/// Where control groups are; the `cpu` controller of version 1 has a tree of its own.
const CGROUPS: &str = "/sys/fs/cgroup";

/// A limit holds for everything beneath it, so each group that one of these is in counts, once.
fn throttled(server: impl Iterator<Item = Pid>) -> u64 {
    let mut groups = Vec::new();
    for pid in server {
        let text = fs::read_to_string(format!("/proc/{}/cgroup", pid.0)).unwrap_or_default();
        for group in text.lines().flat_map(cpu_groups) {
            if !groups.contains(&group) {
                groups.push(group);
            }
        }
    }
    let counts = groups.iter().map(|group| {
        let stat = fs::read_to_string(group.join("cpu.stat")).unwrap_or_default();
        field(&stat, "nr_throttled")
    });
    counts.sum()
}

/// The folders of a group that may limit CPU time, and of those it lies in. A line is `0::/path` in
/// version 2, and `4:cpu,cpuacct:/path` in version 1; a hybrid has both.
fn cpu_groups(line: &str) -> Vec<PathBuf> {
    let mut fields = line.splitn(3, ':').skip(1);
    let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else {
        return Vec::new();
    };
    let tree = match controllers {
        "" => Path::new(CGROUPS).into(),
        _ if controllers.split(',').any(|name| name == "cpu") => Path::new(CGROUPS).join("cpu"),
        _ => return Vec::new(),
    };
    let path = Path::new(path.trim_start_matches('/'));
    path.ancestors().map(|path| tree.join(path)).collect()
}

/// The machine that a figure was measured on.
#[derive(Clone, Debug, Default, Serialize)]
pub(in super::super) struct Machine {
    pub(in super::super) cpu: String,
    pub(in super::super) cores: usize,
    pub(in super::super) memory_bytes: u64,
    pub(in super::super) kernel: String,
}

impl Machine {
    /// This one.
    pub(in super::super) fn this() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let cpuinfo = read("/proc/cpuinfo");
        let cpu = cpuinfo
            .lines()
            .find_map(|line| line.strip_prefix("model name")?.split_once(':'));
        Machine {
            cpu: cpu.map_or_else(String::new, |(_, name)| name.trim().into()),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_bytes: field(&read("/proc/meminfo"), "MemTotal:") * 1024,
            kernel: read("/proc/version")
                .split_whitespace()
                .nth(2)
                .unwrap_or_default()
                .into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_says() {
        let text = "sockets: used 14\nTCP: inuse 5 orphan 0 tw 2 alloc 6 mem 44\nUDP: mem 7\n";
        assert_eq!(tcp_pages(text), 44);
        assert_eq!(tcp_pages(""), 0);
        assert_eq!(field("MemTotal:  8 kB\nSlab:    1234 kB\n", "Slab:"), 1234);
    }

    #[test]
    fn control_groups_of_both_versions() {
        let folders = |line: &str| {
            let folders = cpu_groups(line).into_iter();
            let folders = folders.map(|folder| folder.display().to_string());
            folders.collect::<Vec<_>>()
        };
        assert_eq!(
            folders("4:cpu,cpuacct:/a"),
            ["/sys/fs/cgroup/cpu/a", "/sys/fs/cgroup/cpu/"]
        );
        let version_2 = ["/sys/fs/cgroup/a/b", "/sys/fs/cgroup/a", "/sys/fs/cgroup/"];
        assert_eq!(folders("0::/a/b"), version_2);
        assert!(folders("5:cpuset:/a").is_empty() && folders("").is_empty());
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_machine() {
        let machine = Machine::this();
        assert!(machine.memory_bytes > 1 << 20 && !machine.kernel.is_empty());
        let now = System::now([Pid(std::process::id())].into_iter());
        assert!(now.busy > 0 && now.slab_bytes > 0);
    }
}
