//! Which connections may be let in, by address: a model that counts connections and tokens by itself, and
//! knows which ones the relay has to refuse.

use crate::addresses;
use crate::rates::{BURST_SECONDS, Bucket, TICKS_PER_SECOND};
use crate::world::World;
use fanfare::http::Reason;
use fanfare::proxy::PeerAddress;
use fanfare::relay::{Admission, Counters, Side};
use fanfare::wheel::Tick;
use std::collections::HashMap;
use std::net::IpAddr;

/// What is counted as one: an address of IPv4, or 64 bits of one of IPv6.
type Key = Vec<u16>;

/// The client that a connection counts for.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    /// The client, as far as a trusted peer has said so.
    client: PeerAddress,
    /// It comes from a trusted proxy, which has yet to name its client.
    pub(crate) is_awaited: bool,
    counted: Option<Key>,
}

impl Identity {
    pub(crate) fn new(peer: PeerAddress) -> Self {
        Identity {
            client: canonical(peer),
            is_awaited: false,
            counted: None,
        }
    }

    pub(crate) fn client(&self) -> PeerAddress {
        self.client
    }

    /// A trusted proxy has named its client; `None` if it speaks for itself, or for an unknown one.
    pub(crate) fn introduce(&mut self, client: Option<PeerAddress>) {
        self.is_awaited = false;
        self.client = client.map_or(self.client, canonical);
    }

    /// Addresses are not kept any more.
    pub(crate) fn forget(&mut self) {
        (self.client, self.counted) = (PeerAddress::Unknown, None);
    }
}

fn canonical(peer: PeerAddress) -> PeerAddress {
    match peer {
        PeerAddress::Tcp(address) => PeerAddress::tcp(address),
        other => other,
    }
}

fn key(client: PeerAddress) -> Option<Key> {
    let PeerAddress::Tcp(address) = client else {
        return None;
    };
    Some(match address.ip() {
        IpAddr::V4(ip) => ip.octets().map(u16::from).to_vec(),
        IpAddr::V6(ip) => [&ip.segments()[..4], &[6]].concat(),
    })
}

/// Connections and tokens by address.
#[derive(Default)]
pub(crate) struct AdmissionModel {
    counts: HashMap<Key, usize>,
    rates: HashMap<Key, Bucket>,
    /// Connections that the relay has dropped and whose sockets are not closed yet: they may still count.
    pub(crate) leaving: usize,
}

/// Why an address was refused, if one was.
pub(crate) fn refusal(counted: &Counters) -> Option<Reason> {
    let reasons = [Reason::AddressFull, Reason::AddressRate];
    let mut refused = reasons
        .into_iter()
        .filter(|&reason| counted.refusals[reason as usize] > 0);
    refused.next()
}

impl AdmissionModel {
    /// The client of a connection is known: whether the relay has to refuse it, and has `told` it so.
    pub(crate) fn admit(
        &mut self,
        identity: &mut Identity,
        admission: &Admission,
        now: Tick,
        told: Option<Reason>,
    ) -> Result<bool, String> {
        let due = self.due(identity, admission, now, told);
        match due == told {
            true => Ok(due.is_none()),
            false => Err(format!(
                "{identity:?} was refused for {told:?}, and {due:?} was due"
            )),
        }
    }

    fn due(
        &mut self,
        identity: &mut Identity,
        admission: &Admission,
        now: Tick,
        told: Option<Reason>,
    ) -> Option<Reason> {
        let key = key(identity.client)?;
        if let Some(per_second) = admission.address_connections_per_second_max {
            let per_second = u64::from(per_second);
            let bucket = self.rates.entry(key.clone()).or_default();
            bucket.set_rate(per_second, 0);
            if !bucket.take(now) {
                return Some(Reason::AddressRate);
            }
        }
        if let Some(max) = admission.address_connections_max {
            let count = self.counts.entry(key.clone()).or_default();
            let is_full = *count >= usize::from(max);
            let may_be_let_in = *count < usize::from(max) + self.leaving;
            if is_full && !(may_be_let_in && told.is_none()) {
                return Some(Reason::AddressFull);
            }
            *count += 1;
            identity.counted = Some(key);
        }
        None
    }

    /// Its socket is closed.
    pub(crate) fn leave(&mut self, identity: &mut Identity) {
        if let Some(key) = identity.counted.take() {
            let count = self.counts.get_mut(&key).expect("it was counted");
            *count -= 1;
        }
    }

    /// Whether no connection is counted any more.
    pub(crate) fn is_empty(&self) -> bool {
        self.counts.values().all(|&count| count == 0)
    }

    /// Connections are counted no more, and those that are there won't be.
    pub(crate) fn forget_counts(&mut self) {
        self.counts.clear();
    }

    /// No address is held to a rate any more.
    pub(crate) fn forget_rates(&mut self) {
        self.rates.clear();
    }
}

impl World {
    /// No connection is left: so each address may have as many connections as ever, and no more.
    pub(crate) fn check_admission(&mut self) {
        let admission = self.character.limits.admission.clone();
        let max = admission.address_connections_max.map(u64::from);
        let burst = admission
            .address_connections_per_second_max
            .map(|per_second| BURST_SECONDS * u64::from(per_second));
        let Some(places) = max.into_iter().chain(burst).min() else {
            return;
        };
        self.now = self
            .now
            .after(BURST_SECONDS as u32 * TICKS_PER_SECOND as u32);
        self.relay.begin_turn(self.now);
        let mut ids = Vec::new();
        for address in addresses::all() {
            for place in 0..=places {
                let before = *self.relay.counters();
                ids.push(self.relay.handle_accept(Side::Public, address));
                let is_refused = refusal(&self.counted(&before)).is_some();
                assert_eq!(is_refused, place == places, "{address} at {place}");
            }
        }
        for id in ids {
            self.relay.handle_reset(id);
        }
        while self.relay.poll_action().is_some() {}
        self.relay.end_turn();
    }
}
