//! Messages into logs, and what becomes of those who don't keep up.

use super::Relay;
use super::connection::{ConnId, NONE, Peer, Phase};
use super::limits::SlowPolicy;
use super::topic::{TopicKey, VariantKey};
use super::variant::Variant;
use crate::log::Position;
use crate::proto::{CloseCode, Header, MessageKind};

impl Relay {
    /// A connection publishes a message into its topic.
    pub(super) fn publish(&mut self, slot: u32, kind: MessageKind, payload: &[u8]) {
        let sender = &mut self.connections[slot as usize];
        sender.active = self.now;
        let topic = self.topics[sender.variant].topic;
        let excluded = sender.excluded(slot);
        self.append(topic, excluded, kind, payload);
        if let Some(hooks) = &mut self.hooks.0 {
            let generation = self.connections[slot as usize].generation;
            let id = ConnId { slot, generation };
            hooks.on_message(id, self.topics.name(topic), kind, payload);
        }
    }

    /// Publishes a message that comes from elsewhere than a connection. False if the topic has no
    /// room for it now, until its members were served; a topic without members takes everything.
    pub fn handle_publish(&mut self, topic: &str, kind: MessageKind, payload: &[u8]) -> bool {
        let Some(topic) = self.topics.find(topic) else {
            return true;
        };
        let has_room = self.room(topic) > 0;
        if has_room {
            self.append(topic, None, kind, payload);
        }
        has_room
    }

    /// Appends a message to a topic. Costs the same whatever the number of members.
    fn append(&mut self, topic: TopicKey, sender: Option<u32>, kind: MessageKind, payload: &[u8]) {
        for key in self.topics.variants(topic) {
            let variant = &mut self.topics[key];
            let compressed = variant.encoding.window().and_then(|window| {
                let settings = self.limits.compression;
                self.codec
                    .deflate(window, payload, settings, &mut self.counters)
            });
            let bytes = compressed.unwrap_or(payload);
            let header = Header {
                fin: true,
                compressed: compressed.is_some(),
                opcode: kind.opcode(),
                mask: None,
                payload_bytes: bytes.len() as u64,
            };
            let excluded = sender.filter(|&slot| self.connections[slot as usize].variant == key);
            variant
                .log
                .append(&mut self.pool, &header.encode(), bytes, excluded);
            variant.start_walk();
            if !variant.dirty {
                variant.dirty = true;
                self.dirty.push_back(key);
            }
            let bytes_max = self.limits.topic_log_bytes_max;
            if variant.log.bytes() > bytes_max {
                let cut = variant.log.cut(bytes_max);
                self.lap(key, cut);
            }
        }
        self.counters.messages += 1;
        if self.pool.bytes_in_use() > self.limits.log_bytes_max {
            self.relieve();
        }
    }

    /// Bytes that a topic may still take in before everybody in it was served: a quarter of what it
    /// retains, so that what a turn brings never laps a reader whose socket has room.
    pub(super) fn room(&self, topic: TopicKey) -> usize {
        let unsettled_bytes = self
            .topics
            .variants(topic)
            .map(|key| &self.topics[key])
            .filter(|variant| !variant.is_walk_complete())
            .map(Variant::unsettled_bytes)
            .max()
            .unwrap_or_default();
        let quarter = self.limits.topic_log_bytes_max / 4;
        quarter.saturating_sub(usize::try_from(unsettled_bytes).unwrap_or(usize::MAX))
    }

    /// Laps every lagging member of a variant whose cursor is before `cut`, and frees what they held.
    /// What the walk has yet to serve is held anyway; so who began to lag there, such as one that
    /// leaves and whose socket has room, stays.
    fn lap(&mut self, key: VariantKey, cut: Position) {
        let cut = cut.min(self.topics[key].walk_from());
        let lagging = self.topics[key].lagging().to_vec();
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

    /// All logs together have reached their bound: the one that retains most is cut to its live end,
    /// until an eighth of the bound is free, so that the search is paid for.
    #[cold]
    fn relieve(&mut self) {
        let mut retaining: Vec<(usize, VariantKey)> = self
            .retaining
            .iter()
            .map(|&key| (self.topics[key].log.bytes(), key))
            .collect();
        retaining.sort_unstable_by_key(|&(bytes, _)| bytes);
        let enough = self.limits.log_bytes_max / 8 * 7;
        while self.pool.bytes_in_use() > enough
            && let Some((_, key)) = retaining.pop()
        {
            let live_end = self.topics[key].log.tail();
            self.lap(key, live_end);
        }
    }

    /// A reader lags by more than is retained. The rest of the frame that it is in the middle of
    /// is saved, so that it can be told properly, or it is dropped.
    fn lap_member(&mut self, slot: u32) {
        let connection = &self.connections[slot as usize];
        let log = &self.topics[connection.variant].log;
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
        if self.limits.slow_policy == SlowPolicy::Skip && connection.phase == Phase::Open {
            self.counters.skips += 1;
            self.counters.messages_skipped += messages_missed;
        } else {
            self.counters.lapped += 1;
        }
        if !is_rescued {
            self.drop_now(slot);
            return;
        }
        let connection = &mut self.connections[slot as usize];
        if rest_bytes > 0 {
            debug_assert!(!outbox_under_way, "an outbox enters on a frame boundary");
            let log = &self.topics[connection.variant].log;
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
        self.topics[connection.variant].moved(before);
        if self.limits.slow_policy == SlowPolicy::Close && !closing {
            let reason = "too slow: more was missed than the topic retains";
            self.start_close(slot, CloseCode::TRY_AGAIN_LATER, reason, Peer::Talking);
        }
        self.queue_output(slot);
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
        for key in std::mem::take(&mut self.touched) {
            self.topics[key].touched = false;
            self.trim(key);
            self.note_retaining(key);
            let variant = &self.topics[key];
            if variant.is_empty() && !variant.dirty {
                self.topics.remove(key);
            }
        }
    }

    fn trim(&mut self, key: VariantKey) {
        let variant = &mut self.topics[key];
        let head = variant.needed_from(&self.connections);
        variant.log.trim(&mut self.pool, head);
    }

    /// Keeps the list of variants with lagging members.
    pub(super) fn note_retaining(&mut self, key: VariantKey) {
        let variant = &mut self.topics[key];
        let retains = !variant.lagging().is_empty();
        if retains && variant.retaining == NONE {
            variant.retaining = self.retaining.len() as u32;
            self.retaining.push(key);
        } else if !retains && variant.retaining != NONE {
            let index = std::mem::replace(&mut variant.retaining, NONE) as usize;
            self.retaining.swap_remove(index);
            if let Some(&moved) = self.retaining.get(index) {
                self.topics[moved].retaining = index as u32;
            }
        }
    }
}

/// Size of the frame that begins here, as our own log encodes it.
pub(super) fn frame_bytes(bytes: &[u8]) -> usize {
    match Header::decode(bytes) {
        Ok(Some((header, header_bytes))) => header_bytes + header.payload_bytes as usize,
        _ => unreachable!("the log holds whole frames of ours"),
    }
}
