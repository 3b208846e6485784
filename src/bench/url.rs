//! Where to connect to: `ws://host:port/path?query`, or the same with `http`. An `{i}` in path and query
//! becomes the number of the room or the connection.
//!
//! Both schemes mean the same server, as they do where browsers open a WebSocket; the scenario says what is
//! spoken with it.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs};
use std::str::FromStr;

/// What stands for the number of a room or a connection.
const INDEX: &str = "{i}";

/// See the [module](self).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Url {
    scheme: &'static str,
    /// Host, and port if it was given, as they go into the Host header.
    authority: String,
    host: String,
    port: u16,
    /// Path and query.
    target: String,
}

impl FromStr for Url {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(format!("the scheme is missing, as in ws://{text}"));
        };
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "ws" => "ws",
            "http" => "http",
            "wss" | "https" => {
                return Err(
                    "TLS is not spoken here: measure the server behind its proxy, with ws:// or http://"
                        .into(),
                );
            }
            _ => return Err(format!("{scheme}:// is neither ws:// nor http://")),
        };
        let (authority, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        if target.contains('#') || authority.contains(['#', '@']) {
            return Err("a URL has neither a fragment nor a user name here".into());
        }
        let is_odd = |c: &char| !c.is_ascii_graphic();
        if let Some(odd) = authority.chars().find(is_odd) {
            return Err(format!(
                "{odd:?} can't be in a host: names of other letters begin with xn--"
            ));
        }
        if let Some(odd) = target.chars().find(is_odd) {
            return Err(format!("{odd:?} must be percent-encoded"));
        }
        let (host, port) = split_authority(authority)?;
        Ok(Url {
            scheme,
            authority: authority.into(),
            host: host.into(),
            port,
            target: if target.starts_with('/') {
                target.into()
            } else {
                format!("/{target}")
            },
        })
    }
}

fn split_authority(authority: &str) -> Result<(&str, u16), String> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(bracketed) => {
            let (host, port) = bracketed
                .split_once(']')
                .ok_or("the bracket of the IPv6 address is not closed")?;
            match port.strip_prefix(':') {
                None if !port.is_empty() => {
                    return Err(format!("{port:?} follows the bracket, where :port belongs"));
                }
                port => (host, port),
            }
        }
        None => match authority.split_once(':') {
            Some((_, more)) if more.contains(':') => {
                return Err("an IPv6 address stands in brackets, as in ws://[::1]:8080/ws".into());
            }
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    if host.is_empty() {
        return Err("the host is missing, as in ws://localhost:8080/ws".into());
    }
    let port = match port {
        None => 80,
        Some(port) => match port.parse() {
            Ok(port @ 1..) => port,
            _ => return Err(format!("{port:?} is not a port (1 to 65535)")),
        },
    };
    Ok((host, port))
}

impl Url {
    /// The addresses of the host's name, in the order in which they are to be tried: at least one.
    pub(super) fn resolve(&self) -> Result<Vec<SocketAddr>, String> {
        let addresses = (self.host.as_str(), self.port)
            .to_socket_addrs()
            .map_err(|error| format!("there is no host {} ({error})", self.host))?;
        match interleaved(addresses) {
            none if none.is_empty() => Err(format!("{} has no address", self.host)),
            addresses => Ok(addresses),
        }
    }

    /// What the Host header says.
    pub(super) fn authority(&self) -> &str {
        &self.authority
    }

    /// Whether each connection, or room, has another one.
    pub(super) fn is_numbered(&self) -> bool {
        self.target.contains(INDEX)
    }

    /// Path and query for the connection of this number.
    pub(super) fn target(&self, index: usize) -> String {
        self.target.replace(INDEX, &index.to_string())
    }
}

/// The families take turns (RFC 8305 §4), so that an unreachable one costs one attempt, whatever the
/// number of its addresses. Otherwise the system's order is kept: it knows which addresses suit this
/// machine.
fn interleaved(addresses: impl Iterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let mut turns = [0; 2];
    let mut in_turns: Vec<(usize, SocketAddr)> = Vec::new();
    for address in addresses {
        if in_turns.iter().all(|&(_, known)| known != address) {
            let turn = &mut turns[usize::from(address.is_ipv6())];
            in_turns.push((*turn, address));
            *turn += 1;
        }
    }
    in_turns.sort_by_key(|&(turn, _)| turn);
    in_turns.into_iter().map(|(_, address)| address).collect()
}

impl<'de> Deserialize<'de> for Url {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

impl Serialize for Url {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme, self.authority, self.target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_url_says() {
        for (text, host, port, target) in [
            ("ws://localhost", "localhost", 80, "/"),
            ("ws://localhost:8080/ws", "localhost", 8080, "/ws"),
            ("WS://[::1]:9/a?b=c", "::1", 9, "/a?b=c"),
            ("ws://example.com?x", "example.com", 80, "/?x"),
        ] {
            let url: Url = text.parse().unwrap();
            assert_eq!(
                (url.host.as_str(), url.port, url.target.as_str()),
                (host, port, target)
            );
        }
        let url: Url = "ws://h/room/{i}?n={i}".parse().unwrap();
        assert_eq!(url.target(7), "/room/7?n=7");
        let url: Url = "HTTP://h/ws".parse().unwrap();
        assert_eq!(url.to_string(), "http://h/ws");
    }

    #[test]
    fn families_take_turns() {
        let order = |addresses: &[&str]| -> Vec<String> {
            let addresses = addresses.iter().map(|address| address.parse().unwrap());
            let order = interleaved(addresses).into_iter();
            order.map(|address| address.to_string()).collect()
        };
        assert_eq!(
            order(&[
                "[::1]:1",
                "[::2]:1",
                "[::3]:1",
                "1.1.1.1:1",
                "[::1]:1",
                "1.1.1.2:1"
            ]),
            ["[::1]:1", "1.1.1.1:1", "[::2]:1", "1.1.1.2:1", "[::3]:1"]
        );
        assert_eq!(order(&["1.1.1.1:1", "[::1]:1"]), ["1.1.1.1:1", "[::1]:1"]);
        assert!(order(&[]).is_empty());
    }

    #[test]
    fn what_is_no_url() {
        for text in [
            "",
            "localhost:8080",
            "ftp://localhost",
            "wss://localhost",
            "ws://",
            "ws://:80/",
            "ws://h:0/",
            "ws://h:x/",
            "ws://h:99999/",
            "ws://[::1/",
            "ws://u@h/",
            "ws://h/#f",
            "ws://h/a b",
            "ws://h/ä",
            "ws://ä/",
            "ws://::1:8080",
            "https://localhost",
            "ws://[::1]8080/",
        ] {
            assert!(text.parse::<Url>().is_err(), "{text}");
        }
    }
    #[test]
    fn what_to_write_instead() {
        for (text, words) in [
            ("wss://h/", "TLS is not spoken"),
            ("https://h/", "TLS is not spoken"),
            ("tcp://h/ws", "neither ws:// nor http://"),
            ("ws://::1:18080", "in brackets"),
            ("ws://h/ä", "percent-encoded"),
            ("ws://ä/", "xn--"),
        ] {
            let why = text.parse::<Url>().unwrap_err();
            assert!(why.contains(words), "{text}: {why}");
        }
    }
}
