//! What a request can be for, once it is found out.

use super::response::Response;
use super::since::Since;
use crate::proto::http1::BodyLength;
use crate::proto::{MessageKind, handshake};
use std::borrow::Cow;
use std::time::Duration;

/// What to do about a request.
#[derive(Debug)]
pub enum Answer<'a> {
    /// Open a WebSocket.
    Join(Join<'a>),
    /// Let it read a topic as server-sent events.
    Stream(Stream<'a>),
    /// Publish what its body says.
    Publish(Publish<'a>),
    /// Say how a topic stands.
    Ask(Ask<'a>),
    /// Say this.
    Respond(Response),
}

/// A request that opens a WebSocket.
#[derive(Debug)]
pub struct Join<'a> {
    /// The handshake to complete.
    pub upgrade: handshake::Upgrade<'a>,
    /// The topic's name.
    pub topic: Cow<'a, str>,
    /// Whether the sender gets its own messages back.
    pub echo: bool,
    /// Which messages of before it wants, if it says so.
    pub since: Option<Since>,
    /// Whether it offers [`fanfare_v1`](crate::proto::fanfare_v1), which is chosen whenever it is offered.
    pub is_v1: bool,
}

/// A request that reads a topic as server-sent events.
#[derive(Debug)]
pub struct Stream<'a> {
    /// The topic's name.
    pub topic: Cow<'a, str>,
    /// The page that asks, which is allowed to, if it is one.
    pub origin: Option<&'a str>,
    /// Which messages of before it wants, if it says so.
    pub since: Option<Since>,
    /// It ends once there was something to say, or after so long; at once where that is zero.
    pub wait: Option<Duration>,
    /// Only the head of the answer is asked for.
    pub head_only: bool,
}

/// A request that publishes its body, which has yet to come.
#[derive(Debug)]
pub struct Publish<'a> {
    /// The topic's name.
    pub topic: Cow<'a, str>,
    /// The page that asks, which is allowed to, if it is one.
    pub origin: Option<&'a str>,
    /// What the body is.
    pub kind: MessageKind,
    /// Where the body ends.
    pub length: BodyLength,
    /// Each line of the body is a message.
    pub each_line: bool,
    /// The client waits to be told to send the body (RFC 9110 §10.1.1).
    pub expects_continue: bool,
    /// What tells a repeated request from another one: 1 to 64 visible characters.
    pub key: Option<&'a str>,
    /// The connection may be used for another request.
    pub keep_alive: bool,
}

/// A request that asks how a topic stands.
#[derive(Debug)]
pub struct Ask<'a> {
    /// The topic's name.
    pub topic: Cow<'a, str>,
    /// The page that asks, which is allowed to, if it is one.
    pub origin: Option<&'a str>,
    /// Only the head of the answer is asked for.
    pub head_only: bool,
    /// The connection may be used for another request.
    pub keep_alive: bool,
}
