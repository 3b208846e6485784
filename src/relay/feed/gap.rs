//! A gap in a topic, and who has yet to be closed for it.

use super::super::ids::{Slot, TopicKey};

/// Members that are to be closed, since they miss messages.
#[derive(Debug)]
pub(super) struct Gap {
    pub(super) topic: TopicKey,
    /// Slots of all that were members, some of which may have gone.
    pub(super) slots: Vec<Slot>,
    /// A connection that got one of these slots since has no smaller generation, and is not meant.
    pub(super) until: u64,
    pub(super) messages: u64,
}
