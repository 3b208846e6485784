//! The connections of a loop, and their opening, a number of them at a time.

use super::clock;
use super::link::{Link, State};
use super::opening::{OpenError, RequestOptions};
use super::route::Route;
use crate::sys::descriptors;
use mio::net::TcpStream;
use mio::{Interest, Poll, Registry, Token};
use socket2::{Domain, Protocol, Socket, Type};
use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;

/// Descriptors that connections leave free, so that processes can still be examined.
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

/// How a connection ended.
#[derive(Debug)]
pub(super) enum Loss {
    /// It did not open.
    NotOpened(OpenError),
    /// It was open, and has ended: the peer closed it, or by a reset.
    Ended { was_reset: bool },
}

/// The connections, by number. A number is used again only after the turn in which its connection
/// ended.
pub(super) struct Links {
    pub(super) poll: Poll,
    links: Vec<Option<Link>>,
    options: OpenOptions,
    /// Connections still to be opened: their number, and where to.
    queue: VecDeque<(usize, Route)>,
    /// Those under way, in the order in which they began; some may be open by now.
    opening: VecDeque<usize>,
    /// Numbers to be used again: of an earlier turn, and of this one.
    free: Vec<usize>,
    freed: Vec<usize>,
    in_flight: usize,
    open: usize,
    /// Connections may have descriptors below this number.
    descriptors_max: usize,
}

impl Links {
    /// Adds a connection to be opened, and returns its number.
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

    /// For registering other sources of events; all that such an event does is to end a turn.
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

    /// Closes a connection at once.
    pub(super) fn close(&mut self, index: usize) {
        if let Some(link) = self.links.get_mut(index).and_then(Option::take) {
            match link.state {
                State::Open => self.open -= 1,
                _ => self.in_flight -= 1,
            }
            self.freed.push(index);
        }
    }

    /// Closes an open connection whose number is kept, for it to be opened again in a later turn.
    pub(super) fn cut(&mut self, index: usize) {
        if self.links.get_mut(index).and_then(Option::take).is_some() {
            self.open -= 1;
        }
    }

    /// Has a connection opened again that was cut, or has ended.
    pub(super) fn reopen(&mut self, index: usize, route: Route) {
        self.freed.retain(|&freed| freed != index);
        self.free.retain(|&free| free != index);
        self.queue.push_back((index, route));
    }

    /// The turn is over: events of its connections can no longer be mistaken for those of later ones.
    pub(super) fn reuse_freed(&mut self) {
        self.free.append(&mut self.freed);
    }

    pub(super) fn may_begin_opening(&self) -> bool {
        !self.queue.is_empty() && self.in_flight < self.options.in_flight_max
    }

    /// Begins the next opening handshake, if one may begin. What has failed at once is returned with
    /// its number: no event will tell of it.
    pub(super) fn begin_opening(&mut self, now: u64) -> Option<Result<(), (usize, Loss)>> {
        if !self.may_begin_opening() {
            return None;
        }
        let (index, route) = self.queue.pop_front()?;
        let begun = match self.connect(index, &route, now) {
            Ok(link) => {
                self.links[index] = Some(link);
                self.in_flight += 1;
                self.opening.push_back(index);
                Ok(())
            }
            Err(error) => {
                self.freed.push(index);
                Err((index, Loss::NotOpened(error)))
            }
        };
        Some(begun)
    }

    fn connect(&self, index: usize, route: &Route, now: u64) -> Result<Link, OpenError> {
        let sources = &self.options.sources;
        let source = sources.get(index % sources.len().max(1)).copied();
        let mut stream = connect(route.address, source).map_err(|error| {
            // This is no reset by the peer: nothing was sent yet.
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

    /// When the oldest opening handshake times out.
    pub(super) fn next_deadline(&self) -> u64 {
        let oldest = self.opening.iter().find_map(|&index| {
            let link = self.links[index].as_ref()?;
            link.opening_since()
        });
        oldest.map_or(u64::MAX, |began| began + self.options.timeout)
    }

    /// Gives up the oldest opening handshake if it has timed out, and returns its number.
    pub(super) fn expire_opening(&mut self) -> Option<(usize, Loss)> {
        loop {
            let index = *self.opening.front()?;
            let began = self.links[index].as_ref().and_then(Link::opening_since);
            if began.is_some_and(|began| clock::now() < began + self.options.timeout) {
                return None;
            }
            self.opening.pop_front();
            if began.is_some() {
                return Some((index, self.fail(index, OpenError::TimedOut)));
            }
        }
    }

    /// Gives up a connection that was being opened.
    pub(super) fn fail(&mut self, index: usize, error: OpenError) -> Loss {
        self.close(index);
        Loss::NotOpened(error)
    }

    /// Gives up a connection that its peer has ended or reset; none if that has happened before.
    pub(super) fn end(&mut self, index: usize, was_reset: bool) -> Option<Loss> {
        let is_open = self.get(index)?.is_open();
        self.close(index);
        Some(match (is_open, was_reset) {
            (true, _) => Loss::Ended { was_reset },
            (false, true) => Loss::NotOpened(OpenError::Reset),
            (false, false) => Loss::NotOpened(OpenError::Ended),
        })
    }
}

/// Begins a connection, from a local address if one is given.
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

/// The error that says that a connection is being made.
const EINPROGRESS: i32 = rustix::io::Errno::INPROGRESS.raw_os_error();
