//! What puts a report's figures in doubt, each with what can be done about it.

use super::super::clock::SECOND;
use super::super::probe::ProbeSample;
use super::document::{Document, Outcome};
use super::figures::{bytes, grouped};
use serde_json::Value;

/// Share of a core: from here on the client itself may be what is measured.
const CLIENT_PERCENT_MAX: f64 = 90.0;
/// Share of a core that other programs may take without being mentioned.
const OTHERS_PERCENT_MAX: f64 = 15.0;
/// A percentile needs this many values beyond it.
const BEYOND_MIN: f64 = 10.0;
/// Less CPU time than this is mostly the noise of start and end.
const CPU_NS_MIN: u64 = 50_000_000;
/// Messages that make an average.
const MESSAGES_MIN: u64 = 100;
/// Of a run that ended early: a shorter one has no meaningful shares and averages.
const SPAN_MIN: u64 = SECOND / 100;
/// Memory is allocated in pieces of up to some hundred kilobytes: less growth than this is chance.
const GROWTH_MIN: f64 = 1048576.0;
/// An open loop that is later than this is no longer one.
const LATE_NS_MAX: u64 = 1_000_000;

/// All doubts.
pub(super) fn doubts(
    document: &Document,
    before: &ProbeSample,
    after: &ProbeSample,
) -> Vec<String> {
    let mut doubts = Doubts::default();
    doubts.of_the_run(document, before, after);
    if document.outcome == Outcome::Complete || after.at - before.at >= SPAN_MIN {
        doubts.of_shares(document, before, after);
        doubts.of_averages(document);
        doubts.of_memory(document);
    }
    doubts.0
}

#[derive(Default)]
struct Doubts(Vec<String>);

impl Doubts {
    fn add(&mut self, is_due: bool, words: String) {
        if is_due {
            self.0.push(words);
        }
    }

    fn of_the_run(&mut self, document: &Document, before: &ProbeSample, after: &ProbeSample) {
        self.add(
            cfg!(debug_assertions),
            "this is a debug build of the client, which is several times slower: use cargo build \
         --release"
                .into(),
        );
        self.add(
            document.outcome == Outcome::Interrupted,
            "the run was interrupted: the figures cover what there was".into(),
        );
        let is_alive = |moment: &ProbeSample| moment.sum(|sample| sample.resident) > 0;
        self.add(
        is_alive(before) && !is_alive(after),
        "the server's process has ended in the middle of the run: see what it says, and its exit \
         code"
            .into(),
    );
    }

    /// Shares of the CPU that may have been the client's, another program's or the host's.
    fn of_shares(&mut self, document: &Document, before: &ProbeSample, after: &ProbeSample) {
        let client = document.client.cpu_percent;
        self.add(
        client > CLIENT_PERCENT_MAX,
        format!(
            "the client took {client:.0} % of a core, so that it may be what was measured: use {}",
            relief(document)
        ),
    );
        let others = document.kernel.other_load_percent;
        self.add(
            others > OTHERS_PERCENT_MAX,
            format!(
                "other programs took {others:.0} % of a core meanwhile{}",
                match document.server.is_none() && is_local(document) {
                    true => ", the server among them: name it with --pid",
                    false => ": stop them, or repeat the run and compare medians",
                }
            ),
        );
        let stolen = after.system.stolen.saturating_sub(before.system.stolen);
        let share = stolen as f64 / (after.at - before.at).max(1) as f64;
        self.add(
            share > 0.02,
            format!(
                "the host of this virtual machine took {:.0} % of a core away: repeat the run",
                share * 100.0
            ),
        );
        let throttled =
            after.system.throttled - before.system.throttled.min(after.system.throttled);
        self.add(
            throttled > 0,
            format!(
                "the server was held back by the CPU limit of its control group {throttled} times: \
             raise the limit"
            ),
        );
    }

    /// Whether there was enough for percentiles and averages.
    fn of_averages(&mut self, document: &Document) {
        // Each message was one request, if there were any.
        let of_requests = document.requests.as_ref();
        let of_requests = of_requests.map(|it| (it.succeeded + it.failed, it.latency.count));
        let of_messages = document.messages.as_ref();
        let of_messages = of_messages.map(|it| (it.published, it.latency.count));
        let Some((published, latencies)) = of_requests.or(of_messages) else {
            return;
        };
        let longer = longer(document, published);
        self.add(
            published < MESSAGES_MIN,
            format!("only {published} messages were measured: take {longer}"),
        );
        // The deliveries of one message are slow together: they count once.
        let count = latencies.min(published);
        let beyond = count as f64 / 1000.0;
        self.add(
            published >= MESSAGES_MIN && beyond < BEYOND_MIN,
            format!(
                "p99.9 rests on {} messages, of which {beyond:.0} are beyond it: take {longer}",
                grouped(count as f64)
            ),
        );
        let server_cpu = document.server.as_ref().map(|server| server.cpu_ns);
        self.add(
            server_cpu.is_some_and(|cpu| cpu < CPU_NS_MIN),
            format!("the server took less than 50 ms of CPU time: take {longer}"),
        );
        let late = document.client.publishing_late_ns_p99;
        self.add(
            late.is_some_and(|late| late > LATE_NS_MAX),
            "the client itself published 1 % of the messages more than 1 ms after they were due: \
             give it a core of its own, or lower --rate"
                .into(),
        );
    }

    /// Whether the connections made memory grow, or chance did.
    fn of_memory(&mut self, document: &Document) {
        if document.scenario != "idle" || document.connections.opened == 0 {
            return;
        }
        let server = document.server.as_ref();
        let server = server.map(|server| server.resident_bytes_per_connection);
        let kernel = Some(document.kernel.bytes_per_connection);
        for (owner, each) in [("server", server), ("kernel", kernel)] {
            let Some(each) = each else { continue };
            let growth = each.unwrap_or_default() * document.connections.opened as f64;
            self.add(
                growth < GROWTH_MIN,
                match each {
                    Some(_) => format!(
                        "the {owner}'s memory per connection rests on {}: take more \
                         --connections, and a fresh process",
                        bytes(growth)
                    ),
                    None => format!(
                        "the {owner}'s memory did not grow with the connections, or can't be \
                         read: take more --connections, and a fresh process"
                    ),
                },
            );
        }
    }
}

/// What takes load off the client, among the options of the scenario.
fn relief(document: &Document) -> &'static str {
    let has_one_room = document.settings["rooms"] == 1;
    match document.scenario.as_str() {
        "fanout" if has_one_room => "--workers, fewer --readers or a smaller --window",
        "fanout" => "fewer --rooms, fewer --readers or a smaller --window",
        "paced" if has_one_room => "--workers, fewer --readers or a lower --rate",
        "paced" => "fewer --readers or a lower --rate",
        "echo" => "fewer --connections or a smaller --depth",
        "churn" => "fewer --connections",
        "publish" => "fewer --connections, a smaller --depth or fewer --readers",
        "idle" => "--workers",
        _ => "fewer --readers or a smaller --window",
    }
}

/// The option that has more messages measured: a run ends by their number, or by time.
fn longer(document: &Document, published: u64) -> &'static str {
    let messages = document.settings.pointer("/length/messages");
    match messages.and_then(Value::as_u64) {
        Some(messages) if published >= messages => "more --messages",
        _ => "a longer --duration",
    }
}

/// Whether the server is on this machine, as far as its address says.
fn is_local(document: &Document) -> bool {
    let address = document.connections.addresses.first();
    address.is_some_and(|address| address.ip().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::super::super::histogram::Histogram;
    use super::super::super::options::ReportOptions;
    use super::super::super::probe::Probe;
    use super::super::document::{MessageFigures, ServerFigures};
    use super::*;
    use serde_json::json;

    /// A run of two seconds that nothing is wrong with.
    fn run() -> (Document, ProbeSample, ProbeSample) {
        let options = ReportOptions {
            json: None,
            name: None,
            quiet: true,
        };
        let mut document = Document::begin(&options, "fanout", String::new(), &());
        let mut latencies = Histogram::default();
        latencies.record(1000, 100_000);
        document.messages = Some(MessageFigures {
            published: 10_000,
            latency: (&latencies).into(),
            ..MessageFigures::default()
        });
        document.server = Some(ServerFigures {
            cpu_ns: SECOND,
            ..ServerFigures::default()
        });
        let before = Probe::default().moment().unwrap();
        let mut after = before.clone();
        after.at += 2 * SECOND;
        (document, before, after)
    }

    #[track_caller]
    fn assert_doubted(words: &str, change: impl FnOnce(&mut Document, &mut ProbeSample)) {
        let (mut document, before, mut after) = run();
        let all = |doubts: Vec<String>| doubts.join("\n");
        assert!(!all(doubts(&document, &before, &after)).contains(words));
        change(&mut document, &mut after);
        let doubts = all(doubts(&document, &before, &after));
        assert!(doubts.contains(words), "{doubts}");
    }

    #[test]
    fn each_doubt_is_said() {
        assert_doubted("the client took 95 % of a core", |it, _| {
            it.client.cpu_percent = 95.0;
        });
        assert_doubted("other programs took 40 % of a core", |it, _| {
            it.kernel.other_load_percent = 40.0;
        });
        assert_doubted("took 50 % of a core away", |_, after| {
            after.system.stolen += SECOND;
        });
        assert_doubted("control group 3 times", |_, after| {
            after.system.throttled += 3;
        });
        assert_doubted("only 99 messages were measured", |it, _| {
            it.messages.as_mut().unwrap().published = 99;
        });
        // However many received them.
        assert_doubted(
            "p99.9 rests on 5,000 messages, of which 5 are beyond it: take a longer --duration",
            |it, _| {
                it.messages.as_mut().unwrap().published = 5000;
            },
        );
        assert_doubted("take more --messages", |it, _| {
            it.settings = json!({"length": {"messages": 5000}});
            it.messages.as_mut().unwrap().published = 5000;
        });
        assert_doubted("less than 50 ms of CPU time", |it, _| {
            it.server.as_mut().unwrap().cpu_ns = 1;
        });
        assert_doubted("more than 1 ms after they were due", |it, _| {
            it.client.publishing_late_ns_p99 = Some(2_000_000);
        });
        assert_doubted("the run was interrupted", |it, _| {
            it.outcome = Outcome::Interrupted;
        });
        assert_doubted(
            "server's memory per connection rests on 11.7 KiB",
            |it, _| {
                it.scenario = "idle".into();
                it.connections.opened = 1000;
                let server = it.server.as_mut().unwrap();
                server.resident_bytes_per_connection = Some(12.0);
            },
        );
        assert_doubted(
            "kernel's memory did not grow with the connections",
            |it, _| {
                it.scenario = "idle".into();
                it.connections.opened = 1000;
            },
        );
        assert_doubted("the server among them: name it with --pid", |it, _| {
            it.kernel.other_load_percent = 40.0;
            it.connections.addresses = vec!["127.0.0.1:8080".parse().unwrap()];
            it.server = None;
        });
    }

    #[test]
    fn advice_names_options_that_the_scenario_has() {
        for (scenario, rooms, words) in [
            (
                "fanout",
                1,
                "use --workers, fewer --readers or a smaller --window",
            ),
            (
                "fanout",
                2,
                "use fewer --rooms, fewer --readers or a smaller --window",
            ),
            (
                "paced",
                1,
                "use --workers, fewer --readers or a lower --rate",
            ),
            ("slow", 1, "use fewer --readers or a smaller --window"),
            ("limit", 1, "use fewer --readers or a smaller --window"),
            ("echo", 1, "use fewer --connections or a smaller --depth"),
            ("churn", 1, "use fewer --connections"),
            (
                "publish",
                1,
                "use fewer --connections, a smaller --depth or fewer --readers",
            ),
        ] {
            assert_doubted(words, |it, _| {
                it.scenario = scenario.into();
                it.settings = json!({ "rooms": rooms });
                it.client.cpu_percent = 95.0;
            });
        }
    }

    #[test]
    fn a_run_that_was_hardly_begun_has_no_shares_and_averages() {
        let (mut document, before, mut after) = run();
        document.client.cpu_percent = 95.0;
        document.messages.as_mut().unwrap().published = 1;
        document.outcome = Outcome::Interrupted;
        assert!(doubts(&document, &before, &after).len() > 2);
        after.at = before.at + SPAN_MIN - 1;
        let doubts = doubts(&document, &before, &after).join("\n");
        assert!(
            doubts.contains("interrupted") && !doubts.contains("core"),
            "{doubts}"
        );
        assert!(!doubts.contains("only 1 messages"), "{doubts}");
    }
}
