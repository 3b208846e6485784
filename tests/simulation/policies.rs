//! What holds for topics: whether their messages stay readable, what becomes of slow readers, and which publishers
//! may publish; for all topics, and by rules for some.

use crate::random::Random;
use fanfare::relay::{Policies, Policy, Publish, Retention, SlowPolicy};

impl Random {
    /// Policies of a relay whose topics may hold so much.
    pub(crate) fn policies(&mut self, topic_log_bytes_max: usize) -> Policies {
        let patterns = ["lobby", "topic 1", "topic 1*", "topic*", "*"];
        let retains = self.once_in(2);
        let default = self.policy(topic_log_bytes_max, retains);
        let rules = self.pick(&[0, 0, 1, 3]);
        let rules = (0..rules).map(|_| {
            let pattern = self.pick(&patterns).parse().expect("a pattern");
            let retains = self.once_in(2);
            (pattern, self.policy(topic_log_bytes_max, retains))
        });
        Policies::new(default, rules)
    }

    /// The same for all topics: messages stay readable, for as long as there is space.
    pub(crate) fn retention(&mut self, topic_log_bytes_max: usize) -> Policies {
        let policy = Policy {
            retention: Some(Retention {
                time: self.pick(&[300, 2000]),
                messages_max: u64::MAX,
                bytes_max: topic_log_bytes_max / 2,
            }),
            publish: Publish::Anybody,
            ..self.policy(topic_log_bytes_max, true)
        };
        policy.into()
    }

    fn policy(&mut self, topic_log_bytes_max: usize, retains: bool) -> Policy {
        use Publish::{Anybody, Http, Nobody};
        let bytes_max = topic_log_bytes_max / 2;
        Policy {
            retention: retains.then(|| Retention {
                time: self.pick(&[1, 10, 50, 300, 2000]),
                messages_max: self.pick(&[u64::MAX, u64::MAX, 1, 5, 50]),
                bytes_max: self.pick(&[bytes_max, bytes_max, bytes_max / 2, bytes_max / 8, 1]),
            }),
            slow_policy: self.pick(&[SlowPolicy::Close, SlowPolicy::Skip]),
            publish: match self.below(16) {
                0 => Http,
                1 => Nobody,
                _ => Anybody,
            },
        }
    }
}

/// Whether a policy of some topic is like that.
pub(crate) fn is_any(policies: &Policies, is_so: impl Fn(&Policy) -> bool) -> bool {
    policies.all().iter().any(is_so)
}

/// The longest time that a topic's messages stay readable.
pub(crate) fn retained_for_max(policies: &Policies) -> u32 {
    let retentions = policies.all().iter().filter_map(|policy| policy.retention);
    retentions.map(|bounds| bounds.time).max().unwrap_or(0)
}
