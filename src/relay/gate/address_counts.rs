//! How many connections come from each address.
//!
//! An address here is one of IPv4, or 64 bits of one of IPv6: a client that has one of those has 2⁶⁴.
//! Clients choose them, so they are hashed with a key that is secret. Only 32 bits of the hash are kept:
//! of a million addresses some two hundred share them with another one by chance, and are counted with
//! it.

use hashbrown::HashTable;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::IpAddr;

/// Connections by address, in 6 bytes for each address, which the table takes 8 to 16 for.
#[derive(Debug, Default)]
pub(super) struct AddressCounts {
    places: HashTable<AddressCount>,
    hasher: RandomState,
}

/// What is kept of an address, and its connections: no more than it has ports.
#[derive(Clone, Copy, Debug)]
struct AddressCount {
    mark: [u16; 2],
    count: u16,
}

impl AddressCounts {
    /// Counts one more connection of an address, unless there are as many as there may be.
    pub(super) fn enter(&mut self, ip: IpAddr, max: u16) -> bool {
        let mark = self.mark(ip);
        if let Some(place) = self
            .places
            .find_mut(spread(mark), |place| place.mark == mark)
        {
            let has_space = place.count < max;
            place.count += u16::from(has_space);
            return has_space;
        }
        if max > 0 {
            let place = AddressCount { mark, count: 1 };
            let rehash = |place: &AddressCount| spread(place.mark);
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
            // What many addresses took is given back.
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
/// which are for groups, and so no client's own.
pub(super) fn key(ip: IpAddr) -> u64 {
    match ip.to_canonical() {
        IpAddr::V4(ip) => 0xFFFF_FFFF << 32 | u64::from(u32::from(ip)),
        IpAddr::V6(ip) => (u128::from(ip) >> 64) as u64,
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
    fn a_place_is_six_bytes() {
        assert_eq!(size_of::<AddressCount>(), 6);
    }

    #[test]
    fn no_address_has_more_than_all_ports() {
        let mut counts = AddressCounts::default();
        for _ in 0..u16::MAX {
            assert!(counts.enter(ip("::1"), u16::MAX));
        }
        assert!(!counts.enter(ip("::1"), u16::MAX));
        assert_eq!(counts.count(ip("::1")), u16::MAX);
        assert!(counts.enter(ip("::1:0:0:0:1"), 1));
    }

    proptest! {
        #[test]
        fn addresses_are_counted_as_a_map_would(
            steps in proptest::collection::vec((any::<bool>(), 0u32..40), 0..400),
            max in 0u16..5,
        ) {
            let mut counts = AddressCounts::default();
            let mut map: HashMap<u32, u16> = HashMap::new();
            for (enters, n) in steps {
                let ip = Ipv4Addr::from(n).into();
                let count = map.entry(n).or_default();
                if enters {
                    prop_assert_eq!(counts.enter(ip, max), *count < max);
                    *count += u16::from(*count < max);
                } else if *count > 0 {
                    counts.leave(ip);
                    *count -= 1;
                }
                prop_assert_eq!(counts.count(ip), *count);
                map.retain(|_, count| *count > 0);
                prop_assert_eq!(counts.places.len(), map.len());
            }
        }
    }
}
