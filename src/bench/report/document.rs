//! A run as a document: what `--json` writes and `compare` reads, and what the table shows. Each
//! name ends in its unit; times are nanoseconds. docs/benchmarking.md explains the fields.

use super::super::histogram::Histogram;
use super::super::probe::Machine;
use super::super::tally::Returns;
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// Rises when a field changes its meaning or is removed.
pub(in super::super) const SCHEMA: u32 = 1;

/// Everything about one run.
#[derive(Clone, Debug, Serialize)]
pub(in super::super) struct Document {
    pub(in super::super) schema: u32,
    /// What `compare` is to call it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in super::super) name: Option<String>,
    pub(in super::super) version: String,
    pub(in super::super) command: Vec<String>,
    /// Seconds since 1970.
    pub(in super::super) started_unix_s: u64,
    pub(in super::super) machine: Machine,
    pub(in super::super) scenario: String,
    /// The settings in words.
    pub(in super::super) title: String,
    /// The options of the scenario, defaults included.
    pub(in super::super) settings: serde_json::Value,
    pub(in super::super) outcome: Outcome,
    /// Why it was given up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in super::super) outcome_reason: Option<&'static str>,
    /// Every message arrived as it should.
    pub(in super::super) correct: bool,
    pub(in super::super) connections: ConnectionFigures,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in super::super) requests: Option<RequestFigures>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in super::super) messages: Option<MessageFigures>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in super::super) server: Option<ServerFigures>,
    pub(in super::super) client: ClientFigures,
    pub(in super::super) kernel: Kernel,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in super::super) stalled: Option<Stalled>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in super::super) returns: Option<ReturnFigures>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in super::super) churn: Option<Churn>,
    /// What was wrong, and how often.
    pub(in super::super) faults: BTreeMap<String, u64>,
    /// What puts the figures in doubt.
    pub(in super::super) warnings: Vec<String>,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in super::super) enum Outcome {
    /// As it was meant to.
    #[default]
    Complete,
    /// By a signal: the figures cover what was measured until then.
    Interrupted,
    /// It could not go on, and why.
    GivenUp(&'static str),
}

impl Outcome {
    pub(in super::super) fn is_given_up(self) -> bool {
        matches!(self, Outcome::GivenUp(_))
    }
}

impl Serialize for Outcome {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(match self {
            Outcome::Complete => "complete",
            Outcome::Interrupted => "interrupted",
            Outcome::GivenUp(_) => "given_up",
        })
    }
}

/// Opening handshakes.
#[derive(Clone, Debug, Default, Serialize)]
pub(in super::super) struct ConnectionFigures {
    /// Where the URLs lead, each to one of its host's addresses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(in super::super) addresses: Vec<SocketAddr>,
    pub(in super::super) opened: u64,
    /// Why others were not, and how many.
    pub(in super::super) failed: BTreeMap<String, u64>,
    /// From the first one that began to the last one that was open.
    pub(in super::super) opening_ns: u64,
    pub(in super::super) handshake: Latency,
    /// Pings of the server that were answered.
    pub(in super::super) pings: u64,
}

/// Requests that published messages, while it was measured.
#[derive(Clone, Debug, Default, Serialize)]
pub(in super::super) struct RequestFigures {
    pub(in super::super) duration_ns: u64,
    /// Those that were answered with a status 2xx.
    pub(in super::super) succeeded: u64,
    pub(in super::super) succeeded_per_s: f64,
    /// Those with another one, or never answered.
    pub(in super::super) failed: u64,
    /// The first answer that was no success, of the whole run: its status, and how its body begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in super::super) first_failure: Option<String>,
    pub(in super::super) payload_bytes_mean: f64,
    /// Heads and bodies.
    pub(in super::super) sent_bytes: u64,
    pub(in super::super) received_bytes: u64,
    /// From when a message was published until its request was answered with success.
    pub(in super::super) latency: Latency,
}

/// Messages while it was measured.
#[derive(Clone, Debug, Default, Serialize)]
pub(in super::super) struct MessageFigures {
    pub(in super::super) duration_ns: u64,
    pub(in super::super) published: u64,
    /// Each message once for each receiver that had it, whole and in order.
    pub(in super::super) delivered: u64,
    pub(in super::super) published_per_s: f64,
    pub(in super::super) delivered_per_s: f64,
    pub(in super::super) payload_bytes_mean: f64,
    pub(in super::super) latency: Latency,
}

/// The server's processes together, while it was measured.
#[derive(Clone, Debug, Default, Serialize)]
pub(in super::super) struct ServerFigures {
    pub(in super::super) processes: usize,
    pub(in super::super) cpu_ns: u64,
    pub(in super::super) cpu_user_ns: u64,
    pub(in super::super) cpu_system_ns: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in super::super) cpu_ns_per_delivery: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in super::super) cpu_ns_per_request: Option<f64>,
    /// Of one core, over the time that was measured.
    pub(in super::super) cpu_percent: f64,
    pub(in super::super) before: Memory,
    pub(in super::super) after: Memory,
    /// For each further connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in super::super) resident_bytes_per_connection: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in super::super) proportional_bytes_per_connection: Option<f64>,
}

/// What processes hold.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(in super::super) struct Memory {
    pub(in super::super) resident_bytes: u64,
    pub(in super::super) proportional_bytes: u64,
    pub(in super::super) descriptors: u64,
}

/// This program, while it was measured.
#[derive(Clone, Debug, Default, Serialize)]
pub(in super::super) struct ClientFigures {
    pub(in super::super) processes: usize,
    pub(in super::super) cpu_ns: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in super::super) cpu_ns_per_delivery: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in super::super) cpu_ns_per_request: Option<f64>,
    /// Of one core, of the busiest process.
    pub(in super::super) cpu_percent: f64,
    /// How late messages of a paced run left, because of the client itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in super::super) publishing_late_ns_p99: Option<u64>,
}

/// The kernel, of both ends if both are on this machine.
#[derive(Clone, Debug, Default, Serialize)]
pub(in super::super) struct Kernel {
    /// In TCP's buffers, if the system says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in super::super) tcp_bytes_before: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in super::super) tcp_bytes_after: Option<u64>,
    /// Sockets, descriptors and all other objects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in super::super) slab_bytes_before: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in super::super) slab_bytes_after: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in super::super) bytes_per_connection: Option<f64>,
    /// Of one core: programs that have nothing to do with this.
    pub(in super::super) other_load_percent: f64,
}

/// What became of readers that stopped reading, and of the others.
#[derive(Clone, Debug, Default, Serialize)]
pub(in super::super) struct Stalled {
    pub(in super::super) readers: u64,
    /// Messages per second that all the others got while these were stalled, over those before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in super::super) rate_ratio: Option<f64>,
    pub(in super::super) latency_before: Latency,
    pub(in super::super) published_bytes: u64,
    /// Memory of the server, at most, beyond what it was before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in super::super) resident_bytes_growth: Option<u64>,
    /// How they ended, and how many.
    pub(in super::super) endings: BTreeMap<String, u64>,
    /// Messages that readers which went on had missed.
    pub(in super::super) skipped: u64,
}

/// Readers that were cut off and came back, and what readers were told that they miss.
#[derive(Clone, Debug, Default, Serialize)]
pub(in super::super) struct ReturnFigures {
    pub(in super::super) cut_off: u64,
    /// Those that have caught up.
    pub(in super::super) came_back: u64,
    /// Messages that were published while they were away, and that they got.
    pub(in super::super) replayed: u64,
    /// Gaps that the server told of, and the messages in them.
    pub(in super::super) gaps: u64,
    pub(in super::super) missed: u64,
    /// From the first packet until they had caught up.
    pub(in super::super) coming_back: Latency,
}

impl From<&Returns> for ReturnFigures {
    fn from(returns: &Returns) -> Self {
        ReturnFigures {
            cut_off: returns.cut_off,
            came_back: returns.came_back,
            replayed: returns.replayed,
            gaps: returns.gaps,
            missed: returns.missed,
            coming_back: (&returns.coming_back).into(),
        }
    }
}

/// Connections that came and went.
#[derive(Clone, Debug, Default, Serialize)]
pub(in super::super) struct Churn {
    pub(in super::super) duration_ns: u64,
    /// Connect, handshake, message, close.
    pub(in super::super) cycles: u64,
    pub(in super::super) cycles_per_s: f64,
    pub(in super::super) message: Latency,
    /// Slope over the last two thirds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in super::super) resident_bytes_per_cycle: Option<f64>,
    /// Still open after the last one, beyond those before the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in super::super) descriptors_leaked: Option<i64>,
}

/// Percentiles in nanoseconds.
#[derive(Clone, Debug, Default, Serialize)]
pub(in super::super) struct Latency {
    pub(in super::super) count: u64,
    pub(in super::super) min_ns: u64,
    pub(in super::super) mean_ns: f64,
    pub(in super::super) p50_ns: u64,
    pub(in super::super) p90_ns: u64,
    pub(in super::super) p99_ns: u64,
    pub(in super::super) p99_9_ns: u64,
    pub(in super::super) max_ns: u64,
    /// The largest value of each bucket that holds some, and how many.
    pub(in super::super) buckets: Vec<(u64, u64)>,
}

impl From<&Histogram> for Latency {
    fn from(histogram: &Histogram) -> Self {
        Latency {
            count: histogram.count(),
            min_ns: histogram.min(),
            mean_ns: histogram.mean(),
            p50_ns: histogram.percentile(50.0),
            p90_ns: histogram.percentile(90.0),
            p99_ns: histogram.percentile(99.0),
            p99_9_ns: histogram.percentile(99.9),
            max_ns: histogram.max(),
            buckets: histogram.buckets().collect(),
        }
    }
}
