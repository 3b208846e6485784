//! Origins as people name them, put as browsers send them.

use super::host::{NONE, Why, check_plain, normalize};
use super::value::Value;
use std::fmt;
use std::str::FromStr;

/// An origin of pages: `https://example.com`, `example.com`, `https://*.example.com`, `localhost:*`, or
/// `*`. What clients say that are no browsers, and is no origin, is kept as it is: `file://`, or with a
/// path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginRule(String);

impl Value for OriginRule {
    const UNIT: &'static str = "ORIGIN";
}

impl FromStr for OriginRule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.eq_ignore_ascii_case("null") {
            return Err(
                "expected an origin; null is none: local files send it, but so can any page, \
                 and only * lets it in"
                    .into(),
            );
        }
        match parse(text) {
            Ok(origin) => Ok(OriginRule(origin)),
            Err(why) => Err(format!(
                "expected an origin such as https://example.com, example.com, \
                 https://*.example.com or *{why}"
            )),
        }
    }
}

impl fmt::Display for OriginRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

const SCHEME: Why = "; without a scheme, it stands for all schemes";
const PATH: Why = "; browsers send no path, and of what other clients send, a `*` means nothing";
const PORT: Why = "; a port is a number from 1 to 65535, or `*`";

fn parse(text: &str) -> Result<String, Why> {
    let Some((scheme, rest)) = text.split_once("://") else {
        return authority(text.strip_suffix('/').unwrap_or(text), None);
    };
    let scheme = scheme.to_ascii_lowercase();
    if !is_scheme(&scheme) {
        return Err(SCHEME);
    }
    let web_port = match &*scheme {
        "http" | "ws" => Some(80),
        "https" | "wss" => Some(443),
        _ => None,
    };
    let host = rest.strip_suffix('/').unwrap_or(rest);
    if host.contains('/') || (host.is_empty() && web_port.is_none()) {
        return literal(text);
    }
    if web_port.is_some() {
        return Ok(format!("{scheme}://{}", authority(host, web_port)?));
    }
    let (name, port) = split_port(host);
    check_plain(name)?;
    Ok(format!("{scheme}://{name}{}", show_port(port, None)?))
}

/// RFC 3986, section 3.1.
fn is_scheme(scheme: &str) -> bool {
    let may_stand = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.bytes().all(may_stand)
}

/// What is compared letter by letter.
fn literal(text: &str) -> Result<String, Why> {
    let is_good = |byte: u8| byte.is_ascii_graphic() && !b"\"\\<>,".contains(&byte);
    match text {
        _ if text.contains('*') => Err(PATH),
        _ if text.bytes().all(is_good) => Ok(text.into()),
        _ => Err(NONE),
    }
}

/// Host and port of a page on the web, without the port that goes without saying.
fn authority(text: &str, web_port: Option<u16>) -> Result<String, Why> {
    let (host, port) = split_port(text);
    Ok(format!(
        "{}{}",
        normalize(host)?,
        show_port(port, web_port)?
    ))
}

fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        // The colons of an IPv6 address are within brackets.
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    }
}

fn show_port(port: Option<&str>, web_port: Option<u16>) -> Result<String, Why> {
    match port {
        None => Ok(String::new()),
        Some("*") => Ok(":*".into()),
        Some(port) => match port.parse() {
            Ok(0) | Err(_) => Err(PORT),
            Ok(port) if Some(port) == web_port => Ok(String::new()),
            Ok(port) => Ok(format!(":{port}")),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_let_no_page_in() {
        for (text, says) in [
            ("", "such as"),
            ("null", "only * lets it in"),
            ("NULL", "only * lets it in"),
            ("https://", "such as"),
            ("://a.example", "without a scheme"),
            ("*://a.example", "without a scheme"),
            ("https://*.com.*", "at the left only"),
            ("https://*a.example", "at the left only"),
            ("https://a.*", "at the left only"),
            (".a.example", "at the left only"),
            ("https://a.example/*", "browsers send no path"),
            ("a.example/path", "such as"),
            ("so on/", "such as"),
            ("a b", "such as"),
            ("a.example,b.example", "such as"),
            ("'self'", "such as"),
            ("https://me@a.example", "such as"),
            ("https://a.example?x", "such as"),
            ("https://a.example#x", "such as"),
            ("https://a.example:99999", "to 65535"),
            ("https://a.example:http", "to 65535"),
            ("https://a.example:-1", "to 65535"),
            ("https://a.example:0", "from 1"),
            ("https://a.example:", "from 1"),
            ("data:", "from 1"),
            ("https://127.1", "four numbers"),
            ("chrome-extension://\u{fc}", "such as"),
            ("file:///\u{fc}", "such as"),
        ] {
            let why = text.parse::<OriginRule>().expect_err(text);
            assert!(
                why.starts_with("expected an origin") && why.contains(says),
                "{text}: {why}"
            );
        }
    }
}
