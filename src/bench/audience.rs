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

/// What all rooms share: what is said, and what is known of how it arrived.
pub(super) struct Books {
    pub(super) script: Script,
    pub(super) tally: Tally,
}

/// The publishers and receivers of one room, and how far each of these is with each of those.
pub(super) struct Audience {
    /// The number of the first of its publishers, of all that there are in all rooms.
    first: usize,
    tracks: Vec<Track>,
    /// For each publisher, how far its receivers are.
    progress: Vec<Progress>,
    receivers: Vec<Receiver>,
    /// Where each receiver is in each publisher's frames: receiver × publishers + publisher.
    positions: Vec<u64>,
}

struct Receiver {
    /// Whose frame has begun and not ended. With one publisher, it is always that one.
    current: u32,
    /// Whether a message waits for it before it is done.
    is_awaited: bool,
    /// Whether it may miss messages: it has stopped reading for a while.
    is_excused: bool,
    detour: Option<Box<Detour>>,
    #[expect(
        clippy::box_collection,
        reason = "nearly no receiver misses a message, and there are very many receivers"
    )]
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
    pub(super) fn new(first: usize, publishers: usize) -> Self {
        Audience {
            first,
            tracks: (0..publishers).map(|_| Track::default()).collect(),
            progress: (0..publishers).map(|_| Progress::default()).collect(),
            receivers: Vec::new(),
            positions: Vec::new(),
        }
    }

    /// Adds a receiver that is to hear all that is published from now on, but not from
    /// `deaf_to`.
    pub(super) fn join(&mut self, script: &Script, deaf_to: Option<usize>) {
        for (publisher, track) in self.tracks.iter().enumerate() {
            let position = script.position(track.published());
            if deaf_to == Some(publisher) {
                self.positions.push(DEAF);
            } else {
                self.positions.push(position);
                self.progress[publisher].join(track.published());
            }
        }
        self.receivers.push(Receiver {
            current: if self.tracks.len() == 1 { 0 } else { NOBODY },
            is_awaited: true,
            is_excused: false,
            detour: None,
            missing: None,
        });
    }

    /// A receiver has ended: nobody waits for it any more. What it has not had is missed, unless
    /// it was excused.
    pub(super) fn leave(&mut self, books: &mut Books, receiver: usize) {
        let missed = self.stop_waiting(&books.script, receiver);
        self.receivers[receiver].detour = None;
        books.tally.missed += missed;
    }

    /// Nobody waits for a receiver from now on, and it may miss messages.
    pub(super) fn excuse(&mut self, script: &Script, receiver: usize) {
        self.stop_waiting(script, receiver);
        self.receivers[receiver].is_excused = true;
    }

    /// Whether a receiver may miss messages.
    pub(super) fn is_excused(&self, receiver: usize) -> bool {
        self.receivers[receiver].is_excused
    }

    /// Returns how many messages it has not had.
    fn stop_waiting(&mut self, script: &Script, receiver: usize) -> u64 {
        if !std::mem::take(&mut self.receivers[receiver].is_awaited) {
            return 0;
        }
        let mut missing = 0;
        for publisher in 0..self.tracks.len() {
            let position = self.positions[self.index(receiver, publisher)];
            if position != DEAF {
                let done = script.sequence(position);
                missing += self.tracks[publisher].published() - done;
                self.progress[publisher].leave(done);
            }
        }
        missing
    }

    /// Publishes so many more messages of one publisher; what it is to write is appended to `out`.
    pub(super) fn publish(
        &mut self,
        script: &Script,
        publisher: usize,
        count: u64,
        at: u64,
        out: &mut Vec<u8>,
    ) {
        let number = self.first + publisher;
        self.tracks[publisher].publish(script, number, count, at, out);
    }

    /// Takes so many more messages as published; returns their frames, for somebody else to send.
    pub(super) fn publish_elsewhere(
        &mut self,
        script: &Script,
        publisher: usize,
        count: u64,
        at: u64,
    ) -> &[u8] {
        let track = &mut self.tracks[publisher];
        let position = script.position(track.published());
        track.expect(script, self.first + publisher, count, at);
        track.from(position)
    }

    /// Messages that everybody has had.
    pub(super) fn done(&self) -> u64 {
        let tracks = self.progress.iter().zip(&self.tracks);
        tracks
            .map(|(progress, track)| progress.floor_of(track.published()))
            .sum()
    }

    /// Messages that were published.
    pub(super) fn published(&self) -> u64 {
        self.tracks.iter().map(Track::published).sum()
    }

    /// Bytes that are kept for those who have not had them yet.
    pub(super) fn kept_bytes(&self) -> usize {
        self.tracks.iter().map(Track::kept_bytes).sum()
    }

    /// Forgets what everybody has had.
    pub(super) fn release(&mut self, script: &Script) {
        for (track, progress) in self.tracks.iter_mut().zip(&self.progress) {
            track.release(script, progress.floor_of(track.published()));
        }
    }

    /// Receivers that are awaited and have not had everything.
    pub(super) fn waiting(&self, script: &Script) -> usize {
        let is_behind = |receiver: &usize| {
            self.receivers[*receiver].is_awaited
                && (0..self.tracks.len()).any(|publisher| {
                    let position = self.positions[self.index(*receiver, publisher)];
                    position < script.position(self.tracks[publisher].published())
                })
        };
        (0..self.receivers.len()).filter(is_behind).count()
    }

    pub(super) fn receivers(&self) -> usize {
        self.receivers.len()
    }

    /// The publisher of this number, if it is of this room.
    #[inline]
    fn publisher(&self, number: usize) -> Option<usize> {
        let publisher = number.checked_sub(self.first)?;
        (publisher < self.tracks.len()).then_some(publisher)
    }

    fn index(&self, receiver: usize, publisher: usize) -> usize {
        receiver * self.tracks.len() + publisher
    }

    /// Takes what a receiver has read. Answers to pings are appended to `out`.
    pub(super) fn receive(
        &mut self,
        books: &mut Books,
        receiver: usize,
        input: &mut [u8],
        now: u64,
        out: &mut Vec<u8>,
    ) -> Result<(), LastWord> {
        let mut rest = input;
        loop {
            if self.receivers[receiver].detour.is_none() {
                let matched = match self.tracks.len() {
                    1 => self.compare_stream(books, receiver, rest, now),
                    _ => self.compare_frames(books, receiver, rest, now),
                };
                rest = &mut rest[matched..];
                if rest.is_empty() {
                    return Ok(());
                }
                self.begin_detour(&books.script, receiver);
            }
            let read = self.read_detour(books, receiver, rest, now, out)?;
            rest = &mut rest[read..];
            if rest.is_empty() {
                return Ok(());
            }
        }
    }

    /// With one publisher its frames are all that there is: they are compared in one go. Returns
    /// how many bytes were as they must be.
    #[inline]
    fn compare_stream(
        &mut self,
        books: &mut Books,
        receiver: usize,
        input: &[u8],
        now: u64,
    ) -> usize {
        let position = self.positions[receiver];
        let matched = common_prefix(input, self.tracks[0].from(position));
        self.advance(books, receiver, 0, position + matched as u64, now);
        matched
    }

    /// With several publishers one has to look whose frame comes next.
    fn compare_frames(
        &mut self,
        books: &mut Books,
        receiver: usize,
        input: &[u8],
        now: u64,
    ) -> usize {
        let mut matched = 0;
        while matched < input.len() {
            let rest = &input[matched..];
            let current = match self.receivers[receiver].current {
                NOBODY => match books.script.peek_publisher(rest) {
                    Some(number) => match self.publisher(number) {
                        Some(publisher) => publisher,
                        None => return matched,
                    },
                    None => return matched,
                },
                current => current as usize,
            };
            let position = self.positions[self.index(receiver, current)];
            if position == DEAF {
                return matched;
            }
            let sequence = books.script.sequence(position);
            let frame_end = books.script.position(sequence + 1);
            let expected = self.tracks[current].from(position);
            let in_frame = expected.len().min((frame_end - position) as usize);
            let same = common_prefix(rest, &expected[..in_frame]);
            let reached = position + same as u64;
            self.receivers[receiver].current = match reached == frame_end {
                true => NOBODY,
                false => current as u32,
            };
            self.advance(books, receiver, current, reached, now);
            matched += same;
            if reached < frame_end {
                return matched;
            }
        }
        matched
    }

    /// Moves a receiver on, and counts the messages that it has had thereby.
    #[inline]
    fn advance(
        &mut self,
        books: &mut Books,
        receiver: usize,
        publisher: usize,
        reached: u64,
        now: u64,
    ) {
        let index = self.index(receiver, publisher);
        let before = books.script.sequence(self.positions[index]);
        let after = books.script.sequence(reached);
        self.positions[index] = reached;
        if before == after {
            return;
        }
        books.tally.delivered += after - before;
        if self.receivers[receiver].is_awaited {
            self.progress[publisher].advance(before, after);
        }
        let latencies = &mut books.tally.latencies;
        self.tracks[publisher].for_batches(before..after, |count, at| {
            latencies.record(now.saturating_sub(at), count);
        });
    }

    /// Hands over to a session, with what was taken of the frame so far.
    #[cold]
    fn begin_detour(&mut self, script: &Script, receiver: usize) {
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
            let start = script.position(script.sequence(position));
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
        books: &mut Books,
        receiver: usize,
        input: &mut [u8],
        now: u64,
        out: &mut Vec<u8>,
    ) -> Result<usize, LastWord> {
        let message_bytes_max = 2 * books.script.payload_bytes_max() + SPARE_BYTES;
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
                    books.tally.on_fault(Fault::Protocol(error));
                    return Err(LastWord::Broken);
                }
            };
            read += received.consumed;
            match received.event {
                Some(Event::Fragment(fragment)) => {
                    if let Some(message) = detour.gather.push(fragment) {
                        self.on_message(books, receiver, message.kind, message.payload, now);
                    }
                }
                Some(Event::Ping(payload)) => {
                    books.tally.pings += 1;
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
    fn on_message(
        &mut self,
        books: &mut Books,
        receiver: usize,
        kind: MessageKind,
        payload: &[u8],
        now: u64,
    ) {
        let Some(fields) = books.script.read_fields(payload) else {
            books.tally.on_fault(Fault::Foreign);
            return;
        };
        let sequence = fields.sequence;
        let publisher = match self.publisher(fields.publisher) {
            None => {
                books.tally.on_fault(Fault::OtherRoom);
                return;
            }
            Some(publisher) if sequence >= self.tracks[publisher].published() => {
                books.tally.on_fault(Fault::Foreign);
                return;
            }
            Some(publisher) => publisher,
        };
        let position = self.positions[self.index(receiver, publisher)];
        if position == DEAF {
            books.tally.on_fault(Fault::Unwanted);
            return;
        }
        let next = books.script.sequence(position);
        if sequence < next {
            self.on_old_message(&mut books.tally, receiver, fields);
            return;
        }
        self.skip(books, receiver, publisher, next..sequence);
        let mut expected = Vec::new();
        books.script.write_payload(fields, &mut expected);
        let fault = if payload.len() != expected.len() {
            Some(Fault::Length)
        } else if payload != expected {
            Some(Fault::Corrupted)
        } else if kind != books.script.kind {
            Some(Fault::Kind)
        } else {
            None
        };
        let reached = books.script.position(sequence + 1);
        match fault {
            None => self.advance(books, receiver, publisher, reached, now),
            Some(fault) => {
                books.tally.on_fault(fault);
                self.advance_without(&books.script, receiver, publisher, reached);
            }
        }
    }

    /// Messages that did not come before a later one.
    fn skip(
        &mut self,
        books: &mut Books,
        receiver: usize,
        publisher: usize,
        sequences: std::ops::Range<u64>,
    ) {
        if sequences.is_empty() {
            return;
        }
        let count = sequences.end - sequences.start;
        if self.receivers[receiver].is_excused {
            books.tally.skipped += count;
        } else {
            books.tally.lost += count;
        }
        let missing = self.receivers[receiver].missing.get_or_insert_default();
        let first = sequences.end.saturating_sub(MISSING_MAX as u64);
        for sequence in sequences.start.max(first)..sequences.end {
            if missing.len() == MISSING_MAX {
                missing.pop_front();
            }
            missing.push_back(Fields {
                publisher: self.first + publisher,
                sequence,
            });
        }
        let reached = books.script.position(sequences.end);
        self.advance_without(&books.script, receiver, publisher, reached);
    }

    /// Moves a receiver on over messages that it has not had as they should be.
    fn advance_without(
        &mut self,
        script: &Script,
        receiver: usize,
        publisher: usize,
        reached: u64,
    ) {
        let index = self.index(receiver, publisher);
        let before = script.sequence(self.positions[index]);
        self.positions[index] = reached;
        if self.receivers[receiver].is_awaited {
            self.progress[publisher].advance(before, script.sequence(reached));
        }
    }

    /// A message comes after a later one: it was missing, or it came before.
    fn on_old_message(&mut self, tally: &mut Tally, receiver: usize, fields: Fields) {
        let missing = self.receivers[receiver].missing.as_mut();
        let place = missing
            .as_ref()
            .and_then(|missing| missing.iter().position(|&other| other == fields));
        match (missing, place) {
            (Some(missing), Some(place)) => {
                missing.remove(place);
                tally.on_late();
            }
            _ => tally.on_fault(Fault::Duplicated),
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
