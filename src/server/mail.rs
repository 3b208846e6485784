//! What the server does about what it is asked for from outside.

use super::Server;
use super::backlog::Mail;
use crate::relay::{Offered, Relay};
use crate::wheel::Tick;

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
        self.inbox.publish(|mail| offer(relay, mail));
        self.inbox.answer(self.relay.counters());
    }
}

/// Offers a message to the relay, and says whether it was taken.
fn offer(relay: &mut Relay, mail: &mut Mail) -> bool {
    let published = match relay.offer(&mail.topic, mail.kind, &mail.payload) {
        Offered::Committed(id) => Some(id),
        Offered::Nobody => None,
        Offered::Later => return false,
    };
    if let Some(receipt) = mail.receipt.take() {
        receipt.settle(published);
    }
    true
}
