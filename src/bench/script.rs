//! What the publishers send: a function of publisher and sequence number alone. So every receiver, in
//! another process too, knows each byte that a message must have, and no clock or secret has to be sent
//! along.
//!
//! A payload begins with its [`Fields`], so that it is printable, valid as text, and of the same length
//! whatever they are. What follows is filler: a window into random characters, or JSON, different for
//! each of a publisher's next 256 messages, so that no message can pass for its neighbour.
//!
//! Sizes come from a list that is repeated. So where a frame begins in the stream of a publisher is
//! arithmetic: a *position* counts the bytes of its frames, as a server sends them, from the first one
//! on.

use super::clock;
use super::options::{Content, MessageOptions};
use super::payload::{Fields, PAYLOAD_BYTES_MIN, TAGS, publisher_of};
use super::tally::Fault;
use crate::proto::MessageKind;
use crate::proto::frame::{EncodedFrameHeader, FrameHeader};
use filler::{json_characters, random_characters};

mod filler;
mod track;

pub(super) use track::Track;

/// Where a message's filler may begin in the random characters.
const FILLER_STARTS: usize = 256;

/// Sizes, kind and content of the messages of one run.
#[derive(Debug)]
pub(super) struct Script {
    pub(super) kind: MessageKind,
    /// They are sent and received compressed, if that makes them smaller.
    pub(super) is_deflated: bool,
    tag: u32,
    cycle: Vec<Shape>,
    /// The sum of the frames of one cycle.
    cycle_bytes: u64,
    filler: Vec<u8>,
}

#[derive(Debug)]
struct Shape {
    payload_bytes: usize,
    header: EncodedFrameHeader,
    /// Where its frame begins, from the start of the cycle.
    start: u64,
}

/// What was found in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Checked {
    pub(super) fields: Fields,
    /// What is wrong with it, if anything is.
    pub(super) fault: Option<Fault>,
}

impl Script {
    /// The script of a run.
    pub(super) fn of(message: &MessageOptions, is_deflated: bool, tag: u32) -> Self {
        let mut script = Script::new(message.kind(), &message.size, tag);
        script.is_deflated = is_deflated;
        if message.content == Content::Json {
            script.filler = json_characters(script.filler.len());
        }
        script
    }

    /// A script whose payloads have these sizes in turn, each at least [`PAYLOAD_BYTES_MIN`].
    pub(super) fn new(kind: MessageKind, sizes: &[usize], tag: u32) -> Self {
        let mut start = 0;
        let cycle = sizes.iter().map(|&payload_bytes| {
            let header = FrameHeader {
                fin: true,
                compressed: false,
                opcode: kind.opcode(),
                mask: None,
                payload_bytes: payload_bytes as u64,
            }
            .encode();
            let shape = Shape {
                payload_bytes,
                header,
                start,
            };
            start += (header.len() + payload_bytes) as u64;
            shape
        });
        let cycle: Vec<Shape> = cycle.collect();
        let longest = sizes.iter().copied().max().unwrap_or_default();
        Script {
            kind,
            is_deflated: false,
            tag: tag % TAGS,
            cycle,
            cycle_bytes: start,
            filler: random_characters(longest + FILLER_STARTS),
        }
    }

    pub(super) fn tag(&self) -> u32 {
        self.tag
    }

    /// The longest payload.
    pub(super) fn payload_bytes_max(&self) -> usize {
        self.filler.len() - FILLER_STARTS
    }

    /// The mean payload.
    pub(super) fn payload_bytes_mean(&self) -> f64 {
        let sum: usize = self.cycle.iter().map(|shape| shape.payload_bytes).sum();
        sum as f64 / self.cycle.len() as f64
    }

    pub(super) fn payload_bytes(&self, sequence: u64) -> usize {
        self.shape(sequence).payload_bytes
    }

    /// The header and its number of bytes are the same in each frame.
    fn shape(&self, sequence: u64) -> &Shape {
        match &self.cycle[..] {
            [only] => only,
            cycle => &cycle[(sequence % cycle.len() as u64) as usize],
        }
    }

    /// Where the frame of this number begins.
    pub(super) fn position(&self, sequence: u64) -> u64 {
        match self.cycle.len() as u64 {
            1 => sequence * self.cycle_bytes,
            shapes => sequence / shapes * self.cycle_bytes + self.shape(sequence).start,
        }
    }

    /// The frame that a position lies in, or at the start of; this many frames end before it.
    pub(super) fn sequence(&self, position: u64) -> u64 {
        let cycles = position / self.cycle_bytes;
        if self.cycle.len() == 1 {
            return cycles;
        }
        let rest = position % self.cycle_bytes;
        let inside = self.cycle.partition_point(|shape| shape.start <= rest) - 1;
        cycles * self.cycle.len() as u64 + inside as u64
    }

    /// Appends a frame as a server sends it.
    pub(super) fn write_frame(&self, fields: Fields, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.shape(fields.sequence).header);
        self.write_payload(fields, out);
    }

    /// Appends a payload.
    pub(super) fn write_payload(&self, fields: Fields, out: &mut Vec<u8>) {
        let Fields {
            publisher,
            sequence,
        } = fields;
        fields.write(self.tag, out);
        let start = (sequence as usize + 11 * publisher) % FILLER_STARTS;
        let bytes = self.payload_bytes(sequence) - PAYLOAD_BYTES_MIN;
        out.extend_from_slice(&self.filler[start..start + bytes]);
    }

    /// Checks each byte of a message; `None` if it is not of this run.
    pub(super) fn read(&self, kind: MessageKind, payload: &[u8]) -> Option<Checked> {
        let fields = Fields::read(self.tag, payload)?;
        let mut expected = Vec::new();
        self.write_payload(fields, &mut expected);
        let fault = if payload.len() != expected.len() {
            Some(Fault::Length)
        } else if payload != expected {
            Some(Fault::Corrupted)
        } else if kind != self.kind {
            Some(Fault::Kind)
        } else {
            None
        };
        Some(Checked { fields, fault })
    }

    /// The publisher of a frame, from its first bytes; none if they are too few, or of something
    /// else than the next frame of that publisher could be.
    pub(super) fn peek_publisher(&self, frame: &[u8]) -> Option<usize> {
        // Several frames have this header length; the length byte tells which one it is.
        let header_bytes = match frame.get(1)? {
            126 => 4,
            127 => 10,
            _ => 2,
        };
        publisher_of(frame.get(header_bytes..)?)
    }
}

/// Each run tags its messages, so that it notices those of another.
pub(super) fn run_tag() -> u32 {
    (clock::now() / 1000) as u32 ^ std::process::id() << 7
}

#[cfg(test)]
mod tests;
