//! What became of a message that a handle has published.

use super::handle::Gone;
use super::mailbox::Mailbox;
use crate::relay::MessageId;
use std::error::Error;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Tells what became of a message, once the loop has come to it.
#[derive(Debug)]
pub struct Receipt {
    outcome: Arc<Outcome>,
    mailbox: Arc<Mailbox>,
}

/// Why a receipt says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiptError {
    /// The server ended before it came to the message, which reached nobody.
    Gone,
    /// The loop's own thread, hence a hook, asks: it would wait for itself.
    OnLoop,
}

impl fmt::Display for ReceiptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReceiptError::Gone => Gone.fmt(f),
            ReceiptError::OnLoop => f.write_str("the loop's own thread can't wait for the loop"),
        }
    }
}

impl Error for ReceiptError {}

impl Receipt {
    /// A receipt, and what settles it.
    pub(super) fn new(mailbox: Arc<Mailbox>) -> (Receipt, Unsettled) {
        let outcome = Arc::<Outcome>::default();
        let unsettled = Unsettled(outcome.clone());
        (Receipt { outcome, mailbox }, unsettled)
    }

    /// Waits until the message is published, and says its id. `None` says that its topic had no members:
    /// then there is no such topic, and nothing that numbers messages.
    pub fn wait(self) -> Result<Option<MessageId>, ReceiptError> {
        // Asked first: a thread that holds one of the two locks takes no other.
        let is_loops_thread = self.mailbox.is_loops_thread();
        let mut settled = self.outcome.lock();
        loop {
            if let Some(outcome) = *settled {
                return outcome.map_err(|Gone| ReceiptError::Gone);
            }
            if is_loops_thread {
                return Err(ReceiptError::OnLoop);
            }
            let waited = self.outcome.is_settled.wait(settled);
            settled = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }
}

#[derive(Debug, Default)]
struct Outcome {
    settled: Mutex<Option<Result<Option<MessageId>, Gone>>>,
    is_settled: Condvar,
}

impl Outcome {
    fn lock(&self) -> MutexGuard<'_, Option<Result<Option<MessageId>, Gone>>> {
        // Nothing that is done under the lock can panic half-way.
        self.settled.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The loop's end of a receipt. With it, unless it was settled, the message is gone.
#[derive(Debug)]
pub(super) struct Unsettled(Arc<Outcome>);

impl Unsettled {
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
