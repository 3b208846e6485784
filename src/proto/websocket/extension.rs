//! Extensions of the protocol: their negotiation (RFC 6455 §9.1), and the one that is known here,
//! permessage-deflate (RFC 7692 §5 and §7.1).
//!
//! An offer that isn't understood is declined, and the next one is tried; none of them ends the
//! connection. That is looser than RFC 6455 §9.1, which wants it failed for a header that breaks
//! the grammar: a client gains nothing from being sent away over compression.
//!
//! Context takeover is never agreed on, so that each message is compressed on its own: that lets
//! one compression serve all readers, and an idle connection own no window.

use std::borrow::Cow;
use std::fmt;
use std::ops::RangeInclusive;
use std::str;

use super::deflate::Window;
use crate::proto::http1::Headers;

/// The header that extensions are offered and chosen in.
pub(super) const HEADER: &str = "Sec-WebSocket-Extensions";

const PERMESSAGE_DEFLATE: &str = "permessage-deflate";
const SERVER_NO_CONTEXT_TAKEOVER: &str = "server_no_context_takeover";
const CLIENT_NO_CONTEXT_TAKEOVER: &str = "client_no_context_takeover";
const SERVER_MAX_WINDOW_BITS: &str = "server_max_window_bits";
const CLIENT_MAX_WINDOW_BITS: &str = "client_max_window_bits";

/// What a client offers that is ready for permessage-deflate without context takeover.
pub(super) const OFFER: &str =
    "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

/// The base-2 logarithms of the sizes that a window may have.
const WINDOW_BITS: RangeInclusive<u8> = 8..=15;

/// permessage-deflate as both sides agreed on it. It is displayed as the header value that a server
/// answers with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deflate {
    /// The window of what the server compresses, if the client has asked for a certain one.
    server_window: Option<Window>,
    /// The most bits of the window of what the client compresses, if the client has said that it
    /// can keep to it.
    client_window_bits: Option<u8>,
}

impl Deflate {
    /// The window that the server has to compress with.
    pub fn server_window(&self) -> Window {
        self.server_window.unwrap_or(Window::Bits15)
    }

    /// The first offer of a request that can be accepted, as it is to be answered.
    pub(super) fn accept(headers: &Headers) -> Option<Self> {
        offers(headers).find_map(|offer| Self::accept_offer(&offer?))
    }

    fn accept_offer(offer: &Extension) -> Option<Self> {
        let parameters = Parameters::read(offer)?;
        let server_window = match parameters.server_max_window_bits {
            None => None,
            Some(bits) => Some(Window::at_most(bits?)?),
        };
        // Without a value the client merely says that it would understand one; 15 asks nothing.
        let client_window_bits = parameters
            .client_max_window_bits
            .map(|bits| bits.unwrap_or(*WINDOW_BITS.end()));
        Some(Self {
            server_window,
            client_window_bits,
        })
    }

    /// What a server chose, to which [`OFFER`] was sent; nothing if it chose no extension.
    pub(super) fn verify(headers: &Headers) -> Result<Option<Self>, NotOffered> {
        let mut chosen = offers(headers);
        let Some(answer) = chosen.next() else {
            return Ok(None);
        };
        let parameters = answer.and_then(|answer| Parameters::read(&answer));
        let (Some(parameters), None) = (parameters, chosen.next()) else {
            return Err(NotOffered);
        };
        // A server may state its window without having been asked. It must not ask the client
        // to keep to one, since that was not offered; and it has to do without context takeover.
        let server_window = match parameters.server_max_window_bits {
            None => None,
            Some(None) => return Err(NotOffered),
            Some(Some(bits)) => Window::at_most(bits),
        };
        if !parameters.server_no_context_takeover || parameters.client_max_window_bits.is_some() {
            return Err(NotOffered);
        }
        Ok(Some(Self {
            server_window,
            client_window_bits: None,
        }))
    }
}

impl fmt::Display for Deflate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(OFFER)?;
        if let Some(window) = self.server_window {
            write!(f, "; {SERVER_MAX_WINDOW_BITS}={}", window.bits())?;
        }
        if let Some(bits) = self.client_window_bits {
            write!(f, "; {CLIENT_MAX_WINDOW_BITS}={bits}")?;
        }
        Ok(())
    }
}

/// A server uses an extension that it was not offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotOffered;

/// The parameters of one offer or answer (RFC 7692 §7.1).
#[derive(Default)]
struct Parameters {
    server_no_context_takeover: bool,
    client_no_context_takeover: bool,
    /// `Some(None)` where it has no value.
    server_max_window_bits: Option<Option<u8>>,
    client_max_window_bits: Option<Option<u8>>,
}

impl Parameters {
    /// None if it is another extension, or has a parameter that is unknown, is there twice or has
    /// a value that it can't have.
    fn read(extension: &Extension) -> Option<Self> {
        if extension.name != PERMESSAGE_DEFLATE {
            return None;
        }
        let mut read = Self::default();
        for (name, value) in &extension.parameters {
            let value = value.as_deref();
            let is_first = match *name {
                SERVER_NO_CONTEXT_TAKEOVER if value.is_none() => {
                    !std::mem::replace(&mut read.server_no_context_takeover, true)
                }
                CLIENT_NO_CONTEXT_TAKEOVER if value.is_none() => {
                    !std::mem::replace(&mut read.client_no_context_takeover, true)
                }
                SERVER_MAX_WINDOW_BITS => {
                    let bits = window_bits(value?)?;
                    read.server_max_window_bits.replace(Some(bits)).is_none()
                }
                CLIENT_MAX_WINDOW_BITS => {
                    let bits = match value {
                        None => None,
                        Some(value) => Some(window_bits(value)?),
                    };
                    read.client_max_window_bits.replace(bits).is_none()
                }
                _ => return None,
            };
            if !is_first {
                return None;
            }
        }
        Some(read)
    }
}

/// A decimal number from 8 to 15 without leading zeros.
fn window_bits(value: &str) -> Option<u8> {
    let is_canonical = !value.starts_with(['0', '+']);
    let bits = value.parse().ok().filter(|_| is_canonical)?;
    WINDOW_BITS.contains(&bits).then_some(bits)
}

/// One extension, offered or chosen: `name; parameter; parameter=value`.
#[derive(Debug, PartialEq, Eq)]
struct Extension<'a> {
    name: &'a str,
    parameters: Vec<(&'a str, Option<Cow<'a, str>>)>,
}

impl<'a> Extension<'a> {
    /// Reads a member of the header's list; None if it breaks the grammar.
    fn parse(member: &'a str) -> Option<Self> {
        let mut parts = split(member, b';');
        let name = parts.next().filter(|name| is_token(name))?;
        let parameters = parts.map(parse_parameter).collect::<Option<_>>()?;
        Some(Self { name, parameters })
    }
}

fn parse_parameter(part: &str) -> Option<(&str, Option<Cow<'_, str>>)> {
    let Some((name, value)) = part.split_once('=') else {
        return is_token(part).then_some((part, None));
    };
    let (name, value) = (name.trim_ascii_end(), value.trim_ascii_start());
    let value = match value.strip_prefix('"') {
        Some(quoted) => unescape(quoted.strip_suffix('"')?)?,
        None => Cow::Borrowed(value),
    };
    // What a quoted string holds has to be a token too (RFC 6455 §9.1).
    (is_token(name) && is_token(&value)).then_some((name, Some(value)))
}

/// What stands between the quotes of a quoted string, without its backslashes.
fn unescape(quoted: &str) -> Option<Cow<'_, str>> {
    if !quoted.contains('\\') {
        return Some(Cow::Borrowed(quoted));
    }
    let mut plain = String::with_capacity(quoted.len());
    let mut rest = quoted.chars();
    while let Some(char) = rest.next() {
        plain.push(if char == '\\' { rest.next()? } else { char });
    }
    Some(Cow::Owned(plain))
}

/// The members of all lines of the header, each parsed, or None where it breaks the grammar.
fn offers<'a>(headers: &Headers<'a>) -> impl Iterator<Item = Option<Extension<'a>>> {
    let lines = headers.values(HEADER).map(str::from_utf8);
    let members = lines.flat_map(|line| split(line.unwrap_or("\u{fffd}"), b','));
    members
        .filter(|member| !member.is_empty())
        .map(Extension::parse)
}

/// The parts between separators that stand outside of quoted strings, without the white space
/// around them. A quoted string that does not end takes in the rest.
fn split(list: &str, separator: u8) -> impl Iterator<Item = &str> {
    let mut rest = Some(list);
    std::iter::from_fn(move || {
        let list = rest.take()?;
        let (mut in_quotes, mut is_escaped) = (false, false);
        let end = list.bytes().position(|byte| {
            let is_end = byte == separator && !in_quotes;
            in_quotes ^= byte == b'"' && !is_escaped;
            is_escaped = byte == b'\\' && in_quotes && !is_escaped;
            is_end
        });
        let part = match end {
            Some(end) => {
                rest = Some(&list[end + 1..]);
                &list[..end]
            }
            None => list,
        };
        Some(part.trim_matches([' ', '\t']))
    })
}

/// RFC 9110 §5.6.2.
fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

#[cfg(test)]
mod tests;
