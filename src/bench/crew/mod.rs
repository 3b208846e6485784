//! More processes of this program, for when one can't keep up or has too few descriptors, as the
//! coordinator sees them.
//!
//! A worker is a child that has a share of the connections. Its standard input is a socket, over which
//! both sides send lines of JSON ([`protocol`]). It ends when that socket does.
//!
//! Publishers are the coordinator's. What they send is a function of their number and the message's,
//! so a worker knows what must come without being told. It does not know when a message was sent:
//! latencies are those of the coordinator's own readers.

mod control;
mod protocol;

pub(super) use control::Control;
pub(super) use protocol::{Job, Order, Task, WorkerAnswer, WorkerResult};

use super::client_loop::ClientLoop;
use super::clock;
use super::failure::Failure;
use super::probe::Pid;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};

/// The workers, as the coordinator sees them.
#[derive(Default)]
pub(super) struct Crew {
    workers: Vec<Worker>,
}

struct Worker {
    child: Child,
    control: Control,
    /// Connections that it has open, once it has answered.
    opened: Option<usize>,
    done: u64,
    delivered: u64,
    result: Option<WorkerResult>,
}

impl Crew {
    /// Starts this many workers.
    pub(super) fn start(
        count: usize,
        client_loop: &ClientLoop,
        task: impl Fn(usize) -> Task,
    ) -> Result<Self, Failure> {
        let mut crew = Crew::default();
        for number in 0..count {
            let (ours, theirs) = UnixStream::pair()?;
            let child = Command::new(std::env::current_exe()?)
                .args(["bench", "worker"])
                .stdin(OwnedFd::from(theirs))
                .stdout(Stdio::null())
                .spawn()?;
            let mut control = Control::new(ours, client_loop, number)?;
            control.send(&task(number))?;
            crew.workers.push(Worker {
                child,
                control,
                opened: None,
                done: 0,
                delivered: 0,
                result: None,
            });
        }
        Ok(crew)
    }

    pub(super) fn pids(&self) -> Vec<Pid> {
        let workers = self.workers.iter();
        workers.map(|worker| Pid(worker.child.id())).collect()
    }

    /// Has each worker open more connections: as many as `share` says of its number.
    pub(super) fn open(&mut self, share: impl Fn(usize) -> usize) -> Result<(), Failure> {
        for (number, worker) in self.workers.iter_mut().enumerate() {
            worker.opened = None;
            worker.control.send(&Order::Open(share(number)))?;
        }
        Ok(())
    }

    /// Connections of all workers, once they have all answered.
    pub(super) fn opened(&self) -> Option<usize> {
        self.workers.iter().map(|worker| worker.opened).sum()
    }

    /// Messages that all readers of all workers have; [`u64::MAX`] without any worker.
    pub(super) fn done(&self) -> u64 {
        let done = self.workers.iter().map(|worker| worker.done).min();
        done.unwrap_or(u64::MAX)
    }

    /// Deliveries to all readers of all workers.
    pub(super) fn delivered(&self) -> u64 {
        self.workers.iter().map(|worker| worker.delivered).sum()
    }

    /// Takes in the workers' answers; true if there were any.
    pub(super) fn receive(&mut self) -> Result<bool, Failure> {
        let mut is_any = false;
        for worker in &mut self.workers {
            // After its result a worker ends, and so does its socket.
            while worker.result.is_none()
                && let Some(answer) = worker.control.receive()?
            {
                is_any = true;
                match answer {
                    WorkerAnswer::Opened(count) => worker.opened = Some(count),
                    WorkerAnswer::Done { done, delivered } => {
                        (worker.done, worker.delivered) = (done, delivered);
                    }
                    WorkerAnswer::Result(result) => worker.result = Some(*result),
                    WorkerAnswer::Failed(why) => {
                        return Err(Failure::new(format!("a worker: {why}")));
                    }
                }
            }
        }
        Ok(is_any)
    }

    /// Ends the workers' work, and returns what they have to report.
    pub(super) fn finish(
        &mut self,
        published: u64,
        timeout: u64,
    ) -> Result<Vec<WorkerResult>, Failure> {
        for worker in &mut self.workers {
            worker.control.send(&Order::Finish(published))?;
        }
        let deadline = clock::now() + timeout;
        while self.workers.iter().any(|worker| worker.result.is_none()) {
            if clock::now() > deadline {
                return Err(Failure::new("a worker does not answer"));
            }
            if !self.receive()? {
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
        }
        let results = self.workers.iter_mut();
        Ok(results.filter_map(|worker| worker.result.take()).collect())
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        for worker in &mut self.workers {
            // One that has ended by itself is fine.
            let _ = worker.child.kill();
            let _ = worker.child.wait();
        }
    }
}

/// The share of a worker, or of the coordinator, which is the first: all differ by one at most.
pub(super) fn share(total: usize, processes: usize, number: usize) -> usize {
    total / processes + usize::from(number < total % processes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up() {
        for total in [0, 1, 7, 100] {
            for processes in 1..5 {
                let shares = (0..processes).map(|number| share(total, processes, number));
                assert_eq!(shares.sum::<usize>(), total);
            }
        }
    }
}
