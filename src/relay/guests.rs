//! Who the clients are: an address for each connection, beside the slab.
//!
//! Only kept if somebody asks: for bounds by address, for proxies, for hooks. Otherwise it costs
//! nothing, and the kernel knows.

use super::by_slot::BySlot;
use super::ids::Slot;
use crate::proxy::PeerAddress;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// What is kept of one connection: 19 bytes, so that a table of them has no holes.
/// The default came before anybody asked: nothing is known of it.
#[derive(Clone, Copy, Debug, Default)]
struct Guest {
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
/// It is a proxy, which will say in a header before all else whom it speaks for.
const AWAITS_HEADER: u8 = 8;
/// It is a proxy, which says with each request whom it speaks for.
const FORWARDS: u8 = 16;

/// What a connection from a trusted proxy still has to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Introduction {
    /// A PROXY protocol header.
    Header,
    /// A request, with whom it is for.
    Request,
}

impl Introduction {
    fn flag(self) -> u8 {
        match self {
            Introduction::Header => AWAITS_HEADER,
            Introduction::Request => FORWARDS,
        }
    }
}

/// Addresses by slot.
#[derive(Debug, Default)]
pub(super) struct Guests {
    guests: BySlot<Guest>,
    is_kept: bool,
}

impl Guests {
    /// Begins to keep addresses, or forgets them all.
    pub(super) fn keep(&mut self, is_kept: bool) {
        self.is_kept = is_kept;
        if !is_kept {
            self.guests.clear();
        }
    }

    /// Whether addresses are kept at all.
    pub(super) fn is_kept(&self) -> bool {
        self.is_kept
    }

    /// Gives back what a crowd took. Nobody is there.
    pub(super) fn shrink(&mut self) {
        self.guests.clear();
    }

    /// A connection takes a slot.
    pub(super) fn enter(&mut self, slot: Slot, peer: PeerAddress, awaited: Option<Introduction>) {
        if !self.is_kept {
            return;
        }
        let guest = self.guests.place(slot);
        *guest = Guest::of(peer);
        guest.flags |= awaited.map_or(0, Introduction::flag);
    }

    /// A proxy said whom a connection is for. What it still has to say stays.
    pub(super) fn rename(&mut self, slot: Slot, client: PeerAddress) {
        if let Some(guest) = self.guests.get_mut(slot) {
            let awaited = guest.flags & (AWAITS_HEADER | FORWARDS);
            *guest = Guest::of(client);
            guest.flags |= awaited;
        }
    }

    /// A connection has said what was awaited.
    pub(super) fn introduced(&mut self, slot: Slot) {
        if let Some(guest) = self.guests.get_mut(slot) {
            guest.flags &= !(AWAITS_HEADER | FORWARDS);
        }
    }

    /// Whether a connection still has this to say.
    pub(super) fn awaits(&self, slot: Slot, introduction: Introduction) -> bool {
        let guest = self.guests.get(slot);
        guest.is_some_and(|guest| guest.flags & introduction.flag() != 0)
    }

    /// Whose connection it is, as far as that is known.
    pub(super) fn client(&self, slot: Slot) -> Option<PeerAddress> {
        self.guests.get(slot)?.peer()
    }

    /// Whose connection it is, if that is an address.
    pub(super) fn ip(&self, slot: Slot) -> Option<IpAddr> {
        match self.client(slot) {
            Some(PeerAddress::Tcp(address)) => Some(address.ip()),
            _ => None,
        }
    }

    /// It is counted from now on.
    pub(super) fn set_counted(&mut self, slot: Slot) {
        if let Some(guest) = self.guests.get_mut(slot) {
            guest.flags |= COUNTED;
        }
    }

    /// The address that it was counted for, if it was. It is not any more.
    pub(super) fn take_counted(&mut self, slot: Slot) -> Option<IpAddr> {
        let guest = self.guests.get_mut(slot)?;
        let was_counted = guest.flags & COUNTED != 0;
        guest.flags &= !COUNTED;
        self.ip(slot).filter(|_| was_counted)
    }
}

impl Guest {
    fn of(peer: PeerAddress) -> Self {
        match peer {
            PeerAddress::Tcp(address) => {
                let ip = match address.ip() {
                    IpAddr::V4(ip) => ip.to_ipv6_mapped(),
                    IpAddr::V6(ip) => ip,
                };
                Guest {
                    ip: ip.octets(),
                    port: address.port().to_be_bytes(),
                    flags: TCP,
                }
            }
            PeerAddress::Unix => Guest {
                flags: UNIX,
                ..Guest::default()
            },
            PeerAddress::Unknown => Guest::default(),
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

    #[test]
    fn a_guest_is_19_bytes_and_remembered() {
        assert_eq!(size_of::<Guest>(), 19);
        let tcp = |text: &str| PeerAddress::Tcp(text.parse().unwrap());
        let peers = [
            tcp("192.0.2.1:80"),
            tcp("[2001:db8::1]:4711"),
            PeerAddress::Unix,
        ];
        for peer in peers {
            assert_eq!(Guest::of(peer).peer(), Some(peer));
        }
        assert_eq!(Guest::of(PeerAddress::Unknown).peer(), None);
    }

    #[test]
    fn nothing_is_kept_unless_asked_for() {
        let mut guests = Guests::default();
        guests.enter(Slot(5), PeerAddress::Unix, None);
        assert_eq!(
            (guests.client(Slot(5)), guests.guests.get(Slot(5)).is_some()),
            (None, false)
        );
        guests.keep(true);
        guests.enter(Slot(5), PeerAddress::Unix, Some(Introduction::Header));
        assert_eq!(guests.client(Slot(5)), Some(PeerAddress::Unix));
        assert!(
            guests.awaits(Slot(5), Introduction::Header)
                && !guests.awaits(Slot(5), Introduction::Request)
        );
        guests.introduced(Slot(5));
        assert!(!guests.awaits(Slot(5), Introduction::Header));
        guests.keep(false);
        assert_eq!(
            (guests.client(Slot(5)), guests.guests.get(Slot(5)).is_some()),
            (None, false)
        );
    }
}
