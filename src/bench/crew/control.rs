//! One end of the socket between coordinator and worker: values as lines of JSON.

use super::super::client_loop::ClientLoop;
use super::super::failure::Failure;
use mio::net::UnixStream;
use mio::{Interest, Token};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream as Blocking;

/// The tokens of control sockets lie below the alarm's, which is the highest; no connection has such a
/// number. Their events have nothing to do but to end a turn.
const FIRST_TOKEN: usize = usize::MAX - 1;

pub(in super::super) struct Control {
    stream: UnixStream,
    read: Vec<u8>,
    /// Bytes of `read` that were looked at and hold no end of a line.
    scanned: usize,
    has_ended: bool,
}

impl Control {
    /// A control socket that wakes up the loop.
    pub(in super::super) fn new(
        stream: Blocking,
        client_loop: &ClientLoop,
        number: usize,
    ) -> Result<Self, Failure> {
        stream.set_nonblocking(true)?;
        let mut stream = UnixStream::from_std(stream);
        let token = Token(FIRST_TOKEN - number);
        let registry = client_loop.links.registry();
        registry.register(&mut stream, token, Interest::READABLE)?;
        Ok(Control {
            stream,
            read: Vec::new(),
            scanned: 0,
            has_ended: false,
        })
    }

    /// Sends a value.
    pub(in super::super) fn send(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        let mut line = serde_json::to_vec(value).map_err(Failure::new)?;
        line.push(b'\n');
        let mut rest = &line[..];
        while !rest.is_empty() {
            match self.stream.write(rest) {
                Ok(count) => rest = &rest[count..],
                // The other side reads in each of its turns.
                Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::yield_now(),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// The next value that the other side has sent, if any. The end of the stream is an error.
    pub(in super::super) fn receive<T: DeserializeOwned>(&mut self) -> Result<Option<T>, Failure> {
        loop {
            if let Some(line) = self.line() {
                return serde_json::from_slice(&line)
                    .map(Some)
                    .map_err(Failure::new);
            }
            let mut bytes = [0; 4096];
            match self.stream.read(&mut bytes) {
                Ok(0) => self.has_ended = true,
                Ok(count) => self.read.extend_from_slice(&bytes[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
            if self.has_ended {
                return Err(Failure::new("a process of this run has ended early"));
            }
        }
    }

    fn line(&mut self) -> Option<Vec<u8>> {
        let end = self.read[self.scanned..].iter().position(|&b| b == b'\n');
        let Some(end) = end else {
            self.scanned = self.read.len();
            return None;
        };
        let end = self.scanned + end;
        let rest = self.read.split_off(end + 1);
        self.scanned = 0;
        Some(std::mem::replace(&mut self.read, rest))
    }
}
