//! Topics by name, and the variants that their messages are encoded in.
//!
//! A topic exists while one of its variants does, and a variant while it has a member: so nothing
//! is encoded that has no reader, and a topic of one member costs the same whatever its member reads. A topic
//! that retains messages has its plain variant besides, as long as it retains any.

use super::super::ids::{Epoch, MessageId, TopicKey, VariantKey};
use super::super::policy::Publish;
use super::encoding::{ENCODINGS, Encoding};
use super::meter::Meter;
use super::numbers::{Missing, Numbers, Place};
use super::rules::PolicyIndex;
use super::variant::Variant;
use crate::wheel::Tick;
use hashbrown::HashTable;
use slab::Slab;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::ops::{Index, IndexMut};

/// Topics that memory is kept for when all are gone; what more of them took is given back.
const AT_REST_MAX: usize = 64;

/// A topic: a name, and its messages in each encoding that is read.
#[derive(Debug)]
pub(super) struct Topic {
    name: Box<str>,
    /// Which its messages are: those of another life of it have other ids.
    numbers: Numbers,
    /// It takes nothing in before members that miss messages are closed.
    pub(super) is_halted: bool,
    pub(super) policy: PolicyIndex,
    /// What that says of publishers: it is asked for with each message.
    pub(super) publish: Publish,
    /// By the number of the encoding, `NONE` where there is none.
    variants: [VariantKey; ENCODINGS],
    /// There is none but the plain one. It is asked for with each message.
    is_plain_only: bool,
    /// Its messages as they were published, whatever they are encoded in.
    pub(super) meter: Meter,
}

/// All topics, by key and by name. Names are chosen by clients, so they are hashed with a key
/// that these can't know; the table holds keys only, so that each name is stored once.
#[derive(Debug, Default)]
pub(super) struct Topics {
    topics: Slab<Topic>,
    variants: Slab<Variant>,
    by_name: HashTable<u32>,
    /// Topics that have begun.
    epochs: u64,
    hasher: RandomState,
}

impl Topic {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// What it takes besides its messages, in bytes: itself, its plain variant, and its place in the table.
    pub(super) fn own_bytes(&self) -> usize {
        self.name.len() + size_of::<Topic>() + size_of::<Variant>() + 2 * size_of::<u32>()
    }

    /// How many messages were appended.
    pub(super) fn messages(&self) -> u64 {
        self.meter.messages()
    }

    /// The message before which so many were appended.
    pub(super) fn last_before(&self, messages: u64) -> MessageId {
        self.numbers.last(messages)
    }

    /// Where a reader goes on that has had everything up to that message, and what it misses.
    pub(super) fn first_after(&self, id: MessageId, oldest: u64) -> (u64, Option<Missing>) {
        self.numbers.first_after(self.messages(), id, oldest)
    }

    /// The message that was appended last.
    pub(super) fn last_message(&self) -> MessageId {
        self.numbers.last(self.meter.messages())
    }

    /// Where a message stands that was ordered elsewhere.
    pub(super) fn place(&self, id: MessageId) -> Place {
        self.numbers.place(self.meter.messages(), id)
    }

    /// The message that is appended next is that one.
    pub(super) fn expect(&mut self, id: MessageId) {
        self.numbers.expect(self.meter.messages(), id);
    }

    /// The message that is appended next is the one after that.
    pub(super) fn go_on_after(&mut self, id: MessageId) -> Option<Missing> {
        self.numbers.go_on_after(self.meter.messages(), id)
    }

    /// Its variants by the number of their encoding, `NONE` where there is none.
    pub(super) fn variants_by_encoding(&self) -> [VariantKey; ENCODINGS] {
        self.variants
    }

    /// It has no variant but the plain one, if it has that.
    #[inline]
    pub(super) fn is_plain_only(&self) -> bool {
        self.is_plain_only
    }

    /// Its plain variant, `NONE` if there is none.
    #[inline]
    pub(super) fn plain(&self) -> VariantKey {
        self.variants[Encoding::Plain as usize]
    }

    /// Its plain variant, or otherwise that one.
    pub(super) fn plain_or(&self, other: VariantKey) -> VariantKey {
        match self.plain() {
            VariantKey::NONE => other,
            plain => plain,
        }
    }

    /// Its variants.
    pub(super) fn variants(&self) -> impl Iterator<Item = VariantKey> {
        let variants = self.variants.iter().copied();
        variants.filter(|&variant| variant != VariantKey::NONE)
    }
}

impl Topics {
    pub(super) fn len(&self) -> usize {
        self.topics.len()
    }

    /// The topic in that slot, if there is one.
    pub(super) fn at(&self, slot: usize) -> Option<TopicKey> {
        self.topics.contains(slot).then_some(TopicKey(slot as u32))
    }

    /// Slots beyond which there is no topic.
    pub(super) fn slots(&self) -> usize {
        self.topics.capacity()
    }

    /// The topic of that name, if it exists.
    pub(super) fn find(&self, name: &str) -> Option<TopicKey> {
        let is_named = |&key: &u32| &*self.topics[key as usize].name == name;
        self.by_name
            .find(self.hasher.hash_one(name), is_named)
            .map(|&key| TopicKey(key))
    }

    /// Members of a topic.
    pub(super) fn members(&self, topic: TopicKey) -> usize {
        self[topic].variants().map(|key| self[key].members()).sum()
    }

    /// The variant of a topic with that encoding, which begins to exist if it did not.
    pub(super) fn variant_or_insert(&mut self, key: TopicKey, encoding: Encoding) -> VariantKey {
        let topic = &mut self.topics[key.0 as usize];
        let variant = &mut topic.variants[encoding as usize];
        if *variant == VariantKey::NONE {
            // All variants number the messages alike, so that positions map from one to the other.
            let empty = Variant::new(key, encoding, topic.meter.messages());
            *variant = VariantKey(self.variants.insert(empty) as u32);
            topic.is_plain_only &= encoding == Encoding::Plain;
        }
        topic.variants[encoding as usize]
    }

    /// A topic begins, of which there is none of that name. It has no variant.
    pub(super) fn insert(&mut self, name: &str, policy: PolicyIndex, now: Tick) -> TopicKey {
        let hash = self.hasher.hash_one(name);
        // The hash of a count that never repeats, by a secret key, is as good as chance.
        self.epochs += 1;
        let epoch = Epoch::of(self.hasher.hash_one(self.epochs));
        let key = self.topics.insert(Topic {
            name: name.into(),
            numbers: Numbers::begin(epoch),
            is_halted: false,
            policy,
            publish: Publish::default(),
            variants: [VariantKey::NONE; ENCODINGS],
            is_plain_only: true,
            meter: Meter::new(now),
        }) as u32;
        let (topics, hasher) = (&self.topics, &self.hasher);
        self.by_name.insert_unique(hash, key, |&key| {
            hasher.hash_one(&*topics[key as usize].name)
        });
        TopicKey(key)
    }

    /// Removes a variant, and the topic along with its last one: then that is returned.
    pub(super) fn remove(&mut self, key: VariantKey) -> Option<(TopicKey, Topic)> {
        let variant = self.variants.remove(key.0 as usize);
        let topic = &mut self.topics[variant.topic.0 as usize];
        topic.variants[variant.encoding as usize] = VariantKey::NONE;
        let [_, others @ ..] = topic.variants;
        topic.is_plain_only = others.iter().all(|&other| other == VariantKey::NONE);
        let is_last = topic.variants == [VariantKey::NONE; ENCODINGS];
        is_last.then(|| (variant.topic, self.remove_topic(variant.topic.0)))
    }

    fn remove_topic(&mut self, key: u32) -> Topic {
        let topic = self.topics.remove(key as usize);
        let hash = self.hasher.hash_one(&*topic.name);
        if let Ok(entry) = self.by_name.find_entry(hash, |&other| other == key) {
            entry.remove();
        }
        if self.topics.is_empty() && self.topics.capacity() > AT_REST_MAX {
            self.topics = Slab::new();
            self.variants = Slab::new();
            self.by_name = HashTable::new();
        }
        topic
    }
}

impl Index<TopicKey> for Topics {
    type Output = Topic;
    fn index(&self, key: TopicKey) -> &Topic {
        &self.topics[key.0 as usize]
    }
}

impl IndexMut<TopicKey> for Topics {
    fn index_mut(&mut self, key: TopicKey) -> &mut Topic {
        &mut self.topics[key.0 as usize]
    }
}

impl Index<VariantKey> for Topics {
    type Output = Variant;
    fn index(&self, key: VariantKey) -> &Variant {
        &self.variants[key.0 as usize]
    }
}

impl IndexMut<VariantKey> for Topics {
    fn index_mut(&mut self, key: VariantKey) -> &mut Variant {
        &mut self.variants[key.0 as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Finds or inserts what reads a topic so.
    fn find_or_insert(topics: &mut Topics, name: &str, encoding: Encoding) -> VariantKey {
        let topic = topics.find(name);
        let topic = topic.unwrap_or_else(|| topics.insert(name, PolicyIndex::default(), Tick(0)));
        topics.variant_or_insert(topic, encoding)
    }

    #[test]
    fn names_map_to_one_topic_each() {
        let mut topics = Topics::default();
        let name = |n: usize| format!("topic {n}");
        let keys: Vec<VariantKey> = (0..1000)
            .map(|n| find_or_insert(&mut topics, &name(n), Encoding::Plain))
            .collect();
        for (n, &key) in keys.iter().enumerate() {
            assert_eq!(find_or_insert(&mut topics, &name(n), Encoding::Plain), key);
        }
        keys.iter().for_each(|&key| drop(topics.remove(key)));
        assert_eq!((topics.len(), topics.by_name.len()), (0, 0));
    }

    /// Topics that retain nothing take no byte for those that do.
    #[test]
    fn a_topic_takes_no_more_than_it_did_before_topics_retained_messages() {
        assert_eq!((size_of::<Topic>(), size_of::<Variant>()), (96, 192));
    }

    #[test]
    fn a_topic_lasts_as_long_as_its_variants() {
        let mut topics = Topics::default();
        let plain = find_or_insert(&mut topics, "lobby", Encoding::Plain);
        let lobby = topics.find("lobby").unwrap();
        topics[lobby].meter.count(Tick(0), 100);
        let compressed = find_or_insert(&mut topics, "lobby", Encoding::Deflate15);
        assert_ne!(plain, compressed);
        assert_eq!(topics[compressed].log.messages(), 1, "they count alike");
        assert_eq!(topics[lobby].variants().count(), 2);
        topics.remove(plain);
        assert_eq!(topics.find("lobby"), Some(lobby));
        assert!(topics[lobby].variants().eq([compressed]));
        topics.remove(compressed);
        assert_eq!(topics.find("lobby"), None);
    }
}
