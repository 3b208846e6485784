//! Hosts as people name them, put as browsers do: names in ASCII (`xn--`) and lower case, addresses in
//! their one short form. What no browser would ever say has no effect, and is refused.

use super::value::Value;
use idna::AsciiDenyList;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A name by which the relay is known: `chat.example`, `*.example` for all names beneath it, or `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostName(String);

impl Value for HostName {
    const UNIT: &'static str = "HOST";
}

impl FromStr for HostName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = "expected the name of a host such as chat.example, *.example.com or *, without \
                        scheme, port and path";
        match normalize(text) {
            // A name is the same with the dot of the root behind it.
            Ok(name) => Ok(HostName(name.strip_suffix('.').unwrap_or(&name).into())),
            Err(why) => Err(format!("{expected}{why}")),
        }
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is wrong with a host, to be said after what was expected.
pub(super) type Why = &'static str;

/// Nothing that advice would help with.
pub(super) const NONE: Why = "";
const STAR: Why = "; a `*` stands for whole labels, and at the left only, as in *.example.com";
const IPV4: Why = "; an address of IPv4 has four numbers, as in 127.0.0.1";

/// A host, or a pattern of hosts, as browsers write those of pages.
pub(super) fn normalize(text: &str) -> Result<String, Why> {
    let (star, name) = split_star(text)?;
    let bracketed = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'));
    match (star, name, bracketed) {
        ("*", "", _) => return Ok(text.into()),
        ("", _, Some(ip)) => return ip.parse().map(show).map_err(|_| NONE),
        _ => {}
    }
    let name = idna::domain_to_ascii_cow(name.as_bytes(), AsciiDenyList::URL).map_err(|_| NONE)?;
    if !is_plain(&name) {
        return Err(NONE);
    }
    let last = name.strip_suffix('.').unwrap_or(&name).rsplit('.').next();
    let is_number = last.is_some_and(|label| label.bytes().all(|byte| byte.is_ascii_digit()));
    if is_number && (!star.is_empty() || name.parse::<Ipv4Addr>().is_err()) {
        return Err(IPV4);
    }
    Ok(format!("{star}{name}"))
}

/// The same for an address that is no page's on the web: its host may be any word.
pub(super) fn check_plain(text: &str) -> Result<(), Why> {
    match split_star(text)? {
        ("*", "") => Ok(()),
        (_, name) if is_plain(name) => Ok(()),
        _ => Err(NONE),
    }
}

/// The `*.`, or the `*` for all, that a pattern begins with, and the rest.
fn split_star(text: &str) -> Result<(&str, &str), Why> {
    let labels = text.find(|c| c != '*' && c != '.').unwrap_or(text.len());
    match text.split_at(labels) {
        ("*", "") => Ok(("*", "")),
        (star @ ("" | "*."), name) if !name.contains('*') => Ok((star, name)),
        _ => Err(STAR),
    }
}

/// Letters, digits and what hosts have besides; no label is empty, but for a dot at the end.
fn is_plain(name: &str) -> bool {
    let may_stand = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    !name.is_empty() && name.bytes().all(may_stand) && !name.contains("..")
}

/// As browsers write it: they have no other form of an IPv4-mapped IPv6 address.
fn show(ip: Ipv6Addr) -> String {
    match ip.to_ipv4_mapped().map(|ip| ip.octets()) {
        Some([a, b, c, d]) => {
            let halves = [[a, b], [c, d]].map(u16::from_be_bytes);
            format!("[::ffff:{:x}:{:x}]", halves[0], halves[1])
        }
        None => format!("[{ip}]"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_put_as_browsers_do() {
        for (text, written) in [
            ("chat.example", "chat.example"),
            ("Chat.EXAMPLE.", "chat.example"),
            ("b\u{fc}cher.example", "xn--bcher-kva.example"),
            ("*.B\u{dc}CHER.example", "*.xn--bcher-kva.example"),
            ("my_app.example", "my_app.example"),
            ("*", "*"),
            ("*.localhost", "*.localhost"),
            ("192.0.2.1", "192.0.2.1"),
            ("[0:0::0001]", "[::1]"),
            ("[::ffff:192.0.2.1]", "[::ffff:c000:201]"),
        ] {
            let name: HostName = text.parse().unwrap();
            assert_eq!(name.to_string(), written);
            assert_eq!(written.parse(), Ok(name), "{written}");
        }
    }

    #[test]
    fn what_no_request_is_for() {
        for (text, says) in [
            ("", ""),
            ("a b", ""),
            ("http://a.example", "without scheme"),
            ("a.example:80", "port"),
            ("a.example/", "path"),
            ("[::1", ""),
            ("[::g]", ""),
            ("*.[::1]", ""),
            ("a..b", ""),
            ("xn--a", ""),
            ("a\"b", ""),
            ("**", "*.example.com"),
            ("*example.com", "*.example.com"),
            (".example.com", "*.example.com"),
            ("a.*.example", "*.example.com"),
            ("a*.example", "*.example.com"),
            ("127.1", "four numbers"),
            ("1.2.3.999", "four numbers"),
            ("*.2.3.4", "four numbers"),
            ("*.1.2.3.4", "four numbers"),
        ] {
            let why = text.parse::<HostName>().expect_err(text);
            assert!(why.starts_with("expected the name of a host"), "{why}");
            assert!(why.contains(says), "{text}: {why}");
        }
    }
}
