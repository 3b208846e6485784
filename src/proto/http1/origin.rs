//! Pages that may connect, by their origin (RFC 6455 §10.2, RFC 6454).
//!
//! A browser lets any page open a WebSocket connection to any server, and sends the user's cookies
//! along; only the Origin header tells the server which page it was. Other clients don't send one, or
//! send what they like: this check does not protect against them.

use super::host::{matches, split_port};
use super::quoted::Quoted;
use std::error::Error;
use std::fmt;

/// A page of this origin may not connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OriginRefusal<'a> {
    /// The origin of the page.
    pub origin: &'a str,
    /// The host that the page wants to connect to.
    pub host: &'a str,
}

impl fmt::Display for OriginRefusal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (origin, host) = (Quoted(self.origin), Quoted(self.host));
        write!(
            f,
            "Pages of origin {origin} may not connect to host {host}."
        )
    }
}

impl Error for OriginRefusal<'_> {}

/// Whether a page may connect. It may if there is no page (no Origin header), if it comes from the
/// same host that it connects to, or if its origin is on the list.
///
/// Hosts are compared without regard to case, scheme and the default ports 80 and 443: behind a
/// proxy that ends TLS, the page has come by `https` and the request has not. On the list:
///
/// - An entry with a scheme (`https://example.com`) stands for that origin alone, one without for
///   all schemes, and `*` for whatever there is.
/// - In place of a host's first labels, or of the whole host, a `*` stands for any number of them, but
///   for one at least; in place of the port, for any port and none: `https://*.example.com`,
///   `localhost:*`, `chrome-extension://*`.
/// - What clients that are no browsers say, though it is no origin (`file://`, one with a path),
///   stands there as they say it.
///
/// The origin `null`, which sandboxed pages and local files have, and which any page can give itself,
/// passes under `*` only.
///
/// ```
/// use fanfare::proto::http1::check_origin;
///
/// let none: [&str; 0] = [];
/// assert!(check_origin(None, "example.com", none).is_ok());
/// assert!(check_origin(Some("https://example.com"), "Example.com:443", none).is_ok());
/// assert!(check_origin(Some("https://evil.example"), "example.com", none).is_err());
/// assert!(check_origin(Some("https://app.example"), "example.com", ["https://app.example"]).is_ok());
/// assert!(check_origin(Some("https://a.b.example"), "example.com", ["https://*.example"]).is_ok());
/// assert!(check_origin(Some("null"), "example.com", ["null"]).is_err());
/// assert!(check_origin(Some("null"), "example.com", ["*"]).is_ok());
/// ```
pub fn check_origin<'a, S: AsRef<str>>(
    origin: Option<&'a str>,
    host: &'a str,
    allowed: impl IntoIterator<Item = S>,
) -> Result<(), OriginRefusal<'a>> {
    let Some(origin) = origin else {
        return Ok(());
    };
    let page = split_origin(origin);
    let same_host =
        page.is_some_and(|(_, authority)| bare(authority).eq_ignore_ascii_case(bare(host)));
    let is_allowed = |entry: S| {
        let entry = entry.as_ref();
        let is_literal = entry == origin && origin != NULL;
        entry == "*" || is_literal || page.is_some_and(|page| means(entry, page))
    };
    if same_host || allowed.into_iter().any(is_allowed) {
        Ok(())
    } else {
        Err(OriginRefusal { origin, host })
    }
}

/// The origin of a page that is to have none (RFC 6454 §7.3).
const NULL: &str = "null";

/// Whether an entry of the list stands for a page's origin, given as scheme and authority.
fn means(entry: &str, (scheme, authority): (&str, &str)) -> bool {
    let (entry_scheme, entry_authority) = match split_origin(entry) {
        Some((scheme, authority)) => (Some(scheme), authority),
        None => (None, entry),
    };
    let (meant, meant_port) = split_port(bare(entry_authority));
    let (host, port) = split_port(bare(authority));
    entry_scheme.is_none_or(|meant| meant.eq_ignore_ascii_case(scheme))
        && (meant_port == Some("*") || meant_port == port)
        && matches(meant, host)
}

/// Scheme and authority of an origin. `null` has neither, and what has a path or a user is no origin.
fn split_origin(origin: &str) -> Option<(&str, &str)> {
    let (scheme, authority) = origin.split_once("://")?;
    let authority = authority.strip_suffix('/').unwrap_or(authority);
    (!authority.contains(['/', '?', '#', '@', '\\'])).then_some((scheme, authority))
}

/// An authority without a default port.
fn bare(authority: &str) -> &str {
    authority
        .strip_suffix(":80")
        .or_else(|| authority.strip_suffix(":443"))
        .unwrap_or(authority)
}

#[cfg(test)]
mod tests;
