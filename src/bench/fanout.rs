//! The closed loop: a fixed number of messages is outstanding, and a message is done when every receiver in its room
//! has it. In each turn in which some are done, publishers send as many more, in one write. An echo is the same with
//! rooms of one.

use super::clock::nanos;
use super::crew::share;
use super::cuts::Cuts;
use super::failure::Failure;
use super::options::{EchoOptions, FanoutOptions};
use super::report::{Document, count_of, grouped, readers};
use super::rooms::{Outlet, Plan, Rooms};
use super::run::Run;
use super::script::{Script, run_tag};
use super::watch::Watch;

/// `fanfare bench fanout`
pub(super) fn run_fanout(options: &FanoutOptions) -> Result<Document, Failure> {
    options.check()?;
    let target = &options.target();
    let message = &options.load.message.to(target);
    let script = Script::of(message, target.deflate, run_tag());
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
        "{}{}, {}, {} outstanding, {}{}",
        match options.rooms {
            1 => String::new(),
            rooms => format!("{rooms} rooms of "),
        },
        readers(options.voices.readers, target),
        count_of(options.voices.publishers, "publisher"),
        count_of(options.window, "message"),
        message.title(),
        match (options.since, target.speaks_v1()) {
            (true, _) => format!(", {} readers a second cut off", grouped(options.cuts)),
            (false, true) => ", fanfare.v1".into(),
            (false, false) => String::new(),
        },
    );
    let watch = Watch::new(options.load.report.quiet)?;
    let rooms = Rooms::new(script, plan);
    let mut run = Run::on_server(target, rooms, watch, options.window)?;
    run.cuts = options
        .since
        .then(|| Cuts::new(options.cuts, nanos(options.away.0)));
    run.engage(
        target,
        message,
        options.voices.readers,
        options.voices.publishers,
    )?;
    let document = Document::begin(&options.load.report, "fanout", title, options);
    run.closed_loop(document, &options.load.length)
}

/// `fanfare bench echo`
pub(super) fn run_echo(options: &EchoOptions) -> Result<Document, Failure> {
    options.check()?;
    let message = &options.load.message;
    let script = Script::of(message, options.load.target.deflate, run_tag());
    let plan = Plan {
        rooms: options.connections,
        readers: 0,
        outlet: Outlet::Publishers {
            count: 1,
            echo: true,
        },
        v1: options.load.target.speaks_v1(),
        reading: options.load.target.protocol(),
    };
    let title = format!(
        "{} to themselves, {} outstanding each, {}",
        count_of(options.connections, "connection"),
        count_of(options.depth, "message"),
        message.title(),
    );
    let watch = Watch::new(options.load.report.quiet)?;
    let rooms = Rooms::new(script, plan);
    let run = Run::on_server(&options.load.target, rooms, watch, options.depth)?;
    let document = Document::begin(&options.load.report, "echo", title, options);
    run.closed_loop(document, &options.load.length)
}
