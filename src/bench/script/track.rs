//! What one publisher has sent so far, kept until every receiver has it.

use super::super::codec::Codec;
use super::super::payload::Fields;
use super::Script;
use crate::proto::FrameHeader;
use crate::proto::Message;
use std::collections::VecDeque;

/// See the [module](self).
#[derive(Debug, Default)]
pub(in super::super) struct Track {
    /// Its frames, as a server sends them.
    bytes: Vec<u8>,
    /// The position of `bytes[0]`.
    base: u64,
    /// The number of its next message, and of messages published.
    published: u64,
    /// When its messages were sent, or due; oldest first.
    batches: VecDeque<Batch>,
    /// The compressed frames of its messages, as far as a receiver has got them.
    learned: VecDeque<Option<Box<[u8]>>>,
    /// The message of `learned[0]`.
    learned_base: u64,
    scratch: Vec<u8>,
}

/// Messages that were sent at the same time.
#[derive(Clone, Copy, Debug)]
struct Batch {
    /// The number that follows the last of them.
    end: u64,
    at: u64,
}

impl Track {
    /// The number of messages so far.
    pub(in super::super) fn published(&self) -> u64 {
        self.published
    }

    /// Bytes that are kept.
    pub(in super::super) fn kept_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Publishes this many more: appends the client's frames to `out`.
    pub(in super::super) fn publish(
        &mut self,
        script: &Script,
        codec: &mut Codec,
        publisher: usize,
        count: u64,
        at: u64,
        out: &mut Vec<u8>,
    ) {
        for _ in 0..count {
            let fields = Fields {
                publisher,
                sequence: self.published,
            };
            self.scratch.clear();
            script.write_payload(fields, &mut self.scratch);
            codec.write_message(script.kind, &self.scratch, out);
            self.expect_next(script, publisher);
        }
        self.on_sent(at);
    }

    /// Counts messages as published that another process has sent.
    pub(in super::super) fn expect(
        &mut self,
        script: &Script,
        publisher: usize,
        count: u64,
        at: u64,
    ) {
        for _ in 0..count {
            self.expect_next(script, publisher);
        }
        self.on_sent(at);
    }

    fn expect_next(&mut self, script: &Script, publisher: usize) {
        let fields = Fields {
            publisher,
            sequence: self.published,
        };
        script.write_frame(fields, &mut self.bytes);
        self.published += 1;
    }

    fn on_sent(&mut self, at: u64) {
        let end = self.published;
        match self.batches.back_mut() {
            Some(last) if last.at == at || last.end == end => last.end = end,
            _ => self.batches.push_back(Batch { end, at }),
        }
    }

    /// All frames from a position on; none if it is no longer kept.
    #[inline]
    pub(in super::super) fn from(&self, position: u64) -> &[u8] {
        position
            .checked_sub(self.base)
            .and_then(|skip| self.bytes.get(skip as usize..))
            .unwrap_or_default()
    }

    /// A server that compresses once for all, or always in the same way, sends the same bytes
    /// to each: what one receiver inflated need only be compared for the others.
    pub(in super::super) fn learn(&mut self, sequence: u64, message: Message) {
        let Some(place) = sequence.checked_sub(self.learned_base) else {
            return;
        };
        let place = place as usize;
        if place >= self.learned.len() {
            self.learned.resize(place + 1, None);
        }
        let header = FrameHeader {
            fin: true,
            compressed: true,
            opcode: message.kind.opcode(),
            mask: None,
            payload_bytes: message.payload.len() as u64,
        };
        self.learned[place] = Some([&header.encode(), message.payload].concat().into());
    }

    /// The compressed frame of a message, if it is known.
    #[inline]
    pub(in super::super) fn learned(&self, sequence: u64) -> Option<&[u8]> {
        let place = sequence.checked_sub(self.learned_base)?;
        self.learned.get(place as usize)?.as_deref()
    }

    /// Forgets the messages before this one.
    pub(in super::super) fn release(&mut self, script: &Script, sequence: u64) {
        let surplus = (script.position(sequence) - self.base) as usize;
        // What is kept is moved to the front, which must not happen too often.
        if surplus * 2 > self.bytes.len() {
            self.bytes.drain(..surplus);
            self.base += surplus as u64;
        }
        let forgotten = (sequence - self.learned_base).min(self.learned.len() as u64);
        self.learned.drain(..forgotten as usize);
        self.learned_base = sequence;
        while self
            .batches
            .front()
            .is_some_and(|batch| batch.end <= sequence)
        {
            self.batches.pop_front();
        }
    }

    /// Calls with the number and the time of the messages in `range`, for each batch.
    #[inline]
    pub(in super::super) fn for_batches(
        &self,
        range: std::ops::Range<u64>,
        mut call: impl FnMut(u64, u64),
    ) {
        let first = self
            .batches
            .partition_point(|batch| batch.end <= range.start);
        let mut start = range.start;
        for batch in self.batches.range(first..) {
            let end = batch.end.min(range.end);
            call(end - start, batch.at);
            start = end;
            if start == range.end {
                return;
            }
        }
    }
}
