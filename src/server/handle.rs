//! What a program that embeds the relay can do from any thread: publish, read the counters, stop it.
//!
//! What can be checked of a message without the loop is checked on the thread that brings it. No thread waits
//! for a loop that can't answer: one that has ended, or, inside a hook, its own.

use super::backlog::Mail;
use super::errors::{Gone, PublishError};
use super::mailbox::Mailbox;
use super::receipt::Receipt;
use crate::http;
use crate::proto::MessageKind;
use crate::relay::Counters;
use std::sync::Arc;

/// Reaches a [`Server`](super::Server) from any thread, and from hooks. Clones reach the same server.
#[derive(Clone, Debug)]
pub struct Handle {
    mailbox: Arc<Mailbox>,
}

impl Handle {
    pub(super) fn new(mailbox: Arc<Mailbox>) -> Self {
        Handle { mailbox }
    }

    /// Ends the server as SIGTERM does: all connections are closed with 1012, and
    /// [`run`](super::Server::run) returns once they are. Never waits.
    pub fn stop(&self) -> Result<(), Gone> {
        self.mailbox.stop()
    }

    /// Publishes a message into a topic, as if a client had: it reaches every member. A message to a topic
    /// without members is dropped. `Ok` means that it stands in the loop's queue, to be published
    /// unless the server ends before; the receipt says what became of it. What one thread publishes into
    /// one topic keeps its order, and a topic that is full at the moment holds up no other.
    ///
    /// Waits while the queue is full, for [`run`](super::Server::run) to begin too. Only on the loop's
    /// own thread, hence inside a hook, it does not wait: there it is
    /// [`try_publish`](Handle::try_publish).
    pub fn publish(
        &self,
        topic: &str,
        kind: MessageKind,
        payload: impl AsRef<[u8]>,
    ) -> Result<Receipt, PublishError> {
        let mut mail = self.check(topic, kind, payload.as_ref())?;
        let (receipt, unsettled) = Receipt::new(self.mailbox.clone());
        mail.receipt = Some(unsettled);
        self.mailbox.deliver(mail)?;
        Ok(receipt)
    }

    /// Publishes a message as [`publish`](Handle::publish) does, without a receipt, and never waits: with
    /// [`PublishError::QueueFull`] it was not taken. Threads share a queue of 1,024 messages, of 4 MiB
    /// together; hooks have one of their own, of 16,384 and 4 MiB. A queue that is empty takes a message
    /// of any size.
    pub fn try_publish(
        &self,
        topic: &str,
        kind: MessageKind,
        payload: impl AsRef<[u8]>,
    ) -> Result<(), PublishError> {
        self.mailbox
            .try_deliver(self.check(topic, kind, payload.as_ref())?)
    }

    /// What happened so far; waits for the loop to answer. On the loop's own thread, hence inside a hook,
    /// it is what had happened when the turn began.
    pub fn counters(&self) -> Result<Counters, Gone> {
        self.mailbox.counters()
    }

    /// Refuses a message that no client could have sent.
    fn check(&self, topic: &str, kind: MessageKind, payload: &[u8]) -> Result<Mail, PublishError> {
        let bytes_max = self.mailbox.message_bytes_max();
        if payload.len() > bytes_max {
            return Err(PublishError::TooLarge { bytes_max });
        }
        if kind == MessageKind::Text && std::str::from_utf8(payload).is_err() {
            return Err(PublishError::NotText);
        }
        http::check_topic(topic).map_err(PublishError::Topic)?;
        Ok(Mail {
            topic: topic.into(),
            kind,
            payload: payload.into(),
            receipt: None,
        })
    }
}
