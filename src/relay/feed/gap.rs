//! A gap in a topic, and the members that have yet to be closed for it.

use super::super::ids::{Slot, TopicKey};

/// Members that are to be closed, since they miss messages.
#[derive(Debug)]
pub(super) struct Gap {
    pub(super) topic: TopicKey,
    /// Slots of all that were members then; some may have left.
    pub(super) slots: Vec<Slot>,
    /// Connections that got one of these slots since have this generation or a larger one, and are not
    /// meant.
    pub(super) until: u64,
    pub(super) messages: u64,
}
