//! What one connection gets that others don't: control frames, the rest of a frame that it was
//! lapped in, an HTTP response's head. It enters the output on a frame boundary only.

use crate::log::Position;
use crate::proto::{FrameHeader, OpCode};

/// Bytes that wait for a frame boundary of the log.
///
/// ```text
///   log   ... frame | frame | frame ...
///                ^  |
///           cursor  at: here the outbox enters, whole
/// ```
#[derive(Debug, Default)]
pub(in crate::relay) struct Outbox {
    bytes: Vec<u8>,
    /// How much of `bytes` was sent.
    sent: usize,
    /// Some of it has left, since it was last empty.
    is_under_way: bool,
    /// Where in the log it enters, unless the reader is beyond that; meaningful while it is not empty.
    at: Position,
    /// Offset of the last frame in `bytes`, if it is a pong.
    last_pong: Option<usize>,
    /// What it says that is missing at the place where it enters.
    gap: Option<Gap>,
}

/// A frame that tells a reader that it misses messages.
#[derive(Clone, Copy, Debug)]
struct Gap {
    offset: usize,
    bytes: usize,
    /// How many, if that is known.
    missed: Option<u64>,
}

impl Outbox {
    pub(in crate::relay) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Where in the log it enters, for a reader that stands at `cursor`: which may have passed over messages
    /// of its own, beyond the place that it was to enter at.
    pub(in crate::relay) fn at(&self, cursor: Position) -> Position {
        self.at.max(cursor)
    }

    /// Moves the place where it enters to `position`, a frame boundary.
    pub(in crate::relay) fn enter_at(&mut self, position: Position) {
        self.at = position;
    }

    pub(in crate::relay) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    pub(in crate::relay) fn pending(&self) -> &[u8] {
        &self.bytes[self.sent..]
    }

    /// Some of it has left: the rest must follow before anything else.
    pub(in crate::relay) fn is_under_way(&self) -> bool {
        self.is_under_way
    }

    pub(in crate::relay) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Appends a control frame.
    pub(in crate::relay) fn push_control(&mut self, opcode: OpCode, payload: &[u8]) {
        self.last_pong = None;
        write_frame(opcode, payload, &mut self.bytes);
    }

    /// Appends a text message.
    pub(in crate::relay) fn push_text(&mut self, payload: &[u8]) {
        self.push_control(OpCode::Text, payload);
    }

    /// Lets `write` append what leaves after all that is there.
    pub(in crate::relay) fn push_with<T>(&mut self, write: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        self.forget_sent();
        write(&mut self.bytes)
    }

    /// Tells that messages are missing, as `write` has it. If it was to tell of others, and has not begun to, it tells
    /// of all of them at once: nothing comes between them.
    pub(in crate::relay) fn push_gap(
        &mut self,
        mut missed: Option<u64>,
        write: impl FnOnce(Option<u64>, &mut Vec<u8>),
    ) {
        if let Some(gap) = self.gap.take().filter(|gap| gap.offset >= self.sent) {
            self.bytes.drain(gap.offset..gap.offset + gap.bytes);
            self.last_pong = None;
            missed = missed.zip(gap.missed).map(|(new, old)| new + old);
        }
        self.forget_sent();
        let offset = self.bytes.len();
        write(missed, &mut self.bytes);
        let bytes = self.bytes.len() - offset;
        self.gap = Some(Gap {
            offset,
            bytes,
            missed,
        });
    }

    /// Answers a ping. Once more than `bytes_max` is pending, the answer takes the place of the
    /// one before it (RFC 6455 §5.5.3 allows to answer the latest ping only), unless that has
    /// begun to leave.
    pub(in crate::relay) fn push_pong(&mut self, payload: &[u8], bytes_max: usize) {
        if self.pending().len() >= bytes_max
            && let Some(last) = self.last_pong.filter(|&last| last >= self.sent)
        {
            self.bytes.truncate(last);
        }
        self.forget_sent();
        let offset = self.bytes.len();
        self.push_control(OpCode::Pong, payload);
        self.last_pong = Some(offset);
    }

    /// Gives up the memory of what was sent, once that is the larger part: a peer that reads a little at
    /// a time can keep the outbox from ever being empty.
    fn forget_sent(&mut self) {
        if self.sent > self.bytes.len() / 2 {
            self.bytes.drain(..self.sent);
            self.last_pong = self.last_pong.and_then(|last| last.checked_sub(self.sent));
            self.gap = self.gap.and_then(|gap| {
                let offset = gap.offset.checked_sub(self.sent)?;
                Some(Gap { offset, ..gap })
            });
            self.sent = 0;
        }
    }

    /// Puts the rest of a frame that has begun to leave before everything else.
    pub(in crate::relay) fn rescue(&mut self, rest: &[u8]) {
        debug_assert!(!self.is_under_way());
        self.bytes.splice(0..0, rest.iter().copied());
        self.last_pong = self.last_pong.map(|last| last + rest.len());
        if let Some(gap) = &mut self.gap {
            gap.offset += rest.len();
        }
    }

    /// Notes that `bytes` of it were sent. When it is all gone, its memory goes too.
    pub(in crate::relay) fn advance(&mut self, bytes: usize) {
        self.sent += bytes;
        self.is_under_way |= bytes > 0;
        debug_assert!(self.sent <= self.bytes.len());
        if self.sent == self.bytes.len() {
            *self = Outbox::default();
        }
    }
}

/// Writes a frame.
pub(in crate::relay) fn write_frame(opcode: OpCode, payload: &[u8], out: &mut Vec<u8>) {
    let header = FrameHeader {
        fin: true,
        compressed: false,
        opcode,
        mask: None,
        payload_bytes: payload.len() as u64,
    };
    out.extend_from_slice(&header.encode());
    out.extend_from_slice(payload);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ping_is_answered_until_the_bound_then_the_latest() {
        let mut outbox = Outbox::default();
        for n in 0..100u8 {
            outbox.push_pong(&[n], 30);
        }
        let answered: Vec<u8> = outbox.pending().chunks(3).map(|frame| frame[2]).collect();
        assert_eq!(answered, [0, 1, 2, 3, 4, 5, 6, 7, 8, 99]);
    }

    #[test]
    fn a_pong_takes_the_place_of_a_pong_and_of_nothing_else() {
        for opcode in [OpCode::Ping, OpCode::Close] {
            let mut outbox = Outbox::default();
            outbox.push_pong(b"1", 1);
            outbox.push_control(opcode, b"2");
            outbox.push_pong(b"3", 1);
            outbox.push_pong(b"4", 1);
            let sent: Vec<u8> = outbox.pending().chunks(3).map(|frame| frame[2]).collect();
            assert_eq!(sent, *b"124", "{opcode:?}");
        }
    }

    fn gap(outbox: &mut Outbox, missed: Option<u64>) {
        outbox.push_gap(missed, |missed, out| {
            write_frame(
                OpCode::Text,
                &[missed.map_or(0, |missed| missed as u8)],
                out,
            );
        });
    }

    #[test]
    fn gaps_that_adjoin_are_told_as_one() {
        let mut outbox = Outbox::default();
        gap(&mut outbox, Some(3));
        outbox.push_pong(&[9], 100);
        gap(&mut outbox, Some(4));
        assert_eq!(outbox.pending(), [0x8A, 1, 9, 0x81, 1, 7]);
        outbox.rescue(&[5, 5]);
        gap(&mut outbox, Some(1));
        assert_eq!(outbox.pending(), [5, 5, 0x8A, 1, 9, 0x81, 1, 8]);
        gap(&mut outbox, None);
        assert_eq!(outbox.pending(), [5, 5, 0x8A, 1, 9, 0x81, 1, 0]);
        gap(&mut outbox, Some(1));
        assert_eq!(outbox.pending()[7], 0, "not known, and one more");
    }

    #[test]
    fn a_gap_that_has_begun_to_leave_stays() {
        let mut outbox = Outbox::default();
        gap(&mut outbox, Some(3));
        outbox.advance(1);
        gap(&mut outbox, Some(4));
        assert_eq!(outbox.pending(), [1, 3, 0x81, 1, 4]);
        outbox.advance(2);
        gap(&mut outbox, Some(1));
        assert_eq!(outbox.pending(), [0x81, 1, 5]);
    }

    #[test]
    fn a_peer_that_reads_a_little_makes_it_no_larger() {
        let mut outbox = Outbox::default();
        for n in 0..200u8 {
            (0..10).for_each(|_| outbox.push_pong(&[n], 30));
            outbox.advance(2);
            assert!(outbox.bytes.len() <= 2 * 33, "{} bytes", outbox.bytes.len());
        }
        assert_eq!(outbox.pending()[outbox.pending().len() - 1], 199);
    }

    #[test]
    fn a_pong_that_began_to_leave_stays() {
        let mut outbox = Outbox::default();
        outbox.push_pong(&[1], 3);
        outbox.advance(1);
        outbox.push_pong(&[2], 1);
        outbox.push_pong(&[3], 1);
        assert_eq!(outbox.pending(), [1, 1, 0x8A, 1, 3]);
    }

    #[test]
    fn the_rest_of_a_frame_goes_first() {
        let mut outbox = Outbox::default();
        outbox.push_pong(&[1], 100);
        outbox.rescue(&[7, 7]);
        outbox.push_pong(&[2], 5);
        assert_eq!(outbox.pending(), [7, 7, 0x8A, 1, 2]);
    }

    #[test]
    fn it_enters_where_it_is_told() {
        let mut outbox = Outbox::default();
        outbox.push_control(OpCode::Ping, &[]);
        outbox.enter_at(Position(7));
        assert_eq!(outbox.at(Position(3)), Position(7));
        assert_eq!(outbox.at(Position(9)), Position(9));
    }

    #[test]
    fn memory_is_given_up_once_the_larger_part_of_it_was_sent() {
        let mut outbox = Outbox::default();
        (0..10).for_each(|_| outbox.push_pong(&[1], 100));
        outbox.advance(15);
        outbox.push_pong(&[1], 100);
        assert_eq!(
            (outbox.bytes.len(), outbox.sent),
            (33, 15),
            "it is the half"
        );
        outbox.advance(2);
        outbox.push_pong(&[1], 100);
        assert_eq!((outbox.bytes.len(), outbox.sent), (19, 0));
    }

    #[test]
    fn it_owns_nothing_once_it_has_left() {
        let mut outbox = Outbox::default();
        outbox.push_control(OpCode::Ping, &[]);
        outbox.advance(0);
        assert!(!outbox.is_under_way() && outbox.capacity() >= 2);
        outbox.advance(1);
        assert!(outbox.is_under_way() && !outbox.is_empty());
        outbox.advance(1);
        assert!(outbox.is_empty());
        assert_eq!(outbox.capacity(), 0);
    }
}
