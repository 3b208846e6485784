//! HTTP/1.x on the wire (RFC 9112): a server reads the head of a request and its body, a client the head of a
//! response, and a server checks what has to hold for any request.
//!
//! A head is read in two steps. A [`HeadScanner`] looks at each byte once, as it comes, refuses at once
//! what can't be a head, and finds the end; then [`Head::parse`] takes the whole head apart, once.
//! So a head that trickles in byte by byte costs no more than one that came whole.
//!
//! Stricter than the RFC allows recipients to be lenient: a bare LF ends no line, and a folded header is
//! refused. Where a proxy reads them differently, the two could be made to see different requests.

mod body;
mod error;
mod head;
mod headers;
mod host;
mod origin;
mod quoted;
mod request;
mod scanner;

pub use body::{BodyDecoder, BodyError, BodyLength};
pub use error::{HeadError, RequestRefusal};
pub use head::{Head, ResponseHead, is_percent_encoded};
pub use headers::{HEADERS_MAX, Headers, Repeated};
pub use host::{HostRefusal, check_host, host};
pub use origin::{OriginRefusal, check_origin};
pub use request::check_request;
pub use scanner::HeadScanner;

#[cfg(test)]
mod tests;
