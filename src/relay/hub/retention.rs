//! What topics retain for readers that come: it begins and ends with a topic or its policy, expires, and yields when
//! memory is short.
//!
//! Then topics without members go first, the one that has been so for longest before the others; after them,
//! what topics with members retain, where that is most; and only then are readers lapped. What each of these steps
//! frees, a turn has taken in before, so that a turn has a bounded part of each to do.

use super::super::ids::{MessageId, TopicKey};
use super::super::limits::Limits;
use super::super::seat::Seats;
use super::encoding::Encoding;
use super::history::History;
use super::keys::Keys;
use super::logs::Logs;
use super::topics::Topic;
use crate::wheel::Tick;

/// Topics that a turn ends, or that it has forget what they retain. Each takes about a microsecond.
const TOPICS_PER_TURN: usize = 1024;

/// Topics that a turn looks at since policies have changed. Each may be compared with all rules, which takes some
/// microseconds.
const LOOKS_PER_TURN: usize = 128;

/// Topics without members that are looked at for one that may end at once: those whose last members have just left
/// may not.
const PLACES_LOOKED_AT: usize = 64;

impl Logs {
    /// The topic of that name, which begins if it did not exist: then true.
    pub(super) fn find_or_begin(&mut self, name: &str, now: Tick) -> (TopicKey, bool) {
        if let Some(key) = self.topics.find(name) {
            self.apply_policy(key, now);
            return (key, false);
        }
        let policy = self.rules.find(name);
        let key = self.topics.insert(name, policy, now);
        self.apply_policy(key, now);
        (key, true)
    }

    /// A topic retains messages if its policy says so, as long as that says.
    fn apply_policy(&mut self, key: TopicKey, now: Tick) {
        let policy = self.rules.get(self.topics[key].policy);
        let bounds = policy.retention;
        self.topics[key].publish = policy.publish;
        match (bounds, self.histories.get(key)) {
            (Some(bounds), None) => {
                let messages = self.topics[key].messages();
                let history = History::new(bounds, messages, now);
                let own_bytes = self.topics[key].own_bytes();
                self.histories
                    .begin(key, own_bytes, history, &mut self.pool);
                if self.topics.members(key) > 0 {
                    self.histories.on_joined(key, &mut self.pool);
                }
                self.topics.variant_or_insert(key, Encoding::Plain);
            }
            (None, Some(_)) => {
                self.histories.end(key, &mut self.pool);
                self.touch(self.topics[key].plain());
            }
            (Some(bounds), Some(history)) if history.bounds() != bounds => {
                self.histories
                    .change(key, &mut self.pool, |history| history.set_bounds(bounds));
                self.touch(self.topics[key].plain());
            }
            _ => {}
        }
    }

    /// Begins a turn: what has expired is given back at its end. Topics are looked at again whose policies may
    /// have changed.
    pub(super) fn begin_turn(&mut self, now: Tick) {
        for _ in 0..TOPICS_PER_TURN {
            let Some(topic) = self.histories.poll(now, &mut self.pool) else {
                break;
            };
            self.touch(self.topics[topic].plain());
        }
        self.follow_rules(now);
    }

    /// Policies have changed: some topics more follow those in force.
    pub(super) fn follow_rules(&mut self, now: Tick) {
        for _ in 0..LOOKS_PER_TURN {
            let Some(slot) = self.rules.poll(self.topics.slots()) else {
                break;
            };
            if let Some(key) = self.topics.at(slot) {
                self.topics[key].policy = self.rules.find(self.topics[key].name());
                self.apply_policy(key, now);
            }
        }
    }

    /// The message of a topic that was published with that key, as long as it is retained.
    pub(super) fn find_key(&mut self, topic: TopicKey, key: &str, now: Tick) -> Option<MessageId> {
        let mut found = None;
        self.with_keys(topic, now, |keys| found = keys.find(key));
        found
    }

    /// The last message of a topic was published with that key.
    pub(super) fn remember_key(&mut self, topic: TopicKey, key: &str, id: MessageId, now: Tick) {
        let message = self.topics[topic].messages() - 1;
        self.with_keys(topic, now, |keys| keys.push(key, id, message));
    }

    fn with_keys(&mut self, topic: TopicKey, now: Tick, with: impl FnOnce(&mut Keys)) {
        if self.histories.get(topic).is_some() {
            let oldest = self.oldest(topic, now);
            self.histories.change(topic, &mut self.pool, |history| {
                with(history.keys_from(oldest));
            });
        }
    }

    /// A topic's numbers may change. If they do, what it retains has others, and is not offered any more.
    pub(super) fn renumber<R>(&mut self, key: TopicKey, change: impl FnOnce(&mut Topic) -> R) -> R {
        let topic = &mut self.topics[key];
        let (messages, before) = (topic.messages(), topic.last_before(0));
        let result = change(topic);
        if topic.last_before(0) != before {
            self.histories
                .change(key, &mut self.pool, |history| history.forget(messages));
        }
        result
    }

    /// When something expires next.
    pub(super) fn next_due(&self) -> Option<Tick> {
        self.histories.next_due()
    }

    /// If all logs are over their bound, what is retained for readers that come yields.
    pub(super) fn relieve(&mut self, seats: &impl Seats, limits: &Limits, now: Tick) {
        for _ in 0..TOPICS_PER_TURN {
            if !self.is_overfull(limits) {
                return;
            }
            let Some(topic) = self.histories.deserted() else {
                return self.forget_most(seats, limits, now);
            };
            self.desert(topic, seats, now);
        }
    }

    /// A topic without members ends with this turn.
    fn desert(&mut self, topic: TopicKey, seats: &impl Seats, now: Tick) {
        self.histories.end(topic, &mut self.pool);
        let plain = self.topics[topic].plain();
        self.trim(seats, plain, now);
        self.touch(plain);
    }

    /// A topic that begins takes the place of one without members, which ends with this turn. False if there is none.
    pub(super) fn make_place(&mut self, seats: &impl Seats, now: Tick) -> bool {
        let deserted = {
            let mut looked_at = self.histories.all_deserted().take(PLACES_LOOKED_AT);
            looked_at.find(|&topic| self.is_at_rest(topic))
        };
        if let Some(topic) = deserted {
            self.desert(topic, seats, now);
        }
        deserted.is_some()
    }

    /// Nothing has yet to be done with what members left behind.
    fn is_at_rest(&self, topic: TopicKey) -> bool {
        let mut variants = self.topics[topic].variants();
        variants.all(|key| !self.topics[key].dirty && !self.topics[key].overfull)
    }

    /// Topics that retain most forget what no member needs, until an eighth of the bound is free: so the search is
    /// paid for.
    #[cold]
    fn forget_most(&mut self, seats: &impl Seats, limits: &Limits, now: Tick) {
        let mut holding = self.histories.holding().to_vec();
        let bytes = |topic: &TopicKey| self.topics[self.topics[*topic].plain()].log.bytes();
        if holding.len() > TOPICS_PER_TURN {
            holding.select_nth_unstable_by_key(TOPICS_PER_TURN, |topic| {
                std::cmp::Reverse(bytes(topic))
            });
            holding.truncate(TOPICS_PER_TURN);
        }
        holding.sort_by_cached_key(|topic| std::cmp::Reverse(bytes(topic)));
        for topic in holding {
            if self.pool.bytes_in_use() <= limits.log_bytes_max / 8 * 7 {
                return;
            }
            let messages = self.topics[topic].messages();
            self.histories
                .change(topic, &mut self.pool, |history| history.forget(messages));
            let plain = self.topics[topic].plain();
            self.trim(seats, plain, now);
            self.touch(plain);
        }
    }
}
