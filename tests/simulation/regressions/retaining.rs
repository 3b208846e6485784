//! Topics that retain messages.

use crate::script::{Script, limits, message};
use fanfare::relay::{Limits, Policy, Retention};
use std::sync::Arc;

/// Topics note when messages came, though none is as small as what they may retain. When all that together was over the
/// bound of all logs, nothing yielded: the relay took nothing in, and spun, until the notes had expired.
#[test]
fn notes_of_messages_that_are_not_retained_yield_too() {
    let policy = Policy {
        retention: Some(Retention {
            time: 10_000,
            messages_max: u64::MAX,
            bytes_max: 1,
        }),
        ..Policy::default()
    };
    let mut script = Script::new(Limits {
        log_bytes_max: 2 << 10,
        policies: Arc::new(policy.into()),
        ..limits()
    });
    for topic in 0..40 {
        let id = script.join(&format!("/ws/{topic}"));
        script.say(id, &message(b"hello"));
        script.turn();
    }
    script.turn();
    assert!(script.relay.log_bytes() <= 2 << 10);
    assert!(!script.relay.has_work());
}
