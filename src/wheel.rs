//! A timer wheel that counts ticks: one entry per key, its earliest deadline.
//!
//! The wheel is a ring of [`SLOTS`] lists, one per tick. It owns only the heads of the lists; the
//! links live inside the entries of the keys' owner, which the wheel reaches through
//! [`TimerLinks`]. So an armed timer costs no allocation, and arming and disarming are O(1).
//!
//! ```text
//!              cursor (first tick not yet polled)
//!                |
//!   slots  ... [ 7 ] [ 8 ] [ 9 ] ... [ 6 ]
//!                |           |
//!              key 3       key 1 <-> key 9      links: TimerLink { next, previous, deadline }
//! ```
//!
//! A deadline beyond the ring's horizon is parked in the farthest slot and moved on when that slot
//! comes up, once per [`SLOTS`] ticks. One flat ring replaces a hierarchy of them, since the timers
//! of a relay are seconds long and an entry is looked at again every heartbeat anyway.
//!
//! The wheel knows no clock: it is told the tick it is polled for.

/// Number of ticks that one turn of the wheel covers.
pub const SLOTS: usize = 1024;

const WORDS: usize = SLOTS / 64;
const NONE: u32 = u32::MAX;
/// Set in [`TimerLink::previous`] of the first entry of a list: the other bits are the slot.
const HEAD: u32 = 1 << 31;

/// A moment, in ticks since the start of the process. The clock decides how long a tick lasts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tick(pub u32);

impl Tick {
    /// The moment `ticks` later.
    #[must_use]
    pub fn after(self, ticks: u32) -> Tick {
        Tick(self.0.saturating_add(ticks))
    }

    /// Ticks since `earlier`, 0 if that is in the future.
    #[must_use]
    pub fn since(self, earlier: Tick) -> u32 {
        self.0.saturating_sub(earlier.0)
    }
}

/// What an entry keeps for the wheel: 12 bytes inside the owner's own structure.
#[derive(Clone, Copy, Debug)]
pub struct TimerLink {
    next: u32,
    previous: u32,
    deadline: Tick,
}

impl Default for TimerLink {
    fn default() -> Self {
        TimerLink {
            next: NONE,
            previous: NONE,
            deadline: Tick(u32::MAX),
        }
    }
}

impl TimerLink {
    /// The moment the entry is armed for, if it is.
    #[must_use]
    pub fn deadline(&self) -> Option<Tick> {
        self.is_armed().then_some(self.deadline)
    }

    fn is_armed(&self) -> bool {
        self.previous != NONE
    }
}

/// Where the wheel finds the link of a key. Keys are below 2³¹.
pub trait TimerLinks {
    /// The link of a key that exists.
    fn link(&mut self, key: u32) -> &mut TimerLink;
}

/// The wheel. See the [module](self).
#[derive(Debug)]
pub struct Wheel {
    /// First key of each slot's list, or `NONE`.
    slots: Box<[u32]>,
    /// One bit per slot: its list is not empty.
    occupied: [u64; WORDS],
    /// The first tick that was not polled to its end; every armed entry sits at or after it.
    cursor: Tick,
}

impl Wheel {
    /// An empty wheel that starts at `now`.
    #[must_use]
    pub fn new(now: Tick) -> Self {
        Wheel {
            slots: vec![NONE; SLOTS].into(),
            occupied: [0; WORDS],
            cursor: now,
        }
    }

    /// Arms `key` for `deadline`, in place of what it was armed for. A deadline that has passed
    /// is due at the next poll.
    pub fn arm(&mut self, links: &mut impl TimerLinks, key: u32, deadline: Tick) {
        debug_assert!(key < HEAD);
        self.disarm(links, key);
        let horizon = self.cursor.after(SLOTS as u32 - 1);
        let slot = deadline.clamp(self.cursor, horizon).0 as usize % SLOTS;
        let first = self.slots[slot];
        *links.link(key) = TimerLink {
            next: first,
            previous: HEAD | slot as u32,
            deadline,
        };
        if first != NONE {
            links.link(first).previous = key;
        }
        self.slots[slot] = key;
        self.occupied[slot / 64] |= 1 << (slot % 64);
    }

    /// Disarms `key`, if it is armed.
    pub fn disarm(&mut self, links: &mut impl TimerLinks, key: u32) {
        let link = std::mem::take(links.link(key));
        if !link.is_armed() {
            return;
        }
        if link.next != NONE {
            links.link(link.next).previous = link.previous;
        }
        if link.previous & HEAD == 0 {
            links.link(link.previous).next = link.next;
            return;
        }
        let slot = (link.previous & !HEAD) as usize;
        self.slots[slot] = link.next;
        if link.next == NONE {
            self.occupied[slot / 64] &= !(1 << (slot % 64));
        }
    }

    /// Disarms and yields one key whose deadline is at or before `now`; `None` once there is no
    /// more. The caller bounds how many it takes in a turn; the rest stay due.
    pub fn poll(&mut self, links: &mut impl TimerLinks, now: Tick) -> Option<u32> {
        while let Some(due) = self.next_due().filter(|&due| due <= now) {
            self.cursor = due;
            let key = self.slots[due.0 as usize % SLOTS];
            let deadline = links.link(key).deadline;
            if deadline <= now {
                self.disarm(links, key);
                return Some(key);
            }
            // Parked: its own slot lies beyond the horizon of the time at which it was armed.
            self.arm(links, key, deadline);
        }
        self.cursor = self.cursor.max(now);
        None
    }

    /// The tick at which to poll next: no deadline lies before it.
    #[must_use]
    pub fn next_due(&self) -> Option<Tick> {
        let start = self.cursor.0 as usize % SLOTS;
        let (first, shift) = (start / 64, start % 64);
        // The word that the cursor stands in is looked at twice: its upper part, and, a whole
        // turn later, all of it, since the upper part is known to be empty then.
        (0..=WORDS).find_map(|step| {
            let word = (first + step) % WORDS;
            let mask = match step {
                0 => u64::MAX << shift,
                _ => u64::MAX,
            };
            let bits = self.occupied[word] & mask;
            let slot = word * 64 + bits.trailing_zeros() as usize;
            (bits != 0).then(|| self.cursor.after(((slot + SLOTS - start) % SLOTS) as u32))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    impl TimerLinks for Vec<TimerLink> {
        fn link(&mut self, key: u32) -> &mut TimerLink {
            &mut self[key as usize]
        }
    }

    #[test]
    fn fires_at_the_deadline_and_not_before() {
        let mut links = vec![TimerLink::default(); 2];
        let mut wheel = Wheel::new(Tick(5));
        wheel.arm(&mut links, 0, Tick(9));
        wheel.arm(&mut links, 1, Tick(9));
        assert_eq!(wheel.next_due(), Some(Tick(9)));
        assert_eq!(links[1].deadline(), Some(Tick(9)));
        assert_eq!(wheel.poll(&mut links, Tick(8)), None);
        let mut fired = [
            wheel.poll(&mut links, Tick(9)),
            wheel.poll(&mut links, Tick(9)),
        ];
        fired.sort();
        assert_eq!(fired, [Some(0), Some(1)]);
        assert_eq!(wheel.poll(&mut links, Tick(9)), None);
        assert_eq!(wheel.next_due(), None);
        assert_eq!(links[0].deadline(), None);
    }

    #[test]
    fn a_passed_deadline_is_due_at_once() {
        let mut links = vec![TimerLink::default(); 1];
        let mut wheel = Wheel::new(Tick(500));
        wheel.arm(&mut links, 0, Tick(3));
        assert_eq!(wheel.poll(&mut links, Tick(500)), Some(0));
    }

    #[test]
    fn a_far_deadline_outlives_whole_turns() {
        let mut links = vec![TimerLink::default(); 1];
        let mut wheel = Wheel::new(Tick(0));
        wheel.arm(&mut links, 0, Tick(5000));
        for now in (0..5000).step_by(7) {
            assert_eq!(wheel.poll(&mut links, Tick(now)), None, "at {now}");
        }
        assert_eq!(wheel.poll(&mut links, Tick(5000)), Some(0));
    }

    #[test]
    fn a_long_sleep_misses_nothing() {
        let mut links = vec![TimerLink::default(); 3];
        let mut wheel = Wheel::new(Tick(0));
        wheel.arm(&mut links, 0, Tick(1));
        wheel.arm(&mut links, 1, Tick(1023));
        wheel.arm(&mut links, 2, Tick(9000));
        let mut fired: Vec<_> =
            std::iter::from_fn(|| wheel.poll(&mut links, Tick(100_000))).collect();
        fired.sort_unstable();
        assert_eq!(fired, [0, 1, 2]);
    }

    #[test]
    fn ticks_are_counted_from_one_to_another() {
        assert_eq!(Tick(9).since(Tick(4)), 5);
        assert_eq!(Tick(4).since(Tick(9)), 0, "that one is in the future");
    }

    #[test]
    fn it_is_small_and_its_slots_are_few() {
        assert_eq!(size_of::<Wheel>(), 16 + SLOTS / 8 + 8);
        assert_eq!(Wheel::new(Tick(0)).slots.len(), SLOTS);
    }

    proptest! {
        /// The wheel equals a sorted map of deadlines.
        #[test]
        fn equals_the_naive_model(ops in prop::collection::vec((0u8..4, 0u32..16, 0u32..3000), 1..200)) {
            let mut links = vec![TimerLink::default(); 16];
            let mut wheel = Wheel::new(Tick(0));
            let mut model: BTreeMap<u32, Tick> = BTreeMap::new();
            let mut now = Tick(0);
            for (op, key, ticks) in ops {
                match op {
                    0 | 1 => {
                        wheel.arm(&mut links, key, now.after(ticks));
                        model.insert(key, now.after(ticks));
                    }
                    2 => {
                        wheel.disarm(&mut links, key);
                        model.remove(&key);
                    }
                    _ => {
                        now = now.after(ticks);
                        let mut due: Vec<u32> =
                            std::iter::from_fn(|| wheel.poll(&mut links, now)).collect();
                        due.sort_unstable();
                        let expected: Vec<u32> =
                            model.iter().filter(|(_, at)| **at <= now).map(|(key, _)| *key).collect();
                        model.retain(|_, at| *at > now);
                        prop_assert_eq!(due, expected);
                    }
                }
                let earliest = model.values().min();
                prop_assert_eq!(wheel.next_due().is_some(), earliest.is_some());
                if let (Some(due), Some(&earliest)) = (wheel.next_due(), earliest) {
                    prop_assert!(due <= earliest.max(now));
                }
            }
        }
    }
}
