//! The receivers of a room, and whether they get what its publishers send: each publisher's messages
//! without a gap, a duplicate or a swap, and each payload whole.
//!
//! Since a [`Script`] says what each byte must be, to check a read is to compare it with what was
//! published: one comparison of memory when there is one publisher, one for each frame when there
//! are several. Nothing is decoded, copied or looked up. Only where the bytes differ a [`Session`]
//! takes over, from the start of the frame in which they did: a ping came in between, a message in
//! fragments, a frame cut before its publisher is known, or a fault, which it names. As soon as
//! it is at rest, comparing goes on.
//!
//! What comes compressed is inflated for the first receiver that has it; for the others it is
//! compared as it is.
//!
//! ```text
//!   published   |frame|frame|frame|frame|frame|frame|
//!                     ^ floor   ^ position of a receiver, here inside of a frame
//! ```

use super::codec::Codec;
use super::payload::Fields;
use super::script::{Script, Track};
use super::tally::{Returns, Tally};
use crate::proto::{Gather, Session};
use numbered::Numbered;
use progress::Progress;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

mod compare;
mod detour;
mod numbered;
mod progress;
mod refused;
mod returning;
mod whole;

/// No publisher's frame has begun.
const NO_PUBLISHER: u32 = u32::MAX;
/// In place of a position: this receiver must not get this publisher's messages.
const DEAF: u64 = u64::MAX;

/// What all rooms share: what is published, and what is known of its arrival.
pub(super) struct Shared {
    pub(super) script: Script,
    pub(super) tally: Tally,
    pub(super) returns: Returns,
    pub(super) codec: Codec,
}

/// The publishers and receivers of one room, and how far each receiver is with each publisher.
pub(super) struct Audience {
    /// The number of the first of its publishers, of all that there are in all rooms.
    first: usize,
    tracks: Vec<Track>,
    /// For each publisher, how far its receivers are.
    progress: Vec<Progress>,
    receivers: Vec<Receiver>,
    /// Where each receiver is in each publisher's frames: receiver × publishers + publisher.
    positions: Vec<u64>,
    /// Messages that a receiver has not got so far, though later ones came. Few receivers have any, so
    /// they are kept apart, and receivers stay small.
    missing: BTreeMap<usize, VecDeque<Fields>>,
    /// Messages that the server did not take: publisher and number.
    refused: BTreeSet<(usize, u64)>,
    /// The publishers are in another process: how much they have sent is not known, but what they
    /// send is.
    is_remote: bool,
    /// The place of each receiver, if they speak `fanfare.v1`.
    numbered: Vec<Numbered>,
    /// Receivers of those that no message waits for at present.
    absent: usize,
}

struct Receiver {
    /// The publisher of the frame that has begun and not ended; with only one, always that one.
    current: u32,
    /// Whether a message waits for it before it is done.
    is_awaited: bool,
    /// Whether it may miss messages: it has stopped reading for a while.
    is_excused: bool,
    detour: Option<Box<Detour>>,
}

/// Reads on when the bytes are not exactly what was published.
struct Detour {
    session: Session,
    gather: Gather,
}

/// The peer has ended the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum LastWord {
    /// A close frame, with this code if it had one.
    Close(Option<u16>),
    /// It broke the protocol.
    Broken,
}

impl Audience {
    /// An audience without receivers yet. They are numbered as they join.
    pub(super) fn new(first: usize, publishers: usize) -> Self {
        Audience {
            first,
            tracks: (0..publishers).map(|_| Track::default()).collect(),
            progress: (0..publishers).map(|_| Progress::default()).collect(),
            receivers: Vec::new(),
            positions: Vec::new(),
            missing: BTreeMap::new(),
            refused: BTreeSet::new(),
            is_remote: false,
            numbered: Vec::new(),
            absent: 0,
        }
    }

    /// From now on what comes counts as published, if it is what must come next.
    pub(super) fn follow(&mut self) {
        self.is_remote = true;
    }

    /// No more messages are to come: of this many, those that a receiver does not have count as
    /// missed.
    pub(super) fn end_at(&mut self, shared: &mut Shared, published: u64) {
        for receiver in 0..self.receivers.len() {
            let done = |publisher| {
                let position = self.positions[self.index(receiver, publisher)];
                shared.script.sequence(position)
            };
            let told = self.numbered.get(receiver).map_or(0, |it| it.told);
            let done = (0..self.tracks.len()).map(done).sum::<u64>() + told;
            shared.tally.missed += published.saturating_sub(done);
        }
    }

    /// Adds a receiver that is to get all that is published from now on, except by the publisher
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
            current: if self.tracks.len() == 1 {
                0
            } else {
                NO_PUBLISHER
            },
            is_awaited: true,
            is_excused: false,
            detour: None,
        });
    }

    /// A receiver has ended, and messages no longer wait for it. What it does not have counts as
    /// missed, unless it was excused.
    pub(super) fn leave(&mut self, shared: &mut Shared, receiver: usize) {
        let missed = self.end_absence(&shared.script, receiver)
            + self.stop_waiting(&shared.script, receiver);
        self.receivers[receiver].detour = None;
        // What is published elsewhere is known only at the end.
        if !self.is_remote {
            shared.tally.missed += missed;
        }
    }

    /// No message waits for this receiver from now on, and it may miss some.
    pub(super) fn excuse(&mut self, script: &Script, receiver: usize) {
        self.stop_waiting(script, receiver);
        self.receivers[receiver].is_excused = true;
    }

    /// Whether messages wait for a receiver.
    #[inline]
    pub(super) fn is_awaited(&self, receiver: usize) -> bool {
        self.receivers[receiver].is_awaited
    }

    /// Whether a receiver may miss messages.
    pub(super) fn is_excused(&self, receiver: usize) -> bool {
        self.receivers[receiver].is_excused
    }

    /// Returns how many messages it does not have.
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

    /// Publishes this many more messages of one publisher; what it is to write is appended to `out`.
    pub(super) fn publish(
        &mut self,
        shared: &mut Shared,
        publisher: usize,
        count: u64,
        at: u64,
        out: &mut Vec<u8>,
    ) {
        let number = self.first + publisher;
        let Shared { script, codec, .. } = shared;
        self.tracks[publisher].publish(script, codec, number, count, at, out);
    }

    /// Takes this many more messages as published; returns their frames, for another process to send.
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

    /// Messages that every receiver has.
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

    /// Messages that one of the publishers has published.
    pub(super) fn published_by(&self, publisher: usize) -> u64 {
        self.tracks[publisher].published()
    }

    /// Bytes that are kept for receivers that do not have them yet.
    pub(super) fn kept_bytes(&self) -> usize {
        self.tracks.iter().map(Track::kept_bytes).sum()
    }

    /// Forgets what every receiver has.
    pub(super) fn release(&mut self, script: &Script) {
        for (track, progress) in self.tracks.iter_mut().zip(&self.progress) {
            track.release(script, progress.floor_of(track.published()));
        }
        if !self.refused.is_empty() {
            self.release_refused();
        }
    }

    /// Receivers that are awaited and do not have everything.
    pub(super) fn waiting(&self, script: &Script) -> usize {
        let is_waiting = |receiver: &usize| {
            (0..self.tracks.len()).any(|publisher| self.is_behind(script, *receiver, publisher))
        };
        (0..self.receivers.len()).filter(is_waiting).count() + self.absent
    }

    /// Whether only publishers' own messages are awaited. As receivers, publishers are numbered after
    /// this many readers.
    pub(super) fn awaits_echoes_only(&self, script: &Script, readers: usize) -> bool {
        self.absent == 0
            && (0..self.receivers.len()).all(|receiver| {
                (0..self.tracks.len()).all(|publisher| {
                    receiver == readers + publisher || !self.is_behind(script, receiver, publisher)
                })
            })
    }

    /// Whether a receiver is awaited and does not have everything of a publisher.
    fn is_behind(&self, script: &Script, receiver: usize, publisher: usize) -> bool {
        self.receivers[receiver].is_awaited
            && self.positions[self.index(receiver, publisher)]
                < script.position(self.tracks[publisher].published())
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

    /// Moves a receiver on, and counts the messages that it has got.
    #[inline]
    fn advance(
        &mut self,
        shared: &mut Shared,
        receiver: usize,
        publisher: usize,
        reached: u64,
        now: u64,
    ) {
        let index = self.index(receiver, publisher);
        let before = shared.script.sequence(self.positions[index]);
        let after = shared.script.sequence(reached);
        self.positions[index] = reached;
        if before == after {
            return;
        }
        shared.tally.delivered += after - before;
        // When it was sent says nothing of one that was away.
        if self.receivers[receiver].is_awaited {
            self.progress[publisher].advance(before, after);
            let latencies = &mut shared.tally.latencies;
            self.tracks[publisher].for_batches(before..after, |count, at| {
                latencies.record(now.saturating_sub(at), count);
            });
        }
        if !self.refused.is_empty() {
            self.pass_refused(&shared.script, receiver, publisher);
        }
    }
}

#[cfg(test)]
mod tests;
