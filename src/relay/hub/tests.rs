//! The hub by its face, with seats but no connections: against a model in which each reader has a queue of
//! messages of its own.

use super::*;
use crate::log::Position;
use crate::proto::event_stream::GROWTH_MAX;
use crate::proto::{FrameHeader, MessageKind};
use crate::relay::ids::MessageId;
use crate::relay::policy::{Policies, Policy, Retention, SlowPolicy};
use crate::relay::seat::Seat;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use proptest::prelude::*;
use proptest::sample::Index;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

const TOPICS: [&str; 2] = ["lobby", "news"];
const ENCODINGS: [Encoding; 4] = [
    Encoding::Plain,
    Encoding::Deflate9,
    Encoding::Deflate15,
    Encoding::Events,
];

/// Bytes of events that are written at a time for a reader that is sent what it missed.
const EVENTS_BYTES_MAX: usize = 600;

/// A topic retains 16 KiB, in segments of 1 KiB; both together 24 KiB.
fn limits(slow_policy: SlowPolicy, pace: Pace) -> Limits {
    Limits {
        topic_log_bytes_max: 16 << 10,
        log_bytes_max: 24 << 10,
        policies: Arc::new(slow_policy.into()),
        pace,
        ..Limits::of_tests()
    }
}

/// What a reader is to be sent, in the model: frames or events, of the first of which some has left.
#[derive(Debug, Default)]
struct Reader {
    topic: &'static str,
    /// It reads events.
    has_events: bool,
    /// What was written for it, and has yet to leave.
    outbox: Vec<u8>,
    frames: VecDeque<Vec<u8>>,
    sent: usize,
    closes: bool,
    /// It asked for messages of before it joined.
    asked: bool,
}

impl Reader {
    fn owed(&self) -> Vec<u8> {
        let owed: Vec<u8> = self.frames.iter().flatten().copied().collect();
        owed[self.sent..].to_vec()
    }

    fn take(&mut self, bytes: usize) {
        self.sent += bytes;
        while let Some(first) = self.frames.front()
            && first.len() <= self.sent
        {
            self.sent -= first.len();
            self.frames.pop_front();
        }
    }

    /// The rest of the frame that has begun to leave.
    fn cut(&mut self) -> Vec<u8> {
        let begun = (self.sent > 0).then(|| self.frames.pop_front()).flatten();
        let rest = begun.map_or(Vec::new(), |frame| frame[self.sent..].to_vec());
        self.sent = 0;
        rest
    }

    /// The next messages won't come.
    fn miss(&mut self, messages: u64) {
        self.frames.drain(..messages as usize);
    }
}

/// A message as an event.
fn event(id: MessageId, frame: &[u8]) -> Vec<u8> {
    let (header, header_bytes) = FrameHeader::decode(frame).unwrap().unwrap();
    let mut event = format!("id: {id}\nevent: binary\ndata: ").into_bytes();
    assert_eq!(header.opcode, MessageKind::Binary.opcode());
    event.extend(BASE64.encode(&frame[header_bytes..]).bytes());
    event.extend(b"\n\n");
    event
}

struct World {
    hub: Hub,
    seats: Vec<Seat>,
    readers: BTreeMap<Slot, Reader>,
    limits: Limits,
    counters: Counters,
    published: usize,
    now: Tick,
    /// All messages of the present life of each topic, and when they came.
    histories: BTreeMap<&'static str, Vec<(Tick, Vec<u8>)>>,
    /// Memory was short: what is retained may be less than the bounds say.
    was_short: bool,
}

impl World {
    fn new(limits: Limits) -> Self {
        World {
            hub: Hub::new(&limits, Tick(0)),
            seats: Vec::new(),
            readers: BTreeMap::new(),
            limits,
            counters: Counters::default(),
            published: 0,
            now: Tick(0),
            histories: BTreeMap::new(),
            was_short: false,
        }
    }

    fn join(&mut self, topic: &'static str, encoding: Encoding, echo: bool) -> Slot {
        self.join_since(topic, encoding, echo, None)
    }

    fn join_since(
        &mut self,
        topic: &'static str,
        encoding: Encoding,
        echo: bool,
        since: Option<Start>,
    ) -> Slot {
        let slot = Slot(self.seats.len() as u32);
        // Who reads events publishes nothing by that connection.
        let echo = echo || encoding == Encoding::Events;
        self.seats.push(Seat::empty());
        self.seats.seat_mut(slot).set_echo(echo);
        let seats = &mut self.seats;
        let joined = self.hub.join(seats, slot, topic, encoding, since, self.now);
        let history = self.histories.entry(topic).or_default();
        assert!(!joined.is_new || history.is_empty());
        let first = joined.after.number as usize;
        let has_events = encoding == Encoding::Events;
        let MessageId { epoch, number } = joined.after;
        let frames = (number + 1..)
            .zip(&history[first..])
            .map(|(number, (_, frame))| match has_events {
                true => event(MessageId { epoch, number }, frame),
                false => frame.clone(),
            });
        let reader = Reader {
            topic,
            has_events,
            frames: frames.collect(),
            asked: since.is_some(),
            ..Reader::default()
        };
        self.check_joined(topic, since, joined);
        self.readers.insert(slot, reader);
        slot
    }

    fn leave(&mut self, slot: Slot) {
        let topic = self.hub.leave(&mut self.seats, slot, self.now);
        let reader = self.readers.remove(&slot).expect("a member");
        assert_eq!(topic.map(|topic| self.hub.name(topic)), Some(reader.topic));
    }

    /// A reader is to have what has come, and leaves once it has.
    fn close(&mut self, slot: Slot) {
        let is_owed = self.hub.end_at_tail(&mut self.seats, slot);
        let reader = self.readers.get_mut(&slot).expect("a member");
        assert_eq!(is_owed, !reader.frames.is_empty());
        reader.closes = true;
        if !is_owed {
            self.leave(slot);
        }
    }

    /// A member publishes into its topic, if its topic has free bytes for it.
    fn publish(&mut self, sender: Slot, payload_bytes: usize) {
        let seat = *self.seats.seat(sender);
        let topic = self.hub.topic_of(&seat);
        let topics = &self.hub.logs.topics;
        let is_events = |key: VariantKey| topics[key].encoding == Encoding::Events;
        let has_events = topics[topic].variants().any(is_events);
        // Events may grow to far more than these do.
        let growth = if has_events { GROWTH_MAX } else { 1 };
        if self.hub.free_bytes(topic, &self.limits) * growth < payload_bytes {
            return;
        }
        let payload = vec![self.published as u8; payload_bytes];
        self.published += 1;
        let own = self.seats.excluded(sender);
        let excluded_from = own.map_or(VariantKey::NONE, |_| self.hub.reads(&seat));
        let message = Publication {
            excluded_from,
            origin: u64::from(sender.0),
            kind: MessageKind::Binary,
            payload: &payload,
        };
        self.hub
            .append(topic, message, self.now, &self.limits, &mut self.counters);
        let header = FrameHeader {
            fin: true,
            compressed: false,
            opcode: MessageKind::Binary.opcode(),
            mask: None,
            payload_bytes: payload_bytes as u64,
        };
        let frame = [&header.encode()[..], &payload].concat();
        let id = self.hub.last_message(topic);
        let topic = self.readers[&sender].topic;
        let history = self.histories.get_mut(topic).expect("it exists");
        history.push((self.now, frame.clone()));
        for (&slot, reader) in &mut self.readers {
            if reader.topic == topic && !reader.closes && !(slot == sender && own.is_some()) {
                reader.frames.push_back(match reader.has_events {
                    true => event(id, &frame),
                    false => frame.clone(),
                });
            }
        }
    }

    /// Laps, lagging members whose sockets are not full, the walk, and the end of the turn. Writes take this
    /// many bytes, one after the other; one that takes less than it was offered leaves the socket full.
    fn turn(&mut self, writes: &mut impl FnMut() -> usize) {
        self.was_short |= self.hub.logs.is_overfull(&self.limits);
        self.lap();
        let lagging: Vec<Slot> = self.readers.keys().copied().collect();
        for slot in lagging {
            let seat = self.seats.seat(slot);
            let has_output = seat.lagging.is_some() || !self.readers[&slot].outbox.is_empty();
            if has_output && !seat.is_blocked() {
                self.write(slot, writes());
            }
        }
        let pace = self.limits.pace;
        self.hub.begin_walk(&pace, self.counters.sent_bytes);
        let mut visits = 0;
        while let Some(slot) = (self.hub).poll_walk(&mut self.seats, &pace, &mut self.counters) {
            let seat = self.seats.seat(slot);
            assert!(seat.lagging.is_none() && !seat.is_blocked());
            assert!(!self.readers[&slot].frames.is_empty());
            self.write(slot, writes());
            visits += 1;
        }
        assert!(visits <= pace.visits_per_turn);
        let mut ended = Vec::new();
        self.hub
            .end_turn(&self.seats, self.now, |_, name| ended.push(name.to_owned()));
        self.histories
            .retain(|topic, _| !ended.iter().any(|ended| ended == topic));
    }

    fn lap(&mut self) {
        self.hub.begin_laps(&self.seats, &self.limits, self.now);
        loop {
            let before = self.counters;
            let rest_bytes_max = Some(self.limits.rescue_bytes_max);
            let Some(lapped) = self.hub.poll_lap(
                &mut self.seats,
                &self.limits,
                &mut self.counters,
                rest_bytes_max,
            ) else {
                return;
            };
            let Lapped { slot, fate, rest } = lapped;
            let reader = self.readers.get_mut(&slot).expect("a member");
            let is_blocked = self.seats.seat(slot).is_blocked();
            assert!(is_blocked || reader.asked, "it was not served");
            // What is left of an event that is written in part can't be had any more: it is a large one.
            let is_large = |event: &Vec<u8>| event.len() > EVENTS_BYTES_MAX;
            let is_torn = reader.has_events
                && reader.asked
                && reader.sent > 0
                && reader.frames.front().is_some_and(is_large);
            let expected = reader.cut();
            let owed = reader.frames.len() as u64;
            match fate {
                Fate::Broken => {
                    assert!(is_torn || expected.len() > self.limits.rescue_bytes_max);
                }
                _ => assert_eq!(rest, expected),
            }
            let lost = self.counters.messages_lost - before.messages_lost;
            match fate {
                Fate::GoesOn { missed } => {
                    assert!(lost == 0 && missed <= owed);
                    assert!(reader.asked || missed == owed);
                    reader.miss(missed);
                }
                // What was skipped at its place in another log was counted then.
                _ if reader.asked => assert!(lost <= owed + u64::from(is_torn)),
                _ => assert_eq!(lost, owed),
            }
            match fate {
                Fate::GoesOn { .. } => {}
                Fate::CutShort { has_missed } => assert_eq!(has_missed, owed > 0),
                Fate::Served => assert_eq!(owed, 0),
                Fate::Closes => assert!(!self.hub.end_at_tail(&mut self.seats, slot)),
                Fate::Broken => {}
            }
            if !matches!(fate, Fate::GoesOn { .. }) {
                self.leave(slot);
            }
        }
    }

    fn write(&mut self, slot: Slot, bytes: usize) {
        let Some(bytes) = self.write_outbox(slot, bytes) else {
            return;
        };
        let seat = *self.seats.seat(slot);
        let end = self.hub.end(&seat);
        let spans = self.hub.spans(&self.seats, slot, seat.cursor(), end);
        let owed = spans
            .flat_map(|span| span.bytes)
            .copied()
            .collect::<Vec<_>>();
        let reader = self.readers.get_mut(&slot).expect("a member");
        assert!(reader.owed().starts_with(&owed));
        assert!(seat.is_replaying() || owed.len() == reader.owed().len());
        let taken = bytes.min(owed.len());
        reader.take(taken);
        self.counters.sent_bytes += taken as u64;
        self.hub.advance(&mut self.seats, slot, end, taken);
        let before = seat.cursor();
        let gone_over = self
            .hub
            .on_sent(&mut self.seats, slot, before, &mut self.counters);
        reader.miss(gone_over.unwrap_or(0));
        if taken < owed.len() {
            self.hub.on_blocked(&mut self.seats, slot);
            return;
        }
        let is_owed = self.hub.is_owed(&mut self.seats, slot);
        assert_eq!(is_owed, !self.readers[&slot].frames.is_empty());
        if is_owed {
            return;
        }
        self.hub.catch_up(&mut self.seats, slot);
        if self.readers[&slot].closes {
            self.leave(slot);
        }
    }

    /// A reader of events may be sent what it missed: more of it is written. How many bytes of the write are left
    /// for what comes of a log, unless it is for nothing else.
    fn write_outbox(&mut self, slot: Slot, bytes: usize) -> Option<usize> {
        let reader = self.readers.get_mut(&slot).expect("a member");
        let is_replaying = |seats: &Vec<Seat>| seats.seat(slot).is_replaying();
        if reader.has_events && is_replaying(&self.seats) {
            let before = reader.outbox.len();
            let (hub, seats) = (&mut self.hub, &mut self.seats);
            let gone_over = hub.write_events(seats, slot, &mut reader.outbox, EVENTS_BYTES_MAX);
            let written = reader.outbox[before..].to_vec();
            assert!(reader.owed().starts_with(&written) && reader.outbox.len() < 700);
            reader.take(written.len());
            assert_eq!(gone_over.is_some(), !is_replaying(&self.seats));
            assert!(gone_over.is_none() || reader.sent == 0);
            reader.miss(gone_over.unwrap_or(0));
        }
        let taken = bytes.min(reader.outbox.len());
        reader.outbox.drain(..taken);
        self.counters.sent_bytes += taken as u64;
        if !reader.outbox.is_empty() {
            self.hub.on_blocked(&mut self.seats, slot);
            return None;
        }
        let is_replaying = reader.has_events && is_replaying(&self.seats);
        (!is_replaying).then_some(bytes - taken)
    }

    /// What holds after each turn.
    fn check(&self) {
        let mut log_bytes = 0;
        let mut lagging = 0;
        let mut lag_bytes = 0..=0;
        for slot in 0..self.hub.topic_slots() {
            let Some(topic) = self.hub.logs.topics.at(slot) else {
                continue;
            };
            for key in self.hub.logs.topics[topic].variants() {
                let variant = &self.hub.logs.topics[key];
                let kept = self.hub.logs.kept_from(key, self.now);
                let needed = self.needed_from(key).min(kept);
                let (head, tail) = (variant.log.head(), variant.log.tail());
                assert!(head <= needed && needed <= tail);
                // What nobody reads is looked at again when the next segment begins: until then it holds one more.
                let held_max = if self.retention().is_some() {
                    8192
                } else {
                    4096
                };
                let is_trimmed = needed.since(head) <= held_max;
                assert!(is_trimmed || variant.dirty, "more is held than a segment");
                log_bytes += variant.log.bytes();
                lagging += variant.laggards.len();
                if variant.laggards.len() > 0 {
                    let members = self.readers.keys().map(|&slot| self.seats.seat(slot));
                    let cursors = members
                        .filter(|seat| seat.variant == key && seat.lagging.is_some())
                        .map(Seat::cursor);
                    let last = cursors.min().unwrap_or(tail);
                    let (low, high) = (tail.since(last), tail.since(head));
                    lag_bytes = *lag_bytes.start().max(&low)..=*lag_bytes.end().max(&high);
                }
            }
            let history = self.hub.logs.histories.get(topic);
            log_bytes += history.map_or(0, |history| history.charged_bytes);
        }
        assert_eq!(self.hub.log_bytes(), log_bytes);
        assert_eq!(self.hub.lagging(), lagging);
        assert!(lag_bytes.contains(&self.hub.lag_bytes_max()));
        let has_work = self.hub.has_work(&self.limits);
        // A reader whose socket is full may lag behind messages of its own, of which it is owed none.
        if !has_work && lagging == 0 {
            assert!(self.readers.values().all(|reader| reader.frames.is_empty()));
            assert!(log_bytes == 0 || self.retention().is_some());
        }
        if !has_work && self.retention().is_none() {
            let topics = TOPICS.iter().filter(|topic| {
                let mut readers = self.readers.values();
                readers.any(|reader| reader.topic == **topic)
            });
            assert_eq!(self.hub.topics(), topics.count());
        }
    }

    /// The lowest position that a member of a variant, or the walk, may still need.
    fn needed_from(&self, key: VariantKey) -> Position {
        let settled = self.hub.logs.topics[key].settled();
        let seats = self.readers.keys().map(|&slot| self.seats.seat(slot));
        let members = seats.filter(|seat| seat.variant == key);
        let (lagging, with_walk): (Vec<&Seat>, _) =
            members.partition(|seat| seat.lagging.is_some());
        assert!(with_walk.iter().all(|seat| seat.cursor() >= settled));
        let places = self.hub.logs.topics[key].laggards.first_place();
        let cursors = lagging.iter().map(|seat| seat.cursor()).chain(places);
        cursors.min().map_or(settled, |floor| floor.min(settled))
    }

    fn retention(&self) -> Option<Retention> {
        self.limits.policies.everywhere().retention
    }

    /// Bounds of the oldest message that is offered, by those of a topic's retention: one of which it is certain
    /// that it is, and one before which none is.
    fn oldest(&self, topic: &str, age_max: u32) -> [usize; 2] {
        let history = &self.histories[topic];
        let Some(retention) = self.retention() else {
            return [history.len(); 2];
        };
        // Age is told apart by the second.
        let bounds = [(0, 2048), (10, 0)];
        bounds.map(|(slack_ticks, slack_bytes)| {
            let mut bytes = slack_bytes;
            let is_kept = |&(index, (came, frame)): &(usize, &(Tick, Vec<u8>))| {
                bytes += frame.len();
                let messages = (history.len() - index) as u64;
                let age = self.now.since(*came);
                age <= retention.time.min(age_max) + slack_ticks
                    && messages <= retention.messages_max
                    && bytes <= retention.bytes_max
            };
            let kept = history.iter().enumerate().rev().take_while(is_kept).count();
            history.len() - kept
        })
    }

    /// A reader begins where it asked to, or is told what it misses.
    fn check_joined(&self, topic: &str, since: Option<Start>, joined: Joined) {
        let messages = self.histories[topic].len();
        let (first, last) = (joined.after.number as usize, self.hub.find(topic));
        let epoch = last.map(|topic| self.hub.last_message(topic).epoch);
        assert_eq!(Some(joined.after.epoch), epoch);
        let [certain, earliest] = self.oldest(topic, u32::MAX);
        let certain = if self.was_short { messages } else { certain };
        let is_oldest = (earliest..=certain).contains(&first);
        match since {
            None => assert_eq!(first, messages),
            Some(Start::All) => assert!(is_oldest),
            Some(Start::Age(ticks)) => {
                let [young, may_be] = self.oldest(topic, ticks);
                assert!(may_be <= first && first <= young.max(certain));
            }
            Some(Start::Last(count)) => {
                let wanted = messages.saturating_sub(count as usize);
                assert!(first == wanted || first > wanted && is_oldest);
            }
            Some(Start::After(id)) => {
                let is_known = Some(id.epoch) == epoch && id.number <= messages as u64;
                let missed = joined.after.number.checked_sub(id.number);
                match joined.missing {
                    None => assert_eq!(joined.after, id),
                    Some(Missing { messages: None }) => assert!(is_oldest && !is_known),
                    Some(Missing { messages }) => {
                        assert!(is_oldest && is_known);
                        assert_eq!(messages, missed.filter(|&missed| missed > 0));
                    }
                }
                return;
            }
        }
        assert_eq!(joined.missing, None);
    }

    /// Where a reader may ask to begin: by chance.
    fn since(&self, topic: &str, form: u8, number: Index) -> Option<Start> {
        let messages = self.histories.get(topic).map_or(0, Vec::len);
        let number = number.index(messages + 3) as u64;
        let epoch = self
            .hub
            .find(topic)
            .map(|key| self.hub.last_message(key).epoch);
        Some(match form {
            0 => return None,
            1 => Start::All,
            2 => Start::Age(number as u32 * 7),
            3 => Start::Last(number),
            4 => Start::After(MessageId {
                epoch: crate::relay::ids::Epoch::of(number << 60),
                number,
            }),
            _ => Start::After(MessageId {
                epoch: epoch?,
                number,
            }),
        })
    }

    fn pick(&self, index: Index) -> Option<Slot> {
        let count = self.readers.len();
        let nth = (count > 0).then(|| index.index(count))?;
        self.readers.keys().copied().nth(nth)
    }
}

#[derive(Clone, Debug)]
enum Op {
    Join(Index, Index, bool, u8, Index),
    Pass(u32),
    Leave(Index),
    Close(Index),
    Publish(Index, usize),
    Unblock(Index),
    Turn,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        3 => (any::<(Index, Index, bool)>(), 0u8..8, any::<Index>())
            .prop_map(|((topic, encoding, echo), form, number)| Op::Join(topic, encoding, echo, form, number)),
        1 => prop_oneof![0u32..15, 0u32..400].prop_map(Op::Pass),
        1 => any::<Index>().prop_map(Op::Leave),
        1 => any::<Index>().prop_map(Op::Close),
        8 => (any::<Index>(), prop_oneof![0usize..200, 200usize..3000])
            .prop_map(|(sender, bytes)| Op::Publish(sender, bytes)),
        2 => any::<Index>().prop_map(Op::Unblock),
        4 => Just(Op::Turn),
    ]
}

proptest! {
    /// Whatever comes in whatever order, each reader is owed what its queue in the model holds, until it is
    /// lapped for good reason; and the logs hold what is needed, and hardly more.
    #[test]
    fn readers_are_owed_what_a_queue_of_their_own_would_hold(
        ops in prop::collection::vec(op(), 1..200),
        writes in prop::collection::vec(prop_oneof![Just(usize::MAX), 0usize..2000], 1..20),
        skips: bool,
        rescue_bytes_max in prop_oneof![Just(500), Just(64 << 10)],
        visits in 1u32..6,
        laps_per_turn in prop_oneof![Just(2usize), Just(256)],
        retention in prop::option::of((
            prop_oneof![5u32..100, 100u32..1000],
            prop_oneof![Just(u64::MAX), 1u64..20],
            prop_oneof![500usize..8 << 10, Just(8 << 10)],
        )),
        log_bytes_max in prop_oneof![Just(24 << 10), Just(1 << 20)],
    ) {
        let pace = Pace {
            visits_per_turn: visits,
            topic_visits_per_turn: visits.div_ceil(2),
            laps_per_turn,
            ..Pace::default()
        };
        let slow_policy = if skips { SlowPolicy::Skip } else { SlowPolicy::Close };
        let retention = retention.map(|(time, messages_max, bytes_max)| Retention { time, messages_max, bytes_max });
        let policy = Policy { slow_policy, retention, ..Policy::default() };
        let mut world = World::new(Limits {
            rescue_bytes_max,
            log_bytes_max,
            policies: Arc::new(Policies::from(policy)),
            ..limits(slow_policy, pace)
        });
        let mut writes = writes.into_iter().cycle();
        let mut next = || writes.next().unwrap_or(usize::MAX);
        for op in ops {
            match op {
                Op::Join(topic, encoding, echo, form, number) => {
                    let topic = TOPICS[topic.index(2)];
                    let since = world.since(topic, form, number);
                    world.join_since(topic, ENCODINGS[encoding.index(4)], echo, since);
                }
                Op::Pass(ticks) => {
                    world.now = world.now.after(ticks);
                    world.hub.begin_turn(world.now);
                }
                Op::Leave(index) => if let Some(slot) = world.pick(index) { world.leave(slot) },
                Op::Close(index) => {
                    if let Some(slot) = world.pick(index) && !world.readers[&slot].closes {
                        world.close(slot);
                    }
                }
                Op::Publish(index, bytes) => {
                    if let Some(slot) = world.pick(index) && !world.readers[&slot].closes {
                        world.publish(slot, bytes);
                    }
                }
                Op::Unblock(index) => if let Some(slot) = world.pick(index) {
                    world.seats.seat_mut(slot).set_blocked(false);
                },
                Op::Turn => {
                    world.turn(&mut next);
                    world.check();
                }
            }
        }
        // At last, no socket is full: in the end, nothing is owed, and nothing held.
        for seat in &mut world.seats {
            seat.set_blocked(false);
        }
        let is_owed = |reader: &Reader| !reader.frames.is_empty() || !reader.outbox.is_empty();
        while world.readers.values().any(is_owed) || world.hub.has_work(&world.limits) {
            world.turn(&mut || usize::MAX);
            world.check();
        }
        while let Some(&slot) = world.readers.keys().next() {
            world.leave(slot);
        }
        world.turn(&mut || usize::MAX);
        // What is retained expires.
        for _ in 0..2 {
            world.now = world.now.after(1100);
            world.hub.begin_turn(world.now);
            world.turn(&mut || usize::MAX);
            world.check();
        }
        prop_assert_eq!(world.hub.next_due(), None);
        prop_assert_eq!((world.hub.topics(), world.hub.log_bytes(), world.hub.lagging()), (0, 0, 0));
    }
}

/// Four members in each topic, and a frame of 40 bytes for each: how many of them have had it after each turn.
fn served_by_turns(pace: Pace) -> Vec<(usize, usize)> {
    let mut world = World::new(limits(SlowPolicy::Close, pace));
    let [lobby, news] = TOPICS.map(|topic| {
        let join = |world: &mut World| world.join(topic, Encoding::Plain, true);
        [0; 4].map(|_| join(&mut world))
    });
    world.publish(lobby[0], 38);
    world.publish(news[0], 38);
    let mut turns = Vec::new();
    while world.hub.has_work(&world.limits) {
        world.turn(&mut || usize::MAX);
        let served = |slots: &[Slot]| {
            let mut frames = slots.iter().map(|slot| world.readers[slot].frames.len());
            4 - frames.by_ref().sum::<usize>()
        };
        turns.push((served(&lobby), served(&news)));
    }
    turns
}

#[test]
fn a_turn_visits_a_part_of_each_topic() {
    let visits = |visits_per_turn, topic_visits_per_turn| Pace {
        visits_per_turn,
        topic_visits_per_turn,
        ..Pace::default()
    };
    assert_eq!(served_by_turns(visits(3, 2)), [(2, 1), (4, 2), (4, 4)]);
    // No topic has a second share, even if there is time for it.
    assert_eq!(served_by_turns(visits(100, 3)), [(3, 3), (4, 4)]);
    // What one does not need is for the others.
    assert_eq!(served_by_turns(visits(7, 7)), [(4, 3), (4, 4)]);
}

#[test]
fn a_turn_sends_a_part_to_each_topic() {
    let bytes = |flush_bytes_per_turn, topic_flush_bytes_per_turn| Pace {
        flush_bytes_per_turn,
        topic_flush_bytes_per_turn,
        ..Pace::default()
    };
    // The write that reaches the bound is the last.
    assert_eq!(served_by_turns(bytes(150, 100)), [(3, 1), (4, 4)]);
    assert_eq!(served_by_turns(bytes(160, 80)), [(2, 2), (4, 4)]);
    assert_eq!(
        served_by_turns(bytes(1000, 1)),
        [(1, 1), (2, 2), (3, 3), (4, 4)]
    );
}

#[test]
fn beyond_the_bound_of_all_logs_the_one_that_retains_most_is_cut() {
    let mut world = World::new(limits(SlowPolicy::Skip, Pace::default()));
    let [small, large] = TOPICS.map(|topic| world.join(topic, Encoding::Plain, true));
    for (slot, messages) in [(small, 7), (large, 11)] {
        for _ in 0..messages {
            world.publish(slot, 1000);
            world.turn(&mut || 0);
        }
    }
    assert!(!world.hub.has_work(&world.limits));
    world.limits.log_bytes_max = 16 << 10;
    world.turn(&mut || 0);
    assert_eq!(world.counters.skips, 1);
    assert_eq!(world.readers[&small].frames.len(), 7);
    assert_eq!(world.readers[&large].frames.len(), 0);
}
