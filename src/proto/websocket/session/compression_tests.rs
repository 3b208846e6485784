//! Sessions that agreed on compression, and those that did not.

use super::*;
use crate::proto::deflate::{Deflater, Inflater, Window};
use crate::proto::{Gather, Message};
use proptest::prelude::*;

const LIMIT: usize = 1 << 16;

/// A frame of a client, whose first byte says what it says.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        length @ 0..=125 => frame.push(0x80 | length as u8),
        length => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(length as u16).to_be_bytes());
        }
    }
    let key = [1, 2, 3, 4];
    frame.extend_from_slice(&key);
    let start = frame.len();
    frame.extend_from_slice(payload);
    mask::apply(&mut frame[start..], key);
    frame
}

/// A message as its kind, whether it came compressed, and what it says.
type Whole = (MessageKind, bool, Vec<u8>);

/// What a server's session makes of `input`, which comes in pieces of `step` bytes.
fn receive(input: &[u8], step: usize, is_agreed: bool) -> Result<Vec<Whole>, ProtocolError> {
    let mut session = Session::new(Role::Server).with_compression(is_agreed);
    let mut gather = Gather::default();
    let mut inflater = Inflater::default();
    let mut messages = Vec::new();
    for read in input.chunks(step) {
        let mut read = read.to_vec();
        let mut rest = &mut read[..];
        while !rest.is_empty() {
            let received = session.receive(rest, LIMIT)?;
            let consumed = received.consumed;
            if let Some(Event::Fragment(fragment)) = received.event
                && let Some(message) = gather.push(fragment)
            {
                let Message { kind, payload, .. } = inflater.open(message, LIMIT)?;
                messages.push((kind, message.compressed, payload.to_vec()));
            }
            rest = &mut rest[consumed..];
        }
    }
    assert!(session.is_at_rest());
    Ok(messages)
}

/// The same, whole and byte by byte.
fn receive_both_ways(input: &[u8], is_agreed: bool) -> Result<Vec<Whole>, ProtocolError> {
    let whole = receive(input, usize::MAX, is_agreed);
    assert_eq!(whole, receive(input, 1, is_agreed));
    whole
}

fn deflate(payload: &[u8]) -> Vec<u8> {
    let mut deflater = Deflater::new(Window::Bits15, 6);
    deflater.deflate(payload).unwrap().to_vec()
}

#[test]
fn a_session_that_agreed_on_it_is_no_larger() {
    assert_eq!(size_of::<Session>(), 16);
}

#[test]
fn compressed_and_plain_messages_mix() {
    let said = "fan fan fan fan fanfare";
    let compressed = deflate(said.as_bytes());
    let (start, end) = compressed.split_at(5);
    let input = [
        frame(0xc1, &compressed),
        frame(0x81, said.as_bytes()),
        frame(0x42, start),
        frame(0x89, b"ping"),
        frame(0x00, b""),
        frame(0x80, end),
        frame(0x02, b"fan "),
        frame(0x80, b"fare"),
    ]
    .concat();
    assert_eq!(
        receive_both_ways(&input, true),
        Ok(vec![
            (MessageKind::Text, true, said.into()),
            (MessageKind::Text, false, said.into()),
            (MessageKind::Binary, true, said.into()),
            (MessageKind::Binary, false, b"fan fare".into()),
        ])
    );
}

#[test]
fn rsv1_has_a_meaning_only_where_it_was_agreed_on() {
    let compressed = frame(0xc1, &deflate(b"fan fan fan fan fan"));
    assert_eq!(
        receive_both_ways(&compressed, false),
        Err(ProtocolError::ReservedBit)
    );
    // On the first frame of a message only, and never on a control frame.
    for then in [&frame(0xc0, b"")[..], &frame(0xc9, b""), &frame(0xc8, b"")] {
        for begun in [&[][..], &frame(0x41, b"x"), &frame(0x01, b"x")] {
            assert_eq!(
                receive_both_ways(&[begun, then].concat(), true),
                Err(ProtocolError::ReservedBit)
            );
        }
    }
    for first in [0xa1, 0x91, 0xe1, 0xf1] {
        assert_eq!(
            receive_both_ways(&frame(first, b""), true),
            Err(ProtocolError::ReservedBit)
        );
    }
}

/// Some clients compress what grows by it: at most by a 256th part and 64 bytes.
#[test]
fn a_compressed_message_may_be_a_little_larger_than_the_limit() {
    for (limit, bytes_max) in [(0, 64), (255, 319), (256, 321), (51_200, 51_464)] {
        for (bytes, is_refused) in [(bytes_max, false), (bytes_max + 1, true)] {
            let mut session = Session::new(Role::Server).with_compression(true);
            let received = session
                .receive(&mut frame(0xc2, &vec![0; bytes]), limit)
                .map(|_| ());
            let expected = is_refused.then_some(ProtocolError::MessageTooBig);
            assert_eq!(
                received.err(),
                expected,
                "{bytes} bytes at a limit of {limit}"
            );
        }
    }
}

#[test]
fn compressed_bytes_are_no_text() {
    // They are not checked as such, but what they stand for is.
    let text = deflate("ääääääää".as_bytes());
    assert!(std::str::from_utf8(&text).is_err());
    assert!(receive_both_ways(&frame(0xc1, &text), true).is_ok());
    let no_text = frame(0xc1, &deflate(&[0xff; 64]));
    assert_eq!(
        receive_both_ways(&no_text, true),
        Err(ProtocolError::TextNotUtf8)
    );
    // A message that is not compressed is checked as before.
    assert_eq!(
        receive_both_ways(&frame(0x81, &[0xff]), true),
        Err(ProtocolError::TextNotUtf8)
    );
}

#[test]
fn what_a_client_compresses_a_server_reads() {
    let mut client = Session::new(Role::Client).with_compression(true);
    let mut out = Vec::new();
    let said = b"fan fan fan fan";
    client
        .send_compressed(MessageKind::Binary, &deflate(said), &mut out)
        .unwrap();
    client.send_text("fare", &mut out).unwrap();
    assert_eq!(
        receive_both_ways(&out, true),
        Ok(vec![
            (MessageKind::Binary, true, said.to_vec()),
            (MessageKind::Text, false, b"fare".to_vec()),
        ])
    );
    let begin = client.send_fragment(MessageKind::Text, b"a", false, &mut out);
    assert_eq!(begin, Ok(()));
    assert_eq!(
        client.send_compressed(MessageKind::Text, b"", &mut out),
        Err(SendError::UnfinishedMessage)
    );
}

proptest! {
    /// However messages are cut into frames and frames into reads, the same ones come out.
    #[test]
    fn any_cut_of_compressed_messages_says_the_same(
        messages in proptest::collection::vec((any::<bool>(), "[a-d ä]{0,400}", 1usize..200), 1..6),
        step in 1usize..300,
    ) {
        let mut input = Vec::new();
        let mut expected = Vec::new();
        for (is_compressed, text, fragment_bytes) in &messages {
            let compressed = is_compressed.then(|| {
                let mut deflater = Deflater::new(Window::Bits9, 3);
                deflater.deflate(text.as_bytes()).map(<[u8]>::to_vec)
            }).flatten();
            let rsv1 = if compressed.is_some() { 0x40 } else { 0 };
            expected.push((MessageKind::Text, compressed.is_some(), text.clone().into_bytes()));
            let payload = compressed.unwrap_or_else(|| text.clone().into_bytes());
            let mut pieces: Vec<&[u8]> = payload.chunks(*fragment_bytes).collect();
            pieces.push(b"");
            let last = pieces.len() - 1;
            for (index, piece) in pieces.into_iter().enumerate() {
                let opcode = if index == 0 { rsv1 | 0x01 } else { 0 };
                let fin = if index == last { 0x80 } else { 0 };
                input.extend(frame(fin | opcode, piece));
            }
        }
        prop_assert_eq!(receive(&input, step, true), Ok(expected));
    }
}
