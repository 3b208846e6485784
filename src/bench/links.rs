//! The connections of a loop, and their opening, so many at a time.

use super::clock;
use super::driver::Scenario;
use super::link::{Link, OpenError, RequestOptions, State};
use super::target::Route;
use crate::sys::descriptors;
use mio::net::TcpStream;
use mio::{Interest, Poll, Registry, Token};
use socket2::{Domain, Protocol, Socket, Type};
use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;

/// Opening handshakes that a turn may begin, so that those under way are not kept waiting.
const OPENINGS_PER_TURN: usize = 64;

/// Descriptors that connections leave alone, so that processes can still be looked at.
const DESCRIPTORS_SPARED: usize = 8;

/// How connections are opened.
#[derive(Clone, Debug, Default)]
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
    pub(super) poll: Poll,
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
    /// Connections may have descriptors below this number.
    descriptors_max: usize,
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

    pub(super) fn new(options: OpenOptions) -> io::Result<Self> {
        Ok(Links {
            poll: Poll::new()?,
            links: Vec::new(),
            options,
            queue: VecDeque::new(),
            opening: VecDeque::new(),
            free: Vec::new(),
            freed: Vec::new(),
            in_flight: 0,
            open: 0,
            descriptors_max: descriptors::raise_limit().saturating_sub(DESCRIPTORS_SPARED),
        })
    }

    /// Where other sources of events can be put, whose only effect is that a turn ends.
    pub(super) fn registry(&self) -> &Registry {
        self.poll.registry()
    }

    /// How connections are opened from now on.
    pub(super) fn set_options(&mut self, options: OpenOptions) {
        self.options = options;
    }

    /// Connections so far, those to come included.
    pub(super) fn len(&self) -> usize {
        self.links.len()
    }

    /// A connection that was being opened is open.
    pub(super) fn on_open(&mut self) {
        self.in_flight -= 1;
        self.open += 1;
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
    pub(super) fn reuse_freed(&mut self) {
        self.free.append(&mut self.freed);
    }

    pub(super) fn may_begin_opening(&self) -> bool {
        !self.queue.is_empty() && self.in_flight < self.options.in_flight_max
    }

    /// Begins as many opening handshakes as may be; false if one has failed at once, of which no
    /// event will tell.
    pub(super) fn begin_openings(&mut self, scenario: &mut impl Scenario, now: u64) -> bool {
        let mut has_begun = true;
        for _ in 0..OPENINGS_PER_TURN {
            if !self.may_begin_opening() {
                break;
            }
            let Some((index, route)) = self.queue.pop_front() else {
                break;
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
                    has_begun = false;
                }
            }
        }
        has_begun
    }

    fn begin_opening(&self, index: usize, route: &Route, now: u64) -> Result<Link, OpenError> {
        let sources = &self.options.sources;
        let source = sources.get(index % sources.len().max(1)).copied();
        let mut stream = connect(route.address, source).map_err(|error| {
            // A reset can't be meant: nothing was sent yet.
            OpenError::connect(route.address, &error)
        })?;
        if usize::try_from(stream.as_raw_fd()).is_ok_and(|number| number >= self.descriptors_max) {
            let error = io::Error::from_raw_os_error(EMFILE);
            return Err(OpenError::connect(route.address, &error));
        }
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll
            .registry()
            .register(&mut stream, Token(index), interest)
            .map_err(|error| OpenError::connect(route.address, &error))?;
        Link::new(stream, route, &self.options.request, now)
    }

    /// When the oldest opening handshake has had its time.
    pub(super) fn next_deadline(&self) -> u64 {
        let oldest = self.opening.iter().find_map(|&index| {
            let link = self.links[index].as_ref()?;
            link.opening_since()
        });
        oldest.map_or(u64::MAX, |began| began + self.options.timeout)
    }

    pub(super) fn expire_openings(&mut self, scenario: &mut impl Scenario) {
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

    pub(super) fn fail(&mut self, scenario: &mut impl Scenario, index: usize, error: OpenError) {
        self.close(index);
        scenario.on_failed(self, index, error);
    }

    pub(super) fn end(&mut self, scenario: &mut impl Scenario, index: usize, was_reset: bool) {
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

/// Sets a connection on its way, from a local address if one is given.
pub(super) fn connect(address: SocketAddr, source: Option<IpAddr>) -> io::Result<TcpStream> {
    let Some(source) = source else {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        return Ok(stream);
    };
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    socket.bind(&SocketAddr::new(source, 0).into())?;
    match socket.connect(&address.into()) {
        Err(error) if error.raw_os_error() != Some(EINPROGRESS) => Err(error),
        _ => Ok(TcpStream::from_std(socket.into())),
    }
}

/// Too many open files.
const EMFILE: i32 = rustix::io::Errno::MFILE.raw_os_error();

/// A connection that is being made says so with this error.
const EINPROGRESS: i32 = rustix::io::Errno::INPROGRESS.raw_os_error();
