use super::*;
use crate::bench::codec::Codec;
use crate::bench::tally::{Returns, Tally};
use crate::proto::{MessageKind, OpCode, Role};

const MARK: &str = "\u{1e}mark";

/// A reader that is cut off, numbered 0, and one that has everything.
struct World {
    audience: Audience,
    shared: Shared,
    publishers: usize,
    /// The frames that were published, in their order.
    frames: Vec<Vec<u8>>,
}

impl World {
    fn new(publishers: usize) -> Self {
        let script = Script::new(MessageKind::Text, &[20, 300], 7);
        let shared = Shared {
            codec: Codec::new(false),
            script,
            tally: Tally::default(),
            returns: Returns::default(),
        };
        let mut audience = Audience::new(40, publishers);
        (0..2).for_each(|_| audience.join(&shared.script, None));
        audience.number();
        let mut world = World {
            audience,
            shared,
            publishers,
            frames: Vec::new(),
        };
        world.receive_text(0, &welcome(100));
        world.receive_text(1, &welcome(100));
        world
    }

    /// Publishes this many messages, of each publisher in turn, which the other reader gets.
    fn publish(&mut self, count: usize) {
        for _ in 0..count {
            let publisher = self.frames.len() % self.publishers;
            let track = &self.audience.tracks[publisher];
            let from = self.shared.script.position(track.published());
            self.audience
                .publish(&mut self.shared, publisher, 1, 10, &mut Vec::new());
            let frame = self.audience.tracks[publisher].from(from).to_vec();
            self.receive(1, &frame);
            self.frames.push(frame);
        }
        self.audience.release(&self.shared.script);
    }

    fn receive(&mut self, receiver: usize, bytes: &[u8]) {
        let received = self.audience.receive(
            &mut self.shared,
            receiver,
            &mut bytes.to_vec(),
            15,
            &mut Vec::new(),
        );
        assert_eq!(received, Ok(()));
        if !self.audience.is_awaited(receiver) {
            self.audience.follow_up(&mut self.shared, receiver, 1000);
        }
    }

    /// The reader gets these of the messages that were published.
    fn get(&mut self, messages: std::ops::Range<usize>) {
        let bytes = self.frames[messages].concat();
        self.receive(0, &bytes);
    }

    fn receive_text(&mut self, receiver: usize, said: &str) {
        let mut frame = Vec::new();
        Role::Server.write_frame(true, OpCode::Text, said.as_bytes(), &mut frame);
        self.receive(receiver, &frame);
    }

    fn cut(&mut self) {
        assert!(self.audience.cut(&self.shared.script, 0));
    }

    fn come_back(&mut self, id: u64) {
        assert!(self.audience.come_back(&self.shared, 0, 600));
        self.receive_text(0, &welcome(id));
    }

    fn id(&self) -> String {
        let id = self.audience.id(&self.shared.script, 0);
        id.map(|id| id.to_string()).unwrap_or_default()
    }

    /// What was wrong in the end.
    fn faults(mut self) -> Vec<String> {
        self.audience.leave(&mut self.shared, 0);
        self.audience.leave(&mut self.shared, 0);
        assert_eq!(self.audience.absent(), 0);
        let faults = self.shared.tally.faults();
        faults
            .map(|(name, count)| format!("{count} {name}"))
            .collect()
    }
}

fn welcome(number: u64) -> String {
    format!(r#"{{"fanfare":1,"mark":"\u001emark","topic":"t","id":"k3f9x2a-{number}"}}"#)
}

fn gap(missed: &str, number: u64) -> String {
    format!(r#"{MARK}{{"gap":{missed},"id":"k3f9x2a-{number}"}}"#)
}

#[test]
fn a_reader_counts_and_takes_only_the_mark_for_the_relay() {
    let mut world = World::new(2);
    world.publish(3);
    world.get(0..3);
    world.receive_text(0, &format!(r#"{MARK}{{"ref":1,"id":"k3f9x2a-103"}}"#));
    assert_eq!(world.id(), "k3f9x2a-103");
    world.receive_text(0, r#"{"gap":1,"id":"k3f9x2a-104"}"#);
    assert_eq!(world.faults(), ["1 messages that were never sent"]);
}

#[test]
fn one_that_was_cut_off_gets_the_rest() {
    for publishers in [1, 2] {
        let mut world = World::new(publishers);
        world.publish(2);
        world.get(0..2);
        // In the middle of a frame, whose beginning comes again.
        world.publish(1);
        let half = world.frames[2][..9].to_vec();
        world.receive(0, &half);
        world.cut();
        assert!(!world.audience.cut(&world.shared.script, 0));
        assert_eq!(world.id(), "k3f9x2a-102");
        world.publish(40);
        assert_eq!(world.audience.done(), 43);
        world.come_back(102);
        world.get(2..42);
        assert_eq!(world.audience.absent(), 1);
        world.get(42..43);
        assert_eq!(world.audience.absent(), 0);
        let returns = &world.shared.returns;
        assert_eq!((returns.came_back, returns.replayed), (1, 41));
        assert_eq!(returns.coming_back.max(), 400);
        // Messages wait for it again.
        world.publish(1);
        assert_eq!(world.audience.done(), 43);
        world.get(43..44);
        assert_eq!(
            (world.audience.done(), world.id().as_str()),
            (44, "k3f9x2a-144")
        );
        assert_eq!(world.faults(), Vec::<String>::new());
    }
}

#[test]
fn a_gap_that_is_told_is_no_fault() {
    for publishers in [1, 3] {
        let mut world = World::new(publishers);
        world.publish(3);
        world.get(0..3);
        world.cut();
        world.publish(30);
        world.come_back(113);
        world.receive_text(0, &gap("10", 113));
        world.get(13..30);
        world.publish(2);
        world.get(30..35);
        let returns = &world.shared.returns;
        assert_eq!(
            (returns.gaps, returns.missed, returns.replayed),
            (1, 10, 20)
        );
        assert_eq!((world.audience.done(), world.audience.absent()), (35, 0));
        assert_eq!(world.faults(), Vec::<String>::new());
    }
}

#[test]
fn nothing_may_be_left_after_a_gap() {
    let mut world = World::new(3);
    world.publish(3);
    world.cut();
    world.publish(3);
    world.come_back(106);
    world.receive_text(0, &gap("6", 106));
    assert_eq!((world.audience.done(), world.audience.absent()), (6, 0));
    assert_eq!(world.faults(), Vec::<String>::new());
}

#[test]
fn broken_sequences_are_named() {
    let broken = |publishers: usize, come_back: &dyn Fn(&mut World)| {
        let mut world = World::new(publishers);
        world.publish(2);
        world.get(0..2);
        world.cut();
        world.publish(10);
        come_back(&mut world);
        world.faults()
    };
    let wrong_gap = "1 gaps that are none, or whose ids don't fit";
    for publishers in [1, 2] {
        assert_eq!(
            broken(publishers, &|world| {
                world.come_back(102);
                world.get(4..12);
            }),
            ["2 lost messages"]
        );
        assert_eq!(
            broken(publishers, &|world| {
                world.come_back(101);
                world.get(1..12);
            }),
            ["1 duplicated messages"]
        );
        // More are missing than it said.
        assert_eq!(
            broken(publishers, &|world| {
                world.come_back(104);
                world.receive_text(0, &gap("2", 104));
                world.get(5..12);
            }),
            ["1 lost messages"]
        );
        for said in [
            gap("2", 103),
            gap("11", 113),
            gap("0", 102),
            gap("null", 102),
        ] {
            assert_eq!(
                broken(publishers, &|world| {
                    world.come_back(102);
                    world.receive_text(0, &said);
                    world.get(2..12);
                }),
                [wrong_gap]
            );
        }
        assert_eq!(
            broken(publishers, &|world| {
                world.come_back(102);
                world.get(2..9);
            }),
            ["3 messages that did not come before the end"]
        );
    }
    // What it said to be missing comes after all.
    for (publishers, faults) in [(1, ["2 messages out of order"]), (2, [wrong_gap])] {
        assert_eq!(
            broken(publishers, &|world| {
                world.come_back(104);
                world.receive_text(0, &gap("2", 104));
                world.get(2..12);
            }),
            faults
        );
    }
}
