//! What the server does about what it is asked for from outside.

use super::Server;
use super::backlog::Mail;
use super::inbox::Travelling;
use super::settlement::Unsettled;
use crate::relay::{MessageId, Offered, Relay};
use crate::wheel::Tick;
use std::mem;

impl Server {
    /// Does what was asked for, and publishes what was given to be.
    pub(super) fn handle_mail(&mut self, now: Tick) {
        let requests = self.inbox.collect();
        if requests.stop {
            self.shut_down(now);
        }
        if let Some(loaded) = requests.loaded {
            self.on_loaded(*loaded);
        }
        let relay = &mut self.relay;
        let mut travelling = mem::take(&mut self.inbox.travelling);
        self.inbox
            .publish(|mail| offer(relay, &mut travelling, mail));
        self.inbox.travelling = travelling;
        self.inbox.answer(self.relay.counters());
    }

    /// Tells what became of messages that get their numbers elsewhere.
    pub(super) fn settle_receipts(&mut self) {
        while let Some(settled) = self.relay.poll_settled() {
            settle(self.inbox.travelling.remove(&settled.offer), settled.id);
        }
    }
}

/// Offers a message to the relay, and says whether it was taken.
fn offer(relay: &mut Relay, travelling: &mut Travelling, mail: &mut Mail) -> bool {
    match relay.offer(&mail.topic, mail.kind, &mail.payload) {
        Offered::Committed(id) => settle(mail.receipt.take(), Some(id)),
        Offered::NoMembers => settle(mail.receipt.take(), None),
        Offered::Travels(number) => {
            let receipt = mail.receipt.take();
            travelling.extend(receipt.map(|receipt| (number, receipt)));
        }
        Offered::Later => return false,
    }
    true
}

fn settle(receipt: Option<Unsettled>, published: Option<MessageId>) {
    if let Some(receipt) = receipt {
        receipt.settle(published);
    }
}
