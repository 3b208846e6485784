//! Which of several addresses answers, found out as in RFC 8305 §5: they are tried in turn, each a
//! moment after the one before it or as soon as that one has failed, and the first that takes a
//! connection is chosen.
//!
//! This is done once, before a run begins, and may block. The connection is closed again: nothing is
//! measured with it.

use super::clock;
use super::link::is_connected;
use super::links::connect;
use super::opening::OpenError;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Nanoseconds that an address has for itself: the delay that RFC 8305 §8 recommends.
const DELAY: u64 = 250_000_000;

/// The first of these addresses to take a connection within this many nanoseconds, from one of these
/// local addresses if there are any.
pub(super) fn settle(
    addresses: &[SocketAddr],
    sources: &[IpAddr],
    timeout: u64,
) -> Result<SocketAddr, OpenError> {
    let mut attempts = Attempts::new().map_err(|error| OpenError::connect(addresses[0], &error))?;
    let deadline = clock::now() + timeout;
    let mut waiting = addresses.iter();
    let mut next_at = 0;
    loop {
        let now = clock::now();
        if attempts.are_over() || now >= next_at {
            match waiting.next() {
                Some(&address) => {
                    attempts.begin(address, sources);
                    next_at = now + DELAY;
                    continue;
                }
                None if attempts.are_over() => return Err(attempts.failure()),
                None => next_at = u64::MAX,
            }
        }
        if now >= deadline {
            return Err(OpenError::TimedOut);
        }
        if let Some(address) = attempts.wait(next_at.min(deadline) - now)? {
            return Ok(address);
        }
    }
}

/// Attempts under way, and why the others failed.
struct Attempts {
    poll: Poll,
    events: Events,
    /// None once it has failed.
    streams: Vec<(SocketAddr, Option<TcpStream>)>,
    failures: Vec<(SocketAddr, io::Error)>,
}

impl Attempts {
    fn new() -> io::Result<Self> {
        Ok(Attempts {
            poll: Poll::new()?,
            events: Events::with_capacity(16),
            streams: Vec::new(),
            failures: Vec::new(),
        })
    }

    fn are_over(&self) -> bool {
        self.streams.iter().all(|(_, stream)| stream.is_none())
    }

    fn begin(&mut self, address: SocketAddr, sources: &[IpAddr]) {
        // A local address can reach its own family only.
        let is_akin = |source: &&IpAddr| source.is_ipv4() == address.is_ipv4();
        let source = sources.iter().find(is_akin).or(sources.first()).copied();
        let token = Token(self.streams.len());
        let begun = connect(address, source).and_then(|mut stream| {
            let registry = self.poll.registry();
            registry.register(&mut stream, token, Interest::WRITABLE)?;
            Ok(stream)
        });
        let stream = begun.map_err(|error| self.failures.push((address, error)));
        self.streams.push((address, stream.ok()));
    }

    /// Waits for this many nanoseconds for one to succeed, or for one to fail.
    fn wait(&mut self, nanos: u64) -> Result<Option<SocketAddr>, OpenError> {
        let timeout = Some(Duration::from_nanos(nanos));
        match self.poll.poll(&mut self.events, timeout) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                return Err(OpenError::connect(self.streams[0].0, &error));
            }
            _ => {}
        }
        for event in &self.events {
            let (address, stream) = &mut self.streams[event.token().0];
            match stream.as_ref().map(is_connected) {
                Some(Ok(true)) => return Ok(Some(*address)),
                Some(Ok(false)) | None => {}
                Some(Err(error)) => {
                    *stream = None;
                    self.failures.push((*address, error));
                }
            }
        }
        Ok(None)
    }

    /// Why none has succeeded: the reason for each address, with the advice for the first one.
    fn failure(&self) -> OpenError {
        let words = self.failures.iter();
        let words: Vec<String> = words
            .map(|(address, error)| format!("{address}: {error}"))
            .collect();
        let kind = self.failures.first().map(|(_, error)| error.kind());
        OpenError::Connect(
            kind.unwrap_or(io::ErrorKind::Other),
            words.join(", nor to "),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::clock::SECOND;
    use super::*;
    use std::net::TcpListener;

    const IPV4: &str = "127.0.0.1:0";
    const IPV6: &str = "[::1]:0";

    fn listen(address: &str) -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        (listener, address)
    }

    /// There is no second family to try.
    fn is_ipv6_missing() -> bool {
        TcpListener::bind(IPV6).is_err()
    }

    /// The address of the other family where nothing listens.
    fn opposite(address: SocketAddr) -> SocketAddr {
        let other = if address.is_ipv4() { IPV6 } else { IPV4 };
        listen(other).1
    }

    #[test]
    fn the_family_that_answers_is_settled_on() {
        if is_ipv6_missing() {
            return;
        }
        for family in [IPV4, IPV6] {
            let (_listener, address) = listen(family);
            let silent = opposite(address);
            for addresses in [[address, silent], [silent, address]] {
                assert_eq!(settle(&addresses, &[], 10 * SECOND), Ok(address));
            }
        }
    }

    #[test]
    fn the_first_of_those_that_answer_is_settled_on() {
        if is_ipv6_missing() {
            return;
        }
        let (_one, ipv4) = listen(IPV4);
        let (_other, ipv6) = listen(IPV6);
        assert_eq!(settle(&[ipv6, ipv4], &[], 10 * SECOND), Ok(ipv6));
        assert_eq!(settle(&[ipv4, ipv6], &[], 10 * SECOND), Ok(ipv4));
    }

    #[test]
    fn an_address_that_does_not_answer_holds_up_no_other() {
        if is_ipv6_missing() {
            return;
        }
        // A backlog that is full drops what comes: there is neither an answer nor a refusal.
        let silent =
            socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        silent
            .bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into())
            .unwrap();
        silent.listen(0).unwrap();
        let full = silent.local_addr().unwrap().as_socket().unwrap();
        let mut fillers = Vec::new();
        while let Ok(filler) =
            std::net::TcpStream::connect_timeout(&full, Duration::from_millis(100))
        {
            fillers.push(filler);
        }
        let (_listener, address) = listen(IPV6);
        assert_eq!(settle(&[full, address], &[], 60 * SECOND), Ok(address));
        assert_eq!(settle(&[full], &[], 1), Err(OpenError::TimedOut));
    }

    #[test]
    fn a_source_leads_to_its_own_family() {
        if is_ipv6_missing() {
            return;
        }
        let (_one, ipv4) = listen(IPV4);
        let (_other, ipv6) = listen(IPV6);
        let source = [ipv4.ip()];
        assert_eq!(settle(&[ipv6, ipv4], &source, 10 * SECOND), Ok(ipv4));
    }

    #[test]
    fn all_that_failed_are_named() {
        if is_ipv6_missing() {
            return;
        }
        let (listener, address) = listen(IPV4);
        drop(listener);
        let silent = opposite(address);
        let why = settle(&[silent, address], &[], 10 * SECOND).unwrap_err();
        let words = why.with_advice();
        for part in [
            &format!("can't connect to {silent}: "),
            &format!(", nor to {address}: "),
            "nothing listens there",
        ] {
            assert!(words.contains(part), "{words}");
        }
    }
}
