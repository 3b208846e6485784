//! Connections that are opened and held: how fast they open, and what each takes.

use super::client_loop::{ClientLoop, Scenario};
use super::clock::{self, REST, nanos};
use super::crew::{Crew, Job, Task, WorkerResult, share};
use super::event_stream::EventStream;
use super::failure::Failure;
use super::histogram::Histogram;
use super::links::Links;
use super::opening::OpenError;
use super::options::IdleOptions;
use super::probe::slope;
use super::report::{ConnectionFigures, Document, Outcome, ServerFigures, count_of, readers};
use super::route::{Protocol, Route};
use super::tally::Tally;
use super::target::open_options;
use super::target::{addresses, probe_of, resolve};
use super::watch::Watch;
use crate::proto::{Event, OpCode, Role, Session};
use std::collections::BTreeMap;

/// Memory is sampled this many times, after equal parts of the connections.
const STEPS: usize = 10;

/// Connections that do nothing but answer.
#[derive(Default)]
pub(super) struct Idle {
    held: Vec<Held>,
    handshakes: Histogram,
    pings: u64,
    failed: BTreeMap<String, u64>,
    faults: BTreeMap<String, u64>,
}

/// What a connection brings.
enum Held {
    WebSocket(Session),
    Stream(EventStream),
}

impl Scenario for Idle {
    fn on_open(&mut self, links: &mut Links, index: usize, took: u64) {
        if let (Held::Stream(stream), Some(link)) = (&mut self.held[index], links.get(index)) {
            *stream = EventStream::new(std::mem::take(&mut link.framing));
        }
        self.handshakes.record(took, 1);
    }

    fn on_failed(&mut self, _: &mut Links, _: usize, error: OpenError) {
        *self.failed.entry(error.with_advice()).or_default() += 1;
    }

    fn on_bytes(&mut self, link: usize, bytes: &mut [u8], _: u64, out: &mut Vec<u8>) -> bool {
        let session = match &mut self.held[link] {
            Held::WebSocket(session) => session,
            Held::Stream(stream) => return stream.receive(bytes, |_, _| {}) == Ok(false),
        };
        let mut rest = bytes;
        while !rest.is_empty() {
            let received = match session.receive(rest, usize::MAX) {
                Ok(received) => received,
                Err(_) => return false,
            };
            let consumed = received.consumed;
            match received.event {
                Some(Event::Ping(payload)) => {
                    self.pings += 1;
                    Role::Client.write_frame(true, OpCode::Pong, payload, out);
                }
                Some(Event::Close(_)) => return false,
                _ => {}
            }
            rest = &mut rest[consumed..];
        }
        true
    }

    fn on_ended(&mut self, _: &mut Links, _: usize, was_reset: bool) {
        let name = match was_reset {
            true => "connections reset by the server while they were held",
            false => "connections ended by the server while they were held",
        };
        *self.faults.entry(name.into()).or_default() += 1;
    }
}

impl Idle {
    /// Begins one more connection.
    pub(super) fn open(&mut self, client_loop: &mut ClientLoop, route: Route) {
        self.held.push(match route.protocol {
            Protocol::EventStream => Held::Stream(EventStream::default()),
            _ => Held::WebSocket(Session::new(Role::Client)),
        });
        client_loop.links.open(route);
    }

    /// Whether none has opened, though at least `first` were attempted.
    fn is_refused(&self, first: usize) -> bool {
        self.handshakes.count() == 0 && self.failed.values().sum::<u64>() >= first as u64
    }

    pub(super) fn into_result(self) -> WorkerResult {
        let mut tally = Tally::default();
        tally.pings = self.pings;
        WorkerResult {
            handshakes: self.handshakes,
            failed: self.failed,
            endings: self.faults,
            tally,
        }
    }

    fn add(&mut self, other: WorkerResult) {
        self.handshakes.merge(&other.handshakes);
        self.pings += other.tally.pings;
        for (counts, others) in [
            (&mut self.failed, other.failed),
            (&mut self.faults, other.endings),
        ] {
            for (name, count) in others {
                *counts.entry(name).or_default() += count;
            }
        }
    }
}

/// `fanfare bench idle`
pub(super) fn run(options: &IdleOptions) -> Result<Document, Failure> {
    options.check()?;
    let routes = resolve(&options.target)?;
    let mut probe = probe_of(&options.target)?;
    let mut client_loop = ClientLoop::new(open_options(&options.target))?;
    let mut watch = Watch::new(options.report.quiet)?;
    let title = match options.target.sse {
        false => count_of(options.connections, "connection"),
        true => readers(options.connections, &options.target),
    };
    let mut document = Document::begin(&options.report, "idle", title, options);
    let processes = options.target.workers.min(options.connections);
    let first = |number: usize| {
        let before = 0..number;
        before
            .map(|process| share(options.connections, processes, process))
            .sum()
    };
    let mut crew = Crew::start(processes - 1, &client_loop, |number| Task {
        target: options.target.clone(),
        addresses: addresses(&routes),
        first: first(number + 1),
        job: Job::Hold,
    })?;
    probe.workers = crew.pids();
    let mut idle = Idle::default();
    let before = probe.look()?;
    let mut steps = vec![(0, before.clone())];
    watch.phase("opening", options.connections as u64);
    for step in 1..=STEPS {
        let goal = options.connections * step / STEPS;
        let before = options.connections * (step - 1) / STEPS;
        let share_of = |number| share(goal, processes, number) - share(before, processes, number);
        crew.open(|number| share_of(number + 1))?;
        for _ in 0..share_of(0) {
            let index = client_loop.links.len();
            let route = routes[index % routes.len()].numbered(index);
            idle.open(&mut client_loop, route.speaking(options.target.protocol()));
        }
        let is_opening = |client_loop: &ClientLoop, crew: &Crew| {
            client_loop.links.opening_count() > 0 || crew.opened().is_none()
        };
        while is_opening(&client_loop, &crew)
            && !watch.is_interrupted()
            && !idle.is_refused(options.target.in_flight)
        {
            client_loop.turn(&mut idle, clock::now() + REST)?;
            crew.receive()?;
            let open = client_loop.links.open_count();
            watch.tick(open as u64, || count_of(open, "connection"));
        }
        let open = (client_loop.links.open_count() + crew.opened().unwrap_or_default()) as u64;
        let moment = probe.look()?;
        if probe.is_gone(&moment) {
            document.outcome = Outcome::GivenUp("the server's process has ended");
            break;
        }
        let earlier = steps.last().map_or(0, |(open, _)| *open);
        steps.push((open, moment));
        // Further connections would be refused, too.
        if goal > before && open <= earlier {
            document.outcome = Outcome::GivenUp("no more connections opened");
            break;
        }
    }
    let opened_at = clock::now();
    let hold = nanos(options.hold.0);
    watch.phase("holding", hold);
    while clock::now() < opened_at + hold
        && !watch.is_interrupted()
        && document.outcome == Outcome::Complete
    {
        client_loop.turn(&mut idle, (opened_at + hold).min(clock::now() + REST))?;
        let held = clock::now() - opened_at;
        watch.tick(held, || {
            count_of(client_loop.links.open_count(), "connection")
        });
        if processes == 1 && client_loop.links.open_count() == 0 {
            document.outcome = Outcome::GivenUp("all connections have ended");
        }
    }
    watch.end();
    if watch.is_interrupted() {
        document.outcome = Outcome::Interrupted;
    }
    let after = probe.look()?;
    for result in crew.finish(0, nanos(options.target.timeout.0))? {
        idle.add(result);
    }
    document.connections = ConnectionFigures {
        addresses: addresses(&routes),
        opened: idle.handshakes.count(),
        failed: idle.failed,
        opening_ns: opened_at - before.at,
        handshake: (&idle.handshakes).into(),
        pings: idle.pings,
    };
    document.faults = idle.faults;
    for (error, count) in &document.connections.failed {
        document
            .faults
            .insert(format!("connections not opened: {error}"), *count);
    }
    document.server = Some(ServerFigures {
        resident_bytes_per_connection: slope(&steps, |it| it.sum(|sample| sample.resident)),
        proportional_bytes_per_connection: slope(&steps, |it| it.sum(|sample| sample.proportional)),
        ..ServerFigures::default()
    })
    .filter(|_| !after.processes.is_empty());
    document.kernel.bytes_per_connection =
        slope(&steps, |it| it.system.tcp_bytes + it.system.slab_bytes);
    document.finish(&before, &after);
    Ok(document)
}
