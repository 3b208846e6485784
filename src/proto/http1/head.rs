//! The head of a request, or of a response, taken apart.
//!
//! It is complete by then, and a [`HeadScanner`](super::HeadScanner) has accepted it.

use super::error::HeadError;
use super::headers::{HEADERS_MAX, Headers};

/// The head of a request.
///
/// ```
/// use fanfare::proto::{Head, HeadScanner};
///
/// let read = b"GET /ws/lobby?echo=0 HTTP/1.1\r\nHost: example.com\r\nAccept: a, b\r\n\r\nwhat follows";
/// let head_bytes = HeadScanner::default().scan(read, 16 * 1024)?.expect("the head is whole");
/// let head = Head::parse(&read[..head_bytes])?;
/// assert_eq!((head.method, head.path(), head.query()), ("GET", "/ws/lobby", Some("echo=0")));
/// assert_eq!(head.headers.only("host"), Ok(Some(&b"example.com"[..])));
/// assert!(head.headers.has_token("accept", "B"));
/// # Ok::<(), fanfare::proto::HeadError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Head<'a> {
    /// The method, as it was sent: methods are case-sensitive.
    pub method: &'a str,
    /// The request target, as it was sent: a path, or a whole URL; not percent-decoded.
    pub target: &'a str,
    /// 0 or 1, of HTTP/1.
    pub minor_version: u8,
    /// The header lines.
    pub headers: Headers<'a>,
    /// Host and port of a target that is a whole URL.
    authority: Option<&'a str>,
    path: &'a str,
    query: Option<&'a str>,
}

impl<'a> Head<'a> {
    /// Takes a whole head apart: the bytes that a [`HeadScanner`](super::HeadScanner) has let through, up to the end
    /// that it found. Empty lines before the request line are skipped.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, HeadError> {
        let mut slots = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut request = httparse::Request::new(&mut slots);
        // The contract asks for a whole head: this one lacks its last line.
        if request.parse(bytes)?.is_partial() {
            return Err(HeadError::HeaderLine);
        }
        let (Some(method), Some(target), Some(minor_version)) =
            (request.method, request.path, request.version)
        else {
            return Err(HeadError::FirstLine);
        };
        let (authority, path_and_query) = split_target(method, target)?;
        let (path, query) = match path_and_query.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (path_and_query, None),
        };
        Ok(Self {
            method,
            target,
            minor_version,
            headers: Headers::new(request.headers),
            authority,
            // Of a URL such as `http://example.com?a=b` the path is empty, which means the root.
            path: if path.is_empty() { "/" } else { path },
            query,
        })
    }

    /// The path of the target, as it was sent: not percent-decoded.
    pub fn path(&self) -> &'a str {
        self.path
    }

    /// What follows the first `?` of the target.
    pub fn query(&self) -> Option<&'a str> {
        self.query
    }

    /// Host and port of a target that is a whole URL. They take precedence over the Host header
    /// (RFC 9112 §3.2.2).
    pub fn authority(&self) -> Option<&'a str> {
        self.authority
    }
}

/// Splits a target into its authority, if it is in absolute form, and the rest.
fn split_target<'a>(
    method: &str,
    target: &'a str,
) -> Result<(Option<&'a str>, &'a str), HeadError> {
    // Browsers don't send the fragment of a URL (RFC 9110 §7.1, RFC 6455 §3).
    if target.contains('#') {
        return Err(HeadError::Target);
    }
    // `*` is for OPTIONS, host and port alone for CONNECT, which is not served here; but the request is
    // well-formed.
    if target.starts_with('/') || target == "*" || method == "CONNECT" {
        return Ok((None, target));
    }
    let Some((scheme, rest)) = target.split_once("://") else {
        return Err(HeadError::Target);
    };
    if !["http", "https", "ws", "wss"]
        .iter()
        .any(|known| scheme.eq_ignore_ascii_case(known))
    {
        return Err(HeadError::Target);
    }
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    if authority.is_empty() {
        return Err(HeadError::Target);
    }
    Ok((Some(authority), path))
}

/// Whether each `%` of a part of a URI begins an escape (RFC 3986 §2.1).
pub fn is_percent_encoded(part: &str) -> bool {
    part.split('%').skip(1).all(|after| {
        let digits = after.as_bytes().first_chunk::<2>();
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    })
}

/// The head of a response.
#[derive(Clone, Debug)]
pub struct ResponseHead<'a> {
    /// The status code: three digits.
    pub status: u16,
    /// The status in words; may be empty.
    pub reason: &'a str,
    /// 0 or 1, of HTTP/1.
    pub minor_version: u8,
    /// The header lines.
    pub headers: Headers<'a>,
}

impl<'a> ResponseHead<'a> {
    /// Takes a whole head apart: the bytes that
    /// [`HeadScanner::response`](super::HeadScanner::response) has let through, up to
    /// the end that it found.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, HeadError> {
        let mut slots = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut response = httparse::Response::new(&mut slots);
        if response.parse(bytes)?.is_partial() {
            return Err(HeadError::HeaderLine);
        }
        let (Some(status), Some(minor_version)) = (response.code, response.version) else {
            return Err(HeadError::FirstLine);
        };
        Ok(Self {
            status,
            reason: response.reason.unwrap_or_default(),
            minor_version,
            headers: Headers::new(response.headers),
        })
    }
}
