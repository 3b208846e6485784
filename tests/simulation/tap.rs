//! Parses what the relay writes to a connection, byte by byte: responses, then frames. It is a parser of its
//! own, so that relay and library are not judged by their own rules; some worlds compare it with the library's
//! session in the client's role.

use fanfare::proto::ResponseHead;
use fanfare::proto::{CloseFrame, Event, HeadScanner, MessageKind, OpCode, Role, Session};
use flate2::{Decompress, FlushDecompress, Status};
use std::collections::VecDeque;

/// The key of every opening handshake.
pub(crate) const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

const HEAD_BYTES_MAX: usize = 4096;

/// No message of a world is longer.
const INFLATED_BYTES_MAX: usize = 256 * 1024;

/// What the relay wrote.
pub(crate) enum Received<'a> {
    /// A response's head.
    Response(u16),
    /// A part of a response's body.
    Body(&'a [u8]),
    /// All of a response has come; whether another request may follow.
    ResponseEnd {
        keep_alive: bool,
    },
    /// A message, whole.
    Message(MessageKind, &'a [u8]),
    Ping,
    Pong(&'a [u8]),
    Close(Option<u16>),
}

#[derive(Default)]
pub(crate) struct Tap {
    /// A head or a frame that is not whole yet.
    partial: Vec<u8>,
    /// Where the bytes so far leave us.
    mode: Mode,
    /// Bytes that were read in all.
    received_bytes: u64,
    /// For each request under way, whether it asked for the head only.
    head_only: VecDeque<bool>,
    /// The library's view, in some worlds.
    pub(crate) session: Option<Session>,
    session_received: Vec<(OpCode, u64)>,
    /// The last bytes were a part of a message.
    pub(crate) in_message: bool,
    /// The window that compression was offered with, and what inflates if it was agreed on.
    pub(crate) offered_bits: Option<u32>,
    inflate: Option<Decompress>,
    /// `fanfare.v1` was offered, and so has to be agreed on.
    pub(crate) offers_v1: bool,
}

#[derive(Default, PartialEq, Eq)]
enum Mode {
    #[default]
    Head,
    Body {
        left: usize,
        keep_alive: bool,
    },
    Frames,
    /// A close frame came, or a response after which nothing may come.
    End,
}

impl Tap {
    /// A request is under way.
    pub(crate) fn expect_response(&mut self, head_only: bool) {
        self.head_only.push_back(head_only);
    }

    /// Compression was agreed on.
    pub(crate) fn is_compressed(&self) -> bool {
        self.inflate.is_some()
    }

    /// The bytes so far end with a response or a frame.
    pub(crate) fn is_at_boundary(&self) -> bool {
        self.partial.is_empty() && !matches!(self.mode, Mode::Body { .. })
    }

    /// Bytes that the frame under way lacks, at most.
    pub(crate) fn rest_bytes_max(&self, message_bytes_max: usize) -> usize {
        if self.partial.is_empty() || self.mode != Mode::Frames {
            return 0;
        }
        let whole = frame_bytes(&self.partial).ok().flatten();
        whole.map_or(message_bytes_max + 10, |bytes| bytes - self.partial.len())
    }

    /// Takes in what was written, and yields everything that it completes, with the number of
    /// bytes up to its end.
    pub(crate) fn receive(
        &mut self,
        mut bytes: &[u8],
        on: &mut impl FnMut(u64, Received) -> Result<(), String>,
    ) -> Result<(), String> {
        while !bytes.is_empty() {
            let before = bytes.len();
            let start = self.received_bytes;
            match self.mode {
                Mode::Head => self.receive_head(&mut bytes, on)?,
                Mode::Body { .. } => self.receive_body(&mut bytes, on)?,
                Mode::Frames => {
                    if let Some(session) = &mut self.session {
                        receive_with(session, bytes, start, &mut self.session_received)?;
                    }
                    self.receive_frames(bytes, on)?;
                    if let Some(&(opcode, end)) = self.session_received.first() {
                        return Err(format!("only the session received a {opcode:?} at {end}"));
                    }
                    return Ok(());
                }
                Mode::End => return Err(format!("{before} bytes after the end")),
            }
            self.received_bytes = start + (before - bytes.len()) as u64;
        }
        self.end_body(on)
    }

    fn receive_head(
        &mut self,
        bytes: &mut &[u8],
        on: &mut impl FnMut(u64, Received) -> Result<(), String>,
    ) -> Result<(), String> {
        let known = self.partial.len();
        self.partial.extend_from_slice(bytes);
        let mut scanner = HeadScanner::response();
        let scanned = scanner.scan(&self.partial, HEAD_BYTES_MAX);
        let Some(head_bytes) = scanned.map_err(|error| error.to_string())? else {
            *bytes = &[];
            return Ok(());
        };
        let head = std::mem::take(&mut self.partial);
        *bytes = &bytes[head_bytes - known..];
        let end = self.received_bytes + (head_bytes - known) as u64;
        let head = ResponseHead::parse(&head[..head_bytes]).map_err(|error| error.to_string())?;
        on(end, Received::Response(head.status))?;
        let head_only = self.head_only.pop_front().unwrap_or(false);
        if head.status == 101 {
            let request = fanfare::proto::handshake::Request {
                deflate: self.offered_bits.is_some(),
                subprotocols: if self.offers_v1 { &["fanfare.v1"] } else { &[] },
                ..fanfare::proto::handshake::Request::new("sim", "/ws", KEY)
            };
            let agreed = request.verify(&head).map_err(|error| error.to_string())?;
            if agreed.subprotocol.is_some() != self.offers_v1 {
                return Err(format!("agreed on {:?}", agreed.subprotocol));
            }
            if agreed.deflate.is_some() {
                // There are two windows: the largest, and the smallest for all clients that ask for another.
                let bits = match self.offered_bits {
                    Some(15) => 15,
                    _ => 9,
                };
                self.inflate = Some(Decompress::new_with_window_bits(false, bits));
                let session = self.session.take();
                self.session = session.map(|session| session.with_compression(true));
            }
            self.mode = Mode::Frames;
            return Ok(());
        }
        let length = head.headers.only("Content-Length").ok().flatten();
        let length = length.and_then(|length| str::from_utf8(length).ok()?.parse().ok());
        let length: usize = length.ok_or("a response without a length")?;
        self.mode = Mode::Body {
            // A timeout answers no request, whatever is under way, and nor does a refusal at the accept.
            left: if head_only && ![408, 429].contains(&head.status) {
                0
            } else {
                length
            },
            keep_alive: head.headers.has_token("Connection", "keep-alive"),
        };
        Ok(())
    }

    fn receive_body(
        &mut self,
        bytes: &mut &[u8],
        on: &mut impl FnMut(u64, Received) -> Result<(), String>,
    ) -> Result<(), String> {
        if let Mode::Body { left, .. } = &mut self.mode {
            let taken = bytes.len().min(*left);
            *left -= taken;
            self.received_bytes += taken as u64;
            let (body, rest) = bytes.split_at(taken);
            *bytes = rest;
            on(self.received_bytes, Received::Body(body))?;
        }
        self.end_body(on)
    }

    fn end_body(
        &mut self,
        on: &mut impl FnMut(u64, Received) -> Result<(), String>,
    ) -> Result<(), String> {
        if let Mode::Body {
            left: 0,
            keep_alive,
        } = self.mode
        {
            self.mode = if keep_alive { Mode::Head } else { Mode::End };
            on(self.received_bytes, Received::ResponseEnd { keep_alive })?;
        }
        Ok(())
    }

    fn receive_frames(
        &mut self,
        mut bytes: &[u8],
        on: &mut impl FnMut(u64, Received) -> Result<(), String>,
    ) -> Result<(), String> {
        let mut end = self.received_bytes - self.partial.len() as u64;
        self.received_bytes += bytes.len() as u64;
        let mut partial = std::mem::take(&mut self.partial);
        while !bytes.is_empty() {
            if self.mode == Mode::End {
                return Err(format!("{} bytes after the close frame", bytes.len()));
            }
            if partial.is_empty()
                && let Some(frame_bytes) = frame_bytes(bytes)?
                && frame_bytes <= bytes.len()
            {
                end += frame_bytes as u64;
                self.receive_frame(end, &bytes[..frame_bytes], on)?;
                bytes = &bytes[frame_bytes..];
                continue;
            }
            // As many bytes as make the header whole, then as many as make the frame whole.
            let wanted = frame_bytes(&partial)?.unwrap_or(partial.len() + 1);
            let taken = bytes.len().min(wanted - partial.len());
            partial.extend_from_slice(&bytes[..taken]);
            bytes = &bytes[taken..];
            if frame_bytes(&partial)? == Some(partial.len()) {
                end += partial.len() as u64;
                self.receive_frame(end, &partial, on)?;
                partial.clear();
            }
        }
        self.in_message |= partial.first().is_some_and(|first| first & 0x08 == 0);
        self.partial = partial;
        Ok(())
    }

    /// A frame as a relay sends it: unfragmented, unmasked, its length in the shortest form.
    fn receive_frame(
        &mut self,
        end: u64,
        frame: &[u8],
        on: &mut impl FnMut(u64, Received) -> Result<(), String>,
    ) -> Result<(), String> {
        let header_bytes = match frame[1] {
            126 => 4,
            127 => 10,
            _ => 2,
        };
        let mut payload = &frame[header_bytes..];
        let mut first = frame[0];
        let inflated;
        if let (0xC1 | 0xC2, Some(inflate)) = (first, &mut self.inflate) {
            inflated = inflate_whole(inflate, payload)?;
            (first, payload) = (first & !0x40, &inflated);
        }
        let (opcode, received) = match first {
            0x81 => (OpCode::Text, Received::Message(MessageKind::Text, payload)),
            0x82 => (
                OpCode::Binary,
                Received::Message(MessageKind::Binary, payload),
            ),
            0x88 => {
                self.mode = Mode::End;
                let close = CloseFrame::decode(payload).map_err(|error| error.to_string())?;
                (
                    OpCode::Close,
                    Received::Close(close.map(|close| close.code.as_u16())),
                )
            }
            0x89 => (OpCode::Ping, Received::Ping),
            0x8A => (OpCode::Pong, Received::Pong(payload)),
            first => return Err(format!("a frame that begins with {first:#x}")),
        };
        self.in_message |= matches!(opcode, OpCode::Text | OpCode::Binary);
        if self.session.is_some() {
            let told = (!self.session_received.is_empty()).then(|| self.session_received.remove(0));
            if told != Some((opcode, end)) {
                return Err(format!(
                    "the session received {told:?}, not {opcode:?} at {end}"
                ));
            }
        }
        on(end, received)
    }
}

/// A compressed message's payload, by zlib alone.
fn inflate_whole(inflate: &mut Decompress, payload: &[u8]) -> Result<Vec<u8>, String> {
    inflate.reset(false);
    let mut inflated = Vec::with_capacity(INFLATED_BYTES_MAX);
    for part in [payload, &[0, 0, 0xff, 0xff]] {
        let before = inflate.total_in();
        let status = inflate
            .decompress_vec(part, &mut inflated, FlushDecompress::Sync)
            .map_err(|error| error.to_string())?;
        if status == Status::StreamEnd || inflate.total_in() - before != part.len() as u64 {
            return Err(format!(
                "{} bytes inflate to no whole message",
                payload.len()
            ));
        }
    }
    Ok(inflated)
}

/// Size of the frame that begins here, once that is known.
fn frame_bytes(bytes: &[u8]) -> Result<Option<usize>, String> {
    let (Some(_), Some(&second)) = (bytes.first(), bytes.get(1)) else {
        return Ok(None);
    };
    let number = |bytes: &[u8]| {
        let number = bytes
            .iter()
            .fold(0u64, |sum, &byte| sum << 8 | u64::from(byte));
        number as usize
    };
    match second {
        0..=125 => Ok(Some(2 + usize::from(second))),
        126 => Ok(bytes.get(2..4).map(number).map(|length| 4 + length)),
        127 => Ok(bytes.get(2..10).map(number).map(|length| 10 + length)),
        _ => Err("a masked frame".into()),
    }
}

/// What the library's session makes of the same bytes: the opcode and the end of each frame.
fn receive_with(
    session: &mut Session,
    bytes: &[u8],
    start: u64,
    frames: &mut Vec<(OpCode, u64)>,
) -> Result<(), String> {
    let mut bytes = bytes.to_vec();
    let mut rest = &mut bytes[..];
    let mut end = start;
    debug_assert_eq!(session.role(), Role::Client);
    while !rest.is_empty() {
        let received = session.receive(rest, usize::MAX);
        let received = received.map_err(|error| format!("the session says: {error}"))?;
        let consumed = received.consumed;
        end += consumed as u64;
        match received.event {
            Some(Event::Fragment(fragment)) if fragment.last => {
                frames.push((fragment.kind.opcode(), end));
            }
            Some(Event::Ping(_)) => frames.push((OpCode::Ping, end)),
            Some(Event::Pong(_)) => frames.push((OpCode::Pong, end)),
            Some(Event::Close(_)) => frames.push((OpCode::Close, end)),
            Some(Event::Fragment(_)) | None => {}
        }
        rest = &mut rest[consumed..];
    }
    Ok(())
}
