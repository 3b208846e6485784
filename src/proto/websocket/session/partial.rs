//! What a session remembers while a header, a frame or a message is cut.
//!
//! ```text
//!   message   |----------------------------------------------|
//!   frame     |-----------|  |ping|  |-----------------------|
//!             [hdr|payload] [hdr|p ] [hdr|payload . . . . . . ]
//!                                           ^ a read ends here
//! ```
//!
//! The three are nested: a message spans frames, a control frame may stand between two of them,
//! and either may be cut anywhere, inside its header too.

use super::super::close::CloseFrame;
use super::super::error::ProtocolError;
use super::super::frame::{CONTROL_BYTES_MAX, FrameHeader, HEADER_BYTES_MAX, OpCode};
use super::super::mask;
use super::super::utf8::Utf8;
use super::event::MessageKind;
use super::step::{Found, FragmentHeader, Negotiated, Step};

/// A compressed message may have one byte in this many over the limit: DEFLATE adds five to each block of
/// bytes that don't shrink, and compressors make those a few kilobytes long or more.
const DEFLATE_OVERHEAD_PART: usize = 256;
/// And this many in any case: the flush, and the header of a short block.
const DEFLATE_OVERHEAD_BYTES: usize = 64;

#[derive(Debug)]
pub(super) struct Partial {
    /// The message that has begun and not ended.
    pub(super) message: Option<UnfinishedMessage>,
    /// The frame whose header is whole and whose payload is not.
    frame: Option<UnfinishedFrame>,
    /// The start of a header; `header_bytes` < 14, and 0 while there is a `frame`.
    header: [u8; HEADER_BYTES_MAX],
    header_bytes: u8,
    /// The payload so far of a control frame that was cut; `control_bytes` ≤ 125.
    control: [u8; CONTROL_BYTES_MAX],
    control_bytes: u8,
}

#[derive(Debug)]
pub(super) struct UnfinishedMessage {
    kind: MessageKind,
    compressed: bool,
    /// What the headers so far announced: the limit is held against this, not against what came.
    announced_bytes: u64,
    /// Text up to here.
    utf8: Utf8,
    /// A piece was yielded already.
    begun: bool,
}

#[derive(Debug)]
struct UnfinishedFrame {
    opcode: OpCode,
    fin: bool,
    /// Rotated to the phase of the next payload byte.
    mask: Option<[u8; 4]>,
    remaining_bytes: u64,
}

impl Default for Partial {
    fn default() -> Self {
        Self {
            message: None,
            frame: None,
            header: [0; HEADER_BYTES_MAX],
            header_bytes: 0,
            control: [0; CONTROL_BYTES_MAX],
            control_bytes: 0,
        }
    }
}

impl Partial {
    /// Nothing is cut. A control payload that was handed out may still be there.
    pub(super) fn is_at_rest(&self) -> bool {
        self.message.is_none() && self.frame.is_none() && self.header_bytes == 0
    }

    /// The control payload that [`Found::Gathered`] speaks of.
    pub(super) fn gathered(&self) -> &[u8] {
        &self.control[..usize::from(self.control_bytes)]
    }

    /// Drops a control payload that was handed out; one that is still growing stays.
    pub(super) fn forget_gathered(&mut self) {
        if self.frame.is_none() {
            self.control_bytes = 0;
        }
    }

    /// Consumes input up to the next event, or all of it.
    pub(super) fn step(
        &mut self,
        negotiated: Negotiated,
        input: &mut [u8],
        bytes_max: usize,
    ) -> Result<Step, ProtocolError> {
        let mut consumed = 0;
        loop {
            if self.frame.is_none() {
                let rest = &input[consumed..];
                let (header_bytes, header) = self.take_header(negotiated, rest)?;
                consumed += header_bytes;
                let Some(header) = header else {
                    return Ok(Step {
                        consumed,
                        found: None,
                    });
                };
                self.begin_frame(header, bytes_max)?;
            }
            let (payload_bytes, found) = self.take_payload(input, consumed)?;
            consumed += payload_bytes;
            if found.is_some() || self.frame.is_some() {
                return Ok(Step { consumed, found });
            }
        }
    }

    /// Takes the bytes of a header, as far as they have come.
    fn take_header(
        &mut self,
        negotiated: Negotiated,
        input: &[u8],
    ) -> Result<(usize, Option<FrameHeader>), ProtocolError> {
        let before = usize::from(self.header_bytes);
        let taken = input.len().min(HEADER_BYTES_MAX - before);
        self.header[before..before + taken].copy_from_slice(&input[..taken]);
        let bytes = &self.header[..before + taken];
        negotiated.check_start(bytes, self.message.is_some())?;
        match FrameHeader::decode(bytes)? {
            Some((header, header_bytes)) => {
                self.header_bytes = 0;
                Ok((header_bytes - before, Some(header)))
            }
            None => {
                self.header_bytes = bytes.len() as u8;
                Ok((taken, None))
            }
        }
    }

    fn begin_frame(&mut self, header: FrameHeader, bytes_max: usize) -> Result<(), ProtocolError> {
        if header.opcode == OpCode::Close && header.payload_bytes == 1 {
            return Err(ProtocolError::CloseTooShort);
        }
        if !header.opcode.is_control() {
            let message = self.message.get_or_insert(UnfinishedMessage {
                kind: MessageKind::of(header.opcode).unwrap_or(MessageKind::Binary),
                compressed: header.compressed,
                announced_bytes: 0,
                utf8: Utf8::default(),
                begun: false,
            });
            // What would grow if it were compressed is compressed nevertheless by some clients.
            let bytes_max = match message.compressed {
                true => bytes_max
                    .saturating_add(bytes_max / DEFLATE_OVERHEAD_PART + DEFLATE_OVERHEAD_BYTES),
                false => bytes_max,
            };
            message.announced_bytes = message
                .announced_bytes
                .checked_add(header.payload_bytes)
                .filter(|&bytes| bytes <= bytes_max as u64)
                .ok_or(ProtocolError::MessageTooBig)?;
        }
        self.frame = Some(UnfinishedFrame {
            opcode: header.opcode,
            fin: header.fin,
            mask: header.mask,
            remaining_bytes: header.payload_bytes,
        });
        Ok(())
    }

    /// Takes what `input` holds from `start` on of the payload of the frame under way.
    fn take_payload(
        &mut self,
        input: &mut [u8],
        start: usize,
    ) -> Result<(usize, Option<Found>), ProtocolError> {
        let Some(mut frame) = self.frame.take() else {
            return Ok((0, None));
        };
        let here = input.len() - start;
        let taken = usize::try_from(frame.remaining_bytes).map_or(here, |bytes| bytes.min(here));
        let range = start..start + taken;
        let payload = &mut input[range.clone()];
        if let Some(key) = &mut frame.mask {
            mask::apply(payload, *key);
            *key = mask::rotate(*key, taken);
        }
        frame.remaining_bytes -= taken as u64;
        let found = if frame.opcode.is_control() {
            self.take_control(&frame, payload)?
                .then_some(match self.control_bytes {
                    0 => Found::Control(frame.opcode, range),
                    _ => Found::Gathered(frame.opcode),
                })
        } else {
            self.take_data(&frame, payload)?
                .map(|piece| Found::Data(piece, range))
        };
        if frame.remaining_bytes > 0 {
            self.frame = Some(frame);
        }
        Ok((taken, found))
    }

    /// Whether the control frame is whole now. Its payload is gathered only if it was cut.
    fn take_control(
        &mut self,
        frame: &UnfinishedFrame,
        payload: &[u8],
    ) -> Result<bool, ProtocolError> {
        let whole = frame.remaining_bytes == 0;
        if whole && self.control_bytes == 0 {
            return Ok(true);
        }
        let before = usize::from(self.control_bytes);
        let after = before + payload.len();
        self.control[before..after].copy_from_slice(payload);
        self.control_bytes = after as u8;
        if frame.opcode == OpCode::Close {
            CloseFrame::check_start(self.gathered())?;
        }
        Ok(whole)
    }

    /// The header of the fragment, if it is to be yielded.
    fn take_data(
        &mut self,
        frame: &UnfinishedFrame,
        payload: &[u8],
    ) -> Result<Option<FragmentHeader>, ProtocolError> {
        let message = self
            .message
            .as_mut()
            .expect("a data frame begins or continues a message");
        let last = frame.fin && frame.remaining_bytes == 0;
        if message.kind == MessageKind::Text && !message.compressed {
            let valid = message.utf8.push(payload).is_ok();
            if !valid || (last && !message.utf8.is_complete()) {
                return Err(ProtocolError::TextNotUtf8);
            }
        }
        if payload.is_empty() && !last {
            return Ok(None);
        }
        let piece = FragmentHeader {
            kind: message.kind,
            compressed: message.compressed,
            first: !message.begun,
            last,
        };
        message.begun = true;
        if last {
            self.message = None;
        }
        Ok(Some(piece))
    }
}
