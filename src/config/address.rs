//! Addresses to listen on, as people write them.

use super::value::Value;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::str::FromStr;

/// An address to listen on: `8080`, `:8080`, `localhost:8080`, `0.0.0.0:8080`, `[::1]:8080`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    host: Host,
    port: u16,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    /// A port alone: this machine only, since that is the safe reading.
    Loopback,
    /// `:8080`: every interface.
    Any,
    Ip(IpAddr),
    Name(String),
}

/// The socket addresses that an address means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Binding {
    /// Listen on all of them.
    All(Vec<SocketAddr>),
    /// Listen on the first that the system has.
    First(Vec<SocketAddr>),
}

impl Value for Address {
    const UNIT: &'static str = "ADDR";
    const IS_NUMBER: bool = true;
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (host, port) = text.rsplit_once(':').unwrap_or(("*", text));
        let port = port.parse().map_err(|_| {
            format!("expected an address such as 8080, :8080, localhost:8080 or [::1]:8080, and {port:?} is not a port (0 to 65535)")
        })?;
        let bracketed = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        let host = match (host, bracketed) {
            ("*", _) if text.starts_with('*') => Host::Any,
            ("*", _) => Host::Loopback,
            ("", _) => Host::Any,
            (_, Some(ip)) => {
                let ip: Result<Ipv6Addr, _> = ip.parse();
                Host::Ip(
                    ip.map_err(|_| format!("{host} is not an IPv6 address"))?
                        .into(),
                )
            }
            (host, None) if host.contains(':') => {
                return Err(format!("an IPv6 address needs brackets: [{host}]:{port}"));
            }
            (host, None) => match host.parse::<Ipv4Addr>() {
                Ok(ip) => Host::Ip(ip.into()),
                Err(_) => Host::Name(host.into()),
            },
        };
        Ok(Address { host, port })
    }
}

impl Address {
    /// Looks up what it means. A name may mean several addresses, as `localhost` does.
    pub fn resolve(&self) -> io::Result<Binding> {
        let port = self.port;
        Ok(match &self.host {
            Host::Loopback => Binding::All(vec![(Ipv4Addr::LOCALHOST, port).into()]),
            // `[::]` takes IPv4 along; a system without IPv6 has `0.0.0.0` only.
            Host::Any => Binding::First(vec![
                (Ipv6Addr::UNSPECIFIED, port).into(),
                (Ipv4Addr::UNSPECIFIED, port).into(),
            ]),
            Host::Ip(ip) => Binding::All(vec![(*ip, port).into()]),
            Host::Name(name) => {
                let mut addresses: Vec<SocketAddr> =
                    (name.as_str(), port).to_socket_addrs()?.collect();
                // IPv4 first: with port 0, that is the port that is reported.
                addresses.sort_by_key(SocketAddr::is_ipv6);
                addresses.dedup();
                Binding::All(addresses)
            }
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Loopback => write!(f, "{}", self.port),
            Host::Any => write!(f, ":{}", self.port),
            Host::Ip(ip) => write!(f, "{}", SocketAddr::new(*ip, self.port)),
            Host::Name(name) => write!(f, "{name}:{}", self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(text: &str) -> Vec<String> {
        let address: Address = text.parse().unwrap();
        let (Binding::All(addresses) | Binding::First(addresses)) = address.resolve().unwrap();
        addresses.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_way_to_write_an_address() {
        assert_eq!(resolve("8080"), ["127.0.0.1:8080"]);
        assert_eq!(resolve(":8080"), ["[::]:8080", "0.0.0.0:8080"]);
        assert_eq!(resolve("*:8080"), ["[::]:8080", "0.0.0.0:8080"]);
        assert_eq!(resolve("0.0.0.0:80"), ["0.0.0.0:80"]);
        assert_eq!(resolve("[::1]:8080"), ["[::1]:8080"]);
        assert_eq!(resolve("localhost:8080")[0], "127.0.0.1:8080");
    }

    #[test]
    fn what_is_no_address() {
        for text in [
            "",
            "http",
            "localhost",
            "1.2.3.4:99999",
            "::1:8080",
            "[nope]:1",
            "host:",
        ] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }
}
