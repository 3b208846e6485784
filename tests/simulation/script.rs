//! A world by hand, for what the simulation has found: a relay, and connections whose sockets take
//! as much as they are told to.

use crate::tap::KEY;
use fanfare::http::Site;
use fanfare::proto::handshake::Request;
use fanfare::proto::{OpCode, Role};
use fanfare::proxy::PeerAddress;
use fanfare::relay::{
    Action, Admission, ConnId, Limits, Output, Pace, Rates, Relay, Side, SlowPolicy,
};
use fanfare::wheel::Tick;
use std::collections::HashMap;

pub(crate) struct Script {
    pub(crate) relay: Relay,
    now: Tick,
    sockets: HashMap<ConnId, Socket>,
}

#[derive(Default)]
struct Socket {
    /// Bytes that it will take.
    room: usize,
    taken: Vec<u8>,
    is_shut: bool,
    is_closed: bool,
}

/// Limits that nobody meets by chance.
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
        private_bytes_max: 1 << 20,
        slow_policy: SlowPolicy::Close,
        admission: Admission::default(),
        rates: Rates::default(),
        compression: None,
        origins: Vec::new(),
        hosts: Vec::new(),
        subprotocols: Vec::new(),
        handshake_timeout: 100_000,
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
            now,
            sockets: HashMap::new(),
        }
    }

    /// A client that has just connected.
    pub(crate) fn connect(&mut self) -> ConnId {
        let id = self.relay.handle_accept(Side::Public, PeerAddress::Unknown);
        self.sockets.insert(id, Socket::default());
        self.give_room(id, usize::MAX);
        id
    }

    /// A member of a topic that has heard that it is one.
    pub(crate) fn join(&mut self, target: &str) -> ConnId {
        let id = self.connect();
        self.say(id, &request(target));
        self.turn();
        assert!(self.take(id).starts_with(b"HTTP/1.1 101"));
        id
    }

    /// Bytes come, in this turn.
    pub(crate) fn say(&mut self, id: ConnId, bytes: &[u8]) {
        let _ = self.relay.reading(id);
        self.relay.handle_input(id, &mut bytes.to_vec());
    }

    /// Its socket will take so much.
    pub(crate) fn set_room(&mut self, id: ConnId, room: usize) {
        self.sockets.get_mut(&id).expect("a connection").room = room;
    }

    /// Its socket takes so much from now on, and says so.
    pub(crate) fn give_room(&mut self, id: ConnId, room: usize) {
        self.set_room(id, room);
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
        self.relay.handle_timers(&mut |id| unread.contains(&id));
        self.relay.begin_flush();
        while let Some(id) = self.relay.poll_transmit() {
            let output = match self.relay.transmit(id) {
                Output::One(bytes) => bytes.to_vec(),
                Output::Many(slices) => slices.iter().flat_map(|slice| slice.to_vec()).collect(),
            };
            let socket = self.sockets.get_mut(&id).expect("a connection");
            let sent = output.len().min(socket.room);
            socket.room -= sent;
            socket.taken.extend_from_slice(&output[..sent]);
            self.relay.handle_sent(id, sent, output.len());
        }
        while let Some((id, action)) = self.relay.poll_action() {
            let socket = self.sockets.get_mut(&id).expect("a connection");
            match action {
                Action::ShutdownWrite => socket.is_shut = true,
                Action::Close => socket.is_closed = true,
                Action::Report(_) => panic!("nobody here is an operator"),
            }
        }
        while self.relay.poll_resume().is_some() {}
        self.relay.end_turn();
        self.relay.begin_turn(self.now);
    }
}

pub(crate) fn request(target: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let request = Request::new("sim", target, KEY);
    request.write(&mut bytes).expect("a request in order");
    bytes
}
