//! The proxies that the operator trusts to name their clients.

use super::PeerAddress;
use ipnet::IpNet;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// A network of proxies: `10.0.0.0/8`, `2001:db8::/32`, one address, or `unix` for all peers of
/// a Unix domain socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// The addresses of a network.
    Ip(IpNet),
    /// Processes of this machine, by a Unix domain socket.
    Unix,
}

const UNIX: &str = "unix";

/// The networks of the proxies that are trusted.
#[derive(Clone, Debug, Default)]
pub struct Trusted(Vec<Network>);

impl Trusted {
    /// Whether it is one of them.
    #[must_use]
    pub fn contains(&self, peer: PeerAddress) -> bool {
        match peer {
            PeerAddress::Tcp(address) => self.contains_ip(address.ip()),
            PeerAddress::Unix => self.0.contains(&Network::Unix),
            PeerAddress::Unknown => false,
        }
    }

    pub(super) fn contains_ip(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.0.iter().any(|network| match network {
            Network::Ip(network) => network.contains(&ip),
            Network::Unix => false,
        })
    }
}

impl FromIterator<Network> for Trusted {
    fn from_iter<T: IntoIterator<Item = Network>>(networks: T) -> Self {
        Trusted(networks.into_iter().collect())
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == UNIX {
            return Ok(Network::Unix);
        }
        let expected = || "expected a network such as 10.0.0.0/8, an address, or unix".to_owned();
        let network = match text.contains('/') {
            true => text.parse().map_err(|_| expected())?,
            false => IpNet::from(text.parse::<IpAddr>().map_err(|_| expected())?),
        };
        if network.addr() != network.network() {
            return Err(format!(
                "expected a network, which {network} lies in: did you mean {}?",
                network.trunc()
            ));
        }
        // Addresses of IPv4 are compared as such, whatever socket they came by.
        if network.addr().to_canonical() != network.addr() {
            return Err(format!(
                "expected a network of IPv4 in its own form, such as {}",
                network.addr().to_canonical()
            ));
        }
        Ok(Network::Ip(network))
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Network::Unix => f.write_str(UNIX),
            Network::Ip(network) if network.prefix_len() == network.max_prefix_len() => {
                network.addr().fmt(f)
            }
            Network::Ip(network) => network.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        text.parse().expect(text)
    }

    #[test]
    fn networks_are_written_as_they_are_read() {
        for text in [
            "10.0.0.0/8",
            "192.0.2.1",
            "2001:db8::/32",
            "::1",
            "0.0.0.0/0",
            "::/0",
            "unix",
        ] {
            assert_eq!(network(text).to_string(), text);
        }
        assert_eq!(network("192.0.2.1/32").to_string(), "192.0.2.1");
    }

    #[test]
    fn what_is_no_network() {
        for text in [
            "",
            "10.0.0.0/33",
            "10.0.0/8",
            "proxy",
            "::1/129",
            "/8",
            "10.0.0.0/",
            "1.2.3.4:5",
        ] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
        let error = "10.0.0.1/8".parse::<Network>().unwrap_err();
        assert!(error.contains("did you mean 10.0.0.0/8?"), "{error}");
        let error = "::ffff:10.0.0.0/104".parse::<Network>().unwrap_err();
        assert!(error.contains("such as 10.0.0.0"), "{error}");
    }

    #[test]
    fn trusted_are_those_within() {
        let trusted: Trusted = ["10.0.0.0/8", "2001:db8::/32"]
            .map(network)
            .into_iter()
            .collect();
        let contains = |ip: &str| {
            trusted.contains(PeerAddress::Tcp((ip.parse::<IpAddr>().unwrap(), 1).into()))
        };
        assert!(contains("10.255.0.1") && contains("2001:db8::1") && contains("::ffff:10.0.0.1"));
        assert!(!contains("11.0.0.1") && !contains("2001:db9::1") && !contains("::10.0.0.1"));
        assert!(!trusted.contains(PeerAddress::Unix) && !trusted.contains(PeerAddress::Unknown));
        let unix: Trusted = [Network::Unix].into_iter().collect();
        assert!(unix.contains(PeerAddress::Unix) && !unix.contains(PeerAddress::Unknown));
    }
}
