//! One connection: its socket, its opening handshake, and what still waits to be written.

use super::framing::Framing;
use super::opening::{OpenError, Opening, RequestOptions};
use super::route::Route;
use crate::sys::socket::{self, SocketRead};
use mio::net::TcpStream;
use std::io::{self, ErrorKind};

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
    /// How the body of the response is framed, until the scenario takes it.
    pub(super) framing: Framing,
    /// Reads so far, modulo 256.
    reads: u8,
}

#[derive(Debug)]
pub(super) enum State {
    /// TCP's handshake is under way.
    Connecting(Box<Opening>),
    /// The request has left.
    Requested(Box<Opening>),
    /// What is spoken goes back and forth.
    Open,
}

impl Link {
    /// A connection that is being made.
    pub(super) fn new(
        stream: TcpStream,
        route: &Route,
        options: &RequestOptions,
        now: u64,
    ) -> Result<Self, OpenError> {
        let (opening, out) = Opening::new(route, options, now)?;
        Ok(Link {
            stream,
            state: State::Connecting(Box::new(opening)),
            out,
            written: 0,
            is_readable: false,
            read_to_end: false,
            is_stalled: false,
            framing: Framing::default(),
            reads: 0,
        })
    }

    /// Sends the request once the connection is made; no error means that it is, or is still on
    /// its way. `Some` means that nothing else is awaited, and when the opening began.
    pub(super) fn on_connected(&mut self) -> Result<Option<u64>, OpenError> {
        let State::Connecting(opening) = &self.state else {
            return Ok(None);
        };
        let address = opening.address;
        match is_connected(&self.stream) {
            Ok(true) => {}
            Ok(false) => return Ok(None),
            Err(error) => return Err(OpenError::broken(address, &error)),
        }
        if let State::Connecting(opening) = std::mem::replace(&mut self.state, State::Open) {
            if opening.awaits_nothing() {
                return Ok(Some(opening.began));
            }
            self.state = State::Requested(opening);
        }
        self.flush().map_err(|Broken| OpenError::Reset)?;
        Ok(None)
    }

    /// Takes bytes of the response. `Some` means that the connection is open: when its opening began, and
    /// how many of these bytes belong to the response's head.
    pub(super) fn on_response(&mut self, bytes: &[u8]) -> Result<Option<(u64, usize)>, OpenError> {
        let State::Requested(opening) = &mut self.state else {
            return Ok(None);
        };
        let Some((head_bytes, framing)) = opening.on_response(bytes)? else {
            return Ok(None);
        };
        let began = opening.began;
        self.framing = framing;
        self.state = State::Open;
        Ok(Some((began, head_bytes)))
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
