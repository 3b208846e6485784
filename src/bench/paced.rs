//! The open loop: messages are due at a fixed rate, whatever the server does, and a latency counts
//! from when the message was *due*. So a server that stalls for a second spoils the latencies of all
//! messages of that second, not only of the one that a closed loop would have had outstanding
//! (coordinated omission).

use super::clock::{self, NEVER, REST, nanos};
use super::crew::share;
use super::failure::Failure;
use super::histogram::Histogram;
use super::options::PacedOptions;
use super::report::{Document, Outcome, count_of, grouped, readers};
use super::rooms::{Outlet, Plan, Rooms};
use super::run::Run;
use super::run::pump::Patience;
use super::script::{Script, run_tag};
use super::watch::Watch;
use std::time::Duration;

/// What is kept for receivers that lag. A server that lags more can't keep up.
const KEPT_BYTES_MAX: usize = 256 << 20;

/// `fanfare bench paced`
pub(super) fn run(options: &PacedOptions) -> Result<Document, Failure> {
    options.check()?;
    let message = &options.load.message.to(&options.load.target);
    let script = Script::of(message, options.load.target.deflate, run_tag());
    let target = &options.load.target;
    let plan = Plan {
        rooms: options.rooms,
        readers: share(options.voices.readers, target.workers, 0),
        outlet: Outlet::Publishers {
            count: options.voices.publishers,
            echo: !options.voices.no_self_echo,
        },
        v1: target.speaks_v1(),
        reading: target.protocol(),
    };
    let title = format!(
        "{}, {}, {} messages/s due, {}",
        readers(options.rooms * options.voices.readers, target),
        count_of(options.rooms * options.voices.publishers, "publisher"),
        grouped(options.rate),
        message.title(),
    );
    let mut document = Document::begin(&options.load.report, "paced", title, options);
    let watch = Watch::new(options.load.report.quiet)?;
    let mut run = Run::on_server(target, Rooms::new(script, plan), watch, 1)?;
    run.engage(
        target,
        message,
        options.voices.readers,
        options.voices.publishers,
    )?;
    run.client_loop.use_alarm()?;
    run.open()?;

    let length = &options.load.length;
    let messages = length.messages.unwrap_or(u64::MAX);
    let mut late = Histogram::default();
    run.watch.phase("warming up", 0);
    pace(
        &mut run,
        options.rate,
        u64::MAX,
        length.warm_up.0,
        &mut late,
    )?;
    run.check_warm()?;
    late = Histogram::default();
    run.watch.phase("measuring", nanos(length.duration.0));
    let span =
        run.between(|run| pace(run, options.rate, messages, length.duration.0, &mut late))?;
    run.watch.end();
    document.client.publishing_late_ns_p99 = Some(late.percentile(99.0));
    run.document_connections(&mut document)?;
    document.measured(&span, run.rooms.shared.script.payload_bytes_mean());
    document.finish(&span.before, &span.after);
    Ok(document)
}

/// Publishes each message as soon as it is due, the rooms taking turns, and then waits for the last
/// ones to arrive.
fn pace(
    run: &mut Run,
    rate: f64,
    messages: u64,
    duration: Duration,
    late: &mut Histogram,
) -> Result<(), Failure> {
    let interval = clock::SECOND as f64 / rate;
    let began = clock::now();
    let total = ((nanos(duration) as f64 / interval) as u64).min(messages);
    let due = |message: u64| began + (message as f64 * interval) as u64;
    let mut patience = Patience::new(run);
    let mut next_look = 0;
    let mut next = 0;
    loop {
        let now = clock::now();
        while next < total && due(next) <= now {
            let room = next as usize % run.rooms.plan().rooms;
            late.record(now - due(next), 1);
            run.rooms
                .publish(&mut run.client_loop.links, room, 1, due(next))?;
            next += 1;
        }
        run.rooms.settle_all();
        if next == total && run.done() == run.rooms.published() {
            return Ok(());
        }
        if run.watch.is_interrupted() {
            run.outcome = Outcome::Interrupted;
            return Ok(());
        }
        if now >= next_look {
            next_look = now + REST / 10;
            let behind = run.rooms.kept_bytes() > KEPT_BYTES_MAX;
            let behind =
                behind.then_some("receivers were 256 MiB behind: the server can't keep up");
            if let Some(why) = behind.or_else(|| patience.lost(run, now)) {
                run.outcome = Outcome::GivenUp(why);
                return Ok(());
            }
            run.watch_pump(began, now);
        }
        let wake = match next < total {
            true => due(next),
            false => NEVER,
        };
        run.turn(wake.min(next_look))?;
    }
}
