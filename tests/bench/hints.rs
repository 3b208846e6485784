//! What a user is told after a common mistake.

use super::common::Relay;
use super::server::{Fault, Server};
use super::{Report, SHORT, bench};
use std::net::{TcpListener, ToSocketAddrs};

#[test]
fn a_second_url_that_would_go_unused() {
    let report = bench(&["fanout", "ws://127.0.0.1:1/", "ws://127.0.0.1:1/"]);
    report.assert_says("2 URLs are more than there are rooms (1)");
    assert_eq!(report.code, 2);
}

#[test]
fn a_report_that_can_not_be_written() {
    let report = bench(&["limit", "--json=/nonexistent/x.json", "--duration=10m"]);
    report.assert_says("can't write /nonexistent/x.json: No such file or directory");
    assert_eq!(report.code, 2);
}

#[test]
fn a_host_of_one_s_own() {
    let (server, report) = asked_with("Host: relay.example", &["--workers=2"]);
    report.assert_correct();
    // Of all connections, in all processes.
    assert_eq!(server.hosts(), vec!["relay.example"; 5]);
    let (server, report) = asked_with("X: y", &[]);
    report.assert_correct();
    assert_eq!(server.hosts(), vec![server.address.to_string(); 5]);
}

fn asked_with(header: &str, options: &[&str]) -> (Server, Report) {
    let server = Server::start(Fault::None);
    let url = server.url();
    let asked = ["fanout", &url, "--readers=4", "--header", header];
    let report = bench(&[&asked, options, SHORT].concat());
    (server, report)
}

#[test]
fn any_address_of_a_name_will_do() {
    let addresses = ("localhost", 0).to_socket_addrs();
    for address in addresses.expect("every machine has this name") {
        let Ok(listener) = TcpListener::bind(address) else {
            continue;
        };
        let server = Server::start_on(listener, Fault::None);
        let url = format!("ws://localhost:{}/", server.address.port());
        let options = ["fanout", &url, "--readers=4", "--workers=2"];
        let report = bench(&[&options, SHORT].concat());
        report.assert_correct();
        report.assert_says(&format!("to                       {}", server.address));
    }
}

#[test]
fn a_process_that_is_not_there() {
    let relay = Relay::start(&[]);
    let url = format!("ws://{}/ws", relay.address);
    for scenario in ["fanout", "echo", "paced", "slow", "churn", "idle"] {
        let report = bench(&[scenario, &url, "--pid=4294967295"]);
        report.assert_says("can't look at process 4294967295");
        assert_eq!(report.code, 2, "{scenario}");
    }
}

#[test]
fn publishers_that_wait_for_themselves() {
    let relay = Relay::start(&[]);
    let url = format!("ws://{}/ws?echo=0", relay.address);
    let options = [
        "fanout",
        &url,
        "--readers=3",
        "--publishers=2",
        "--timeout=500ms",
    ];
    let report = bench(&[&options, SHORT].concat());
    report.assert_says("needs --no-self-echo");
    assert_eq!(report.code, 1);
}

#[test]
fn messages_that_are_too_large() {
    let relay = Relay::start(&["--message-bytes-max", "64KiB"]);
    let url = format!("ws://{}/ws", relay.address);
    let options = [
        "fanout",
        &url,
        "--readers=1",
        "--size=100KiB",
        "--timeout=2s",
    ];
    let report = bench(&[&options, SHORT].concat());
    report.assert_says("the server takes no messages of that size");
    assert_eq!(report.code, 1);
}
