//! How things stand at the moment: in the relay, and with its process.

use super::counters::STATES;
use super::histogram::Histogram;

/// How things stand in the relay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Levels {
    /// Connections in each of [`STATES`].
    pub connections: [usize; STATES.len()],
    /// Topics that exist.
    pub topics: usize,
    /// Memory that logs hold, in bytes.
    pub log_bytes: usize,
    /// Memory that connections hold for themselves beyond their slots, in bytes.
    pub private_bytes: usize,
    /// Members that lag behind their topic's tail, since their sockets are full.
    pub lagging: usize,
    /// How far the last of them is behind, in bytes.
    pub lag_bytes_max: u64,
}

/// What is known of the process outside of the relay. What the system doesn't say is missing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ProcessFigures {
    /// CPU time used, in user mode and in the kernel, in seconds.
    pub cpu_seconds: Option<f64>,
    /// Memory in use, in bytes.
    pub resident_bytes: Option<u64>,
    /// Address space in use, in bytes.
    pub virtual_bytes: Option<u64>,
    /// Descriptors that are open.
    pub open_descriptors: Option<u64>,
    /// Descriptors that may be.
    pub descriptors_max: Option<u64>,
    /// When it was started, in seconds since 1970.
    pub start_time_seconds: Option<f64>,
    /// Memory that the kernel holds for TCP in all processes (of this network namespace), in bytes.
    pub tcp_memory_bytes: Option<u64>,
    /// How long the loop's turns took, from the poll's return to the next poll, in microseconds.
    pub turn_micros: Histogram<4>,
}
