//! Which policy each topic has, in two bytes of it: those of the rules in force, and, after a change of these, those
//! of the ones before until the topic was looked at again, some topics a turn.

use super::super::policy::{Policies, Policy};
use std::sync::Arc;

/// What topics' policies are. See the [module](self).
#[derive(Debug)]
pub(super) struct Rules {
    in_force: Arc<Policies>,
    /// Each once; none where nothing refers to it any more.
    values: Vec<Option<Policy>>,
    /// The slot of the next topic to look at again, while there are any.
    next: Option<usize>,
}

/// The policy of a topic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(transparent)]
pub(super) struct PolicyIndex(u16);

impl Rules {
    pub(super) fn new(in_force: Arc<Policies>) -> Self {
        Rules {
            in_force,
            values: Vec::new(),
            next: None,
        }
    }

    /// Other rules are in force: all topics are to be looked at again.
    pub(super) fn set(&mut self, in_force: Arc<Policies>) {
        if !Arc::ptr_eq(&self.in_force, &in_force) {
            self.in_force = in_force;
            self.next = Some(0);
        }
    }

    /// The policy of a topic by the rules in force.
    pub(super) fn find(&mut self, topic: &str) -> PolicyIndex {
        let policy = Some(*self.in_force.of(topic));
        let index = self.values.iter().position(|value| *value == policy);
        let index = index.unwrap_or_else(|| match self.values.iter().position(Option::is_none) {
            Some(free) => {
                self.values[free] = policy;
                free
            }
            None => {
                self.values.push(policy);
                self.values.len() - 1
            }
        });
        PolicyIndex(u16::try_from(index).expect("rules are fewer, and so are those before them"))
    }

    /// What a topic's policy is.
    #[inline]
    pub(super) fn get(&self, index: PolicyIndex) -> &Policy {
        const DEFAULT: &Policy = &Policy::DEFAULT;
        let value = self.values[usize::from(index.0)].as_ref();
        value.unwrap_or(DEFAULT)
    }

    /// The slot of the next topic to look at again, of so many.
    pub(super) fn poll(&mut self, slots: usize) -> Option<usize> {
        let slot = self.next?;
        if slot >= slots {
            self.next = None;
            self.forget();
            return None;
        }
        self.next = Some(slot + 1);
        Some(slot)
    }

    /// All topics were looked at.
    pub(super) fn are_settled(&self) -> bool {
        self.next.is_none()
    }

    /// Forgets what no topic has any more, now that all of them go by the rules in force.
    fn forget(&mut self) {
        for value in &mut self.values {
            if value.is_some_and(|value| !self.in_force.all().contains(&value)) {
                *value = None;
            }
        }
    }
}
