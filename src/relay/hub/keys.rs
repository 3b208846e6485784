//! Keys by which a publication that is repeated is told from another one, each as long as its message is retained.

use super::super::ids::MessageId;
use hashbrown::HashTable;
use std::collections::VecDeque;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

/// Keys of one topic, besides how long their messages are retained: 8 MiB of them, and a publisher tries again within
/// seconds.
const KEYS_MAX: usize = 65_536;

/// The keys of a topic, the oldest first. See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Keys {
    keys: VecDeque<Key>,
    /// How many were forgotten.
    forgotten: u64,
    /// Keys by what they are, counted from the first that there ever was.
    places: HashTable<u64>,
    hasher: RandomState,
}

#[derive(Debug)]
struct Key {
    text: Box<str>,
    id: MessageId,
    /// Its message, as the topic's logs count them.
    message: u64,
}

impl Keys {
    /// The message that was published with that key.
    pub(super) fn find(&self, text: &str) -> Option<MessageId> {
        let is_it = |&place: &u64| *self.key(place).text == *text;
        let place = self.places.find(self.hasher.hash_one(text), is_it)?;
        Some(self.key(*place).id)
    }

    /// A message was published with a key that is not there yet.
    pub(super) fn push(&mut self, text: &str, id: MessageId, message: u64) {
        if self.keys.len() == KEYS_MAX {
            self.forget_first();
        }
        let place = self.forgotten + self.keys.len() as u64;
        self.keys.push_back(Key {
            text: text.into(),
            id,
            message,
        });
        let (keys, forgotten, hasher) = (&self.keys, self.forgotten, &self.hasher);
        let hash = |&place: &u64| hasher.hash_one(&*keys[(place - forgotten) as usize].text);
        self.places
            .insert_unique(hasher.hash_one(text), place, hash);
    }

    /// Messages before that one are not retained any more.
    pub(super) fn forget_before(&mut self, message: u64) {
        while self.keys.front().is_some_and(|key| key.message < message) {
            self.forget_first();
        }
        if self.keys.is_empty() {
            *self = Keys::default();
        }
    }

    fn forget_first(&mut self) {
        if let Some(key) = self.keys.pop_front() {
            let (hash, first) = (self.hasher.hash_one(&*key.text), self.forgotten);
            if let Ok(place) = self.places.find_entry(hash, |&place| place == first) {
                place.remove();
            }
            self.forgotten += 1;
        }
    }

    fn key(&self, place: u64) -> &Key {
        &self.keys[(place - self.forgotten) as usize]
    }

    /// Heap that it takes: of a key as if it were of the largest size.
    pub(super) fn heap_bytes(&self) -> usize {
        const TEXT_BYTES: usize = 64;
        self.keys.capacity() * size_of::<Key>()
            + self.keys.len() * TEXT_BYTES
            + self.places.allocation_size()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::Epoch;

    fn id(number: u64) -> MessageId {
        let epoch = Epoch::of(0);
        MessageId { epoch, number }
    }

    #[test]
    fn a_key_is_known_as_long_as_its_message() {
        let mut keys = Keys::default();
        for message in 0..100 {
            keys.push(&format!("key {message}"), id(message), message);
        }
        assert!(keys.heap_bytes() > 100 * size_of::<Key>());
        keys.forget_before(40);
        for message in 0..100 {
            let expected = (message >= 40).then(|| id(message));
            assert_eq!(keys.find(&format!("key {message}")), expected, "{message}");
        }
        keys.push("key 7", id(100), 100);
        assert_eq!(keys.find("key 7"), Some(id(100)));
        keys.forget_before(101);
        assert_eq!((keys.find("key 7"), keys.heap_bytes()), (None, 0));
    }

    #[test]
    fn no_more_than_so_many_are_known() {
        let mut keys = Keys::default();
        for message in 0..=KEYS_MAX as u64 {
            keys.push(&message.to_string(), id(message), message);
        }
        assert_eq!(keys.find("0"), None);
        assert_eq!(keys.find("1"), Some(id(1)));
        assert_eq!(keys.keys.len(), KEYS_MAX);
    }
}
