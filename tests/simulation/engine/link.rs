//! What lies between a relay and the sequencer: it delays, loses, repeats, and keeps what has no space.

use super::Often;
use super::node::Node;
use super::sequencer::Sequencer;
use crate::random::Random;
use fanfare::proto::MessageKind;
use fanfare::relay::{Committed, MessageId, Offer, Origin};
use std::collections::VecDeque;

/// An offer on its way.
#[derive(Clone, Debug)]
pub(super) struct Travelling {
    pub(super) number: u64,
    pub(super) topic: String,
    pub(super) kind: MessageKind,
    pub(super) payload: Vec<u8>,
    pub(super) origin: Origin,
}

/// What is to be brought to the relay.
#[derive(Clone, Copy, Debug)]
pub(super) enum Bring {
    Commit(usize),
    /// What is before that message won't come.
    Gap(usize),
}

#[derive(Debug)]
pub(super) struct Link {
    pub(super) up: VecDeque<Travelling>,
    pub(super) replies: VecDeque<(u64, Option<MessageId>)>,
    /// Of topics that are read, what is to be brought.
    pub(super) topics: Vec<Option<VecDeque<Bring>>>,
    /// Of topics that are read, the message after the last that was brought.
    next: Vec<Option<usize>>,
    /// Turns for which it is cut, and for which it brings nothing.
    pub(super) down: u32,
    pub(super) silent: u32,
    has_worked: bool,
}

impl Link {
    pub(super) fn new(topics: usize) -> Self {
        Link {
            up: VecDeque::new(),
            replies: VecDeque::new(),
            topics: vec![None; topics],
            next: vec![None; topics],
            down: 0,
            silent: 0,
            has_worked: false,
        }
    }

    /// Everything on its way is lost.
    pub(super) fn cut(&mut self, turns: u32) {
        self.down = turns;
        self.up.clear();
        self.replies.clear();
        self.topics.iter_mut().flatten().for_each(VecDeque::clear);
    }

    pub(super) fn is_idle(&self) -> bool {
        let is_empty = self.topics.iter().flatten().all(VecDeque::is_empty);
        is_empty
            && self.up.is_empty()
            && self.replies.is_empty()
            && !self.has_worked
            && self.down == 0
    }

    /// The second part of a relay's turn.
    pub(super) fn work(
        &mut self,
        node: &mut Node,
        sequencer: &mut Sequencer,
        names: &[String],
        random: &mut Random,
        often: &Often,
    ) {
        self.has_worked = false;
        if self.silent > 0 {
            self.silent -= 1;
            return;
        }
        if self.down > 0 {
            self.down -= 1;
            if self.down > 0 {
                return;
            }
            self.connect(node, sequencer, random, often);
        }
        self.follow_interest(node, sequencer, names, random);
        for _ in 0..random.below(20) {
            let Some(offer) = node.relay.poll_offer() else {
                break;
            };
            self.has_worked = true;
            let travelling = Travelling {
                number: offer.number,
                topic: offer.topic.into(),
                kind: offer.kind,
                payload: offer.payload.into(),
                origin: offer.origin,
            };
            if random.once_in(often.repeat) {
                self.up.push_back(travelling.clone());
            }
            self.up.push_back(travelling);
        }
        let mut topics: Vec<usize> = (0..names.len()).collect();
        random.shuffle(&mut topics);
        let is_reply_first = random.once_in(2);
        if is_reply_first {
            self.reply(node, random);
        }
        for topic in topics {
            self.bring(topic, node, sequencer, names, random, often);
        }
        if !is_reply_first {
            self.reply(node, random);
        }
    }

    /// The link is there again: what may be lost is offered again, and what was missed is fetched, or is not.
    fn connect(
        &mut self,
        node: &mut Node,
        sequencer: &Sequencer,
        random: &mut Random,
        often: &Often,
    ) {
        node.relay.offer_again();
        for topic in 0..self.topics.len() {
            let (Some(queue), end) = (&mut self.topics[topic], sequencer.len(topic)) else {
                continue;
            };
            let Some(next) = self.next[topic] else {
                continue;
            };
            let mut first = next;
            if random.once_in(often.lose) && next < end {
                first = next + random.below(end - next);
                // Without being told, the relay notices the gap itself.
                if random.once_in(2) {
                    queue.push_back(Bring::Gap(first));
                }
            }
            queue.extend((first..end).map(Bring::Commit));
        }
    }

    fn follow_interest(
        &mut self,
        node: &mut Node,
        sequencer: &Sequencer,
        names: &[String],
        random: &mut Random,
    ) {
        while let Some(interest) = node.relay.poll_interest() {
            self.has_worked = true;
            let topic = names.iter().position(|name| **name == *interest.topic);
            let topic = topic.expect("a topic of this world");
            assert_ne!(self.topics[topic].is_some(), interest.is_read, "no news");
            self.topics[topic] = interest.is_read.then(VecDeque::new);
            self.next[topic] = interest.is_read.then(|| sequencer.len(topic));
            if random.once_in(3) {
                return;
            }
        }
    }

    fn reply(&mut self, node: &mut Node, random: &mut Random) {
        while !self.replies.is_empty() && !random.once_in(4) {
            let (number, id) = self.replies.pop_front().expect("there is one");
            self.has_worked = true;
            node.settle(number, id);
        }
    }

    fn bring(
        &mut self,
        topic: usize,
        node: &mut Node,
        sequencer: &Sequencer,
        names: &[String],
        random: &mut Random,
        often: &Often,
    ) {
        let name = &names[topic];
        for _ in 0..random.below(100) {
            let Some(queue) = &mut self.topics[topic] else {
                return;
            };
            let Some(&bring) = queue.front() else {
                return;
            };
            self.has_worked = true;
            let index = match bring {
                Bring::Commit(index) => index,
                Bring::Gap(index) => {
                    node.discontinuity(topic, name, sequencer.id_before(topic, index));
                    queue.pop_front();
                    self.next[topic] = Some(index);
                    continue;
                }
            };
            match commit(node, topic, index, name, sequencer) {
                Committed::Later => return,
                Committed::Missing(last) => {
                    // The hole is filled, if the sequencer has what was in it, or declared.
                    let known = sequencer.index(topic, last).map(|last| last + 1);
                    let from = known.filter(|&from| from < index && !random.once_in(often.lose));
                    match from {
                        Some(from) if sequencer.id(topic, from).epoch == last.epoch => {
                            (from..index)
                                .rev()
                                .for_each(|index| queue.push_front(Bring::Commit(index)));
                        }
                        _ => queue.push_front(Bring::Gap(index)),
                    }
                }
                Committed::Appended | Committed::NoMembers | Committed::Repeated => {
                    queue.pop_front();
                    self.next[topic] = Some(self.next[topic].unwrap_or(0).max(index + 1));
                    if random.once_in(often.repeat) {
                        commit(node, topic, random.below(index + 1), name, sequencer);
                    }
                }
            }
        }
    }
}

fn commit(
    node: &mut Node,
    topic: usize,
    index: usize,
    name: &str,
    sequencer: &Sequencer,
) -> Committed {
    let ordered = sequencer.get(topic, index);
    let offer = Offer {
        number: ordered.offer,
        topic: name,
        kind: ordered.kind,
        payload: &ordered.payload,
        origin: ordered.origin,
    };
    node.commit(topic, index, sequencer.id(topic, index), &offer)
}
