//! Connections come and go: connect, opening handshake, a message and its echo, closing handshake, and
//! again. How fast that is, and whether the server leaks memory or descriptors.

use super::client_loop::{ClientLoop, Scenario};
use super::clock::{self, REST, nanos};
use super::codec::Codec;
use super::failure::Failure;
use super::histogram::Histogram;
use super::links::Links;
use super::opening::OpenError;
use super::options::ChurnOptions;
use super::payload::Fields;
use super::probe::{Probe, ProbeSample, slope};
use super::report::{Churn, ConnectionFigures, Document, Outcome, ServerFigures, count_of};
use super::route::Route;
use super::script::{Script, run_tag};
use super::target::open_options;
use super::target::{addresses, probe_of, resolve};
use super::watch::Watch;
use crate::proto::{CloseCode, CloseFrame, Event, Gather, OpCode, Role, Session};
use std::collections::BTreeMap;
use std::io;

/// Memory is sampled this often in a run.
const STEPS: u64 = 10;
/// A server that has accepted connections before may refuse this many in a row before the run is given
/// up.
const REFUSALS_MIN: u64 = 100;
/// Longer messages than this are not this run's.
const SPARE_BYTES: usize = 1 << 20;

const BROKEN: &str = "connections on which the server broke RFC 6455";

struct ChurnRun {
    script: Script,
    codec: Codec,
    routes: Vec<Route>,
    slots: Vec<CycleState>,
    timeout: u64,
    /// Whether a connection that has ended is followed by another.
    goes_on: bool,
    cycles: u64,
    begun: u64,
    cycles_max: u64,
    handshakes: Histogram,
    messages: Histogram,
    failed: BTreeMap<String, u64>,
    /// Failed attempts since the last one that succeeded.
    failed_in_a_row: u64,
    faults: BTreeMap<String, u64>,
}

/// The state of one connection.
struct CycleState {
    session: Session,
    gather: Gather,
    message: Vec<u8>,
    since: u64,
    is_echoed: bool,
    is_closed: bool,
}

impl ChurnRun {
    /// Begins the next connection.
    fn next(&mut self, links: &mut Links) {
        if !self.goes_on || self.begun == self.cycles_max {
            return;
        }
        let number = self.begun as usize;
        self.begun += 1;
        let route = self.routes[number % self.routes.len()].numbered(number);
        let link = links.open(route);
        let slot = CycleState::new(self.script.is_deflated);
        match self.slots.get_mut(link) {
            Some(place) => *place = slot,
            None => self.slots.push(slot),
        }
    }

    /// Whether the server refuses all connections, of which this many are attempted at a time.
    fn are_refused(&self, connections: u64) -> bool {
        let enough = match self.handshakes.count() {
            0 => connections.min(self.cycles_max),
            _ => connections.max(REFUSALS_MIN),
        };
        self.failed_in_a_row >= enough
    }

    fn on_fault(&mut self, name: &str) {
        *self.faults.entry(name.into()).or_default() += 1;
    }

    /// Ends connections that have waited for too long.
    fn expire(&mut self, links: &mut Links) {
        let now = clock::now();
        for link in 0..self.slots.len() {
            let slot = &self.slots[link];
            let is_open = links.get(link).is_some_and(|link| link.is_open());
            if is_open && now.saturating_sub(slot.since) > self.timeout {
                self.on_fault(match (slot.is_echoed, slot.is_closed) {
                    (false, _) => "messages that never came back",
                    (_, false) => "close frames that were never answered",
                    _ => "connections that the server never closed",
                });
                links.close(link);
                self.next(links);
            }
        }
    }
}

impl CycleState {
    fn new(is_deflated: bool) -> Self {
        CycleState {
            session: Session::new(Role::Client).with_compression(is_deflated),
            gather: Gather::default(),
            message: Vec::new(),
            since: 0,
            is_echoed: false,
            is_closed: false,
        }
    }
}

impl Scenario for ChurnRun {
    fn on_open(&mut self, links: &mut Links, link: usize, took: u64) {
        self.handshakes.record(took, 1);
        self.failed_in_a_row = 0;
        let slot = &mut self.slots[link];
        slot.since = clock::now();
        let fields = Fields {
            publisher: link,
            sequence: self.handshakes.count(),
        };
        self.script.write_payload(fields, &mut slot.message);
        let (codec, kind) = (&mut self.codec, self.script.kind);
        links.send(link, |out| codec.write_message(kind, &slot.message, out));
    }

    fn on_failed(&mut self, links: &mut Links, _: usize, error: OpenError) {
        *self.failed.entry(error.with_advice()).or_default() += 1;
        self.failed_in_a_row += 1;
        self.next(links);
    }

    fn on_bytes(&mut self, link: usize, bytes: &mut [u8], now: u64, out: &mut Vec<u8>) -> bool {
        let slot = &mut self.slots[link];
        let message_bytes_max = slot.message.len() + SPARE_BYTES;
        let mut rest = bytes;
        while !rest.is_empty() {
            let Ok(received) = slot.session.receive(rest, message_bytes_max) else {
                self.on_fault(BROKEN);
                return false;
            };
            let consumed = received.consumed;
            match received.event {
                Some(Event::Fragment(fragment)) => {
                    let opened = slot
                        .gather
                        .push(fragment)
                        .map(|message| self.codec.open(message, message_bytes_max))
                        .transpose();
                    let Ok(message) = opened else {
                        self.on_fault(BROKEN);
                        return false;
                    };
                    // Others may be in the same room.
                    if !slot.is_echoed && message.is_some_and(|it| it.payload == slot.message) {
                        slot.is_echoed = true;
                        self.messages.record(now - slot.since, 1);
                        slot.since = now;
                        let close = CloseFrame {
                            code: CloseCode::NORMAL,
                            reason: "",
                        };
                        Role::Client.write_frame(true, OpCode::Close, &close.encode(), out);
                    }
                }
                Some(Event::Ping(payload)) => {
                    Role::Client.write_frame(true, OpCode::Pong, payload, out);
                }
                Some(Event::Close(_)) => slot.is_closed = true,
                _ => {}
            }
            rest = &mut rest[consumed..];
        }
        true
    }

    fn on_ended(&mut self, links: &mut Links, link: usize, was_reset: bool) {
        let slot = &self.slots[link];
        match (slot.is_echoed, slot.is_closed, was_reset) {
            (true, true, false) => self.cycles += 1,
            (false, true, _) => self.on_fault("connections closed before their message came back"),
            (_, _, true) => self.on_fault("connections that were reset"),
            _ => self.on_fault("connections that ended without a close frame"),
        }
        self.next(links);
    }
}

/// `fanfare bench churn`
pub(super) fn run(options: &ChurnOptions) -> Result<Document, Failure> {
    options.check()?;
    let routes = resolve(&options.target)?;
    let script = Script::of(&options.message, options.target.deflate, run_tag());
    let mut client_loop = ClientLoop::new(open_options(&options.target))?;
    let mut watch = Watch::new(options.report.quiet)?;
    let title = format!(
        "{} at a time come and go, {}",
        count_of(options.connections, "connection"),
        options.message.title(),
    );
    let mut document = Document::begin(&options.report, "churn", title, options);
    let probe = probe_of(&options.target)?;
    let timeout = nanos(options.target.timeout.0);
    let mut churn = ChurnRun {
        codec: Codec::new(script.is_deflated),
        script,
        routes,
        slots: Vec::new(),
        timeout,
        goes_on: true,
        cycles: 0,
        begun: 0,
        cycles_max: options.cycles.unwrap_or(u64::MAX),
        handshakes: Histogram::default(),
        messages: Histogram::default(),
        failed: BTreeMap::new(),
        failed_in_a_row: 0,
        faults: BTreeMap::new(),
    };
    let before = probe.look()?;
    let began = clock::now();
    let duration = nanos(options.duration.0);
    let mut steps = vec![(0, before.clone())];
    let mut next_look = 0;
    (0..options.connections).for_each(|_| churn.next(&mut client_loop.links));
    watch.phase("churning", duration);
    loop {
        let now = clock::now();
        if watch.is_interrupted() {
            document.outcome = Outcome::Interrupted;
            break;
        }
        if now >= began + duration {
            churn.goes_on = false;
        }
        if churn.are_refused(options.connections as u64) {
            document.outcome = Outcome::GivenUp("no more connections opened");
            break;
        }
        if client_loop.links.open_count() + client_loop.links.opening_count() == 0 {
            break;
        }
        if churn.cycles == 0 && now > began + 2 * timeout {
            document.outcome =
                Outcome::GivenUp("no connection went all the way within twice the timeout");
            break;
        }
        if now >= next_look {
            next_look = now + REST / 10;
            churn.expire(&mut client_loop.links);
            if now - began > duration / STEPS * steps.len() as u64 {
                let moment = probe.look()?;
                if probe.is_gone(&moment) {
                    document.outcome = Outcome::GivenUp("the server's process has ended");
                    break;
                }
                steps.push((churn.cycles, moment));
            }
            watch.tick_rate(now - began, now, churn.cycles, "cycles");
        }
        client_loop.turn(&mut churn, next_look)?;
    }
    let took = clock::now() - began;
    watch.end();
    if let (0, Some(why)) = (churn.handshakes.count(), churn.failed.keys().next())
        && document.outcome != Outcome::Interrupted
    {
        return Err(Failure::new(why));
    }
    let after = match document.outcome {
        Outcome::Complete => wait_for_descriptors(&probe, &before, &watch, timeout)?,
        // Waiting for those still connected would be in vain.
        Outcome::Interrupted | Outcome::GivenUp(_) => probe.look()?,
    };
    document.connections = ConnectionFigures {
        addresses: addresses(&churn.routes),
        opened: churn.handshakes.count(),
        failed: churn.failed,
        opening_ns: took,
        handshake: (&churn.handshakes).into(),
        pings: 0,
    };
    document.faults = churn.faults;
    for (error, count) in &document.connections.failed {
        let name = format!("connections not opened: {error}");
        document.faults.insert(name, *count);
    }
    let is_probed = !probe.pids.is_empty() && !probe.is_gone(&after);
    document.server = is_probed.then(ServerFigures::default);
    let descriptors = |moment: &ProbeSample| moment.sum(|sample| sample.descriptors) as i64;
    document.churn = Some(Churn {
        duration_ns: took,
        cycles: churn.cycles,
        cycles_per_s: churn.cycles as f64 * clock::SECOND as f64 / took.max(1) as f64,
        message: (&churn.messages).into(),
        resident_bytes_per_cycle: slope(&steps, |it| it.sum(|sample| sample.resident))
            .filter(|_| is_probed),
        descriptors_leaked: (is_probed && document.outcome == Outcome::Complete)
            .then(|| descriptors(&after) - descriptors(&before)),
    });
    document.finish(&before, &after);
    Ok(document)
}

/// A server may need a moment to let go of the last connections.
fn wait_for_descriptors(
    probe: &Probe,
    before: &ProbeSample,
    watch: &Watch,
    timeout: u64,
) -> io::Result<ProbeSample> {
    let deadline = clock::now() + timeout;
    let descriptors = |moment: &ProbeSample| moment.sum(|sample| sample.descriptors);
    loop {
        let after = probe.look()?;
        let is_over = clock::now() >= deadline || watch.is_interrupted();
        if descriptors(&after) <= descriptors(before) || is_over {
            return Ok(after);
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}
