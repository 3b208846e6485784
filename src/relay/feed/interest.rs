//! Which topics have readers here, for the link that brings their messages.
//!
//! A poll tells a topic's present state, not its changes: one that flaps between two polls is reported once or
//! not at all. So no more is held than topics that exist, and topics that were last reported as read.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// A topic has got its first reader here, or lost its last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interest {
    /// Its name.
    pub topic: Arc<str>,
    /// It has readers here. Otherwise what is committed to it reaches no reader.
    pub is_read: bool,
}

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Interests {
    topics: HashMap<Arc<str>, State>,
    /// Topics with something to report, the oldest news first.
    news: BTreeMap<u64, Arc<str>>,
    /// How often there was something new to report.
    changes: u64,
}

/// State of a topic that is read, or was last reported as read.
#[derive(Debug, Default)]
struct State {
    is_read: bool,
    /// What was reported last.
    told: bool,
    /// Its place in the news, if the two differ.
    place: Option<u64>,
}

impl Interests {
    /// A topic has readers from now on, or no longer any.
    pub(super) fn set(&mut self, topic: &str, is_read: bool) {
        let topic = match self.topics.get_key_value(topic) {
            Some((topic, _)) => topic.clone(),
            None => topic.into(),
        };
        let state = self.topics.entry(topic.clone()).or_default();
        state.is_read = is_read;
        if state.told != is_read {
            if state.place.is_none() {
                self.changes += 1;
                state.place = Some(self.changes);
                self.news.insert(self.changes, topic);
            }
            return;
        }
        if let Some(place) = state.place.take() {
            self.news.remove(&place);
        }
        if !is_read {
            self.topics.remove(&topic);
        }
    }

    /// The next topic with something to report.
    pub(super) fn poll(&mut self) -> Option<Interest> {
        let (_, topic) = self.news.pop_first()?;
        let state = self.topics.get_mut(&topic)?;
        (state.told, state.place) = (state.is_read, None);
        let is_read = state.is_read;
        if !is_read {
            self.topics.remove(&topic);
        }
        Some(Interest { topic, is_read })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        /// In the end, polls have reported what is read; none of them reports what was known; and nothing is held
        /// of topics that have ended.
        #[test]
        fn what_was_told_is_what_is(
            ops in prop::collection::vec((0u8..3, "[a-d]"), 1..200)
        ) {
            let mut interests = Interests::default();
            let (mut read, mut known) = (BTreeSet::new(), BTreeSet::new());
            for (op, topic) in ops {
                match op {
                    0 => {
                        // As a topic does, it begins and ends by turns.
                        let is_read = !read.remove(&topic);
                        if is_read {
                            read.insert(topic.clone());
                        }
                        interests.set(&topic, is_read);
                    }
                    _ => {
                        if let Some(Interest { topic, is_read }) = interests.poll() {
                            let topic = topic.to_string();
                            let is_news = match is_read {
                                true => known.insert(topic),
                                false => known.remove(&topic),
                            };
                            prop_assert!(is_news);
                        }
                    }
                }
                let held = interests.topics.keys().map(|topic| topic.to_string());
                let expected = read.union(&known).cloned();
                prop_assert_eq!(held.collect::<BTreeSet<_>>(), expected.collect());
                prop_assert!(interests.news.len() <= interests.topics.len());
            }
            while interests.poll().is_some_and(|told| match told.is_read {
                true => known.insert(told.topic.to_string()),
                false => known.remove(&*told.topic),
            }) {}
            prop_assert_eq!(known, read);
        }
    }

    #[test]
    fn the_oldest_news_come_first() {
        let mut interests = Interests::default();
        for (topic, is_read) in [
            ("b", true),
            ("a", true),
            ("b", false),
            ("c", true),
            ("b", true),
        ] {
            interests.set(topic, is_read);
        }
        let order = std::iter::from_fn(|| interests.poll()).map(|told| told.topic.to_string());
        assert_eq!(order.collect::<Vec<_>>(), ["a", "c", "b"]);
    }
}
