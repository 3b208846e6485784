//! Topics that retain messages.

use crate::script::{Script, limits, message, request};
use fanfare::relay::{Limits, Pace, Policies, Policy, Retention};
use std::sync::Arc;

fn retaining(bytes_max: usize) -> Arc<Policies> {
    let policy = Policy {
        retention: Some(Retention {
            time: 10_000,
            messages_max: u64::MAX,
            bytes_max,
        }),
        ..Policy::default()
    };
    Arc::new(policy.into())
}

/// Topics note when messages came, though none is as small as what they may retain. When all that together was over the
/// bound of all logs, nothing yielded: the relay took nothing in, and spun, until the notes had expired.
#[test]
fn notes_of_messages_that_are_not_retained_yield_too() {
    let mut script = Script::new(Limits {
        log_bytes_max: 2 << 10,
        policies: retaining(1),
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

/// A reader that was being sent what it had missed, and was lapped on a frame boundary, had its turn with nothing to
/// be sent: its close frame comes behind that.
#[test]
fn a_reader_that_is_lapped_as_it_comes_back_is_not_written_nothing() {
    let mut script = Script::new(Limits {
        policies: retaining(32 << 10),
        pace: Pace {
            replay_bytes_per_turn: 1,
            replay_bytes_per_write: 10,
            ..Pace::default()
        },
        ..limits()
    });
    let sender = script.join("/ws");
    script.say(sender, &message(b"8 bytes!").repeat(100));
    script.turn();
    let reader = script.connect();
    script.say(reader, &request("/ws?since=all"));
    while script.relay.counters().lapped == 0 {
        script.turn();
        script.say(sender, &message(&[7; 15 << 10]));
    }
    script.turn();
    script.turn();
    let closed = script.take(reader);
    assert!(
        closed
            .windows(4)
            .any(|bytes| bytes[0] == 0x88 && bytes[2..] == 1013u16.to_be_bytes())
    );
}
