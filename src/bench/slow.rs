//! Some readers stop reading: what becomes of them, of the others, and of the server's memory.
//!
//! The closed loop runs twice: first all readers read, then some don't, and messages do not wait for them.
//! In the end these read again, and get a close frame, the end of their connection, or messages: all of
//! them or those from some point on.

use super::clock::{self, REST};
use super::failure::Failure;
use super::options::SlowOptions;
use super::report::{Document, Outcome, Stalled, count_of, readers};
use super::rooms::{Outlet, Plan, Rooms};
use super::run::Run;
use super::script::{Script, run_tag};
use super::span::MeasuredSpan;
use super::watch::Watch;

/// Readers that read again have got everything if nothing has come for this long.
const QUIET: u64 = clock::SECOND;

/// `fanfare bench slow`
pub(super) fn run(options: &SlowOptions) -> Result<Document, Failure> {
    options.check()?;
    let count = options.stalled;
    let message = &options.load.message.to(&options.load.target);
    let script = Script::of(message, options.load.target.deflate, run_tag());
    let plan = Plan {
        rooms: 1,
        readers: options.voices.readers,
        outlet: Outlet::Publishers {
            count: options.voices.publishers,
            echo: !options.voices.no_self_echo,
        },
        v1: options.load.target.speaks_v1(),
        reading: options.load.target.protocol(),
    };
    let title = format!(
        "{}, of which {count} stop reading, {}, {} outstanding, {}",
        readers(options.voices.readers, &options.load.target),
        count_of(options.voices.publishers, "publisher"),
        count_of(options.window, "message"),
        message.title(),
    );
    let mut document = Document::begin(&options.load.report, "slow", title, options);
    let watch = Watch::new(options.load.report.quiet)?;
    let rooms = Rooms::new(script, plan);
    let mut run = Run::on_server(&options.load.target, rooms, watch, options.window)?;
    run.open()?;

    let span_before = run.measure(&options.load.length)?;
    let payload_bytes = run.rooms.shared.script.payload_bytes_mean();
    if run.outcome != Outcome::Complete {
        // There is nothing to compare it with.
        run.watch.end();
        run.document_connections(&mut document)?;
        document.measured(&span_before, payload_bytes);
        document.finish(&span_before.before, &span_before.after);
        return Ok(document);
    }
    run.watch.phase("stalled", 0);
    for reader in 0..count {
        run.rooms.excuse(reader);
        run.client_loop.stall(reader);
    }
    run.resident_max = 0;
    let messages = options.load.length.messages.unwrap_or(u64::MAX);
    let span = run.span(messages, options.load.length.duration.0)?;
    let outcome = run.outcome;
    run.watch.phase("reading on", 0);
    read_on(&mut run, count)?;
    run.watch.end();

    let mut endings = run.rooms.excused_endings.clone();
    let went_on = count as u64 - endings.values().sum::<u64>();
    if went_on > 0 {
        endings.insert("still connected".into(), went_on);
    }
    let base = span_before.after.sum(|sample| sample.resident);
    document.stalled = Some(Stalled {
        readers: count as u64,
        rate_ratio: rate_ratio(&span_before, &span),
        latency_before: (&span_before.tally.latencies).into(),
        published_bytes: (span.published as f64 * payload_bytes) as u64,
        resident_bytes_growth: (!run.probe.pids.is_empty())
            .then(|| run.resident_max.saturating_sub(base)),
        endings,
        skipped: run.rooms.shared.tally.skipped,
    });
    run.outcome = outcome;
    run.document_connections(&mut document)?;
    document.measured(&span, payload_bytes);
    document.finish(&span.before, &span.after);
    Ok(document)
}

/// Counts messages, not deliveries, of which there are fewer with fewer receivers. A phase in which
/// nothing was published has no rate.
fn rate_ratio(before: &MeasuredSpan, meanwhile: &MeasuredSpan) -> Option<f64> {
    let were_both = before.published > 0 && meanwhile.published > 0;
    were_both.then(|| meanwhile.rate() / before.rate())
}

/// Lets the readers that had stopped read again, until nothing more comes.
fn read_on(run: &mut Run, count: usize) -> Result<(), Failure> {
    if run.outcome != Outcome::Complete {
        return Ok(());
    }
    (0..count).for_each(|reader| run.client_loop.resume(reader));
    let deadline = clock::now() + run.timeout;
    let mut quiet_since = clock::now();
    let progress = |run: &Run| (run.rooms.delivered(), run.client_loop.links.open_count());
    let mut last = progress(run);
    while clock::now() < deadline.min(quiet_since + QUIET) && !run.watch.is_interrupted() {
        run.client_loop
            .turn(&mut run.rooms, clock::now() + REST / 10)?;
        if progress(run) != last {
            last = progress(run);
            quiet_since = clock::now();
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::probe::Probe;
    use super::super::tally::Tally;
    use super::*;

    #[test]
    fn the_rate_of_the_others_does_not_count_heads() {
        let span = |published: u64, receivers: u64| {
            let before = Probe::default().moment().unwrap();
            let mut after = before.clone();
            after.at += clock::SECOND;
            let mut tally = Tally::default();
            tally.delivered = published * receivers;
            MeasuredSpan {
                before,
                after,
                published,
                tally,
                has_receivers: true,
                requests: None,
            }
        };
        let all = span(1000, 20);
        assert_eq!(rate_ratio(&all, &span(1500, 10)), Some(1.5));
        assert_eq!(rate_ratio(&all, &span(0, 10)), None);
    }
}
