//! What becomes of readers that don't keep up.
//!
//! It is worked off between all input and all output: no connection is closed in the middle of its input, and
//! freeing memory for one topic's messages holds up those of the others for a bounded time. A reader that
//! lags by more than may be retained is *lapped*: it goes on at the live end, or ends there. What follows
//! for its connection is said by [`Lapped`], and done before the next one is asked for.

use super::super::ids::{Slot, VariantKey};
use super::super::limits::Limits;
use super::super::policy::SlowPolicy;
use super::super::seat::Seats;
use super::logs::Logs;
use super::place::Replay;
use super::variant::Variant;
use crate::log::Position;
use crate::metrics::Counters;
use crate::wheel::Tick;
use std::collections::VecDeque;
use std::vec::IntoIter;

/// A reader that was lapped.
#[derive(Debug)]
pub(in crate::relay) struct Lapped<'a> {
    pub(in crate::relay) slot: Slot,
    pub(in crate::relay) fate: Fate,
    /// The rest of the frame that it is in the middle of: to be sent before all else.
    pub(in crate::relay) rest: &'a [u8],
}

/// What follows for a connection that was lapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::relay) enum Fate {
    /// It goes on, beyond so many messages that it has missed.
    GoesOn { missed: u64 },
    /// It is to be closed, and told why.
    Closes,
    /// It is closing, and leaves its topic: what it was owed ends here. It has missed something, or only
    /// messages of its own.
    CutShort { has_missed: bool },
    /// It is closing, and leaves its topic: it has had all that it was owed.
    Served,
    /// The rest of its frame can't be saved, so that nothing can be told to it.
    Broken,
}

/// Variants that hold too much, and how many of their readers this turn may still lap.
#[derive(Debug, Default)]
pub(super) struct Lapping {
    /// Variants that hold more than they may, each once.
    overfull: VecDeque<VariantKey>,
    /// Those of them that this turn still looks at.
    due: usize,
    /// Readers that this turn may still lap.
    laps_left: usize,
    /// What is being cut.
    cut: Option<Cut>,
    /// Variants to cut since all logs together are over their bound, the one that retains most last.
    relief: Option<Vec<VariantKey>>,
    now: Tick,
}

/// The readers of a variant before a position, which are lapped.
#[derive(Debug)]
struct Cut {
    key: VariantKey,
    at: Position,
    behind: IntoIter<Slot>,
}

impl Lapping {
    /// Something was appended to a variant: it may hold too much.
    #[inline]
    pub(super) fn note(&mut self, variant: &mut Variant, key: VariantKey, limits: &Limits) {
        let is_over = variant.log.bytes() > limits.topic_log_bytes_max;
        if is_over && !std::mem::replace(&mut variant.overfull, true) {
            self.overfull.push_back(key);
        }
    }

    pub(super) fn is_complete(&self) -> bool {
        self.overfull.is_empty()
    }

    /// Begins a turn's laps.
    pub(super) fn begin(&mut self, limits: &Limits, now: Tick) {
        self.now = now;
        self.due = self.overfull.len();
        self.laps_left = limits.pace.laps_per_turn;
        self.relief = None;
    }

    /// The next reader that is lapped in this turn. Of a frame that it is in the middle of, at most
    /// `rest_bytes_max` can be saved; without that, not even that nothing has to be.
    pub(super) fn poll<'a>(
        &mut self,
        logs: &'a mut Logs,
        seats: &mut impl Seats,
        limits: &Limits,
        counters: &mut Counters,
        rest_bytes_max: Option<usize>,
    ) -> Option<Lapped<'a>> {
        loop {
            let Some(cut) = &mut self.cut else {
                self.cut = Some(self.next_cut(logs, seats, limits)?);
                continue;
            };
            let slot = match self.laps_left {
                0 => None,
                _ => cut.behind.next(),
            };
            let Some(slot) = slot else {
                self.end_cut(logs, seats, limits);
                continue;
            };
            self.laps_left -= 1;
            let key = cut.key;
            if seats.seat(slot).variant != key && lap_place(logs, seats, slot, counters) {
                continue;
            }
            let cursor = logs.pass_over_own(seats, slot);
            if seats.seat(slot).variant == key && cursor >= cut.at {
                continue;
            }
            let key = seats.seat(slot).variant;
            if !seats.seat(slot).echo() {
                let runs = logs.topics[key].log.runs(cursor);
                self.laps_left = self.laps_left.saturating_sub(runs / RUNS_PER_LAP);
            }
            let (fate, rest_bytes) = lap(logs, seats, slot, counters, rest_bytes_max);
            let rest = &logs.topics[key].log.read(cursor)[..rest_bytes];
            return Some(Lapped { slot, fate, rest });
        }
    }

    /// What is cut next: variants that hold more than they may; then, if all logs together are over their
    /// bound, the one that retains most is cut to its live end, and so on until an eighth of the bound is
    /// free, so that the search is paid for.
    fn next_cut(&mut self, logs: &Logs, seats: &impl Seats, limits: &Limits) -> Option<Cut> {
        if self.laps_left == 0 {
            return None;
        }
        if self.due > 0 {
            self.due -= 1;
            let key = self.overfull.pop_front()?;
            let at = logs.topics[key].log.cut(limits.topic_log_bytes_max);
            return Some(self.cut(logs, seats, key, at));
        }
        if self.relief.is_none() && !logs.is_overfull(limits) {
            return None;
        }
        let relief = self.relief.get_or_insert_with(|| relief(logs));
        let is_enough = logs.pool.bytes_in_use() <= limits.log_bytes_max / 8 * 7;
        let key = relief.pop().filter(|_| !is_enough)?;
        Some(self.cut(logs, seats, key, logs.topics[key].log.tail()))
    }

    /// The lagging members of a variant whose cursor is before `at`, and readers whose place there is. What the walk
    /// has yet to bring to others is retained anyway; so a member that began to lag there, such as one that closes,
    /// stays. So does one whose socket is not full: it is served before anything else is appended. But one that is
    /// sent what it missed before it joined holds up no other.
    fn cut(&self, logs: &Logs, seats: &impl Seats, key: VariantKey, at: Position) -> Cut {
        let variant = &logs.topics[key];
        let at = at.min(variant.settled());
        let is_behind = |&slot: &Slot| {
            let seat = seats.seat(slot);
            (seat.is_blocked() || seat.is_replaying()) && seat.cursor() < at
        };
        let behind = variant.laggards.slots().filter(is_behind);
        let plain = &logs.topics[logs.topics[variant.topic].plain_or(key)].laggards;
        let has_place = |&slot: &Slot| {
            let next = seats.seat(slot).lagging.and_then(|index| plain.next(index));
            next.is_some_and(|next| next.key == key && next.from < at)
        };
        let is_kept = variant
            .laggards
            .first_place()
            .is_some_and(|first| first < at);
        let places = plain.slots().filter(|slot| is_kept && has_place(slot));
        let behind: Vec<Slot> = behind.chain(places).take(self.laps_left).collect();
        let behind = behind.into_iter();
        Cut { key, at, behind }
    }

    /// Frees what the readers held that were lapped.
    fn end_cut(&mut self, logs: &mut Logs, seats: &impl Seats, limits: &Limits) {
        let Some(Cut { key, .. }) = self.cut.take() else {
            return;
        };
        logs.trim(seats, key, self.now);
        if self.relief.is_some() {
            return;
        }
        let variant = &mut logs.topics[key];
        variant.overfull = variant.log.bytes() > limits.topic_log_bytes_max;
        match variant.overfull {
            true => self.overfull.push_back(key),
            false => logs.touch(key),
        }
    }
}

/// Variants with lagging members, the one that retains most last.
#[cold]
fn relief(logs: &Logs) -> Vec<VariantKey> {
    let mut retaining = logs.retaining().to_vec();
    retaining.sort_by_cached_key(|&key| logs.topics[key].log.bytes());
    retaining
}

/// Laps a reader: moves it to the live end, and says what follows, and how many bytes from its cursor on
/// are the rest of a frame that has to be sent to it before it can be told anything.
fn lap(
    logs: &mut Logs,
    seats: &mut impl Seats,
    slot: Slot,
    counters: &mut Counters,
    rest_bytes_max: Option<usize>,
) -> (Fate, usize) {
    let own = seats.excluded(slot);
    let seat = seats.seat_mut(slot);
    let slow_policy = logs.policy(logs.topics[seat.variant].topic).slow_policy;
    let variant = &mut logs.topics[seat.variant];
    let (cursor, end, tail) = (seat.cursor(), variant.end(seat), variant.log.tail());
    if cursor >= end {
        return (Fate::Served, 0);
    }
    let boundary = variant.boundary(cursor);
    let rest_bytes = boundary.position.since(cursor) as usize;
    let is_torn = seat.lagging.is_some_and(|index| {
        let replay = variant.laggards.replay(index);
        replay.is_some_and(Replay::is_torn)
    });
    let is_rescued = !is_torn && rest_bytes_max.is_some_and(|max| rest_bytes <= max);
    let own_messages = own.map_or(0, |own| {
        variant.log.own_messages(boundary.position, end, own)
    });
    let mut missed = variant.boundary(end).message - boundary.message - own_messages;
    counters.lag_bytes.observe(tail.since(cursor), 1);
    let is_closing = variant.is_closing(seat);
    let ends = slow_policy == SlowPolicy::Close || is_closing || !is_rescued;
    let next = seat.lagging.and_then(|index| variant.laggards.next(index));
    if let Some(&next) = next.filter(|_| ends) {
        missed += logs.owed_at_place(next, own);
    }
    if ends {
        counters.lapped += 1;
        counters.messages_lost += missed;
    } else if missed > 0 {
        counters.skips += 1;
        counters.messages_skipped += missed;
    }
    if !is_rescued {
        return (Fate::Broken, 0);
    }
    seat.move_to(tail);
    seat.set_replaying(false);
    let variant = &mut logs.topics[seat.variant];
    variant.laggards.on_moved(cursor);
    let replay = seat
        .lagging
        .and_then(|index| variant.laggards.take_replay(index));
    let next = replay.and_then(|replay| replay.next);
    if let Some(next) = next {
        logs.end_at_place(seats, slot, next, !ends);
    }
    let has_missed = missed > 0;
    let missed_before = next.map_or(0, |next| next.missed);
    let fate = match slow_policy {
        _ if is_closing => Fate::CutShort { has_missed },
        SlowPolicy::Close => Fate::Closes,
        SlowPolicy::Skip => Fate::GoesOn {
            missed: missed + missed_before,
        },
    };
    (fate, rest_bytes)
}

/// The log outgrew its bound in which a place is kept for a reader of another one. Under `skip`, its place is at the
/// tail from now on: then true. Otherwise it is lapped where it is.
fn lap_place(logs: &mut Logs, seats: &impl Seats, slot: Slot, counters: &mut Counters) -> bool {
    let seat = seats.seat(slot);
    let Some(index) = seat.lagging else {
        return false;
    };
    let topic = logs.topics[seat.variant].topic;
    let laggards = &logs.topics[seat.variant].laggards;
    let Some(next) = laggards.next(index).copied() else {
        return false;
    };
    if next.end.is_some() || logs.policy(topic).slow_policy == SlowPolicy::Close {
        return false;
    }
    let missed = logs.owed_at_place(next, seats.excluded(slot));
    let variant = &mut logs.topics[next.key];
    let tail = variant.log.tail();
    variant.laggards.give_back(next.from);
    variant.laggards.take_place(tail);
    counters.skips += 1;
    counters.messages_skipped += missed;
    counters.lag_bytes.observe(tail.since(next.from), 1);
    let laggards = &mut logs.topics[seat.variant].laggards;
    if let Some(next) = laggards.next_mut(index) {
        next.from = tail;
        next.missed += missed;
    }
    true
}

/// What takes as long as to lap a reader otherwise: to look at this many runs of frames for its own.
const RUNS_PER_LAP: usize = 1024;
