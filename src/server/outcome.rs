//! What became of a message that a thread published: the loop settles it, a receipt waits for it.

use super::errors::Gone;
use crate::relay::MessageId;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Once it is settled: the message's id, or none if its topic had no members.
type Settled = Option<Result<Option<MessageId>, Gone>>;

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Outcome {
    settled: Mutex<Settled>,
    pub(super) is_settled: Condvar,
}

impl Outcome {
    pub(super) fn lock(&self) -> MutexGuard<'_, Settled> {
        // Nothing that is done under the lock can panic.
        self.settled.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The loop's side of a receipt. If it is dropped unsettled, the receipt says that the server has ended.
#[derive(Debug)]
pub(super) struct Unsettled(Arc<Outcome>);

impl Unsettled {
    pub(super) fn new(outcome: Arc<Outcome>) -> Self {
        Unsettled(outcome)
    }

    pub(super) fn settle(self, published: Option<MessageId>) {
        *self.0.lock() = Some(Ok(published));
    }
}

impl Drop for Unsettled {
    fn drop(&mut self) {
        self.0.lock().get_or_insert(Err(Gone));
        self.0.is_settled.notify_all();
    }
}
