//! How a connection opens: what is asked for, and whether the answer agrees.

use super::framing::{Framing, Malformed};
use super::route::{Protocol, Route};
use crate::proto::fanfare_v1;
use crate::proto::handshake::{self, Request};
use crate::proto::{HeadError, HeadScanner, ResponseHead};
use std::fmt;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;

/// A response head is some hundred bytes long.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// A connection that is being opened.
#[derive(Debug)]
pub(super) struct Opening {
    pub(super) began: u64,
    pub(super) address: SocketAddr,
    awaited: Awaited,
    head: Vec<u8>,
    scanner: HeadScanner,
}

/// What the response has to be.
#[derive(Debug)]
enum Awaited {
    WebSocket {
        key: String,
        options: RequestOptions,
    },
    EventStream,
    /// There is none.
    Nothing,
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
    /// The response is no event stream.
    NoStream(String),
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
            OpenError::Refused(why) | OpenError::NoStream(why) => f.write_str(why),
        }
    }
}

impl OpenError {
    /// No connection to this address could be made.
    pub(super) fn connect(address: SocketAddr, error: &io::Error) -> Self {
        OpenError::Connect(error.kind(), format!("{address}: {error}"))
    }

    /// A connection to this address broke while it was made.
    pub(super) fn broken(address: SocketAddr, error: &io::Error) -> Self {
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
            OpenError::NoStream(_) => "; see that the URL leads to an event stream, with its path",
            OpenError::Connect(..) => "",
        }
    }
}

impl From<HeadError> for OpenError {
    fn from(error: HeadError) -> Self {
        OpenError::NotHttp(error.to_string())
    }
}

impl Opening {
    /// Begins now; returns with it what is to be sent first.
    pub(super) fn new(
        route: &Route,
        options: &RequestOptions,
        now: u64,
    ) -> Result<(Self, Vec<u8>), OpenError> {
        let mut out = Vec::new();
        let awaited = match route.protocol {
            Protocol::WebSocket => {
                let key = handshake::fresh_key();
                write_upgrade(route, options, &key, &mut out)?;
                let options = options.clone();
                Awaited::WebSocket { key, options }
            }
            Protocol::EventStream => {
                options.write_head("GET", route, &["Accept: text/event-stream"], &mut out);
                out.extend_from_slice(b"\r\n");
                Awaited::EventStream
            }
            Protocol::Http => Awaited::Nothing,
        };
        let opening = Opening {
            began: now,
            address: route.address,
            awaited,
            head: Vec::new(),
            scanner: HeadScanner::response(),
        };
        Ok((opening, out))
    }

    /// Whether the connection is open as soon as it is made.
    pub(super) fn awaits_nothing(&self) -> bool {
        matches!(self.awaited, Awaited::Nothing)
    }

    /// Takes bytes of the response; once it is whole, returns how many of these are its head's, and how its body is
    /// framed.
    pub(super) fn on_response(
        &mut self,
        bytes: &[u8],
    ) -> Result<Option<(usize, Framing)>, OpenError> {
        let before = self.head.len();
        self.head.extend_from_slice(bytes);
        let Some(end) = self.scanner.scan(&self.head, HEAD_BYTES_MAX)? else {
            return Ok(None);
        };
        let head = ResponseHead::parse(&self.head[..end])?;
        let framing = match &self.awaited {
            Awaited::WebSocket { key, options } => {
                verify_upgrade(key, options, &head)?;
                Framing::default()
            }
            Awaited::EventStream => verify_stream(&head)?,
            Awaited::Nothing => Framing::default(),
        };
        Ok(Some((end - before, framing)))
    }
}

impl RequestOptions {
    /// Appends the request line and the headers of any request, without the empty line at their end. These lines are
    /// left out where an option says the same header.
    pub(super) fn write_head(
        &self,
        method: &str,
        route: &Route,
        lines: &[&str],
        out: &mut Vec<u8>,
    ) {
        let host = self.host.as_deref().unwrap_or(route.url.authority());
        let mut add = |line: &str| {
            out.extend_from_slice(line.as_bytes());
            out.extend_from_slice(b"\r\n");
        };
        add(&format!("{method} {} HTTP/1.1", route.target()));
        add(&format!("Host: {host}"));
        let is_given = |line: &str| {
            let name = line.split(':').next().unwrap_or_default();
            let mut headers = self.headers.iter();
            headers.any(|(given, _)| given.eq_ignore_ascii_case(name))
        };
        lines
            .iter()
            .filter(|line| !is_given(line))
            .for_each(|line| add(line));
        for (name, value) in &self.headers {
            add(&format!("{name}: {value}"));
        }
    }

    fn subprotocols(&self) -> Vec<&str> {
        self.subprotocols.iter().map(String::as_str).collect()
    }
}

fn write_upgrade(
    route: &Route,
    options: &RequestOptions,
    key: &str,
    out: &mut Vec<u8>,
) -> Result<(), OpenError> {
    let target = route.target();
    let headers = options.headers.iter();
    let headers: Vec<(&str, &str)> = headers
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let host = options.host.as_deref();
    let request = Request {
        subprotocols: &options.subprotocols(),
        headers: &headers,
        deflate: options.deflate,
        ..Request::new(host.unwrap_or(route.url.authority()), &target, key)
    };
    request
        .write(out)
        .map_err(|error| OpenError::Refused(error.to_string()))
}

fn verify_upgrade(
    key: &str,
    options: &RequestOptions,
    head: &ResponseHead,
) -> Result<(), OpenError> {
    let request = Request {
        subprotocols: &options.subprotocols(),
        deflate: options.deflate,
        ..Request::new("", "/", key)
    };
    let agreed = request
        .verify(head)
        .map_err(|error| OpenError::Refused(error.to_string()))?;
    if options.deflate && agreed.deflate.is_none() {
        let why = "the server does not agree on permessage-deflate without context takeover";
        return Err(OpenError::Refused(why.into()));
    }
    if options.v1 && agreed.subprotocol != Some(fanfare_v1::NAME) {
        let why =
            "the server does not speak fanfare.v1, by which readers know which message they have";
        return Err(OpenError::Refused(why.into()));
    }
    Ok(())
}

fn verify_stream(head: &ResponseHead) -> Result<Framing, OpenError> {
    if head.status != 200 {
        let why = format!(
            "the server answered with status {} instead of 200",
            head.status
        );
        return Err(OpenError::NoStream(why));
    }
    let content_type = head
        .headers
        .values("Content-Type")
        .next()
        .unwrap_or_default();
    let media_type = content_type
        .split(|&byte| byte == b';')
        .next()
        .unwrap_or_default();
    if !media_type
        .trim_ascii()
        .eq_ignore_ascii_case(b"text/event-stream")
    {
        let why = "what the server answers with is not of the type text/event-stream";
        return Err(OpenError::NoStream(why.into()));
    }
    Framing::of(head).map_err(|Malformed| OpenError::NotHttp("two lengths, or a wrong one".into()))
}
