//! Those who are to hear the publishers, and whether they do: each publisher's messages without a
//! gap, a duplicate or a swap, and each payload whole.
//!
//! Since a [`Script`] says what each byte must be, to check a read is to compare it with what was
//! published: one comparison of memory when there is one publisher, one for each frame when there
//! are several. Nothing is decoded, copied or looked up. Only where the bytes differ a [`Session`]
//! takes over, from the start of the frame in which they did: a ping came in between, a message in
//! fragments, a frame cut before one could tell whose it is, or a fault, which it names. As soon as
//! it is at rest, comparing goes on.
//!
//! ```text
//!   published   |frame|frame|frame|frame|frame|frame|
//!                     ^ floor   ^ position of a receiver, here inside of a frame
//! ```

use super::histogram::Histogram;
use super::script::{Fields, Script, Track};
use super::tally::{Fault, Tally};
use crate::proto::{Event, Gather, MessageKind, OpCode, Role, Session};
use std::collections::VecDeque;

/// No publisher's frame has begun.
const NOBODY: u32 = u32::MAX;
/// In place of a position: this receiver must not hear this publisher.
const DEAF: u64 = u64::MAX;
/// Messages whose absence is remembered for one receiver, to tell late ones from duplicates.
const MISSING_MAX: usize = 1024;
/// A message may be so much longer than any that was sent, and its length still be told.
const SPARE_BYTES: usize = 64 * 1024;

/// Publishers, receivers, and how far each of these is with each of those.
pub(super) struct Audience {
    script: Script,
    tracks: Vec<Track>,
    /// For each publisher, how far its receivers are.
    progress: Vec<Progress>,
    receivers: Vec<Receiver>,
    /// Where each receiver is in each publisher's frames: receiver × publishers + publisher.
    positions: Vec<u64>,
    /// From when a message was sent, or due, until a receiver has it.
    latencies: Histogram,
    tally: Tally,
}

struct Receiver {
    /// Whose frame has begun and not ended. With one publisher, it is always that one.
    current: u32,
    is_listening: bool,
    detour: Option<Box<Detour>>,
    missing: Option<Box<VecDeque<Fields>>>,
}

/// What reads on when the bytes are not just what was published.
struct Detour {
    session: Session,
    gather: Gather,
}

/// How many receivers have had how many of a publisher's messages.
#[derive(Default)]
struct Progress {
    /// Every receiver has had so many.
    floor: u64,
    /// `at[i]` receivers have had `floor + i`.
    at: VecDeque<u32>,
}

/// The peer has said its last word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum LastWord {
    /// A close frame, with this code if it had one.
    Close(Option<u16>),
    /// It broke the protocol.
    Broken,
}

impl Audience {
    /// An audience of nobody yet. A receiver's number tells it from others.
    pub(super) fn new(script: Script, publishers: usize) -> Self {
        Audience {
            script,
            tracks: (0..publishers).map(|_| Track::default()).collect(),
            progress: (0..publishers).map(|_| Progress::default()).collect(),
            receivers: Vec::new(),
            positions: Vec::new(),
            latencies: Histogram::default(),
            tally: Tally::default(),
        }
    }

    /// Adds a receiver that is to hear all that is published from now on, but not from
    /// `deaf_to`.
    pub(super) fn join(&mut self, deaf_to: Option<usize>) {
        for (publisher, track) in self.tracks.iter().enumerate() {
            let position = self.script.position(track.published());
            if deaf_to == Some(publisher) {
                self.positions.push(DEAF);
            } else {
                self.positions.push(position);
                self.progress[publisher].join(track.published());
            }
        }
        self.receivers.push(Receiver {
            current: if self.tracks.len() == 1 { 0 } else { NOBODY },
            is_listening: true,
            detour: None,
            missing: None,
        });
    }

    /// Takes a receiver out: nobody waits for it any more. What it has not had is lost.
    pub(super) fn leave(&mut self, receiver: usize) {
        if !std::mem::take(&mut self.receivers[receiver].is_listening) {
            return;
        }
        self.receivers[receiver].detour = None;
        for publisher in 0..self.tracks.len() {
            let position = self.positions[self.index(receiver, publisher)];
            if position != DEAF {
                let done = self.script.sequence(position);
                self.tally.missed += self.tracks[publisher].published() - done;
                self.progress[publisher].leave(done);
            }
        }
    }

    /// Publishes so many more messages of one publisher; what it is to write is appended to `out`.
    pub(super) fn publish(&mut self, publisher: usize, count: u64, at: u64, out: &mut Vec<u8>) {
        self.tracks[publisher].publish(&self.script, publisher, count, at, out);
    }

    /// Takes so many more messages as published; returns their frames, for somebody else to send.
    pub(super) fn publish_elsewhere(&mut self, publisher: usize, count: u64, at: u64) -> &[u8] {
        let track = &mut self.tracks[publisher];
        let position = self.script.position(track.published());
        track.expect(&self.script, publisher, count, at);
        track.from(position)
    }

    /// Messages that everybody has had, and messages that were published.
    pub(super) fn done_and_published(&self) -> (u64, u64) {
        let done = self.progress.iter().zip(&self.tracks);
        done.fold((0, 0), |(done, published), (progress, track)| {
            let floor = progress.floor_of(track.published());
            (done + floor, published + track.published())
        })
    }

    /// Forgets what everybody has had.
    pub(super) fn release(&mut self) {
        for (track, progress) in self.tracks.iter_mut().zip(&self.progress) {
            track.release(&self.script, progress.floor_of(track.published()));
        }
    }

    /// Receivers that are still there and have not had everything.
    pub(super) fn waiting(&self) -> usize {
        let is_behind = |receiver: &usize| {
            self.receivers[*receiver].is_listening
                && (0..self.tracks.len()).any(|publisher| {
                    let position = self.positions[self.index(*receiver, publisher)];
                    position < self.script.position(self.tracks[publisher].published())
                })
        };
        (0..self.receivers.len()).filter(is_behind).count()
    }

    pub(super) fn script(&self) -> &Script {
        &self.script
    }

    pub(super) fn tally(&self) -> &Tally {
        &self.tally
    }

    pub(super) fn tally_mut(&mut self) -> &mut Tally {
        &mut self.tally
    }

    /// The latencies since the last time that they were taken.
    pub(super) fn take_latencies(&mut self) -> Histogram {
        std::mem::take(&mut self.latencies)
    }

    fn index(&self, receiver: usize, publisher: usize) -> usize {
        receiver * self.tracks.len() + publisher
    }

    /// Takes what a receiver has read. Answers to pings are appended to `out`.
    pub(super) fn receive(
        &mut self,
        receiver: usize,
        input: &mut [u8],
        now: u64,
        out: &mut Vec<u8>,
    ) -> Result<(), LastWord> {
        let mut rest = input;
        loop {
            if self.receivers[receiver].detour.is_none() {
                let matched = match self.tracks.len() {
                    1 => self.compare_stream(receiver, rest, now),
                    _ => self.compare_frames(receiver, rest, now),
                };
                rest = &mut rest[matched..];
                if rest.is_empty() {
                    return Ok(());
                }
                self.begin_detour(receiver);
            }
            let read = self.read_detour(receiver, rest, now, out)?;
            rest = &mut rest[read..];
            if rest.is_empty() {
                return Ok(());
            }
        }
    }

    /// With one publisher its frames are all that there is: they are compared in one go. Returns
    /// how many bytes were as they must be.
    #[inline]
    fn compare_stream(&mut self, receiver: usize, input: &[u8], now: u64) -> usize {
        let position = self.positions[receiver];
        let matched = common_prefix(input, self.tracks[0].from(position));
        self.advance(receiver, 0, position + matched as u64, now);
        matched
    }

    /// With several publishers one has to look whose frame comes next.
    fn compare_frames(&mut self, receiver: usize, input: &[u8], now: u64) -> usize {
        let mut matched = 0;
        while matched < input.len() {
            let rest = &input[matched..];
            let current = match self.receivers[receiver].current {
                NOBODY => match self.script.peek_publisher(rest) {
                    Some(publisher) if publisher < self.tracks.len() => publisher,
                    _ => return matched,
                },
                current => current as usize,
            };
            let position = self.positions[self.index(receiver, current)];
            if position == DEAF {
                return matched;
            }
            let sequence = self.script.sequence(position);
            let frame_end = self.script.position(sequence + 1);
            let expected = self.tracks[current].from(position);
            let in_frame = expected.len().min((frame_end - position) as usize);
            let same = common_prefix(rest, &expected[..in_frame]);
            let reached = position + same as u64;
            self.receivers[receiver].current = match reached == frame_end {
                true => NOBODY,
                false => current as u32,
            };
            self.advance(receiver, current, reached, now);
            matched += same;
            if reached < frame_end {
                return matched;
            }
        }
        matched
    }

    /// Moves a receiver on, and counts the messages that it has had thereby.
    #[inline]
    fn advance(&mut self, receiver: usize, publisher: usize, reached: u64, now: u64) {
        let index = self.index(receiver, publisher);
        let before = self.script.sequence(self.positions[index]);
        let after = self.script.sequence(reached);
        self.positions[index] = reached;
        if before == after {
            return;
        }
        self.tally.delivered += after - before;
        self.progress[publisher].advance(before, after);
        let latencies = &mut self.latencies;
        self.tracks[publisher].for_batches(before..after, |count, at| {
            latencies.record(now.saturating_sub(at), count);
        });
    }

    /// Hands over to a session, with what was taken of the frame so far.
    #[cold]
    fn begin_detour(&mut self, receiver: usize) {
        let mut detour = Box::new(Detour {
            session: Session::new(Role::Client),
            gather: Gather::default(),
        });
        let current = self.receivers[receiver].current;
        let publisher = (current != NOBODY).then_some(current as usize);
        let index = publisher.map(|publisher| (publisher, self.index(receiver, publisher)));
        if let Some((publisher, index)) = index.filter(|&(_, index)| self.positions[index] != DEAF)
        {
            let position = self.positions[index];
            let start = self.script.position(self.script.sequence(position));
            let frame = &self.tracks[publisher].from(start)[..(position - start) as usize];
            self.positions[index] = start;
            // The start of a frame that was published is neither an event nor an error.
            let mut frame = frame.to_vec();
            if let Ok(received) = detour.session.receive(&mut frame, usize::MAX)
                && let Some(Event::Fragment(fragment)) = received.event
            {
                detour.gather.push(fragment);
            }
        }
        if self.tracks.len() > 1 {
            self.receivers[receiver].current = NOBODY;
        }
        self.receivers[receiver].detour = Some(detour);
    }

    /// Reads frame by frame until the session is at rest after some event; returns how much that
    /// took.
    fn read_detour(
        &mut self,
        receiver: usize,
        input: &mut [u8],
        now: u64,
        out: &mut Vec<u8>,
    ) -> Result<usize, LastWord> {
        let message_bytes_max = 2 * self.script.payload_bytes_max() + SPARE_BYTES;
        let Some(mut detour) = self.receivers[receiver].detour.take() else {
            return Ok(0);
        };
        let mut read = 0;
        while read < input.len() {
            let received = match detour
                .session
                .receive(&mut input[read..], message_bytes_max)
            {
                Ok(received) => received,
                Err(error) => {
                    self.tally.on_fault(Fault::Protocol(error));
                    return Err(LastWord::Broken);
                }
            };
            read += received.consumed;
            match received.event {
                Some(Event::Fragment(fragment)) => {
                    if let Some(message) = detour.gather.push(fragment) {
                        self.on_message(receiver, message.kind, message.payload, now);
                    }
                }
                Some(Event::Ping(payload)) => {
                    self.tally.pings += 1;
                    Role::Client.write_frame(true, OpCode::Pong, payload, out);
                }
                Some(Event::Pong(_)) => {}
                Some(Event::Close(close)) => {
                    return Err(LastWord::Close(close.map(|close| close.code.as_u16())));
                }
                None => break,
            }
            if detour.session.is_at_rest() {
                return Ok(read);
            }
        }
        self.receivers[receiver].detour = Some(detour);
        Ok(read)
    }

    /// A whole message, not seen yet whether it is what it should be.
    fn on_message(&mut self, receiver: usize, kind: MessageKind, payload: &[u8], now: u64) {
        let Some(fields) = self.script.read_fields(payload).filter(|fields| {
            self.tracks
                .get(fields.publisher)
                .is_some_and(|track| fields.sequence < track.published())
        }) else {
            self.tally.on_fault(Fault::Foreign);
            return;
        };
        let Fields {
            publisher,
            sequence,
        } = fields;
        let position = self.positions[self.index(receiver, publisher)];
        if position == DEAF {
            self.tally.on_fault(Fault::Unwanted);
            return;
        }
        let next = self.script.sequence(position);
        if sequence < next {
            self.on_old_message(receiver, fields);
            return;
        }
        self.skip(receiver, publisher, next..sequence);
        let mut expected = Vec::new();
        self.script.write_payload(fields, &mut expected);
        let fault = if payload.len() != expected.len() {
            Some(Fault::Length)
        } else if payload != expected {
            Some(Fault::Corrupted)
        } else if kind != self.script.kind {
            Some(Fault::Kind)
        } else {
            None
        };
        let reached = self.script.position(sequence + 1);
        match fault {
            None => self.advance(receiver, publisher, reached, now),
            Some(fault) => {
                self.tally.on_fault(fault);
                self.advance_without(receiver, publisher, reached);
            }
        }
    }

    /// Messages that did not come before a later one.
    fn skip(&mut self, receiver: usize, publisher: usize, sequences: std::ops::Range<u64>) {
        if sequences.is_empty() {
            return;
        }
        self.tally.on_lost(sequences.end - sequences.start);
        let missing = self.receivers[receiver].missing.get_or_insert_default();
        let first = sequences.end.saturating_sub(MISSING_MAX as u64);
        for sequence in sequences.start.max(first)..sequences.end {
            if missing.len() == MISSING_MAX {
                missing.pop_front();
            }
            missing.push_back(Fields {
                publisher,
                sequence,
            });
        }
        let reached = self.script.position(sequences.end);
        self.advance_without(receiver, publisher, reached);
    }

    /// Moves a receiver on over messages that it has not had as they should be.
    fn advance_without(&mut self, receiver: usize, publisher: usize, reached: u64) {
        let index = self.index(receiver, publisher);
        let before = self.script.sequence(self.positions[index]);
        self.positions[index] = reached;
        self.progress[publisher].advance(before, self.script.sequence(reached));
    }

    /// A message comes after a later one: it was missing, or it came before.
    fn on_old_message(&mut self, receiver: usize, fields: Fields) {
        let missing = self.receivers[receiver].missing.as_mut();
        let place = missing
            .as_ref()
            .and_then(|missing| missing.iter().position(|&other| other == fields));
        match (missing, place) {
            (Some(missing), Some(place)) => {
                missing.remove(place);
                self.tally.on_late();
            }
            _ => self.tally.on_fault(Fault::Duplicated),
        }
    }
}

/// How many bytes are the same from the start on.
#[inline]
fn common_prefix(one: &[u8], other: &[u8]) -> usize {
    let shorter = one.len().min(other.len());
    let (one, other) = (&one[..shorter], &other[..shorter]);
    if one == other {
        return shorter;
    }
    one.iter()
        .zip(other)
        .position(|(one, other)| one != other)
        .unwrap_or(shorter)
}

impl Progress {
    fn join(&mut self, done: u64) {
        if self.at.is_empty() {
            self.floor = done;
        }
        let place = (done - self.floor) as usize;
        if place >= self.at.len() {
            self.at.resize(place + 1, 0);
        }
        self.at[place] += 1;
    }

    #[inline]
    fn advance(&mut self, before: u64, after: u64) {
        let place = (after - self.floor) as usize;
        if place >= self.at.len() {
            self.at.resize(place + 1, 0);
        }
        self.at[place] += 1;
        self.leave(before);
    }

    /// Counts one down, and lets the floor rise if nobody is left there.
    #[inline]
    fn leave(&mut self, done: u64) {
        self.at[(done - self.floor) as usize] -= 1;
        while self.at.front() == Some(&0) {
            self.at.pop_front();
            self.floor += 1;
        }
    }

    /// Messages that everybody has had; all that were published, if there is nobody.
    fn floor_of(&self, published: u64) -> u64 {
        if self.at.is_empty() {
            return published;
        }
        self.floor
    }
}

#[cfg(test)]
mod tests;
