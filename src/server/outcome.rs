//! What became of a message: settled by the loop, waited for by a receipt.

use super::errors::Gone;
use crate::relay::MessageId;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Once it is settled, the message's id, or none if its topic had no members.
type Settled = Option<Result<Option<MessageId>, Gone>>;

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Outcome {
    settled: Mutex<Settled>,
    pub(super) is_settled: Condvar,
}

impl Outcome {
    pub(super) fn lock(&self) -> MutexGuard<'_, Settled> {
        // Nothing that is done under the lock can panic half-way.
        self.settled.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The loop's end of a receipt. With it, unless it was settled, the message is gone.
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
