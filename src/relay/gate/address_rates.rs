//! How much of something each address may do in a second: open connections, or publish.

use super::address_counts::key;
use super::token_bucket::TokenBucket;
use crate::wheel::Tick;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::IpAddr;

/// Sets of the table. With 8 places each, it knows 8,192 addresses that are not at rest, in 96 KiB. To
/// fill it takes as many addresses within the seconds that a burst lasts.
const SETS: usize = 1024;
const PLACES_PER_SET: usize = 8;

/// What was done by address, for those of which something was done lately.
///
/// A set has places of its own for seven addresses. One more shares the last place with all others
/// that the set has no place for: so a flood from very many addresses is bounded, too.
#[derive(Debug)]
pub(super) struct AddressRates {
    places: Box<[AddressRate]>,
    hasher: RandomState,
}

#[derive(Clone, Copy, Debug, Default)]
struct AddressRate {
    mark: u32,
    taken: u32,
    at: Tick,
}

impl Default for AddressRates {
    fn default() -> Self {
        AddressRates {
            places: vec![AddressRate::default(); SETS * PLACES_PER_SET].into(),
            hasher: RandomState::new(),
        }
    }
}

impl AddressRates {
    /// Counts what an address does once more, unless it did so too often lately.
    pub(super) fn take(&mut self, ip: IpAddr, bucket: TokenBucket, now: Tick) -> bool {
        let hash = self.hasher.hash_one(key(ip));
        let set = hash as usize % SETS * PLACES_PER_SET;
        let mark = (hash >> 32) as u32;
        let places = &mut self.places[set..][..PLACES_PER_SET];
        let left =
            |place: &AddressRate| bucket.left_of(u64::from(place.taken), now.since(place.at));
        let own = &places[..PLACES_PER_SET - 1];
        let index = own
            .iter()
            .position(|place| place.mark == mark && place.taken > 0)
            .or_else(|| own.iter().position(|place| left(place) == 0))
            .unwrap_or(PLACES_PER_SET - 1);
        let Some(taken) = bucket.take(left(&places[index]), 1) else {
            return false;
        };
        places[index] = AddressRate {
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
    use std::net::Ipv4Addr;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn a_place_is_twelve_bytes() {
        assert_eq!(size_of::<AddressRate>(), 12);
    }

    #[test]
    fn each_address_has_its_own_rate() {
        let mut rates = AddressRates::default();
        let bucket = TokenBucket::of(1);
        for n in 0..100u32 {
            let ip = Ipv4Addr::from(n).into();
            for _ in 0..5 {
                assert!(rates.take(ip, bucket, Tick(7)));
            }
            assert!(!rates.take(ip, bucket, Tick(7)));
        }
        let first = Ipv4Addr::from(0).into();
        assert!(!rates.take(first, bucket, Tick(16)));
        assert!(rates.take(first, bucket, Tick(17)));
        assert!(!rates.take(first, bucket, Tick(17)));
    }

    #[test]
    fn a_lower_rate_locks_no_address_out() {
        let mut rates = AddressRates::default();
        let ip = ip("192.0.2.1");
        for _ in 0..5000 {
            assert!(rates.take(ip, TokenBucket::of(1000), Tick(7)));
        }
        assert!(!rates.take(ip, TokenBucket::of(2), Tick(7)));
        assert!(rates.take(ip, TokenBucket::of(2), Tick(12)));
    }

    #[test]
    fn addresses_without_a_place_share_one() {
        let mut rates = AddressRates::default();
        let bucket = TokenBucket::of(1);
        let addresses = 40 * SETS * PLACES_PER_SET;
        let mut passed = 0;
        for n in 0..addresses as u32 {
            passed += usize::from(rates.take(Ipv4Addr::from(n).into(), bucket, Tick(7)));
        }
        // One each for those that have a place, and a burst for each of those that are shared.
        assert_eq!(passed, SETS * (PLACES_PER_SET - 1) + SETS * 5);
        // Once all are at rest, there are places again.
        assert!(rates.take(ip("::1"), bucket, Tick(70)));
    }
}
