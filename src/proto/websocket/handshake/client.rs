//! The client's side: the request, and whether the response is an answer to it.

use std::error::Error;
use std::fmt;

use super::super::extension::{self, Deflate};
use super::key::{VERSION, accept_key};
use crate::proto::http1::ResponseHead;

/// An opening handshake as a client sends it.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Host, and port if it isn't the scheme's default.
    pub host: &'a str,
    /// Path and query.
    pub target: &'a str,
    /// Of [`fresh_key`](super::fresh_key).
    pub key: &'a str,
    /// The subprotocols that the client offers, the best one first.
    pub subprotocols: &'a [&'a str],
    /// Whether the client offers compression, without context takeover.
    pub deflate: bool,
    /// Further headers, such as Origin or Authorization.
    pub headers: &'a [(&'a str, &'a str)],
}

/// What a response chose of that which the client offered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Agreed<'r> {
    /// The subprotocol.
    pub subprotocol: Option<&'r str>,
    /// Compression.
    pub deflate: Option<Deflate>,
}

/// A part of the request holds a character that would end its line too early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestError;

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "host, target and headers must not hold control characters, nor the target spaces",
        )
    }
}

impl Error for RequestError {}

/// Why a response does not open the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseError {
    /// Another status than 101: a redirect, a request for authorization, a refusal.
    Status(u16),
    /// The response does not say that it upgrades to WebSocket.
    NoUpgrade,
    /// The response has no `Sec-WebSocket-Accept` header, or more than one.
    NoAcceptKey,
    /// The accept key does not belong to the key: the server does not speak WebSocket, or an old
    /// response came out of a cache.
    WrongAcceptKey,
    /// The server uses an extension, or a parameter of one, that was not offered.
    Extension,
    /// The server chose a subprotocol that was not offered.
    Subprotocol,
}

impl fmt::Display for ResponseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Status(status) => {
                return write!(f, "the server answered with status {status} instead of 101");
            }
            Self::NoUpgrade => "the server did not upgrade the connection to WebSocket",
            Self::NoAcceptKey => "the server sent no Sec-WebSocket-Accept header, or two",
            Self::WrongAcceptKey => "the server's Sec-WebSocket-Accept does not belong to our key",
            Self::Extension => "the server uses an extension that was not offered",
            Self::Subprotocol => "the server chose a subprotocol that was not offered",
        })
    }
}

impl Error for ResponseError {}

impl<'a> Request<'a> {
    /// A request without further headers.
    pub fn new(host: &'a str, target: &'a str, key: &'a str) -> Self {
        Self {
            host,
            target,
            key,
            subprotocols: &[],
            deflate: false,
            headers: &[],
        }
    }

    /// Appends the request to `out`; nothing, if a part of it would end its line too early.
    pub fn write(&self, out: &mut Vec<u8>) -> Result<(), RequestError> {
        let in_order = [self.host, self.key]
            .into_iter()
            .chain(self.subprotocols.iter().copied())
            .chain(self.headers.iter().flat_map(|&(name, value)| [name, value]))
            .all(|part| !part.contains(char::is_control))
            && !self.target.is_empty()
            && !self.target.contains(|c: char| c.is_control() || c == ' ');
        if !in_order {
            return Err(RequestError);
        }
        let mut line = |parts: &[&str]| {
            for part in parts {
                out.extend_from_slice(part.as_bytes());
            }
            out.extend_from_slice(b"\r\n");
        };
        line(&["GET ", self.target, " HTTP/1.1"]);
        line(&["Host: ", self.host]);
        line(&["Upgrade: websocket"]);
        line(&["Connection: Upgrade"]);
        line(&["Sec-WebSocket-Version: ", VERSION]);
        line(&["Sec-WebSocket-Key: ", self.key]);
        if !self.subprotocols.is_empty() {
            line(&["Sec-WebSocket-Protocol: ", &self.subprotocols.join(", ")]);
        }
        if self.deflate {
            line(&[extension::HEADER, ": ", extension::OFFER]);
        }
        for (name, value) in self.headers {
            line(&[name, ": ", value]);
        }
        line(&[]);
        Ok(())
    }

    /// Whether this response opens the connection (§4.1), and what it chose.
    pub fn verify<'r>(&self, head: &ResponseHead<'r>) -> Result<Agreed<'r>, ResponseError> {
        if head.status != 101 {
            return Err(ResponseError::Status(head.status));
        }
        let headers = &head.headers;
        if !headers.has_token("Upgrade", "websocket") || !headers.has_token("Connection", "upgrade")
        {
            return Err(ResponseError::NoUpgrade);
        }
        match headers.only("Sec-WebSocket-Accept") {
            Ok(Some(accept)) if accept == accept_key(self.key) => {}
            Ok(Some(_)) => return Err(ResponseError::WrongAcceptKey),
            Ok(None) | Err(_) => return Err(ResponseError::NoAcceptKey),
        }
        let deflate = match Deflate::verify(headers) {
            Ok(None) => None,
            Ok(deflate) if self.deflate => deflate,
            _ => return Err(ResponseError::Extension),
        };
        let mut chosen = headers.tokens("Sec-WebSocket-Protocol");
        let subprotocol = match (chosen.next(), chosen.next()) {
            (None, _) => None,
            (Some(one), None) if self.subprotocols.contains(&one) => Some(one),
            _ => return Err(ResponseError::Subprotocol),
        };
        Ok(Agreed {
            subprotocol,
            deflate,
        })
    }
}
