//! `fanfare bench compare`: figures of several runs beside each other, as ratios to the first.
//!
//! Runs of one name are repetitions. Of each figure the median counts. Where two names have equally
//! many runs, the first of the one was meant to be taken beside the first of the other, and so on:
//! then the spread is that of the pairs' ratios, so that what moved the whole machine moves neither.

use super::super::Failure;
use super::document::SCHEMA;
use super::text;
use clap::Args;
use serde_json::Value;
use std::fs;
use std::path::PathBuf;

/// `fanfare bench compare`
#[derive(Clone, Debug, Args)]
pub(in super::super) struct CompareOptions {
    /// Reports that --json wrote; the first is what the others are compared with. A file may hold
    /// several, one after the other. Reports of one --name are repetitions; without it, those of
    /// one file
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// A figure: what it is called, where it stands in a report and how it is shown.
struct Metric {
    name: &'static str,
    path: &'static str,
    show: fn(f64) -> String,
}

const METRICS: &[Metric] = &[
    Metric {
        name: "server CPU per delivery",
        path: "/server/cpu_ns_per_delivery",
        show: |nanos| format!("{:.4} µs", nanos / 1e3),
    },
    Metric {
        name: "deliveries per second",
        path: "/messages/delivered_per_s",
        show: text::grouped,
    },
    Metric {
        name: "latency p50",
        path: "/messages/latency/p50_ns",
        show: text::time,
    },
    Metric {
        name: "latency p99",
        path: "/messages/latency/p99_ns",
        show: text::time,
    },
    Metric {
        name: "latency p99.9",
        path: "/messages/latency/p99_9_ns",
        show: text::time,
    },
    Metric {
        name: "rate while some are stalled, over before",
        path: "/stalled/rate_ratio",
        show: |ratio| format!("{ratio:.3}"),
    },
    Metric {
        name: "memory growth while some are stalled",
        path: "/stalled/resident_bytes_growth",
        show: text::bytes,
    },
    Metric {
        name: "cycles per second",
        path: "/churn/cycles_per_s",
        show: text::grouped,
    },
    Metric {
        name: "resident bytes per connection",
        path: "/server/resident_bytes_per_connection",
        show: |bytes| format!("{bytes:.0} B"),
    },
    Metric {
        name: "handshake p50",
        path: "/connections/handshake/p50_ns",
        show: text::time,
    },
    Metric {
        name: "client CPU per delivery",
        path: "/client/cpu_ns_per_delivery",
        show: |nanos| format!("{:.4} µs", nanos / 1e3),
    },
];

/// Runs of one name, in the order in which they were given.
struct Group {
    name: String,
    runs: Vec<Value>,
}

impl Group {
    /// A figure of each run, if all have it.
    fn figures(&self, path: &str) -> Option<Vec<f64>> {
        let figures = self.runs.iter().map(|run| run.pointer(path)?.as_f64());
        figures.collect()
    }
}

/// The table of all figures that the runs have in common.
pub(in super::super) fn compare(options: &CompareOptions) -> Result<String, Failure> {
    let groups = read(&options.files)?;
    Ok(table(&groups))
}

fn read(files: &[PathBuf]) -> Result<Vec<Group>, Failure> {
    let mut groups: Vec<Group> = Vec::new();
    for path in files {
        let shown = path.display();
        let text = fs::read_to_string(path)
            .map_err(|error| Failure::usage(format!("can't read {shown}: {error}")))?;
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        for run in serde_json::Deserializer::from_str(&text).into_iter() {
            let run: Value =
                run.map_err(|error| Failure::usage(format!("{shown} is not a report: {error}")))?;
            if run["schema"] != SCHEMA {
                let why = format!("{shown} is not a report of this version (schema {SCHEMA})");
                return Err(Failure::usage(why));
            }
            let name = run["name"].as_str().unwrap_or(&stem).to_owned();
            match groups.iter_mut().find(|group| group.name == name) {
                Some(group) => group.runs.push(run),
                None => groups.push(Group {
                    name,
                    runs: vec![run],
                }),
            }
        }
    }
    match groups.is_empty() {
        true => Err(Failure::usage("there is no report in these files")),
        false => Ok(groups),
    }
}

fn table(groups: &[Group]) -> String {
    let mut out = String::new();
    let mut line = |text: String| {
        out.push_str(&text);
        out.push('\n');
    };
    let width = groups.iter().map(|group| group.name.chars().count()).max();
    let width = width.unwrap_or_default();
    for metric in METRICS {
        let figures: Option<Vec<Vec<f64>>> = groups
            .iter()
            .map(|group| group.figures(metric.path))
            .collect();
        let Some(figures) = figures.filter(|figures| figures.iter().flatten().any(|&x| x != 0.0))
        else {
            continue;
        };
        line(format!("\n{}", metric.name));
        for (group, values) in groups.iter().zip(&figures) {
            let mut row = format!(
                "  {:<width$} {:>12}",
                group.name,
                (metric.show)(median(values))
            );
            if let Some((low, high)) = extremes(values).filter(|_| values.len() > 1) {
                let spread = format!("{} to {}", (metric.show)(low), (metric.show)(high));
                row += &format!("  {spread:<26}");
            }
            if !std::ptr::eq(group, &groups[0]) {
                row += &format!("  {}", ratio(values, &figures[0]));
            }
            line(row);
        }
    }
    line(String::new());
    for group in groups {
        let wrong = group
            .runs
            .iter()
            .filter(|run| run["correct"] != true)
            .count();
        let runs = text::count_of(group.runs.len(), "run");
        line(match wrong {
            0 => format!("{}: {runs}, every message arrived as it should", group.name),
            wrong => format!("{}: {wrong} of {runs} NOT CORRECT", group.name),
        });
    }
    let first = &groups[0].runs[0];
    let mut runs = groups.iter().flat_map(|group| &group.runs);
    if runs.clone().any(|run| run["machine"] != first["machine"]) {
        line("Warning: the runs are from different machines or kernels.".into());
    }
    if runs.any(|run| !is_alike(run, first)) {
        line("Warning: the runs did not do the same: their settings differ.".into());
    }
    out
}

/// Whether two runs did the same, wherever they did it: `limit` stands for a fan-out of its size.
fn is_alike(one: &Value, other: &Value) -> bool {
    [
        "readers",
        "publishers",
        "window",
        "rooms",
        "message",
        "rate",
    ]
    .map(|name| (&one["settings"][name], &other["settings"][name]))
    .iter()
    .all(|(one, other)| one.is_null() || other.is_null() || one == other)
}

fn ratio(values: &[f64], base: &[f64]) -> String {
    let middle = median(values) / median(base);
    let ratios: Vec<f64> = match values.len() == base.len() {
        true => values
            .iter()
            .zip(base)
            .map(|(one, base)| one / base)
            .collect(),
        false => values.iter().map(|one| one / median(base)).collect(),
    };
    let middle = match values.len() == base.len() {
        true => median(&ratios),
        false => middle,
    };
    match extremes(&ratios).filter(|_| ratios.len() > 1) {
        Some((low, high)) => format!("{middle:.2} × ({low:.2} to {high:.2})"),
        None => format!("{middle:.2} ×"),
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match (
        sorted.get(sorted.len() / 2),
        sorted.get((sorted.len().max(1) - 1) / 2),
    ) {
        (Some(upper), Some(lower)) => (upper + lower) / 2.0,
        _ => f64::NAN,
    }
}

fn extremes(values: &[f64]) -> Option<(f64, f64)> {
    let low = values.iter().copied().min_by(f64::total_cmp)?;
    let high = values.iter().copied().max_by(f64::total_cmp)?;
    Some((low, high))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_ratios() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(&[]).is_nan());
        assert_eq!(ratio(&[2.0], &[1.0]), "2.00 ×");
        // Both moved by a factor of ten, and the pairs did not.
        assert_eq!(ratio(&[2.0, 20.0], &[1.0, 10.0]), "2.00 × (2.00 to 2.00)");
        assert_eq!(ratio(&[1.0, 3.0, 2.0], &[1.0]), "2.00 × (1.00 to 3.00)");
    }
}
