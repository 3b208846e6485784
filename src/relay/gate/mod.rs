//! The gate: which connections are let in, and how much each of them may send.
//!
//! Connections of clients are counted by address from the accept on, so that a client that sends nothing
//! can't take more places than one that does. One too many is told so at once. Where
//! a trusted proxy stands between, the client is known later: with PROXY protocol once its header is
//! whole, with `X-Forwarded-For` at the request that opens a WebSocket.
//!
//! It knows connections by their slots, and nothing else of them. What it refuses it returns; to answer,
//! or to close, is for others.

mod address_counts;
mod address_rates;
mod addresses;
mod by_slot;
mod quotas;
mod refusal;
mod token_bucket;

pub(super) use quotas::OverQuota;
pub(super) use refusal::AdmissionRefusal;

use super::ids::{ConnId, Slot};
use super::limits::{ADMIN_CONNECTIONS_MAX, Admission, Rates};
use crate::proto::Head;
use crate::proxy::header::NamedClient;
use crate::proxy::{ClientAddress, PeerAddress, forwarded};
use crate::wheel::Tick;
use address_counts::AddressCounts;
use address_rates::AddressRates;
use addresses::{Addresses, Awaited};
use quotas::Quotas;
use token_bucket::TokenBucket;

/// Which connections are let in, and how much each may send. See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Gate {
    admission: Admission,
    addresses: Addresses,
    counts: AddressCounts,
    /// While there is a bound on new connections.
    accept_rates: Option<AddressRates>,
    quotas: Quotas,
    /// Messages that are published by HTTP, while there is a bound on messages.
    post_rates: Option<AddressRates>,
    /// Connections that came by the admin listener, the oldest first: a short list, since a connection
    /// has no bit to spare for it. It is looked at when a request has come.
    admins: Vec<ConnId>,
}

impl Gate {
    /// Keeps what the bounds in force ask for, and nothing else. Hooks are told addresses.
    pub(super) fn set_limits(
        &mut self,
        admission: &Admission,
        rates: Rates,
        message_bytes_max: usize,
        has_hooks: bool,
    ) {
        let is_kept = admission.client_address != ClientAddress::Peer
            || admission.address_connections_max.is_some()
            || admission.address_connections_per_second_max.is_some()
            || rates.messages_per_second_max.is_some()
            || has_hooks;
        if is_kept != self.addresses.is_kept() {
            self.addresses.keep(is_kept);
            self.counts = AddressCounts::default();
        }
        let is_timed = admission.address_connections_per_second_max.is_some();
        self.accept_rates = is_timed.then(|| self.accept_rates.take().unwrap_or_default());
        let is_counted = rates.messages_per_second_max.is_some();
        self.post_rates = is_counted.then(|| self.post_rates.take().unwrap_or_default());
        self.quotas.set_limits(rates, message_bytes_max);
        self.admission = admission.clone();
    }

    /// Gives back what many connections took. There are none left.
    pub(super) fn shrink(&mut self) {
        self.addresses.shrink();
        self.quotas.shrink();
    }

    /// A connection came by a public listener. One of a trusted proxy is let in until it has said
    /// which client it speaks for.
    pub(super) fn enter(
        &mut self,
        slot: Slot,
        peer: PeerAddress,
        now: Tick,
    ) -> Result<(), AdmissionRefusal> {
        if !self.addresses.is_kept() {
            return Ok(());
        }
        let awaited = match self.admission.client_address {
            ClientAddress::Peer => None,
            _ if !self.admission.trusted.contains(peer) => None,
            ClientAddress::ProxyProtocol => Some(Awaited::Header),
            ClientAddress::ForwardedFor => Some(Awaited::Request),
        };
        self.addresses.enter(slot, peer, awaited);
        match awaited {
            Some(_) => Ok(()),
            None => self.admit(slot, now),
        }
    }

    /// A connection came by the admin listener. If there are too many, the oldest has to go for it: so
    /// hoarding them keeps no other out.
    pub(super) fn enter_admin(&mut self, id: ConnId, peer: PeerAddress) -> Option<ConnId> {
        self.addresses.enter(id.slot, peer, None);
        let is_full = self.admins.len() == ADMIN_CONNECTIONS_MAX;
        let oldest = is_full.then(|| self.admins.remove(0));
        self.admins.push(id);
        oldest
    }

    /// A connection is gone.
    pub(super) fn leave(&mut self, id: ConnId) {
        self.admins.retain(|&admin| admin != id);
        if let Some(ip) = self.addresses.take_counted(id.slot) {
            self.counts.leave(ip);
        }
    }

    pub(super) fn is_admin(&self, id: ConnId) -> bool {
        self.admins.contains(&id)
    }

    /// Connections that came by the admin listener.
    pub(super) fn admins(&self) -> usize {
        self.admins.len()
    }

    /// The client at the other end, or that a trusted proxy speaks for, as far as it is known.
    pub(super) fn client(&self, slot: Slot) -> Option<PeerAddress> {
        self.addresses.client(slot)
    }

    /// Whether a PROXY protocol header has yet to come.
    pub(super) fn awaits_header(&self, slot: Slot) -> bool {
        self.addresses.awaits(slot, Awaited::Header)
    }

    /// The PROXY protocol header has come.
    pub(super) fn on_header(
        &mut self,
        slot: Slot,
        client: NamedClient,
        now: Tick,
    ) -> Result<(), AdmissionRefusal> {
        match client {
            NamedClient::Tcp(address) => self.addresses.rename(slot, PeerAddress::Tcp(address)),
            NamedClient::Unix => self.addresses.rename(slot, PeerAddress::Unix),
            NamedClient::Unsaid => {}
        }
        self.addresses.set_known(slot);
        self.admit(slot, now)
    }

    /// Whether a trusted proxy forwards this request for a client that it names.
    pub(super) fn is_forwarded(&self, slot: Slot, head: &Head) -> bool {
        self.addresses.awaits(slot, Awaited::Request)
            && head.headers.values("X-Forwarded-For").next().is_some()
    }

    /// A request came: if a trusted proxy forwards it, from now on the connection is that client's.
    /// Returns the proxy, to which it goes back with [`end_request`](Self::end_request).
    pub(super) fn begin_request(&mut self, slot: Slot, head: &Head) -> Option<PeerAddress> {
        if !self.addresses.awaits(slot, Awaited::Request) {
            return None;
        }
        let proxy = self.addresses.client(slot)?;
        if let Some(client) = forwarded::client(&head.headers, &self.admission.trusted) {
            self.addresses.rename(slot, PeerAddress::Tcp(client));
        }
        Some(proxy)
    }

    /// The request is answered, and the next may be another client's.
    pub(super) fn end_request(&mut self, slot: Slot, proxy: PeerAddress) {
        self.addresses.rename(slot, proxy);
    }

    /// A request opens a WebSocket. Now, at the latest, its client is known.
    pub(super) fn on_upgrade(&mut self, slot: Slot, now: Tick) -> Result<(), AdmissionRefusal> {
        if !self.addresses.awaits(slot, Awaited::Request) {
            return Ok(());
        }
        self.addresses.set_known(slot);
        self.admit(slot, now)
    }

    /// A connection has become a WebSocket, whose quota is full.
    pub(super) fn open(&mut self, slot: Slot) {
        self.quotas.open(slot);
    }

    /// A WebSocket sent a message, or a ping. One that is over its quota does not count.
    #[inline]
    pub(super) fn take_message(&mut self, slot: Slot, now: Tick) -> Result<(), OverQuota> {
        match self.quotas.are_kept() {
            true => self.quotas.take_message(slot, now),
            false => Ok(()),
        }
    }

    /// A WebSocket sent bytes. If they are over its quota, only a close frame in them counts.
    #[inline]
    pub(super) fn take_bytes(
        &mut self,
        slot: Slot,
        bytes: usize,
        now: Tick,
    ) -> Result<(), OverQuota> {
        match self.quotas.are_kept() {
            true => self.quotas.take_bytes(slot, bytes, now),
            false => Ok(()),
        }
    }

    /// A client publishes a message by HTTP, on whichever of its connections. One that is over the quota of its address
    /// does not count. A client without an address, on this machine, is not bounded.
    pub(super) fn take_post(&mut self, slot: Slot, now: Tick) -> Result<(), OverQuota> {
        let Some((post_rates, max)) = self
            .post_rates
            .as_mut()
            .zip(self.quotas.messages_per_second_max())
        else {
            return Ok(());
        };
        let Some(ip) = self.addresses.ip(slot) else {
            return Ok(());
        };
        match post_rates.take(ip, TokenBucket::of(max), now) {
            true => Ok(()),
            false => Err(OverQuota::Messages(max)),
        }
    }

    /// Counts a connection whose client is known, unless its address has too many. A client without
    /// an address, on this machine, is not bounded.
    fn admit(&mut self, slot: Slot, now: Tick) -> Result<(), AdmissionRefusal> {
        let Some(ip) = self.addresses.ip(slot) else {
            return Ok(());
        };
        if let Some(accept_rates) = &mut self.accept_rates
            && let Some(per_second) = self.admission.address_connections_per_second_max
            && !accept_rates.take(ip, TokenBucket::of(per_second), now)
        {
            return Err(AdmissionRefusal::TooFast);
        }
        if let Some(max) = self.admission.address_connections_max {
            if !self.counts.enter(ip, max) {
                return Err(AdmissionRefusal::TooMany);
            }
            self.addresses.set_counted(slot);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
