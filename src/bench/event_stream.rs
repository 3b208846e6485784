//! Server-sent events as they come (HTML Living Standard §9.2.6): lines, which LF, CR and CRLF end alike,
//! make up events, and an empty line ends an event.
//!
//! Of events, a message without a name is text, and `binary` is one in base64, which is how the relay sends
//! what is not text. Others, ids and reconnection times are read and left alone.

use super::framing::{Framing, Malformed};
use crate::proto::MessageKind;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

/// An event longer than this is no event: the largest message in base64, and then some.
const EVENT_BYTES_MAX: usize = 128 << 20;
/// Bytes of a buffer that a reader keeps, of which there may be ten thousands.
const BYTES_KEPT: usize = 4096;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// One reader's stream.
#[derive(Debug, Default)]
pub(super) struct EventStream {
    framing: Framing,
    /// What there is of a line that has not ended.
    line: Vec<u8>,
    /// The last byte was a CR, which a LF may follow.
    is_after_cr: bool,
    has_begun: bool,
    /// The data of the event so far, an LF after each of its lines.
    data: Vec<u8>,
    name: EventName,
    /// What a binary message says.
    decoded: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum EventName {
    #[default]
    Message,
    Binary,
    Other,
}

impl EventStream {
    /// The body of a response.
    pub(super) fn new(framing: Framing) -> Self {
        EventStream {
            framing,
            ..EventStream::default()
        }
    }

    /// Takes what was read, which is moved around in its place, and tells the messages that are whole. True if the
    /// body ends here.
    pub(super) fn receive(
        &mut self,
        bytes: &mut [u8],
        mut on_message: impl FnMut(MessageKind, &[u8]),
    ) -> Result<bool, Malformed> {
        let count = self.framing.unframe(bytes)?;
        let mut rest = &bytes[..count];
        if self.is_after_cr && !rest.is_empty() {
            self.is_after_cr = false;
            rest = rest.strip_prefix(b"\n").unwrap_or(rest);
        }
        while let Some(end) = memchr::memchr2(b'\n', b'\r', rest) {
            let (line, after) = (&rest[..end], &rest[end + 1..]);
            rest = match rest[end] {
                b'\r' if after.is_empty() => {
                    self.is_after_cr = true;
                    after
                }
                b'\r' => after.strip_prefix(b"\n").unwrap_or(after),
                _ => after,
            };
            if self.line.is_empty() {
                self.on_line(line, &mut on_message)?;
            } else {
                let mut whole = std::mem::take(&mut self.line);
                whole.extend_from_slice(line);
                self.on_line(&whole, &mut on_message)?;
                whole.clear();
                whole.shrink_to(BYTES_KEPT);
                self.line = whole;
            }
        }
        self.line.extend_from_slice(rest);
        match self.line.len() + self.data.len() {
            0..=EVENT_BYTES_MAX => Ok(self.framing.is_whole()),
            _ => Err(Malformed),
        }
    }

    fn on_line(
        &mut self,
        mut line: &[u8],
        on_message: &mut impl FnMut(MessageKind, &[u8]),
    ) -> Result<(), Malformed> {
        if !std::mem::replace(&mut self.has_begun, true) {
            line = line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line);
        }
        if line.is_empty() {
            return self.dispatch(on_message);
        }
        let colon = line.iter().position(|&byte| byte == b':');
        let (field, value) = match colon {
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (line, &b""[..]),
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"data" => {
                self.data.extend_from_slice(value);
                self.data.push(b'\n');
            }
            b"event" => {
                self.name = match value {
                    b"" | b"message" => EventName::Message,
                    b"binary" => EventName::Binary,
                    _ => EventName::Other,
                };
            }
            _ => {}
        }
        Ok(())
    }

    /// An event without data is none.
    fn dispatch(
        &mut self,
        on_message: &mut impl FnMut(MessageKind, &[u8]),
    ) -> Result<(), Malformed> {
        let name = std::mem::take(&mut self.name);
        if let Some((_, data)) = self.data.split_last() {
            match name {
                EventName::Message => on_message(MessageKind::Text, data),
                EventName::Binary => {
                    self.decoded.clear();
                    BASE64_STANDARD
                        .decode_vec(data, &mut self.decoded)
                        .map_err(|_| Malformed)?;
                    on_message(MessageKind::Binary, &self.decoded);
                    self.decoded.shrink_to(BYTES_KEPT);
                }
                EventName::Other => {}
            }
            self.data.clear();
            self.data.shrink_to(BYTES_KEPT);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn chunked() -> Framing {
        let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        Framing::of(&crate::proto::ResponseHead::parse(head).unwrap()).unwrap()
    }

    type Messages = Vec<(MessageKind, Vec<u8>)>;

    fn receive(stream: &mut EventStream, bytes: &[u8]) -> (Result<bool, Malformed>, Messages) {
        let mut messages = Vec::new();
        let over = stream.receive(&mut bytes.to_vec(), |kind, payload| {
            messages.push((kind, payload.to_vec()));
        });
        (over, messages)
    }

    fn texts(bytes: &[u8]) -> Vec<String> {
        let (over, messages) = receive(&mut EventStream::default(), bytes);
        assert_eq!(over, Ok(false));
        let text = |(kind, payload)| {
            assert_eq!(kind, MessageKind::Text);
            String::from_utf8(payload).unwrap()
        };
        messages.into_iter().map(text).collect()
    }

    /// The examples of the standard.
    #[test]
    fn events_of_the_standard() {
        assert_eq!(
            texts(b"data: YHOO\ndata: +2\ndata: 10\n\n"),
            ["YHOO\n+2\n10"]
        );
        assert_eq!(
            texts(b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n"),
            ["first event", "second event"]
        );
        assert_eq!(texts(b"data\n\ndata\ndata\n\ndata:"), ["", "\n"]);
        assert_eq!(texts(b"data:test\n\ndata: test\n\n"), ["test", "test"]);
    }

    #[test]
    fn what_is_no_message() {
        assert!(
            texts(b"retry: 3000\nid: k3f9x2a-7\n\n:\n\nevent: gap\ndata: {\"missed\":12}\n\n")
                .is_empty()
        );
        // The name is of one event alone.
        assert_eq!(texts(b"event: gap\n\ndata: a\n\n"), ["a"]);
        assert_eq!(texts(b"event: message\nDATA: b\ndata: a\n\n"), ["a"]);
        assert_eq!(
            texts(b"\xef\xbb\xbfdata: a\n\n\xef\xbb\xbfdata: b\n\n"),
            ["a"]
        );
    }

    #[test]
    fn binary_messages() {
        let mut stream = EventStream::default();
        let (_, messages) = receive(&mut stream, b"event: binary\ndata: AAH/\n\n");
        assert_eq!(messages, [(MessageKind::Binary, vec![0, 1, 255])]);
        let (over, _) = receive(&mut stream, b"event: binary\ndata: no base64\n\n");
        assert_eq!(over, Err(Malformed));
    }

    proptest! {
        #[test]
        fn lines_may_end_in_three_ways_and_anywhere_in_a_read(
            ending in prop::sample::select(vec!["\n", "\r", "\r\n"]),
            payloads in proptest::collection::vec("[ a-z:é]{0,60}", 1..6),
            cut in 1_usize..40,
            is_chunked in any::<bool>(),
        ) {
            let mut wire = Vec::new();
            for payload in &payloads {
                let event = format!(": c{ending}id: 7{ending}data: {payload}{ending}data: x{ending}{ending}");
                match is_chunked {
                    true => wire.extend(format!("{:x}\r\n{event}\r\n", event.len()).into_bytes()),
                    false => wire.extend(event.into_bytes()),
                }
            }
            let framing = match is_chunked {
                true => chunked(),
                false => Framing::default(),
            };
            let mut stream = EventStream::new(framing);
            let mut received = Vec::new();
            for piece in wire.chunks(cut) {
                let (over, messages) = receive(&mut stream, piece);
                prop_assert_eq!(over, Ok(false));
                received.extend(messages);
            }
            let expected = payloads.iter().map(|it| (MessageKind::Text, format!("{it}\nx").into_bytes()));
            prop_assert_eq!(received, expected.collect::<Messages>());
        }
    }

    #[test]
    fn a_body_that_ends() {
        let mut stream = EventStream::new(chunked());
        let (over, messages) = receive(&mut stream, b"9\r\ndata: a\n\n\r\n0\r\n\r\n");
        assert_eq!((over, messages.len()), (Ok(true), 1));
    }
}
