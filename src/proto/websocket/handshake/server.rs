//! The server's side: is this request a WebSocket's opening handshake?

use std::error::Error;
use std::fmt;

use super::super::extension::{self, Deflate};
use super::key::{VERSION, accept_key, is_key};
use crate::proto::http1::{Head, RequestRefusal, check_request};

/// What a request says that opens a WebSocket connection.
#[derive(Clone, Copy, Debug)]
pub struct Upgrade<'a> {
    /// The client's key: base64 of 16 bytes.
    pub key: &'a str,
    /// The host that the client means, and its port if it isn't the scheme's.
    pub host: &'a str,
    /// The origin of the page that opens the connection; browsers always send it.
    pub origin: Option<&'a str>,
    /// Compression as it can be agreed on, if the client offers it.
    pub deflate: Option<Deflate>,
}

/// Why a request opens no WebSocket connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// It is refused as any request would be, whatever it is for.
    Request(RequestRefusal),
    /// The key is not base64 of 16 bytes.
    Key,
    /// Another method than GET.
    Method,
    /// HTTP/1.0, which has no upgrade.
    HttpVersion,
    /// The request does not ask for an upgrade to WebSocket.
    NoUpgrade,
    /// Another version of the WebSocket protocol than 13, or none.
    Version,
}

impl Refusal {
    /// The headers of the answer that say what would have been right.
    pub fn headers(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Request(_) | Self::Key => &[],
            Self::Method => &[("Allow", "GET")],
            Self::HttpVersion | Self::NoUpgrade | Self::Version => &[
                ("Upgrade", "websocket"),
                ("Connection", "Upgrade"),
                ("Sec-WebSocket-Version", VERSION),
            ],
        }
    }
}

impl From<RequestRefusal> for Refusal {
    fn from(refusal: RequestRefusal) -> Self {
        Self::Request(refusal)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request(refusal) => refusal.fmt(f),
            Self::Key => f.write_str("The Sec-WebSocket-Key header is not base64 of 16 bytes."),
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
    if head.headers.text("Sec-WebSocket-Version")? != Some(VERSION) {
        return Err(Refusal::Version);
    }
    let missing = RequestRefusal::Missing("Sec-WebSocket-Key");
    let key = head.headers.text("Sec-WebSocket-Key")?.ok_or(missing)?;
    if !is_key(key) {
        return Err(Refusal::Key);
    }
    let origin = head.headers.text("Origin")?;
    Ok(Upgrade {
        key,
        host,
        origin,
        deflate: Deflate::accept(&head.headers),
    })
}

impl Upgrade<'_> {
    /// Appends the response that opens the connection: after it, frames are sent. A
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
/// spoken here too. Names are compared byte by byte. Without one in common, none is chosen, and the
/// client decides what that means.
///
/// ```
/// use fanfare::proto::Head;
/// use fanfare::proto::handshake::choose_subprotocol;
///
/// let head = b"GET / HTTP/1.1\r\nSec-WebSocket-Protocol: soap, wamp\r\n\r\n";
/// let head = Head::parse(head)?;
/// assert_eq!(choose_subprotocol(&head, ["wamp", "mqtt"]), Some("wamp"));
/// assert_eq!(choose_subprotocol(&head, ["mqtt"]), None);
/// # Ok::<(), fanfare::proto::HeadError>(())
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
