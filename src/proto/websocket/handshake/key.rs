//! The key of an opening handshake, and the answer to it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha1::{Digest, Sha1};

use super::super::random;

/// The one version of the protocol that is spoken, as a header value.
pub const VERSION: &str = "13";

/// What the key is joined with before it is hashed (§1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The answer to a key, which proves that the handshake was understood (§4.2.2).
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

/// A key for one opening handshake of a client: 16 unpredictable bytes in base64.
pub fn fresh_key() -> String {
    let mut nonce = [0; 16];
    nonce[..8].copy_from_slice(&random::bytes());
    nonce[8..].copy_from_slice(&random::bytes());
    BASE64.encode(nonce)
}

/// Whether this is base64 of 16 bytes: 22 characters of the alphabet and two of padding. The four
/// bits of the last character that carry nothing may be any; other servers are not stricter.
pub(super) fn is_key(key: &str) -> bool {
    let in_alphabet = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/';
    key.strip_suffix("==")
        .is_some_and(|digits| digits.len() == 22 && digits.bytes().all(in_alphabet))
}

/// Encodes into a buffer that has just the right length.
fn encode_base64(bytes: &[u8], out: &mut [u8]) {
    let written = BASE64.encode_slice(bytes, out);
    debug_assert_eq!(written, Ok(out.len()));
}
