//! Reading, writing and accepting, with the kernel's answers sorted by what they mean.

use mio::net::{TcpListener, TcpStream};
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::Shutdown;

/// What a read brought.
#[derive(Debug, PartialEq, Eq)]
pub enum ReadOutcome {
    /// So many bytes.
    Bytes(usize),
    /// Nothing at the moment.
    Empty,
    /// The peer's stream has ended.
    Ended,
    /// The connection is broken.
    Broken,
}

/// Reads once.
pub fn read(stream: &mut TcpStream, buffer: &mut [u8]) -> ReadOutcome {
    match retry(|| stream.read(buffer)) {
        Ok(0) => ReadOutcome::Ended,
        Ok(bytes) => ReadOutcome::Bytes(bytes),
        Err(error) if error.kind() == ErrorKind::WouldBlock => ReadOutcome::Empty,
        Err(_) => ReadOutcome::Broken,
    }
}

/// Writes once, and returns how much the socket took: less than was offered means that it is full.
/// `None` means that the connection is broken.
pub fn write(stream: &mut TcpStream, bytes: &[u8]) -> Option<usize> {
    sort(retry(|| stream.write(bytes)))
}

/// Writes slices as [`write`] does. One `writev` costs some percent more than one `send`.
pub fn write_vectored(stream: &mut TcpStream, slices: &[IoSlice]) -> Option<usize> {
    sort(retry(|| stream.write_vectored(slices)))
}

fn sort(written: io::Result<usize>) -> Option<usize> {
    match written {
        Ok(bytes) => Some(bytes),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Some(0),
        Err(_) => None,
    }
}

/// Shuts the writing side. A socket that is broken already says so elsewhere.
pub fn shutdown_write(stream: &TcpStream) {
    let _ = stream.shutdown(Shutdown::Write);
}

/// What accepting brought.
#[derive(Debug)]
pub enum AcceptOutcome {
    /// A connection.
    Connection(TcpStream),
    /// Nothing at the moment.
    Empty,
    /// A connection that was gone before it was accepted.
    Gone,
    /// The system has no descriptor or memory for another one.
    Exhausted(io::Error),
}

/// Accepts once.
pub fn accept(listener: &TcpListener) -> AcceptOutcome {
    match listener.accept() {
        Ok((stream, _)) => AcceptOutcome::Connection(stream),
        Err(error) => match error.kind() {
            ErrorKind::WouldBlock => AcceptOutcome::Empty,
            // Linux hands over errors that the new socket already has; Interrupted comes along.
            ErrorKind::Interrupted
            | ErrorKind::ConnectionAborted
            | ErrorKind::ConnectionReset
            | ErrorKind::TimedOut
            | ErrorKind::HostUnreachable
            | ErrorKind::NetworkUnreachable
            | ErrorKind::NetworkDown
            | ErrorKind::PermissionDenied => AcceptOutcome::Gone,
            _ => AcceptOutcome::Exhausted(error),
        },
    }
}

fn retry(mut call: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match call() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            outcome => return outcome,
        }
    }
}
