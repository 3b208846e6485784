//! What the system says of the server's processes, of the kernel's own memory, and of the load of
//! other programs.

mod process;
mod system;

pub(super) use process::{Pid, Sample};
pub(super) use system::{Machine, System};

use super::clock;
use std::collections::BTreeMap;
use std::{fs, io};

/// The processes to sample.
#[derive(Clone, Debug, Default)]
pub(super) struct Probe {
    pub(super) pids: Vec<Pid>,
    /// Their descendants too.
    pub(super) tree: bool,
    /// Further processes of this program.
    pub(super) workers: Vec<Pid>,
}

/// Everything at one moment.
#[derive(Clone, Debug)]
pub(super) struct ProbeSample {
    pub(super) at: u64,
    /// CPU nanoseconds of this process.
    own_cpu: u64,
    workers: BTreeMap<Pid, Sample>,
    pub(super) processes: BTreeMap<Pid, Sample>,
    pub(super) system: System,
}

impl Probe {
    /// Samples everything. A process that was named and is not there is an error.
    pub(super) fn moment(&self) -> io::Result<ProbeSample> {
        // CPU times first: what follows takes some itself.
        let (at, own_cpu) = (clock::now(), clock::own_cpu());
        let mut processes = BTreeMap::new();
        for pid in self.processes() {
            match pid.sample() {
                Ok(sample) => {
                    processes.insert(pid, sample);
                }
                Err(error) if self.pids.contains(&pid) => {
                    let why = format!("can't look at process {}: {error}", pid.0);
                    return Err(io::Error::new(error.kind(), why));
                }
                // A descendant may end meanwhile.
                Err(_) => {}
            }
        }
        let workers = self.workers.iter();
        let workers = workers.filter_map(|&pid| Some((pid, pid.sample().ok()?)));
        let workers = workers.collect();
        let system = System::now(processes.keys().copied());
        Ok(ProbeSample {
            at,
            own_cpu,
            workers,
            processes,
            system,
        })
    }

    /// Samples everything, or, once the server is gone, everything else.
    pub(super) fn look(&self) -> io::Result<ProbeSample> {
        self.moment().or_else(|_| {
            let rest = Probe {
                pids: Vec::new(),
                ..self.clone()
            };
            rest.moment()
        })
    }

    /// Whether the server is gone by this moment.
    pub(super) fn is_gone(&self, moment: &ProbeSample) -> bool {
        !self.pids.is_empty() && moment.sum(|sample| sample.resident) == 0
    }

    /// Memory in use now; 0 if no process was named.
    pub(super) fn resident(&self) -> u64 {
        let processes = self.processes();
        processes.iter().filter_map(|pid| pid.resident().ok()).sum()
    }

    fn processes(&self) -> Vec<Pid> {
        let mut found = self.pids.clone();
        if !self.tree {
            return found;
        }
        let all: Vec<(Pid, Pid)> = fs::read_dir("/proc")
            .into_iter()
            .flatten()
            .filter_map(|entry| process::parse(entry.ok()?.file_name().to_str()).map(Pid))
            .filter_map(|pid| Some((pid, pid.parent().ok()?)))
            .collect();
        let mut next = 0;
        while let Some(&parent) = found.get(next) {
            next += 1;
            for &(pid, its_parent) in &all {
                if its_parent == parent && !found.contains(&pid) {
                    found.push(pid);
                }
            }
        }
        found
    }
}

impl ProbeSample {
    /// A sum over all processes.
    pub(super) fn sum(&self, what: impl Fn(&Sample) -> u64) -> u64 {
        self.processes.values().map(what).sum()
    }

    /// CPU nanoseconds of each process of this program since an earlier moment.
    pub(super) fn client_cpu_since(&self, earlier: &ProbeSample) -> Vec<u64> {
        let mut cpu = vec![self.own_cpu - earlier.own_cpu];
        let none = Sample::default();
        cpu.extend(
            self.workers
                .iter()
                .map(|(pid, sample)| sample.cpu_since(earlier.workers.get(pid).unwrap_or(&none))),
        );
        cpu
    }

    /// CPU nanoseconds of all processes since an earlier moment.
    pub(super) fn cpu_since(&self, earlier: &ProbeSample) -> u64 {
        let none = Sample::default();
        let cpu = self
            .processes
            .iter()
            .map(|(pid, sample)| sample.cpu_since(earlier.processes.get(pid).unwrap_or(&none)));
        cpu.sum()
    }
}

/// Bytes for each further connection: the slope of the line through the upper two thirds. What a
/// server takes once, whatever the number of connections, is not in it.
pub(super) fn slope(
    steps: &[(u64, ProbeSample)],
    bytes: impl Fn(&ProbeSample) -> u64,
) -> Option<f64> {
    let points: Vec<(f64, f64)> = steps
        .iter()
        .skip(steps.len() / 3)
        .map(|(count, moment)| (*count as f64, bytes(moment) as f64))
        .collect();
    // Without a descriptor left, the system tells nothing.
    if points.iter().any(|&(_, bytes)| bytes == 0.0) {
        return None;
    }
    let count = points.len() as f64;
    let mean_x = points.iter().map(|(x, _)| x).sum::<f64>() / count;
    let mean_y = points.iter().map(|(_, y)| y).sum::<f64>() / count;
    let covariance: f64 = points
        .iter()
        .map(|(x, y)| (x - mean_x) * (y - mean_y))
        .sum();
    let variance: f64 = points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    (variance > 0.0).then(|| covariance / variance)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_there_and_works() {
        let probe = Probe {
            pids: vec![Pid(std::process::id())],
            tree: true,
            workers: Vec::new(),
        };
        let before = probe.moment().unwrap();
        let mut sum = 0_u64;
        while clock::own_cpu() - before.own_cpu < 50_000_000 {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        let after = probe.moment().unwrap();
        // Other tests run in the same process, so that there is no upper bound.
        assert!(after.cpu_since(&before) > 20_000_000);
        assert!(after.sum(|sample| sample.resident) > 100_000);
        assert!(after.sum(|sample| sample.descriptors) > 2);
        assert_eq!(
            probe.pids[0].parent().unwrap().0,
            std::os::unix::process::parent_id()
        );
    }

    #[test]
    fn a_process_that_is_not_there() {
        let probe = Probe {
            pids: vec![Pid(u32::MAX)],
            tree: false,
            workers: Vec::new(),
        };
        assert!(probe.moment().is_err());
    }
}
