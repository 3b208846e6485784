//! Client addresses: one for each connection, beside the slab.
//!
//! They are kept only if something in force asks for them: bounds by address, proxies, hooks. Otherwise
//! they cost nothing, and the kernel knows them.

use super::by_slot::BySlot;
use crate::proxy::PeerAddress;
use crate::relay::ids::Slot;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// What is kept of one connection: 19 bytes, so that a table of them has no holes.
/// The default is for one that came before addresses were kept: nothing is known of it.
#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    ip: [u8; 16],
    port: [u8; 2],
    flags: u8,
}

/// It has an address.
const TCP: u8 = 1;
/// It came by a Unix domain socket.
const UNIX: u8 = 2;
/// It is counted among the connections of its address.
const COUNTED: u8 = 4;
/// It is a proxy, which says in a header before all else which client it speaks for.
const AWAITS_HEADER: u8 = 8;
/// It is a proxy, which says with each request which client it speaks for.
const FORWARDS: u8 = 16;

/// What a connection from a trusted proxy still has to say, before its client is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Awaited {
    /// A PROXY protocol header.
    Header,
    /// A request, with the client that it is from.
    Request,
}

impl Awaited {
    fn flag(self) -> u8 {
        match self {
            Awaited::Header => AWAITS_HEADER,
            Awaited::Request => FORWARDS,
        }
    }
}

/// Addresses by slot.
#[derive(Debug, Default)]
pub(super) struct Addresses {
    entries: BySlot<Entry>,
    is_kept: bool,
}

impl Addresses {
    /// Begins to keep addresses, or forgets them all.
    pub(super) fn keep(&mut self, is_kept: bool) {
        self.is_kept = is_kept;
        if !is_kept {
            self.entries.clear();
        }
    }

    /// Whether addresses are kept at all.
    pub(super) fn is_kept(&self) -> bool {
        self.is_kept
    }

    /// Gives back what many connections took. There are none left.
    pub(super) fn shrink(&mut self) {
        self.entries.clear();
    }

    /// A connection takes a slot.
    pub(super) fn enter(&mut self, slot: Slot, peer: PeerAddress, awaited: Option<Awaited>) {
        if !self.is_kept {
            return;
        }
        let entry = self.entries.place(slot);
        *entry = Entry::of(peer);
        entry.flags |= awaited.map_or(0, Awaited::flag);
    }

    /// A proxy said which client a connection is for. What it still has to say stays.
    pub(super) fn rename(&mut self, slot: Slot, client: PeerAddress) {
        if let Some(entry) = self.entries.get_mut(slot) {
            let awaited = entry.flags & (AWAITS_HEADER | FORWARDS);
            *entry = Entry::of(client);
            entry.flags |= awaited;
        }
    }

    /// A connection's client is known: it has said what was awaited.
    pub(super) fn set_known(&mut self, slot: Slot) {
        if let Some(entry) = self.entries.get_mut(slot) {
            entry.flags &= !(AWAITS_HEADER | FORWARDS);
        }
    }

    /// Whether a connection still has this to say.
    pub(super) fn awaits(&self, slot: Slot, awaited: Awaited) -> bool {
        let entry = self.entries.get(slot);
        entry.is_some_and(|entry| entry.flags & awaited.flag() != 0)
    }

    /// The client of a connection, as far as it is known.
    pub(super) fn client(&self, slot: Slot) -> Option<PeerAddress> {
        self.entries.get(slot)?.peer()
    }

    /// Its address, if it has one.
    pub(super) fn ip(&self, slot: Slot) -> Option<IpAddr> {
        match self.client(slot) {
            Some(PeerAddress::Tcp(address)) => Some(address.ip()),
            _ => None,
        }
    }

    /// It is counted from now on.
    pub(super) fn set_counted(&mut self, slot: Slot) {
        if let Some(entry) = self.entries.get_mut(slot) {
            entry.flags |= COUNTED;
        }
    }

    /// The address that it was counted for, if it was. It is not any more.
    pub(super) fn take_counted(&mut self, slot: Slot) -> Option<IpAddr> {
        let entry = self.entries.get_mut(slot)?;
        let was_counted = entry.flags & COUNTED != 0;
        entry.flags &= !COUNTED;
        self.ip(slot).filter(|_| was_counted)
    }
}

impl Entry {
    fn of(peer: PeerAddress) -> Self {
        match peer {
            PeerAddress::Tcp(address) => {
                let ip = match address.ip() {
                    IpAddr::V4(ip) => ip.to_ipv6_mapped(),
                    IpAddr::V6(ip) => ip,
                };
                Entry {
                    ip: ip.octets(),
                    port: address.port().to_be_bytes(),
                    flags: TCP,
                }
            }
            PeerAddress::Unix => Entry {
                flags: UNIX,
                ..Entry::default()
            },
            PeerAddress::Unknown => Entry::default(),
        }
    }

    fn peer(&self) -> Option<PeerAddress> {
        if self.flags & UNIX != 0 {
            return Some(PeerAddress::Unix);
        }
        let ip = Ipv6Addr::from(self.ip).to_canonical();
        let address = SocketAddr::new(ip, u16::from_be_bytes(self.port));
        (self.flags & TCP != 0).then_some(PeerAddress::Tcp(address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLOT: Slot = Slot(5);

    #[test]
    fn an_entry_is_19_bytes_and_remembered() {
        assert_eq!(size_of::<Entry>(), 19);
        let tcp = |text: &str| PeerAddress::Tcp(text.parse().unwrap());
        let peers = [
            tcp("192.0.2.1:80"),
            tcp("[2001:db8::1]:4711"),
            PeerAddress::Unix,
        ];
        for peer in peers {
            assert_eq!(Entry::of(peer).peer(), Some(peer));
        }
        assert_eq!(Entry::of(PeerAddress::Unknown).peer(), None);
    }

    #[test]
    fn nothing_is_kept_unless_asked_for() {
        let mut addresses = Addresses::default();
        addresses.enter(SLOT, PeerAddress::Unix, None);
        assert_eq!(
            (
                addresses.client(SLOT),
                addresses.entries.get(SLOT).is_some()
            ),
            (None, false)
        );
        addresses.keep(true);
        addresses.enter(SLOT, PeerAddress::Unix, Some(Awaited::Header));
        assert_eq!(addresses.client(SLOT), Some(PeerAddress::Unix));
        assert!(
            addresses.awaits(SLOT, Awaited::Header) && !addresses.awaits(SLOT, Awaited::Request)
        );
        addresses.set_known(SLOT);
        assert!(!addresses.awaits(SLOT, Awaited::Header));
        addresses.keep(false);
        assert_eq!(
            (
                addresses.client(SLOT),
                addresses.entries.get(SLOT).is_some()
            ),
            (None, false)
        );
    }
}
