//! Unpredictable bytes, for masking keys (RFC 6455 §10.3) and opening handshakes (§4.1).
//!
//! The standard library keys its hash maps with SipHash under a secret from the operating system.
//! The same keyed function over a counter makes a generator: without the secret, its output so far
//! does not tell what comes next. One per process; no state in a session, no dependency.

use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

static SECRET: LazyLock<RandomState> = LazyLock::new(RandomState::new);
static COUNTER: AtomicU64 = AtomicU64::new(0);

/// Eight bytes, other ones at each call.
pub(super) fn bytes() -> [u8; 8] {
    SECRET
        .hash_one(COUNTER.fetch_add(1, Ordering::Relaxed))
        .to_ne_bytes()
}
