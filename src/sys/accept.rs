//! Accepting, with the kernel's answers sorted by what they mean.

use super::listen::Listener;
use super::socket::Stream;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;

/// What accepting brought.
#[derive(Debug)]
pub enum AcceptOutcome {
    /// A connection, and its peer's address and port; none in the Unix domain.
    Connection(Stream, Option<SocketAddr>),
    /// Nothing at the moment.
    Empty,
    /// A connection that was gone before it was accepted.
    Gone(io::Error),
    /// The system has no descriptor or memory for another one.
    Exhausted(io::Error),
}

/// Accepts once.
pub fn accept(listener: &Listener) -> AcceptOutcome {
    match listener.accept() {
        Ok((stream, peer)) => AcceptOutcome::Connection(stream, peer),
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
            | ErrorKind::PermissionDenied => AcceptOutcome::Gone(error),
            _ => AcceptOutcome::Exhausted(error),
        },
    }
}
