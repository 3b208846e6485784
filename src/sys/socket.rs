//! Reading and writing, with the kernel's answers sorted by what they mean.
//!
//! A connection is a descriptor of a stream socket; whether TCP or a Unix domain is beneath it makes
//! no difference once it is open.

use mio::event::Source;
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use rustix::io::{Errno, retry_on_intr};
use rustix::net::{AddressFamily, RecvFlags, SendAncillaryBuffer, SendFlags, Shutdown};
use rustix::net::{getpeername, recv, send, sendmsg, shutdown};
use socket2::{SockRef, TcpKeepalive};
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

/// A connection's socket. It never blocks.
#[derive(Debug)]
pub struct Stream(OwnedFd);

impl From<OwnedFd> for Stream {
    fn from(socket: OwnedFd) -> Self {
        Stream(socket)
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Source for Stream {
    fn register(
        &mut self,
        registry: &Registry,
        token: Token,
        interests: Interest,
    ) -> io::Result<()> {
        SourceFd(&self.0.as_raw_fd()).register(registry, token, interests)
    }

    fn reregister(
        &mut self,
        registry: &Registry,
        token: Token,
        interests: Interest,
    ) -> io::Result<()> {
        SourceFd(&self.0.as_raw_fd()).reregister(registry, token, interests)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        SourceFd(&self.0.as_raw_fd()).deregister(registry)
    }
}

/// What a read brought.
#[derive(Debug, PartialEq, Eq)]
pub enum SocketRead {
    /// This many bytes.
    Bytes(usize),
    /// Nothing at the moment.
    Empty,
    /// The peer's stream has ended.
    Ended,
    /// The connection is broken.
    Broken,
}

/// Reads once.
pub fn read(stream: impl AsFd, buffer: &mut [u8]) -> SocketRead {
    match retry_on_intr(|| recv(&stream, &mut *buffer, RecvFlags::empty())) {
        Ok((0, _)) => SocketRead::Ended,
        Ok((bytes, _)) => SocketRead::Bytes(bytes),
        Err(Errno::AGAIN) => SocketRead::Empty,
        Err(_) => SocketRead::Broken,
    }
}

/// A peer that is gone is an error of one write, never a signal to the process.
#[cfg(not(target_vendor = "apple"))]
const SEND_FLAGS: SendFlags = SendFlags::NOSIGNAL;
#[cfg(target_vendor = "apple")]
const SEND_FLAGS: SendFlags = SendFlags::empty();

/// Writes once, and returns how much the socket took: less than was offered means that it is full.
/// `None` means that the connection is broken.
pub fn write(stream: impl AsFd, bytes: &[u8]) -> Option<usize> {
    sort(retry_on_intr(|| send(&stream, bytes, SEND_FLAGS)))
}

/// Writes slices as [`write`](fn@write) does. One `sendmsg` costs some percent more than one `send`;
/// a `writev` would not spare the process the signal.
pub fn write_vectored(stream: impl AsFd, slices: &[IoSlice]) -> Option<usize> {
    let mut no_control = SendAncillaryBuffer::default();
    sort(retry_on_intr(|| {
        sendmsg(&stream, slices, &mut no_control, SEND_FLAGS)
    }))
}

fn sort(written: Result<usize, Errno>) -> Option<usize> {
    match written {
        Ok(bytes) => Some(bytes),
        Err(Errno::AGAIN) => Some(0),
        Err(_) => None,
    }
}

/// Has the kernel acknowledge every second segment rather than each (RFC 1122 §4.2.3.2), as it does
/// where both sides talk. It returns to each after a pause, so that this has to be said again now and
/// then. A kernel without such a switch does as it likes.
pub fn delay_acknowledgements(stream: impl AsFd) {
    // Only costs depend on it, and a connection that is broken says so elsewhere.
    #[cfg(target_os = "linux")]
    let _ = rustix::net::sockopt::set_tcp_quickack(stream, false);
    #[cfg(not(target_os = "linux"))]
    let _ = stream;
}

/// Silence after which the kernel asks the peer whether it is still there; that many seconds later it asks again. One
/// that is gone is noticed within some minutes.
const KEEP_ALIVE_IDLE: Duration = Duration::from_secs(60);
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(15);

/// Has the kernel break the connection once its peer is gone. In the Unix domain, that needs no asking.
pub fn keep_alive(stream: impl AsFd) {
    let keep_alive = TcpKeepalive::new()
        .with_time(KEEP_ALIVE_IDLE)
        .with_interval(KEEP_ALIVE_INTERVAL);
    let _ = SockRef::from(&stream).set_tcp_keepalive(&keep_alive);
}

/// Shuts the writing side. A socket that is broken already says so elsewhere.
pub fn shutdown_write(stream: impl AsFd) {
    let _ = shutdown(stream, Shutdown::Write);
}

/// The peer's address and port; none in the Unix domain, where peers have neither. The kernel forgets it
/// when a connection is reset.
pub fn peer_address(stream: impl AsFd) -> io::Result<Option<SocketAddr>> {
    match getpeername(stream)? {
        Some(address) if address.address_family() != AddressFamily::UNIX => {
            Ok(Some(SocketAddr::try_from(address)?))
        }
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use signal_hook::consts::SIGPIPE;
    use std::os::unix::net::UnixStream;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[test]
    fn a_peer_that_is_gone_is_no_signal() {
        let signalled = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register(SIGPIPE, signalled.clone()).unwrap();
        let (stream, peer) = UnixStream::pair().unwrap();
        drop(peer);
        assert_eq!(write(&stream, b"x"), None);
        assert_eq!(write_vectored(&stream, &[IoSlice::new(b"x"); 2]), None);
        assert!(!signalled.load(Ordering::Relaxed));
    }
}
