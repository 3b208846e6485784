//! What hooks are told of a relay: joins, leaves, and messages that have their place.

use super::sequencer::{Sequencer, name};
use fanfare::relay::{ConnId, Hooks, MessageId, Published, Relay};
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

/// What hooks were told.
#[derive(Default)]
pub(super) struct Record {
    pub(super) members: HashMap<String, usize>,
    /// Topics that were without members.
    pub(super) emptied: BTreeSet<String>,
    pub(super) messages: Vec<(ConnId, MessageId, Vec<u8>)>,
}

impl Record {
    /// Hooks were told of each message once, with its id and the connection that sent it. Returns their names.
    pub(super) fn check(
        &self,
        relay: &Relay,
        sequencer: &Sequencer,
        topics: usize,
    ) -> BTreeSet<(u32, u32)> {
        let mut told = BTreeSet::new();
        for (id, message, payload) in &self.messages {
            let name = name(payload);
            assert!(told.insert(name), "a hook is told of a message twice");
            let is_it = (0..topics).any(|topic| {
                sequencer.index(topic, *message).is_some_and(|index| {
                    let ordered = sequencer.get(topic, index);
                    ordered.payload == *payload && ordered.origin == relay.origin(*id)
                })
            });
            assert!(
                is_it,
                "a hook is told of {name:?} as {message}, which it is not"
            );
        }
        told
    }
}

pub(super) struct Recorder(pub(super) Arc<Mutex<Record>>);

impl Hooks for Recorder {
    fn on_join(&mut self, _: ConnId, topic: &str) {
        *self
            .0
            .lock()
            .unwrap()
            .members
            .entry(topic.into())
            .or_default() += 1;
    }

    fn on_leave(&mut self, _: ConnId, topic: &str) {
        let mut record = self.0.lock().unwrap();
        let members = record.members.get_mut(topic).expect("it joined");
        *members -= 1;
        if *members == 0 {
            record.emptied.insert(topic.into());
        }
    }

    fn on_message(&mut self, id: ConnId, message: &Published<'_>) {
        let told = (id, message.id, message.payload.to_vec());
        self.0.lock().unwrap().messages.push(told);
    }
}
