//! Connections that are opened and held: how fast they open, and what each takes.

use super::driver::{Driver, Links, NEVER, REST, Scenario, nanos};
use super::fanout::{open_options, resolve};
use super::histogram::Histogram;
use super::link::OpenError;
use super::options::IdleOptions;
use super::probe::{self, Sample};
use super::report::{Figures, Report};
use super::tally::Tally;
use super::{Failure, clock};
use crate::proto::{Event, OpCode, Role, Session};

/// Memory is sampled at each so many-th part of the connections.
const STEPS: usize = 10;

/// Connections that do nothing but answer.
struct Idle {
    sessions: Vec<Session>,
    handshakes: Histogram,
    tally: Tally,
}

impl Scenario for Idle {
    fn on_open(&mut self, _: &mut Links, _: usize, took: u64) {
        self.handshakes.record(took, 1);
    }

    fn on_failed(&mut self, _: &mut Links, _: usize, error: OpenError) {
        self.tally
            .on_named(format!("connections that did not open: {error}"));
    }

    fn on_bytes(&mut self, link: usize, bytes: &mut [u8], _: u64, out: &mut Vec<u8>) -> bool {
        let mut rest = bytes;
        while !rest.is_empty() {
            let received = match self.sessions[link].receive(rest, usize::MAX) {
                Ok(received) => received,
                Err(_) => return false,
            };
            let consumed = received.consumed;
            match received.event {
                Some(Event::Ping(payload)) => {
                    self.tally.pings += 1;
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
            true => "connections that were reset while they were held",
            false => "connections that ended while they were held",
        };
        self.tally.on_named(name.into());
    }
}

/// `fanfare bench idle`
pub(super) fn run(options: &IdleOptions) -> Result<Report, Failure> {
    let routes = resolve(&options.target)?;
    let mut driver = Driver::new(open_options(&options.target))?;
    let mut idle = Idle {
        sessions: Vec::new(),
        handshakes: Histogram::default(),
        tally: Tally::default(),
    };
    let sample = || probe::sample_all(&options.target.pid);
    let began = clock::now();
    let own_before = clock::own_cpu();
    let mut samples = vec![(0, sample()?)];
    let mut opened = 0;
    for step in 1..=STEPS {
        let goal = options.connections * step / STEPS;
        for _ in driver.links.len()..goal {
            let index = driver.links.len();
            idle.sessions.push(Session::new(Role::Client));
            driver.links.open(routes[index % routes.len()].clone());
        }
        while driver.links.opening_count() > 0 {
            driver.turn(&mut idle, NEVER)?;
        }
        opened = driver.links.open_count();
        samples.push((opened, sample()?));
    }
    let took = clock::now() - began;
    let hold = clock::now() + nanos(options.hold.0);
    while clock::now() < hold {
        driver.turn(&mut idle, hold.min(clock::now() + REST))?;
    }
    let held = sample()?;
    let memory = slope(&samples, |sample| sample.resident)
        .zip(slope(&samples, |sample| sample.proportional))
        .filter(|_| !options.target.pid.is_empty());
    let first = samples.swap_remove(0).1;
    Ok(Report {
        title: format!("{} connections held", opened),
        figures: Figures {
            took,
            messages: 0,
            delivered: 0,
            server_cpu: (!options.target.pid.is_empty()).then(|| probe::cpu_between(&first, &held)),
            client_cpu: clock::own_cpu() - own_before,
            latencies: Histogram::default(),
            samples: first.into_iter().zip(held).collect(),
            tally: idle.tally,
        },
        handshakes: idle.handshakes,
        memory,
    })
}

/// Bytes for each further connection: the slope of the line through the samples of the upper two
/// thirds. What a server takes once, whoever comes, is not in it.
fn slope(samples: &[(usize, Vec<Sample>)], bytes: impl Fn(&Sample) -> u64) -> Option<f64> {
    let points: Vec<(f64, f64)> = samples
        .iter()
        .skip(samples.len() / 3)
        .map(|(connections, processes)| {
            let sum: u64 = processes.iter().map(&bytes).sum();
            (*connections as f64, sum as f64)
        })
        .collect();
    let count = points.len() as f64;
    let mean_x = points.iter().map(|(x, _)| x).sum::<f64>() / count;
    let mean_y = points.iter().map(|(_, y)| y).sum::<f64>() / count;
    let covariance: f64 = points
        .iter()
        .map(|(x, y)| (x - mean_x) * (y - mean_y))
        .sum();
    let variance: f64 = points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    (variance > 0.0).then(|| covariance / variance)
}
