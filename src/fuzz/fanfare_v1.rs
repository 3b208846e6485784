//! Subprotocol `fanfare.v1`: what clients send is published or refused, and never taken for something else.

use crate::proto::fanfare_v1::command::{LINE_BYTES_MAX, REFERENCE_MAX};
use crate::proto::fanfare_v1::{
    Control, InvalidCommand, OVERHEAD_BYTES_MAX, Secret, Submission, read,
};
use crate::proto::{Epoch, MessageId};
use serde_json::Value;

/// A byte that says whether the connection's mark begins the message, and the message.
pub fn fanfare_v1(data: &[u8]) {
    let Some((choice, rest)) = data.split_first() else {
        return;
    };
    let secret = Secret::draw();
    let (mark, other) = (secret.mark(1, 2), secret.mark(1, 3));
    let prefix = match choice % 3 {
        0 => "",
        1 => mark.as_str(),
        _ => other.as_str(),
    };
    let message = [prefix.as_bytes(), rest].concat();
    let id = MessageId {
        epoch: Epoch::of(0),
        number: 1,
    };
    match read(&message, || mark) {
        Ok(Submission { reference, payload }) if prefix == mark.as_str() => {
            assert!(rest.ends_with(payload) && message.len() - payload.len() <= OVERHEAD_BYTES_MAX);
            let line = &rest[..rest.len() - payload.len()];
            // What is ignored may be JSON that can't be kept, such as 1e999.
            if let Ok(line) = serde_json::from_slice::<Value>(line) {
                assert_eq!(line["publish"], true);
                assert_eq!(line["ref"].as_u64(), reference);
            }
            let Some(reference) = reference else { return };
            assert!(reference <= REFERENCE_MAX);
            let said = said(Control::Acknowledgement { reference, id });
            assert_eq!(said["ref"], reference);
        }
        Ok(submission) => {
            let payload = &message[..];
            assert_eq!((submission.reference, submission.payload), (None, payload));
        }
        Err(InvalidCommand { error, reference }) => {
            assert_eq!(prefix, mark.as_str());
            let said = said(Control::Error { error, reference });
            assert_eq!(said["error"], error.code());
            assert_eq!(said["ref"].as_u64(), reference);
            let line = rest.split(|&byte| byte == b'\n').next();
            let is_long = line.is_some_and(|line| line.len() > LINE_BYTES_MAX);
            assert_eq!(error.code() == "line_too_long", is_long);
        }
    }
    if let Ok(topic) = str::from_utf8(rest) {
        assert_eq!(
            said(Control::Welcome {
                topic,
                id,
                tail: id
            })["topic"],
            topic
        );
    }
}

/// What a client reads, as JSON.
fn said(control: Control) -> Value {
    let mark = Secret::draw().mark(0, 0);
    let mut payload = Vec::new();
    control.write(&mark, &mut payload);
    let is_welcome = matches!(control, Control::Welcome { .. });
    let object = match mark.strip(&payload) {
        Some(object) => object,
        None => &payload[..],
    };
    assert_eq!(object.len() == payload.len(), is_welcome);
    assert!(
        object
            .iter()
            .all(|byte| !byte.is_ascii_control() || *byte == 0x7F)
    );
    serde_json::from_slice(object).expect("an object of JSON")
}
