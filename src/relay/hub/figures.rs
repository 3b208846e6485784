//! How a topic stands, as it is shown to the operator.

use super::super::ids::TopicKey;
use super::encoding::Encoding;
use super::logs::Logs;
use super::topics::Topics;
use crate::wheel::Tick;
use serde::Serialize;

/// How a topic stands.
#[derive(Debug, Serialize)]
pub(in crate::relay) struct TopicFigures<'a> {
    name: &'a str,
    members: usize,
    /// Members that agreed on compression.
    members_compressed: usize,
    /// Members that read server-sent events.
    members_sse: usize,
    /// Since it exists: messages, and bytes of their payloads, before compression.
    messages: u64,
    bytes: u64,
    messages_per_second: f64,
    bytes_per_second: f64,
    /// Memory that its logs hold.
    log_bytes: usize,
    /// Members behind the live end, and how far the last of them is.
    lagging: usize,
    lag_bytes_max: u64,
}

impl<'a> TopicFigures<'a> {
    pub(super) fn of(topics: &'a Topics, key: TopicKey, now: Tick) -> Self {
        let topic = &topics[key];
        let rate = topic.meter.rate(now);
        let mut figures = TopicFigures {
            name: topic.name(),
            members: 0,
            members_compressed: 0,
            members_sse: 0,
            messages: topic.meter.messages(),
            bytes: topic.meter.bytes(),
            messages_per_second: rate.messages,
            bytes_per_second: rate.bytes,
            log_bytes: 0,
            lagging: 0,
            lag_bytes_max: 0,
        };
        for variant in topic.variants().map(|key| &topics[key]) {
            figures.members += variant.members();
            match variant.encoding {
                Encoding::Plain => {}
                Encoding::Deflate9 | Encoding::Deflate15 => {
                    figures.members_compressed += variant.members();
                }
                Encoding::Events => figures.members_sse += variant.members(),
            }
            figures.log_bytes += variant.log.bytes();
            figures.lagging += variant.laggards.len();
            figures.lag_bytes_max = figures.lag_bytes_max.max(variant.lag_bytes_max());
        }
        figures
    }
}

/// How a topic stands, as a client is told that asks.
#[derive(Debug, Serialize)]
pub(in crate::relay) struct Standing<'a> {
    topic: &'a str,
    /// Its last message: that of number 0 if there was none.
    id: String,
    /// The oldest that a reader may still get; null if there is none.
    oldest: Option<String>,
    readers: usize,
    retained_messages: u64,
    /// Of these, in the plain log.
    retained_bytes: u64,
}

impl Logs {
    pub(super) fn standing(&self, key: TopicKey, now: Tick) -> Standing<'_> {
        let topic = &self.topics[key];
        let oldest = self.oldest(key, now);
        let retained_messages = topic.messages() - oldest;
        let is_retaining = retained_messages > 0;
        Standing {
            topic: topic.name(),
            id: topic.last_message().to_string(),
            oldest: is_retaining.then(|| topic.last_before(oldest + 1).to_string()),
            readers: self.topics.members(key),
            retained_messages,
            retained_bytes: match is_retaining {
                true => {
                    let plain = &self.topics[topic.plain()];
                    plain.log.tail().since(plain.locate(oldest))
                }
                false => 0,
            },
        }
    }
}
