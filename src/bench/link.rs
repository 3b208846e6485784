//! One connection: its socket, its opening handshake, and what still waits to be written.

use super::route::Route;
use crate::proto::ResponseHead;
use crate::proto::fanfare_v1;
use crate::proto::handshake::{self, Request};
use crate::proto::{HeadError, HeadScanner};
use crate::sys::socket::{self, SocketRead};
use mio::net::TcpStream;
use std::fmt;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;

/// A response head of a WebSocket server is some hundred bytes long.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Delayed acknowledgements are switched on once in this many reads: the kernel switches them off after a
/// pause, and each such call is a system call.
const READS_PER_DELAY: u8 = 32;

/// A connection, from the first packet to the last.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) stream: TcpStream,
    pub(super) state: State,
    /// What is to be written; `written` bytes of it are.
    pub(super) out: Vec<u8>,
    written: usize,
    /// Bytes may have come that were not read.
    pub(super) is_readable: bool,
    /// The peer's stream has ended: no further event will come.
    pub(super) read_to_end: bool,
    /// It is not being read.
    pub(super) is_stalled: bool,
    /// Reads so far, modulo 256.
    reads: u8,
}

#[derive(Debug)]
pub(super) enum State {
    /// TCP's handshake is under way.
    Connecting(Box<Opening>),
    /// The request has left.
    Requested(Box<Opening>),
    /// Frames go back and forth.
    Open,
}

/// An opening handshake.
#[derive(Debug)]
pub(super) struct Opening {
    pub(super) began: u64,
    address: SocketAddr,
    key: String,
    subprotocols: Vec<String>,
    deflate: bool,
    v1: bool,
    head: Vec<u8>,
    scanner: HeadScanner,
}

/// What all requests have in common.
#[derive(Clone, Debug, Default)]
pub(super) struct RequestOptions {
    /// What the Host header says, if that is not where the connection leads.
    pub(super) host: Option<String>,
    pub(super) subprotocols: Vec<String>,
    pub(super) headers: Vec<(String, String)>,
    /// Compression is offered, and has to be agreed on.
    pub(super) deflate: bool,
    /// `fanfare.v1` is among the subprotocols, and has to be agreed on.
    pub(super) v1: bool,
}

/// Why a connection did not open.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum OpenError {
    /// The connection could not be made: to which address, and why.
    Connect(ErrorKind, String),
    /// The connection was reset.
    Reset,
    /// The connection ended before the response did.
    Ended,
    /// The server did not answer in time.
    TimedOut,
    /// What came is not HTTP.
    NotHttp(String),
    /// The response does not open a WebSocket connection.
    Refused(String),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::Connect(_, why) => write!(f, "can't connect to {why}"),
            OpenError::Reset => f.write_str("the connection was reset in the opening handshake"),
            OpenError::Ended => {
                f.write_str("the server closed the connection in the opening handshake")
            }
            OpenError::TimedOut => f.write_str("the server did not answer in time"),
            OpenError::NotHttp(why) => write!(f, "the answer is not HTTP: {why}"),
            OpenError::Refused(why) => f.write_str(why),
        }
    }
}

impl OpenError {
    /// No connection to this address could be made.
    pub(super) fn connect(address: SocketAddr, error: &io::Error) -> Self {
        OpenError::Connect(error.kind(), format!("{address}: {error}"))
    }

    /// A connection to this address broke while it was made.
    fn broken(address: SocketAddr, error: &io::Error) -> Self {
        match error.kind() {
            ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => OpenError::Reset,
            _ => OpenError::connect(address, error),
        }
    }

    /// What is wrong, and what can be done about it.
    pub(super) fn with_advice(&self) -> String {
        format!("{self}{}", self.advice())
    }

    fn advice(&self) -> &'static str {
        match self {
            OpenError::Connect(ErrorKind::ConnectionRefused, _) => {
                ": nothing listens there; start the server first, or correct the port"
            }
            OpenError::Connect(ErrorKind::AddrNotAvailable, _) => {
                ": either no port is left to connect from, then add addresses with --source \
                 127.0.0.2,127.0.0.3; or this machine has no such address"
            }
            OpenError::Connect(_, why) if why.contains("os error 24") => {
                ": no file descriptor is left; raise the limit (ulimit -n), or with fanout, paced and \
                 idle, use --workers"
            }
            OpenError::Ended | OpenError::Reset | OpenError::TimedOut => {
                "; a server that is short of descriptors, or whose backlog is full, does that: try \
                 fewer --in-flight, or fewer connections"
            }
            OpenError::NotHttp(_) | OpenError::Refused(_) => {
                "; see that the URL leads to a WebSocket, with its path"
            }
            OpenError::Connect(..) => "",
        }
    }
}

impl From<HeadError> for OpenError {
    fn from(error: HeadError) -> Self {
        OpenError::NotHttp(error.to_string())
    }
}

impl Link {
    /// A connection that is being made.
    pub(super) fn new(
        stream: TcpStream,
        route: &Route,
        options: &RequestOptions,
        now: u64,
    ) -> Result<Self, OpenError> {
        let key = handshake::fresh_key();
        let target = route.target();
        let subprotocols: Vec<&str> = options.subprotocols.iter().map(String::as_str).collect();
        let headers: Vec<(&str, &str)> = options
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let host = options.host.as_deref();
        let request = Request {
            subprotocols: &subprotocols,
            headers: &headers,
            deflate: options.deflate,
            ..Request::new(host.unwrap_or(route.url.authority()), &target, &key)
        };
        let mut out = Vec::new();
        request
            .write(&mut out)
            .map_err(|error| OpenError::Refused(error.to_string()))?;
        Ok(Link {
            stream,
            state: State::Connecting(Box::new(Opening {
                began: now,
                address: route.address,
                key,
                subprotocols: options.subprotocols.clone(),
                deflate: options.deflate,
                v1: options.v1,
                head: Vec::new(),
                scanner: HeadScanner::response(),
            })),
            out,
            written: 0,
            is_readable: false,
            read_to_end: false,
            is_stalled: false,
            reads: 0,
        })
    }

    /// Sends the request once the connection is made; no error means that it is, or is still on
    /// its way.
    pub(super) fn on_connected(&mut self) -> Result<(), OpenError> {
        let State::Connecting(opening) = &self.state else {
            return Ok(());
        };
        let address = opening.address;
        match is_connected(&self.stream) {
            Ok(true) => {}
            Ok(false) => return Ok(()),
            Err(error) => return Err(OpenError::broken(address, &error)),
        }
        if let State::Connecting(opening) = std::mem::replace(&mut self.state, State::Open) {
            self.state = State::Requested(opening);
        }
        self.flush().map_err(|Broken| OpenError::Reset)
    }

    /// Takes bytes of the response. `Some` means that the connection is open: when its opening began, and
    /// how many of these bytes belong to the response.
    pub(super) fn on_response(&mut self, bytes: &[u8]) -> Result<Option<(u64, usize)>, OpenError> {
        let State::Requested(opening) = &mut self.state else {
            return Ok(None);
        };
        let before = opening.head.len();
        opening.head.extend_from_slice(bytes);
        let Some(end) = opening.scanner.scan(&opening.head, HEAD_BYTES_MAX)? else {
            return Ok(None);
        };
        let head = ResponseHead::parse(&opening.head[..end])?;
        let subprotocols: Vec<&str> = opening.subprotocols.iter().map(String::as_str).collect();
        let request = Request {
            subprotocols: &subprotocols,
            deflate: opening.deflate,
            ..Request::new("", "/", &opening.key)
        };
        let agreed = request
            .verify(&head)
            .map_err(|error| OpenError::Refused(error.to_string()))?;
        if opening.deflate && agreed.deflate.is_none() {
            let why = "the server does not agree on permessage-deflate without context takeover";
            return Err(OpenError::Refused(why.into()));
        }
        if opening.v1 && agreed.subprotocol != Some(fanfare_v1::NAME) {
            let why = "the server does not speak fanfare.v1, by which readers know which message they have";
            return Err(OpenError::Refused(why.into()));
        }
        let began = opening.began;
        self.state = State::Open;
        Ok(Some((began, end - before)))
    }

    /// Whether the opening handshake is over.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.state, State::Open)
    }

    /// When the opening handshake began, if it is not over.
    pub(super) fn opening_since(&self) -> Option<u64> {
        match &self.state {
            State::Connecting(opening) | State::Requested(opening) => Some(opening.began),
            State::Open => None,
        }
    }

    /// Reads once. A socket that only reads acknowledges each read, which is half of what a read costs; on a
    /// loopback, that includes the work of the server's socket.
    #[inline]
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> SocketRead {
        self.reads = self.reads.wrapping_add(1);
        if self.reads % READS_PER_DELAY == 1 {
            socket::delay_acknowledgements(&self.stream);
        }
        socket::read(&mut self.stream, buffer)
    }

    /// Writes what waits, as much as the socket takes.
    pub(super) fn flush(&mut self) -> Result<(), Broken> {
        while self.written < self.out.len() {
            match socket::write(&mut self.stream, &self.out[self.written..]) {
                Some(0) => return Ok(()),
                Some(bytes) => self.written += bytes,
                None => return Err(Broken),
            }
        }
        self.written = 0;
        self.out.clear();
        // A buffer that was large once must not stay large on each of ten thousand connections.
        self.out.shrink_to(OUT_BYTES_KEPT);
        Ok(())
    }
}

/// Whether a connection is made; if not, it is still on its way.
pub(super) fn is_connected(stream: &TcpStream) -> io::Result<bool> {
    if let Some(error) = stream.take_error()? {
        return Err(error);
    }
    match stream.peer_addr() {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotConnected => Ok(false),
        Err(error) => Err(error),
    }
}

/// Bytes of the output's buffer that a connection keeps.
const OUT_BYTES_KEPT: usize = 256;

/// The connection is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Broken;
