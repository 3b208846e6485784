//! The loop's end of the [`Mailbox`]: requests from other threads are done here, and their messages go to
//! the relay.

use super::backlog::{Backlog, Mail, Volume};
use super::handle::Handle;
use super::mailbox::{Each, Mailbox, Requests};
use super::settlement::Unsettled;
use crate::relay::{Counters, Relay};
use crate::turn::Shares;
use mio::Waker;
use std::collections::HashMap;
use std::io;
use std::sync::Arc;

/// Bytes that a turn publishes for hooks, and as many for threads: as many as it reads from clients.
/// However much the program publishes, clients wait for no more than that.
const TURN_BYTES_MAX: usize = Shares::TURN_BYTES_MAX;

/// Receipts of messages that are ordered elsewhere, by the numbers of their offers.
pub(super) type Travelling = HashMap<u64, Unsettled>;

/// See the [module](self). Once it is dropped, handles say that their server is gone.
#[derive(Debug)]
pub(super) struct Inbox {
    mailbox: Arc<Mailbox>,
    backlogs: Each<Backlog>,
    /// In the next turn, threads' messages come before hooks': the two take turns with the space of a
    /// topic that both fill.
    threads_first: bool,
    /// See [`Travelling`].
    pub(super) travelling: Travelling,
    /// Hooks may ask for counters while the relay is busy.
    keeps_counters: bool,
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.end();
    }
}

impl Inbox {
    pub(super) fn new(waker: Waker, message_bytes_max: usize) -> Self {
        Inbox {
            mailbox: Arc::new(Mailbox::new(waker, message_bytes_max)),
            backlogs: Each::default(),
            threads_first: false,
            travelling: Travelling::default(),
            keeps_counters: false,
        }
    }

    pub(super) fn handle(&self) -> Handle {
        Handle::new(self.mailbox.clone())
    }

    pub(super) fn mailbox(&self) -> Arc<Mailbox> {
        self.mailbox.clone()
    }

    pub(super) fn set_message_bytes_max(&self, bytes_max: usize) {
        self.mailbox.set_message_bytes_max(bytes_max);
    }

    pub(super) fn keep_counters(&mut self) {
        self.keeps_counters = true;
    }

    /// The loop begins, on this thread. It does so once.
    pub(super) fn start(&self) -> io::Result<()> {
        self.mailbox.start()
    }

    /// The loop has ended: what is not published yet is lost.
    pub(super) fn end(&mut self) {
        self.mailbox.end();
        self.backlogs = Each::default();
        self.travelling.clear();
    }

    /// A turn begins.
    pub(super) fn begin_turn(&self, counters: &Counters) {
        if self.keeps_counters {
            self.mailbox.note(counters);
        }
    }

    /// Messages wait for this turn, or for space.
    pub(super) fn has_backlog(&self) -> bool {
        !self.backlogs.hooks.is_empty() || !self.backlogs.threads.is_empty()
    }

    /// The next turn can publish something. What waits for space asks for no turn until there is some:
    /// space comes from the relay's own work, or from an event.
    pub(super) fn has_work(&self, relay: &Relay) -> bool {
        let has_space = |topic: &str| relay.has_space(topic);
        let Each { hooks, threads } = &self.backlogs;
        hooks.has_work(has_space) || threads.has_work(has_space)
    }

    /// Takes the requests, and the messages that have come meanwhile into the backlogs.
    pub(super) fn collect(&mut self) -> Requests {
        self.mailbox.collect(&mut self.backlogs)
    }

    /// Answers threads that have asked for counters.
    pub(super) fn answer(&self, counters: &Counters) {
        self.mailbox.answer(counters);
    }

    /// Publishes as much as a turn may, as long as there is space.
    pub(super) fn publish(&mut self, mut offer: impl FnMut(&mut Mail) -> bool) {
        let Each { hooks, threads } = &mut self.backlogs;
        let mut published = Each::<Volume>::default();
        let mut order = [
            (hooks, &mut published.hooks),
            (threads, &mut published.threads),
        ];
        if self.threads_first {
            order.reverse();
        }
        self.threads_first = !self.threads_first;
        for (backlog, published) in order {
            *published = backlog.publish(TURN_BYTES_MAX, &mut offer);
        }
        self.mailbox.release(published);
    }
}

#[cfg(test)]
mod tests;
