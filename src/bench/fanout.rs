//! The closed loop: so many messages are outstanding, and a message is done when everybody has it.
//! Each turn of the client in which some got done, publishers send as many more, in one write.

use super::audience::{Audience, LastWord};
use super::driver::{Driver, Links, NEVER, OpenOptions, REST, Route, Scenario, nanos};
use super::histogram::Histogram;
use super::link::{OpenError, RequestOptions};
use super::options::{FanoutOptions, LengthOptions, TargetOptions};
use super::probe::{self, Pid};
use super::report::{Figures, Report};
use super::script::Script;
use super::{Failure, clock};
use std::io::{self, Write};
use std::process::ChildStdin;
use std::time::Duration;

/// Some servers answer the handshake before the connection has joined; so long it is waited.
const SETTLE: u64 = 100_000_000;

/// Readers, publishers, and what they have heard.
pub(super) struct Fanout {
    pub(super) audience: Audience,
    /// The first connections read only; the rest publish too.
    readers: usize,
    outlet: Outlet,
    /// The publisher whose turn is next.
    next: usize,
    is_gone: Vec<bool>,
    handshakes: Histogram,
    failed: Option<OpenError>,
    last_word: Option<LastWord>,
}

/// Which way messages go out.
pub(super) enum Outlet {
    /// By so many connections, whose own messages come back to them or not.
    Publishers { count: usize, echo: bool },
    /// To the standard input of a sender, round by round.
    Pipe(ChildStdin),
}

impl Fanout {
    pub(super) fn new(script: Script, readers: usize, outlet: Outlet) -> Self {
        let (publishers, tracks, echo) = match outlet {
            Outlet::Publishers { count, echo } => (count, count, echo),
            Outlet::Pipe(_) => (0, 1, true),
        };
        let mut audience = Audience::new(script, tracks);
        for _ in 0..readers {
            audience.join(None);
        }
        for publisher in 0..publishers {
            audience.join((!echo).then_some(publisher));
        }
        Fanout {
            audience,
            readers,
            outlet,
            next: 0,
            is_gone: vec![false; readers + publishers],
            handshakes: Histogram::default(),
            failed: None,
            last_word: None,
        }
    }

    /// Publishes so many messages.
    fn publish(&mut self, links: &mut Links, count: u64) -> io::Result<()> {
        match &mut self.outlet {
            Outlet::Publishers {
                count: publishers, ..
            } => {
                let publishers = *publishers;
                self.publish_in_turn(links, publishers, count);
                Ok(())
            }
            Outlet::Pipe(pipe) => {
                let round = self.audience.publish_elsewhere(0, count, clock::now());
                pipe.write_all(&(round.len() as u32).to_le_bytes())?;
                pipe.write_all(round)
            }
        }
    }

    /// The publishers take turns, each with one write.
    fn publish_in_turn(&mut self, links: &mut Links, publishers: usize, count: u64) {
        let alive: Vec<usize> = (0..publishers)
            .map(|i| (self.next + i) % publishers)
            .filter(|&publisher| !self.is_gone[self.readers + publisher])
            .collect();
        if alive.is_empty() {
            return;
        }
        let now = clock::now();
        let each = count / alive.len() as u64;
        let extra = (count % alive.len() as u64) as usize;
        for (i, &publisher) in alive.iter().enumerate() {
            let messages = each + u64::from(i < extra);
            if messages == 0 {
                break;
            }
            let audience = &mut self.audience;
            links.send(self.readers + publisher, |out| {
                audience.publish(publisher, messages, now, out);
            });
        }
        self.next = alive.get(extra).copied().unwrap_or(self.next);
    }

    /// Nobody is left who could send, or hear.
    fn is_dead(&self) -> bool {
        let (readers, publishers) = self.is_gone.split_at(self.readers);
        let nobody_sends = !publishers.is_empty() && publishers.iter().all(|gone| *gone);
        nobody_sends || readers.iter().all(|gone| *gone)
    }
}

impl Scenario for Fanout {
    fn on_open(&mut self, _: &mut Links, _: usize, took: u64) {
        self.handshakes.record(took, 1);
    }

    fn on_failed(&mut self, _: &mut Links, _: usize, error: OpenError) {
        self.failed.get_or_insert(error);
    }

    #[inline]
    fn on_bytes(&mut self, link: usize, bytes: &mut [u8], now: u64, out: &mut Vec<u8>) -> bool {
        match self.audience.receive(link, bytes, now, out) {
            Ok(()) => true,
            Err(last_word) => {
                self.last_word = Some(last_word);
                false
            }
        }
    }

    fn on_ended(&mut self, _: &mut Links, link: usize, was_reset: bool) {
        self.is_gone[link] = true;
        self.audience.leave(link);
        let name = match self.last_word.take() {
            Some(LastWord::Close(Some(code))) => {
                format!("connections that the server closed with {code}")
            }
            Some(LastWord::Close(None)) => "connections that the server closed".into(),
            Some(LastWord::Broken) => return,
            None if was_reset => "connections that were reset".into(),
            None => "connections that ended without a close frame".into(),
        };
        self.audience.tally_mut().on_named(name);
    }
}

/// A fan-out under way.
pub(super) struct Run {
    driver: Driver,
    fanout: Fanout,
    window: u64,
    timeout: u64,
    pids: Vec<Pid>,
}

/// Whether a phase went through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Done,
    /// Nothing was delivered for too long, or nobody is left.
    Stuck,
}

/// `fanfare bench fanout`
pub(super) fn run(options: &FanoutOptions) -> Result<Report, Failure> {
    let routes = resolve(&options.target)?;
    let script = Script::new(options.message.kind(), &options.message.size, run_tag());
    let outlet = Outlet::Publishers {
        count: options.publishers,
        echo: !options.no_self_echo,
    };
    let fanout = Fanout::new(script, options.readers, outlet);
    let mut driver = Driver::new(open_options(&options.target))?;
    for index in 0..options.readers + options.publishers {
        driver.links.open(routes[index % routes.len()].clone());
    }
    let title = format!(
        "fan-out to {} readers by {} publishers, {} messages outstanding, {} bytes",
        options.readers,
        options.publishers,
        options.window,
        fanout.audience.script().payload_bytes_mean(),
    );
    let timeout = nanos(options.target.timeout.0);
    let pids = options.target.pid.clone();
    let mut run = Run::new(driver, fanout, options.window as u64, timeout, pids);
    run.open()?;
    let figures = run.measure(&options.length)?;
    Ok(run.report(title, figures))
}

impl Run {
    pub(super) fn new(
        driver: Driver,
        fanout: Fanout,
        window: u64,
        timeout: u64,
        pids: Vec<Pid>,
    ) -> Self {
        Run {
            driver,
            fanout,
            window,
            timeout,
            pids,
        }
    }

    pub(super) fn report(self, title: String, figures: Figures) -> Report {
        Report {
            title,
            figures,
            handshakes: self.fanout.handshakes,
            memory: None,
        }
    }

    /// Opens all connections.
    pub(super) fn open(&mut self) -> Result<(), Failure> {
        while self.driver.links.opening_count() > 0 {
            self.driver.turn(&mut self.fanout, NEVER)?;
            if let Some(error) = self.fanout.failed.take() {
                return Err(Failure::new(error));
            }
        }
        let settled = clock::now() + SETTLE;
        while clock::now() < settled {
            self.driver.turn(&mut self.fanout, settled)?;
        }
        Ok(())
    }

    /// Warms up, measures, and takes samples when nothing is under way.
    pub(super) fn measure(&mut self, length: &LengthOptions) -> Result<Figures, Failure> {
        let mut phase = self.pump(u64::MAX, length.warm_up.0)?;
        self.fanout.audience.take_latencies();
        let before = probe::sample_all(&self.pids)?;
        let delivered_before = self.fanout.audience.tally().delivered;
        let (_, published_before) = self.fanout.audience.done_and_published();
        let own_before = clock::own_cpu();
        let began = clock::now();
        if phase == Phase::Done {
            phase = self.pump(length.messages.unwrap_or(u64::MAX), length.duration.0)?;
        }
        let took = clock::now() - began;
        let own_cpu = clock::own_cpu() - own_before;
        let after = probe::sample_all(&self.pids)?;
        let (_, published) = self.fanout.audience.done_and_published();
        let mut tally = self.fanout.audience.tally().clone();
        let delivered = tally.delivered - delivered_before;
        if phase == Phase::Stuck {
            let waiting = self.fanout.audience.waiting();
            for receiver in 0..self.fanout.is_gone.len() {
                self.fanout.audience.leave(receiver);
            }
            tally = self.fanout.audience.tally().clone();
            if waiting > 0 {
                tally.on_named(format!(
                    "run given up: {waiting} receivers still waited for messages"
                ));
            }
        }
        Ok(Figures {
            took,
            messages: published - published_before,
            delivered,
            server_cpu: (!self.pids.is_empty()).then(|| probe::cpu_between(&before, &after)),
            client_cpu: own_cpu,
            latencies: self.fanout.audience.take_latencies(),
            samples: before.into_iter().zip(after).collect(),
            tally,
        })
    }

    /// Publishes so many messages or for so long, and waits until they are done.
    fn pump(&mut self, messages: u64, duration: Duration) -> Result<Phase, Failure> {
        let (_, start) = self.fanout.audience.done_and_published();
        let deadline = clock::now() + nanos(duration);
        let last = start.saturating_add(messages);
        let mut last_delivery = (self.fanout.audience.tally().delivered, clock::now());
        loop {
            let now = clock::now();
            let (done, published) = self.fanout.audience.done_and_published();
            let is_over = now >= deadline || published >= last;
            if is_over && done == published {
                return Ok(Phase::Done);
            }
            if self.fanout.is_dead() {
                return Ok(Phase::Stuck);
            }
            let delivered = self.fanout.audience.tally().delivered;
            if delivered != last_delivery.0 {
                last_delivery = (delivered, now);
            } else if now - last_delivery.1 > self.timeout {
                return Ok(Phase::Stuck);
            }
            let room = (self.window + done).min(last).saturating_sub(published);
            // A sender has whole rounds only: that is what its calls are to carry.
            let is_due = match self.fanout.outlet {
                Outlet::Publishers { .. } => room > 0,
                Outlet::Pipe(_) => done == published,
            };
            if is_due && !is_over {
                self.fanout.audience.release();
                self.fanout.publish(&mut self.driver.links, room)?;
            }
            self.driver.turn(&mut self.fanout, now + REST)?;
        }
    }
}

/// Each run tags its messages, so that it notices those of another.
pub(super) fn run_tag() -> u32 {
    (clock::now() / 1000) as u32 ^ std::process::id() << 7
}

/// Looks up where the URLs lead.
pub(super) fn resolve(target: &TargetOptions) -> Result<Vec<Route>, Failure> {
    let route = |url: &super::url::Url| {
        let address = url.resolve().map_err(Failure::usage)?;
        Ok(Route {
            url: url.clone(),
            address,
        })
    };
    target.urls.iter().map(route).collect()
}

pub(super) fn open_options(target: &TargetOptions) -> OpenOptions {
    OpenOptions {
        sources: target.source.clone(),
        in_flight_max: target.in_flight.max(1),
        timeout: nanos(target.timeout.0),
        request: RequestOptions {
            subprotocols: target.subprotocol.clone(),
            headers: target.header.clone(),
        },
    }
}
