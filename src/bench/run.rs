//! The phases of a run: open, warm up, measure; and the closed loop in which messages are
//! outstanding, and the client publishes as many more as got done.

use super::client_loop::ClientLoop;
use super::clock::{self, REST, nanos};
use super::crew::{Crew, Job, Task, share};
use super::cuts::Cuts;
use super::failure::Failure;
use super::hints::NO_ECHO;
use super::options::{LengthOptions, MessageOptions, TargetOptions};
use super::probe::Probe;
use super::report::{Document, Outcome, count_of};
use super::rooms::Rooms;
use super::route::{Protocol, Route};
use super::span::MeasuredSpan;
use super::tally::RequestTally;
use super::target::{addresses, open_options, probe_of, resolve};
use super::url::Url;
use super::watch::Watch;
use std::time::Duration;

mod document;
pub(super) mod pump;

/// Some servers answer the handshake before the connection has joined: this long is waited for that.
const SETTLE: u64 = 100_000_000;

/// Rooms, and everything that runs them.
pub(super) struct Run {
    pub(super) client_loop: ClientLoop,
    pub(super) rooms: Rooms,
    pub(super) probe: Probe,
    pub(super) watch: Watch,
    /// Messages outstanding in each room.
    pub(super) window: u64,
    /// Nanoseconds without any delivery until the run is given up.
    pub(super) timeout: u64,
    pub(super) outcome: Outcome,
    /// Readers that are cut off while it is measured.
    pub(super) cuts: Option<Cuts>,
    crew: Crew,
    /// Where the URLs lead.
    routes: Vec<Route>,
    /// Whether all rooms have URLs of their own.
    has_own_urls: bool,
    /// What may be wrong.
    hints: Vec<&'static str>,
    /// The most memory that the server was seen to have.
    pub(super) resident_max: u64,
    began: u64,
}

impl Run {
    pub(super) fn new(
        client_loop: ClientLoop,
        rooms: Rooms,
        probe: Probe,
        watch: Watch,
        window: usize,
        timeout: u64,
    ) -> Self {
        Run {
            client_loop,
            rooms,
            probe,
            watch,
            window: window as u64,
            timeout,
            outcome: Outcome::Complete,
            cuts: None,
            crew: Crew::default(),
            routes: Vec::new(),
            has_own_urls: true,
            hints: Vec::new(),
            resident_max: 0,
            began: clock::now(),
        }
    }

    /// Rooms on a server, none of their connections opened yet.
    pub(super) fn on_server(
        target: &TargetOptions,
        rooms: Rooms,
        watch: Watch,
        window: usize,
    ) -> Result<Self, Failure> {
        let routes = resolve(target)?;
        Run::over(target, &routes.clone(), routes, rooms, watch, window)
    }

    /// The same with routes that are known: of the readers, and of those that publish.
    pub(super) fn over(
        target: &TargetOptions,
        reading: &[Route],
        routes: Vec<Route>,
        rooms: Rooms,
        watch: Watch,
        window: usize,
    ) -> Result<Self, Failure> {
        let probe = probe_of(target)?;
        let mut client_loop = ClientLoop::new(open_options(target))?;
        let connections = rooms.plan().connections();
        for room in 0..rooms.plan().rooms {
            for connection in 0..connections {
                let protocol = rooms.plan().protocol(connection);
                let routes = match protocol {
                    Protocol::Http => &routes[..],
                    _ => reading,
                };
                let route = &routes[room % routes.len()];
                client_loop
                    .links
                    .open(route.numbered(room).speaking(protocol));
            }
        }
        let has_own_urls =
            rooms.plan().rooms <= routes.len() || target.urls.iter().all(Url::is_numbered);
        let timeout = nanos(target.timeout.0);
        Ok(Run {
            routes,
            has_own_urls,
            ..Run::new(client_loop, rooms, probe, watch, window, timeout)
        })
    }

    /// Distributes this many readers over further processes.
    pub(super) fn engage(
        &mut self,
        target: &TargetOptions,
        message: &MessageOptions,
        readers: usize,
        publishers: usize,
    ) -> Result<(), Failure> {
        let tag = self.rooms.shared.script.tag();
        let processes = target.workers;
        self.crew = Crew::start(processes - 1, &self.client_loop, |_| Task {
            target: target.clone(),
            addresses: addresses(&self.routes),
            first: 0,
            job: Job::Read {
                message: message.clone(),
                publishers,
                tag,
            },
        })?;
        self.probe.workers = self.crew.pids();
        self.crew
            .open(|number| share(readers, processes, number + 1))
    }

    /// Messages that every receiver has, in all processes.
    pub(super) fn done(&self) -> u64 {
        self.rooms.done().min(self.crew.done())
    }

    /// Deliveries, in all processes.
    pub(super) fn delivered(&self) -> u64 {
        self.rooms.delivered() + self.crew.delivered()
    }

    /// What shows that the run goes on: deliveries, and requests that were answered.
    fn progress(&self) -> u64 {
        let answered = |requests: &RequestTally| requests.succeeded + requests.failed;
        self.delivered() + self.rooms.requests().map_or(0, answered)
    }

    /// Every receiver has all that was published, and none is away.
    fn is_done(&self) -> bool {
        self.done() == self.rooms.published() && self.rooms.is_everybody_here()
    }

    /// One turn of the loop.
    pub(super) fn turn(&mut self, until: u64) -> Result<(), Failure> {
        self.client_loop.turn(&mut self.rooms, until)?;
        if self.crew.receive()? {
            self.rooms.mark_all_dirty();
        }
        Ok(())
    }

    /// Opens all connections. One that fails ends the run: what it would have measured is not what
    /// was asked for.
    pub(super) fn open(&mut self) -> Result<(), Failure> {
        self.began = clock::now();
        let total = self.client_loop.links.len() as u64;
        self.watch.phase("opening", total);
        while self.client_loop.links.opening_count() > 0 || self.crew.opened().is_none() {
            self.turn(clock::now() + REST)?;
            let open = self.client_loop.links.open_count();
            self.watch
                .tick(open as u64, || count_of(open, "connection"));
            if let Some(failure) = self.rooms.failure() {
                return Err(failure);
            }
            if self.watch.is_interrupted() {
                return Err(Failure::new("interrupted before anything was measured"));
            }
        }
        let settled = clock::now() + SETTLE;
        while clock::now() < settled {
            self.client_loop.turn(&mut self.rooms, settled)?;
        }
        Ok(())
    }

    /// Opens, warms up, measures and reports.
    pub(super) fn closed_loop(
        mut self,
        mut document: Document,
        length: &LengthOptions,
    ) -> Result<Document, Failure> {
        self.open()?;
        let span = self.measure(length)?;
        self.watch.end();
        self.document_connections(&mut document)?;
        document.measured(&span, self.rooms.shared.script.payload_bytes_mean());
        document.finish(&span.before, &span.after);
        Ok(document)
    }

    /// Warms up and measures, with nothing under way before and after.
    pub(super) fn measure(&mut self, length: &LengthOptions) -> Result<MeasuredSpan, Failure> {
        self.watch.phase("warming up", 0);
        self.pump(u64::MAX, length.warm_up.0)?;
        self.check_warm()?;
        self.watch.phase("measuring", nanos(length.duration.0));
        if let Some(cuts) = &mut self.cuts {
            cuts.begin(clock::now());
        }
        self.span(length.messages.unwrap_or(u64::MAX), length.duration.0)
    }

    /// A run that was interrupted in its warm-up has measured nothing.
    pub(super) fn check_warm(&self) -> Result<(), Failure> {
        match self.outcome {
            Outcome::Interrupted => Err(Failure::new(
                "interrupted in the warm-up: nothing was measured",
            )),
            Outcome::Complete | Outcome::GivenUp(_) => Ok(()),
        }
    }

    /// Measures this many messages, or for this long.
    pub(super) fn span(
        &mut self,
        messages: u64,
        duration: Duration,
    ) -> Result<MeasuredSpan, Failure> {
        self.between(|run| run.pump(messages, duration))
    }

    /// Measures while `work` runs.
    pub(super) fn between(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<(), Failure>,
    ) -> Result<MeasuredSpan, Failure> {
        let before = self.probe.look()?;
        let (published, delivered) = (self.rooms.published(), self.delivered());
        let tally = self.rooms.shared.tally.clone();
        let requests = self.rooms.requests().cloned();
        self.rooms.reset_latencies();
        if self.outcome == Outcome::Complete {
            work(self)?;
        }
        let after = self.probe.look()?;
        if self.outcome.is_given_up() {
            self.give_up();
        }
        let mut since = self.rooms.shared.tally.since(&tally);
        since.delivered = self.delivered() - delivered;
        let requests = self.rooms.requests().zip(requests.as_ref());
        Ok(MeasuredSpan {
            before,
            after,
            published: self.rooms.published() - published,
            has_receivers: self.rooms.plan().has_receivers(),
            requests: requests.map(|(now, before)| now.since(before)),
            tally: since,
        })
    }

    fn give_up(&mut self) {
        self.rooms.settle_all();
        let waiting = self.rooms.waiting();
        if waiting > 0 && self.rooms.awaits_echoes_only() {
            self.hints.push(NO_ECHO);
        }
        self.rooms.give_up();
        if waiting > 0 {
            let name = "receivers still waited when the run was given up";
            self.rooms
                .shared
                .tally
                .on_named(name.into(), waiting as u64);
        }
    }
}
