//! What the user gets to see.

use super::clock::SECOND;
use super::histogram::Histogram;
use super::probe::Sample;
use super::tally::Tally;

/// A run that is over.
pub(super) struct Report {
    pub(super) title: String,
    pub(super) figures: Figures,
    pub(super) handshakes: Histogram,
    /// Bytes of memory for each further connection: resident, and proportional.
    pub(super) memory: Option<(f64, f64)>,
}

/// What was measured.
pub(super) struct Figures {
    /// Nanoseconds.
    pub(super) took: u64,
    pub(super) messages: u64,
    pub(super) delivered: u64,
    /// Nanoseconds of all processes that were to be looked at.
    pub(super) server_cpu: Option<u64>,
    pub(super) client_cpu: u64,
    pub(super) latencies: Histogram,
    /// Before and after, by process.
    pub(super) samples: Vec<(Sample, Sample)>,
    pub(super) tally: Tally,
}

impl Report {
    pub(super) fn print(&self) {
        let figures = &self.figures;
        println!("{}", self.title);
        let seconds = figures.took as f64 / SECOND as f64;
        let line = |name: &str, value: String| println!("  {name:<28}{value}");
        let micros = |nanos: u64| format!("{:.1} µs", nanos as f64 / 1e3);
        line("time", format!("{seconds:.2} s"));
        if figures.delivered > 0 {
            let delivered = figures.delivered as f64;
            line(
                "messages",
                format!(
                    "{} ({:.0}/s)",
                    figures.messages,
                    figures.messages as f64 / seconds
                ),
            );
            line(
                "deliveries",
                format!("{} ({:.0}/s)", figures.delivered, delivered / seconds),
            );
            if let Some(cpu) = figures.server_cpu {
                line(
                    "server CPU per delivery",
                    format!("{:.4} µs", cpu as f64 / 1e3 / delivered),
                );
                line(
                    "server CPU",
                    format!(
                        "{:.1} % of a core",
                        cpu as f64 / figures.took as f64 * 100.0
                    ),
                );
            }
            line(
                "client CPU per delivery",
                format!("{:.4} µs", figures.client_cpu as f64 / 1e3 / delivered),
            );
            line(
                "client CPU",
                format!(
                    "{:.1} % of a core",
                    figures.client_cpu as f64 / figures.took as f64 * 100.0
                ),
            );
            let latencies = &figures.latencies;
            let of = |percent| micros(latencies.percentile(percent));
            line(
                "latency p50, p99, p99.9, max",
                format!(
                    "{}, {}, {}, {}",
                    of(50.0),
                    of(99.0),
                    of(99.9),
                    micros(latencies.max())
                ),
            );
        }
        let handshakes = &self.handshakes;
        line(
            "handshakes p50, p99, max",
            format!(
                "{}, {}, {} ({} of them)",
                micros(handshakes.percentile(50.0)),
                micros(handshakes.percentile(99.0)),
                micros(handshakes.max()),
                handshakes.count()
            ),
        );
        if let Some((resident, proportional)) = self.memory {
            line(
                "server memory per connection",
                format!("{resident:.0} bytes resident, {proportional:.0} proportional"),
            );
        }
        for (name, count) in figures.tally.faults() {
            line("FAULT", format!("{count} {name}"));
        }
    }
}
