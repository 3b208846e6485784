//! The loop of the client: it opens connections, so many at a time, reads what they bring and
//! writes what they are given. What the bytes mean is the [`Scenario`]'s affair.
//!
//! It is built to cost little for each read: one poll for many events, one buffer for all
//! connections, and one `recv` for each event.

use super::alarm::Alarm;
use super::clock::{self, SECOND};
use super::link::{Link, OpenError, RequestOptions, State};
use super::target::Route;
use crate::sys::socket::{self, ReadOutcome};
use mio::event::Event;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use socket2::{Domain, Protocol, Socket, Type};
use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Bytes that one read may bring. A turn of a busy server brings many messages at once.
const READ_BYTES_MAX: usize = 256 * 1024;
/// Events that one poll brings.
const EVENTS_MAX: usize = 1024;
/// Opening handshakes that a turn may begin, so that those under way are not kept waiting.
const OPENINGS_PER_TURN: usize = 64;

/// What becomes of the bytes.
pub(super) trait Scenario {
    /// A connection is open, after so many nanoseconds.
    fn on_open(&mut self, links: &mut Links, link: usize, took: u64);

    /// A connection did not open.
    fn on_failed(&mut self, links: &mut Links, link: usize, error: OpenError);

    /// Bytes came. What is appended to `out` is sent. False ends the connection.
    fn on_bytes(&mut self, link: usize, bytes: &mut [u8], now: u64, out: &mut Vec<u8>) -> bool;

    /// An open connection has ended: the peer closed it, or by a reset.
    fn on_ended(&mut self, links: &mut Links, link: usize, was_reset: bool);
}

/// How connections are opened.
#[derive(Clone, Debug)]
pub(super) struct OpenOptions {
    /// Local addresses, used in turn; the system's choice if there are none.
    pub(super) sources: Vec<IpAddr>,
    /// Opening handshakes under way at a time.
    pub(super) in_flight_max: usize,
    /// Nanoseconds from the first packet to the whole response.
    pub(super) timeout: u64,
    pub(super) request: RequestOptions,
}

/// The connections, by number. A number is given again to a later connection only once the turn is
/// over in which the earlier one ended.
pub(super) struct Links {
    poll: Poll,
    links: Vec<Option<Link>>,
    options: OpenOptions,
    /// Connections still to be opened: their number, and where to.
    queue: VecDeque<(usize, Route)>,
    /// Those under way, in the order in which they began; some may be open by now.
    opening: VecDeque<usize>,
    /// Numbers to be given again: from an earlier turn, and from this one.
    free: Vec<usize>,
    freed: Vec<usize>,
    in_flight: usize,
    open: usize,
}

/// Links and a loop over them.
pub(super) struct Driver {
    pub(super) links: Links,
    events: Events,
    buffer: Vec<u8>,
    /// Connections with more to read than a turn took.
    ready: Vec<usize>,
    alarm: Option<Alarm>,
}

impl Driver {
    pub(super) fn new(options: OpenOptions) -> io::Result<Self> {
        Ok(Driver {
            links: Links {
                poll: Poll::new()?,
                links: Vec::new(),
                options,
                queue: VecDeque::new(),
                opening: VecDeque::new(),
                free: Vec::new(),
                freed: Vec::new(),
                in_flight: 0,
                open: 0,
            },
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

    /// One turn: waits for something to happen, `until` then at the latest, and lets the scenario
    /// know of it.
    pub(super) fn turn(&mut self, scenario: &mut impl Scenario, until: u64) -> io::Result<()> {
        let now = clock::now();
        self.links.reuse_freed();
        self.links.begin_openings(scenario, now);
        let wake = self.links.next_deadline().min(until);
        let timeout = match &self.alarm {
            _ if !self.ready.is_empty() || self.links.may_begin_opening() => 0,
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
        self.links.expire_openings(scenario);
        Ok(())
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
            if let Err(error) = link.on_connected() {
                self.links.fail(scenario, index, error);
                return;
            }
        } else if event.is_writable() && link.flush().is_err() {
            self.links.end(scenario, index, true);
            return;
        }
        if event.is_readable() || event.is_read_closed() || event.is_error() {
            self.read(scenario, index);
        }
    }

    /// Reads once; what is more waits for the next turn.
    #[inline]
    fn read(&mut self, scenario: &mut impl Scenario, index: usize) {
        let Some(link) = self.links.get(index) else {
            return;
        };
        link.is_readable = true;
        if link.is_stalled {
            return;
        }
        match socket::read(&mut link.stream, &mut self.buffer) {
            ReadOutcome::Bytes(count) => {
                link.is_readable = count == self.buffer.len() || link.read_to_end;
                if link.is_readable {
                    self.ready.push(index);
                }
                self.on_bytes(scenario, index, count);
            }
            ReadOutcome::Empty => link.is_readable = false,
            ReadOutcome::Ended => self.links.end(scenario, index, false),
            ReadOutcome::Broken => self.links.end(scenario, index, true),
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
                    self.links.in_flight -= 1;
                    self.links.open += 1;
                    scenario.on_open(&mut self.links, index, clock::now() - began);
                    if start == count {
                        return;
                    }
                }
                Err(error) => {
                    self.links.fail(scenario, index, error);
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
            self.links.end(scenario, index, true);
        } else if !goes_on {
            self.links.end(scenario, index, false);
        }
    }
}

impl Links {
    /// Has one more connection opened, and returns its number.
    pub(super) fn open(&mut self, route: Route) -> usize {
        let index = self.free.pop().unwrap_or(self.links.len());
        if index == self.links.len() {
            self.links.push(None);
        }
        self.queue.push_back((index, route));
        index
    }

    /// Connections so far, those to come included.
    pub(super) fn len(&self) -> usize {
        self.links.len()
    }

    /// Connections that are open.
    pub(super) fn open_count(&self) -> usize {
        self.open
    }

    /// Connections that are being opened, or wait to be.
    pub(super) fn opening_count(&self) -> usize {
        self.in_flight + self.queue.len()
    }

    #[inline]
    pub(super) fn get(&mut self, index: usize) -> Option<&mut Link> {
        self.links.get_mut(index)?.as_mut()
    }

    /// Sends what `write` appends. A connection that breaks is noticed by the next read.
    pub(super) fn send(&mut self, index: usize, write: impl FnOnce(&mut Vec<u8>)) {
        let Some(link) = self.get(index) else { return };
        write(&mut link.out);
        // Either the poller reports the end of a broken connection, or it has done so already.
        let _ = link.flush();
    }

    /// Closes a connection without further ado.
    pub(super) fn close(&mut self, index: usize) {
        if let Some(link) = self.links.get_mut(index).and_then(Option::take) {
            match link.state {
                State::Open => self.open -= 1,
                _ => self.in_flight -= 1,
            }
            self.freed.push(index);
        }
    }

    /// Events of the last turn can't be mistaken any more for those of later connections.
    fn reuse_freed(&mut self) {
        self.free.append(&mut self.freed);
    }

    fn may_begin_opening(&self) -> bool {
        !self.queue.is_empty() && self.in_flight < self.options.in_flight_max
    }

    fn begin_openings(&mut self, scenario: &mut impl Scenario, now: u64) {
        for _ in 0..OPENINGS_PER_TURN {
            if !self.may_begin_opening() {
                return;
            }
            let Some((index, route)) = self.queue.pop_front() else {
                return;
            };
            match self.begin_opening(index, &route, now) {
                Ok(link) => {
                    self.links[index] = Some(link);
                    self.in_flight += 1;
                    self.opening.push_back(index);
                }
                Err(error) => {
                    self.freed.push(index);
                    scenario.on_failed(self, index, error);
                }
            }
        }
    }

    fn begin_opening(&self, index: usize, route: &Route, now: u64) -> Result<Link, OpenError> {
        let mut stream = self.connect(index, route.address).map_err(|error| {
            // A reset can't be meant: nothing was sent yet.
            OpenError::Connect(error.kind(), error.to_string())
        })?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll
            .registry()
            .register(&mut stream, Token(index), interest)
            .map_err(|error| OpenError::from(&error))?;
        Link::new(stream, route, &self.options.request, now)
    }

    fn connect(&self, index: usize, address: SocketAddr) -> io::Result<TcpStream> {
        let sources = &self.options.sources;
        if sources.is_empty() {
            let stream = TcpStream::connect(address)?;
            stream.set_nodelay(true)?;
            return Ok(stream);
        }
        let socket = Socket::new(
            Domain::for_address(address),
            Type::STREAM,
            Some(Protocol::TCP),
        )?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        socket.bind(&SocketAddr::new(sources[index % sources.len()], 0).into())?;
        match socket.connect(&address.into()) {
            Err(error) if error.raw_os_error() != Some(EINPROGRESS) => Err(error),
            _ => Ok(TcpStream::from_std(socket.into())),
        }
    }

    /// When the oldest opening handshake has had its time.
    fn next_deadline(&self) -> u64 {
        let oldest = self.opening.iter().find_map(|&index| {
            let link = self.links[index].as_ref()?;
            link.opening_since()
        });
        oldest.map_or(u64::MAX, |began| began + self.options.timeout)
    }

    fn expire_openings(&mut self, scenario: &mut impl Scenario) {
        while let Some(&index) = self.opening.front() {
            let began = self.links[index].as_ref().and_then(Link::opening_since);
            match began {
                Some(began) if clock::now() < began + self.options.timeout => return,
                Some(_) => self.fail(scenario, index, OpenError::TimedOut),
                None => {}
            }
            self.opening.pop_front();
        }
    }

    fn fail(&mut self, scenario: &mut impl Scenario, index: usize, error: OpenError) {
        self.close(index);
        scenario.on_failed(self, index, error);
    }

    fn end(&mut self, scenario: &mut impl Scenario, index: usize, was_reset: bool) {
        let Some(link) = self.get(index) else { return };
        let is_open = matches!(link.state, State::Open);
        self.close(index);
        match (is_open, was_reset) {
            (true, _) => scenario.on_ended(self, index, was_reset),
            (false, true) => scenario.on_failed(self, index, OpenError::Reset),
            (false, false) => scenario.on_failed(self, index, OpenError::Ended),
        }
    }
}

/// A connection that is being made says so with this error.
const EINPROGRESS: i32 = rustix::io::Errno::INPROGRESS.raw_os_error();

/// So far away that it never comes.
pub(super) const NEVER: u64 = u64::MAX / 2;

/// A duration in nanoseconds.
pub(super) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).map_or(NEVER, |nanos| nanos.min(NEVER))
}

/// A second at a time is how long one waits when nothing has to be done.
pub(super) const REST: u64 = SECOND;
