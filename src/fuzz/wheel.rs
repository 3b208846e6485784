//! The timer wheel, against a map of deadlines.

use crate::wheel::{Tick, TimerLink, TimerLinks, Wheel};
use std::collections::BTreeMap;

const KEYS: usize = 16;

struct Keys([TimerLink; KEYS]);

impl TimerLinks for Keys {
    fn link(&mut self, key: u32) -> &mut TimerLink {
        &mut self.0[key as usize]
    }
}

/// Four bytes for each operation: which one, on which key, and how many ticks.
pub fn wheel_ops(data: &[u8]) {
    let mut now = Tick(0);
    let (mut keys, mut wheel) = (Keys([TimerLink::default(); KEYS]), Wheel::new(now));
    let mut model: BTreeMap<u32, Tick> = BTreeMap::new();
    for op in data.chunks_exact(4) {
        let key = u32::from(op[1]) % KEYS as u32;
        let ticks = u32::from(u16::from_be_bytes([op[2], op[3]])) % 3000;
        match op[0] % 4 {
            0 | 1 => {
                wheel.arm(&mut keys, key, now.after(ticks));
                model.insert(key, now.after(ticks));
            }
            2 => {
                wheel.disarm(&mut keys, key);
                model.remove(&key);
            }
            _ => {
                now = now.after(ticks);
                // Some of what is due may be left for the next turn.
                for _ in 0..op[1] {
                    let Some(due) = wheel.poll(&mut keys, now) else {
                        let is_due = |deadline: &Tick| *deadline <= now;
                        assert!(!model.values().any(is_due), "nothing that is due stays");
                        break;
                    };
                    let deadline = model.remove(&due);
                    assert!(
                        deadline.is_some_and(|deadline| deadline <= now),
                        "{deadline:?}"
                    );
                }
            }
        }
        for (&key, &deadline) in &model {
            assert_eq!(keys.link(key).deadline(), Some(deadline));
        }
        let earliest = model.values().min();
        assert_eq!(wheel.next_due().is_some(), earliest.is_some());
        if let (Some(due), Some(&earliest)) = (wheel.next_due(), earliest) {
            assert!(due <= earliest.max(now), "no deadline is slept through");
        }
    }
}
