//! What a program that embeds the relay may decide, and is told.

use super::ids::{ConnId, MessageId};
use crate::http::Status;
use crate::proto::{Head, MessageKind};
use crate::proxy::PeerAddress;
use std::fmt;

/// A request to the address of a topic, which the relay itself would accept: to open a WebSocket, which may publish
/// and reads; or by HTTP, to publish (its method is POST or PUT) or to read (GET, HEAD).
#[derive(Clone, Copy, Debug)]
pub struct TopicRequest<'a> {
    /// The request's head: method, path, query and headers.
    pub head: &'a Head<'a>,
    /// The topic that its path names.
    pub topic: &'a str,
    /// The client: the one that a trusted proxy names, otherwise the peer.
    pub client: PeerAddress,
}

/// A message that was published.
#[derive(Clone, Copy, Debug)]
pub struct Published<'a> {
    /// Which one of its topic it is.
    pub id: MessageId,
    /// Its topic.
    pub topic: &'a str,
    /// Text, which is UTF-8, or binary.
    pub kind: MessageKind,
    /// What its sender said, in one piece and inflated.
    pub payload: &'a [u8],
}

/// What becomes of a request to the address of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It is for the topic that its path names.
    Accept,
    /// It is for this topic. A name that no client could give
    /// ([`check_topic`](crate::http::check_topic)) is answered with 400.
    Topic(String),
    /// Answer with this status, and a sentence that says why.
    Refuse(Status, String),
}

/// Called by the relay, on its thread: a hook that takes long holds up all connections. All of it has a
/// default, which accepts and ignores; a relay without hooks pays nothing for them.
///
/// A hook may publish, and read the counters, through a [`Handle`](crate::server::Handle): there no
/// method of it waits. What it publishes has a queue of its own, which other threads can't fill. It leaves
/// with the next turn, at most 16,384 messages or 1 MiB at a time, and is not told to
/// [`on_message`](Hooks::on_message), so that a hook that answers each message does not set itself off.
pub trait Hooks: Send {
    /// A request passed all checks of the relay: what becomes of it?
    fn on_request(&mut self, request: &TopicRequest<'_>) -> Decision {
        let _ = request;
        Decision::Accept
    }

    /// A connection joined a topic.
    fn on_join(&mut self, id: ConnId, topic: &str) {
        let _ = (id, topic);
    }

    /// A connection left its topic, for whatever reason. It joined it before.
    fn on_leave(&mut self, id: ConnId, topic: &str) {
        let _ = (id, topic);
    }

    /// A connection published a message. It is on its way already. Where an engine orders messages, that takes
    /// as long as the engine does, and the connection may have left meanwhile.
    fn on_message(&mut self, id: ConnId, message: &Published<'_>) {
        let _ = (id, message);
    }
}

/// The hooks in place, if any.
#[derive(Default)]
pub(super) struct Hooked(pub(super) Option<Box<dyn Hooks>>);

impl fmt::Debug for Hooked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Hooks" } else { "None" })
    }
}
