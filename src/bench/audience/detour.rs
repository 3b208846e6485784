//! The slow path: a session reads on where the bytes are not just what was published, and says
//! what is wrong with a message, or that nothing is.

use super::super::script::{Fields, Script};
use super::super::tally::{Fault, Tally};
use super::{Audience, Books, DEAF, LastWord, NOBODY};
use crate::proto::{Event, Gather, Message, MessageKind, OpCode, ProtocolError, Role, Session};

/// Messages whose absence is remembered for one receiver, to tell late ones from duplicates.
const MISSING_MAX: usize = 1024;
/// A message may be so much longer than any that was sent, and its length still be told.
const SPARE_BYTES: usize = 64 * 1024;

/// What reads on when the bytes are not just what was published.
pub(super) struct Detour {
    session: Session,
    gather: Gather,
}

impl Audience {
    /// Hands over to a session, with what was taken of the frame so far.
    #[cold]
    pub(super) fn begin_detour(&mut self, script: &Script, receiver: usize) {
        let mut detour = Box::new(Detour {
            session: Session::new(Role::Client).with_compression(script.is_deflated),
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
    pub(super) fn read_detour(
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
                    if let Some(message) = detour.gather.push(fragment)
                        && let Err(error) =
                            self.open_message(books, receiver, message, message_bytes_max, now)
                    {
                        books.tally.on_fault(Fault::Protocol(error));
                        return Err(LastWord::Broken);
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

    /// A whole message, which may be compressed.
    fn open_message(
        &mut self,
        books: &mut Books,
        receiver: usize,
        message: Message,
        bytes_max: usize,
        now: u64,
    ) -> Result<(), ProtocolError> {
        if !message.compressed {
            self.on_message(books, receiver, message.kind, message.payload, now);
            return Ok(());
        }
        // It is put back below: what it inflated is borrowed from it until then.
        let mut opener = books.opener.take().unwrap_or_default();
        let payload = opener.open(message, bytes_max)?;
        self.on_message(books, receiver, message.kind, payload, now);
        books.opener = Some(opener);
        Ok(())
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
