//! The page, and the manual that is made from it.

use super::*;
use crate::http::Reason;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::{env, fs};

/// A snapshot in which everything is known.
fn full() -> Snapshot {
    Snapshot {
        process: ProcessFigures {
            cpu_seconds: Some(1.5),
            resident_bytes: Some(1),
            virtual_bytes: Some(1),
            open_descriptors: Some(1),
            descriptors_max: Some(1),
            start_time_seconds: Some(1.0),
            tcp_memory_bytes: Some(1),
            ..ProcessFigures::default()
        },
        ..Snapshot::default()
    }
}

#[test]
fn a_counter_has_one_name_in_the_text_format() {
    let page = full().render(Format::Text);
    assert!(page.contains("# TYPE fanfare_deliveries_total counter\nfanfare_deliveries_total 0\n"));
    assert!(page.contains("# TYPE process_open_fds gauge\nprocess_open_fds 1\n"));
    assert!(!page.contains("EOF") && page.ends_with('\n'));
    let open_metrics = full().render(Format::OpenMetrics);
    assert!(
        open_metrics.contains("# TYPE fanfare_deliveries counter\nfanfare_deliveries_total 0\n")
    );
    assert!(open_metrics.ends_with("# EOF\n"));
}

#[test]
fn what_is_not_known_is_not_said() {
    let page = Snapshot::default().render(Format::Text);
    assert!(!page.contains("process_") && !page.contains("kernel_tcp"));
}

#[test]
fn counts_appear_under_their_labels() {
    let mut snapshot = full();
    snapshot.counters.refusals[Reason::Origin as usize] = 7;
    snapshot.counters.count_close(Cause::Peer, 4321);
    snapshot.counters.count_close(Cause::Protocol, 1009);
    snapshot.counters.lag_bytes.observe(3000, 1);
    snapshot.process.turn_micros.observe(20, 3);
    let page = snapshot.render(Format::Text);
    for line in [
        r#"fanfare_requests_refused_total{reason="origin",status="403"} 7"#,
        r#"fanfare_websockets_closed_total{cause="peer",code="4xxx"} 1"#,
        r#"fanfare_websockets_closed_total{cause="peer",code="1000"} 0"#,
        r#"fanfare_websockets_closed_total{cause="protocol",code="1009"} 1"#,
        r#"fanfare_lag_bytes_bucket{le="4096.0"} 1"#,
        r#"fanfare_turn_duration_seconds_bucket{le="0.000032"} 3"#,
        r#"fanfare_turn_duration_seconds_bucket{le="+Inf"} 3"#,
        "fanfare_turn_duration_seconds_count 3",
    ] {
        assert!(page.lines().any(|other| other == line), "{line} in\n{page}");
    }
}

/// `docs/metrics.md` says what the page says. Written anew with `FANFARE_UPDATE_DOCS=1`.
#[test]
fn the_manual_lists_every_metric() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics.md");
    let manual = manual(&full().render(Format::Text));
    if env::var_os("FANFARE_UPDATE_DOCS").is_some() {
        fs::write(path, &manual).unwrap();
    }
    let found = fs::read_to_string(path).unwrap_or_default();
    assert!(
        found == manual,
        "docs/metrics.md is not what the code says: run the test with FANFARE_UPDATE_DOCS=1"
    );
}

const PREFACE: &str = "\
# Metrics

What `/metrics` on the admin listener (`--admin ADDR`) shows, in Prometheus's text format or, for
scrapers that accept it, in OpenMetrics. Counters count since the start of the process. Label values are
fixed: no client can add one. Histograms have powers of two as bounds.

This page is made from the code, and a test compares the two; write it anew with
`FANFARE_UPDATE_DOCS=1 cargo test --lib metrics`.

| metric | type | labels | what it is |
|---|---|---|---|
";

fn manual(page: &str) -> String {
    let mut manual = PREFACE.to_owned();
    let mut lines = page.lines().peekable();
    while let Some(line) = lines.next() {
        let (name, help) = line
            .strip_prefix("# HELP ")
            .and_then(|line| line.split_once(' '))
            .expect("a description");
        let (_, kind) = lines.next().and_then(|line| line.rsplit_once(' ')).unwrap();
        let mut labels = Vec::<(&str, BTreeSet<&str>)>::new();
        while let Some(series) = lines.next_if(|line| !line.starts_with('#')) {
            let pairs = series
                .split_once('{')
                .and_then(|(_, rest)| rest.split_once('}'));
            for pair in pairs.iter().flat_map(|(pairs, _)| pairs.split(',')) {
                let (label, value) = pair.split_once('=').unwrap();
                let value = value.trim_matches('"');
                match labels.iter_mut().find(|(known, _)| *known == label) {
                    Some((_, values)) => drop(values.insert(value)),
                    None => labels.push((label, [value].into())),
                }
            }
        }
        let labels: Vec<String> = labels.iter().filter_map(show_label).collect();
        let labels = labels.join("; ");
        writeln!(manual, "| `{name}` | {kind} | {labels} | {help} |").unwrap();
    }
    manual
}

fn show_label((label, values): &(&str, BTreeSet<&str>)) -> Option<String> {
    let values: Vec<&str> = match *label {
        // A histogram's bounds.
        "le" => return None,
        "version" => vec!["…"],
        "code" => CLOSE_CODES.to_vec(),
        _ => values
            .iter()
            .copied()
            .filter(|value| !value.is_empty())
            .collect(),
    };
    Some(format!("`{label}`: {}", values.join(", ")))
}
