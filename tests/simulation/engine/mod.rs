//! Worlds in which the order is elsewhere: several relays, each a party, and a model of an engine between them.
//!
//! ```text
//!   clients ◄─► Node: Relay ──interest, offers──► Link ──delays, losses, repeats──► Sequencer
//!   member.rs   node.rs     ◄──commits, gaps──── link.rs ◄──numbers, pushes──────── sequencer.rs
//! ```
//!
//! Links are cut and silent for any time, offer again what may be lost, repeat what they brought, and keep
//! what a topic has no space for. What must hold: one order for all, in which a publisher's messages stand in its
//! order and each once; every member receives a contiguous run of what was committed at its relay, and nothing before
//! that; a gap is dealt with at its place; nothing is lost for good; what is unsettled is bounded; and a relay whose
//! engine is silent comes to rest.

mod link;
mod member;
mod node;
mod recorder;
mod sequencer;

use crate::message::Message;
use crate::random::Random;
use fanfare::proto::MessageKind;
use fanfare::relay::{Compression, Limits, SlowPolicy};
use fanfare::wheel::Tick;
use link::Link;
use node::Node;
use sequencer::Sequencer;
use std::sync::Arc;

/// The largest message, far less than a topic's quarter: so no reader is lapped but by a gap.
const MESSAGE_BYTES_MAX: usize = 400;

pub(crate) struct World {
    random: Random,
    now: Tick,
    sequencer: Sequencer,
    nodes: Vec<Node>,
    links: Vec<Link>,
    topics: Vec<String>,
    often: Often,
    /// Publishers at other relays than these, and how many messages each has sent.
    foreign: Vec<u32>,
    publishers: u32,
    trace: bool,
}

/// Once in this many chances; 0 for never.
#[derive(Debug)]
struct Often {
    cut: u32,
    repeat: u32,
    lose: u32,
    failover: u32,
    silence: u32,
    foreign: u32,
    program: u32,
    leave: u32,
    /// The sequencer's reply comes without the id.
    unknown: u32,
    no_echo: u32,
    deflate: u32,
    refuse: u32,
    /// Messages that a client sends at a time, at most.
    batch: usize,
}

impl World {
    pub(crate) fn new(seed: u64, trace: bool) -> Self {
        let mut random = Random::new(seed);
        let unsettled_bytes_max = random.pick(&[1, 1000, 10_000, 1 << 20]);
        let mut often = |choices: &[u32]| random.pick(choices);
        let often = Often {
            cut: often(&[0, 20, 100]),
            repeat: often(&[0, 3, 20]),
            lose: often(&[0, 2, 4]),
            failover: often(&[0, 0, 50]),
            silence: often(&[0, 10, 50]),
            foreign: often(&[0, 2, 10]),
            program: often(&[0, 5]),
            leave: often(&[0, 20, 100]),
            unknown: often(&[0, 0, 3]),
            no_echo: often(&[0, 2]),
            deflate: often(&[0, 2]),
            refuse: often(&[0, 10]),
            batch: if unsettled_bytes_max == 1 { 1 } else { 20 },
        };
        let policy = random.pick(&[SlowPolicy::Close, SlowPolicy::Skip]);
        let topics = (0..random.between(1, 3)).map(|number| format!("t{number}"));
        let topics: Vec<String> = topics.collect();
        let limits = Limits {
            message_bytes_max: MESSAGE_BYTES_MAX,
            topic_log_bytes_max: random.pick(&[16 << 10, 64 << 10]),
            log_bytes_max: 1 << 20,
            policies: Arc::new(policy.into()),
            compression: Some(Compression {
                level: 1,
                bytes_min: random.pick(&[0, 100]),
            }),
            unsettled_bytes_max,
            ..crate::script::limits()
        };
        if trace {
            println!(
                "{often:#?} {policy:?} {} unsettled",
                limits.unsettled_bytes_max
            );
        }
        let now = Tick(random.between(0, 1000));
        let nodes = (0..random.between(1, 3)).map(|_| Node::new(limits.clone(), &mut random, now));
        let nodes: Vec<Node> = nodes.collect();
        World {
            now,
            sequencer: Sequencer::new(&topics),
            links: nodes.iter().map(|_| Link::new(topics.len())).collect(),
            nodes,
            topics,
            often,
            foreign: vec![0; 2],
            publishers: 2,
            random,
            trace,
        }
    }

    pub(crate) fn run(&mut self) {
        for round in 0..self.random.between(20, 150) {
            if self.trace {
                println!("round {round} at {}", self.now.0);
            }
            for _ in 0..=self.random.below(10) {
                self.happen();
            }
            for index in 0..self.nodes.len() {
                self.work(index);
            }
            if self.random.once_in(2) {
                self.rest();
                self.now = self.now.after(self.random.between(1, 10));
            }
        }
        self.finish();
    }

    /// One thing happens.
    fn happen(&mut self) {
        let index = self.random.below(self.nodes.len());
        let topic = self.random.below(self.topics.len());
        let (random, often) = (&mut self.random, &self.often);
        if random.once_in(often.failover) {
            self.sequencer.fail_over(topic);
        }
        if random.once_in(often.foreign) {
            let publisher = random.below(self.foreign.len());
            let number = self.foreign[publisher];
            self.foreign[publisher] += 1;
            let message = draw_message(random, publisher as u32, number);
            self.sequencer
                .order_foreign(topic, &message, &mut self.links);
        }
        let node = &mut self.nodes[index];
        if random.once_in(often.program) {
            node.program.push_back((
                topic,
                draw_message(random, node.program_publisher, node.program_sent),
            ));
            node.program_sent += 1;
        }
        if random.once_in(often.cut) {
            self.links[index].cut(random.between(1, 10));
        }
        if random.once_in(often.silence) {
            self.links[index].silent = random.between(1, 100);
        }
        if node.members.len() < 8 && random.once_in(3) {
            let (echo, deflate) = (
                !random.once_in(often.no_echo),
                random.once_in(often.deflate),
            );
            node.connect(topic, &self.topics[topic], self.publishers, echo, deflate);
            self.publishers += 1;
        } else if let Some(slot) = node.pick(random) {
            node.act(slot, random, often);
        }
        self.sequencer
            .advance(&mut self.links, &mut self.random, self.often.unknown);
    }

    /// A relay gets a turn, in which its link brings what it has.
    fn work(&mut self, index: usize) {
        let (node, link) = (&mut self.nodes[index], &mut self.links[index]);
        node.refuse = self.often.refuse;
        node.begin_turn(self.now);
        link.work(
            node,
            &mut self.sequencer,
            &self.topics,
            &mut self.random,
            &self.often,
        );
        node.run_turn(&self.topics);
    }

    /// Turns until every relay sleeps, while the engine is silent.
    fn rest(&mut self) {
        for node in &mut self.nodes {
            for turns in 0.. {
                let moved = node.move_network(self.now);
                if !node.is_awake(self.now) && !moved {
                    break;
                }
                assert!(turns < 1000, "the loop spins, and the engine is silent");
                node.begin_turn(self.now);
                node.run_turn(&self.topics);
            }
            node.check_rest();
        }
    }

    /// Nothing fails any more: every message reaches every member.
    fn finish(&mut self) {
        self.often.cut = 0;
        self.often.repeat = 0;
        self.often.lose = 0;
        for link in &mut self.links {
            link.silent = 0;
            link.down = link.down.min(1);
        }
        // The outcome of the last round is told in the next.
        let mut idle_rounds = 0;
        for _ in 0..10_000 {
            for index in 0..self.nodes.len() {
                self.work(index);
            }
            self.sequencer
                .advance(&mut self.links, &mut self.random, self.often.unknown);
            self.rest();
            let is_idle = |(node, link): (&Node, &Link)| node.is_idle() && link.is_idle();
            let are_idle = self.nodes.iter().zip(&self.links).all(is_idle);
            match are_idle && self.sequencer.is_idle() {
                true => idle_rounds += 1,
                false => idle_rounds = 0,
            }
            if idle_rounds == 2 {
                break;
            }
        }
        for (node, link) in self.nodes.iter_mut().zip(&self.links) {
            node.check_end(&self.sequencer, link);
        }
        self.sequencer.check_publishers(&self.nodes);
    }
}

fn draw_message(random: &mut Random, publisher: u32, number: u32) -> Message {
    Message {
        publisher,
        number,
        kind: random.pick(&[MessageKind::Text, MessageKind::Binary]),
        // Even, so that a text is whole characters.
        bytes: 24 + 2 * random.below((MESSAGE_BYTES_MAX - 24) / 2),
        disguise: None,
    }
}
