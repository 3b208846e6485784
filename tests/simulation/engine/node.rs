//! A relay of several, with its clients, and what it must have appended.

use super::link::Link;
use super::member::{Entry, Member};
use super::recorder::{Record, Recorder};
use super::sequencer::{Sequencer, name};
use super::{MESSAGE_BYTES_MAX, Often};
use crate::message::Message;
use crate::random::Random;
use fanfare::http::Site;
use fanfare::proxy::PeerAddress;
use fanfare::relay::{
    Action, Committed, ConnId, Limits, MessageId, Offer, Offered, Party, Relay, Side,
};
use fanfare::transport::{ReadOutcome, WriteOutcome};
use fanfare::turn::{Driver, Readiness, Shares, Told, Turn};
use fanfare::wheel::Tick;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex};

/// What an offer may take besides its payload.
const OFFER_BYTES_MAX: usize = 200;

pub(super) struct Node {
    pub(super) relay: Relay,
    pub(super) members: Vec<Member>,
    turn: Option<Turn>,
    limits: Limits,
    random: Random,
    now: Tick,
    /// What each topic took in, and which was the last.
    entries: BTreeMap<usize, Vec<Entry>>,
    last: BTreeMap<usize, Last>,
    record: Arc<Mutex<Record>>,
    party: Option<Party>,
    /// What the program has yet to publish, and awaits of its messages.
    pub(super) program: VecDeque<(usize, Message)>,
    pub(super) program_publisher: u32,
    pub(super) program_sent: u32,
    awaited: HashMap<u64, Message>,
    /// Offers that were settled without an id.
    unknown: BTreeSet<u64>,
    clients: BTreeSet<u32>,
    pub(super) refuse: u32,
}

/// The last message of a topic, as far as a relay knows it.
#[derive(Clone, Copy, Debug)]
enum Last {
    /// The topic may have ended since.
    Perhaps(MessageId),
    Known(MessageId),
}

impl Node {
    pub(super) fn new(limits: Limits, random: &mut Random, now: Tick) -> Self {
        let mut relay = Relay::new(limits.clone(), Site::embedded(), now);
        relay.order_elsewhere();
        let record = Arc::<Mutex<Record>>::default();
        relay.set_hooks(Recorder(record.clone()));
        Node {
            relay,
            members: Vec::new(),
            turn: Some(Turn::new(Shares {
                read_bytes_max: random.pick(&[1000, 64 << 10]),
                ..Shares::default()
            })),
            limits,
            random: Random::new(u64::from(random.between(0, u32::MAX))),
            now,
            entries: BTreeMap::new(),
            last: BTreeMap::new(),
            record,
            party: None,
            program: VecDeque::new(),
            program_publisher: random.between(1 << 20, 1 << 30),
            program_sent: 0,
            awaited: HashMap::new(),
            unknown: BTreeSet::new(),
            clients: BTreeSet::new(),
            refuse: 0,
        }
    }

    pub(super) fn connect(
        &mut self,
        topic: usize,
        name: &str,
        publisher: u32,
        echo: bool,
        deflate: bool,
    ) {
        let id = self.relay.handle_accept(Side::Public, PeerAddress::Unknown);
        let origin = self.relay.origin(id);
        self.party = Some(origin.party);
        self.clients.insert(publisher);
        let member = Member::new(id, origin, (topic, name), publisher, echo, deflate);
        self.members.push(member);
    }

    pub(super) fn is_client(&self, publisher: u32) -> bool {
        self.clients.contains(&publisher)
    }

    pub(super) fn pick(&self, random: &mut Random) -> Option<usize> {
        (!self.members.is_empty()).then(|| random.below(self.members.len()))
    }

    pub(super) fn act(&mut self, index: usize, random: &mut Random, often: &Often) {
        self.members[index].act(random, often);
    }

    fn members_of(&self, name: &str) -> usize {
        self.record
            .lock()
            .unwrap()
            .members
            .get(name)
            .copied()
            .unwrap_or(0)
    }

    /// A turn's first two parts; what the link brings follows.
    pub(super) fn begin_turn(&mut self, now: Tick) {
        self.now = now;
        self.relay.begin_turn(now);
        self.relay.handle_poll(now, 0, false);
        let mut turn = self.turn.take().expect("it is put back");
        for index in 0..self.members.len() {
            self.members[index].move_network(now);
            if !self.members[index].socket.has_edge() {
                continue;
            }
            let id = self.members[index].id;
            let event = self.members[index].socket.take_event();
            self.members[index].readiness.read_to_end |= event.read_closed || event.error;
            if event.readable || event.read_closed || event.error {
                turn.mark_ready(self, id);
            }
            if event.writable {
                self.relay.handle_writable(id);
            }
        }
        self.turn = Some(turn);
    }

    pub(super) fn run_turn(&mut self, names: &[String]) {
        self.publish(names);
        let mut turn = self.turn.take().expect("it is put back");
        turn.run(self);
        self.turn = Some(turn);
        while let Some(settled) = self.relay.poll_settled() {
            let awaited = self.awaited.remove(&settled.offer);
            assert!(awaited.is_some(), "{settled:?} for no offer");
        }
        let emptied = std::mem::take(&mut self.record.lock().unwrap().emptied);
        for name in emptied {
            let topic = names.iter().position(|other| *other == name);
            let last = topic.and_then(|topic| self.last.get_mut(&topic));
            if let Some(last) = last
                && let Last::Known(id) = *last
            {
                *last = Last::Perhaps(id);
            }
        }
        let unsettled = self.relay.unsettled_bytes();
        let bytes_max = self.limits.unsettled_bytes_max + MESSAGE_BYTES_MAX + OFFER_BYTES_MAX;
        assert!(unsettled <= bytes_max, "{unsettled} bytes are unsettled");
    }

    fn publish(&mut self, names: &[String]) {
        while let Some((topic, message)) = self.program.pop_front() {
            match self
                .relay
                .offer(&names[topic], message.kind, &message.payload())
            {
                Offered::Travels(number) => {
                    self.awaited.insert(number, message);
                }
                Offered::Later => return self.program.push_front((topic, message)),
                Offered::Committed(_) | Offered::NoMembers => panic!("ordered here"),
            }
        }
    }

    pub(super) fn commit(
        &mut self,
        topic: usize,
        index: usize,
        id: MessageId,
        offer: &Offer<'_>,
    ) -> Committed {
        let is_read = self.members_of(offer.topic) > 0;
        let committed = self.relay.commit(id, offer);
        if let (Some(Last::Known(last)), true) = (self.last.get(&topic), is_read) {
            let is_next = id.epoch == last.epoch && id.number == last.number + 1;
            let is_past = id.epoch == last.epoch && id.number <= last.number;
            let is_right = match committed {
                Committed::Appended | Committed::Later => is_next,
                Committed::Repeated => is_past,
                Committed::Missing(told) => !is_next && !is_past && told == *last,
                Committed::NoMembers => false,
            };
            assert!(
                is_right,
                "message {index}, {id}, after {last}: {committed:?}"
            );
        }
        if committed == Committed::Appended {
            self.last.insert(topic, Last::Known(id));
            self.entries.entry(topic).or_default().push(Entry::Message {
                kind: offer.kind,
                payload: offer.payload.to_vec(),
                origin: offer.origin,
            });
        }
        committed
    }

    pub(super) fn discontinuity(&mut self, topic: usize, name: &str, id: MessageId) {
        let is_read = self.members_of(name) > 0;
        self.relay.discontinuity(name, id);
        if !is_read {
            return;
        }
        let before = self.last.insert(topic, Last::Known(id));
        let is_certain = matches!(before, Some(Last::Known(_)));
        if let Some(Last::Known(last) | Last::Perhaps(last)) = before
            && (last != id || !is_certain)
        {
            self.entries
                .entry(topic)
                .or_default()
                .push(Entry::Gap { is_certain });
        }
    }

    pub(super) fn settle(&mut self, number: u64, id: Option<MessageId>) {
        self.relay.settle_offer(number, id);
        if id.is_none() {
            self.unknown.insert(number);
        }
    }

    pub(super) fn move_network(&mut self, now: Tick) -> bool {
        let moves = self
            .members
            .iter_mut()
            .map(|member| member.move_network(now));
        moves.fold(false, |moved, moves| moved | moves)
    }

    pub(super) fn is_awake(&self, now: Tick) -> bool {
        self.relay.has_work()
            || self.turn.as_ref().is_some_and(Turn::has_work)
            || self.relay.poll_timeout().is_some_and(|due| due <= now)
            || !self.program.is_empty() && self.relay.takes_offers()
            || self.members.iter().any(|member| member.socket.has_edge())
    }

    /// It sleeps: every member has received what was committed, and every publisher was read, if there is space.
    pub(super) fn check_rest(&mut self) {
        let takes_offers = self.relay.takes_offers();
        for member in &mut self.members {
            if !member.is_open() {
                continue;
            }
            let none = Vec::new();
            let entries = self.entries.get(&member.topic).unwrap_or(&none);
            let publisher = member.publisher;
            assert!(
                self.relay.is_open(member.id),
                "{publisher} is closed for no reason"
            );
            let owed = member.owed(entries, self.limits.policies.everywhere().slow_policy);
            assert!(owed.is_none(), "{publisher} has not received everything");
            let is_read = !takes_offers || member.socket.backlog() == 0;
            assert!(is_read, "{publisher} is not read, and there is space");
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        let is_heard = self
            .members
            .iter()
            .all(|member| member.socket.backlog() == 0);
        is_heard && self.program.is_empty() && self.relay.unsettled_bytes() == 0
    }

    /// Nothing is under way any more.
    pub(super) fn check_end(&mut self, sequencer: &Sequencer, link: &Link) {
        let unread = self.members.iter().map(|member| member.socket.backlog());
        let unread: Vec<usize> = unread.collect();
        let unsettled = self.relay.unsettled_bytes();
        let is_over = self.is_idle() && link.is_idle();
        assert!(
            is_over,
            "it never ends: {unsettled} unsettled, {unread:?} unread, {link:?}"
        );
        assert!(self.awaited.is_empty(), "a receipt is still awaited");
        self.members.retain(Member::is_open);
        let topics = link.topics.len();
        let told = (self.record.lock().unwrap()).check(&self.relay, sequencer, topics);
        for topic in 0..topics {
            for index in 0..sequencer.len(topic) {
                let ordered = sequencer.get(topic, index);
                let name = name(&ordered.payload);
                let is_ours =
                    Some(ordered.origin.party) == self.party && self.clients.contains(&name.0);
                let is_unknown = self.unknown.contains(&ordered.offer);
                assert!(
                    !is_ours || is_unknown || told.contains(&name),
                    "no hook was told of {name:?}"
                );
            }
            let is_read = self.members.iter().any(|member| member.topic == topic);
            assert_eq!(link.topics[topic].is_some(), is_read, "the link is told so");
        }
    }

    fn member(&mut self, id: ConnId) -> &mut Member {
        let mut members = self.members.iter_mut();
        members
            .find(|member| member.id == id)
            .expect("a member of this node")
    }
}

impl Driver for Node {
    fn relay(&mut self) -> &mut Relay {
        &mut self.relay
    }

    fn readiness(&mut self, id: ConnId) -> Option<&mut Readiness> {
        let member = self.members.iter_mut().find(|member| member.id == id)?;
        Some(&mut member.readiness)
    }

    fn read(&mut self, id: ConnId, buffer: &mut [u8]) -> ReadOutcome {
        self.member(id).socket.read(buffer)
    }

    fn write(&mut self, id: ConnId) -> WriteOutcome {
        let output = self.relay.transmit(id);
        let member = self.members.iter_mut().find(|member| member.id == id);
        let member = member.expect("a member of this node");
        let offered = output.bytes();
        let refuses = self.random.once_in(self.refuse);
        let Some(sent) = member.socket.write(offered, refuses, &mut self.random) else {
            return WriteOutcome::Broken;
        };
        let mut left = sent;
        let none = Vec::new();
        let entries = self.entries.get(&member.topic).unwrap_or(&none);
        for piece in output.pieces() {
            let bytes = &piece.bytes[..left.min(piece.bytes.len())];
            left -= bytes.len();
            if let Err(fault) = member.receive(
                bytes,
                entries,
                self.limits.policies.everywhere().slow_policy,
            ) {
                panic!("publisher {} {fault}", member.publisher);
            }
        }
        WriteOutcome::Taken {
            bytes: sent,
            full: sent < offered,
        }
    }

    fn act(&mut self, id: ConnId, action: Action) {
        match action {
            Action::ShutdownWrite => self.member(id).socket.shutdown_write(),
            Action::KeepAlive => {}
            Action::Close => {
                let member = self.member(id);
                assert!(!member.is_open(), "{} is dropped", member.publisher);
                self.members.retain(|member| member.id != id);
            }
            Action::Report(_) => panic!("{id:?} is no operator"),
        }
    }

    fn tell<R>(&mut self, what: Told, call: impl FnOnce(&mut Relay) -> R) -> R {
        let opened = self.relay.counters().opened;
        let told = call(&mut self.relay);
        if self.relay.counters().opened > opened
            && let Told::Input(id, _) | Told::Kept(id) = what
        {
            let topic = self.member(id).topic;
            let entries = self.entries.get(&topic).map_or(0, Vec::len);
            self.member(id).next = Some(entries);
        }
        told
    }
}
