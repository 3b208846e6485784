//! How many connections come from which address, and how many new ones.
//!
//! An address here is one of IPv4, or 64 bits of one of IPv6: whoever has one of those has 2⁶⁴.
//! Strangers choose them, so they are hashed with a key that nobody else knows. Only 32 bits of the
//! hash are kept: of a million addresses some two hundred share them with another one by chance, and
//! are counted with it.

use super::rate::Rate;
use crate::wheel::Tick;
use hashbrown::HashTable;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::IpAddr;

/// Connections by address, in 6 bytes for each address, which the table takes 8 to 16 for.
#[derive(Debug, Default)]
pub(super) struct Crowd {
    places: HashTable<Place>,
    hasher: RandomState,
}

/// What is kept of an address, and its connections: no more than it has ports.
#[derive(Clone, Copy, Debug)]
struct Place {
    mark: [u16; 2],
    count: u16,
}

impl Crowd {
    /// Counts one more connection of an address, unless there are as many as there may be.
    pub(super) fn enter(&mut self, ip: IpAddr, max: u16) -> bool {
        let mark = self.mark(ip);
        if let Some(place) = self
            .places
            .find_mut(spread(mark), |place| place.mark == mark)
        {
            let has_room = place.count < max;
            place.count += u16::from(has_room);
            return has_room;
        }
        if max > 0 {
            let place = Place { mark, count: 1 };
            let rehash = |place: &Place| spread(place.mark);
            self.places.insert_unique(spread(mark), place, rehash);
        }
        max > 0
    }

    /// A connection that was counted is gone.
    pub(super) fn leave(&mut self, ip: IpAddr) {
        let mark = self.mark(ip);
        let found = self
            .places
            .find_entry(spread(mark), |place| place.mark == mark);
        let Ok(mut entry) = found else {
            return;
        };
        entry.get_mut().count -= 1;
        if entry.get().count == 0 {
            entry.remove();
        }
        if self.places.is_empty() {
            // What a crowd took is given back.
            self.places = HashTable::new();
        }
    }

    /// Connections of an address.
    #[cfg(test)]
    fn count(&self, ip: IpAddr) -> u16 {
        let mark = self.mark(ip);
        let place = self.places.find(spread(mark), |place| place.mark == mark);
        place.map_or(0, |place| place.count)
    }

    fn mark(&self, ip: IpAddr) -> [u16; 2] {
        let hash = self.hasher.hash_one(key(ip));
        [hash as u16, (hash >> 16) as u16]
    }
}

/// A hash for the table, which looks at the lowest bits and at the highest ones.
fn spread(mark: [u16; 2]) -> u64 {
    let mark = u64::from(mark[0]) | u64::from(mark[1]) << 16;
    // Multiplying by 2⁶⁴ / φ makes the high bits differ as well.
    mark.wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

/// The part of an address that is counted. An IPv4 address stands among those that begin with 1s,
/// which are for groups, and so nobody's own.
fn key(ip: IpAddr) -> u64 {
    match ip.to_canonical() {
        IpAddr::V4(ip) => 0xFFFF_FFFF << 32 | u64::from(u32::from(ip)),
        IpAddr::V6(ip) => (u128::from(ip) >> 64) as u64,
    }
}

/// Sets of the table of arrivals. With 8 places each, it knows 8,192 addresses that are not at rest,
/// in 96 KiB. Who fills it needs as many addresses within the seconds that a burst lasts.
const SETS: usize = 1024;
const PLACES_PER_SET: usize = 8;

/// New connections by address, for those from whom some came lately.
///
/// A set has places of its own for seven addresses. One more shares the last place with all others
/// that the set has no room for: so a flood from very many addresses is bounded, too.
#[derive(Debug)]
pub(super) struct Arrivals {
    places: Box<[Arrival]>,
    hasher: RandomState,
}

#[derive(Clone, Copy, Debug, Default)]
struct Arrival {
    mark: u32,
    taken: u32,
    at: Tick,
}

impl Default for Arrivals {
    fn default() -> Self {
        Arrivals {
            places: vec![Arrival::default(); SETS * PLACES_PER_SET].into(),
            hasher: RandomState::new(),
        }
    }
}

impl Arrivals {
    /// Counts a new connection of an address, unless there were too many lately.
    pub(super) fn take(&mut self, ip: IpAddr, rate: Rate, now: Tick) -> bool {
        let hash = self.hasher.hash_one(key(ip));
        let set = hash as usize % SETS * PLACES_PER_SET;
        let mark = (hash >> 32) as u32;
        let places = &mut self.places[set..][..PLACES_PER_SET];
        let left = |place: &Arrival| rate.left_of(u64::from(place.taken), now.since(place.at));
        let own = &places[..PLACES_PER_SET - 1];
        let index = own
            .iter()
            .position(|place| place.mark == mark && place.taken > 0)
            .or_else(|| own.iter().position(|place| left(place) == 0))
            .unwrap_or(PLACES_PER_SET - 1);
        let Some(taken) = rate.take(left(&places[index]), 1) else {
            return false;
        };
        places[index] = Arrival {
            mark,
            taken: taken as u32,
            at: now,
        };
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;
    use std::net::Ipv4Addr;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn an_address_is_one_of_ipv4_or_64_bits_of_ipv6() {
        assert_eq!(key(ip("2001:db8::1")), key(ip("2001:db8::ffff:0:0:1")));
        assert_ne!(key(ip("2001:db8::1")), key(ip("2001:db8:0:1::1")));
        assert_eq!(key(ip("::ffff:192.0.2.1")), key(ip("192.0.2.1")));
        assert_ne!(key(ip("192.0.2.1")), key(ip("192.0.2.2")));
        assert_ne!(key(ip("::1")), key(ip("0.0.0.1")));
    }

    #[test]
    fn a_place_is_six_bytes_and_an_arrival_twelve() {
        assert_eq!(size_of::<Place>(), 6);
        assert_eq!(size_of::<Arrival>(), 12);
    }

    #[test]
    fn nobody_has_more_than_all_ports() {
        let mut crowd = Crowd::default();
        for _ in 0..u16::MAX {
            assert!(crowd.enter(ip("::1"), u16::MAX));
        }
        assert!(!crowd.enter(ip("::1"), u16::MAX));
        assert_eq!(crowd.count(ip("::1")), u16::MAX);
        assert!(crowd.enter(ip("::1:0:0:0:1"), 1));
    }

    proptest! {
        #[test]
        fn a_crowd_is_counted_as_a_map_would(
            steps in proptest::collection::vec((any::<bool>(), 0u32..40), 0..400),
            max in 0u16..5,
        ) {
            let mut crowd = Crowd::default();
            let mut map: HashMap<u32, u16> = HashMap::new();
            for (enters, n) in steps {
                let ip = Ipv4Addr::from(n).into();
                let count = map.entry(n).or_default();
                if enters {
                    prop_assert_eq!(crowd.enter(ip, max), *count < max);
                    *count += u16::from(*count < max);
                } else if *count > 0 {
                    crowd.leave(ip);
                    *count -= 1;
                }
                prop_assert_eq!(crowd.count(ip), *count);
                map.retain(|_, count| *count > 0);
                prop_assert_eq!(crowd.places.len(), map.len());
            }
        }
    }

    #[test]
    fn each_address_has_its_own_rate() {
        let mut arrivals = Arrivals::default();
        let rate = Rate::of(1);
        for n in 0..100u32 {
            let ip = Ipv4Addr::from(n).into();
            for _ in 0..5 {
                assert!(arrivals.take(ip, rate, Tick(7)));
            }
            assert!(!arrivals.take(ip, rate, Tick(7)));
        }
        let first = Ipv4Addr::from(0).into();
        assert!(!arrivals.take(first, rate, Tick(16)));
        assert!(arrivals.take(first, rate, Tick(17)));
        assert!(!arrivals.take(first, rate, Tick(17)));
    }

    #[test]
    fn a_lower_rate_locks_nobody_out() {
        let mut arrivals = Arrivals::default();
        let ip = ip("192.0.2.1");
        for _ in 0..5000 {
            assert!(arrivals.take(ip, Rate::of(1000), Tick(7)));
        }
        assert!(!arrivals.take(ip, Rate::of(2), Tick(7)));
        assert!(arrivals.take(ip, Rate::of(2), Tick(12)));
    }

    #[test]
    fn whoever_finds_no_place_shares_one() {
        let mut arrivals = Arrivals::default();
        let rate = Rate::of(1);
        let strangers = 40 * SETS * PLACES_PER_SET;
        let mut passed = 0;
        for n in 0..strangers as u32 {
            passed += usize::from(arrivals.take(Ipv4Addr::from(n).into(), rate, Tick(7)));
        }
        // One each for those that have a place, and a burst for each of those that are shared.
        assert_eq!(passed, SETS * (PLACES_PER_SET - 1) + SETS * 5);
        // Once all are at rest, there is room again.
        assert!(arrivals.take(ip("::1"), rate, Tick(70)));
    }
}
