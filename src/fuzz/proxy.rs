//! PROXY protocol headers: a verdict stays whatever follows, and comes within the bound.

use crate::proxy::header::{HEADER_BYTES_MAX, parse};

/// The bytes are what a proxy sends.
pub fn proxy(data: &[u8]) {
    let mut verdict = None;
    // Beyond the bound, nothing can change any more.
    for end in 0..=data.len().min(HEADER_BYTES_MAX + 1) {
        let parsed = parse(&data[..end]);
        match verdict {
            None if parsed == Ok(None) => assert!(end < HEADER_BYTES_MAX, "more than is taken"),
            None => verdict = Some(parsed),
            Some(verdict) => assert_eq!(parsed, verdict, "after {end} bytes"),
        }
    }
    if let Some(Ok(Some(header))) = verdict {
        assert!(header.bytes <= HEADER_BYTES_MAX);
        let alone = parse(&data[..header.bytes]);
        assert_eq!(alone, Ok(Some(header)), "what follows was looked at");
        assert_eq!(
            parse(&data[..header.bytes - 1]),
            Ok(None),
            "it ended before"
        );
    }
}
