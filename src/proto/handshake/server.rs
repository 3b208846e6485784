//! The server's side: is this request a WebSocket's opening handshake?

use std::error::Error;
use std::fmt;
use std::net::Ipv6Addr;
use std::str;

use super::super::extension::{self, Deflate};
use super::super::head::{Head, is_percent_encoded};
use super::{VERSION, accept_key};

/// What a request has to offer that opens a WebSocket connection.
#[derive(Clone, Copy, Debug)]
pub struct Upgrade<'a> {
    /// The client's key: base64 of 16 bytes.
    pub key: &'a str,
    /// Whom the client means to speak to: host, and port if it isn't the scheme's.
    pub host: &'a str,
    /// The origin of the page that opens the connection; browsers always say it.
    pub origin: Option<&'a str>,
    /// Compression as it can be agreed on, if the client offers it.
    pub deflate: Option<Deflate>,
}

/// Why a request opens no WebSocket connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// A header that has to be there is not.
    Missing(&'static str),
    /// A header that may be there once is there more than once.
    Repeated(&'static str),
    /// The value of a header is none that it may have.
    Malformed(&'static str),
    /// The request announces a body. It can't be told from frames: close the connection.
    Body,
    /// Another method than GET.
    Method,
    /// HTTP/1.0, which knows no upgrade.
    HttpVersion,
    /// The request does not ask for an upgrade to WebSocket.
    NoUpgrade,
    /// Another version of the WebSocket protocol than 13, or none.
    Version,
}

impl Refusal {
    /// The status to answer with: 400, 405 or 426.
    pub fn status(self) -> u16 {
        match self {
            Self::Missing(_) | Self::Repeated(_) | Self::Malformed(_) | Self::Body => 400,
            Self::Method => 405,
            Self::HttpVersion | Self::NoUpgrade | Self::Version => 426,
        }
    }

    /// The headers that belong to this status: what would have been right.
    pub fn headers(self) -> &'static [(&'static str, &'static str)] {
        match self.status() {
            405 => &[("Allow", "GET")],
            426 => &[
                ("Upgrade", "websocket"),
                ("Connection", "Upgrade"),
                ("Sec-WebSocket-Version", VERSION),
            ],
            _ => &[],
        }
    }

    /// Whether the connection can't go on, because nobody knows where the next request begins.
    pub fn must_close(self) -> bool {
        self == Self::Body
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(name) => write!(f, "The request has no {name} header."),
            Self::Repeated(name) => write!(f, "The request has more than one {name} header."),
            Self::Malformed("Sec-WebSocket-Key") => {
                f.write_str("The Sec-WebSocket-Key header is not base64 of 16 bytes.")
            }
            Self::Malformed(name) => write!(f, "The {name} header has a value it can't have."),
            Self::Body => f.write_str("The request must not have a body."),
            Self::Method => f.write_str("A WebSocket connection is opened with GET."),
            Self::HttpVersion => f.write_str("A WebSocket connection needs HTTP/1.1."),
            Self::NoUpgrade => f.write_str(
                "This is a WebSocket address: the request has to ask for an upgrade to websocket.",
            ),
            Self::Version => f.write_str("The WebSocket protocol is spoken in version 13 only."),
        }
    }
}

impl Error for Refusal {}

/// The host that a request is for, or nothing if it is one of HTTP/1.0 that does not say.
pub fn host<'a>(head: &Head<'a>) -> Result<Option<&'a str>, Refusal> {
    let host = text(head, "Host")?;
    if host.is_none() && head.minor_version > 0 {
        return Err(Refusal::Missing("Host"));
    }
    if ![host, head.authority()]
        .into_iter()
        .flatten()
        .all(is_authority)
    {
        return Err(Refusal::Malformed("Host"));
    }
    Ok(head.authority().or(host))
}

/// Checks what holds for any request, WebSocket or not: it says whom it is for, and has no body.
/// Returns the [`host`] that it is for.
pub fn check_request<'a>(head: &Head<'a>) -> Result<Option<&'a str>, Refusal> {
    let host = host(head)?;
    // A request that says in two ways where it ends is read in two ways by two servers.
    if head.headers.values("Transfer-Encoding").next().is_some() {
        return Err(Refusal::Body);
    }
    match head.headers.only("Content-Length") {
        Ok(None | Some(b"0")) => {}
        _ => return Err(Refusal::Body),
    }
    Ok(host)
}

/// Checks whether a request opens a WebSocket connection: first what holds for any request, then
/// the method, then the upgrade and its version, and the key last.
pub fn check<'a>(head: &Head<'a>) -> Result<Upgrade<'a>, Refusal> {
    let host = check_request(head)?;
    if head.method != "GET" {
        return Err(Refusal::Method);
    }
    let Some(host) = host.filter(|_| head.minor_version == 1) else {
        return Err(Refusal::HttpVersion);
    };
    if !head.headers.has_token("Upgrade", "websocket")
        || !head.headers.has_token("Connection", "upgrade")
    {
        return Err(Refusal::NoUpgrade);
    }
    if text(head, "Sec-WebSocket-Version")? != Some(VERSION) {
        return Err(Refusal::Version);
    }
    let key = text(head, "Sec-WebSocket-Key")?.ok_or(Refusal::Missing("Sec-WebSocket-Key"))?;
    if !is_key(key) {
        return Err(Refusal::Malformed("Sec-WebSocket-Key"));
    }
    let origin = text(head, "Origin")?;
    Ok(Upgrade {
        key,
        host,
        origin,
        deflate: Deflate::accept(&head.headers),
    })
}

impl Upgrade<'_> {
    /// Appends the response that opens the connection: from here on, frames are spoken. A
    /// subprotocol is chosen among those that the client offers in `Sec-WebSocket-Protocol`, and
    /// compression is agreed on by answering with what [`deflate`](Self::deflate) says.
    pub fn write_response(
        &self,
        subprotocol: Option<&str>,
        deflate: Option<&Deflate>,
        out: &mut Vec<u8>,
    ) {
        out.extend_from_slice(
            b"HTTP/1.1 101 Switching Protocols\r\n\
              Upgrade: websocket\r\n\
              Connection: Upgrade\r\n\
              Sec-WebSocket-Accept: ",
        );
        out.extend_from_slice(&accept_key(self.key));
        if let Some(subprotocol) = subprotocol {
            out.extend_from_slice(b"\r\nSec-WebSocket-Protocol: ");
            out.extend_from_slice(subprotocol.as_bytes());
        }
        if let Some(deflate) = deflate {
            let line = format!("\r\n{}: {deflate}", extension::HEADER);
            out.extend_from_slice(line.as_bytes());
        }
        out.extend_from_slice(b"\r\n\r\n");
    }
}

/// The subprotocol to speak (RFC 6455 §4.2.2): the first of those that the client offers which is
/// spoken here too. Names are compared byte by byte. Without one in common, none is chosen, and what
/// that means is for the client to say.
///
/// ```
/// use fanfare::proto::head::Head;
/// use fanfare::proto::handshake::choose_subprotocol;
///
/// let head = b"GET / HTTP/1.1\r\nSec-WebSocket-Protocol: soap, wamp\r\n\r\n";
/// let head = Head::parse(head)?;
/// assert_eq!(choose_subprotocol(&head, ["wamp", "mqtt"]), Some("wamp"));
/// assert_eq!(choose_subprotocol(&head, ["mqtt"]), None);
/// # Ok::<(), fanfare::proto::head::HeadError>(())
/// ```
pub fn choose_subprotocol<'a, S: AsRef<str>>(
    head: &Head<'a>,
    spoken: impl IntoIterator<Item = S> + Clone,
) -> Option<&'a str> {
    let mut offered = head.headers.tokens("Sec-WebSocket-Protocol");
    let is_spoken = |name: &&str| {
        spoken
            .clone()
            .into_iter()
            .any(|other| other.as_ref() == *name)
    };
    offered.find(is_spoken)
}

/// The value of a header that may be there only once, and is text.
fn text<'a>(head: &Head<'a>, name: &'static str) -> Result<Option<&'a str>, Refusal> {
    match head.headers.only(name) {
        Err(_) => Err(Refusal::Repeated(name)),
        Ok(None) => Ok(None),
        Ok(Some(value)) => str::from_utf8(value)
            .map(Some)
            .map_err(|_| Refusal::Malformed(name)),
    }
}

/// Whether this is a host with or without a port (RFC 3986 §3.2, less user information and commas).
/// What host it names is of no interest here; but a list of two, a URL, or a port that is none is two
/// ways to be understood.
fn is_authority(authority: &str) -> bool {
    let (host_is_good, port) = if let Some(rest) = authority.strip_prefix('[') {
        let Some((address, port)) = rest.split_once(']') else {
            return false;
        };
        (address.parse::<Ipv6Addr>().is_ok(), port)
    } else {
        let (name, port) = authority.split_at(authority.find(':').unwrap_or(authority.len()));
        (is_name(name), port)
    };
    let port_is_good = match port.strip_prefix(':') {
        None => port.is_empty(),
        Some("") => true,
        Some(digits) => {
            digits.bytes().all(|byte| byte.is_ascii_digit()) && digits.parse::<u16>().is_ok()
        }
    };
    host_is_good && port_is_good
}

/// Whether this is a registered name or an IPv4 address (RFC 3986 §3.2.2), and not empty.
fn is_name(name: &str) -> bool {
    let may_stand = |byte: u8| {
        byte.is_ascii_alphanumeric()
            || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'%' | b'!' | b'$' | b'&')
            || matches!(byte, b'\'' | b'(' | b')' | b'*' | b'+' | b';' | b'=')
    };
    !name.is_empty() && name.bytes().all(may_stand) && is_percent_encoded(name)
}

/// Whether this is base64 of 16 bytes: 22 characters of the alphabet and two of padding. The four
/// bits of the last character that carry nothing may be any; other servers don't ask for more.
fn is_key(key: &str) -> bool {
    let in_alphabet = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/';
    key.strip_suffix("==")
        .is_some_and(|digits| digits.len() == 22 && digits.bytes().all(in_alphabet))
}
