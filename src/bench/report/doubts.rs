//! What puts a report's figures in doubt, each with what can be done about it.

use super::super::probe::Moment;
use super::document::{Document, Outcome};
use super::text::grouped;

/// Of a core: from here on the client may be what is measured.
const CLIENT_PERCENT_MAX: f64 = 90.0;
/// Of a core: what other programs may take without being mentioned.
const OTHERS_PERCENT_MAX: f64 = 15.0;
/// A percentile needs so many values beyond it.
const BEYOND_MIN: f64 = 10.0;
/// Less CPU time than this is mostly the noise of beginning and end.
const CPU_NS_MIN: u64 = 50_000_000;
/// Messages that make an average.
const MESSAGES_MIN: u64 = 100;

pub(super) fn doubts(document: &Document, before: &Moment, after: &Moment) -> Vec<String> {
    let mut doubts = Vec::new();
    let mut doubt = |is_due: bool, words: String| {
        if is_due {
            doubts.push(words);
        }
    };
    doubt(
        cfg!(debug_assertions),
        "this is a debug build of the client, which is several times slower: use cargo build \
         --release"
            .into(),
    );
    doubt(
        document.outcome == Outcome::Interrupted,
        "the run was interrupted: the figures cover what there was".into(),
    );
    let is_alive = |moment: &Moment| moment.sum(|sample| sample.resident) > 0;
    doubt(
        is_alive(before) && !is_alive(after),
        "the server's process has ended in the middle of the run: see what it says, and its exit \
         code"
            .into(),
    );
    let client = document.client.cpu_percent;
    doubt(
        client > CLIENT_PERCENT_MAX,
        format!(
            "the client took {client:.0} % of a core, so that it may be what was measured: use \
             --workers, fewer connections or a smaller --window"
        ),
    );
    let others = document.kernel.other_load_percent;
    doubt(
        others > OTHERS_PERCENT_MAX,
        format!(
            "other programs took {others:.0} % of a core meanwhile: stop them, or repeat the run \
             and compare medians"
        ),
    );
    let stolen = after.system.stolen.saturating_sub(before.system.stolen);
    let share = stolen as f64 / (after.at - before.at).max(1) as f64;
    doubt(
        share > 0.02,
        format!(
            "the host of this virtual machine took {:.0} % of a core away: repeat the run",
            share * 100.0
        ),
    );
    let throttled = after.system.throttled - before.system.throttled.min(after.system.throttled);
    doubt(
        throttled > 0,
        format!(
            "the server was held back by the CPU limit of its control group {throttled} times: \
             raise the limit"
        ),
    );
    if let Some(messages) = &document.messages {
        let published = messages.published;
        doubt(
            published < MESSAGES_MIN,
            format!("only {published} messages were measured: take a longer --duration"),
        );
        let beyond = messages.latency.count as f64 / 1000.0;
        doubt(
            (1.0..BEYOND_MIN).contains(&beyond) || messages.latency.count < 1000,
            format!(
                "p99.9 rests on {} latencies, of which {beyond:.0} are beyond it: take a longer \
                 --duration",
                grouped(messages.latency.count as f64)
            ),
        );
        let server_cpu = document.server.as_ref().map(|server| server.cpu_ns);
        doubt(
            server_cpu.is_some_and(|cpu| cpu < CPU_NS_MIN),
            "the server took less than 50 ms of CPU time: take a longer --duration".into(),
        );
        let late = document.client.publishing_late_ns_p99;
        doubt(
            late.is_some_and(|late| late > LATE_NS_MAX),
            "the client itself published 1 % of the messages more than 1 ms after they were due: \
             give it a core of its own, or lower --rate"
                .into(),
        );
    }
    doubts
}

/// An open loop that is later than this is not one any more.
const LATE_NS_MAX: u64 = 1_000_000;

#[cfg(test)]
mod tests {
    use super::super::super::clock::SECOND;
    use super::super::super::histogram::Histogram;
    use super::super::super::probe::Probe;
    use super::super::ReportOptions;
    use super::super::document::{Messages, Server};
    use super::*;

    /// A run of two seconds that nothing is wrong with.
    fn run() -> (Document, Moment, Moment) {
        let options = ReportOptions {
            json: None,
            name: None,
            quiet: true,
        };
        let mut document = Document::begin(&options, "fanout", String::new(), &());
        let mut latencies = Histogram::default();
        latencies.record(1000, 100_000);
        document.messages = Some(Messages {
            published: 1000,
            latency: (&latencies).into(),
            ..Messages::default()
        });
        document.server = Some(Server {
            cpu_ns: SECOND,
            ..Server::default()
        });
        let before = Probe::default().moment().unwrap();
        let mut after = before.clone();
        after.at += 2 * SECOND;
        (document, before, after)
    }

    #[track_caller]
    fn assert_doubted(words: &str, change: impl FnOnce(&mut Document, &mut Moment)) {
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
        assert_doubted("p99.9 rests on 5,000 latencies", |it, _| {
            it.messages.as_mut().unwrap().latency.count = 5000;
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
    }
}
