//! The result of a run: as a document for programs, and as a table for people. Measured first,
//! formatted later.

mod compare;
mod document;
mod doubts;
mod figures;
mod layout;
mod secrets;
mod text;

pub(super) use compare::compare;
pub(super) use document::{Churn, ConnectionFigures, Document, Outcome, ServerFigures, Stalled};
pub(super) use figures::{count_of, grouped, readers};

use super::clock::SECOND;
use super::failure::Failure;
use super::options::ReportOptions;
use super::output::print;
use super::probe::{Machine, ProbeSample};
use super::span::MeasuredSpan;
use document::{ClientFigures, Kernel, Memory, MessageFigures, RequestFigures, SCHEMA};
use serde::Serialize;
use serde_json::Value;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

impl Document {
    /// A document that says what is about to be measured.
    pub(super) fn begin(
        options: &ReportOptions,
        scenario: &str,
        title: String,
        settings: &impl Serialize,
    ) -> Self {
        // Options are plain maps of plain values, which always have a JSON form.
        let mut settings = serde_json::to_value(settings).unwrap_or_default();
        drop_nulls(&mut settings);
        secrets::mask_settings(&mut settings);
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
            command: secrets::masked_command(std::env::args()),
            started_unix_s: unix_seconds(),
            machine: Machine::this(),
            scenario: scenario.into(),
            title,
            settings,
            outcome: Outcome::Complete,
            outcome_reason: None,
            correct: true,
            connections: ConnectionFigures::default(),
            requests: None,
            messages: None,
            server: None,
            client: ClientFigures::default(),
            kernel: Kernel::default(),
            stalled: None,
            returns: None,
            churn: None,
            faults: Default::default(),
            warnings: Vec::new(),
        }
    }

    /// Fills in what was delivered in a span of time.
    pub(super) fn measured(&mut self, span: &MeasuredSpan, payload_bytes_mean: f64) {
        let per_second = |count: u64| count as f64 * SECOND as f64 / span.nanos().max(1) as f64;
        self.requests = span.requests.as_ref().map(|requests| RequestFigures {
            duration_ns: span.nanos(),
            succeeded: requests.succeeded,
            succeeded_per_s: per_second(requests.succeeded),
            failed: requests.failed,
            first_failure: requests.first_failure.clone(),
            payload_bytes_mean,
            sent_bytes: requests.sent_bytes,
            received_bytes: requests.received_bytes,
            latency: (&requests.latencies).into(),
        });
        self.messages = span.has_receivers.then(|| MessageFigures {
            duration_ns: span.nanos(),
            published: span.published,
            delivered: span.tally.delivered,
            published_per_s: per_second(span.published),
            delivered_per_s: per_second(span.tally.delivered),
            payload_bytes_mean,
            latency: (&span.tally.latencies).into(),
        });
    }

    /// Fills in what processes and kernel took between two moments, and the doubts. Everything else
    /// has to be there already.
    pub(super) fn finish(&mut self, before: &ProbeSample, after: &ProbeSample) {
        let delivered = self
            .messages
            .as_ref()
            .map_or(0, |messages| messages.delivered);
        let took = (after.at - before.at).max(1) as f64;
        let requests = self
            .requests
            .as_ref()
            .map_or(0, |requests| requests.succeeded);
        let each_of = |count: u64, cpu: u64| (count > 0).then(|| cpu as f64 / count as f64);
        let each = |cpu: u64| each_of(delivered, cpu);
        let clients = after.client_cpu_since(before);
        let client_cpu: u64 = clients.iter().sum();
        let busiest = clients.iter().copied().max().unwrap_or_default();
        self.client = ClientFigures {
            processes: clients.len(),
            cpu_ns: client_cpu,
            cpu_ns_per_delivery: each(client_cpu),
            cpu_ns_per_request: each_of(requests, client_cpu),
            cpu_percent: busiest as f64 / took * 100.0,
            publishing_late_ns_p99: self.client.publishing_late_ns_p99,
        };
        let server_cpu = after.cpu_since(before);
        if !after.processes.is_empty() {
            let sums = self.server.take().unwrap_or_default();
            self.server = Some(ServerFigures {
                processes: after.processes.len(),
                cpu_ns: server_cpu,
                cpu_user_ns: since(before, after, |sample| sample.user),
                cpu_system_ns: since(before, after, |sample| sample.system),
                cpu_ns_per_delivery: each(server_cpu),
                cpu_ns_per_request: each_of(requests, server_cpu),
                cpu_percent: server_cpu as f64 / took * 100.0,
                before: memory(before),
                after: memory(after),
                resident_bytes_per_connection: grown(sums.resident_bytes_per_connection),
                proportional_bytes_per_connection: grown(sums.proportional_bytes_per_connection),
            });
        }
        // Without a descriptor left, the system tells nothing.
        let busy = after.system.busy.saturating_sub(before.system.busy);
        let others = busy.saturating_sub(client_cpu).saturating_sub(server_cpu);
        let is_told = |moment: &ProbeSample| moment.system.slab_bytes > 0;
        let told = |moment: &ProbeSample, bytes: u64| is_told(moment).then_some(bytes);
        self.kernel = Kernel {
            tcp_bytes_before: told(before, before.system.tcp_bytes),
            tcp_bytes_after: told(after, after.system.tcp_bytes),
            slab_bytes_before: told(before, before.system.slab_bytes),
            slab_bytes_after: told(after, after.system.slab_bytes),
            bytes_per_connection: grown(self.kernel.bytes_per_connection)
                .filter(|_| is_told(before) && is_told(after)),
            other_load_percent: others as f64 / took * 100.0,
        };
        if let Outcome::GivenUp(why) = self.outcome {
            self.outcome_reason = Some(why);
        }
        let nothing_came =
            delivered == 0 && self.messages.as_ref().is_some_and(|it| it.published > 0);
        self.correct = self.faults.is_empty()
            && match self.outcome {
                Outcome::Complete => !nothing_came,
                // What had been published was still on its way.
                Outcome::Interrupted => true,
                Outcome::GivenUp(_) => false,
            };
        let mut doubts = doubts::doubts(self, before, after);
        self.warnings.append(&mut doubts);
    }

    /// There was neither a message nor a request nor a cycle, so nothing is known of the server.
    fn is_blank(&self) -> bool {
        let cycles = self.churn.as_ref().map(|churn| churn.cycles);
        let messages = self.messages.as_ref().map(|it| it.published);
        let requests = self.requests.as_ref().map(|requests| requests.succeeded);
        self.faults.is_empty() && messages.or(requests).or(cycles) == Some(0)
    }

    /// Writes it where it was asked for, and shows it. The JSON goes first: standard error may be
    /// closed by then.
    pub(super) fn publish(&self, json: Option<JsonOutput>) -> Result<(), Failure> {
        let columns = match &json {
            Some(JsonOutput::Standard) => layout::columns_of(io::stderr()),
            _ => layout::columns_of(io::stdout()),
        };
        let table = text::table(self, columns);
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

impl JsonOutput {
    /// Opens what the report is to be written to before anything is measured, so that nothing is
    /// measured in vain. The file keeps its content until there is a report.
    pub(super) fn open(path: Option<&Path>) -> Result<Option<Self>, Failure> {
        let Some(path) = path else {
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
        Ok(Some(JsonOutput::File(path.to_owned(), file)))
    }
}

/// Growth per connection. Where memory shrank, the figure says nothing about connections.
fn grown(bytes: Option<f64>) -> Option<f64> {
    bytes.filter(|&bytes| bytes >= 0.0)
}

/// Options that were not given are left out.
fn drop_nulls(settings: &mut Value) {
    if let Value::Object(fields) = settings {
        fields.retain(|_, value| !value.is_null());
        fields.values_mut().for_each(drop_nulls);
    }
}

/// Overwrites a file. A device or a pipe has nothing to be replaced.
fn replace(mut file: &File, bytes: &[u8]) -> io::Result<()> {
    if file.metadata()?.is_file() {
        file.set_len(0)?;
    }
    file.write_all(bytes)
}

fn memory(moment: &ProbeSample) -> Memory {
    Memory {
        resident_bytes: moment.sum(|sample| sample.resident),
        proportional_bytes: moment.sum(|sample| sample.proportional),
        descriptors: moment.sum(|sample| sample.descriptors),
    }
}

fn since(
    before: &ProbeSample,
    after: &ProbeSample,
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

#[cfg(test)]
mod tests {
    use super::super::probe::Probe;
    use super::*;

    /// A run that ended like this, with this many messages published and delivered.
    fn run(outcome: Outcome, published: u64, delivered: u64) -> Document {
        let options = ReportOptions {
            json: None,
            name: None,
            quiet: true,
        };
        let settings = serde_json::json!({ "given": { "here": 1, "not": null } });
        let mut document = Document::begin(&options, "fanout", String::new(), &settings);
        document.outcome = outcome;
        document.messages = Some(MessageFigures {
            published,
            delivered,
            ..MessageFigures::default()
        });
        document.kernel.bytes_per_connection = Some(4096.0);
        document.server = Some(ServerFigures {
            resident_bytes_per_connection: Some(-12.0),
            proportional_bytes_per_connection: Some(12.0),
            ..ServerFigures::default()
        });
        let moment = Probe {
            pids: vec![super::super::probe::Pid(std::process::id())],
            ..Probe::default()
        };
        let moment = moment.moment().unwrap();
        document.finish(&moment, &moment);
        document
    }

    #[test]
    fn only_what_was_published_can_be_wrong() {
        assert!(run(Outcome::Complete, 10, 10).correct);
        assert!(!run(Outcome::Complete, 10, 0).correct);
        assert!(run(Outcome::Interrupted, 1, 0).correct);
        let blank = run(Outcome::Interrupted, 0, 0);
        assert!(blank.correct && text::table(&blank, None).contains("nothing was measured"));
        let wrong = run(Outcome::GivenUp("the sky has fallen"), 0, 0);
        assert!(!wrong.correct);
        assert!(text::table(&wrong, None).contains("GIVEN UP: the sky has fallen. Partial"));
        let json = serde_json::to_value(&wrong).unwrap();
        assert_eq!(json["outcome"], "given_up");
        assert_eq!(json["outcome_reason"], "the sky has fallen");
    }

    #[test]
    fn memory_that_connections_give_back_is_no_figure() {
        let document = run(Outcome::Complete, 10, 10);
        let table = text::table(&document, None);
        assert!(
            table.contains("memory per connection    12 B proportional\n"),
            "{table}"
        );
        let json = serde_json::to_string(&document).unwrap();
        assert!(!json.contains("null"), "{json}");
        assert_eq!(
            document.settings,
            serde_json::json!({ "given": { "here": 1 } })
        );
    }

    #[test]
    fn memory_that_cannot_be_read_is_no_figure() {
        let mut document = run(Outcome::Complete, 10, 10);
        document.kernel.bytes_per_connection = Some(-4438544.5);
        let before = Probe::default().moment().unwrap();
        let mut after = before.clone();
        (after.system.slab_bytes, after.system.tcp_bytes) = (0, 0);
        document.finish(&before, &after);
        assert_eq!(document.kernel.bytes_per_connection, None);
        assert!(text::table(&document, None).contains("slab unknown ("));
    }
}
