//! A client of a relay whose messages are ordered elsewhere, and what it is owed.

use super::Often;
use crate::message::Message;
use crate::network::Socket;
use crate::random::Random;
use crate::tap::{KEY, Received, Tap};
use fanfare::proto::{MessageKind, OpCode, Role};
use fanfare::relay::{ConnId, Origin, SlowPolicy};
use fanfare::turn::Readiness;
use std::ops::ControlFlow;

/// What a relay's topic took in.
pub(super) enum Entry {
    Message {
        kind: MessageKind,
        payload: Vec<u8>,
        origin: Origin,
    },
    /// Messages are missing here; or, if that is not certain, it was not known which message was the last.
    Gap { is_certain: bool },
}

pub(super) struct Member {
    pub(super) id: ConnId,
    pub(super) origin: Origin,
    pub(super) topic: usize,
    pub(super) publisher: u32,
    pub(super) sent: u32,
    pub(super) socket: Socket,
    pub(super) readiness: Readiness,
    tap: Tap,
    echo: bool,
    /// Index of the entry that it receives next, once it has joined.
    pub(super) next: Option<usize>,
    /// It has ended its side, or received a close frame.
    pub(super) is_leaving: bool,
    is_closed: bool,
}

impl Member {
    pub(super) fn new(
        id: ConnId,
        origin: Origin,
        (topic, name): (usize, &str),
        publisher: u32,
        echo: bool,
        deflate: bool,
    ) -> Self {
        let mut socket = Socket::default();
        (socket.send_capacity, socket.receive_capacity) = (1 << 20, 1 << 20);
        socket.writable_space = 1;
        let mut tap = Tap::default();
        tap.expect_response(false);
        tap.offered_bits = deflate.then_some(9);
        let query = if echo { "" } else { "?echo=0" };
        let extension = match deflate {
            true => "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=9\r\n",
            false => "",
        };
        let request = format!(
            "GET /ws/{name}{query} HTTP/1.1\r\nHost: sim\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n{extension}\r\n"
        );
        socket.push().extend_from_slice(request.as_bytes());
        Member {
            id,
            origin,
            topic,
            publisher,
            sent: 0,
            socket,
            readiness: Readiness::default(),
            tap,
            echo,
            next: None,
            is_leaving: false,
            is_closed: false,
        }
    }

    /// It publishes some messages, or leaves.
    pub(super) fn act(&mut self, random: &mut Random, often: &Often) {
        if self.next.is_none() || self.is_leaving || self.socket.has_ended() {
            return;
        }
        if random.once_in(often.leave) {
            self.is_leaving = true;
            match random.below(3) {
                0 => self.socket.push_reset(),
                1 => self.socket.push_fin(),
                _ => Role::Client.write_frame(true, OpCode::Close, &[], self.socket.push()),
            }
            return;
        }
        for _ in 0..random.size(often.batch) {
            let message = super::draw_message(random, self.publisher, self.sent);
            self.sent += 1;
            self.publish(&message, random);
        }
    }

    fn publish(&mut self, message: &Message, random: &mut Random) {
        let payload = message.payload();
        let out = self.socket.push();
        let opcode = message.kind.opcode();
        if random.once_in(5) {
            let (start, end) = payload.split_at(random.below(payload.len()));
            Role::Client.write_frame(false, opcode, start, out);
            Role::Client.write_frame(true, OpCode::Continuation, end, out);
        } else {
            Role::Client.write_frame(true, opcode, &payload, out);
        }
    }

    /// Takes in what the relay wrote.
    pub(super) fn receive(
        &mut self,
        bytes: &[u8],
        entries: &[Entry],
        policy: SlowPolicy,
    ) -> Result<(), String> {
        let mut tap = std::mem::take(&mut self.tap);
        let result = tap.receive(bytes, &mut |_, received| match received {
            Received::Response(101) => Ok(()),
            Received::Response(status) => Err(format!("answered with {status}")),
            Received::Body(_) | Received::ResponseEnd { .. } | Received::Pong(_) => Ok(()),
            Received::Ping => {
                if !self.socket.has_ended() {
                    Role::Client.write_frame(true, OpCode::Pong, &[], self.socket.push());
                }
                Ok(())
            }
            Received::Message(kind, payload) => {
                self.receive_message(kind, payload, entries, policy)
            }
            Received::Close(code) => self.receive_close(code, entries, policy),
        });
        self.tap = tap;
        result
    }

    fn receive_message(
        &mut self,
        kind: MessageKind,
        payload: &[u8],
        entries: &[Entry],
        policy: SlowPolicy,
    ) -> Result<(), String> {
        self.pass(entries, policy);
        match self.next.and_then(|next| entries.get(next)) {
            None => Err("got a message before its commit".into()),
            Some(Entry::Gap { .. }) => Err("got a message behind a gap".into()),
            Some(Entry::Message {
                kind: owed_kind,
                payload: owed,
                ..
            }) => {
                if (*owed_kind, &owed[..]) != (kind, payload) {
                    return Err(format!(
                        "is owed {:?}, and got {:?}",
                        name(owed),
                        name(payload)
                    ));
                }
                self.next = self.next.map(|next| next + 1);
                Ok(())
            }
        }
    }

    fn receive_close(
        &mut self,
        code: Option<u16>,
        entries: &[Entry],
        policy: SlowPolicy,
    ) -> Result<(), String> {
        self.is_closed = true;
        let owed = self.owed(entries, policy);
        let is_at_gap = matches!(owed, Some(Entry::Gap { .. })) || self.was_at_gap(entries);
        let is_lapped = code == Some(1013) && policy == SlowPolicy::Close && is_at_gap;
        if !self.is_leaving && !is_lapped {
            return Err(format!("closed with {code:?} for no reason"));
        }
        self.is_leaving = true;
        if !self.socket.has_ended() {
            Role::Client.write_frame(true, OpCode::Close, &[], self.socket.push());
        }
        Ok(())
    }

    /// It passed over a gap, or what may have been one.
    fn was_at_gap(&self, entries: &[Entry]) -> bool {
        let before = self.next.and_then(|next| entries.get(next.checked_sub(1)?));
        matches!(before, Some(Entry::Gap { .. }))
    }

    /// What it is to receive next: a message, or the gap at which it is to be closed.
    pub(super) fn owed<'a>(
        &mut self,
        entries: &'a [Entry],
        policy: SlowPolicy,
    ) -> Option<&'a Entry> {
        self.pass(entries, policy);
        self.next.and_then(|next| entries.get(next))
    }

    /// Passes over what it does not receive.
    fn pass(&mut self, entries: &[Entry], policy: SlowPolicy) {
        let Some(next) = &mut self.next else { return };
        let (echo, origin) = (self.echo, self.origin);
        let ends = entries[*next..].iter().try_for_each(|entry| {
            let is_passed = match entry {
                Entry::Gap { is_certain } => policy == SlowPolicy::Skip || !is_certain,
                Entry::Message { origin: from, .. } => !echo && *from == origin,
            };
            match is_passed {
                true => {
                    *next += 1;
                    ControlFlow::Continue(())
                }
                false => ControlFlow::Break(()),
            }
        });
        let _ = ends;
    }

    /// The network moves bytes, and the client reacts. True if anything moved.
    pub(super) fn move_network(&mut self, now: fanfare::wheel::Tick) -> bool {
        let mut moved = self.socket.arrive(now, usize::MAX);
        moved |= self.socket.deliver(now, usize::MAX);
        if self.socket.is_down_ended() && !self.socket.has_ended() {
            self.socket.push_fin();
            moved = true;
        }
        moved
    }

    /// It has joined, and nothing has begun to end it.
    pub(super) fn is_open(&self) -> bool {
        self.next.is_some() && !self.is_leaving && !self.is_closed && !self.socket.has_ended()
    }
}

/// The beginning of a payload, for messages of failures.
fn name(payload: &[u8]) -> String {
    String::from_utf8_lossy(&payload[..payload.len().min(8)]).into()
}
