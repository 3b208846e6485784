//! The relay's face to the program that embeds it: publish, read the counters, stop it.
//!
//! What can be known of a message without the loop is checked on the thread that brings it. No thread
//! waits for a loop that can't answer: neither for one that has ended, nor the loop's own for itself, as
//! a hook would.

use super::backlog::Mail;
use super::mailbox::Mailbox;
use super::receipt::Receipt;
use crate::http;
use crate::proto::MessageKind;
use crate::relay::Counters;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// Reaches a [`Server`](super::Server) from any thread, and from hooks. Clones reach the same server.
#[derive(Clone, Debug)]
pub struct Handle {
    mailbox: Arc<Mailbox>,
}

/// The server has ended: [`run`](super::Server::run) has returned, or there is no server any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone;

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the server has ended")
    }
}

impl Error for Gone {}

/// Why a message was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PublishError {
    /// As much waits for the loop as may.
    QueueFull,
    /// It is larger than a client's message may be.
    TooLarge {
        /// What `message_bytes_max` is now.
        bytes_max: usize,
    },
    /// It is to be text, and is not UTF-8.
    NotText,
    /// No client could name such a topic, for this reason.
    Topic(&'static str),
    /// The server has ended.
    Gone,
}

impl From<Gone> for PublishError {
    fn from(_: Gone) -> Self {
        PublishError::Gone
    }
}

impl fmt::Display for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PublishError::QueueFull => f.write_str("the relay is behind: its queue is full"),
            PublishError::TooLarge { bytes_max } => {
                write!(f, "the message is larger than {bytes_max} bytes")
            }
            PublishError::NotText => f.write_str("the message is to be text, and is not UTF-8"),
            PublishError::Topic(why) => f.write_str(why),
            PublishError::Gone => Gone.fmt(f),
        }
    }
}

impl Error for PublishError {}

impl Handle {
    pub(super) fn new(mailbox: Arc<Mailbox>) -> Self {
        Handle { mailbox }
    }

    /// Ends the server as SIGTERM does: everybody is closed with 1012, and
    /// [`run`](super::Server::run) returns once they are. Never waits.
    pub fn stop(&self) -> Result<(), Gone> {
        self.mailbox.stop()
    }

    /// Publishes a message into a topic, as if a client had: it reaches every member. A topic without
    /// members takes it, and forgets it. `Ok` means that it stands in the loop's queue, to be published
    /// unless the server ends before; the receipt says what became of it. What one thread publishes into
    /// one topic keeps its order, and a topic that has no room at the moment holds up no other.
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

    /// What happened so far; waits for the loop to say. On the loop's own thread, hence inside a hook,
    /// it is what had happened when the turn began.
    pub fn counters(&self) -> Result<Counters, Gone> {
        self.mailbox.counters()
    }

    /// A message that a client might have sent.
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
