//! The histories of all topics that retain messages: their timers, and which topics have been without members
//! for longest.
//!
//! It takes nothing while no topic retains anything, and each step costs the same however many do.

use super::super::ids::TopicKey;
use super::history::History;
use crate::log::Pool;
use crate::wheel::{Tick, TimerLink, TimerLinks, Wheel};

/// Histories by topic. See the [module](self).
#[derive(Debug)]
pub(super) struct Histories {
    table: Table,
    wheel: Wheel,
    /// Topics without members, the one that has been so for longest first.
    deserted: Ends,
    /// Topics that hold messages for readers that come, each once.
    holding: Vec<TopicKey>,
}

#[derive(Debug, Default)]
struct Table {
    entries: Vec<Option<Box<Entry>>>,
    /// How many there are.
    count: usize,
}

#[derive(Debug)]
struct Entry {
    history: History,
    /// Its neighbours among the topics without members.
    previous: Option<TopicKey>,
    next: Option<TopicKey>,
    /// Its index among those that hold messages.
    holding: Option<u32>,
    /// What the topic takes besides its messages.
    own_bytes: usize,
}

#[derive(Debug, Default)]
struct Ends {
    first: Option<TopicKey>,
    last: Option<TopicKey>,
}

impl Histories {
    pub(super) fn new(now: Tick) -> Self {
        Histories {
            table: Table::default(),
            wheel: Wheel::new(now),
            deserted: Ends::default(),
            holding: Vec::new(),
        }
    }

    /// Some topic retains messages.
    #[inline]
    pub(super) fn exist(&self) -> bool {
        self.table.count > 0
    }

    /// That of a topic, if it retains anything.
    #[inline]
    pub(super) fn get(&self, topic: TopicKey) -> Option<&History> {
        let entry = self.table.entries.get(topic.0 as usize)?.as_deref()?;
        Some(&entry.history)
    }

    /// A topic without members, which takes `topic_bytes` besides its messages, begins to retain these. They count
    /// while it has none: the others are as many as connections at most.
    pub(super) fn begin(
        &mut self,
        topic: TopicKey,
        topic_bytes: usize,
        history: History,
        pool: &mut Pool,
    ) {
        let index = topic.0 as usize;
        if self.table.entries.len() <= index {
            self.table.entries.resize_with(index + 1, || None);
        }
        self.table.entries[index] = Some(Box::new(Entry {
            history,
            previous: None,
            next: None,
            holding: None,
            own_bytes: topic_bytes + size_of::<Entry>(),
        }));
        self.table.count += 1;
        self.link(topic);
        self.settle(topic, pool);
    }

    /// A topic retains nothing any more, or is over.
    pub(super) fn end(&mut self, topic: TopicKey, pool: &mut Pool) {
        let Some(entry) = self.table.get(topic) else {
            return;
        };
        let is_linked = !entry.history.has_members();
        pool.discharge(entry.history.charged_bytes);
        if is_linked {
            self.unlink(topic);
        }
        self.set_holding(topic, false);
        self.wheel.disarm(&mut self.table, topic.0);
        self.table.entries[topic.0 as usize] = None;
        self.table.count -= 1;
        if self.table.count == 0 {
            self.table = Table::default();
        }
    }

    /// A message has come to a topic.
    #[inline]
    pub(super) fn note(&mut self, topic: TopicKey, now: Tick, message: u64, pool: &mut Pool) {
        if let Some(entry) = self.table.get(topic)
            && entry.history.note(now, message)
        {
            self.settle(topic, pool);
        }
    }

    /// Something changes in the history of a topic, if it has one.
    pub(super) fn change(
        &mut self,
        topic: TopicKey,
        pool: &mut Pool,
        change: impl FnOnce(&mut History),
    ) {
        if let Some(entry) = self.table.get(topic) {
            change(&mut entry.history);
            self.settle(topic, pool);
        }
    }

    /// A topic has a member, and may have had none.
    pub(super) fn on_joined(&mut self, topic: TopicKey, pool: &mut Pool) {
        if let Some(entry) = self.table.get(topic)
            && !entry.history.has_members()
        {
            entry.history.on_joined();
            self.unlink(topic);
            self.settle(topic, pool);
        }
    }

    /// The last member has left a topic.
    pub(super) fn on_left(&mut self, topic: TopicKey, now: Tick, pool: &mut Pool) {
        if let Some(entry) = self.table.get(topic)
            && entry.history.has_members()
        {
            entry.history.on_left(now);
            self.link(topic);
            self.settle(topic, pool);
        }
    }

    /// The topic that has been without members for longest.
    pub(super) fn deserted(&self) -> Option<TopicKey> {
        self.deserted.first
    }

    /// Topics without members, the one that has been so for longest first.
    pub(super) fn all_deserted(&self) -> impl Iterator<Item = TopicKey> {
        std::iter::successors(self.deserted.first, |topic| {
            self.table.entries[topic.0 as usize].as_ref()?.next
        })
    }

    /// Topics that hold messages for readers that come, in no order.
    pub(super) fn holding(&self) -> &[TopicKey] {
        &self.holding
    }

    /// Whether a topic's log holds messages. When they came is still noted of those that were too many, or too large.
    pub(super) fn note_holding(&mut self, topic: TopicKey, has_bytes: bool) {
        let history = self.get(topic);
        let has_notes = history.is_some_and(|history| history.heap_bytes() > 0);
        self.set_holding(topic, has_bytes || has_notes);
    }

    /// Whether a topic has something to forget.
    fn set_holding(&mut self, topic: TopicKey, is_holding: bool) {
        let Some(entry) = self.table.get(topic) else {
            return;
        };
        match (is_holding, entry.holding) {
            (true, None) => {
                entry.holding = Some(self.holding.len() as u32);
                self.holding.push(topic);
            }
            (false, Some(index)) => {
                entry.holding = None;
                self.holding.swap_remove(index as usize);
                if let Some(&moved) = self.holding.get(index as usize)
                    && let Some(moved) = self.table.get(moved)
                {
                    moved.holding = Some(index);
                }
            }
            _ => {}
        }
    }

    /// The next topic of which something has expired.
    pub(super) fn poll(&mut self, now: Tick, pool: &mut Pool) -> Option<TopicKey> {
        if !self.exist() {
            return None;
        }
        let topic = TopicKey(self.wheel.poll(&mut self.table, now)?);
        if let Some(entry) = self.table.get(topic) {
            entry.history.expire(now);
            let is_over = entry.history.is_over(now);
            // One that is over ends with this turn.
            if !is_over {
                self.settle(topic, pool);
            }
        }
        Some(topic)
    }

    /// When something expires next.
    pub(super) fn next_due(&self) -> Option<Tick> {
        self.exist().then(|| self.wheel.next_due()).flatten()
    }

    /// What a history takes is accounted for, and its timer armed.
    fn settle(&mut self, topic: TopicKey, pool: &mut Pool) {
        if let Some(entry) = self.table.get(topic) {
            let history = &mut entry.history;
            let own_bytes = match history.has_members() {
                true => 0,
                false => entry.own_bytes,
            };
            pool.discharge(history.charged_bytes);
            history.charged_bytes = history.heap_bytes() + own_bytes;
            pool.charge(history.charged_bytes);
        }
        self.arm(topic);
    }

    /// Its timer is armed for its deadline, or before.
    fn arm(&mut self, topic: TopicKey) {
        let Some(entry) = self.table.get(topic) else {
            return;
        };
        let (deadline, armed) = (entry.history.deadline(), entry.history.timer.deadline());
        if let Some(deadline) = deadline
            && armed.is_none_or(|armed| deadline < armed)
        {
            self.wheel.arm(&mut self.table, topic.0, deadline);
        }
    }

    fn link(&mut self, topic: TopicKey) {
        let last = self.deserted.last.replace(topic);
        match last.and_then(|last| self.table.get(last)) {
            Some(before) => before.next = Some(topic),
            None => self.deserted.first = Some(topic),
        }
        if let Some(entry) = self.table.get(topic) {
            (entry.previous, entry.next) = (last, None);
        }
    }

    fn unlink(&mut self, topic: TopicKey) {
        let Some(entry) = self.table.get(topic) else {
            return;
        };
        let (previous, next) = (entry.previous.take(), entry.next.take());
        match previous.and_then(|previous| self.table.get(previous)) {
            Some(before) => before.next = next,
            None => self.deserted.first = next,
        }
        match next.and_then(|next| self.table.get(next)) {
            Some(after) => after.previous = previous,
            None => self.deserted.last = previous,
        }
    }
}

impl Table {
    fn get(&mut self, topic: TopicKey) -> Option<&mut Entry> {
        self.entries.get_mut(topic.0 as usize)?.as_deref_mut()
    }
}

impl TimerLinks for Table {
    fn link(&mut self, key: u32) -> &mut TimerLink {
        match self.entries[key as usize].as_deref_mut() {
            Some(entry) => &mut entry.history.timer,
            None => unreachable!("only what exists is armed"),
        }
    }
}
