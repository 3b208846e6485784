//! `X-Forwarded-For`: a list of addresses, to which each proxy appends that of its peer.
//!
//! ```text
//!   X-Forwarded-For: 6.6.6.6, 203.0.113.7, 10.0.0.2        peer: 10.0.0.1
//!                    ─┬─────  ─┬─────────  ─┬──────
//!                     │        │            a trusted proxy, says the peer, which is one too
//!                     │        the client, says 10.0.0.2
//!                     whatever the client made up
//! ```
//!
//! So the client is the last address that is not a trusted proxy's. Each address up to it was seen by a
//! proxy that we trust; those before it may be invented.

use super::Trusted;
use crate::proto::Headers;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// The client that a trusted proxy names, if it names one. If all in the list are trusted, it is the
/// first of them. An entry that is not an address hides those before it.
#[must_use]
pub fn client(headers: &Headers, trusted: &Trusted) -> Option<SocketAddr> {
    let mut client = None;
    for entry in headers.tokens("X-Forwarded-For") {
        client = match parse(entry) {
            // Neither its author nor the entries before it can be trusted.
            None => None,
            Some(address) if client.is_some() && trusted.contains_ip(address.ip()) => client,
            address => address,
        };
    }
    client
}

/// One entry: `192.0.2.1`, `192.0.2.1:4711`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:4711`.
/// Without a port, it is 0.
fn parse(entry: &str) -> Option<SocketAddr> {
    let bracketed = entry
        .strip_prefix('[')
        .and_then(|entry| entry.strip_suffix(']'));
    let address = match bracketed {
        Some(ip) => SocketAddr::new(ip.parse::<Ipv6Addr>().ok()?.into(), 0),
        None => entry
            .parse::<IpAddr>()
            .map(|ip| SocketAddr::new(ip, 0))
            .or_else(|_| entry.parse())
            .ok()?,
    };
    Some(SocketAddr::new(address.ip().to_canonical(), address.port()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::Head;
    use proptest::prelude::*;

    fn find(lines: &[&str]) -> Option<String> {
        let mut head = String::from("GET / HTTP/1.1\r\n");
        for line in lines {
            head += &format!("X-Forwarded-For: {line}\r\n");
        }
        head += "\r\n";
        let head = Head::parse(head.as_bytes()).expect("a head");
        let networks = ["10.0.0.0/8", "2001:db8:1::/48"];
        let trusted = networks.map(|network| network.parse().expect("a network"));
        client(&head.headers, &trusted.into_iter().collect()).map(|client| client.to_string())
    }

    #[test]
    fn the_client_is_the_last_that_is_no_proxy() {
        for (lines, expected) in [
            (&[][..], None),
            (&[""], None),
            (&["203.0.113.7"], Some("203.0.113.7:0")),
            (&["6.6.6.6, 203.0.113.7"], Some("203.0.113.7:0")),
            (&["6.6.6.6, 203.0.113.7, 10.0.0.2"], Some("203.0.113.7:0")),
            (&["203.0.113.7,10.0.0.3 ,\t10.0.0.2"], Some("203.0.113.7:0")),
            // Several lines are one list.
            (
                &["6.6.6.6", "203.0.113.7", "10.0.0.2, 10.0.0.3"],
                Some("203.0.113.7:0"),
            ),
            // All of them are proxies: the first is the client of the others.
            (&["10.0.0.4, 10.0.0.2"], Some("10.0.0.4:0")),
            // What is not an address hides those before it.
            (&["203.0.113.7, unknown"], None),
            (&["203.0.113.7, unknown, 10.0.0.2"], Some("10.0.0.2:0")),
            (&["unknown, 203.0.113.7"], Some("203.0.113.7:0")),
            (&["203.0.113.7 10.0.0.2"], None),
        ] {
            assert_eq!(find(lines).as_deref(), expected, "{lines:?}");
        }
    }

    #[test]
    fn an_address_is_written_in_many_ways() {
        for (entry, expected) in [
            ("203.0.113.7:4711", Some("203.0.113.7:4711")),
            ("2001:db8::1", Some("[2001:db8::1]:0")),
            ("[2001:db8::1]", Some("[2001:db8::1]:0")),
            ("[2001:db8::1]:4711", Some("[2001:db8::1]:4711")),
            ("::ffff:203.0.113.7", Some("203.0.113.7:0")),
            ("[::ffff:203.0.113.7]:1", Some("203.0.113.7:1")),
            ("[203.0.113.7]", None),
            ("203.0.113.7:", None),
            ("203.0.113.7:65536", None),
            ("2001:db8::1]", None),
            ("203.0.113.07", None),
            ("fe80::1%eth0", None),
            ("localhost", None),
            ("\"203.0.113.7\"", None),
        ] {
            assert_eq!(find(&[entry]).as_deref(), expected, "{entry}");
        }
    }

    /// The same from the right, as the contract says it.
    fn naive(entries: &[String], trusted: &Trusted) -> Option<SocketAddr> {
        let mut nearest = None;
        for entry in entries.iter().rev() {
            let Some(address) = parse(entry) else {
                return nearest;
            };
            nearest = Some(address);
            if !trusted.contains_ip(address.ip()) {
                return nearest;
            }
        }
        nearest
    }

    proptest! {
        #[test]
        fn reading_from_the_right_finds_the_same(
            entries in proptest::collection::vec(
                prop::sample::select(vec!["10.0.0.1", "10.0.0.2", "1.1.1.1", "2.2.2.2:5", "x", "[::1]"])
                    .prop_map(str::to_owned),
                0..8,
            ),
        ) {
            let trusted: Trusted = ["10.0.0.0/8".parse().unwrap()].into_iter().collect();
            let head = format!("GET / HTTP/1.1\r\nX-Forwarded-For: {}\r\n\r\n", entries.join(","));
            let head = Head::parse(head.as_bytes()).unwrap();
            prop_assert_eq!(client(&head.headers, &trusted), naive(&entries, &trusted));
        }
    }
}
