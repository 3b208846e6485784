//! The host that a request is for (RFC 9110 §7.2), and the names that the server goes by.
//!
//! A server that only its own machine reaches is reached by every page that a browser there shows:
//! a page of `evil.example` has its name looked up again, is told `127.0.0.1`, and is of the same
//! origin as the server from then on (DNS rebinding). What it can't do is call the server by another
//! name than its own.

use super::error::RequestRefusal;
use super::head::{Head, is_percent_encoded};
use super::quoted::Quoted;
use std::error::Error;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// The host that a request is for, or nothing if it is one of HTTP/1.0 that does not say.
pub fn host<'a>(head: &Head<'a>) -> Result<Option<&'a str>, RequestRefusal> {
    let host = head.headers.text("Host")?;
    if host.is_none() && head.minor_version > 0 {
        return Err(RequestRefusal::Missing("Host"));
    }
    if ![host, head.authority()]
        .into_iter()
        .flatten()
        .all(is_authority)
    {
        return Err(RequestRefusal::Malformed("Host"));
    }
    Ok(head.authority().or(host))
}

/// A request is for a host that is not the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostRefusal<'a> {
    /// That host, with its port if it has one.
    pub host: &'a str,
}

impl fmt::Display for HostRefusal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "The server does not go by the name {}.",
            Quoted(self.host)
        )
    }
}

impl Error for HostRefusal<'_> {}

/// Whether a request may be for that host: an address, `localhost` or a name beneath it, which
/// no DNS server can point elsewhere, or one of those `named`. Of these, `*.example.com` stands for all
/// names beneath `example.com`, and `*` for every name. Ports don't matter, nor does case.
///
/// ```
/// use fanfare::proto::http1::check_host;
///
/// let none: [&str; 0] = [];
/// assert!(check_host("localhost:8080", none).is_ok());
/// assert!(check_host("[::1]:8080", none).is_ok());
/// assert!(check_host("chat.example", none).is_err());
/// assert!(check_host("chat.example:8080", ["*.example", "chat.example"]).is_ok());
/// ```
pub fn check_host<S: AsRef<str>>(
    host: &str,
    named: impl IntoIterator<Item = S>,
) -> Result<(), HostRefusal<'_>> {
    let (name, _) = split_port(host);
    let name = name.strip_suffix('.').unwrap_or(name);
    let is_address = name.starts_with('[') || name.parse::<Ipv4Addr>().is_ok();
    let is_local = matches("localhost", name) || matches("*.localhost", name);
    if is_address || is_local || named.into_iter().any(|named| matches(named.as_ref(), name)) {
        Ok(())
    } else {
        Err(HostRefusal { host })
    }
}

/// Whether a name is the one that is meant: with a `*` in place of its first labels, or of all of
/// them, any that ends so.
pub(super) fn matches(meant: &str, name: &str) -> bool {
    let (meant, name) = (meant.as_bytes(), name.as_bytes());
    match meant.strip_prefix(b"*") {
        Some(end) => {
            let labels = name.len().saturating_sub(end.len());
            labels > 0 && name[labels..].eq_ignore_ascii_case(end)
        }
        None => name.eq_ignore_ascii_case(meant),
    }
}

/// A host, and its port as it is written.
pub(super) fn split_port(authority: &str) -> (&str, Option<&str>) {
    // The colons of an IPv6 address are within brackets.
    let end = authority.find(']').map_or(0, |bracket| bracket + 1);
    match authority[end..].find(':') {
        Some(colon) => (
            &authority[..end + colon],
            Some(&authority[end + colon + 1..]),
        ),
        None => (authority, None),
    }
}

/// Whether this is a host with or without a port (RFC 3986 §3.2, less user information and commas).
/// Which host it names does not matter here. But a list of two, a URL, or a malformed port can be
/// understood in two ways.
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
