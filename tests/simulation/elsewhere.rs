//! Messages that come from elsewhere than a connection: refused while their topic is full, and
//! otherwise owed to all of its members, in one order with what these send.

use crate::message::{Message, UNIQUE_BYTES};
use crate::request::topic_name;
use crate::world::World;
use fanfare::proto::MessageKind;
use fanfare::relay::{ConnId, MessageId, Offered, Reading};

/// Their publisher's number: no client has it.
const PUBLISHER: u32 = 0xFFF;

/// A message on its way to a topic.
pub(crate) struct Mail {
    topic: usize,
    message: Message,
}

impl World {
    /// A message is published elsewhere.
    pub(crate) fn send_mail(&mut self) {
        let bytes = self.random.size(self.character.message_bytes_max);
        let kinds = [MessageKind::Text, MessageKind::Binary];
        let mail = Mail {
            topic: self.random.below(self.character.topics),
            message: Message {
                publisher: PUBLISHER,
                number: self.mails_sent,
                kind: self.random.pick(&kinds),
                bytes: bytes.max(UNIQUE_BYTES),
                disguise: None,
            },
        };
        self.mails_sent += 1;
        self.mail.push_back(mail);
    }

    /// Hands over what came, until a topic is full.
    pub(crate) fn publish_mail(&mut self) {
        while let Some(mail) = self.mail.pop_front() {
            if !self.publish_from_elsewhere(&mail) {
                self.mail.push_front(mail);
                return;
            }
            self.moved = true;
        }
    }

    fn publish_from_elsewhere(&mut self, mail: &Mail) -> bool {
        let &Mail { topic, message } = mail;
        let name = topic_name(topic);
        // Whether a member's socket is read shows whether the topic is full; some members are enough.
        let members = || {
            let peers = self.live.iter().map(|&index| &self.peers[index]);
            peers.filter(move |peer| peer.is_member() && peer.client.topic == topic)
        };
        let has_members = members().next().is_some();
        let mut open = members().filter_map(|peer| {
            // One to which much is still to be told is not read, whatever its topic takes.
            let tells =
                |&id: &ConnId| self.relay.is_open(id) && self.relay.reading(id) != Reading::Later;
            peer.id.filter(tells)
        });
        let has_space = open
            .next()
            .map(|id| self.relay.reading(id) != Reading::NextTurn);
        self.follow_lives(true);
        let before = self.relay.counters().messages;
        let topics_before = self.relay.topics();
        let retains = (self.character.limits.policies.of(&name))
            .retention
            .is_some();
        let payload = message.payload();
        let offered = self.relay.offer(&name, message.kind, &payload);
        let is_taken = offered != Offered::Later;
        let counted = self.relay.counters().messages - before;
        if let Some(has_space) = has_space {
            assert_eq!(is_taken, has_space, "a message for topic {topic}");
            assert_eq!(
                counted,
                u64::from(is_taken),
                "of messages for topic {topic}"
            );
        }
        // A topic that was over its bound when the last one left is forgotten in a later turn.
        let is_forgotten = !has_members && !self.relay.has_work();
        assert!(
            is_taken || !is_forgotten,
            "no space in a topic without members"
        );
        assert!(is_taken || counted == 0, "refused, and counted");
        if retains && topics_before < self.character.limits.topics_max {
            assert_eq!(counted, u64::from(is_taken), "for topic {topic}");
        }
        if retains {
            self.yield_topic(topics_before, topic);
        }
        if counted > 0 {
            self.histories[topic].push(self.now, message);
            self.on_published(topic);
            let Offered::Committed(id) = offered else {
                panic!("{offered:?}, and counted");
            };
            self.follow_number(topic, id, self.histories[topic].len());
            // It took the space of connections that stand in line.
            for &index in &self.live {
                self.peers[index].waits.on_space_taken();
            }
        }
        self.note(|| format!("{message:?} for {topic}: {is_taken}, {counted} counted"));
        is_taken
    }

    /// As long as a topic lives, its numbers count its messages, from any publisher; this is the id of the last of
    /// this many in its history.
    pub(crate) fn follow_number(&mut self, topic: usize, id: MessageId, length: usize) {
        let is_new = self.histories[topic].retained.place(id).is_none();
        let learnt = self.histories[topic].retained.learn(id, length, true);
        assert_eq!(learnt, Ok(()), "of topic {topic}");
        let before = self.ids[topic].last().copied();
        self.ids[topic].push(id);
        // With hooks, no message of a topic's is missed.
        if self.character.has_hooks && is_new {
            assert_eq!(id.number, 1, "{before:?}, and then {id}");
        }
    }
}
