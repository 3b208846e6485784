//! `fanfare bench compare`: figures of several runs beside each other, as ratios to the first.
//!
//! Runs of one name are repetitions. Of each figure the median counts. Where two names have equally
//! many runs, these are taken as pairs, in order: then the spread is that of the pairs' ratios, so
//! that a change of the whole machine's speed does not show.

use super::super::clock::SECOND;
use super::super::failure::Failure;
use super::super::options::CompareOptions;
use super::document::SCHEMA;
use super::figures;
use super::layout::{Page, columns_of};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// A figure: its name, its place in a report and how it is shown.
struct Metric {
    name: &'static str,
    path: &'static str,
    /// The nanoseconds that it is counted over, if it is not a rate already.
    over_ns: Option<&'static str>,
    show: Show,
}

type Show = fn(f64) -> String;

const fn metric(name: &'static str, path: &'static str, show: Show) -> Metric {
    let over_ns = None;
    Metric {
        name,
        path,
        over_ns,
        show,
    }
}

#[rustfmt::skip]
const METRICS: &[Metric] = &[
    metric("server CPU per request", "/server/cpu_ns_per_request", microseconds),
    metric("requests per second", "/requests/succeeded_per_s", figures::grouped),
    metric("request p50", "/requests/latency/p50_ns", figures::time),
    metric("request p99", "/requests/latency/p99_ns", figures::time),
    metric("request p99.9", "/requests/latency/p99_9_ns", figures::time),
    metric("server CPU per delivery", "/server/cpu_ns_per_delivery", microseconds),
    metric("deliveries per second", "/messages/delivered_per_s", figures::grouped),
    metric("latency p50", "/messages/latency/p50_ns", figures::time),
    metric("latency p99", "/messages/latency/p99_ns", figures::time),
    metric("latency p99.9", "/messages/latency/p99_9_ns", figures::time),
    metric("rate while some are stalled, over before", "/stalled/rate_ratio", |ratio| format!("{ratio:.3}")),
    metric("memory growth while some are stalled", "/stalled/resident_bytes_growth", figures::bytes),
    metric("cycles per second", "/churn/cycles_per_s", figures::grouped),
    metric("message and back p50", "/churn/message/p50_ns", figures::time),
    metric("message and back p99", "/churn/message/p99_ns", figures::time),
    metric("resident bytes per connection", "/server/resident_bytes_per_connection", whole_bytes),
    metric("proportional bytes per connection", "/server/proportional_bytes_per_connection", whole_bytes),
    metric("kernel's bytes per connection", "/kernel/bytes_per_connection", whole_bytes),
    Metric {
        over_ns: Some("/connections/opening_ns"),
        ..metric("handshakes per second", "/connections/opened", figures::grouped)
    },
    metric("handshake p50", "/connections/handshake/p50_ns", figures::time),
    metric("client CPU per request", "/client/cpu_ns_per_request", microseconds),
    metric("client CPU per delivery", "/client/cpu_ns_per_delivery", microseconds),
];

fn microseconds(nanos: f64) -> String {
    format!("{:.4} µs", nanos / 1e3)
}

fn whole_bytes(bytes: f64) -> String {
    format!("{} B", figures::grouped(bytes.round()))
}

/// Runs of one name, or of one file, in the order in which they were given.
struct Group {
    /// The file, of runs without a name.
    path: Option<PathBuf>,
    name: String,
    runs: Vec<Value>,
}

impl Group {
    /// A figure of each run, if all have it.
    fn figures(&self, metric: &Metric) -> Option<Vec<f64>> {
        let figures = self.runs.iter().map(|run| {
            let figure = run.pointer(metric.path)?.as_f64()?;
            let Some(over_ns) = metric.over_ns else {
                return Some(figure);
            };
            Some(figure * SECOND as f64 / run.pointer(over_ns)?.as_f64()?)
        });
        figures.collect()
    }
}

/// The table of all figures that the runs have in common.
pub(in super::super) fn compare(options: &CompareOptions) -> Result<String, Failure> {
    let groups = read(&options.files)?;
    Ok(table(&groups, columns_of(io::stdout())))
}

fn read(files: &[PathBuf]) -> Result<Vec<Group>, Failure> {
    let mut groups: Vec<Group> = Vec::new();
    for path in files {
        let shown = path.display();
        let text = fs::read_to_string(path)
            .map_err(|error| Failure::usage(format!("can't read {shown}: {error}")))?;
        for run in serde_json::Deserializer::from_str(&text).into_iter() {
            let run: Value =
                run.map_err(|error| Failure::usage(format!("{shown} is not a report: {error}")))?;
            if run["schema"] != SCHEMA {
                let why = format!("{shown} is not a report of this version (schema {SCHEMA})");
                return Err(Failure::usage(why));
            }
            let name = run["name"].as_str().map(String::from);
            add(&mut groups, name, path, run);
        }
    }
    tell_apart(&mut groups);
    match groups.is_empty() {
        true => Err(Failure::usage("there is no report in these files")),
        false => Ok(groups),
    }
}

/// Runs belong together by their name, and without one by their file.
fn add(groups: &mut Vec<Group>, name: Option<String>, path: &Path, run: Value) {
    let stem = || path.file_stem().unwrap_or_default().to_string_lossy();
    let (path, name) = match name {
        Some(name) => (None, name),
        None => (Some(path.to_owned()), stem().into_owned()),
    };
    let is_same = |group: &&mut Group| match &path {
        Some(_) => group.path == path,
        None => group.path.is_none() && group.name == name,
    };
    match groups.iter_mut().find(is_same) {
        Some(group) => group.runs.push(run),
        None => groups.push(Group {
            path,
            name,
            runs: vec![run],
        }),
    }
}

/// A file is called by its stem, unless another one has the same.
fn tell_apart(groups: &mut [Group]) {
    let names: Vec<String> = groups.iter().map(|group| group.name.clone()).collect();
    for group in groups {
        let is_taken = names.iter().filter(|name| **name == group.name).count() > 1;
        if let Some(path) = group.path.as_ref().filter(|_| is_taken) {
            group.name = path.display().to_string();
        }
    }
}

fn table(groups: &[Group], columns: Option<usize>) -> String {
    let mut out = Page::new(columns);
    let width = groups.iter().map(|group| group.name.chars().count()).max();
    let width = width.unwrap_or_default();
    for metric in METRICS {
        let figures: Option<Vec<Vec<f64>>> =
            groups.iter().map(|group| group.figures(metric)).collect();
        let Some(figures) = figures.filter(|figures| figures.iter().flatten().any(|&x| x != 0.0))
        else {
            continue;
        };
        out.heading(metric.name);
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
            out.paragraph(BEFORE_FIGURE + width, &row);
        }
    }
    out.blank();
    for group in groups {
        let wrong = group
            .runs
            .iter()
            .filter(|run| run["correct"] != true)
            .count();
        let runs = figures::count_of(group.runs.len(), "run");
        let verdict = match wrong {
            0 => format!("{}: {runs}, {}", group.name, all_well(group)),
            wrong => format!("{}: {wrong} of {runs} NOT CORRECT", group.name),
        };
        out.paragraph(0, &verdict);
    }
    let first = &groups[0].runs[0];
    let runs = groups.iter().flat_map(|group| &group.runs);
    if runs.clone().any(|run| run["machine"] != first["machine"]) {
        out.paragraph(
            0,
            "Warning: the runs are from different machines or kernels.",
        );
    }
    let mut differences = Vec::new();
    runs.for_each(|run| differ(run, first, &mut differences));
    if !differences.is_empty() {
        let names = differences.join(", ");
        let warning = format!("Warning: the runs did not do the same: they differ in {names}.");
        out.paragraph(0, &warning);
    }
    out.into_text()
}

/// Columns before the name in a row, and after it before its figure.
const BEFORE_FIGURE: usize = 3;

fn all_well(group: &Group) -> &'static str {
    match group.runs.iter().any(|run| run["scenario"] == "idle") {
        true => "every connection was opened and held",
        false => "every message arrived as it should",
    }
}

/// Settings that say which server a run was against, and not what it did.
const TARGET: &[&str] = &[
    "urls",
    "read_url",
    "method",
    "body_template",
    "source",
    "header",
    "subprotocol",
    "pid",
    "pid_tree",
];

/// What two runs did differently, whatever they ran against. `limit` stands for a fan-out of its size,
/// and has fewer settings.
fn differ<'a>(one: &'a Value, other: &'a Value, names: &mut Vec<&'a str>) {
    let stands_for = |run: &'a Value| match &run["scenario"] {
        scenario if scenario == "limit" => "fanout",
        scenario => scenario.as_str().unwrap_or_default(),
    };
    if stands_for(one) != stands_for(other) {
        note("scenario", names);
        return;
    }
    let is_partial = one["scenario"] != other["scenario"];
    differ_in(&one["settings"], &other["settings"], is_partial, names);
}

/// The settings that differ. An option that was not given is not there.
fn differ_in<'a>(one: &'a Value, other: &'a Value, is_partial: bool, names: &mut Vec<&'a str>) {
    let fields = |value: &'a Value| value.as_object().into_iter().flatten();
    for (name, _) in fields(one).chain(fields(other)) {
        let (mine, theirs) = (&one[name], &other[name]);
        let is_absent = mine.is_null() || theirs.is_null();
        if TARGET.contains(&name.as_str()) || is_partial && is_absent {
            continue;
        }
        if mine.is_object() && theirs.is_object() {
            differ_in(mine, theirs, is_partial, names);
        } else if mine != theirs {
            note(name, names);
        }
    }
}

fn note<'a>(name: &'a str, names: &mut Vec<&'a str>) {
    if !names.contains(&name) {
        names.push(name);
    }
}

fn ratio(values: &[f64], base: &[f64]) -> String {
    let ratios: Vec<f64> = match values.len() == base.len() {
        true => values
            .iter()
            .zip(base)
            .map(|(one, base)| one / base)
            .collect(),
        false => values.iter().map(|one| one / median(base)).collect(),
    };
    let middle = median(&ratios);
    if !middle.is_finite() {
        return "–".into();
    }
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
    use serde_json::json;

    #[test]
    fn medians_and_ratios() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(&[]).is_nan());
        assert_eq!(ratio(&[2.0], &[1.0]), "2.00 ×");
        // Both moved by a factor of ten, and the pairs did not.
        assert_eq!(ratio(&[2.0, 20.0], &[1.0, 10.0]), "2.00 × (2.00 to 2.00)");
        assert_eq!(ratio(&[1.0, 3.0, 2.0], &[1.0]), "2.00 × (1.00 to 3.00)");
        assert_eq!(ratio(&[1.0], &[0.0]), "–");
    }

    #[test]
    fn files_of_the_same_stem_are_two() {
        let mut groups = Vec::new();
        for (name, path) in [
            (None, "a/run.json"),
            (None, "b/run.json"),
            (None, "a/run.json"),
            (Some("x"), "c/y.json"),
            (Some("x"), "d/z.json"),
            (None, "c/single.json"),
        ] {
            add(
                &mut groups,
                name.map(String::from),
                Path::new(path),
                json!({}),
            );
        }
        tell_apart(&mut groups);
        let found: Vec<(&str, usize)> = groups
            .iter()
            .map(|group| (group.name.as_str(), group.runs.len()))
            .collect();
        let expected = [
            ("a/run.json", 2),
            ("b/run.json", 1),
            ("x", 2),
            ("single", 1),
        ];
        assert_eq!(found, expected);
    }

    fn report(scenario: &str, settings: Value) -> Value {
        json!({
            "scenario": scenario, "settings": settings, "correct": true,
            "connections": {"opened": 100, "opening_ns": 2 * SECOND},
            "churn": {"message": {"p50_ns": 1000}},
            "kernel": {"bytes_per_connection": 4096.0},
        })
    }

    fn compared(one: Value, other: Value) -> String {
        let mut groups = Vec::new();
        add(&mut groups, None, Path::new("one"), one);
        add(&mut groups, None, Path::new("other"), other);
        table(&groups, None)
    }

    #[test]
    fn settings_that_differ_are_named() {
        let settings = json!({
            "depth": 1, "target": {"urls": ["ws://a"], "pid": [1], "in_flight": 64},
            "length": {"duration": "5s"},
        });
        let mut other = settings.clone();
        other["target"]["urls"] = json!(["ws://b"]);
        other["target"]["pid"] = json!([2]);
        let of = |settings: &Value| report("echo", settings.clone());
        assert!(!compared(of(&settings), of(&other)).contains("Warning"));
        other["depth"] = json!(2);
        other["target"]["in_flight"] = json!(1);
        other["length"]["messages"] = json!(100);
        let table = compared(of(&settings), of(&other));
        assert!(
            table.contains("they differ in depth, messages, in_flight."),
            "{table}"
        );
    }

    #[test]
    fn scenarios_that_differ_are_named() {
        let fanout = || report("fanout", json!({"readers": 5, "rooms": 1}));
        let table = compared(fanout(), report("limit", json!({"readers": 5})));
        assert!(!table.contains("Warning"), "{table}");
        let table = compared(fanout(), report("limit", json!({"readers": 6})));
        assert!(table.contains("they differ in readers."), "{table}");
        let table = compared(fanout(), report("slow", json!({"readers": 6})));
        assert!(table.contains("they differ in scenario."), "{table}");
    }

    #[test]
    fn figures_of_connections() {
        let table = compared(report("churn", json!({})), report("churn", json!({})));
        for words in [
            "message and back p50\n  one",
            "handshakes per second\n  one             50",
            "kernel's bytes per connection\n  one        4,096 B",
            "one: 1 run, every message arrived",
        ] {
            assert!(table.contains(words), "{table}");
        }
        let table = compared(report("idle", json!({})), report("idle", json!({})));
        assert!(
            table.contains("one: 1 run, every connection was opened and held"),
            "{table}"
        );
    }
}
