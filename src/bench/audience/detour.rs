//! The slow path: a session reads on where the bytes are not exactly what was published, and says what
//! is wrong with a message, if anything is.

use super::super::payload::Fields;
use super::super::script::{Checked, Script};
use super::super::tally::{Fault, Tally};
use super::{Audience, DEAF, Detour, LastWord, NO_PUBLISHER, Shared};
use crate::proto::{Event, Gather, Message, OpCode, ProtocolError, Role, Session};

/// Messages whose absence is remembered for one receiver, to tell late ones from duplicates.
const MISSING_MAX: usize = 1024;
/// A message may be this much longer than any that was sent and still have its length reported.
const SPARE_BYTES: usize = 64 * 1024;
/// How far a publisher elsewhere may be ahead of a receiver: far more than a server keeps for a
/// reader.
const AHEAD_BYTES_MAX: u64 = 64 << 20;

impl Audience {
    /// Hands over to a session, with what was read of the frame so far.
    #[cold]
    pub(super) fn begin_detour(&mut self, script: &Script, receiver: usize) {
        let mut detour = Box::new(Detour {
            session: Session::new(Role::Client).with_compression(script.is_deflated),
            gather: Gather::default(),
        });
        let current = self.receivers[receiver].current;
        let publisher = (current != NO_PUBLISHER).then_some(current as usize);
        let index = publisher.map(|publisher| (publisher, self.index(receiver, publisher)));
        if let Some((publisher, index)) = index.filter(|&(_, index)| self.positions[index] != DEAF)
        {
            let position = self.positions[index];
            let start = script.position(script.sequence(position));
            self.positions[index] = start;
            // It may be no longer kept.
            let mut frame = Vec::new();
            let fields = Fields {
                publisher: self.first + publisher,
                sequence: script.sequence(start),
            };
            script.write_frame(fields, &mut frame);
            frame.truncate((position - start) as usize);
            // The start of a frame that was published is neither an event nor an error.
            if let Ok(received) = detour.session.receive(&mut frame, usize::MAX)
                && let Some(Event::Fragment(fragment)) = received.event
            {
                detour.gather.push(fragment);
            }
        }
        if self.tracks.len() > 1 {
            self.receivers[receiver].current = NO_PUBLISHER;
        }
        self.receivers[receiver].detour = Some(detour);
    }

    /// Reads frame by frame until the session is at rest after an event; returns how many bytes it
    /// read.
    pub(super) fn read_detour(
        &mut self,
        shared: &mut Shared,
        receiver: usize,
        input: &mut [u8],
        now: u64,
        out: &mut Vec<u8>,
    ) -> Result<usize, LastWord> {
        let message_bytes_max = 2 * shared.script.payload_bytes_max() + SPARE_BYTES;
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
                    shared.tally.on_fault(Fault::Protocol(error));
                    return Err(LastWord::Broken);
                }
            };
            read += received.consumed;
            match received.event {
                Some(Event::Fragment(fragment)) => {
                    if let Some(message) = detour.gather.push(fragment)
                        && let Err(error) =
                            self.open_message(shared, receiver, message, message_bytes_max, now)
                    {
                        shared.tally.on_fault(Fault::Protocol(error));
                        return Err(LastWord::Broken);
                    }
                }
                Some(Event::Ping(payload)) => {
                    shared.tally.pings += 1;
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

    /// A whole message, which may be compressed.
    fn open_message(
        &mut self,
        shared: &mut Shared,
        receiver: usize,
        message: Message,
        bytes_max: usize,
        now: u64,
    ) -> Result<(), ProtocolError> {
        let opened = shared.codec.open(message, bytes_max)?;
        if let Some(said) = self.receive_numbered(&shared.script, receiver, &opened) {
            self.on_said(shared, receiver, said);
            return Ok(());
        }
        let found = self.recognize(&shared.script, receiver, &opened);
        let (publisher, reading) = match found {
            Ok(found) => found,
            Err(fault) => {
                shared.tally.on_fault(fault);
                return Ok(());
            }
        };
        if message.compressed && reading.fault.is_none() && self.receivers.len() > 1 {
            self.tracks[publisher].learn(reading.fields.sequence, message);
        }
        self.on_message(shared, receiver, publisher, reading, now);
        Ok(())
    }

    /// The publisher of a message, and what was found in it.
    pub(super) fn recognize(
        &mut self,
        script: &Script,
        receiver: usize,
        message: &Message,
    ) -> Result<(usize, Checked), Fault> {
        let reading = script.read(message.kind, message.payload);
        let reading = reading.ok_or(Fault::Foreign)?;
        let publisher = self.publisher(reading.fields.publisher);
        let publisher = publisher.ok_or(Fault::OtherRoom)?;
        if self.is_remote {
            self.expect_message(script, receiver, publisher, reading.fields.sequence);
        }
        match reading.fields.sequence < self.tracks[publisher].published() {
            true => Ok((publisher, reading)),
            false => Err(Fault::Foreign),
        }
    }

    /// Makes messages up to this one available for comparing, unless it is too far ahead to be real.
    fn expect_message(
        &mut self,
        script: &Script,
        receiver: usize,
        publisher: usize,
        sequence: u64,
    ) {
        let position = self.positions[self.index(receiver, publisher)];
        let track = &mut self.tracks[publisher];
        if script.position(sequence) < position + AHEAD_BYTES_MAX {
            while track.published() <= sequence {
                track.expect(script, self.first + publisher, 1, 0);
            }
        }
    }

    /// A message that one of the room's publishers has sent.
    pub(super) fn on_message(
        &mut self,
        shared: &mut Shared,
        receiver: usize,
        publisher: usize,
        Checked { fields, fault }: Checked,
        now: u64,
    ) {
        let position = self.positions[self.index(receiver, publisher)];
        if position == DEAF {
            shared.tally.on_fault(Fault::Unwanted);
            return;
        }
        let next = shared.script.sequence(position);
        if fields.sequence < next {
            if !self.refused.contains(&(publisher, fields.sequence)) {
                self.on_old_message(&mut shared.tally, receiver, fields);
            }
            return;
        }
        self.skip(shared, receiver, publisher, next..fields.sequence);
        let reached = shared.script.position(fields.sequence + 1);
        match fault {
            None => self.advance(shared, receiver, publisher, reached, now),
            Some(fault) => {
                shared.tally.on_fault(fault);
                self.advance_without(&shared.script, receiver, publisher, reached);
                self.pass_refused(&shared.script, receiver, publisher);
            }
        }
    }

    /// Messages that did not come before a later one.
    pub(super) fn skip(
        &mut self,
        shared: &mut Shared,
        receiver: usize,
        publisher: usize,
        sequences: std::ops::Range<u64>,
    ) {
        if sequences.is_empty() {
            return;
        }
        let count = sequences.end - sequences.start;
        let told =
            self.take_told(receiver, count) + self.count_refused(publisher, sequences.clone());
        if self.receivers[receiver].is_excused {
            shared.tally.skipped += count;
        } else {
            shared.tally.lost += count - told;
        }
        let missing = self.missing.entry(receiver).or_default();
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
        let reached = shared.script.position(sequences.end);
        self.advance_without(&shared.script, receiver, publisher, reached);
    }

    /// Moves a receiver on past messages that it has not got as it should.
    pub(super) fn advance_without(
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
        let missing = self.missing.entry(receiver).or_default();
        match missing.iter().position(|&other| other == fields) {
            Some(place) => {
                missing.remove(place);
                tally.on_late();
            }
            None => tally.on_fault(Fault::Duplicated),
        }
    }
}
