//! Server-sent events (HTML §9.2): how messages are written as events, and what else a stream of them says.
//!
//! ```text
//!   retry: 2718          where the stream begins: when to come back, and the message before the first;
//!   id: k3f9x2a-1041     an event without data moves the client's position, and fires nothing
//!                        (if a gap is to come first, it says that, lest a client that is cut off comes back behind it)
//!
//!   id: k3f9x2a-1042     a text message, each of its lines in a line
//!   data: hello
//!   data: world
//!
//!   id: k3f9x2a-1043     a binary message, in base64
//!   event: binary
//!   data: AAEC
//!
//!   id: k3f9x2a-1055     1044 to 1055 are missing
//!   event: gap
//!   data: {"missed":12}
//! ```
//!
//! Clients end a line at LF, CR and CRLF alike. So a message is split at all three: if one of them were passed on,
//! whoever publishes could write lines of other events. Readers find LF at each of them. Only an event's end is an
//! empty line, which is how a log of events finds where one ends.

use super::message_id::MessageId;
use super::websocket::MessageKind;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use memchr::memmem;
use std::io::Write;

/// The type of a stream.
pub const CONTENT_TYPE: &str = "text/event-stream; charset=utf-8";

/// Says nothing, and shows that the stream is alive.
pub const COMMENT: &[u8] = b":\n\n";

/// An event is at most so many times as long as the frame that its message came in: a line end takes 7 bytes, and an
/// empty binary message 55 rather than 6.
pub const GROWTH_MAX: usize = 10;

/// How much of a message is written as an event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventWriter {
    /// The lines before its data, and the beginning of these.
    has_begun: bool,
    /// Bytes of the payload.
    taken: usize,
}

impl EventWriter {
    /// Goes on to write a message, until it is whole or `out` has `bytes_max` bytes, and some more at most: an id, a
    /// few words, a character. True once it is whole, and the next one may follow.
    pub fn write(
        &mut self,
        id: MessageId,
        kind: MessageKind,
        payload: &[u8],
        out: &mut Vec<u8>,
        bytes_max: usize,
    ) -> bool {
        if !self.has_begun {
            self.has_begun = true;
            write_id(id, out);
            out.extend_from_slice(match kind {
                MessageKind::Text => b"data: ",
                MessageKind::Binary => b"event: binary\ndata: ",
            });
        }
        let is_whole = match kind {
            MessageKind::Text => self.write_lines(payload, out, bytes_max),
            MessageKind::Binary => self.write_base64(payload, out, bytes_max),
        };
        if is_whole {
            out.extend_from_slice(b"\n\n");
            *self = EventWriter::default();
        }
        is_whole
    }

    /// Some of a message is written, and not all.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.has_begun
    }

    fn write_lines(&mut self, payload: &[u8], out: &mut Vec<u8>, bytes_max: usize) -> bool {
        loop {
            let rest = &payload[self.taken..];
            let space = bytes_max.saturating_sub(out.len()).max(1);
            let window = &rest[..rest.len().min(space)];
            let Some(end) = memchr::memchr2(b'\n', b'\r', window) else {
                out.extend_from_slice(window);
                self.taken += window.len();
                return self.taken == payload.len();
            };
            out.extend_from_slice(&window[..end]);
            out.extend_from_slice(b"\ndata: ");
            self.taken += end
                + if rest[end..].starts_with(b"\r\n") {
                    2
                } else {
                    1
                };
            if out.len() >= bytes_max && self.taken < payload.len() {
                return false;
            }
        }
    }

    fn write_base64(&mut self, payload: &[u8], out: &mut Vec<u8>, bytes_max: usize) -> bool {
        let rest = &payload[self.taken..];
        let space = bytes_max.saturating_sub(out.len()).max(BASE64_CHARACTERS);
        // Without padding, but for the last part's.
        let part = &rest[..rest.len().min(space / BASE64_CHARACTERS * BASE64_BYTES)];
        let begin = out.len();
        out.resize(
            begin + part.len().div_ceil(BASE64_BYTES) * BASE64_CHARACTERS,
            0,
        );
        let written = BASE64.encode_slice(part, &mut out[begin..]);
        debug_assert_eq!(written, Ok(out.len() - begin));
        self.taken += part.len();
        self.taken == payload.len()
    }
}

const BASE64_BYTES: usize = 3;
const BASE64_CHARACTERS: usize = 4;

/// Writes a whole message.
pub fn write_message(id: MessageId, kind: MessageKind, payload: &[u8], out: &mut Vec<u8>) {
    EventWriter::default().write(id, kind, payload, out, usize::MAX);
}

/// Where a stream begins: behind that message. Its client comes back so many milliseconds after its end.
pub fn write_begin(retry_ms: u64, id: MessageId, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("retry: {retry_ms}\n").as_bytes());
    write_id(id, out);
    out.push(b'\n');
}

/// When the client comes back after the stream's end.
pub fn write_retry(retry_ms: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("retry: {retry_ms}\n\n").as_bytes());
}

/// Messages are missing, that one the last of them: how many, if that is known.
pub fn write_gap(id: MessageId, missed: Option<u64>, out: &mut Vec<u8>) {
    write_id(id, out);
    out.extend_from_slice(b"event: gap\n");
    let missed = missed.map_or_else(|| "null".to_owned(), |missed| missed.to_string());
    out.extend_from_slice(format!("data: {{\"missed\":{missed}}}\n\n").as_bytes());
}

fn write_id(id: MessageId, out: &mut Vec<u8>) {
    // Writing into a Vec does not fail.
    let _ = writeln!(out, "id: {id}");
}

/// Size of the message that begins there, as it was written.
#[must_use]
pub fn event_bytes(bytes: &[u8]) -> Option<usize> {
    memmem::find(bytes, b"\n\n").map(|at| at + 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::Epoch;

    const ID: MessageId = MessageId {
        epoch: Epoch::ZERO,
        number: 7,
    };

    fn written(kind: MessageKind, payload: &[u8]) -> String {
        let mut out = Vec::new();
        write_message(ID, kind, payload, &mut out);
        assert_eq!(event_bytes(&out), Some(out.len()));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_text_is_split_wherever_a_client_ends_a_line() {
        for (text, data) in [
            ("", "data: \n"),
            ("hello", "data: hello\n"),
            (" hello ", "data:  hello \n"),
            ("a\nb", "data: a\ndata: b\n"),
            ("a\rb", "data: a\ndata: b\n"),
            ("a\r\nb", "data: a\ndata: b\n"),
            ("a\n\rb", "data: a\ndata: \ndata: b\n"),
            ("a\n\n", "data: a\ndata: \ndata: \n"),
            ("\r", "data: \ndata: \n"),
            (
                "x\n\nid: 1\nevent: gap\ndata: 5",
                "data: x\ndata: \ndata: id: 1\ndata: event: gap\ndata: data: 5\n",
            ),
        ] {
            let expected = format!("id: 0000000-7\n{data}\n");
            assert_eq!(
                written(MessageKind::Text, text.as_bytes()),
                expected,
                "{text:?}"
            );
        }
    }

    #[test]
    fn binary_is_base64() {
        for (bytes, base64) in [
            (&[][..], ""),
            (b"\n", "Cg=="),
            (&[0, 1, 2], "AAEC"),
            (b"\r\n\r\n", "DQoNCg=="),
        ] {
            let expected = format!("id: 0000000-7\nevent: binary\ndata: {base64}\n\n");
            assert_eq!(written(MessageKind::Binary, bytes), expected);
        }
    }

    #[test]
    fn a_message_in_parts_is_the_same() {
        let payload: Vec<u8> = (0..200).map(|n: usize| b"\n\rab"[n * n / 7 % 4]).collect();
        for kind in [MessageKind::Text, MessageKind::Binary] {
            let whole = written(kind, &payload);
            for step in 1..100 {
                let (mut writer, mut out) = (EventWriter::default(), Vec::new());
                let mut is_whole = false;
                while !is_whole {
                    let before = out.len();
                    is_whole = writer.write(ID, kind, &payload, &mut out, before + step);
                    assert!(is_whole != writer.has_begun() && out.len() > before);
                    assert!(out.len() <= before + step + 60, "{kind:?} {step}");
                }
                assert_eq!(String::from_utf8(out).unwrap(), whole, "{kind:?} {step}");
            }
        }
    }

    #[test]
    fn an_event_is_not_much_larger_than_the_frame_it_came_in() {
        let id = MessageId {
            number: u64::MAX,
            ..ID
        };
        for kind in [MessageKind::Text, MessageKind::Binary] {
            for payload in [&b""[..], b"\n", b"a", &[b'\r'; 100], &[b'\n'; 10_000]] {
                let mut out = Vec::new();
                write_message(id, kind, payload, &mut out);
                // A header of two bytes, and a mask.
                assert!(
                    out.len() <= GROWTH_MAX * (6 + payload.len()),
                    "{kind:?} {}",
                    payload.len()
                );
            }
        }
    }

    #[test]
    fn what_else_a_stream_says() {
        let mut out = Vec::new();
        write_begin(2718, ID, &mut out);
        write_gap(ID, Some(12), &mut out);
        write_gap(ID, None, &mut out);
        write_retry(5, &mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "retry: 2718\nid: 0000000-7\n\n\
             id: 0000000-7\nevent: gap\ndata: {\"missed\":12}\n\n\
             id: 0000000-7\nevent: gap\ndata: {\"missed\":null}\n\n\
             retry: 5\n\n"
        );
    }
}
