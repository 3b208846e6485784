use super::*;
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const TOPICS: [&str; 4] = ["a", "b", "c", "d"];

const MAX: Volume = Volume {
    messages: 12,
    bytes: 60,
};

/// Which message it is, at its payload's beginning.
fn number(mail: &Mail) -> u32 {
    u32::from_le_bytes(mail.payload[..4].try_into().unwrap())
}

fn mail(topic: &str, number: u32, bytes: usize) -> Mail {
    let mut payload = vec![0; bytes.max(4)];
    payload[..4].copy_from_slice(&number.to_le_bytes());
    Mail {
        topic: topic.into(),
        kind: MessageKind::Binary,
        payload: payload.into(),
        receipt: None,
    }
}

/// Both halves of a message's path.
struct Pair {
    intake: Intake,
    backlog: Backlog,
}

impl Pair {
    fn new(max: Volume) -> Self {
        Pair {
            intake: Intake::new(max),
            backlog: Backlog::default(),
        }
    }

    fn turn(&mut self, bytes_max: usize, offer: impl FnMut(&mut Mail) -> bool) {
        self.backlog.take_from(&mut self.intake);
        let published = self.backlog.publish(bytes_max, offer);
        self.intake.release(published);
    }
}

#[derive(Clone, Debug)]
enum Step {
    Push {
        topic: usize,
        bytes: usize,
    },
    /// A turn in which topics have space for these numbers of messages.
    Turn {
        space: [usize; 4],
        bytes_max: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let space = || prop_oneof![Just(0_usize), 0_usize..4, Just(99)];
    prop_oneof![
        3 => (0..TOPICS.len(), 4_usize..40).prop_map(|(topic, bytes)| Step::Push { topic, bytes }),
        1 => ([space(), space(), space(), space()], 1_usize..100)
            .prop_map(|(space, bytes_max)| Step::Turn { space, bytes_max }),
    ]
}

/// What is not published yet, one list for each topic.
#[derive(Debug, Default)]
struct Model(BTreeMap<&'static str, VecDeque<(u32, usize)>>);

impl Model {
    fn volume(&self) -> Volume {
        let all = || self.0.values().flatten();
        Volume {
            messages: all().count(),
            bytes: all().map(|(_, bytes)| bytes).sum(),
        }
    }

    fn has_space_for(&self, payload_bytes: usize) -> bool {
        let Volume { messages, bytes } = self.volume();
        messages == 0 || messages < MAX.messages && bytes + payload_bytes <= MAX.bytes
    }
}

proptest! {
    /// Each topic's messages come in order, as many as there is space for, whatever the other topics
    /// do; and the bound holds.
    #[test]
    fn each_topic_is_published_in_order_and_waits_for_itself_alone(steps in vec(step(), 1..200)) {
        let (mut pair, mut model) = (Pair::new(MAX), Model::default());
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Push { topic, bytes } => {
                    let (topic, number) = (TOPICS[topic], number as u32);
                    prop_assert_eq!(pair.intake.has_space_for(bytes), model.has_space_for(bytes));
                    if model.has_space_for(bytes) {
                        pair.intake.push(mail(topic, number, bytes));
                        model.0.entry(topic).or_default().push_back((number, bytes));
                    }
                }
                Step::Turn { space, bytes_max } => check_turn(&mut pair, &mut model, space, bytes_max),
            }
            prop_assert_eq!(pair.intake.unpublished, model.volume());
            let is_empty = pair.backlog.is_empty() && pair.intake.arrived.is_empty();
            prop_assert_eq!(is_empty, model.volume().messages == 0);
        }
        // In the end, all that is left is published, in at most one turn per byte.
        for _ in 0..MAX.bytes {
            check_turn(&mut pair, &mut model, [99; 4], 1);
        }
        prop_assert!(pair.backlog.is_empty());
        prop_assert_eq!(pair.intake.unpublished, Volume::default());
    }
}

fn check_turn(pair: &mut Pair, model: &mut Model, space: [usize; 4], bytes_max: usize) {
    let mut space: BTreeMap<&str, usize> = TOPICS.into_iter().zip(space).collect();
    let mut refused = BTreeSet::new();
    let mut bytes = 0;
    pair.turn(bytes_max, |mail| {
        assert!(bytes < bytes_max, "enough for a turn");
        assert!(!refused.contains(&mail.topic), "offered again");
        let waiting = model.0.get_mut(&*mail.topic).unwrap();
        assert_eq!(waiting.front().map(|front| front.0), Some(number(mail)));
        let space = space.get_mut(&*mail.topic).unwrap();
        if *space == 0 {
            refused.insert(mail.topic.clone());
            return false;
        }
        *space -= 1;
        let (_, size) = waiting.pop_front().unwrap();
        bytes += size;
        true
    });
    let has_space = |topic: &str| space[topic] > 0;
    let could_go_on = model
        .0
        .iter()
        .any(|(topic, waiting)| has_space(topic) && !waiting.is_empty());
    assert!(bytes >= bytes_max || !could_go_on, "a topic was held up");
    let arrived = !pair.backlog.arrived.is_empty();
    assert_eq!(pair.backlog.has_work(has_space), could_go_on || arrived);
}

#[test]
fn a_turn_offers_the_first_message_alone_of_a_full_topic() {
    let max = Volume {
        messages: 1000,
        bytes: 1 << 20,
    };
    let mut pair = Pair::new(max);
    for number in 0..999 {
        pair.intake.push(mail("full", number, 4));
    }
    pair.intake.push(mail("free", 999, 4));
    let offers = |pair: &mut Pair| {
        let mut offered = Vec::new();
        pair.turn(usize::MAX, |mail| {
            offered.push(number(mail));
            &*mail.topic == "free"
        });
        offered
    };
    assert_eq!(offers(&mut pair), [0, 999]);
    assert!(!pair.backlog.has_work(|topic| topic == "free"));
    for _ in 0..3 {
        assert_eq!(offers(&mut pair), [0]);
    }
    assert!(pair.backlog.has_work(|topic| topic == "full"));
}

/// Otherwise the first would get the space each time.
#[test]
fn full_topics_are_visited_in_turn() {
    let max = Volume {
        messages: 1000,
        bytes: 1 << 20,
    };
    let mut pair = Pair::new(max);
    for number in 0..12 {
        pair.intake
            .push(mail(TOPICS[number as usize % 4], number, 4));
    }
    pair.turn(usize::MAX, |_| false);
    let mut published = Vec::new();
    for _ in 0..8 {
        // Space for one message of all topics.
        let mut space = 1;
        pair.turn(usize::MAX, |mail| {
            let has_space = space > 0;
            if has_space {
                space -= 1;
                published.push(number(mail));
            }
            has_space
        });
    }
    assert_eq!(published, [0, 1, 2, 3, 4, 5, 6, 7]);
}
