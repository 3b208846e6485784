//! The opening handshake (RFC 6455 §4), for both roles.
//!
//! A server reads a request with [`check`], asks [`check_origin`] whether the page that opens the
//! connection may, and answers with [`Upgrade::write_response`] or with the status, headers and
//! sentence of a [`Refusal`]. A client writes a [`Request`] and holds the response against it.
//! What a path means is for others to know.
//!
//! ```
//! use fanfare::proto::handshake::{self, Request};
//! use fanfare::proto::head::{Head, ResponseHead};
//!
//! let key = handshake::fresh_key();
//! let request = Request::new("example.com", "/ws/lobby", &key);
//! let mut to_server = Vec::new();
//! request.write(&mut to_server)?;
//!
//! let head = Head::parse(&to_server)?;
//! let upgrade = handshake::check(&head)?;
//! let mut to_client = Vec::new();
//! upgrade.write_response(None, None, &mut to_client);
//!
//! let agreed = request.verify(&ResponseHead::parse(&to_client)?)?;
//! assert_eq!(agreed.subprotocol, None);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha1::{Digest, Sha1};

use super::random;

mod client;
mod host;
mod origin;
mod quoted;
mod server;

pub use client::{Agreed, Request, RequestError, ResponseError};
pub use host::{HostRefusal, check_host};
pub use origin::{OriginRefusal, check_origin};
pub use server::{Refusal, Upgrade, check, check_request, choose_subprotocol, host};

/// The one version of the protocol that is spoken, as a header value.
pub const VERSION: &str = "13";

/// What the key is joined with before it is hashed (§1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The answer to a key, which shows that the handshake was understood (§4.2.2).
///
/// ```
/// use fanfare::proto::handshake::accept_key;
///
/// assert_eq!(&accept_key("dGhlIHNhbXBsZSBub25jZQ=="), b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
/// ```
pub fn accept_key(key: &str) -> [u8; 28] {
    let hash = Sha1::new()
        .chain_update(key.as_bytes())
        .chain_update(GUID)
        .finalize();
    let mut accept = [0; 28];
    encode_base64(&hash, &mut accept);
    accept
}

/// A key for one opening handshake of a client: 16 bytes nobody can foresee, in base64.
pub fn fresh_key() -> String {
    let mut nonce = [0; 16];
    nonce[..8].copy_from_slice(&random::bytes());
    nonce[8..].copy_from_slice(&random::bytes());
    BASE64.encode(nonce)
}

/// Encodes into a buffer that has just the right length.
fn encode_base64(bytes: &[u8], out: &mut [u8]) {
    let written = BASE64.encode_slice(bytes, out);
    debug_assert_eq!(written, Ok(out.len()));
}

#[cfg(test)]
mod tests;
