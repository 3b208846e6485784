//! Requests that publish, good and bad, and what each has to come to.

use super::character::Character;
use super::{TOPICS, topic_name};
use crate::random::Random;

/// What a request is to be answered with, unless something else ends it before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// 200: all of its messages are published.
    Published,
    /// An error; of lines, this one is the first that is not published, counted from 1.
    Refused { status: u16, line: u64 },
}

/// A request as it is sent.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) bytes: Vec<u8>,
    pub(super) head_bytes: usize,
    pub(super) topic: usize,
    pub(super) each_line: bool,
    /// Its messages in order, and how much of it has to have come before each may be published.
    pub(super) messages: Vec<(usize, Vec<u8>)>,
    pub(super) verdict: Verdict,
    /// The client asks to be told to go on.
    pub(super) expects: bool,
    /// It is the last of its connection, whatever follows.
    pub(super) is_last: bool,
    pub(super) has_origin: bool,
}

/// A body on the wire: how much has to have come for each byte of it, and its bytes.
struct Wire {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    lines: Vec<String>,
}

fn sized(body: &[u8]) -> Wire {
    Wire {
        bytes: body.to_vec(),
        ends: (1..=body.len()).collect(),
        lines: vec![format!("Content-Length: {}", body.len())],
    }
}

fn chunked(body: &[u8], random: &mut Random) -> Wire {
    let (mut bytes, mut ends, mut rest) = (Vec::new(), Vec::new(), body);
    while !rest.is_empty() {
        let (chunk, after) = rest.split_at(random.size(rest.len()));
        let extension = random.pick(&["", "", ";a=b", " ; quoted=\"0\""]);
        bytes.extend(format!("{:x}{extension}\r\n", chunk.len()).bytes());
        for &byte in chunk {
            bytes.push(byte);
            ends.push(bytes.len());
        }
        bytes.extend(b"\r\n");
        rest = after;
    }
    bytes.extend(
        random
            .pick(&["0\r\n\r\n", "000;x\r\n\r\n", "0\r\nA: b\r\nC: d\r\n\r\n"])
            .bytes(),
    );
    let lines = vec!["Transfer-Encoding: chunked".into()];
    Wire { bytes, ends, lines }
}

impl Request {
    /// Draws one, with a name that no other has.
    pub(super) fn draw(name: &str, random: &mut Random, character: &Character) -> Self {
        let each_line = random.once_in(3);
        let mut messages: Vec<Vec<u8>> = Vec::new();
        let mut verdict = Verdict::Published;
        let bytes_max = character.limits.message_bytes_max;
        let payload = |index: usize, random: &mut Random| {
            let mut payload = format!("{name}-{index} ").into_bytes();
            let bytes = random.size(bytes_max).max(payload.len());
            payload.resize(bytes, b'x');
            payload
        };
        let mut body = Vec::new();
        let mut whole_at = Vec::new();
        let mut lines = 0;
        let count = if each_line { random.below(6) } else { 1 };
        for index in 0..count {
            let message = payload(index, random);
            body.extend_from_slice(&message);
            messages.push(message);
            whole_at.push(body.len());
            if each_line {
                lines += 1;
                body.extend(random.pick(&["\n", "\r\n"]).bytes());
                *whole_at.last_mut().expect("it is there") = body.len();
                if random.once_in(4) {
                    body.extend(random.pick(&["\n", "\r\n"]).bytes());
                    lines += 1;
                }
            }
        }
        let is_bad = random.once_in(6);
        if is_bad {
            let (bad, status) = match random.below(2) {
                0 => (vec![b'x'; bytes_max + 2], 413),
                _ => (b"\xFF\xFE".to_vec(), 415),
            };
            match each_line {
                true => body.extend([&bad[..], b"\nnever\n"].concat()),
                false => {
                    (body, messages, whole_at) = (bad, Vec::new(), Vec::new());
                }
            }
            let line = lines + 1;
            verdict = Verdict::Refused { status, line };
        }
        let is_spoilt = !is_bad && random.once_in(10);
        if each_line && !is_bad && !is_spoilt && !messages.is_empty() && random.once_in(3) {
            // Its last line has no end.
            while body.ends_with(b"\n") || body.ends_with(b"\r") {
                body.pop();
            }
            *whole_at.last_mut().expect("it is there") = usize::MAX;
        }
        let mut wire = match random.once_in(2) {
            true => sized(&body),
            false => chunked(&body, random),
        };
        let whole = wire.bytes.len();
        if is_spoilt {
            verdict = spoil(&mut wire, lines, random);
        }
        let is_spoilt = !is_bad && verdict != Verdict::Published;
        let is_refused_first = is_spoilt && wire.lines.len() > 1;
        let mut request = Request {
            bytes: Vec::new(),
            head_bytes: 0,
            topic: random.below(TOPICS),
            each_line,
            messages: Vec::new(),
            verdict,
            expects: random.once_in(6),
            is_last: false,
            has_origin: random.once_in(4),
        };
        if character.has_hooks && !is_refused_first && random.once_in(12) {
            request.verdict = Verdict::Refused {
                status: 401,
                line: 0,
            };
        }
        request.write_head(name, &wire.lines, random, character);
        let is_never =
            is_refused_first || matches!(request.verdict, Verdict::Refused { status: 401, .. });
        for (message, at) in messages.into_iter().zip(whole_at) {
            let at = match at {
                _ if !each_line || at == usize::MAX => whole,
                at => wire.ends[at - 1],
            };
            request.messages.push((request.head_bytes + at, message));
        }
        if is_spoilt && !each_line || is_never {
            // Not one of them may ever be published.
            for message in &mut request.messages {
                message.0 = usize::MAX;
            }
        }
        request.bytes.extend(wire.bytes);
        request.is_last |= match request.verdict {
            Verdict::Refused { status: 415, line } => each_line || line == 0,
            Verdict::Refused { .. } => true,
            Verdict::Published => false,
        };
        request
    }

    fn write_head(
        &mut self,
        name: &str,
        lines: &[String],
        random: &mut Random,
        character: &Character,
    ) {
        let method = random.pick(&["POST", "PUT"]);
        let mut head = format!("{method} /ws/{}?n={name}", topic_name(self.topic));
        if self.each_line {
            head += "&each=line";
        }
        if matches!(self.verdict, Verdict::Refused { status: 401, .. }) {
            head += "&no=1";
        }
        head += " HTTP/1.1\r\nHost: sim\r\n";
        if random.once_in(8) {
            self.is_last = true;
            head += "Connection: close\r\n";
        }
        if self.expects {
            head += "Expect: 100-continue\r\n";
        }
        if self.has_origin {
            head += "Origin: https://page.example\r\n";
        }
        // In an order that is made elsewhere, one that is repeated at once is another one.
        if character.retains && !character.is_elsewhere && !self.each_line {
            head += &format!("Idempotency-Key: {name}\r\n");
        }
        for line in lines {
            head += &format!("{line}\r\n");
        }
        head += "\r\n";
        self.head_bytes = head.len();
        self.bytes = head.into_bytes();
    }
}

/// Makes a body bad in the way that it is framed.
fn spoil(wire: &mut Wire, lines: u64, random: &mut Random) -> Verdict {
    let is_chunked = wire.lines[0].starts_with('T');
    let refused = |status, line| Verdict::Refused { status, line };
    match random.below(4) {
        0 => {
            wire.lines.push(match is_chunked {
                true => "Content-Length: 3".into(),
                false => "Transfer-Encoding: chunked".into(),
            });
            refused(400, 0)
        }
        1 => {
            wire.lines.push("Content-Encoding: gzip".into());
            refused(415, 0)
        }
        2 if is_chunked => {
            // The last chunk's size is none.
            let end = wire.bytes.len();
            let last = *wire.ends.last().map_or(&0, |end| end);
            let last = if last == 0 { 0 } else { last + 2 };
            wire.bytes.truncate(last.min(end));
            wire.bytes.extend(
                random
                    .pick(&["x\r\n", "\r\n", "0x0\r\n\r\n", "0\n\r\n"])
                    .bytes(),
            );
            refused(400, lines + 1)
        }
        _ => Verdict::Published,
    }
}
