//! Messages into logs, and what becomes of those who don't keep up.

use super::Relay;
use super::connection::Phase;
use super::ids::{ConnId, Slot, TopicKey, VariantKey};
use super::limits::{SlowPolicy, TOPIC_SLOTS_PER_PAGE};
use super::variant::ENCODINGS;
use crate::log::Position;
use crate::metrics::Cause;
use crate::proto::{FrameHeader, MessageKind};

impl Relay {
    /// Appends a message to a topic, for all its members but the `excluded` one, which sent it. Costs the
    /// same whatever the number of members.
    pub(super) fn append(
        &mut self,
        topic: TopicKey,
        excluded: Option<ConnId>,
        kind: MessageKind,
        payload: &[u8],
    ) {
        let topic = &mut self.topics[topic];
        topic.meter.count(self.now, payload.len());
        let [plain, compressed @ ..] = topic.variants_by_encoding();
        if plain != VariantKey::NONE {
            self.append_to(plain, excluded, kind, false, payload);
        }
        if compressed != [VariantKey::NONE; ENCODINGS - 1] {
            self.append_compressed(&compressed, excluded, kind, payload);
        }
        self.counters.messages += 1;
        self.counters.message_bytes += payload.len() as u64;
    }

    /// Appends a message, compressed, to those of these variants that exist.
    fn append_compressed(
        &mut self,
        variants: &[VariantKey],
        excluded: Option<ConnId>,
        kind: MessageKind,
        payload: &[u8],
    ) {
        // It is put back below: what it compressed is borrowed from it until then.
        let mut codec = std::mem::take(&mut self.codec);
        let settings = self.limits.compression;
        for &key in variants.iter().filter(|&&key| key != VariantKey::NONE) {
            let window = self.topics[key].encoding.window();
            let compressed = window
                .and_then(|window| codec.deflate(window, payload, settings, &mut self.counters));
            let bytes = compressed.unwrap_or(payload);
            self.append_to(key, excluded, kind, compressed.is_some(), bytes);
        }
        self.codec = codec;
    }

    /// Appends a message to a variant, as it is encoded there.
    #[inline]
    fn append_to(
        &mut self,
        key: VariantKey,
        excluded: Option<ConnId>,
        kind: MessageKind,
        compressed: bool,
        payload: &[u8],
    ) {
        let variant = &mut self.topics[key];
        let header = FrameHeader {
            fin: true,
            compressed,
            opcode: kind.opcode(),
            mask: None,
            payload_bytes: payload.len() as u64,
        };
        let excluded = excluded
            .filter(|id| self.connections[id.slot].seat.variant == key)
            .map(|id| id.generation);
        variant.count_visits();
        variant
            .log
            .append(&mut self.pool, &header.encode(), payload, excluded);
        let readers = variant.members() - usize::from(excluded.is_some());
        self.counters.deliveries += readers as u64;
        if !std::mem::replace(&mut variant.dirty, true) {
            self.dirty.push_back(key);
        }
        let is_over = variant.log.bytes() > self.limits.topic_log_bytes_max;
        if is_over && !std::mem::replace(&mut variant.overfull, true) {
            self.overfull.push_back(key);
        }
    }

    /// Bytes that a topic may still take in before everybody in it was served: a quarter of what it
    /// retains, so that what a turn brings never laps a reader whose socket has room. None while its
    /// log, or all logs, are over their bound: so what one read brings is all that may exceed it. None
    /// either before everybody was closed who misses messages.
    pub(super) fn room(&self, topic: TopicKey) -> usize {
        let topic = &self.topics[topic];
        if self.is_overfull() || topic.gap.is_some() {
            return 0;
        }
        let unsettled_bytes = topic
            .variants()
            .map(|key| match &self.topics[key] {
                variant if variant.overfull => u64::MAX,
                variant => variant.unsettled_bytes(),
            })
            .max()
            .unwrap_or_default();
        let quarter = self.limits.topic_log_bytes_max / 4;
        quarter.saturating_sub(usize::try_from(unsettled_bytes).unwrap_or(usize::MAX))
    }

    /// All logs together are over their bound.
    pub(super) fn is_overfull(&self) -> bool {
        self.pool.bytes_in_use() > self.limits.log_bytes_max
    }

    /// Laps those who lag by more than may be retained, as many as a turn may. It comes after all input
    /// and before all output: nobody is closed in the middle of what it says, and what makes room for
    /// a topic's messages holds up those of the others for a bounded time.
    pub(super) fn lap_laggards(&mut self) {
        let mut laps_left = self.limits.pace.laps_per_turn;
        self.close_gaps(&mut laps_left);
        let bytes_max = self.limits.topic_log_bytes_max;
        for _ in 0..self.overfull.len() {
            if laps_left == 0 {
                return;
            }
            let Some(key) = self.overfull.pop_front() else {
                break;
            };
            let cut = self.topics[key].log.cut(bytes_max);
            self.lap(key, cut, &mut laps_left);
            let variant = &mut self.topics[key];
            variant.overfull = variant.log.bytes() > bytes_max;
            match variant.overfull {
                true => self.overfull.push_back(key),
                false => self.touch(key),
            }
        }
        if self.is_overfull() {
            self.relieve(&mut laps_left);
        }
    }

    /// Laps lagging members of a variant whose cursor is before `cut`, and frees what they held. What
    /// the walk has yet to serve is held anyway; so who began to lag there, such as one that leaves,
    /// stays. So does whoever has room: it is served before anything else is taken in.
    fn lap(&mut self, key: VariantKey, cut: Position, laps_left: &mut usize) {
        let cut = cut.min(self.topics[key].settled());
        let is_behind = |&slot: &Slot| {
            let connection = &self.connections[slot];
            connection.seat.is_blocked() && connection.seat.cursor() < cut
        };
        let lagging = self.topics[key].lagging().iter().copied();
        let behind: Vec<Slot> = lagging.filter(is_behind).take(*laps_left).collect();
        for slot in behind {
            if *laps_left == 0 {
                break;
            }
            *laps_left -= 1;
            let cursor = self.pass_over_own(slot);
            if cursor >= cut {
                continue;
            }
            if !self.connections[slot].seat.echo() {
                let runs = self.topics[key].log.runs(cursor);
                *laps_left = laps_left.saturating_sub(runs / RUNS_PER_LAP);
            }
            self.lap_member(slot);
            if self.connections[slot].phase != Phase::Closed {
                self.settle(slot);
            }
        }
        self.trim(key);
    }

    /// All logs together are over their bound: the one that retains most is cut to its live end, until
    /// an eighth of the bound is free, so that the search is paid for.
    #[cold]
    fn relieve(&mut self, laps_left: &mut usize) {
        let mut retaining: Vec<(usize, VariantKey)> = self
            .retaining
            .iter()
            .map(|&key| (self.topics[key].log.bytes(), key))
            .collect();
        retaining.sort_unstable_by_key(|&(bytes, _)| bytes);
        let enough = self.limits.log_bytes_max / 8 * 7;
        while self.pool.bytes_in_use() > enough
            && *laps_left > 0
            && let Some((_, key)) = retaining.pop()
        {
            let live_end = self.topics[key].log.tail();
            self.lap(key, live_end, laps_left);
        }
    }

    /// A reader lags by more than is retained. The rest of the frame that it is in the middle of
    /// is saved, so that it can be told properly, or it is dropped.
    fn lap_member(&mut self, slot: Slot) {
        let connection = &self.connections[slot];
        let variant = &self.topics[connection.seat.variant];
        let log = &variant.log;
        let (cursor, tail) = (connection.seat.cursor(), log.tail());
        let end = connection.end(tail);
        if cursor >= end {
            // One that closes, and has had all that it was owed of the log.
            return self.leave_topic(slot);
        }
        let outbox_under_way = connection
            .outbox()
            .is_some_and(|outbox| outbox.is_under_way());
        let boundary = variant.boundary(cursor);
        let rest_bytes = boundary.position.since(cursor) as usize;
        let is_rescued = rest_bytes <= self.limits.rescue_bytes_max
            && self.private_bytes + rest_bytes <= self.limits.private_bytes_max;
        let own = connection.excluded();
        let own = own.map_or(0, |own| log.own_messages(boundary.position, end, own));
        let missed = variant.boundary(end).message - boundary.message - own;
        self.counters.lag_bytes.observe(tail.since(cursor), 1);
        let is_open = connection.phase == Phase::Open;
        if self.limits.slow_policy == SlowPolicy::Close || !is_open || !is_rescued {
            self.counters.lapped += 1;
            self.counters.messages_lost += missed;
        } else if missed > 0 {
            self.counters.skips += 1;
            self.counters.messages_skipped += missed;
        }
        if !is_rescued {
            self.abort(slot, Cause::Lapped);
            return;
        }
        let connection = &mut self.connections[slot];
        if rest_bytes > 0 {
            debug_assert!(!outbox_under_way, "an outbox enters on a frame boundary");
            let log = &self.topics[connection.seat.variant].log;
            let rest = &log.read(cursor)[..rest_bytes];
            connection.extra.get_or_insert_default().outbox.rescue(rest);
        }
        let before = connection.seat.cursor();
        connection.seat.move_to(tail);
        if let Some(extra) = connection.extra.as_deref_mut() {
            extra.outbox.enter_at(tail);
            if let Some(close) = extra.close.as_mut() {
                close.at = tail;
            }
        }
        self.topics[connection.seat.variant].moved(before);
        if !is_open {
            if missed > 0 {
                self.tell_of_gap(slot);
            }
            // Its log ends here: what others publish is nothing to it any more.
            self.leave_topic(slot);
        } else if self.limits.slow_policy == SlowPolicy::Close {
            self.close(slot, Cause::Lapped);
        }
        self.queue_output(slot);
    }

    /// Everybody who keeps up was visited, and sent what has come since the last time.
    pub(super) fn on_walk_complete(&mut self, key: VariantKey) {
        let variant = &mut self.topics[key];
        variant.dirty = false;
        if !std::mem::replace(&mut variant.touched, true) {
            self.touched.push(key);
        }
    }

    /// A variant is to be tidied at the end of the turn.
    pub(super) fn touch(&mut self, key: VariantKey) {
        let variant = &mut self.topics[key];
        if !variant.touched {
            variant.touched = true;
            self.touched.push(key);
        }
    }

    /// Trims the logs of this turn, and forgets the variants, and topics, that everybody has left.
    pub(super) fn tidy_topics(&mut self) {
        let mut touched = std::mem::take(&mut self.touched);
        for key in touched.drain(..) {
            self.topics[key].touched = false;
            self.trim(key);
            self.note_retaining(key);
            let variant = &self.topics[key];
            let is_over = variant.is_empty() && !variant.dirty && !variant.overfull;
            if is_over && let Some(topic) = self.topics.remove(key) {
                self.feed.on_topic_end(topic.name());
            }
        }
        // The list is used in every turn; what a crowd of topics made of it is given back.
        if touched.capacity() <= TOUCHED_AT_REST_MAX {
            self.touched = touched;
        }
    }

    fn trim(&mut self, key: VariantKey) {
        let variant = &mut self.topics[key];
        let head = variant.needed_from(&self.connections);
        variant.log.trim(&mut self.pool, head);
    }

    /// How far the last of all lagging members is behind; of the first variants that have some, if
    /// those are too many for a turn.
    pub(super) fn lag_bytes_max(&self) -> u64 {
        let retaining = self.retaining.iter().take(TOPIC_SLOTS_PER_PAGE);
        let lags = retaining.map(|&key| self.topics[key].lag_bytes_max());
        lags.max().unwrap_or_default()
    }

    /// Keeps the list of variants with lagging members, and the number of these.
    pub(super) fn note_retaining(&mut self, key: VariantKey) {
        let variant = &mut self.topics[key];
        let lagging = variant.lagging().len() as u32;
        let noted = std::mem::replace(&mut variant.lagging_noted, lagging);
        self.lagging = self.lagging + lagging as usize - noted as usize;
        let retains = lagging > 0;
        if retains && variant.retaining.is_none() {
            variant.retaining = Some(self.retaining.len() as u32);
            self.retaining.push(key);
        } else if !retains && let Some(index) = variant.retaining.take() {
            self.retaining.swap_remove(index as usize);
            if let Some(&moved) = self.retaining.get(index as usize) {
                self.topics[moved].retaining = Some(index);
            }
        }
    }
}

/// What takes as long as to lap a reader otherwise: to look at so many runs of frames for its own.
const RUNS_PER_LAP: usize = 1024;

/// Variants that memory is kept for in the list of those to tidy: 4 KiB.
const TOUCHED_AT_REST_MAX: usize = 1024;
