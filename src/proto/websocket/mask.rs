//! Masking (RFC 6455 §5.3): the payload XOR a repeated four-byte key. Masking and unmasking are the
//! same operation.
//!
//! [`apply`] is the fast one: it works on four bytes at a time, a key's length, which the compiler
//! turns into vector instructions. (Blocks of 8, 16 or 32 bytes were no faster for long payloads,
//! and slower for short ones.) The obvious one stands in the tests, as its oracle.
//!
//! A payload that comes in pieces keeps its *phase*, the number of payload bytes so far modulo 4:
//! [`rotate`] turns the key so that the next piece may start with its first byte again.

use super::random;

/// XORs `bytes` with `key`, whose first byte meets the first of `bytes`.
///
/// ```
/// use fanfare::proto::mask;
///
/// let mut payload = *b"\x7f\x9f\x4d\x51\x58"; // RFC 6455 §5.7
/// mask::apply(&mut payload, [0x37, 0xfa, 0x21, 0x3d]);
/// assert_eq!(&payload, b"Hello");
/// ```
pub fn apply(bytes: &mut [u8], key: [u8; 4]) {
    let (words, rest) = bytes.as_chunks_mut::<4>();
    for word in words {
        *word = (u32::from_ne_bytes(*word) ^ u32::from_ne_bytes(key)).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(key) {
        *byte ^= key;
    }
}

/// The key as it stands after `payload_bytes` bytes were masked with it.
///
/// ```
/// use fanfare::proto::mask;
///
/// let key = [1, 2, 3, 4];
/// let (mut whole, mut cut) = (*b"masked in two", *b"masked in two");
/// mask::apply(&mut whole, key);
/// mask::apply(&mut cut[..6], key);
/// mask::apply(&mut cut[6..], mask::rotate(key, 6));
/// assert_eq!(whole, cut);
/// ```
pub fn rotate(mut key: [u8; 4], payload_bytes: usize) -> [u8; 4] {
    key.rotate_left(payload_bytes % 4);
    key
}

/// A masking key for one frame of a client that no other party can foresee (§10.3).
pub fn fresh_key() -> [u8; 4] {
    let [a, b, c, d, ..] = random::bytes();
    [a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// §5.3 word for word: octet i of the payload XOR octet i modulo 4 of the key.
    fn apply_obviously(bytes: &mut [u8], key: [u8; 4]) {
        for (i, byte) in bytes.iter_mut().enumerate() {
            *byte ^= key[i % 4];
        }
    }

    #[test]
    fn equals_the_obvious_version_at_each_length_alignment_and_phase() {
        let source: Vec<u8> = (0..200).map(|i| (i * 37 + 11) as u8).collect();
        let key = [0x37, 0xfa, 0x21, 0x3d];
        for alignment in 0..16 {
            for length in 0..=160 {
                for phase in 0..4 {
                    let key = rotate(key, phase);
                    let mut fast = source.clone();
                    let mut obvious = source.clone();
                    apply(&mut fast[alignment..alignment + length], key);
                    apply_obviously(&mut obvious[alignment..alignment + length], key);
                    assert_eq!(fast, obvious);
                }
            }
        }
    }

    #[test]
    fn fresh_keys_differ() {
        let keys: std::collections::HashSet<_> = (0..64).map(|_| fresh_key()).collect();
        // 64 fair draws out of 2^32 hold two equal ones once in two million runs, three never.
        assert!(keys.len() >= 63);
    }

    proptest! {
        #[test]
        fn any_split_masks_like_the_whole(
            bytes in proptest::collection::vec(any::<u8>(), 0..300),
            key: [u8; 4],
            cut: prop::sample::Index,
        ) {
            let cut = cut.index(bytes.len() + 1);
            let mut whole = bytes.clone();
            apply_obviously(&mut whole, key);
            let mut pieces = bytes.clone();
            apply(&mut pieces[..cut], key);
            apply(&mut pieces[cut..], rotate(key, cut));
            prop_assert_eq!(&whole, &pieces);
            apply(&mut pieces, key);
            prop_assert_eq!(bytes, pieces);
        }
    }
}
