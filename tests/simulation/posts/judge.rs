//! What is published, and when; what was promised, and what is left in the end.

use super::{TOPICS, World};
use std::collections::{BTreeMap, HashMap};

impl World {
    /// What readers have got was published by someone, all of it had come, and for the first time.
    pub(super) fn follow_readers(&mut self) {
        for topic in 0..TOPICS {
            while let Some(payload) = self.readers[topic].next_new() {
                let mut senders = self.publishers.iter_mut();
                let has_said = senders.any(|publisher| publisher.on_published(topic, &payload));
                let shown = String::from_utf8_lossy(&payload);
                assert!(
                    has_said,
                    "{shown:.60} was published too early, again, or never sent"
                );
            }
        }
    }

    pub(super) fn check(&mut self) {
        // A message is published under the id that was told, and none that was refused is.
        let mut keyed: HashMap<Vec<u8>, u64> = HashMap::new();
        for publisher in &self.publishers {
            for promise in &publisher.promises {
                let log = &self.readers[promise.topic].messages;
                let shown = String::from_utf8_lossy(&promise.payload);
                match promise.number {
                    Some(number) => {
                        let there = log.get(number as usize - 1);
                        let is_there = there == Some(&promise.payload);
                        assert!(is_there || self.is_shut_down, "{shown:.60} is not {number}");
                        let before = keyed.insert(promise.payload.clone(), number);
                        assert!(before.is_none_or(|before| before == number), "{shown:.60}");
                    }
                    None => {
                        let is_there = log.contains(&promise.payload);
                        assert!(is_there || self.is_shut_down, "{shown:.60} is missing");
                    }
                }
            }
        }
        for publisher in &self.publishers {
            for (topic, payload) in &publisher.denied {
                let shown = String::from_utf8_lossy(payload);
                let is_there = self.readers[*topic].messages.contains(payload);
                let is_promised = keyed.contains_key(payload);
                assert!(!is_there || is_promised, "{shown:.60} was refused");
            }
        }
        if self.character.has_hooks && !self.is_shut_down {
            let mut told = std::mem::take(&mut self.record.lock().unwrap().published);
            told.resize(TOPICS, Vec::new());
            for (told, reader) in told.iter().zip(&self.readers) {
                assert_eq!(
                    told.len(),
                    reader.messages.len(),
                    "messages that hooks were told of"
                );
                assert!(*told == reader.messages, "hooks were told of others");
            }
        }
        if let Some(per_second) = self.character.limits.rates.messages_per_second_max {
            let mut taken: BTreeMap<usize, u64> = BTreeMap::new();
            for publisher in &self.publishers {
                *taken.entry(publisher.number % 3).or_default() += publisher.promises.len() as u64;
            }
            let ticks = u64::from(self.now.since(self.began));
            let taken_max = u64::from(per_second) * 5 + u64::from(per_second) * ticks / 10;
            assert!(
                taken.values().all(|&taken| taken <= taken_max),
                "{taken:?} of {taken_max}"
            );
        }
        for reader in std::mem::take(&mut self.readers) {
            if !reader.is_gone {
                self.relay.handle_reset(reader.id);
            }
        }
        while self.relay.poll_action().is_some() {}
        self.relay.end_turn();
        assert_eq!(self.relay.connections(), 0);
        assert_eq!(self.relay.private_bytes(), 0, "private bytes are left");
        assert_eq!(self.relay.unsettled_bytes(), 0, "offers are left");
    }
}
