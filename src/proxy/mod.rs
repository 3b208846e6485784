//! The client's address when proxies stand between: addresses, networks, and what proxies state.
//!
//! A proxy names its client in one of two ways: in a PROXY protocol header before the client's first
//! byte ([`header`]), or in the lines `X-Forwarded-For` of each request ([`forwarded`]). A client could
//! claim to be a proxy and name any address; so only networks count that the operator
//! [trusts](Trusted). This module knows what bytes mean, and neither sockets nor limits.

pub mod forwarded;
pub mod header;
mod trusted;

pub use trusted::{Network, Trusted};

use std::fmt;
use std::net::SocketAddr;

/// The other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PeerAddress {
    /// A peer with this address and port. The port is 0 where it is unknown.
    Tcp(SocketAddr),
    /// A process of this machine.
    Unix,
    /// Unknown: the kernel forgets the address when a connection is reset.
    Unknown,
}

impl PeerAddress {
    /// The address; an IPv4-mapped one of IPv6 is one of IPv4.
    #[must_use]
    pub fn tcp(address: SocketAddr) -> Self {
        PeerAddress::Tcp(SocketAddr::new(address.ip().to_canonical(), address.port()))
    }
}

/// What the kernel says: an address and port, or none in the Unix domain.
impl From<Option<SocketAddr>> for PeerAddress {
    fn from(address: Option<SocketAddr>) -> Self {
        address.map_or(PeerAddress::Unix, PeerAddress::tcp)
    }
}

impl fmt::Display for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PeerAddress::Tcp(address) if address.port() == 0 => address.ip().fmt(f),
            PeerAddress::Tcp(address) => address.fmt(f),
            PeerAddress::Unix => f.write_str("unix"),
            PeerAddress::Unknown => f.write_str("unknown"),
        }
    }
}

/// Where the address of a client is taken from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientAddress {
    /// That of the peer.
    #[default]
    Peer,
    /// What a trusted proxy says in a PROXY protocol header, version 1 or 2.
    ProxyProtocol,
    /// What trusted proxies say in `X-Forwarded-For`.
    ForwardedFor,
}
