//! A world by hand, for what the simulation has found: a relay, and connections whose sockets take
//! as much as they are told to.

use crate::tap::KEY;
use fanfare::http::Site;
use fanfare::proto::handshake::Request;
use fanfare::proto::{OpCode, Role};
use fanfare::proxy::PeerAddress;
use fanfare::relay::{Action, Admission, ConnId, Limits, Pace, Rates, Reading, Relay, Side};
use fanfare::transport::{ReadOutcome, WriteOutcome};
use fanfare::turn::{Driver, Readiness, Shares, Turn};
use fanfare::wheel::Tick;
use std::collections::HashMap;
use std::sync::Arc;

pub(crate) struct Script {
    pub(crate) relay: Relay,
    turn: Option<Turn>,
    /// They stand in line to be read in this turn, and it does not come to them.
    unread: Vec<ConnId>,
    now: Tick,
    sockets: HashMap<ConnId, Socket>,
}

#[derive(Default)]
struct Socket {
    /// Bytes that it will take.
    space: usize,
    taken: Vec<u8>,
    readiness: Readiness,
    is_shut: bool,
    is_closed: bool,
}

/// Limits that no test meets by chance.
pub(crate) fn limits() -> Limits {
    Limits {
        connections_max: 100,
        topics_max: 100,
        head_bytes_max: 1000,
        message_bytes_max: 16 << 10,
        topic_log_bytes_max: 64 << 10,
        log_bytes_max: 1 << 20,
        outbox_bytes_max: 4096,
        rescue_bytes_max: 64 << 10,
        unsettled_bytes_max: Limits::UNSETTLED_BYTES_MAX,
        private_bytes_max: 1 << 20,
        policies: Arc::default(),
        admission: Admission::default(),
        rates: Rates::default(),
        compression: None,
        origins: Vec::new(),
        hosts: Vec::new(),
        subprotocols: Vec::new(),
        handshake_timeout: 100_000,
        body_timeout: 100_000,
        keep_alive_timeout: 100_000,
        heartbeat_interval: 100_000,
        pong_timeout: 100_000,
        idle_timeout: None,
        stalled_write_timeout: 100_000,
        close_timeout: 100_000,
        pace: Pace::default(),
    }
}

/// A message as a client sends it, in a frame of its own or as a fragment.
pub(crate) fn frame(fin: bool, opcode: OpCode, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    Role::Client.write_frame(fin, opcode, payload, &mut bytes);
    bytes
}

pub(crate) fn message(payload: &[u8]) -> Vec<u8> {
    frame(true, OpCode::Binary, payload)
}

/// A message as the relay sends it.
pub(crate) fn sent(payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    Role::Server.write_frame(true, OpCode::Binary, payload, &mut bytes);
    bytes
}

impl Script {
    pub(crate) fn new(limits: Limits) -> Self {
        let now = Tick(1000);
        Script {
            relay: Relay::new(limits, Site::embedded(), now),
            turn: Some(Turn::new(Shares::default())),
            unread: Vec::new(),
            now,
            sockets: HashMap::new(),
        }
    }

    /// A client that has just connected.
    pub(crate) fn connect(&mut self) -> ConnId {
        let id = self.relay.handle_accept(Side::Public, PeerAddress::Unknown);
        self.sockets.insert(id, Socket::default());
        self.give_space(id, usize::MAX);
        id
    }

    /// A member of a topic that has its response.
    pub(crate) fn join(&mut self, target: &str) -> ConnId {
        let id = self.connect();
        self.say(id, &request(target));
        self.turn();
        assert!(self.take(id).starts_with(b"HTTP/1.1 101"));
        id
    }

    /// Bytes come, in this turn.
    pub(crate) fn say(&mut self, id: ConnId, bytes: &[u8]) {
        if self.relay.reading(id) == Reading::Kept {
            self.relay.handle_kept(id);
        }
        self.relay.handle_input(id, &mut bytes.to_vec());
    }

    /// Its socket will take this much.
    pub(crate) fn set_space(&mut self, id: ConnId, space: usize) {
        self.sockets.get_mut(&id).expect("a connection").space = space;
    }

    /// Its socket takes this much from now on, and says so.
    pub(crate) fn give_space(&mut self, id: ConnId, space: usize) {
        self.set_space(id, space);
        self.relay.handle_writable(id);
    }

    /// What its socket took since the last time.
    pub(crate) fn take(&mut self, id: ConnId) -> Vec<u8> {
        std::mem::take(&mut self.sockets.get_mut(&id).expect("a connection").taken)
    }

    pub(crate) fn is_shut(&self, id: ConnId) -> bool {
        self.sockets[&id].is_shut
    }

    pub(crate) fn is_closed(&self, id: ConnId) -> bool {
        self.sockets[&id].is_closed
    }

    pub(crate) fn now(&self) -> Tick {
        self.now
    }

    /// Lets time pass, without a turn.
    pub(crate) fn pass(&mut self, ticks: u32) {
        self.now = self.now.after(ticks);
        self.relay.begin_turn(self.now);
    }

    /// Ends the turn that is under way: timers, writes, the rest.
    pub(crate) fn turn(&mut self) {
        self.relay.handle_poll(self.now, 0, false);
        self.turn_with_unread(&[]);
    }

    /// The same, of which the poll's part has been, and whose part of reading has left over these.
    pub(crate) fn turn_with_unread(&mut self, unread: &[ConnId]) {
        let mut turn = self.turn.take().expect("it is put back");
        self.unread = unread.to_vec();
        turn.run(self);
        for id in self.unread.drain(..) {
            if let Some(socket) = self.sockets.get_mut(&id) {
                socket.readiness.is_listed = false;
            }
        }
        self.turn = Some(turn);
        self.relay.begin_turn(self.now);
    }
}

impl Driver for Script {
    fn relay(&mut self) -> &mut Relay {
        &mut self.relay
    }

    fn readiness(&mut self, id: ConnId) -> Option<&mut Readiness> {
        let socket = self.sockets.get_mut(&id)?;
        socket.readiness.is_listed |= self.unread.contains(&id);
        Some(&mut socket.readiness)
    }

    fn read(&mut self, _: ConnId, _: &mut [u8]) -> ReadOutcome {
        ReadOutcome::Empty
    }

    fn write(&mut self, id: ConnId) -> WriteOutcome {
        let output = self.relay.transmit(id);
        assert!(output.bytes() > 0, "{id:?} is written nothing");
        let socket = self.sockets.get_mut(&id).expect("a connection");
        let bytes = output.bytes().min(socket.space);
        socket.space -= bytes;
        let offered = output.pieces().iter().flat_map(|piece| piece.bytes);
        socket.taken.extend(offered.take(bytes));
        let full = bytes < output.bytes();
        WriteOutcome::Taken { bytes, full }
    }

    fn act(&mut self, id: ConnId, action: Action) {
        let socket = self.sockets.get_mut(&id).expect("a connection");
        match action {
            Action::ShutdownWrite => socket.is_shut = true,
            Action::Close => socket.is_closed = true,
            Action::Report(_) => panic!("no connection here is an operator's"),
        }
    }
}

pub(crate) fn request(target: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let request = Request::new("sim", target, KEY);
    request.write(&mut bytes).expect("a request in order");
    bytes
}
