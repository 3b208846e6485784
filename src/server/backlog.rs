//! Messages from their arrival until they are published: in order within each topic, and no topic waits
//! for another.
//!
//! ```text
//!   Intake, shared              Backlog, the loop's
//!   push ─► arrived ── once ──► arrived: a b a c ─► offered, unless their topic is blocked
//!                     a turn                        │
//!           unpublished ◄── what was published ◄────┤
//!                                                   ▼ no space
//!                              blocked:  a: 3 4 6   offered first in the next turn, until there
//!                                        d: 2       is space again
//! ```
//!
//! The bound is on all that is not published yet, wherever it stands. A message moves at most twice, and a
//! turn looks only at the first message of a topic without space.

use super::settlement::Unsettled;
use crate::proto::MessageKind;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// A message to be published.
#[derive(Debug)]
pub(super) struct Mail {
    pub(super) topic: Arc<str>,
    pub(super) kind: MessageKind,
    pub(super) payload: Box<[u8]>,
    /// To be settled once it is known what became of it.
    pub(super) receipt: Option<Unsettled>,
}

/// A number of messages, and their bytes of payload together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Volume {
    pub(super) messages: usize,
    pub(super) bytes: usize,
}

impl Volume {
    fn add(&mut self, mail: &Mail) {
        self.messages += 1;
        self.bytes += mail.payload.len();
    }
}

/// Where messages arrive, and the bound on all that are not published yet.
#[derive(Debug)]
pub(super) struct Intake {
    arrived: VecDeque<Mail>,
    /// `arrived`, and what the loop took over and has not published yet.
    unpublished: Volume,
    max: Volume,
}

impl Intake {
    pub(super) fn new(max: Volume) -> Self {
        Intake {
            arrived: VecDeque::new(),
            unpublished: Volume::default(),
            max,
        }
    }

    /// There is space for a message of that size. A single one may be larger than the bound.
    pub(super) fn has_space_for(&self, payload_bytes: usize) -> bool {
        let Volume { messages, bytes } = self.unpublished;
        let fits = messages < self.max.messages && bytes + payload_bytes <= self.max.bytes;
        messages == 0 || fits
    }

    /// Takes a message that there is space for. True if it is the first since the loop took over what had
    /// arrived.
    pub(super) fn push(&mut self, mail: Mail) -> bool {
        self.unpublished.add(&mail);
        self.arrived.push_back(mail);
        self.arrived.len() == 1
    }

    /// This much was published, or given up.
    pub(super) fn release(&mut self, volume: Volume) {
        self.unpublished.messages -= volume.messages;
        self.unpublished.bytes -= volume.bytes;
    }

    /// What has arrived, and will not be published.
    pub(super) fn end(&mut self) -> VecDeque<Mail> {
        std::mem::take(&mut self.arrived)
    }
}

/// What the loop has yet to publish.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    /// In the order of their arrival.
    arrived: VecDeque<Mail>,
    /// Of each topic without space: its messages, from the first one that did not fit. No queue is empty.
    blocked: HashMap<Arc<str>, VecDeque<Mail>>,
    /// Their topics, in the order in which they are visited.
    order: VecDeque<Arc<str>>,
}

impl Backlog {
    /// Takes over what has arrived.
    pub(super) fn take_from(&mut self, intake: &mut Intake) {
        match self.arrived.is_empty() {
            true => std::mem::swap(&mut self.arrived, &mut intake.arrived),
            false => self.arrived.append(&mut intake.arrived),
        }
    }

    /// Offers messages until `bytes_max` are published, and returns how much was. If `offer` returns false,
    /// there was no space: the message is offered again in the next turn, and what follows it in its topic
    /// waits behind it.
    pub(super) fn publish(
        &mut self,
        bytes_max: usize,
        mut offer: impl FnMut(&mut Mail) -> bool,
    ) -> Volume {
        let mut published = Volume::default();
        // Blocked messages arrived before all others of their topic.
        for _ in 0..self.order.len() {
            if published.bytes >= bytes_max {
                return published;
            }
            self.publish_blocked(bytes_max, &mut published, &mut offer);
        }
        // If topics compete for the same space, each comes first once.
        let first = self.order.len().min(1);
        self.order.rotate_left(first);
        while published.bytes < bytes_max
            && let Some(mut mail) = self.arrived.pop_front()
        {
            if let Some(waiting) = self.blocked.get_mut(&mail.topic) {
                waiting.push_back(mail);
            } else if offer(&mut mail) {
                published.add(&mail);
            } else {
                self.order.push_back(mail.topic.clone());
                self.blocked.insert(mail.topic.clone(), [mail].into());
            }
        }
        published
    }

    /// Offers the waiting messages of the next topic. If the turn's bytes run out first, it goes on in the
    /// next turn; if it has no space, it goes behind the others.
    fn publish_blocked(
        &mut self,
        bytes_max: usize,
        published: &mut Volume,
        mut offer: impl FnMut(&mut Mail) -> bool,
    ) {
        let Some(topic) = self.order.front() else {
            return;
        };
        let Some(waiting) = self.blocked.get_mut(topic) else {
            return;
        };
        while let Some(mail) = waiting.front_mut() {
            if published.bytes >= bytes_max {
                return;
            }
            if !offer(mail) {
                return self.order.rotate_left(1);
            }
            published.add(mail);
            waiting.pop_front();
        }
        self.blocked.remove(topic);
        self.order.pop_front();
    }

    /// Nothing is left.
    pub(super) fn is_empty(&self) -> bool {
        self.arrived.is_empty() && self.order.is_empty()
    }

    /// Something could be published now, given which topics have space.
    pub(super) fn has_work(&self, has_space: impl FnMut(&str) -> bool) -> bool {
        !self.arrived.is_empty() || self.order.iter().map(|topic| &**topic).any(has_space)
    }
}

#[cfg(test)]
mod tests;
