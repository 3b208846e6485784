//! A snapshot as a page for Prometheus.
//!
//! The client library writes OpenMetrics. The older text format, which everything reads that
//! scrapes, differs in a few lines only: see [`to_text`].

use super::Snapshot;
use super::cause::Cause;
use super::counters::{CLOSE_CODES, Counters, STATES, Sizes, close_code_index};
use super::figures::{Levels, ProcessFigures};
use super::page::MetricsPage;
use crate::http::Reason;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, text};
use prometheus_client::registry::Registry;
use std::fmt;

/// How a page is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Prometheus's text format, version 0.0.4.
    Text,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

impl Format {
    /// What the page is, in an HTTP header.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Format::Text => "text/plain; version=0.0.4; charset=utf-8",
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

impl Snapshot {
    /// Writes the page.
    #[must_use]
    pub fn render(self, format: Format) -> String {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(self));
        let mut page = String::with_capacity(PAGE_BYTES);
        // Writing into a String does not fail.
        let _ = text::encode(&mut page, &registry);
        match format {
            Format::OpenMetrics => page,
            Format::Text => to_text(&page),
        }
    }
}

/// A page is about that large.
const PAGE_BYTES: usize = 16 * 1024;

impl Collector for Snapshot {
    fn encode(&self, encoder: DescriptorEncoder) -> fmt::Result {
        let mut page = MetricsPage::new(encoder);
        page.connections(&self.counters, &self.levels)?;
        page.requests(&self.counters)?;
        page.messages(&self.counters)?;
        page.compression(&self.counters)?;
        page.slow_readers(&self.counters, &self.levels)?;
        page.memory(&self.levels, &self.process)?;
        page.process(&self.process)
    }
}

impl MetricsPage<'_> {
    fn connections(&mut self, counters: &Counters, levels: &Levels) -> fmt::Result {
        let version = [("version", env!("CARGO_PKG_VERSION"))];
        self.gauges(
            "fanfare_build_info",
            "Always 1; which build this is",
            [(version, 1)],
        )?;
        let states = STATES.into_iter().zip(levels.connections);
        self.gauges(
            "fanfare_connections",
            "Connections by what they are doing, those of the admin listener included",
            states.map(|(state, count)| ([("state", state)], count)),
        )?;
        self.counters(
            "fanfare_connections_accepted",
            "Connections accepted, by listener",
            [
                ([("listener", "public")], counters.accepted),
                ([("listener", "admin")], counters.admin_accepted),
            ],
        )?;
        self.counter(
            "fanfare_websockets_opened",
            "Connections that became WebSockets, or streams of server-sent events",
            counters.opened,
        )?;
        self.counter(
            "fanfare_streams_opened",
            "Those that became streams of server-sent events, polls among them",
            counters.opened_sse,
        )?;
        let closes = Cause::ALL.into_iter().flat_map(|cause| {
            let usual = close_code_index(cause.code());
            let codes = CLOSE_CODES.into_iter().enumerate();
            codes.filter_map(move |(index, code)| {
                let count = counters.closes[cause as usize][index];
                let shown = count > 0 || index == usual;
                shown.then_some(([("cause", cause.label()), ("code", code)], count))
            })
        });
        self.counters(
            "fanfare_websockets_closed",
            "WebSockets and streams that ceased to be open, by cause and close code: the peer's own if it \
             closed, otherwise ours; 1005 is a close frame without a code, 1006 no close frame",
            closes,
        )
    }

    fn requests(&mut self, counters: &Counters) -> fmt::Result {
        let refusals = Reason::ALL.into_iter().map(|reason| {
            let status = reason.status().map(|status| status.line().0.to_string());
            let labels = [
                ("reason", reason.label().to_owned()),
                ("status", status.unwrap_or_default()),
            ];
            (labels, counters.refusals[reason as usize])
        });
        self.counters(
            "fanfare_requests_refused",
            "Requests refused, handshakes of WebSockets among them, by reason; the reason \
             `disconnected` counts clients that left before their request was whole",
            refusals,
        )
    }

    fn messages(&mut self, counters: &Counters) -> fmt::Result {
        self.counter(
            "fanfare_messages_published",
            "Messages published into topics",
            counters.messages,
        )?;
        self.counter(
            "fanfare_messages_published_bytes",
            "Bytes of the payloads of published messages",
            counters.message_bytes,
        )?;
        self.counter(
            "fanfare_deliveries",
            "Messages owed to members: each message once for each member it was published to",
            counters.deliveries,
        )?;
        self.counter(
            "fanfare_received_bytes",
            "Bytes read from connections",
            counters.received_bytes,
        )?;
        self.counter(
            "fanfare_sent_bytes",
            "Bytes written to connections",
            counters.sent_bytes,
        )?;
        self.histogram(
            "fanfare_messages_per_write",
            "Messages that one write carried to a member that keeps up: the larger, the busier",
            &counters.messages_per_write,
            1.0,
        )?;
        self.counter(
            "fanfare_pings_sent",
            "Pings sent to silent clients",
            counters.pings_sent,
        )?;
        self.counter(
            "fanfare_pings_received",
            "Pings received from clients",
            counters.pings_received,
        )?;
        self.counter(
            "fanfare_pongs_received",
            "Pongs received from clients",
            counters.pongs_received,
        )
    }

    fn compression(&mut self, counters: &Counters) -> fmt::Result {
        let sizes = |sizes: &Sizes| {
            [
                ([("size", "before")], sizes.bytes_before),
                ([("size", "after")], sizes.bytes_after),
            ]
        };
        self.counter(
            "fanfare_websockets_compressed",
            "WebSockets opened that agreed on compression",
            counters.opened_compressed,
        )?;
        self.counters(
            "fanfare_compression_messages",
            "Messages for readers that agreed on compression, once for each window that is read: \
             compressed, or left as they are because they are small or would not shrink",
            [
                ([("outcome", "compressed")], counters.deflated.messages),
                ([("outcome", "small")], counters.deflate_small),
                ([("outcome", "in_vain")], counters.deflate_vain),
            ],
        )?;
        self.counters(
            "fanfare_compression_bytes",
            "Bytes of the messages that were compressed, before and after",
            sizes(&counters.deflated),
        )?;
        self.counter(
            "fanfare_compression_seconds",
            "Time spent on compressing",
            counters.deflate_nanoseconds as f64 * 1e-9,
        )?;
        self.counter(
            "fanfare_decompression_messages",
            "Messages that came compressed and were inflated",
            counters.inflated.messages,
        )?;
        self.counters(
            "fanfare_decompression_bytes",
            "Bytes of the messages that were inflated, before and after",
            sizes(&counters.inflated),
        )?;
        self.counter(
            "fanfare_decompression_seconds",
            "Time spent on inflating",
            counters.inflate_nanoseconds as f64 * 1e-9,
        )
    }

    fn slow_readers(&mut self, counters: &Counters, levels: &Levels) -> fmt::Result {
        self.counter(
            "fanfare_lapped",
            "Readers ended because they lagged by more than their topic retains",
            counters.lapped,
        )?;
        self.counter(
            "fanfare_skips",
            "Times that a reader lagged by more than its topic retains and went on at the live end",
            counters.skips,
        )?;
        self.counter(
            "fanfare_messages_skipped",
            "Deliveries that readers missed by skipping",
            counters.messages_skipped,
        )?;
        self.counter(
            "fanfare_messages_lost",
            "Deliveries that readers missed because they were ended as too slow",
            counters.messages_lost,
        )?;
        self.counter(
            "fanfare_messages_posted",
            "Messages published by HTTP, those that reached no topic among them",
            counters.posted,
        )?;
        self.counter(
            "fanfare_replays",
            "Readers that were sent messages of before they joined",
            counters.replays,
        )?;
        self.counter(
            "fanfare_messages_replayed",
            "Messages that they were sent",
            counters.messages_replayed,
        )?;
        self.counter(
            "fanfare_replay_gaps",
            "Readers that asked for messages of which some were not retained",
            counters.replay_gaps,
        )?;
        self.counter(
            "fanfare_dead",
            "WebSockets dropped because the client did not answer a ping",
            counters.dead,
        )?;
        self.counter(
            "fanfare_stalled",
            "Connections dropped because the client took nothing of what was pending",
            counters.stalled,
        )?;
        self.gauge(
            "fanfare_lagging_members",
            "Members behind their topic's live end because their sockets are full",
            levels.lagging,
        )?;
        self.gauge(
            "fanfare_lag_max_bytes",
            "How far the last of them is behind",
            levels.lag_bytes_max,
        )?;
        self.histogram(
            "fanfare_lag_bytes",
            "How far a lagging member was behind, each time that it went on or was lapped",
            &counters.lag_bytes,
            1.0,
        )
    }

    fn memory(&mut self, levels: &Levels, process: &ProcessFigures) -> fmt::Result {
        self.gauge("fanfare_topics", "Topics that exist", levels.topics)?;
        self.gauge(
            "fanfare_log_bytes",
            "Memory of the topics' logs (bounded by log_bytes_max)",
            levels.log_bytes,
        )?;
        self.gauge(
            "fanfare_private_bytes",
            "Memory that connections hold for themselves: unfinished messages and requests, \
             control frames that wait (bounded by private_bytes_max)",
            levels.private_bytes,
        )?;
        self.optional(
            "fanfare_kernel_tcp_memory_bytes",
            "Memory that the kernel holds for TCP sockets, of other processes too",
            process.tcp_memory_bytes,
        )
    }

    fn process(&mut self, process: &ProcessFigures) -> fmt::Result {
        self.histogram(
            "fanfare_turn_duration_seconds",
            "How long turns of the loop took, waiting excluded: what a message may have to wait",
            &process.turn_micros,
            1e-6,
        )?;
        if let Some(seconds) = process.cpu_seconds {
            self.counter(
                "process_cpu_seconds",
                "CPU time used, in user mode and in the kernel",
                seconds,
            )?;
        }
        self.optional(
            "process_resident_memory_bytes",
            "Memory in use",
            process.resident_bytes,
        )?;
        self.optional(
            "process_virtual_memory_bytes",
            "Address space in use",
            process.virtual_bytes,
        )?;
        self.optional(
            "process_open_fds",
            "Descriptors that are open",
            process.open_descriptors,
        )?;
        self.optional(
            "process_max_fds",
            "Descriptors that may be open",
            process.descriptors_max,
        )?;
        self.optional(
            "process_start_time_seconds",
            "When the process was started, in seconds since 1970",
            process.start_time_seconds,
        )
    }
}

/// An OpenMetrics page in Prometheus's own text format: there, a counter's name ends in `_total`
/// where it is described too, and nothing says where the page ends.
fn to_text(page: &str) -> String {
    let mut out = String::with_capacity(page.len() + 1024);
    let mut lines = page.lines().peekable();
    while let Some(line) = lines.next() {
        if line == "# EOF" {
            break;
        }
        let described = line
            .strip_prefix("# HELP ")
            .and_then(|rest| rest.split_once(' '));
        let is_counter = lines
            .peek()
            .is_some_and(|next| next.starts_with("# TYPE ") && next.ends_with(" counter"));
        match described.filter(|_| is_counter) {
            Some((name, help)) => {
                lines.next();
                out.push_str(&format!(
                    "# HELP {name}_total {help}\n# TYPE {name}_total counter\n"
                ));
            }
            None => {
                out.push_str(line);
                out.push('\n');
            }
        }
    }
    out
}
