//! How the [gate](super::gate)'s decisions are carried out: answers to what it refuses, the end of what is
//! over its quota.

use super::gate::OverQuota;
use super::ids::Slot;
use super::peer::Flag;
use super::{ConnId, Relay};
use crate::http::{self, Reason, Response};
use crate::metrics::Cause;
use crate::proto::Head;
use crate::proxy::PeerAddress;
use crate::proxy::header::{self, ProxyHeaderError};

impl Relay {
    /// The client of a connection: what the proxies say, if they are trusted, otherwise the address at its
    /// other end. Not known if nothing in force asks for it to be kept.
    #[must_use]
    pub fn client(&self, id: ConnId) -> Option<PeerAddress> {
        let connection = self.peers.get(id.slot)?;
        let is_it = connection.generation == id.generation;
        is_it.then(|| self.gate.client(id.slot)).flatten()
    }

    /// Other limits are in force, or hooks.
    pub(super) fn set_gate(&mut self) {
        let (limits, has_hooks) = (&self.limits, self.hooks.0.is_some());
        let (admission, rates) = (&limits.admission, limits.rates);
        self.gate
            .set_limits(admission, rates, limits.message_bytes_max, has_hooks);
    }

    /// A connection came by a public listener.
    pub(super) fn on_public_accept(&mut self, slot: Slot, peer: PeerAddress) {
        if let Err(refusal) = self.gate.enter(slot, peer, self.now) {
            self.respond(slot, refusal.response());
            if let Some(response) = &mut self.peers[slot].extra().response {
                response.at_accept = true;
            }
        }
    }

    /// A part of a PROXY protocol header, or more. Returns what follows it.
    pub(super) fn on_header_bytes(&mut self, slot: Slot, input: &[u8]) -> Vec<u8> {
        let read = &mut self.peers[slot].extra().head;
        read.extend_from_slice(input);
        match header::parse(read) {
            Ok(None) => {}
            Ok(Some(header)) => {
                let rest = read.split_off(header.bytes);
                *read = Vec::new();
                self.peers[slot].flags.set(Flag::Introduced);
                match self.gate.on_header(slot, header.client, self.now) {
                    Ok(()) => return rest,
                    Err(refusal) => self.respond(slot, refusal.response()),
                }
            }
            Err(error) => self.on_bad_header(slot, error),
        }
        Vec::new()
    }

    fn on_bad_header(&mut self, slot: Slot, error: ProxyHeaderError) {
        self.peers[slot].extra().head = Vec::new();
        let response = Response::refusal(Reason::ProxyHeader, &error.to_string(), &[]);
        self.respond(slot, response);
    }

    /// That connection came by a listener on loopback, where only this machine reaches: each page that
    /// a browser there shows.
    pub fn handle_loopback(&mut self, id: ConnId) {
        if let Some(slot) = self.peers.slot(id) {
            self.peers[slot].flags.set(Flag::Loopback);
        }
    }

    /// Refuses a request for a host that the relay is not, unless a trusted proxy brings it: by which names
    /// the relay is known there is the proxy's to say. `X-Forwarded-For` is what no page can have its
    /// browser say when it opens a WebSocket.
    pub(super) fn check_host(&self, slot: Slot, head: &Head) -> Result<(), Response> {
        let hosts = &self.limits.hosts;
        let flags = self.peers[slot].flags;
        let is_bound = flags.has(Flag::Loopback) || !hosts.is_empty();
        let is_forwarded = self.gate.is_forwarded(slot, head);
        if !is_bound || is_forwarded || flags.has(Flag::Introduced) {
            return Ok(());
        }
        http::check_host(head, hosts)
    }

    /// An open WebSocket sent a message, or a ping. False if it is one too many: then it begins to
    /// close, and the message does not count.
    #[inline]
    pub(super) fn take_message(&mut self, slot: Slot) -> bool {
        let taken = self.gate.take_message(slot, self.now);
        taken.map_err(|over| self.on_over_quota(slot, over)).is_ok()
    }

    /// An open WebSocket sent bytes. False if they are too many: then it begins to close, and what is
    /// in them does not count, but for a close frame.
    #[inline]
    pub(super) fn take_bytes(&mut self, slot: Slot, bytes: usize) -> bool {
        let taken = self.gate.take_bytes(slot, bytes, self.now);
        taken.map_err(|over| self.on_over_quota(slot, over)).is_ok()
    }

    #[cold]
    fn on_over_quota(&mut self, slot: Slot, over: OverQuota) {
        self.close_because(slot, Cause::Rate, &over.to_string());
    }
}
