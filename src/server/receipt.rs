//! What became of a message that a handle has published.

use super::errors::{Gone, ReceiptError};
use super::mailbox::Mailbox;
use super::settlement::{Settlement, Unsettled};
use crate::relay::MessageId;
use std::sync::{Arc, PoisonError};

/// Tells what became of a message, once the loop has published it.
#[derive(Debug)]
pub struct Receipt {
    settlement: Arc<Settlement>,
    mailbox: Arc<Mailbox>,
}

impl Receipt {
    /// A receipt, and what settles it.
    pub(super) fn new(mailbox: Arc<Mailbox>) -> (Receipt, Unsettled) {
        let settlement = Arc::<Settlement>::default();
        let unsettled = Unsettled::new(settlement.clone());
        (
            Receipt {
                settlement,
                mailbox,
            },
            unsettled,
        )
    }

    /// Waits until the message is published, and returns its id; `None` if its topic had no members: such a
    /// topic does not exist, and numbers no messages.
    pub fn wait(self) -> Result<Option<MessageId>, ReceiptError> {
        // Before the lock: a thread that holds one of the two locks takes no other.
        let is_loops_thread = self.mailbox.is_loops_thread();
        let mut settled = self.settlement.lock();
        loop {
            if let Some(settlement) = *settled {
                return settlement.map_err(|Gone| ReceiptError::Gone);
            }
            if is_loops_thread {
                return Err(ReceiptError::OnLoop);
            }
            let waited = self.settlement.is_settled.wait(settled);
            settled = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }
}
