//! Gives each message its number, once, and pushes it to every link that reads its topic.

use super::link::{Bring, Link, Travelling};
use super::node::Node;
use crate::message::Message;
use crate::random::Random;
use fanfare::proto::MessageKind;
use fanfare::relay::{Epoch, MessageId, Origin, Party};
use std::collections::{BTreeMap, HashMap};

/// The party of messages that none of these relays has offered.
const STRANGERS: Party = Party(7);

/// A message in its place.
pub(super) struct Ordered {
    pub(super) kind: MessageKind,
    pub(super) payload: Vec<u8>,
    pub(super) origin: Origin,
    pub(super) offer: u64,
}

struct Topic {
    messages: Vec<Ordered>,
    /// Lives of the topic: the epoch, and the index of its first message.
    lives: Vec<(Epoch, usize)>,
}

pub(super) struct Sequencer {
    topics: Vec<Topic>,
    names: HashMap<String, usize>,
    /// Where offers stand that have their place.
    seen: HashMap<(Party, u64), (usize, usize)>,
    epochs: u32,
    strangers: u64,
    has_advanced: bool,
}

impl Sequencer {
    pub(super) fn new(names: &[String]) -> Self {
        let mut sequencer = Sequencer {
            topics: Vec::new(),
            names: names.iter().cloned().zip(0..).collect(),
            seen: HashMap::new(),
            epochs: 0,
            strangers: 0,
            has_advanced: false,
        };
        for topic in 0..names.len() {
            let messages = Vec::new();
            sequencer.topics.push(Topic {
                messages,
                lives: Vec::new(),
            });
            sequencer.fail_over(topic);
        }
        sequencer
    }

    /// The topic begins to count anew.
    pub(super) fn fail_over(&mut self, topic: usize) {
        self.epochs += 1;
        let epoch = format!("{:07}", self.epochs).parse().expect("an epoch");
        let topic = &mut self.topics[topic];
        topic.lives.push((epoch, topic.messages.len()));
    }

    pub(super) fn get(&self, topic: usize, index: usize) -> &Ordered {
        &self.topics[topic].messages[index]
    }

    pub(super) fn len(&self, topic: usize) -> usize {
        self.topics[topic].messages.len()
    }

    pub(super) fn id(&self, topic: usize, index: usize) -> MessageId {
        let mut lives = self.topics[topic].lives.iter().rev();
        let life = lives.find(|(_, first)| *first <= index);
        let &(epoch, first) = life.expect("the first begins at 0");
        MessageId {
            epoch,
            number: (index - first) as u64 + 1,
        }
    }

    /// What comes before that message: number 0 before the first of a life.
    pub(super) fn id_before(&self, topic: usize, index: usize) -> MessageId {
        let id = self.id(topic, index);
        MessageId {
            number: id.number - 1,
            ..id
        }
    }

    /// The index of a message, if there is one of that id.
    pub(super) fn index(&self, topic: usize, id: MessageId) -> Option<usize> {
        (0..self.len(topic)).find(|&index| self.id(topic, index) == id)
    }

    /// Where an offer stands.
    pub(super) fn place(&self, party: Party, offer: u64) -> Option<MessageId> {
        let &(topic, index) = self.seen.get(&(party, offer))?;
        Some(self.id(topic, index))
    }

    pub(super) fn order_foreign(&mut self, topic: usize, message: &Message, links: &mut [Link]) {
        self.strangers += 1;
        let ordered = Ordered {
            kind: message.kind,
            payload: message.payload(),
            // A number that one of our relays may use too, of a party that is none of them.
            origin: Origin {
                party: STRANGERS,
                number: self.strangers % 10,
            },
            offer: self.strangers,
        };
        self.order(topic, ordered, links);
    }

    /// Takes some offers in.
    pub(super) fn advance(&mut self, links: &mut [Link], random: &mut Random, unknown: u32) {
        self.has_advanced = false;
        for index in 0..links.len() {
            for _ in 0..random.below(20) {
                let Some(offer) = links[index].up.pop_front() else {
                    break;
                };
                self.has_advanced = true;
                let Travelling {
                    number,
                    topic,
                    kind,
                    payload,
                    origin,
                } = offer;
                let place = (origin.party, number);
                if !self.seen.contains_key(&place) {
                    let topic = self.names[&topic];
                    self.order(
                        topic,
                        Ordered {
                            kind,
                            payload,
                            origin,
                            offer: number,
                        },
                        links,
                    );
                }
                let id = self.place(origin.party, number);
                let id = id.filter(|_| !random.once_in(unknown));
                links[index].replies.push_back((number, id));
            }
        }
    }

    fn order(&mut self, topic: usize, ordered: Ordered, links: &mut [Link]) {
        let messages = &mut self.topics[topic].messages;
        let index = messages.len();
        self.seen
            .insert((ordered.origin.party, ordered.offer), (topic, index));
        messages.push(ordered);
        for link in links {
            if link.down == 0
                && let Some(queue) = &mut link.topics[topic]
            {
                queue.push_back(Bring::Commit(index));
            }
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        !self.has_advanced
    }

    /// Each publisher's messages stand in its order, each once, and none is left out.
    pub(super) fn check_publishers(&self, nodes: &[Node]) {
        let mut counts = BTreeMap::<u32, Vec<u32>>::new();
        for ordered in self.topics.iter().flat_map(|topic| &topic.messages) {
            let (publisher, number) = name(&ordered.payload);
            counts.entry(publisher).or_default().push(number);
        }
        for (publisher, numbers) in &mut counts {
            // The program and foreign publishers publish into all topics.
            let is_of_one_topic = nodes.iter().any(|node| node.is_client(*publisher));
            if !is_of_one_topic {
                numbers.sort_unstable();
            }
            let expected: Vec<u32> = (0..numbers.len() as u32).collect();
            assert_eq!(*numbers, expected, "the messages of publisher {publisher}");
        }
        for member in nodes.iter().flat_map(|node| &node.members) {
            let ordered = counts.get(&member.publisher).map_or(0, Vec::len);
            assert_eq!(
                ordered, member.sent as usize,
                "{} is there still",
                member.publisher
            );
        }
    }
}

/// Publisher and number of a message.
pub(super) fn name(payload: &[u8]) -> (u32, u32) {
    let end = payload
        .iter()
        .position(|&byte| byte == b' ')
        .expect("a name");
    let text = str::from_utf8(&payload[..end]).expect("a name");
    let (publisher, number) = text.split_once('.').expect("a name");
    let parse = |text| u32::from_str_radix(text, 16).expect("a number");
    (parse(publisher), parse(number))
}
