//! Messages into logs, and what becomes of those who don't keep up.

use super::Relay;
use super::connection::{ConnId, NONE, Peer, Phase};
use super::limits::{SlowPolicy, TOPIC_SLOTS_PER_PAGE};
use crate::log::Position;
use crate::metrics::Cause;
use crate::proto::{CloseCode, Header, MessageKind};

impl Relay {
    /// A connection publishes a message into its topic.
    pub(super) fn publish(&mut self, slot: u32, kind: MessageKind, payload: &[u8]) {
        let sender = &mut self.connections[slot as usize];
        sender.active = self.now;
        let (key, excluded) = (sender.topic, sender.excluded(slot));
        self.append(key, excluded, kind, payload);
        if let Some(hooks) = &mut self.hooks.0 {
            let generation = self.connections[slot as usize].generation;
            let id = ConnId { slot, generation };
            hooks.on_message(id, self.topics[key].name(), kind, payload);
        }
    }

    /// Publishes a message that comes from elsewhere than a connection. False if the topic has no
    /// room for it now, until its members were served; a topic without members takes everything.
    pub fn handle_publish(&mut self, topic: &str, kind: MessageKind, payload: &[u8]) -> bool {
        let Some(key) = self.topics.find(topic) else {
            return true;
        };
        let has_room = self.room(key) > 0;
        if has_room {
            self.append(key, None, kind, payload);
        }
        has_room
    }

    /// Appends a message to a topic. Costs the same whatever the number of members.
    fn append(&mut self, key: u32, excluded: Option<u32>, kind: MessageKind, payload: &[u8]) {
        let header = Header {
            fin: true,
            opcode: kind.opcode(),
            mask: None,
            payload_bytes: payload.len() as u64,
        };
        if !self.topics[key].dirty {
            self.topics[key].dirty = true;
            self.dirty.push_back(key);
            self.touch(key);
        }
        let topic = &mut self.topics[key];
        topic
            .plain
            .log
            .append(&mut self.pool, &header.encode(), payload, excluded);
        topic.plain.start_walk();
        let log_bytes = topic.plain.log.bytes();
        let readers = topic.plain.members() - usize::from(excluded.is_some());
        self.counters.messages += 1;
        self.counters.message_bytes += payload.len() as u64;
        self.counters.deliveries += readers as u64;
        if log_bytes > self.limits.topic_log_bytes_max {
            let cut = self.topics[key]
                .plain
                .log
                .cut(self.limits.topic_log_bytes_max);
            self.lap(key, cut);
        }
        if self.pool.bytes_in_use() > self.limits.log_bytes_max {
            self.relieve();
        }
    }

    /// Bytes that a topic may still take in before everybody in it was served: a quarter of what it
    /// retains, so that what a turn brings never laps a reader whose socket has room.
    pub(super) fn room(&self, key: u32) -> usize {
        let plain = &self.topics[key].plain;
        let quarter = self.limits.topic_log_bytes_max / 4;
        if plain.is_walk_complete() {
            return quarter;
        }
        quarter.saturating_sub(usize::try_from(plain.unsettled_bytes()).unwrap_or(usize::MAX))
    }

    /// Laps every lagging member of a topic whose cursor is before `cut`, and frees what they held.
    /// What the walk has yet to serve is held anyway; so who began to lag there, such as one that
    /// leaves and whose socket has room, stays.
    fn lap(&mut self, key: u32, cut: Position) {
        let cut = cut.min(self.topics[key].plain.walk_from());
        let lagging = self.topics[key].plain.lagging().to_vec();
        for slot in lagging {
            if self.pass_over_own(slot) >= cut {
                continue;
            }
            self.lap_member(slot);
            if self.connections[slot as usize].phase != Phase::Closed {
                self.settle(slot);
            }
        }
        self.trim(key);
    }

    /// All logs together have reached their bound: whoever retains most is cut to its live end,
    /// until an eighth of the bound is free, so that the search is paid for.
    #[cold]
    fn relieve(&mut self) {
        let mut retaining: Vec<(usize, u32)> = self
            .retaining
            .iter()
            .map(|&key| (self.topics[key].plain.log.bytes(), key))
            .collect();
        retaining.sort_unstable();
        let enough = self.limits.log_bytes_max / 8 * 7;
        while self.pool.bytes_in_use() > enough
            && let Some((_, key)) = retaining.pop()
        {
            let live_end = self.topics[key].plain.log.tail();
            self.lap(key, live_end);
        }
    }

    /// A reader lags by more than is retained. The rest of the frame that it is in the middle of
    /// is saved, so that it can be told properly, or it is dropped.
    fn lap_member(&mut self, slot: u32) {
        let connection = &self.connections[slot as usize];
        let log = &self.topics[connection.topic].plain.log;
        let cursor = connection.cursor;
        let outbox_under_way = connection
            .outbox()
            .is_some_and(|outbox| outbox.is_under_way());
        let boundary = log.boundary(cursor, frame_bytes);
        let rest_bytes = boundary.position.since(cursor) as usize;
        let is_rescued = rest_bytes <= self.limits.rescue_bytes_max
            && self.private_bytes + rest_bytes <= self.limits.private_bytes_max;
        let messages_missed = log.messages() - boundary.message;
        let tail = log.tail();
        self.counters.lag_bytes.observe(tail.since(cursor), 1);
        if self.limits.slow_policy == SlowPolicy::Skip && connection.phase == Phase::Open {
            self.counters.skips += 1;
            self.counters.messages_skipped += messages_missed;
        } else {
            self.counters.lapped += 1;
            self.counters.messages_lost += messages_missed;
        }
        if !is_rescued {
            self.abort(slot, Cause::Lapped);
            return;
        }
        let connection = &mut self.connections[slot as usize];
        if rest_bytes > 0 {
            debug_assert!(!outbox_under_way, "an outbox enters on a frame boundary");
            let log = &self.topics[connection.topic].plain.log;
            let rest = &log.read(cursor)[..rest_bytes];
            connection.extra.get_or_insert_default().outbox.rescue(rest);
        }
        let closing = connection.phase == Phase::Closing;
        let before = std::mem::replace(&mut connection.cursor, tail);
        if let Some(extra) = connection.extra.as_deref_mut() {
            extra.outbox.enter_at(tail);
            if let Some(close) = extra.close.as_mut() {
                close.at = tail;
            }
        }
        self.topics[connection.topic].plain.moved(before);
        if self.limits.slow_policy == SlowPolicy::Close && !closing {
            let reason = "too slow: more was missed than the topic retains";
            let code = CloseCode::TRY_AGAIN_LATER;
            self.start_close(slot, Cause::Lapped, code, reason, Peer::Talking);
        }
        self.queue_output(slot);
    }

    /// Everybody who keeps up was visited, and sent what has come since the last time.
    pub(super) fn on_walk_complete(&mut self, key: u32) {
        let topic = &mut self.topics[key];
        topic.dirty = false;
        let messages = topic.plain.log.messages();
        let members = topic.plain.members() as u64;
        let since = messages - std::mem::replace(&mut topic.walked, messages);
        self.counters.messages_per_write.observe(since, members);
        self.touch(key);
    }

    /// A topic is to be tidied at the end of the turn.
    pub(super) fn touch(&mut self, key: u32) {
        let topic = &mut self.topics[key];
        if !topic.touched {
            topic.touched = true;
            topic.roll_meter(self.now);
            self.touched.push(key);
        }
    }

    /// Trims the logs of the topics of this turn, and forgets those that everybody has left.
    pub(super) fn tidy_topics(&mut self) {
        let mut touched = std::mem::take(&mut self.touched);
        for key in touched.drain(..) {
            self.topics[key].touched = false;
            self.trim(key);
            self.note_retaining(key);
            let topic = &self.topics[key];
            if topic.plain.is_empty() && !topic.dirty {
                self.topics.remove(key);
            }
        }
        // The list is used in every turn; what a crowd of topics made of it is given back.
        if touched.capacity() <= TOUCHED_AT_REST_MAX {
            self.touched = touched;
        }
    }

    fn trim(&mut self, key: u32) {
        let plain = &mut self.topics[key].plain;
        let head = plain.needed_from(&self.connections);
        plain.log.trim(&mut self.pool, head);
    }

    /// How far the last of all lagging members is behind; of the first topics that have some, if
    /// those are too many for a turn.
    pub(super) fn lag_bytes_max(&self) -> u64 {
        let retaining = self.retaining.iter().take(TOPIC_SLOTS_PER_PAGE);
        let lags = retaining.map(|&key| self.topics[key].plain.lag_bytes_max());
        lags.max().unwrap_or_default()
    }

    /// Keeps the list of topics with lagging members, and their number.
    pub(super) fn note_retaining(&mut self, key: u32) {
        let topic = &mut self.topics[key];
        let lagging = topic.plain.lagging().len() as u32;
        let noted = std::mem::replace(&mut topic.lagging_noted, lagging);
        self.lagging = self.lagging + lagging as usize - noted as usize;
        let retains = lagging > 0;
        if retains && topic.retaining == NONE {
            topic.retaining = self.retaining.len() as u32;
            self.retaining.push(key);
        } else if !retains && topic.retaining != NONE {
            let index = std::mem::replace(&mut topic.retaining, NONE) as usize;
            self.retaining.swap_remove(index);
            if let Some(&moved) = self.retaining.get(index) {
                self.topics[moved].retaining = index as u32;
            }
        }
    }
}

/// Topics that memory is kept for in the list of those to tidy: 4 KiB.
const TOUCHED_AT_REST_MAX: usize = 1024;

/// Size of the frame that begins here, as our own log encodes it.
pub(super) fn frame_bytes(bytes: &[u8]) -> usize {
    match Header::decode(bytes) {
        Ok(Some((header, header_bytes))) => header_bytes + header.payload_bytes as usize,
        _ => unreachable!("the log holds whole frames of ours"),
    }
}
