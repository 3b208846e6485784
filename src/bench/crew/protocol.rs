//! What coordinator and worker send each other, as lines of JSON.
//!
//! ```text
//!   coordinator ── Task ─────► worker
//!               ── Open(n) ──►               idle: this many more
//!               ◄── Opened ──
//!               ◄── Done ─────               fan-out: at each turn in which something came
//!               ── Finish ───►
//!               ◄── Result ───
//! ```

use super::super::histogram::Histogram;
use super::super::options::{MessageOptions, TargetOptions};
use super::super::tally::Tally;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// What a worker is for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in super::super) struct Task {
    pub(in super::super) target: TargetOptions,
    /// Where the target's URLs lead: the same for all.
    pub(in super::super) addresses: Vec<SocketAddr>,
    /// The number of its first connection, of all that there are.
    pub(in super::super) first: usize,
    pub(in super::super) job: Job,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in super::super) enum Job {
    /// Hold connections.
    Hold,
    /// Read what this many publishers send.
    Read {
        message: MessageOptions,
        publishers: usize,
        tag: u32,
    },
}

/// What the coordinator sends.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in super::super) enum Order {
    /// Open this many more connections.
    Open(usize),
    /// End; this many messages were published.
    Finish(u64),
}

/// What a worker sends.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in super::super) enum WorkerAnswer {
    /// This many connections are open; others could not be opened.
    Opened(usize),
    /// All its readers have this many messages, and it received this many in all.
    Done { done: u64, delivered: u64 },
    /// What it has to report.
    Result(Box<WorkerResult>),
    /// It can't go on.
    Failed(String),
}

/// What a worker has to report.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(in super::super) struct WorkerResult {
    pub(in super::super) handshakes: Histogram,
    pub(in super::super) failed: BTreeMap<String, u64>,
    pub(in super::super) endings: BTreeMap<String, u64>,
    pub(in super::super) tally: Tally,
}
