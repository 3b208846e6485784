//! Addresses to listen on, as people write them.

use super::value::Value;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::str::FromStr;

/// An address to listen on: `8080`, `:8080`, `localhost:8080`, `0.0.0.0:8080`, `[::1]:8080`,
/// `unix:/run/fanfare.sock`, `unix:@fanfare`, `systemd`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A host and a port.
    Tcp(Host, u16),
    /// A path in the file system.
    Unix(PathBuf),
    /// A name that Linux keeps in no file system.
    Abstract(String),
    /// Whatever sockets the service manager hands over.
    Systemd,
}

/// The host of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// A port alone: this machine only, since that is the safe reading.
    Loopback,
    /// `:8080`: every interface.
    Any,
    /// An address.
    Ip(IpAddr),
    /// A name, to be looked up.
    Name(String),
}

/// The sockets that an address means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Binding {
    /// All of these. `[::]` takes IPv4 along, unless IPv4 is listened on at the same port as well.
    All(Vec<SocketAddr>),
    /// The first of these that the system has.
    First(Vec<SocketAddr>),
    /// One at this path.
    Unix(PathBuf),
    /// One of this name, which stands in no file system.
    Abstract(String),
    /// Those that the service manager handed over.
    Inherited,
}

const UNIX: &str = "unix:";
/// What a name that is no path begins with, as other programs write it.
const ABSTRACT: char = '@';
const SYSTEMD: &str = "systemd";

impl Value for Address {
    const UNIT: &'static str = "ADDR";
    const IS_NUMBER: bool = true;
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == SYSTEMD {
            return Ok(Address::Systemd);
        }
        if let Some(path) = text.strip_prefix(UNIX) {
            return match (path, path.strip_prefix(ABSTRACT)) {
                ("", _) => Err("expected a path, as in unix:/run/fanfare.sock".into()),
                (path, None) => Ok(Address::Unix(path.into())),
                (_, Some("")) => Err("expected a name, as in unix:@fanfare".into()),
                (_, Some(name)) if cfg!(target_os = "linux") => Ok(Address::Abstract(name.into())),
                _ => {
                    Err("expected a path: Linux alone has names without a file (unix:@name)".into())
                }
            };
        }
        let (host, port) = text.rsplit_once(':').unwrap_or(("*", text));
        let port = port.parse().map_err(|_| {
            format!(
                "expected an address such as 8080, :8080, localhost:8080, [::1]:8080, unix:PATH or \
                 systemd, and {port:?} is not a port (0 to 65535)"
            )
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
                let ip = ip.map_err(|_| format!("expected an IPv6 address, not {host}"))?;
                Host::Ip(ip.into())
            }
            (host, None) if host.contains(':') => {
                return Err(format!("expected brackets: [{host}]:{port}"));
            }
            (host, None) => match host.parse::<Ipv4Addr>() {
                Ok(ip) => Host::Ip(ip.into()),
                Err(_) => Host::Name(host.into()),
            },
        };
        Ok(Address::Tcp(host, port))
    }
}

impl Address {
    /// Looks up what it means. A name may mean several addresses, as `localhost` does.
    pub fn resolve(&self) -> io::Result<Binding> {
        let (host, port) = match self {
            Address::Tcp(host, port) => (host, *port),
            Address::Unix(path) => return Ok(Binding::Unix(path.clone())),
            Address::Abstract(name) => return Ok(Binding::Abstract(name.clone())),
            Address::Systemd => return Ok(Binding::Inherited),
        };
        Ok(match host {
            Host::Loopback => Binding::All(vec![(Ipv4Addr::LOCALHOST, port).into()]),
            // `[::]` takes IPv4 along (see `Binding::All`); a system without IPv6 has `0.0.0.0` only.
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

impl Address {
    /// Whether a socket address may be meant by both. A name that means nothing now does not count:
    /// to listen on it fails anyway.
    #[must_use]
    pub fn overlaps(&self, other: &Address) -> bool {
        self.shares(other, |ours, theirs| {
            ours == theirs || ours.is_unspecified() || theirs.is_unspecified()
        })
    }

    /// Whether the two cannot be listened on together. `[::]` and an address of IPv4 go together: each
    /// then has its own.
    #[must_use]
    pub fn excludes(&self, other: &Address) -> bool {
        self.shares(other, |ours, theirs| {
            let is_any = ours.is_unspecified() || theirs.is_unspecified();
            ours == theirs || is_any && ours.is_ipv4() == theirs.is_ipv4()
        })
    }

    fn shares(&self, other: &Address, is_shared: impl Fn(IpAddr, IpAddr) -> bool) -> bool {
        match (self, other) {
            (Address::Tcp(_, ours), Address::Tcp(_, theirs)) if ours == theirs && *ours != 0 => {}
            // Each free port is another one.
            (Address::Tcp(..), Address::Tcp(..)) => return false,
            (ours, theirs) => return ours == theirs,
        }
        let addresses = |address: &Address| match address.resolve() {
            Ok(Binding::All(addresses) | Binding::First(addresses)) => addresses,
            _ => Vec::new(),
        };
        let ours = addresses(self);
        let theirs = addresses(other);
        let mut pairs = ours
            .iter()
            .flat_map(|ours| theirs.iter().map(move |theirs| (ours.ip(), theirs.ip())));
        pairs.any(|(ours, theirs)| is_shared(ours, theirs))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(Host::Loopback, port) => write!(f, "{port}"),
            Address::Tcp(Host::Any, port) => write!(f, ":{port}"),
            Address::Tcp(Host::Ip(ip), port) => write!(f, "{}", SocketAddr::new(*ip, *port)),
            Address::Tcp(Host::Name(name), port) => write!(f, "{name}:{port}"),
            Address::Unix(path) => write!(f, "{UNIX}{}", path.display()),
            Address::Abstract(name) => write!(f, "{UNIX}{ABSTRACT}{name}"),
            Address::Systemd => f.write_str(SYSTEMD),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(text: &str) -> Vec<String> {
        let address: Address = text.parse().unwrap();
        match address.resolve().unwrap() {
            Binding::All(addresses) | Binding::First(addresses) => {
                addresses.iter().map(ToString::to_string).collect()
            }
            binding => vec![format!("{binding:?}")],
        }
    }

    #[test]
    fn every_way_to_write_an_address() {
        assert_eq!(resolve("8080"), ["127.0.0.1:8080"]);
        assert_eq!(resolve(":8080"), ["[::]:8080", "0.0.0.0:8080"]);
        assert_eq!(resolve("*:8080"), ["[::]:8080", "0.0.0.0:8080"]);
        assert_eq!(resolve("0.0.0.0:80"), ["0.0.0.0:80"]);
        assert_eq!(resolve("[::1]:8080"), ["[::1]:8080"]);
        assert_eq!(resolve("localhost:8080")[0], "127.0.0.1:8080");
        assert_eq!(resolve("unix:a b:1"), ["Unix(\"a b:1\")"]);
        assert_eq!(resolve("systemd"), ["Inherited"]);
    }

    #[test]
    fn an_address_is_written_as_it_is_read() {
        for text in [
            "8080",
            ":8080",
            "127.0.0.1:80",
            "[::1]:8080",
            "localhost:8080",
            "unix:/run/fanfare.sock",
            #[cfg(target_os = "linux")]
            "unix:@fanfare",
            "systemd",
        ] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn addresses_that_mean_the_same() {
        let overlap = |one: &str, other: &str| {
            let (one, other): (Address, Address) = (one.parse().unwrap(), other.parse().unwrap());
            assert_eq!(one.overlaps(&other), other.overlaps(&one));
            one.overlaps(&other)
        };
        assert!(overlap("8080", "127.0.0.1:8080"));
        assert!(overlap("8080", "localhost:8080"));
        assert!(overlap("8080", ":8080"));
        assert!(overlap("0.0.0.0:8080", "[::1]:8080"));
        assert!(!overlap("8080", "8081"));
        assert!(!overlap("127.0.0.1:8080", "127.0.0.2:8080"));
        assert!(!overlap("127.0.0.1:0", "127.0.0.1:0"));
    }

    #[test]
    fn addresses_that_go_together() {
        let exclude = |one: &str, other: &str| {
            let (one, other): (Address, Address) = (one.parse().unwrap(), other.parse().unwrap());
            assert_eq!(one.excludes(&other), other.excludes(&one));
            one.excludes(&other)
        };
        for (one, other) in [
            ("0.0.0.0:8080", "[::]:8080"),
            ("127.0.0.1:8080", "[::]:8080"),
            ("0.0.0.0:8080", "[::1]:8080"),
            ("8080", "8081"),
            ("0", "0"),
            ("[::]:0", "[::]:0"),
            ("unix:a", "unix:b"),
            ("systemd", "8080"),
        ] {
            assert!(!exclude(one, other), "{one} {other}");
        }
        for (one, other) in [
            ("8080", "127.0.0.1:8080"),
            ("8080", "0.0.0.0:8080"),
            ("8080", ":8080"),
            ("0.0.0.0:8080", ":8080"),
            ("[::]:8080", ":8080"),
            ("[::]:8080", "[::1]:8080"),
            ("unix:a", "unix:a"),
            ("systemd", "systemd"),
        ] {
            assert!(exclude(one, other), "{one} {other}");
        }
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
            "unix:",
            "unix:@",
        ] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }
}
