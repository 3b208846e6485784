//! Where connections come from, and what proxies say of that.

use crate::character::Character;
use crate::random::Random;
use fanfare::proxy::{ClientAddress, PeerAddress, Trusted};
use std::net::SocketAddr;

/// Few, so that they meet their bounds; some of them are the same, or of the same 64 bits.
const CLIENTS: [&str; 6] = [
    "203.0.113.1",
    "[2001:db8::1]",
    "203.0.113.2",
    "[2001:db8::2]",
    "[::ffff:203.0.113.1]",
    "[2001:db8:0:1::1]",
];
const PROXIES: [&str; 2] = ["10.0.0.1", "[::ffff:10.0.0.2]"];

/// What proxies are trusted, if any are.
pub(crate) fn trusted() -> Trusted {
    let networks = ["10.0.0.0/8", "unix"];
    let networks = networks.map(|network| network.parse().expect("a network"));
    networks.into_iter().collect()
}

/// What a client, or the proxy before it, says about the client's address.
#[derive(Clone, Debug)]
pub(crate) enum Introduction {
    None,
    /// A PROXY protocol header, and the client that it names.
    Header(Vec<u8>, Option<PeerAddress>),
    /// A header that is missing where there has to be one.
    Forgotten,
    /// An `X-Forwarded-For` line in each request, and the client that it names.
    Forwarded(String, Option<PeerAddress>),
}

/// How a connection comes: from where, and with which introduction.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    pub(crate) peer: PeerAddress,
    pub(crate) introduction: Introduction,
    /// It comes from a trusted proxy, which is believed.
    pub(crate) is_proxy: bool,
}

impl Origin {
    pub(crate) fn draw(character: &Character, random: &mut Random) -> Self {
        let client = client(character, random);
        let way = character.limits.admission.client_address;
        if way == ClientAddress::Peer || random.once_in(3) {
            let is_liar = way == ClientAddress::ForwardedFor && random.once_in(2);
            let lie =
                || Introduction::Forwarded("198.51.100.1".into(), Some(address("198.51.100.1", 0)));
            return Origin {
                peer: client,
                introduction: if is_liar { lie() } else { Introduction::None },
                is_proxy: way != ClientAddress::Peer && client == PeerAddress::Unix,
            }
            .or_header(character);
        }
        let peer = match random.below(3) {
            0 => PeerAddress::Unix,
            _ => tcp(random.pick(&PROXIES), random),
        };
        let introduction = match way {
            ClientAddress::ProxyProtocol if random.once_in(10) => Introduction::Forgotten,
            ClientAddress::ProxyProtocol => header(client, random),
            _ => forwarded(client, random),
        };
        Origin {
            peer,
            introduction,
            is_proxy: true,
        }
    }

    /// Where a header is due, one that says nothing is missing.
    fn or_header(mut self, character: &Character) -> Self {
        let way = character.limits.admission.client_address;
        if self.is_proxy && way == ClientAddress::ProxyProtocol {
            self.introduction = Introduction::Forgotten;
        }
        self
    }
}

/// Some client.
fn client(character: &Character, random: &mut Random) -> PeerAddress {
    let addresses = &CLIENTS[..character.addresses.min(CLIENTS.len())];
    match random.below(16) {
        0 => PeerAddress::Unix,
        1 => PeerAddress::Unknown,
        _ => tcp(random.pick(addresses), random),
    }
}

/// Each address that is counted apart.
pub(crate) fn all() -> impl Iterator<Item = PeerAddress> {
    let apart = [0, 1, 2, 5].map(|index| CLIENTS[index]);
    apart.into_iter().map(|ip| address(ip, 1))
}

fn tcp(ip: &str, random: &mut Random) -> PeerAddress {
    address(ip, random.between(1, 65_535) as u16)
}

fn address(ip: &str, port: u16) -> PeerAddress {
    let address: SocketAddr = format!("{ip}:{port}").parse().expect("an address");
    PeerAddress::Tcp(address)
}

/// A PROXY protocol header of version 1 or 2.
fn header(client: PeerAddress, random: &mut Random) -> Introduction {
    let PeerAddress::Tcp(address) = client else {
        return Introduction::Header(b"PROXY UNKNOWN\r\n".to_vec(), None);
    };
    let address = SocketAddr::new(address.ip().to_canonical(), address.port());
    let (family, destination) = match address {
        SocketAddr::V4(_) => ("TCP4", "192.0.2.1"),
        SocketAddr::V6(_) => ("TCP6", "2001:db8::9"),
    };
    let (ip, port) = (address.ip(), address.port());
    let line = format!("PROXY {family} {ip} {destination} {port} 80\r\n");
    let SocketAddr::V4(v4) = address else {
        return Introduction::Header(line.into_bytes(), Some(client));
    };
    if random.once_in(2) {
        return Introduction::Header(line.into_bytes(), Some(client));
    }
    let mut bytes = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
    bytes.extend(v4.ip().octets());
    bytes.extend([192, 0, 2, 1]);
    bytes.extend(port.to_be_bytes());
    bytes.extend(80_u16.to_be_bytes());
    Introduction::Header(bytes, Some(client))
}

/// A list in which the last one that is no proxy is the client.
fn forwarded(client: PeerAddress, random: &mut Random) -> Introduction {
    let PeerAddress::Tcp(address) = client else {
        return Introduction::Forwarded("198.51.100.1, unknown".into(), None);
    };
    let before = random.pick(&["", "198.51.100.1, "]);
    let after = random.pick(&["", ", 10.0.0.7"]);
    Introduction::Forwarded(format!("{before}{address}{after}"), Some(client))
}
