//! A world: the real relay, driven the way the server drives it, over a fake network and under a
//! fake clock, with clients that do all that clients do.

use crate::admission::AdmissionModel;
use crate::character::Character;
use crate::elsewhere::Mail;
use crate::endings::Shutdown;
use crate::history::History;
use crate::hooks::HookModel;
use crate::peer::Peer;
use crate::random::Random;
use crate::reload::Held;
use crate::request::site;
use crate::v1::Mark;
use fanfare::relay::{ConnId, Counters, MessageId, Relay};
use fanfare::turn::Turn;
use fanfare::wheel::Tick;
use std::collections::{BTreeSet, HashMap, VecDeque};

pub(crate) struct World {
    pub(crate) character: Character,
    pub(crate) random: Random,
    pub(crate) relay: Relay,
    pub(crate) now: Tick,
    pub(crate) peers: Vec<Peer>,
    /// Indices of the peers whose connection is not gone, in any order.
    pub(crate) live: Vec<usize>,
    /// Connections that wait to be accepted.
    pub(crate) backlog: VecDeque<usize>,
    pub(crate) by_id: HashMap<ConnId, usize>,
    /// Those with an event that was not taken yet, in the order in which they had one.
    pub(crate) raised: VecDeque<usize>,
    /// The last poll took all events there were.
    pub(crate) is_all_reported: bool,
    /// Ids of each topic that were told.
    pub(crate) ids: Vec<Vec<MessageId>>,
    /// Marks of connections that are gone: others know none.
    pub(crate) marks: Vec<Mark>,
    /// The turn in which a member last left its topic.
    pub(crate) departed: HashMap<usize, u64>,
    /// What the hooks are told, if there are any.
    pub(crate) hook_model: Option<HookModel>,
    pub(crate) admission: AdmissionModel,
    /// Those that came by the admin listener, the oldest first, and are not known to be gone.
    pub(crate) operators: Vec<usize>,
    /// Connections that are gone, the last one first.
    pub(crate) ghosts: Vec<ConnId>,
    pub(crate) is_reload_wanted: bool,
    pub(crate) held: Held,
    /// Compression may have been agreed on with a client.
    pub(crate) may_compress: bool,
    /// The loop's turns; taken out while one is under way.
    pub(crate) turn: Option<Turn>,
    pub(crate) histories: Vec<History>,
    pub(crate) turns: u64,
    /// What readers were sent of what they had missed, and in which turn.
    pub(crate) replayed: (u64, usize),
    /// Times that a connection was read.
    pub(crate) reads: u64,
    /// The turn in which a slot was given back.
    pub(crate) freed_in: HashMap<u32, u64>,
    /// Turns in a row that changed nothing.
    pub(crate) idle_turns: u32,
    pub(crate) moved: bool,
    pub(crate) is_shutdown_wanted: bool,
    pub(crate) shutdown: Option<Shutdown>,
    /// Topics that were published to since the relay last slept.
    pub(crate) burst: BTreeSet<usize>,
    /// Messages from elsewhere that are not taken in yet, and how many there were in all.
    pub(crate) mail: VecDeque<Mail>,
    pub(crate) mails_sent: u32,
    pub(crate) trace: bool,
}

impl World {
    pub(crate) fn new(seed: u64, trace: bool) -> Self {
        let mut random = Random::new(seed);
        let character = Character::draw(&mut random);
        let now = Tick(random.between(0, 2000));
        if trace {
            println!("{character:#?}");
        }
        let mut relay = Relay::new(character.limits.clone(), site(0), now);
        let hook_model = character.has_hooks.then(HookModel::default);
        if let Some(hook_model) = &hook_model {
            relay.set_hooks(hook_model.hooks());
        }
        let mut world = World {
            now,
            peers: Vec::new(),
            live: Vec::new(),
            backlog: VecDeque::new(),
            by_id: HashMap::new(),
            raised: VecDeque::new(),
            is_all_reported: true,
            turn: Some(Turn::new(character.shares)),
            ids: vec![Vec::new(); character.topics],
            marks: Vec::new(),
            departed: HashMap::new(),
            admission: AdmissionModel::default(),
            operators: Vec::new(),
            ghosts: Vec::new(),
            is_reload_wanted: false,
            held: Held::default(),
            may_compress: character.limits.compression.is_some(),
            hook_model,
            relay,
            histories: (0..character.topics).map(|_| History::default()).collect(),
            turns: 0,
            replayed: (0, 0),
            reads: 0,
            freed_in: HashMap::new(),
            idle_turns: 0,
            moved: false,
            is_shutdown_wanted: false,
            shutdown: None,
            burst: BTreeSet::new(),
            mail: VecDeque::new(),
            mails_sent: 0,
            trace,
            character,
            random,
        };
        world.follow_policies();
        world
    }

    pub(crate) fn note(&self, what: impl FnOnce() -> String) {
        if self.trace {
            println!("{:>6} turn {:>5}: {}", self.now.0, self.turns, what());
        }
    }

    /// Counts since `before`.
    pub(crate) fn counted(&self, before: &Counters) -> Counters {
        let mut counted = *self.relay.counters();
        let less = |count: &mut u64, before: u64| *count -= before;
        less(&mut counted.opened, before.opened);
        less(&mut counted.messages, before.messages);
        less(&mut counted.pings_received, before.pings_received);
        less(&mut counted.lapped, before.lapped);
        less(&mut counted.skips, before.skips);
        less(&mut counted.dead, before.dead);
        less(&mut counted.stalled, before.stalled);
        let refusals = counted.refusals.iter_mut().zip(before.refusals);
        let closes = counted.closes.as_flattened_mut().iter_mut();
        let closes = closes.zip(before.closes.as_flattened().iter().copied());
        refusals
            .chain(closes)
            .for_each(|(count, before)| less(count, before));
        counted
    }
}
