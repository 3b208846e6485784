//! Messages are published by HTTP requests: a fixed number is in flight on each connection, and one is done when it
//! is answered and every reader has its message. In each turn in which some are done, as many more follow.

use super::failure::Failure;
use super::options::PublishOptions;
use super::report::{Document, count_of, readers};
use super::requests::{RequestForm, Requests};
use super::rooms::{Outlet, Plan, Rooms};
use super::route::Route;
use super::run::Run;
use super::script::{Script, run_tag};
use super::target::{open_options, resolve};
use super::watch::Watch;
use std::rc::Rc;

/// `fanfare bench publish`
pub(super) fn run(options: &PublishOptions) -> Result<Document, Failure> {
    options.check()?;
    let target = &options.load.target;
    let message = &options.load.message.to(target);
    let script = Script::of(message, target.deflate, run_tag());
    let publishing = resolve(target)?;
    let reading = reading(options, &publishing)?;
    let form = RequestForm {
        method: &options.method,
        options: &open_options(target).request,
        body: options.body_template.clone(),
        kind: message.kind(),
    };
    let requests = Requests::new(
        &publishing,
        options.rooms,
        options.connections,
        options.depth,
        !options.no_keep_alive,
        form,
    );
    let plan = Plan {
        rooms: options.rooms,
        readers: options.readers,
        outlet: Outlet::Requests(Rc::new(requests)),
        v1: target.speaks_v1(),
        reading: target.protocol(),
    };
    let title = format!(
        "{}{}, {}, {}, {}",
        match options.rooms {
            1 => String::new(),
            rooms => format!("{rooms} rooms of "),
        },
        count_of(options.connections, "connection"),
        match options.no_keep_alive {
            true => "each for one request".into(),
            false => format!("{} in flight on each", count_of(options.depth, "request")),
        },
        match options.readers {
            0 => "no readers".into(),
            count => readers(count, target),
        },
        message.title(),
    );
    let watch = Watch::new(options.load.report.quiet)?;
    let rooms = Rooms::new(script, plan);
    let window = options.connections * options.depth;
    let document = Document::begin(&options.load.report, "publish", title, options);
    let run = Run::over(target, &reading, publishing, rooms, watch, window)?;
    run.closed_loop(document, &options.load.length)
}

/// Where readers connect to.
fn reading(options: &PublishOptions, publishing: &[Route]) -> Result<Vec<Route>, Failure> {
    let Some(url) = &options.read_url else {
        return Ok(publishing.to_vec());
    };
    let mut target = options.load.target.clone();
    target.urls = vec![url.clone()];
    resolve(&target)
}
