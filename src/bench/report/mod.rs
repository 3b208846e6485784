//! What a run has to say: as a document for programs, and as a table for people. Measured first,
//! formatted later.

mod compare;
mod document;
mod doubts;
mod text;

pub(super) use compare::{CompareOptions, compare};
pub(super) use document::{Churn, Connections, Document, Outcome, Server, Stalled};
pub(super) use text::{count_of, grouped};

use super::clock::SECOND;
use super::probe::{Machine, Moment};
use super::run::Span;
use super::{Failure, print};
use clap::Args;
use document::{Client, Kernel, Memory, Messages, SCHEMA};
use serde::Serialize;
use serde_json::Value;
use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

/// What becomes of the report.
#[derive(Clone, Debug, Args, Serialize)]
#[command(next_help_heading = "Report")]
pub(super) struct ReportOptions {
    /// Write the report as JSON, too; `-` is standard output, and then the table goes to standard
    /// error
    #[arg(long, value_name = "FILE")]
    #[serde(skip)]
    pub(super) json: Option<PathBuf>,

    /// What `fanfare bench compare` is to call it
    #[arg(long, value_name = "NAME")]
    #[serde(skip)]
    pub(super) name: Option<String>,

    /// Show no progress
    #[arg(long, short)]
    #[serde(skip)]
    pub(super) quiet: bool,
}

impl Document {
    /// A document that says what is about to be measured.
    pub(super) fn begin(
        options: &ReportOptions,
        scenario: &str,
        title: String,
        settings: &impl Serialize,
    ) -> Self {
        // Options are plain maps of plain values, which always have a JSON form.
        let settings = serde_json::to_value(settings).unwrap_or_default();
        Document::with_settings(options, scenario, title, settings)
    }

    /// One for all scenarios, not a copy for each.
    #[inline(never)]
    fn with_settings(
        options: &ReportOptions,
        scenario: &str,
        title: String,
        settings: Value,
    ) -> Self {
        Document {
            schema: SCHEMA,
            name: options.name.clone(),
            version: env!("CARGO_PKG_VERSION").into(),
            command: std::env::args().collect(),
            started_unix_s: unix_seconds(),
            machine: Machine::this(),
            scenario: scenario.into(),
            title,
            settings,
            outcome: Outcome::Complete,
            correct: true,
            connections: Connections::default(),
            messages: None,
            server: None,
            client: Client::default(),
            kernel: Kernel::default(),
            stalled: None,
            churn: None,
            faults: Default::default(),
            warnings: Vec::new(),
        }
    }

    /// Puts in what was delivered in a span of time.
    pub(super) fn measured(&mut self, span: &Span, payload_bytes_mean: f64) {
        let per_second = |count: u64| count as f64 * SECOND as f64 / span.nanos().max(1) as f64;
        self.messages = Some(Messages {
            duration_ns: span.nanos(),
            published: span.published,
            delivered: span.tally.delivered,
            published_per_s: per_second(span.published),
            delivered_per_s: per_second(span.tally.delivered),
            payload_bytes_mean,
            latency: (&span.tally.latencies).into(),
        });
    }

    /// Puts in what processes and kernel took between two moments, and what there is to doubt.
    /// Everything else has to be there already.
    pub(super) fn finish(&mut self, before: &Moment, after: &Moment) {
        let delivered = self
            .messages
            .as_ref()
            .map_or(0, |messages| messages.delivered);
        let took = (after.at - before.at).max(1) as f64;
        let each = |cpu: u64| (delivered > 0).then(|| cpu as f64 / delivered as f64);
        let clients = after.client_cpu_since(before);
        let client_cpu: u64 = clients.iter().sum();
        let busiest = clients.iter().copied().max().unwrap_or_default();
        self.client = Client {
            processes: clients.len(),
            cpu_ns: client_cpu,
            cpu_ns_per_delivery: each(client_cpu),
            cpu_percent: busiest as f64 / took * 100.0,
            publishing_late_ns_p99: self.client.publishing_late_ns_p99,
        };
        let server_cpu = after.cpu_since(before);
        if !after.processes.is_empty() {
            let sums = self.server.take().unwrap_or_default();
            self.server = Some(Server {
                processes: after.processes.len(),
                cpu_ns: server_cpu,
                cpu_user_ns: since(before, after, |sample| sample.user),
                cpu_system_ns: since(before, after, |sample| sample.system),
                cpu_ns_per_delivery: each(server_cpu),
                cpu_percent: server_cpu as f64 / took * 100.0,
                before: memory(before),
                after: memory(after),
                ..sums
            });
        }
        // Without a descriptor left, the system tells nothing.
        let busy = after.system.busy.saturating_sub(before.system.busy);
        let others = busy.saturating_sub(client_cpu).saturating_sub(server_cpu);
        self.kernel = Kernel {
            tcp_bytes_before: before.system.tcp_bytes,
            tcp_bytes_after: after.system.tcp_bytes,
            slab_bytes_before: before.system.slab_bytes,
            slab_bytes_after: after.system.slab_bytes,
            bytes_per_connection: self.kernel.bytes_per_connection,
            other_load_percent: others as f64 / took * 100.0,
        };
        let nothing_came = self.messages.is_some() && delivered == 0;
        self.correct = self.faults.is_empty() && self.outcome != Outcome::GivenUp && !nothing_came;
        let mut doubts = doubts::doubts(self, before, after);
        self.warnings.append(&mut doubts);
    }

    /// Writes it where it was asked for, and shows it. What programs read goes first: nobody may be
    /// there any more to look at the table.
    pub(super) fn publish(&self, json: Option<JsonOutput>) -> Result<(), Failure> {
        let table = text::table(self);
        let Some(output) = json else {
            return print(table.as_bytes());
        };
        let mut line = serde_json::to_vec(self).map_err(Failure::new)?;
        line.push(b'\n');
        match output {
            JsonOutput::Standard => {
                print(&line)?;
                // The report is where it was asked for.
                let _ = io::stderr().write_all(table.as_bytes());
                Ok(())
            }
            JsonOutput::File(path, file) => {
                replace(&file, &line).map_err(|error| {
                    Failure::new(format!("can't write {}: {error}", path.display()))
                })?;
                print(table.as_bytes())
            }
        }
    }
}

/// Where the report goes as JSON.
pub(super) enum JsonOutput {
    Standard,
    File(PathBuf, File),
}

impl ReportOptions {
    /// Opens what the report is to be written to, before anything is measured in vain. What the file
    /// holds stays until there is a report.
    pub(super) fn open_json(&self) -> Result<Option<JsonOutput>, Failure> {
        let Some(path) = &self.json else {
            return Ok(None);
        };
        if path.as_os_str() == "-" {
            return Ok(Some(JsonOutput::Standard));
        }
        let file = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(|error| Failure::usage(format!("can't write {}: {error}", path.display())))?;
        Ok(Some(JsonOutput::File(path.clone(), file)))
    }
}

/// Writes a file anew. A device or a pipe has nothing to be replaced.
fn replace(mut file: &File, bytes: &[u8]) -> io::Result<()> {
    if file.metadata()?.is_file() {
        file.set_len(0)?;
    }
    file.write_all(bytes)
}

fn memory(moment: &Moment) -> Memory {
    Memory {
        resident_bytes: moment.sum(|sample| sample.resident),
        proportional_bytes: moment.sum(|sample| sample.proportional),
        descriptors: moment.sum(|sample| sample.descriptors),
    }
}

fn since(
    before: &Moment,
    after: &Moment,
    what: impl Fn(&super::probe::Sample) -> u64 + Copy,
) -> u64 {
    after.sum(what).saturating_sub(before.sum(what))
}

#[expect(
    clippy::disallowed_methods,
    reason = "a date for people, by which nothing is measured"
)]
fn unix_seconds() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |since| since.as_secs())
}
