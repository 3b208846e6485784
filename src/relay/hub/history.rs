//! What a topic retains of its messages for readers that come, or come back, after them: how old its messages
//! are, and which is the oldest that is still offered.
//!
//! When messages came is noted sparsely, so that a busy topic costs no memory for each: what came within a second is
//! one note. If there are very many, old ones are merged as far as they span less than a 128th of their age. So a
//! message is offered for as long as it is to be, and for a second, or a 128th of its age, more at most.

use super::super::policy::Retention;
use super::keys::Keys;
use crate::wheel::{Tick, TimerLink};
use std::collections::VecDeque;

/// Messages of a second are one note, in ticks.
const NOTE_TICKS: u32 = 10;
/// From as many notes on, 32 KiB, old ones are merged. Of 30 days in which messages never cease, 1,400 are left.
const NOTES_MAX: usize = 2048;
/// The part of their age that merged notes span at most.
const MERGED_PART: u32 = 128;

/// What a topic retains. See the [module](self). Messages are counted as its logs count them.
#[derive(Debug)]
pub(super) struct History {
    bounds: Retention,
    /// The oldest first; none of them has expired, but for those of the time since it was asked last.
    notes: VecDeque<Note>,
    /// Messages before that one are not offered, whatever the bounds say.
    begins: u64,
    /// When the topic's last member left, while it has none.
    left: Option<Tick>,
    /// By which publications are told apart.
    keys: Option<Box<Keys>>,
    pub(super) timer: TimerLink,
    /// What it takes, as far as that was accounted for.
    pub(super) charged_bytes: usize,
}

/// Messages from that one on, up to the next note's: when the first of them came, and the last.
#[derive(Clone, Copy, Debug)]
struct Note {
    first: Tick,
    last: Tick,
    message: u64,
}

impl History {
    /// That of a topic without members, of which nothing before that message is offered.
    pub(super) fn new(bounds: Retention, message: u64, now: Tick) -> Self {
        History {
            bounds,
            notes: VecDeque::new(),
            begins: message,
            left: Some(now),
            keys: None,
            timer: TimerLink::default(),
            charged_bytes: 0,
        }
    }

    pub(super) fn bounds(&self) -> Retention {
        self.bounds
    }

    pub(super) fn set_bounds(&mut self, bounds: Retention) {
        self.bounds = bounds;
    }

    /// A message has come. True if something was noted of it.
    #[inline]
    pub(super) fn note(&mut self, now: Tick, message: u64) -> bool {
        match self.notes.back_mut() {
            Some(note) if now.since(note.first) < NOTE_TICKS => {
                note.last = now;
                false
            }
            _ => {
                self.begin_note(now, message);
                true
            }
        }
    }

    fn begin_note(&mut self, now: Tick, message: u64) {
        if self.notes.len() >= NOTES_MAX {
            self.merge(now);
        }
        let (first, last) = (now, now);
        self.notes.push_back(Note {
            first,
            last,
            message,
        });
    }

    /// Merges notes that are old for what they span.
    fn merge(&mut self, now: Tick) {
        let mut merged: VecDeque<Note> = VecDeque::with_capacity(NOTES_MAX);
        for note in self.notes.drain(..) {
            match merged.back_mut() {
                Some(before)
                    if note.last.since(before.first) < now.since(note.last) / MERGED_PART =>
                {
                    before.last = note.last;
                }
                _ => merged.push_back(note),
            }
        }
        self.notes = merged;
    }

    /// Nothing before that message is offered any more.
    pub(super) fn forget(&mut self, message: u64) {
        self.begins = message;
        self.notes = VecDeque::new();
        self.keys = None;
    }

    /// The keys of messages from that one on, which is the oldest that is offered.
    pub(super) fn keys_from(&mut self, oldest: u64) -> &mut Keys {
        let keys = self.keys.get_or_insert_default();
        keys.forget_before(oldest);
        keys
    }

    /// Forgets when those messages came that are older than they may be.
    pub(super) fn expire(&mut self, now: Tick) {
        while let Some(first) = self.notes.front()
            && now.since(first.last) > self.bounds.time
        {
            self.notes.pop_front();
        }
        if let (Some(keys), Some(first)) = (&mut self.keys, self.notes.front()) {
            keys.forget_before(first.message);
        }
        if self.notes.is_empty() {
            self.notes = VecDeque::new();
            self.keys = None;
        }
    }

    /// The oldest message that is offered, by its age and number alone, where `messages` is the next one's.
    pub(super) fn oldest(&self, now: Tick, messages: u64) -> u64 {
        self.younger_than(self.bounds.time, now, messages)
            .max(messages.saturating_sub(self.bounds.messages_max))
            .max(self.begins)
    }

    /// The first message that came within that many ticks, or was noted with it.
    pub(super) fn younger_than(&self, ticks: u32, now: Tick, messages: u64) -> u64 {
        let is_older = |note: &Note| now.since(note.last) > ticks;
        let first = self.notes.partition_point(is_older);
        self.notes.get(first).map_or(messages, |note| note.message)
    }

    /// The topic has a member.
    pub(super) fn on_joined(&mut self) {
        self.left = None;
    }

    /// The last member has left.
    pub(super) fn on_left(&mut self, now: Tick) {
        self.left = Some(now);
    }

    pub(super) fn has_members(&self) -> bool {
        self.left.is_none()
    }

    /// The topic has had neither a member nor a message for so long that its numbers need not be known any more.
    pub(super) fn is_over(&self, now: Tick) -> bool {
        let is_quiet = |left: Tick| now.since(left) >= self.bounds.time;
        self.notes.is_empty() && self.left.is_some_and(is_quiet)
    }

    /// When something expires, if anything does.
    pub(super) fn deadline(&self) -> Option<Tick> {
        let first = self.notes.front();
        let expires = first.map(|first| first.last.after(self.bounds.time).after(1));
        expires.or(self.left.map(|left| left.after(self.bounds.time)))
    }

    /// Heap that it takes.
    pub(super) fn heap_bytes(&self) -> usize {
        let keys = self.keys.as_ref();
        self.notes.capacity() * size_of::<Note>()
            + keys.map_or(0, |keys| size_of::<Keys>() + keys.heap_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bounds(time: u32, messages_max: u64) -> Retention {
        Retention {
            time,
            messages_max,
            bytes_max: usize::MAX,
        }
    }

    proptest! {
        /// A message is offered for as long as it is to be, and a little longer at most; and no more of them than
        /// may be.
        #[test]
        fn a_message_is_offered_for_its_time(
            gaps in prop::collection::vec(prop_oneof![Just(0u32), 0u32..30, 0u32..3000], 1..200),
            repeats in prop_oneof![Just(1usize), Just(40)],
            time in prop_oneof![1u32..100, 1u32..20_000, Just(2_000_000)],
            messages_max in prop_oneof![Just(u64::MAX), 1u64..50],
            later in 0u32..20_000,
        ) {
            let mut history = History::new(bounds(time, messages_max), 5, Tick(0));
            let (mut now, mut came) = (Tick(0), Vec::new());
            for gap in gaps.repeat(repeats) {
                now = now.after(gap);
                history.expire(now);
                history.note(now, 5 + came.len() as u64);
                came.push(now);
            }
            let now = now.after(later);
            history.expire(now);
            let messages = 5 + came.len() as u64;
            let oldest = history.oldest(now, messages);
            for (index, &came) in came.iter().enumerate() {
                let message = 5 + index as u64;
                let (age, may_be) = (now.since(came), messages - message <= messages_max);
                if age <= time && may_be {
                    prop_assert!(oldest <= message);
                }
                if age > time + NOTE_TICKS + age / MERGED_PART || !may_be {
                    prop_assert!(oldest > message);
                }
            }
            // Of an age that a reader asks for, it is sent all, and little more.
            let asked = time / 3;
            let first = history.younger_than(asked, now, messages);
            for (index, &came) in came.iter().enumerate() {
                let (message, age) = (5 + index as u64, now.since(came));
                prop_assert!(age > asked || first <= message);
                prop_assert!(age <= asked + NOTE_TICKS + age / MERGED_PART || first > message);
            }
            prop_assert!(history.notes.len() <= NOTES_MAX);
        }
    }

    #[test]
    fn numbers_live_on_for_a_while_after_the_last_message_and_the_last_member() {
        let mut history = History::new(bounds(600, u64::MAX), 0, Tick(0));
        history.on_joined();
        assert_eq!(
            (history.deadline(), history.is_over(Tick(9999))),
            (None, false)
        );
        history.note(Tick(100), 0);
        assert_eq!(history.deadline(), Some(Tick(701)));
        history.on_left(Tick(500));
        history.expire(Tick(700));
        assert_eq!(history.oldest(Tick(700), 1), 0);
        history.expire(Tick(701));
        assert_eq!(history.oldest(Tick(701), 1), 1);
        assert_eq!(history.deadline(), Some(Tick(1100)));
        assert!(!history.is_over(Tick(1099)) && history.is_over(Tick(1100)));
        history.note(Tick(1099), 1);
        assert!(!history.is_over(Tick(1100)));
    }

    #[test]
    fn messages_that_never_cease_for_a_month_take_bounded_memory() {
        let mut history = History::new(bounds(30 * 864_000, u64::MAX), 0, Tick(0));
        for second in 0..30 * 86_400u64 {
            history.note(Tick(second as u32 * 10), second);
            assert!(history.notes.len() <= NOTES_MAX);
        }
        assert!(history.heap_bytes() <= 2 * NOTES_MAX * size_of::<Note>());
        let now = Tick(30 * 864_000);
        for (minutes, extra_seconds_max) in [(1, 1), (60, 30), (24 * 60, 720)] {
            let first = history.younger_than(minutes * 600, now, 30 * 86_400);
            let seconds = 30 * 86_400 - first;
            let asked = u64::from(minutes) * 60;
            assert!(
                seconds >= asked && seconds <= asked + extra_seconds_max,
                "{minutes}: {seconds}"
            );
        }
    }

    /// A reload that shortens the time went by the steps of the longer one, and forgot a message too early.
    #[test]
    fn a_shorter_time_forgets_nothing_that_is_young_enough() {
        let mut history = History::new(bounds(30 * 864_000, u64::MAX), 0, Tick(0));
        for second in 0..7200u64 {
            history.note(Tick(second as u32 * 10), second);
        }
        history.set_bounds(bounds(36_000, u64::MAX));
        let now = Tick(72_000);
        history.expire(now);
        let oldest = history.oldest(now, 7200);
        assert!((3570..=3600).contains(&oldest), "{oldest}");
    }

    #[test]
    fn what_was_forgotten_is_not_offered() {
        let mut history = History::new(bounds(600, u64::MAX), 3, Tick(0));
        (3..10).for_each(|message| _ = history.note(Tick(0), message));
        assert_eq!(history.oldest(Tick(1), 10), 3);
        history.forget(10);
        assert_eq!((history.oldest(Tick(1), 10), history.heap_bytes()), (10, 0));
        assert!(history.note(Tick(2), 10));
        assert_eq!(history.oldest(Tick(2), 11), 10);
    }
}
