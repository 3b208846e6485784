//! `fanfare bench fanout` with readers that know which message they have, and that are cut off and come back.

use super::common::Relay;
use super::server::{Fault, Server};
use super::{Report, bench};

/// A fan-out of the relay with these flags, whose report is wanted as JSON.
#[track_caller]
fn fan_out(flags: &[&str], path: &str, options: &[&str]) -> (Report, serde_json::Value) {
    let relay = Relay::start(flags);
    let url = format!("ws://{}{path}", relay.address);
    let fixed = ["fanout", &url, "--warm-up=1ms", "--json=-", "--quiet"];
    let report = bench(&[&fixed, options].concat());
    assert_eq!(report.code, 0, "{}\n{}", report.out, report.errors);
    let document: serde_json::Value = serde_json::from_str(&report.out).expect("JSON");
    assert_eq!(document["correct"], true);
    assert_eq!(document["faults"], serde_json::json!({}));
    (report, document)
}

/// Readers are cut off and come back; returns replayed messages, and those that gaps told of.
#[track_caller]
fn cut_off(flags: &[&str], path: &str, options: &[&str]) -> (u64, u64) {
    let fixed = [
        "--since",
        "--cuts=200",
        "--away=50ms",
        "--duration=1s",
        "--readers=20",
        "--window=4",
    ];
    let (report, document) = fan_out(flags, path, &[&fixed, options].concat());
    report.assert_says("Readers that came back");
    report.assert_says("until caught up");
    let returns = &document["returns"];
    let number = |name: &str| returns[name].as_u64().unwrap_or_default();
    assert!(number("cut_off") > 0, "{returns}");
    assert_eq!(number("came_back"), number("cut_off"), "{returns}");
    assert_eq!(returns["coming_back"]["count"], returns["came_back"]);
    (number("replayed"), number("missed"))
}

#[test]
fn a_fan_out_to_readers_that_count() {
    for options in [
        &["--publishers=3", "--window=16", "--size=64,20,3000"][..],
        &["--workers=2", "--text"],
        &["--deflate", "--content=json", "--size=64,2000", "--rooms=3"],
    ] {
        let all = [&["--v1", "--messages=300", "--duration=30s"], options].concat();
        let (_, document) = fan_out(&[], "/ws/{i}", &all);
        assert_eq!(document["returns"], serde_json::Value::Null);
    }
}

#[test]
fn what_was_missed_is_replayed() {
    let retain = ["--retain=10m", "--retain-bytes-max=4MiB"];
    for options in [
        &["--size=200"][..],
        &["--publishers=3", "--text", "--rooms=2"],
        &["--deflate", "--content=json", "--size=64,2000"],
    ] {
        let (replayed, _) = cut_off(&retain, "/ws/{i}", options);
        assert!(replayed > 0, "{options:?}");
    }
}

#[test]
fn what_is_not_retained_is_told() {
    for options in [
        &[][..],
        &["--publishers=3"],
        &["--deflate", "--content=json", "--size=500"],
    ] {
        let (_, missed) = cut_off(&[], "/ws", options);
        assert!(missed > 0, "{options:?}");
        let (replayed, missed) = cut_off(&["--retain=10m", "--retain-messages=5"], "/ws", options);
        assert!(missed > 0 && replayed > 0, "{options:?}");
    }
}

#[test]
fn a_server_that_does_not_speak_it_is_told() {
    for option in ["--v1", "--since"] {
        let server = Server::start(Fault::None);
        let report = bench(&["fanout", &server.url(), "--readers=1", option]);
        report.assert_says("the server does not speak fanfare.v1");
        assert_eq!(report.code, 1, "{}\n{}", report.out, report.errors);
    }
}

#[test]
fn a_server_that_forgets_is_found_out() {
    let server = Server::start(Fault::Forgets);
    let url = server.url();
    let options = [
        "--readers=20",
        "--since",
        "--cuts=200",
        "--away=50ms",
        "--duration=1s",
        "--timeout=2s",
    ];
    let report = bench(&[&["fanout", &url, "--warm-up=1ms"], &options[..]].concat());
    report.assert_says("correct                  NO");
    report.assert_says("lost messages");
    assert_eq!(report.code, 1, "{}\n{}", report.out, report.errors);
}
