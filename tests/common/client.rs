//! A blocking client that sends what it is told, byte by byte if need be.

use super::{BINARY, CLOSE, DEADLINE, FIN, PING, PONG, Relay, TEXT, upgrade};
use socket2::{Domain, SockRef, Socket, Type};
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// A TCP connection to a relay, and what was read of it and not yet asked for.
pub(crate) struct Client {
    stream: TcpStream,
    read: Vec<u8>,
    /// How much of `read` was asked for.
    taken: usize,
}

/// An HTTP response.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Response {
    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// A frame of the relay's.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) first: u8,
    pub(crate) payload: Vec<u8>,
}

impl Client {
    pub(crate) fn connect(relay: &Relay) -> Client {
        Client::connect_to(relay.address)
    }

    pub(crate) fn connect_to(address: SocketAddr) -> Client {
        Client::of(TcpStream::connect(address).expect("the relay listens"))
    }

    /// A client with that address, one of this machine's.
    pub(crate) fn connect_from(relay: &Relay, ip: &str) -> Client {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        let ip: Ipv4Addr = ip.parse().expect("an address");
        let address = SocketAddr::from((ip, 0));
        socket
            .bind(&address.into())
            .expect("all of 127.0.0.0/8 is here");
        socket.connect(&relay.address.into()).expect("it listens");
        Client::of(socket.into())
    }

    /// Where it is reached.
    pub(crate) fn local_address(&self) -> SocketAddr {
        self.stream.local_addr().expect("a socket of ours")
    }

    /// A client on a Unix domain socket. Once it is open, the kernel makes no difference.
    pub(crate) fn connect_unix(path: &Path) -> Client {
        let stream = UnixStream::connect(path).expect("the relay listens");
        Client::over(OwnedFd::from(stream).into())
    }

    /// A client whose kernel takes in little, so that it soon stalls its sender.
    pub(crate) fn connect_small(relay: &Relay) -> Client {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.set_recv_buffer_size(4096).expect("a small buffer");
        socket.connect(&relay.address.into()).expect("it listens");
        Client::of(socket.into())
    }

    fn of(stream: TcpStream) -> Client {
        stream.set_nodelay(true).expect("a socket of ours");
        Client::over(stream)
    }

    fn over(stream: TcpStream) -> Client {
        stream.set_read_timeout(Some(DEADLINE)).expect("a deadline");
        stream
            .set_write_timeout(Some(DEADLINE))
            .expect("a deadline");
        Client {
            stream,
            read: Vec::new(),
            taken: 0,
        }
    }

    /// A WebSocket.
    pub(crate) fn join(relay: &Relay, path: &str) -> Client {
        let mut client = Client::connect(relay);
        client.upgrade(path);
        client
    }

    /// A WebSocket of a client whose kernel takes in little.
    pub(crate) fn join_small(relay: &Relay, path: &str) -> Client {
        let mut client = Client::connect_small(relay);
        client.upgrade(path);
        client
    }

    pub(crate) fn upgrade(&mut self, path: &str) {
        self.send(&upgrade(path));
        self.expect_upgraded();
    }

    pub(crate) fn expect_upgraded(&mut self) {
        let head = self.head();
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("the relay takes it");
    }

    /// Sends, unless the connection has ended.
    pub(crate) fn try_send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// One write for each byte.
    pub(crate) fn send_bytewise(&mut self, bytes: &[u8]) {
        for byte in bytes.chunks(1) {
            self.send(byte);
        }
    }

    /// A response, its body as long as its head says.
    pub(crate) fn response(&mut self) -> Response {
        let mut response = self.response_to_head();
        let body_bytes = response
            .header("Content-Length")
            .and_then(|bytes| bytes.parse().ok())
            .unwrap_or(0);
        response.body = self.take(body_bytes, "a body");
        response
    }

    /// A response without a body, whatever its head says.
    pub(crate) fn response_to_head(&mut self) -> Response {
        let head = self.head();
        let status = head.get(9..12).and_then(|status| status.parse().ok());
        Response {
            status: status.unwrap_or_else(|| panic!("no status: {head}")),
            head,
            body: Vec::new(),
        }
    }

    fn head(&mut self) -> String {
        let ends = |read: &[u8]| read.windows(4).position(|four| four == b"\r\n\r\n");
        while ends(&self.read[self.taken..]).is_none() {
            self.fill("a response's head");
        }
        let bytes = ends(&self.read[self.taken..]).unwrap_or(0) + 4;
        let head = self.take(bytes, "a head");
        String::from_utf8(head).expect("a head is text")
    }

    /// The next frame of whatever kind.
    pub(crate) fn frame(&mut self) -> Frame {
        let start: [u8; 2] = self.take(2, "a frame").try_into().expect("two bytes");
        let payload_bytes = match start[1] {
            126 => {
                let length = self.take(2, "a length").try_into().expect("two bytes");
                usize::from(u16::from_be_bytes(length))
            }
            127 => {
                let length = self.take(8, "a length").try_into().expect("eight bytes");
                u64::from_be_bytes(length) as usize
            }
            bytes => {
                assert!(bytes < 126, "a server does not mask");
                usize::from(bytes)
            }
        };
        Frame {
            first: start[0],
            payload: self.take(payload_bytes, "a payload"),
        }
    }

    /// The first byte and the payload of the next frame.
    pub(crate) fn any_frame(&mut self) -> (u8, Vec<u8>) {
        let frame = self.frame();
        (frame.first, frame.payload)
    }

    pub(crate) fn expect_frame(&mut self, first: u8, payload: &[u8]) {
        let frame = self.frame();
        let shown = String::from_utf8_lossy(&frame.payload);
        assert_eq!(frame.first, first, "{shown:.200}");
        assert!(frame.payload == payload, "another payload: {shown:.200}");
    }

    pub(crate) fn expect_text(&mut self, payload: &str) {
        self.expect_frame(FIN | TEXT, payload.as_bytes());
    }

    pub(crate) fn expect_binary(&mut self, payload: &[u8]) {
        self.expect_frame(FIN | BINARY, payload);
    }

    pub(crate) fn expect_pong(&mut self, payload: &[u8]) {
        self.expect_frame(FIN | PONG, payload);
    }

    pub(crate) fn expect_ping(&mut self) {
        self.expect_frame(FIN | PING, b"");
    }

    /// A close frame with that code comes next, then the end of the stream.
    pub(crate) fn expect_closed(&mut self, code: u16) {
        self.expect_close(code);
        self.expect_end();
    }

    /// A close frame with that code comes next.
    pub(crate) fn expect_close(&mut self, code: u16) {
        let frame = self.frame();
        assert_eq!(frame.first, FIN | CLOSE, "{frame:?}");
        assert_eq!(
            frame.payload.get(..2),
            Some(&code.to_be_bytes()[..]),
            "{frame:?}"
        );
    }

    /// Nothing more comes, and the end of the stream is a proper one.
    pub(crate) fn expect_end(&mut self) {
        let rest = self.rest();
        assert!(rest.is_empty(), "{:?}", String::from_utf8_lossy(&rest));
    }

    /// All that still comes until the end of the stream.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        while self.read_some("the end of the stream") > 0 {}
        let rest = self.read.split_off(self.taken);
        self.read.clear();
        self.taken = 0;
        rest
    }

    /// Reads until the connection is over, be it by an end or a reset.
    pub(crate) fn expect_gone(&mut self) {
        let mut buffer = vec![0; 1 << 16];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) => {
                    assert!(is_broken(error.kind()), "the relay keeps it: {error}");
                    return;
                }
            }
        }
    }

    /// Whether something has come that was not asked for, or comes in that time.
    pub(crate) fn has_input(&mut self, time: Duration) -> bool {
        self.stream.set_read_timeout(Some(time)).expect("a time");
        let peeked = self.stream.peek(&mut [0]);
        self.stream
            .set_read_timeout(Some(DEADLINE))
            .expect("a deadline");
        match peeked {
            Ok(_) => true,
            Err(error) => {
                let is_timeout = is_timeout(error.kind());
                assert!(is_timeout || is_broken(error.kind()), "{error}");
                !is_timeout
            }
        }
    }

    /// Nothing comes while this time passes.
    pub(crate) fn expect_silence(&mut self, time: Duration) {
        assert!(!self.has_input(time), "something came, or the end");
    }

    /// Sends as much as fits without waiting; returns how much.
    pub(crate) fn send_what_fits(&mut self, bytes: &[u8]) -> usize {
        self.stream.set_nonblocking(true).expect("a socket of ours");
        let mut sent = 0;
        while sent < bytes.len() {
            match self.stream.write(&bytes[sent..]) {
                Ok(bytes) => sent += bytes,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => panic!("the relay takes no more: {error}"),
            }
        }
        self.stream
            .set_nonblocking(false)
            .expect("a socket of ours");
        sent
    }

    /// Reads what there is, and forgets it.
    pub(crate) fn read_bytes(&mut self, bytes: usize) -> Vec<u8> {
        self.take(bytes, "bytes")
    }

    /// Sends no more, and goes on reading.
    pub(crate) fn shutdown_write(&self) {
        self.stream.shutdown(Shutdown::Write).expect("it is open");
    }

    /// Vanishes with a reset.
    pub(crate) fn reset(self) {
        SockRef::from(&self.stream)
            .set_linger(Some(Duration::ZERO))
            .expect("a socket of ours");
    }

    fn take(&mut self, bytes: usize, what: &str) -> Vec<u8> {
        while self.read.len() - self.taken < bytes {
            self.fill(what);
        }
        let taken = self.read[self.taken..][..bytes].to_vec();
        self.taken += bytes;
        taken
    }

    fn fill(&mut self, what: &str) {
        self.read.drain(..std::mem::take(&mut self.taken));
        let read = self.read_some(what);
        let so_far = || String::from_utf8_lossy(&self.read);
        let is_over = read == 0;
        assert!(
            !is_over,
            "the stream ended before {what}: {:.300?}",
            so_far()
        );
    }

    fn read_some(&mut self, what: &str) -> usize {
        let mut buffer = [0; 1 << 16];
        match self.stream.read(&mut buffer) {
            Ok(bytes) => {
                self.read.extend_from_slice(&buffer[..bytes]);
                bytes
            }
            Err(error) => panic!("waiting for {what}: {error}"),
        }
    }
}

fn is_timeout(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

fn is_broken(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe)
}
