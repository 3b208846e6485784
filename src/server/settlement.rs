//! What became of a message that a thread published: the loop settles it, a receipt waits for it.

use super::errors::Gone;
use crate::relay::MessageId;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Once it is settled: the message's id, or none if its topic had no members.
type ReceiptResult = Option<Result<Option<MessageId>, Gone>>;

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Settlement {
    settled: Mutex<ReceiptResult>,
    pub(super) is_settled: Condvar,
}

impl Settlement {
    pub(super) fn lock(&self) -> MutexGuard<'_, ReceiptResult> {
        // Nothing that is done under the lock can panic.
        self.settled.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The loop's side of a receipt. If it is dropped unsettled, the receipt says that the server has ended.
#[derive(Debug)]
pub(super) struct Unsettled(Arc<Settlement>);

impl Unsettled {
    pub(super) fn new(settlement: Arc<Settlement>) -> Self {
        Unsettled(settlement)
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
