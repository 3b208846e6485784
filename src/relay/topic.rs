//! Topics by name. A topic exists while it has a member.

use super::meter::{Meter, Rate};
use super::variant::Variant;
use crate::wheel::Tick;
use hashbrown::HashTable;
use slab::Slab;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::ops::{Index, IndexMut};

/// Topics that memory is kept for when all are gone; what a crowd of them took is given back.
const AT_REST_MAX: usize = 64;

/// A topic: a name and its messages.
#[derive(Debug)]
pub(super) struct Topic {
    name: Box<str>,
    /// The messages as they are.
    pub(super) plain: Variant,
    /// It stands in the queue of topics whose walk is not complete.
    pub(super) dirty: bool,
    /// It stands in the list of topics to tidy at the end of the turn.
    pub(super) touched: bool,
    /// Its index among the topics with lagging members.
    pub(super) retaining: u32,
    /// Its members that lagged at the end of the last turn in which something happened.
    pub(super) lagging_noted: u32,
    /// The number of its messages when the walk over its members was last complete.
    pub(super) walked: u64,
    meter: Meter,
}

/// All topics, by key and by name. Names are chosen by strangers, so they are hashed with a key
/// that those can't know; the table holds keys only, so that each name is stored once.
#[derive(Debug, Default)]
pub(super) struct Topics {
    slab: Slab<Topic>,
    by_name: HashTable<u32>,
    hasher: RandomState,
}

impl Topic {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// To be told before the first thing that happens in a turn.
    pub(super) fn roll_meter(&mut self, now: Tick) {
        let log = &self.plain.log;
        self.meter.roll(now, log.messages(), log.tail().0);
    }

    /// What it takes in.
    pub(super) fn rate(&self, now: Tick) -> Rate {
        let log = &self.plain.log;
        self.meter.rate(now, log.messages(), log.tail().0)
    }
}

impl Topics {
    pub(super) fn len(&self) -> usize {
        self.slab.len()
    }

    /// The topic in that slot, if there is one.
    pub(super) fn get(&self, slot: usize) -> Option<&Topic> {
        self.slab.get(slot)
    }

    /// Slots beyond which there is no topic.
    pub(super) fn slots(&self) -> usize {
        self.slab.capacity()
    }

    /// The topic of that name, if it exists.
    pub(super) fn find(&self, name: &str) -> Option<u32> {
        let is_named = |&key: &u32| &*self.slab[key as usize].name == name;
        self.by_name
            .find(self.hasher.hash_one(name), is_named)
            .copied()
    }

    /// The topic of that name, which begins to exist if it did not.
    pub(super) fn find_or_insert(&mut self, name: &str, now: Tick) -> u32 {
        if let Some(key) = self.find(name) {
            return key;
        }
        let hash = self.hasher.hash_one(name);
        let key = self.slab.insert(Topic {
            name: name.into(),
            plain: Variant::new(),
            dirty: false,
            touched: false,
            retaining: super::connection::NONE,
            lagging_noted: 0,
            walked: 0,
            meter: Meter::new(now),
        }) as u32;
        let (slab, hasher) = (&self.slab, &self.hasher);
        self.by_name
            .insert_unique(hash, key, |&key| hasher.hash_one(&*slab[key as usize].name));
        key
    }

    pub(super) fn remove(&mut self, key: u32) {
        let topic = self.slab.remove(key as usize);
        let hash = self.hasher.hash_one(&*topic.name);
        if let Ok(entry) = self.by_name.find_entry(hash, |&other| other == key) {
            entry.remove();
        }
        if self.slab.is_empty() && self.slab.capacity() > AT_REST_MAX {
            self.slab = Slab::new();
            self.by_name = HashTable::new();
        }
    }
}

impl Index<u32> for Topics {
    type Output = Topic;
    fn index(&self, key: u32) -> &Topic {
        &self.slab[key as usize]
    }
}

impl IndexMut<u32> for Topics {
    fn index_mut(&mut self, key: u32) -> &mut Topic {
        &mut self.slab[key as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_map_to_one_topic_each() {
        let mut topics = Topics::default();
        let keys: Vec<u32> = (0..1000)
            .map(|n| topics.find_or_insert(&format!("room {n}"), Tick(0)))
            .collect();
        assert!((0..1000).all(|n| topics.find_or_insert(&format!("room {n}"), Tick(0)) == keys[n]));
        keys.iter().for_each(|&key| topics.remove(key));
        assert_eq!((topics.len(), topics.by_name.len()), (0, 0));
    }
}
