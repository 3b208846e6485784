//! A session that agreed on compression, and what its messages inflate to.

use super::cuts;
use crate::proto::deflate::{Deflater, Inflater, Window};
use crate::proto::{Event, Gather, Message, MessageKind, ProtocolError, Role, Session};
use std::iter;

/// Whole messages as their sender meant them.
type Messages = Vec<(MessageKind, Vec<u8>)>;

/// A message as its sender meant it, inflated in steps of this much work.
fn open<'a>(
    inflater: &'a mut Inflater,
    message: Message<'a>,
    bytes_max: usize,
    work_max: usize,
) -> Result<Message<'a>, ProtocolError> {
    if !message.compressed {
        return Ok(message);
    }
    inflater.begin(message.payload.len(), bytes_max);
    while !inflater.advance(message.payload, bytes_max, work_max)? {}
    inflater.message(message.kind)
}

/// The messages of a client's bytes, which come in reads that end at `cuts` and are inflated in steps
/// of this much work, and how they ended.
fn receive(
    input: &[u8],
    cuts: impl IntoIterator<Item = usize>,
    bytes_max: usize,
    work_max: usize,
) -> (Messages, Option<ProtocolError>) {
    let mut session = Session::new(Role::Server).with_compression(true);
    let mut gather = Gather::default();
    let mut inflater = Inflater::default();
    let mut messages = Vec::new();
    let mut start = 0;
    for end in cuts.into_iter().chain(iter::once(input.len())) {
        let mut read = input[start..end].to_vec();
        start = end;
        let mut rest = &mut read[..];
        while !rest.is_empty() {
            let received = match session.receive(rest, bytes_max) {
                Ok(received) => received,
                Err(error) => return (messages, Some(error)),
            };
            let consumed = received.consumed;
            if let Some(Event::Fragment(fragment)) = received.event
                && let Some(message) = gather.push(fragment)
            {
                match open(&mut inflater, message, bytes_max, work_max) {
                    Ok(message) => {
                        assert!(message.payload.len() <= bytes_max);
                        messages.push((message.kind, message.payload.to_vec()));
                    }
                    Err(error) => return (messages, Some(error)),
                }
            }
            rest = &mut rest[consumed..];
        }
    }
    (messages, None)
}

/// The first byte chooses the limit, the second the cuts; the rest is what the client sends.
pub fn inflate(data: &[u8]) {
    let [choice, seed, input @ ..] = data else {
        return;
    };
    let bytes_max = [0, 1, 5, 125, 1000, 65_536, 1 << 20, 1 << 24][usize::from(choice % 8)];
    let whole = receive(input, [], bytes_max, usize::MAX);
    assert_eq!(
        receive(input, 0..input.len(), bytes_max, 1),
        whole,
        "byte by byte"
    );
    let work_max = 100 * usize::from(*seed);
    assert_eq!(
        receive(input, cuts(*seed, input.len()), bytes_max, work_max),
        whole,
        "in reads"
    );

    // Said again, compressed by us if that makes them smaller, they are the same.
    let mut client = Session::new(Role::Client).with_compression(true);
    for window in [Window::Bits9, Window::Bits15] {
        let mut deflater = Deflater::new(window, choice >> 4);
        let mut out = Vec::new();
        for (kind, payload) in &whole.0 {
            let sent = match (deflater.deflate(payload), kind) {
                (Some(compressed), kind) => {
                    assert!(compressed.len() < payload.len());
                    client.send_compressed(*kind, compressed, &mut out)
                }
                (None, MessageKind::Binary) => client.send_binary(payload, &mut out),
                (None, MessageKind::Text) => {
                    let text = str::from_utf8(payload).expect("checked once it was inflated");
                    client.send_text(text, &mut out)
                }
            };
            sent.expect("whole messages can be sent in any order");
        }
        assert_eq!(
            receive(&out, [], bytes_max, usize::MAX),
            (whole.0.clone(), None)
        );
    }
}
