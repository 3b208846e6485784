//! Who may come in, by where they come from.
//!
//! Connections of clients are counted from the accept on, so that who sends nothing can't take more
//! places than who does. One too many is told so at once, and not waited for. Where a trusted proxy
//! stands between, the client is known later: with PROXY protocol once its header is whole, with
//! `X-Forwarded-For` at the request that opens a WebSocket.

use super::connection::Phase;
use super::flags::Flag;
use super::guests::Introduction;
use super::rate::Rate;
use super::{ConnId, Relay};
use crate::http::{self, Reason, Response, Status};
use crate::proto::Head;
use crate::proxy::header::{self, Client, HeaderError};
use crate::proxy::{ClientAddress, PeerAddress, forwarded};

/// Connections that were refused at the door and linger, so that a reset does not eat the answer.
/// When there are as many, others are closed as soon as they were answered: whoever floods us with
/// connections must not take the places of others in that way.
const REFUSED_LINGERING_MAX: usize = 64;

impl Relay {
    /// Whose connection it is: what the proxies say, if they are trusted, otherwise its address. Not
    /// known if nobody asked for it to be kept.
    #[must_use]
    pub fn client(&self, id: ConnId) -> Option<PeerAddress> {
        let connection = self.connections.get(id.slot as usize)?;
        let is_it = connection.generation == id.generation;
        is_it.then(|| self.guests.client(id.slot)).flatten()
    }

    /// Keeps addresses if anything in force asks for them.
    pub(super) fn keep_guests(&mut self) {
        let admission = &self.limits.admission;
        let is_kept = admission.client_address != ClientAddress::Peer
            || admission.address_connections_max.is_some()
            || admission.address_connections_per_second_max.is_some()
            || self.hooks.0.is_some();
        if is_kept != self.guests.is_kept() {
            self.guests.keep(is_kept);
            self.crowd = Default::default();
        }
        let is_timed = admission.address_connections_per_second_max.is_some();
        self.arrivals = is_timed.then(|| self.arrivals.take().unwrap_or_default());
    }

    /// Somebody came by a listener for the public.
    pub(super) fn receive(&mut self, slot: u32, peer: PeerAddress) {
        let admission = &self.limits.admission;
        let awaited = match admission.client_address {
            ClientAddress::Peer => None,
            _ if !admission.trusted.contains(peer) => None,
            ClientAddress::ProxyProtocol => Some(Introduction::Header),
            ClientAddress::ForwardedFor => Some(Introduction::Request),
        };
        self.guests.enter(slot, peer, awaited);
        if awaited.is_none()
            && let Err(reason) = self.admit(slot)
        {
            self.refuse(slot, reason);
            if let Some(response) = &mut self.connections[slot as usize].extra().response {
                response.at_door = true;
            }
        }
    }

    /// Whether so many linger that who was refused at the door has to go without.
    pub(super) fn is_door_crowded(&self) -> bool {
        self.census.count(Phase::Linger) >= REFUSED_LINGERING_MAX
    }

    /// Counts a connection whose client is known, unless its address has too many. A client without
    /// an address, on this machine, is not bounded.
    fn admit(&mut self, slot: u32) -> Result<(), Reason> {
        let Some(ip) = self.guests.ip(slot) else {
            return Ok(());
        };
        let admission = &self.limits.admission;
        if let Some(arrivals) = &mut self.arrivals
            && let Some(per_second) = admission.address_connections_per_second_max
            && !arrivals.take(ip, Rate::of(per_second), self.now)
        {
            return Err(Reason::AddressRate);
        }
        if let Some(max) = admission.address_connections_max {
            if !self.crowd.enter(ip, max) {
                return Err(Reason::AddressFull);
            }
            self.guests.set_counted(slot);
        }
        Ok(())
    }

    /// A connection is gone.
    pub(super) fn part(&mut self, slot: u32) {
        if let Some(ip) = self.guests.take_counted(slot) {
            self.crowd.leave(ip);
        }
    }

    fn refuse(&mut self, slot: u32, reason: Reason) {
        let (why, retry_after) = match reason {
            Reason::AddressRate => (
                "Too many connections came from your address at once. Wait before you try again.",
                "5",
            ),
            _ => (
                "There are as many connections from your address as there may be. Close one, or \
                 try again later.",
                "10",
            ),
        };
        let headers = [("Retry-After", retry_after)];
        let response = Response::error(Status::TooManyRequests, why, &headers);
        self.respond(slot, response.because(reason));
    }

    /// Whether a PROXY protocol header has yet to come.
    pub(super) fn awaits_header(&self, slot: u32) -> bool {
        self.guests.awaits(slot, Introduction::Header)
    }

    /// A part of a PROXY protocol header, or more. Returns what follows it.
    pub(super) fn on_header_bytes(&mut self, slot: u32, input: &[u8]) -> Vec<u8> {
        let read = &mut self.connections[slot as usize].extra().head;
        read.extend_from_slice(input);
        match header::parse(read) {
            Ok(None) => return Vec::new(),
            Ok(Some(header)) => {
                let rest = read.split_off(header.bytes);
                *read = Vec::new();
                match header.client {
                    Client::Tcp(address) => self.guests.rename(slot, PeerAddress::Tcp(address)),
                    Client::Unix => self.guests.rename(slot, PeerAddress::Unix),
                    Client::Unsaid => {}
                }
                self.guests.introduced(slot);
                self.connections[slot as usize].flags.set(Flag::Introduced);
                match self.admit(slot) {
                    Ok(()) => return rest,
                    Err(reason) => self.refuse(slot, reason),
                }
            }
            Err(error) => self.on_bad_header(slot, error),
        }
        Vec::new()
    }

    fn on_bad_header(&mut self, slot: u32, error: HeaderError) {
        self.connections[slot as usize].extra().head = Vec::new();
        let response = Response::error(Status::BadRequest, &error.to_string(), &[]);
        self.respond(slot, response.because(Reason::ProxyHeader));
    }

    /// That connection came by a listener on loopback, where only this machine reaches: each page that
    /// a browser there shows.
    pub fn handle_loopback(&mut self, id: ConnId) {
        if let Some(slot) = self.slot(id) {
            self.connections[slot as usize].flags.set(Flag::Loopback);
        }
    }

    /// Refuses a request for a host that the relay is not, unless a trusted proxy brings it: whom the
    /// relay is known as there is the proxy's to say. `X-Forwarded-For` is what no page can have its
    /// browser say when it opens a WebSocket.
    pub(super) fn check_host(&self, slot: u32, head: &Head) -> Result<(), Response> {
        let hosts = &self.limits.hosts;
        let flags = self.connections[slot as usize].flags;
        let is_forwarded = self.guests.awaits(slot, Introduction::Request)
            && head.headers.values("X-Forwarded-For").next().is_some();
        let is_bound = flags.has(Flag::Loopback) || !hosts.is_empty();
        if !is_bound || is_forwarded || flags.has(Flag::Introduced) {
            return Ok(());
        }
        http::check_host(head, hosts)
    }

    /// A request came: if a trusted proxy brought it, from now on the connection is that client's.
    /// Returns the proxy, to which it goes back with [`end_forward`](Self::end_forward).
    pub(super) fn begin_forward(&mut self, slot: u32, head: &Head) -> Option<PeerAddress> {
        if !self.guests.awaits(slot, Introduction::Request) {
            return None;
        }
        let proxy = self.guests.client(slot)?;
        let client = forwarded::client(&head.headers, &self.limits.admission.trusted);
        if let Some(client) = client {
            self.guests.rename(slot, PeerAddress::Tcp(client));
        }
        Some(proxy)
    }

    /// The request is answered, and the next may be another client's.
    pub(super) fn end_forward(&mut self, slot: u32, proxy: Option<PeerAddress>) {
        if let Some(proxy) = proxy {
            self.guests.rename(slot, proxy);
        }
    }

    /// A request opens a WebSocket. False if a proxy brought it and its client's address has too
    /// many: then it is refused.
    pub(super) fn admit_forwarded(&mut self, slot: u32) -> bool {
        if !self.guests.awaits(slot, Introduction::Request) {
            return true;
        }
        self.guests.introduced(slot);
        let admitted = self.admit(slot);
        if let Err(reason) = admitted {
            self.refuse(slot, reason);
        }
        admitted.is_ok()
    }
}
