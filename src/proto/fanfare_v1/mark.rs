//! The mark of a connection: what begins a message of the relay's own, and a command of the client's.
//!
//! It is U+001E (a record separator, with which hardly any text begins) and 96 bits in base64url. Only its own
//! connection is told it, so no publisher can send what another client would take for the relay's words, and no
//! client what the relay would take for another client's command. A guess is one message, and its sender does not
//! learn whether it was right.
//!
//! Nothing is kept for it: it is a keyed hash of the connection's name, computed when it is needed. A client can
//! collect as many marks as it opens connections. They tell nothing about other marks as long as SHA-1 of a secret
//! and 16 bytes is a pseudorandom function of those bytes:
//!
//! - What is broken about SHA-1 is its resistance to collisions, which need input of the attacker's choice. There is
//!   none here, and no attack on it as a pseudorandom function is known; HMAC-SHA-1 rests on the same.
//! - All inputs have one length, and a mark is a part of the hash: a hash can't be extended to that of a longer
//!   input, which is what HMAC would prevent besides.
//! - The standard library's SipHash would be cheaper. But that is SipHash-1-3, made for tables and not promised to
//!   stay, its keys within a thread follow one another, and 64 bits of it are too few.
//!
//! Comparing marks need not take constant time: a client's messages are only compared with the client's own mark.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use sha1::{Digest, Sha1};
use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher;

/// What each mark begins with: only messages that do, too, are compared with it.
pub const FIRST_BYTE: u8 = 0x1E;

/// How long a mark is.
pub const MARK_BYTES: usize = 1 + HASH_CHARACTERS;

/// 96 bits: for every guess, 2⁹⁶ marks that it could be.
const HASH_BYTES: usize = 12;
const HASH_CHARACTERS: usize = HASH_BYTES / 3 * 4;

/// What marks are made with, for as long as the process runs.
pub struct Secret([u8; 16]);

/// The mark of one connection. It is text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Mark([u8; MARK_BYTES]);

impl Secret {
    /// Another one each time: 128 bits, from the key that the operating system gives the standard library.
    #[must_use]
    pub fn draw() -> Self {
        let chance = RandomState::new();
        let mut secret = [0; 16];
        secret[..8].copy_from_slice(&chance.hash_one(0).to_ne_bytes());
        secret[8..].copy_from_slice(&chance.hash_one(1).to_ne_bytes());
        Secret(secret)
    }

    /// The mark of a connection, by its name: that of its relay, and its number there.
    #[must_use]
    pub fn mark(&self, party: u64, number: u64) -> Mark {
        let hash = Sha1::new()
            .chain_update(self.0)
            .chain_update(party.to_be_bytes())
            .chain_update(number.to_be_bytes())
            .finalize();
        let mut mark = [FIRST_BYTE; MARK_BYTES];
        let written = BASE64.encode_slice(&hash[..HASH_BYTES], &mut mark[1..]);
        debug_assert_eq!(written, Ok(HASH_CHARACTERS));
        Mark(mark)
    }
}

impl Mark {
    /// As it stands at the beginning of a message.
    #[must_use]
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or_default()
    }

    /// What follows the mark in a message that begins with it.
    #[must_use]
    pub fn strip<'a>(&self, payload: &'a [u8]) -> Option<&'a [u8]> {
        payload.strip_prefix(&self.0)
    }
}

/// It is told to its client alone, and shown nowhere, not even in a log.
impl fmt::Debug for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mark")
    }
}

/// As the mark.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}
