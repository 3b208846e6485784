//! Server-sent events: a client that reads them by HTML §9.2.6 finds the messages that were written, with their ids and
//! kinds, and what else the stream says, and nothing besides; whatever they hold, and however much is written at a time.

use super::cuts;
use crate::proto::event_stream::{
    COMMENT, EventWriter, GROWTH_MAX, event_bytes, write_begin, write_gap, write_retry,
};
use crate::proto::{Epoch, MessageId, MessageKind};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

/// The least that a message takes as a client sends it: a header of two bytes, and a mask.
const FRAME_BYTES_MIN: usize = 6;

/// What a client finds.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    Event {
        id: Vec<u8>,
        name: Vec<u8>,
        data: Vec<u8>,
    },
    Comment,
    Retry(u64),
}

/// How much is written at a time (1 byte), how large the first id is (1), and then for each message, or what else is
/// said, a byte: what it is, and how many of the bytes that follow are in it.
pub fn event_stream(data: &[u8]) {
    let [seed, size, rest @ ..] = data else {
        return;
    };
    let mut rest = rest;
    let mut id = MessageId {
        epoch: Epoch::of(u64::from(*size)),
        number: u64::MAX >> (size % 64),
    };
    let (mut stream, mut expected) = (Vec::new(), Vec::new());
    let mut sizes =
        cuts(*seed, usize::MAX).scan(0, |last, end| Some(end - std::mem::replace(last, end)));
    while let Some((choice, more)) = rest.split_first() {
        let bytes = match usize::from(choice >> 3) {
            31 => more.len(),
            bytes => bytes.min(more.len()),
        };
        let payload;
        (payload, rest) = more.split_at(bytes);
        id.number = id.number.wrapping_add(1);
        let number = payload
            .iter()
            .fold(0, |sum, &byte| sum << 8 | u64::from(byte));
        match choice % 8 {
            0..=2 => {
                write(id, MessageKind::Text, payload, &mut sizes, &mut stream);
                expected.push(event(id, "message", &lines(payload)));
            }
            3 | 4 => {
                write(id, MessageKind::Binary, payload, &mut sizes, &mut stream);
                expected.push(event(id, "binary", BASE64.encode(payload).as_bytes()));
            }
            5 => {
                let missed = (!payload.is_empty()).then_some(number);
                write_gap(id, missed, &mut stream);
                let missed = missed.map_or("null".into(), |missed| missed.to_string());
                let data = format!("{{\"missed\":{missed}}}");
                expected.push(event(id, "gap", data.as_bytes()));
            }
            6 => {
                stream.extend_from_slice(COMMENT);
                expected.push(Told::Comment);
            }
            _ => {
                match payload.is_empty() {
                    true => write_retry(number, &mut stream),
                    false => write_begin(number, id, &mut stream),
                }
                expected.push(Told::Retry(number));
            }
        }
    }
    assert_eq!(read(&stream), expected);
}

/// Writes a message in pieces of these sizes: what it writes at once is the same.
fn write(
    id: MessageId,
    kind: MessageKind,
    payload: &[u8],
    sizes: &mut impl Iterator<Item = usize>,
    stream: &mut Vec<u8>,
) {
    let mut whole = Vec::new();
    let is_whole = EventWriter::default().write(id, kind, payload, &mut whole, usize::MAX);
    assert!(is_whole);
    assert_eq!(event_bytes(&whole), Some(whole.len()));
    assert!(whole.len() <= GROWTH_MAX * (FRAME_BYTES_MIN + payload.len()));
    let (begin, mut writer) = (stream.len(), EventWriter::default());
    loop {
        let before = stream.len();
        let bytes_max = before + sizes.next().unwrap_or(usize::MAX);
        let is_whole = writer.write(id, kind, payload, stream, bytes_max);
        assert!(stream.len() > before);
        assert_eq!(writer.has_begun(), !is_whole);
        if is_whole {
            break;
        }
    }
    assert_eq!(stream[begin..], whole);
}

fn event(id: MessageId, name: &str, data: &[u8]) -> Told {
    Told::Event {
        id: id.to_string().into(),
        name: name.into(),
        data: data.into(),
    }
}

/// A text as a client has it: each of its lines ends with LF.
fn lines(text: &[u8]) -> Vec<u8> {
    let mut lines = Vec::new();
    for (index, &byte) in text.iter().enumerate() {
        match byte {
            b'\n' if index > 0 && text[index - 1] == b'\r' => {}
            b'\r' => lines.push(b'\n'),
            byte => lines.push(byte),
        }
    }
    lines
}

/// HTML §9.2.6 as it reads, but for the decoding of UTF-8, which changes no line.
fn read(stream: &[u8]) -> Vec<Told> {
    let mut rest = stream.strip_prefix("\u{feff}".as_bytes()).unwrap_or(stream);
    let mut told = Vec::new();
    let (mut data, mut name, mut id) = (Vec::new(), Vec::new(), Vec::new());
    let mut last_id = Vec::new();
    while let Some(end) = rest.iter().position(|byte| b"\r\n".contains(byte)) {
        let line = &rest[..end];
        let is_crlf = rest[end..].starts_with(b"\r\n");
        rest = &rest[end + if is_crlf { 2 } else { 1 }..];
        if line.is_empty() {
            last_id.clone_from(&id);
            let (data, name) = (std::mem::take(&mut data), std::mem::take(&mut name));
            if let Some((_, data)) = data.split_last() {
                told.push(Told::Event {
                    id: last_id.clone(),
                    name: match name.is_empty() {
                        true => b"message".to_vec(),
                        false => name,
                    },
                    data: data.to_vec(),
                });
            }
            continue;
        }
        let (field, value) = match line.iter().position(|&byte| byte == b':') {
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (line, &[][..]),
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"" => told.push(Told::Comment),
            b"event" => name = value.to_vec(),
            b"data" => {
                data.extend_from_slice(value);
                data.push(b'\n');
            }
            b"id" if !value.contains(&0) => id = value.to_vec(),
            b"retry" if value.iter().all(u8::is_ascii_digit) => {
                let retry = str::from_utf8(value)
                    .ok()
                    .and_then(|text| text.parse().ok());
                told.push(Told::Retry(retry.expect("a number of ours")));
            }
            _ => {}
        }
    }
    assert_eq!(rest, b"", "a line that does not end");
    assert!(
        data.is_empty() && name.is_empty(),
        "an event that does not end"
    );
    told
}
