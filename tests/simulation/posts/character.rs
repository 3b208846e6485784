//! What a world of publishers is like.

use crate::random::Random;
use fanfare::relay::{Limits, Policies, Policy, Retention};
use fanfare::turn::Shares;
use std::sync::Arc;

/// What holds in a world.
#[derive(Clone, Debug)]
pub(crate) struct Character {
    pub(crate) limits: Limits,
    pub(crate) is_elsewhere: bool,
    pub(crate) retains: bool,
    pub(crate) has_hooks: bool,
    pub(super) shares: Shares,
    pub(super) capacity_max: usize,
    pub(super) segment_bytes_max: usize,
    pub(super) refuse: u32,
}

impl Character {
    pub(super) fn draw(random: &mut Random) -> Self {
        let message_bytes_max = random.pick(&[60, 1000, 30_000]);
        let mut limits = crate::script::limits();
        limits.message_bytes_max = message_bytes_max;
        limits.topic_log_bytes_max = 4 * message_bytes_max * random.pick(&[16, 64]);
        limits.log_bytes_max = usize::MAX;
        limits.head_bytes_max = random.pick(&[700, 16 << 10]);
        let retains = random.once_in(2);
        let retention = retains.then_some(Retention {
            time: 1 << 20,
            messages_max: u64::MAX,
            bytes_max: limits.topic_log_bytes_max / 2,
        });
        let policy = Policy {
            retention,
            ..Policy::DEFAULT
        };
        limits.policies = Arc::new(Policies::new(policy, []));
        limits.rates.messages_per_second_max = random.pick(&[None, None, Some(1), Some(20)]);
        limits.origins = vec!["https://page.example".into()];
        let mut character = Character {
            limits,
            is_elsewhere: random.once_in(2),
            retains,
            has_hooks: random.once_in(2),
            shares: Shares {
                read_bytes_max: random.pick(&[100, 4096, 64 << 10]),
                ..Shares::default()
            },
            capacity_max: random.pick(&[50, 5000, 1 << 20]),
            segment_bytes_max: random.pick(&[3, 100, 10_000, 1 << 20]),
            refuse: random.pick(&[0, 0, 10]),
        };
        character.draw_bounds(random);
        character
    }

    /// Bounds that may change while the relay runs.
    pub(super) fn draw_bounds(&mut self, random: &mut Random) {
        let limits = &mut self.limits;
        limits.body_timeout = random.pick(&[5, 30, 300]);
        limits.keep_alive_timeout = random.pick(&[5, 100]);
        limits.handshake_timeout = random.pick(&[5, 100]);
        limits.stalled_write_timeout = random.pick(&[20, 300]);
        limits.outbox_bytes_max = random.pick(&[1, 300, 4096]);
        limits.private_bytes_max = random.pick(&[0, 40_000, 64 << 20]);
        limits.unsettled_bytes_max = random.pick(&[1, 1000, 16 << 20]);
    }
}
