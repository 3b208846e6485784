//! The PROXY protocol, versions 1 and 2: a header that a proxy sends before the client's first byte.
//!
//! ```text
//!   v1   PROXY TCP4 203.0.113.7 192.0.2.1 4711 80\r\n
//!
//!   v2   0D 0A 0D 0A 00 0D 0A 51 55 49 54 0A │ 21 │ 11 │ 00 0C │ addresses, ports │ TLVs
//!        signature                            │    │    │       └ this many bytes follow
//!                                             │    │    └ family and transport
//!                                             │    └ version 2, and PROXY or LOCAL
//! ```
//!
//! Specified by HAProxy (proxy-protocol.txt). We are stricter where it allows that: one space
//! between words, numbers without leading zeros, and 4 KiB at most in version 2, which proxies with
//! all their TLVs stay far below. TLVs are skipped.

use std::error::Error;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str;

/// The longest line of version 1, its end included, as specified.
const LINE_BYTES_MAX: usize = 107;

/// The longest header of version 2 that is accepted.
pub const HEADER_BYTES_MAX: usize = 4096;

const LINE_START: &[u8] = b"PROXY ";
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// Bytes of version 2 before the addresses.
const FIXED_BYTES: usize = SIGNATURE.len() + 4;

/// Two addresses and two ports, and two paths.
const IPV4_BYTES: usize = 12;
const IPV6_BYTES: usize = 36;
const UNIX_BYTES: usize = 216;

/// A whole header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProxyHeader {
    /// The client that the proxy names.
    pub client: NamedClient,
    /// Bytes of the header; what follows is the client's.
    pub bytes: usize,
}

/// The client that a proxy names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NamedClient {
    /// A client with this address and port.
    Tcp(SocketAddr),
    /// A process of the proxy's machine.
    Unix,
    /// None: the proxy connects for itself, such as for a health check, or does not know the address.
    Unsaid,
}

/// Why bytes are not accepted as a header. It ends the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProxyHeaderError {
    /// It does not begin as a header of either version does.
    Start,
    /// The line of version 1 is malformed.
    Line,
    /// Of version 2: an unknown version, command, address family or transport.
    Kind,
    /// Of version 2: too short for its addresses.
    Length,
    /// It is over the limit.
    TooLong,
}

impl fmt::Display for ProxyHeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Start => {
                "A connection from this network has to begin with a PROXY protocol header."
            }
            Self::Line => "The line of the PROXY protocol is malformed.",
            Self::Kind => {
                "The PROXY protocol header has a version, command or family that there is none of."
            }
            Self::Length => "The PROXY protocol header is too short for its addresses.",
            Self::TooLong => "The PROXY protocol header is too long.",
        })
    }
}

impl Error for ProxyHeaderError {}

/// Reads a header, given all the bytes since the connection began. `None` means that more are
/// needed. Other input is refused at its first byte that can't belong to a header.
///
/// ```
/// use fanfare::proxy::header::{NamedClient, parse};
///
/// let read = b"PROXY TCP4 203.0.113.7 192.0.2.1 4711 80\r\nGET / HTTP/1.1\r\n";
/// let header = parse(read)?.expect("it is whole");
/// assert_eq!(header.client, NamedClient::Tcp("203.0.113.7:4711".parse().unwrap()));
/// assert!(read[header.bytes..].starts_with(b"GET"));
/// assert_eq!(parse(b"PROXY TCP4 203.0.")?, None);
/// # Ok::<(), fanfare::proxy::header::ProxyHeaderError>(())
/// ```
pub fn parse(input: &[u8]) -> Result<Option<ProxyHeader>, ProxyHeaderError> {
    if begins(input, LINE_START) {
        parse_line(input)
    } else if begins(input, SIGNATURE) {
        parse_binary(input)
    } else {
        Err(ProxyHeaderError::Start)
    }
}

/// Whether the input begins with `start`, as far as it has come.
fn begins(input: &[u8], start: &[u8]) -> bool {
    let bytes = input.len().min(start.len());
    input[..bytes] == start[..bytes]
}

/// Version 1. The line is short, so that searching for its end from the start with each byte that
/// trickles in costs little.
fn parse_line(input: &[u8]) -> Result<Option<ProxyHeader>, ProxyHeaderError> {
    let seen = &input[..input.len().min(LINE_BYTES_MAX)];
    let Some(end) = seen.iter().position(|byte| !is_visible(*byte)) else {
        return match seen.len() {
            LINE_BYTES_MAX => Err(ProxyHeaderError::TooLong),
            _ => Ok(None),
        };
    };
    if !begins(&seen[end..], b"\r\n") {
        return Err(ProxyHeaderError::Line);
    }
    let bytes = end + b"\r\n".len();
    if seen.len() < bytes {
        return match seen.len() {
            LINE_BYTES_MAX => Err(ProxyHeaderError::TooLong),
            _ => Ok(None),
        };
    }
    let line = str::from_utf8(&seen[LINE_START.len()..end]).map_err(|_| ProxyHeaderError::Line)?;
    let client = parse_words(line).ok_or(ProxyHeaderError::Line)?;
    Ok(Some(ProxyHeader { client, bytes }))
}

fn is_visible(byte: u8) -> bool {
    matches!(byte, b' '..=b'~')
}

/// The words after `PROXY`.
fn parse_words(line: &str) -> Option<NamedClient> {
    let (family, rest) = line.split_once(' ').unwrap_or((line, ""));
    if family == "UNKNOWN" {
        // The rest of the line has to be ignored.
        return Some(NamedClient::Unsaid);
    }
    let mut words = rest.split(' ');
    let [source, destination, source_port, destination_port] =
        [words.next()?, words.next()?, words.next()?, words.next()?];
    let ip = |word: &str| -> Option<IpAddr> {
        match family {
            "TCP4" => Some(word.parse::<Ipv4Addr>().ok()?.into()),
            "TCP6" => Some(word.parse::<Ipv6Addr>().ok()?.into()),
            _ => None,
        }
    };
    let client = SocketAddr::new(ip(source)?, port(source_port)?);
    // The destination is not used, but has to be well-formed.
    ip(destination)?;
    port(destination_port)?;
    words.next().is_none().then(|| tcp(client))
}

fn port(word: &str) -> Option<u16> {
    let port: u16 = word.parse().ok()?;
    // Rust's parser would accept signs and leading zeros.
    (port.to_string() == word).then_some(port)
}

fn tcp(client: SocketAddr) -> NamedClient {
    NamedClient::Tcp(SocketAddr::new(client.ip().to_canonical(), client.port()))
}

/// Version 2.
fn parse_binary(input: &[u8]) -> Result<Option<ProxyHeader>, ProxyHeaderError> {
    let Some(&version_and_command) = input.get(SIGNATURE.len()) else {
        return Ok(None);
    };
    let is_local = match version_and_command {
        0x20 => true,
        0x21 => false,
        _ => return Err(ProxyHeaderError::Kind),
    };
    let Some(&family_and_transport) = input.get(SIGNATURE.len() + 1) else {
        return Ok(None);
    };
    let (family, transport) = (family_and_transport >> 4, family_and_transport & 0xF);
    if family > 3 || transport > 2 {
        return Err(ProxyHeaderError::Kind);
    }
    let address_bytes = match family {
        _ if is_local => 0,
        1 => IPV4_BYTES,
        2 => IPV6_BYTES,
        3 => UNIX_BYTES,
        _ => 0,
    };
    let Some(fixed) = input.first_chunk::<FIXED_BYTES>() else {
        return Ok(None);
    };
    let following = usize::from(u16::from_be_bytes([fixed[14], fixed[15]]));
    if following < address_bytes {
        return Err(ProxyHeaderError::Length);
    }
    let bytes = FIXED_BYTES + following;
    if bytes > HEADER_BYTES_MAX {
        return Err(ProxyHeaderError::TooLong);
    }
    let Some(addresses) = input.get(FIXED_BYTES..bytes) else {
        return Ok(None);
    };
    let client = match family {
        _ if is_local => NamedClient::Unsaid,
        1 => {
            let mut ip = [0; 4];
            ip.copy_from_slice(&addresses[..4]);
            tcp((ip, port_at(addresses, 8)).into())
        }
        2 => {
            let mut ip = [0; 16];
            ip.copy_from_slice(&addresses[..16]);
            tcp((ip, port_at(addresses, 32)).into())
        }
        3 => NamedClient::Unix,
        _ => NamedClient::Unsaid,
    };
    Ok(Some(ProxyHeader { client, bytes }))
}

fn port_at(addresses: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([addresses[at], addresses[at + 1]])
}

#[cfg(test)]
mod tests;
