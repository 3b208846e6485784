//! The loop of the client: it opens connections, some at a time, reads what they bring and writes what
//! they are given. What the bytes mean is left to the [`Scenario`].
//!
//! It is built to cost little for each read: one poll for many events, one buffer for all
//! connections, and one `recv` for each event.

use super::alarm::Alarm;
use super::clock;
use super::link::State;
use super::links::{Links, Loss, OpenOptions};
use super::opening::OpenError;
use crate::sys::socket::SocketRead;
use mio::Events;
use mio::event::Event;
use std::io;
use std::time::Duration;

/// Bytes that one read may bring. A turn of a busy server brings many messages at once.
const READ_BYTES_MAX: usize = 256 * 1024;
/// Events that one poll brings.
const EVENTS_MAX: usize = 1024;
/// Opening handshakes that a turn may begin, so that those under way don't wait long.
const OPENINGS_PER_TURN: usize = 64;

/// Handles what the connections bring.
pub(super) trait Scenario {
    /// A connection is open, after this many nanoseconds.
    fn on_open(&mut self, links: &mut Links, link: usize, took: u64);

    /// A connection did not open.
    fn on_failed(&mut self, links: &mut Links, link: usize, error: OpenError);

    /// Bytes came. What is appended to `out` is sent. False ends the connection.
    fn on_bytes(&mut self, link: usize, bytes: &mut [u8], now: u64, out: &mut Vec<u8>) -> bool;

    /// An open connection has ended: the peer closed it, or by a reset.
    fn on_ended(&mut self, links: &mut Links, link: usize, was_reset: bool);
}

/// Links and a loop over them.
pub(super) struct ClientLoop {
    pub(super) links: Links,
    events: Events,
    buffer: Vec<u8>,
    /// Connections with more to read than a turn took.
    ready: Vec<usize>,
    alarm: Option<Alarm>,
}

impl ClientLoop {
    pub(super) fn new(options: OpenOptions) -> io::Result<Self> {
        Ok(ClientLoop {
            links: Links::new(options)?,
            events: Events::with_capacity(EVENTS_MAX),
            buffer: vec![0; READ_BYTES_MAX],
            ready: Vec::new(),
            alarm: None,
        })
    }

    /// From now on turns end on time, not up to a millisecond later. That costs a system call each.
    pub(super) fn use_alarm(&mut self) -> io::Result<()> {
        self.alarm = Some(Alarm::new(self.links.poll.registry())?);
        Ok(())
    }

    /// Stops reading from a connection.
    pub(super) fn stall(&mut self, index: usize) {
        if let Some(link) = self.links.get(index) {
            link.is_stalled = true;
        }
    }

    /// Reads on.
    pub(super) fn resume(&mut self, index: usize) {
        if let Some(link) = self.links.get(index) {
            link.is_stalled = false;
            self.ready.push(index);
        }
    }

    /// One turn: waits for something to happen, at most `until` then, and tells the scenario.
    pub(super) fn turn(&mut self, scenario: &mut impl Scenario, until: u64) -> io::Result<()> {
        let now = clock::now();
        self.links.reuse_freed();
        let have_begun = self.begin_openings(scenario, now);
        let wake = self.links.next_deadline().min(until);
        let timeout = match &self.alarm {
            _ if !have_begun || !self.ready.is_empty() || self.links.may_begin_opening() => 0,
            Some(alarm) => alarm.set(wake, now)?,
            None => wake.saturating_sub(now),
        };
        let timeout = Some(Duration::from_nanos(timeout));
        match self.links.poll.poll(&mut self.events, timeout) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        for link in std::mem::take(&mut self.ready) {
            self.read(scenario, link);
        }
        let events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        for event in &events {
            self.on_event(scenario, event);
        }
        self.events = events;
        while let Some((index, loss)) = self.links.expire_opening() {
            self.on_lost(scenario, index, loss);
        }
        Ok(())
    }

    /// Begins as many opening handshakes as allowed. False if one has failed at once: then there may
    /// be no event to wait for.
    fn begin_openings(&mut self, scenario: &mut impl Scenario, now: u64) -> bool {
        let mut have_begun = true;
        for _ in 0..OPENINGS_PER_TURN {
            match self.links.begin_opening(now) {
                Some(Ok(())) => {}
                Some(Err((index, loss))) => {
                    self.on_lost(scenario, index, loss);
                    have_begun = false;
                }
                None => break,
            }
        }
        have_begun
    }

    fn on_lost(&mut self, scenario: &mut impl Scenario, index: usize, loss: Loss) {
        let links = &mut self.links;
        match loss {
            Loss::NotOpened(error) => scenario.on_failed(links, index, error),
            Loss::Ended { was_reset } => scenario.on_ended(links, index, was_reset),
        }
    }

    fn fail(&mut self, scenario: &mut impl Scenario, index: usize, error: OpenError) {
        let loss = self.links.fail(index, error);
        self.on_lost(scenario, index, loss);
    }

    fn end(&mut self, scenario: &mut impl Scenario, index: usize, was_reset: bool) {
        if let Some(loss) = self.links.end(index, was_reset) {
            self.on_lost(scenario, index, loss);
        }
    }

    fn on_event(&mut self, scenario: &mut impl Scenario, event: &Event) {
        let index = event.token().0;
        let Some(link) = self.links.get(index) else {
            return;
        };
        if event.is_read_closed() || event.is_error() {
            link.read_to_end = true;
        }
        if matches!(link.state, State::Connecting(_)) {
            match link.on_connected() {
                Ok(None) => {}
                Ok(Some(began)) => {
                    self.links.on_open();
                    scenario.on_open(&mut self.links, index, clock::now() - began);
                }
                Err(error) => {
                    self.fail(scenario, index, error);
                    return;
                }
            }
        } else if event.is_writable() && link.flush().is_err() {
            self.end(scenario, index, true);
            return;
        }
        if event.is_readable() || event.is_read_closed() || event.is_error() {
            self.read(scenario, index);
        }
    }

    /// Reads once; anything more waits for the next turn.
    #[inline]
    fn read(&mut self, scenario: &mut impl Scenario, index: usize) {
        let Some(link) = self.links.get(index) else {
            return;
        };
        link.is_readable = true;
        if link.is_stalled {
            return;
        }
        match link.read(&mut self.buffer) {
            SocketRead::Bytes(count) => {
                link.is_readable = count == self.buffer.len() || link.read_to_end;
                if link.is_readable {
                    self.ready.push(index);
                }
                self.on_bytes(scenario, index, count);
            }
            SocketRead::Empty => link.is_readable = false,
            SocketRead::Ended => self.end(scenario, index, false),
            SocketRead::Broken => self.end(scenario, index, true),
        }
    }

    #[inline]
    fn on_bytes(&mut self, scenario: &mut impl Scenario, index: usize, count: usize) {
        let Some(link) = self.links.get(index) else {
            return;
        };
        let mut start = 0;
        if !matches!(link.state, State::Open) {
            match link.on_response(&self.buffer[..count]) {
                Ok(None) => return,
                Ok(Some((began, response_bytes))) => {
                    start = response_bytes;
                    self.links.on_open();
                    scenario.on_open(&mut self.links, index, clock::now() - began);
                    if start == count {
                        return;
                    }
                }
                Err(error) => {
                    self.fail(scenario, index, error);
                    return;
                }
            }
        }
        let Some(link) = self.links.get(index) else {
            return;
        };
        let had_output = !link.out.is_empty();
        let bytes = &mut self.buffer[start..count];
        let goes_on = scenario.on_bytes(index, bytes, clock::now(), &mut link.out);
        if !had_output && !link.out.is_empty() && link.flush().is_err() {
            self.end(scenario, index, true);
        } else if !goes_on {
            self.end(scenario, index, false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::clock::NEVER;
    use super::super::idle::Idle;
    use super::super::route::Route;
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn a_turn_does_not_wait_for_what_has_failed_at_once() {
        // Addresses for documentation are no host's.
        let options = OpenOptions {
            sources: vec![Ipv4Addr::new(192, 0, 2, 1).into()],
            in_flight_max: 1,
            ..OpenOptions::default()
        };
        let mut client_loop = ClientLoop::new(options).unwrap();
        let url = "ws://127.0.0.1:1/".parse().unwrap();
        let route = Route::new(url, (Ipv4Addr::LOCALHOST, 1).into());
        let mut idle = Idle::default();
        idle.open(&mut client_loop, route);
        // It would wait for ever.
        client_loop.turn(&mut idle, NEVER).unwrap();
        assert_eq!(client_loop.links.opening_count(), 0);
    }
}
