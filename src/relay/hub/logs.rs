//! All logs and their memory: what is trimmed, at the end of a turn, to what a member still needs, or a reader that
//! comes may ask for.

use super::super::ids::{TopicKey, VariantKey};
use super::super::limits::{Limits, TOPIC_SLOTS_PER_PAGE};
use super::super::policy::Policy;
use super::super::seat::Seats;
use super::encoding::Encoding;
use super::histories::Histories;
use super::rules::Rules;
use super::topics::Topics;
use super::variant::Variant;
use crate::log::Pool;
use crate::metrics::Counters;
use crate::proto::{FrameHeader, MessageKind};
use crate::wheel::Tick;

/// What is appended to a topic.
#[derive(Clone, Copy, Debug)]
pub(in crate::relay) struct Publication<'a> {
    /// What its origin reads, if that does not want it back; otherwise `NONE`.
    pub(in crate::relay) excluded_from: VariantKey,
    pub(in crate::relay) origin: u64,
    pub(in crate::relay) kind: MessageKind,
    pub(in crate::relay) payload: &'a [u8],
}

/// Topics with their logs, and the memory that these take. See the [module](self).
#[derive(Debug)]
pub(super) struct Logs {
    pub(super) topics: Topics,
    pub(super) pool: Pool,
    pub(super) rules: Rules,
    pub(super) histories: Histories,
    /// Variants to tidy at the end of the turn, each once.
    touched: Vec<VariantKey>,
    /// Variants with lagging members, each once.
    retaining: Vec<VariantKey>,
    /// Members of all topics that lag, as of the end of the last turn.
    lagging: usize,
    /// Where a message is written as an event: empty in between.
    pub(super) event: Vec<u8>,
}

impl Logs {
    pub(super) fn new(limits: &Limits, now: Tick) -> Self {
        let [segment_bytes_max, generous_bytes_max] = pool_bounds(limits);
        Logs {
            topics: Topics::default(),
            pool: Pool::new(segment_bytes_max, generous_bytes_max),
            rules: Rules::new(limits.policies.clone()),
            histories: Histories::new(now),
            touched: Vec::new(),
            retaining: Vec::new(),
            lagging: 0,
            event: Vec::new(),
        }
    }

    pub(super) fn set_limits(&mut self, limits: &Limits) {
        let [segment_bytes_max, generous_bytes_max] = pool_bounds(limits);
        self.pool.set_bounds(segment_bytes_max, generous_bytes_max);
        self.rules.set(limits.policies.clone());
    }

    /// Appends a message to a variant, as it is encoded there: compressed, if that makes it smaller.
    #[inline]
    pub(super) fn append(
        &mut self,
        key: VariantKey,
        message: Publication<'_>,
        compressed: Option<&[u8]>,
        counters: &mut Counters,
    ) -> &mut Variant {
        let variant = &mut self.topics[key];
        let payload = compressed.unwrap_or(message.payload);
        let header = FrameHeader {
            fin: true,
            compressed: compressed.is_some(),
            opcode: message.kind.opcode(),
            mask: None,
            payload_bytes: payload.len() as u64,
        };
        let excluded = (message.excluded_from == key).then_some(message.origin);
        variant.count_visits();
        variant
            .log
            .append(&mut self.pool, &header.encode(), payload, excluded);
        // One that has its place here may be a member of another variant until now, which was counted before.
        counters.deliveries += variant.members() as u64;
        counters.deliveries -= u64::from(excluded.is_some());
        variant
    }

    /// What holds for a topic.
    #[inline]
    pub(super) fn policy(&self, topic: TopicKey) -> &Policy {
        self.rules.get(self.topics[topic].policy)
    }

    /// All logs together are over their bound.
    pub(super) fn is_overfull(&self, limits: &Limits) -> bool {
        self.pool.bytes_in_use() > limits.log_bytes_max
    }

    /// Variants with lagging members.
    pub(super) fn retaining(&self) -> &[VariantKey] {
        &self.retaining
    }

    /// Members that lag, as of the end of the last turn.
    pub(super) fn lagging(&self) -> usize {
        self.lagging
    }

    /// How far the last of all lagging members is behind; of the first variants that have some, if
    /// those are too many for a turn.
    pub(super) fn lag_bytes_max(&self) -> u64 {
        let retaining = self.retaining.iter().take(TOPIC_SLOTS_PER_PAGE);
        let lags = retaining.map(|&key| self.topics[key].lag_bytes_max());
        lags.max().unwrap_or_default()
    }

    /// A variant is to be tidied at the end of the turn.
    #[inline]
    pub(super) fn touch(&mut self, key: VariantKey) {
        if !std::mem::replace(&mut self.topics[key].touched, true) {
            self.touched.push(key);
        }
    }

    /// Gives back what of a log no member needs, and no reader that comes may ask for.
    pub(super) fn trim(&mut self, seats: &impl Seats, key: VariantKey, now: Tick) {
        let kept_from = self.kept_from(key, now);
        self.topics[key].trim(&mut self.pool, seats, kept_from);
    }

    /// Trims the logs that something happened to in this turn, and forgets the variants, and topics, that are
    /// over. `on_end` is told of such topics.
    pub(super) fn tidy(
        &mut self,
        seats: &impl Seats,
        now: Tick,
        mut on_end: impl FnMut(TopicKey, &str),
    ) {
        let mut touched = std::mem::take(&mut self.touched);
        for key in touched.drain(..) {
            let kept_from = match self.histories.exist() {
                true => self.kept_from(key, now),
                false => self.topics[key].log.tail(),
            };
            let variant = &mut self.topics[key];
            variant.touched = false;
            variant.trim(&mut self.pool, seats, kept_from);
            let (is_empty, has_bytes) = (variant.is_empty(), variant.log.bytes() > 0);
            if self.histories.exist() && variant.encoding == Encoding::Plain {
                self.histories.note_holding(variant.topic, has_bytes);
            }
            if variant.laggards.len() != variant.lagging_noted as usize {
                self.note_retaining(key);
            }
            if is_empty {
                self.remove_if_over(key, now, &mut on_end);
            }
        }
        // The list is used in every turn; the memory that very many topics made it take is given back.
        if touched.capacity() <= TOUCHED_AT_REST_MAX {
            self.touched = touched;
        }
    }

    /// Forgets a variant that is over, and the topic with its last one.
    fn remove_if_over(
        &mut self,
        key: VariantKey,
        now: Tick,
        on_end: &mut impl FnMut(TopicKey, &str),
    ) {
        let variant = &self.topics[key];
        let topic = variant.topic;
        let is_in_use = !variant.is_empty() || variant.dirty || variant.overfull;
        if is_in_use || variant.encoding == Encoding::Plain && self.is_kept(topic, now) {
            return;
        }
        let tail = variant.log.tail();
        self.topics[key].log.trim(&mut self.pool, tail);
        if let Some((key, topic)) = self.topics.remove(key) {
            self.histories.end(key, &mut self.pool);
            on_end(key, topic.name());
            return;
        }
        // Its plain variant may have outlived its members, and this one was the last besides.
        let plain = self.topics[topic].plain();
        if plain != VariantKey::NONE && !self.topics[plain].touched {
            self.remove_if_over(plain, now, on_end);
        }
    }

    /// A topic without members is kept for those that may come back, or is read compressed and retains messages.
    fn is_kept(&self, topic: TopicKey, now: Tick) -> bool {
        let has_others = self.topics[topic].variants().count() > 1;
        let history = self.histories.get(topic);
        history.is_some_and(|history| has_others || !history.is_over(now))
    }

    /// Keeps the list of variants with lagging members, and the number of these, which has changed.
    fn note_retaining(&mut self, key: VariantKey) {
        let variant = &mut self.topics[key];
        let lagging = variant.laggards.len() as u32;
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

/// Up to which size segments come, and up to how much memory they are as large as may be needed.
fn pool_bounds(limits: &Limits) -> [usize; 2] {
    [
        limits.topic_log_bytes_max / SEGMENTS_PER_LOG_MIN,
        limits.log_bytes_max / GENEROUS_SHARE,
    ]
}

/// Segments that a topic's log consists of, at least, when it is full: what is cut from it is cut by
/// segments.
const SEGMENTS_PER_LOG_MIN: usize = 8;

/// The part of all logs' bound up to which topics get segments as large as they may expect to need.
const GENEROUS_SHARE: usize = 4;

/// Variants that memory is kept for in the list of those to tidy: 4 KiB.
const TOUCHED_AT_REST_MAX: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_log_has_eight_segments_and_a_quarter_of_all_memory_is_given_generously() {
        let limits = Limits::of_tests();
        assert_eq!(pool_bounds(&limits), [1 << 17, 16 << 20]);
    }
}
