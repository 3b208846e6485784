//! Publishing by HTTP: a request's body is a message, or each line of it is one.
//!
//! ```text
//!   head ─► checks ─┬─► whole in the read ─────────────────────► offer ─┬─► answer
//!                   └─► Body: gathered as it comes ─► whole, a line ─►──┘ │
//!                                  ▲                                      │ no space yet: it waits, and is not read
//!                                  └──────────────────────────────────────┘
//! ```
//!
//! A body enters a log whole or not at all. What has come of it counts among the memory that connections hold for
//! themselves. Requests that publish, and lie whole in one read, are answered in one write.

use super::Relay;
use super::feed::Offered;
use super::ids::{MessageId, Slot};
use super::peer::Post;
use super::policy;
use crate::http::{self, Answer, Publish, Reason, Response};
use crate::proto::http1::BodyLength;
use crate::proto::{Head, HeadScanner, MessageKind};
use crate::proxy::PeerAddress;

/// What a client is told that waits before it sends a body (RFC 9110 §15.2.1).
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// What a message waits for that was not published at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pending {
    /// That its topic has space.
    Space,
    /// Its number, which it gets elsewhere.
    Number,
}

impl Relay {
    /// A request that publishes has come, and maybe a part of its body or more.
    pub(super) fn on_publish_request(
        &mut self,
        slot: Slot,
        head: &Head,
        mut publish: Publish,
        proxy: Option<PeerAddress>,
        rest: &[u8],
    ) {
        if let Err(response) = self.check_publish(slot, head, &mut publish) {
            return self.respond(slot, response.allowing(publish.origin));
        }
        if self.may_post_at_once(&publish)
            && let Some((body, next)) = split_body(&publish, rest)
            && let Ok(answer) = self.post_at_once(slot, &publish, body)
        {
            let keep_alive = publish.keep_alive && self.may_keep(slot, next);
            self.answer_post(slot, answer, keep_alive, publish.origin, proxy);
            return self.on_pipelined(slot, next);
        }
        let expects_continue = publish.expects_continue && rest.is_empty();
        let post = Post::new(&publish, proxy);
        self.peers.await_body(slot, Box::new(post), self.now);
        if expects_continue {
            self.peers[slot].extra().outbox.push(CONTINUE);
            self.peers.queue_output(slot);
        }
        self.on_body(slot, rest);
    }

    /// A message can be published as soon as it has come whole.
    fn may_post_at_once(&self, publish: &Publish) -> bool {
        !publish.each_line && self.orders_here() && self.has_space(&publish.topic)
    }

    fn post_at_once(
        &mut self,
        slot: Slot,
        publish: &Publish,
        body: &[u8],
    ) -> Result<Response, Pending> {
        self.post_message(slot, &publish.topic, publish.kind, publish.key, body)
    }

    /// What is refused before anything of the body is looked at.
    fn check_publish(
        &mut self,
        slot: Slot,
        head: &Head,
        publish: &mut Publish,
    ) -> Result<(), Response> {
        if self.shutdown.is_some() {
            return Err(going_down());
        }
        self.ask_hook(slot, head, &mut publish.topic)?;
        if self.hub.publishers_of(&publish.topic) == policy::Publish::Nobody {
            let why = "This topic takes no messages.";
            return Err(Response::refusal(Reason::Forbidden, why, &[]));
        }
        if publish.key.is_some() && !self.hub.would_retain(&publish.topic) {
            let why = "An Idempotency-Key is remembered as long as its message, and this topic retains none.";
            return Err(Response::refusal(Reason::Header, why, &[]));
        }
        match publish.length {
            BodyLength::Bytes(bytes)
                if !publish.each_line && bytes > self.limits.message_bytes_max as u64 =>
            {
                Err(self.too_large("message"))
            }
            _ if publish.each_line => Ok(()),
            _ => self.take_post(slot),
        }
    }

    /// A client publishes another message by HTTP, unless those of its address are too many.
    pub(super) fn take_post(&mut self, slot: Slot) -> Result<(), Response> {
        let taken = self.gate.take_post(slot, self.now);
        taken.map_err(|over| {
            let headers = [("Retry-After", "1")];
            Response::refusal(Reason::MessageRate, &over.to_string(), &headers)
        })
    }

    pub(super) fn too_large(&self, what: &str) -> Response {
        let bytes_max = self.limits.message_bytes_max;
        let why = format!("A {what} has {bytes_max} bytes at most (--message-bytes-max).");
        Response::refusal(Reason::BodyTooLarge, &why, &[])
    }

    /// Requests that follow one in the same read. Those that publish, and are whole, are answered with it; what is left
    /// waits until all these answers have left.
    fn on_pipelined(&mut self, slot: Slot, mut rest: &[u8]) {
        while !rest.is_empty() && self.may_be_answered_with(slot) {
            let scanned = HeadScanner::default().scan(rest, self.limits.head_bytes_max);
            let Ok(Some(head_bytes)) = scanned else { break };
            let (head, after) = rest.split_at(head_bytes);
            let Ok(head) = Head::parse(head) else { break };
            if self.check_host(slot, &head).is_err() || self.gate.is_forwarded(slot, &head) {
                break;
            }
            let answer = http::route(&head, &self.site, &self.limits.origins);
            let Answer::Publish(mut publish) = answer else {
                break;
            };
            let Some((body, next)) = split_body(&publish, after) else {
                break;
            };
            if !self.may_post_at_once(&publish) {
                break;
            }
            if let Err(refusal) = self.check_publish(slot, &head, &mut publish) {
                return self.answer_post(slot, refusal, false, publish.origin, None);
            }
            let Ok(answer) = self.post_at_once(slot, &publish, body) else {
                break;
            };
            self.answer_post(slot, answer, publish.keep_alive, publish.origin, None);
            rest = next;
        }
        self.keep_requests(slot, rest);
    }

    /// Another answer may be put behind those that have yet to leave: as long as there is memory for them.
    fn may_be_answered_with(&self, slot: Slot) -> bool {
        let connection = &self.peers[slot];
        let extra = connection.extra.as_deref();
        let keep_alive = extra
            .and_then(|extra| extra.response.as_ref())
            .is_some_and(|response| response.keep_alive);
        let pending = connection
            .outbox()
            .map_or(0, |outbox| outbox.pending().len());
        keep_alive && pending < self.peers.head_bytes_free(slot, &self.limits)
    }

    /// What follows a request waits until that is answered.
    pub(super) fn keep_requests(&mut self, slot: Slot, rest: &[u8]) {
        let extra = self.peers[slot].extra();
        let response = extra.response.as_ref();
        if response.is_some_and(|response| response.keep_alive) {
            extra.kept = rest.to_vec();
        }
    }

    /// There is memory for what follows a request, until that is answered.
    pub(super) fn may_keep(&self, slot: Slot, rest: &[u8]) -> bool {
        rest.len() <= self.peers.head_bytes_free(slot, &self.limits)
    }

    /// Publishes a message that has come whole, unless there was one with its key before.
    pub(super) fn post_message(
        &mut self,
        slot: Slot,
        topic: &str,
        kind: MessageKind,
        key: Option<&str>,
        payload: &[u8],
    ) -> Result<Response, Pending> {
        if kind == MessageKind::Text && str::from_utf8(payload).is_err() {
            return Ok(not_utf8());
        }
        if let Some(id) = key.and_then(|key| self.hub.find_key(topic, key, self.now)) {
            return Ok(self.posted(topic, Some(id)));
        }
        let id = match self.offer_of(slot, topic, kind, payload) {
            Offered::Committed(id) => Some(id),
            Offered::NoMembers => None,
            Offered::Later => return Err(Pending::Space),
            Offered::Travels(_) => return Err(Pending::Number),
        };
        self.remember_post(topic, key, id);
        Ok(self.posted(topic, id))
    }

    /// A message was published with that key.
    pub(super) fn remember_post(&mut self, topic: &str, key: Option<&str>, id: Option<MessageId>) {
        if let (Some(key), Some(id)) = (key, id) {
            self.hub.remember_key(topic, key, id, self.now);
        }
    }

    /// The answer to a request whose message is published.
    pub(super) fn posted(&self, topic: &str, id: Option<MessageId>) -> Response {
        let readers = self.hub.readers(topic);
        http::posted(id, readers)
    }

    /// Answers a request all of which has come.
    pub(super) fn answer_post(
        &mut self,
        slot: Slot,
        answer: Response,
        keep_alive: bool,
        origin: Option<&str>,
        proxy: Option<PeerAddress>,
    ) {
        let mut answer = answer.allowing(origin);
        answer.keep_alive = keep_alive && self.shutdown.is_none();
        if answer.status.is_error() {
            self.note_refusal(slot, &answer);
        }
        let date = self.wall_clock.map(|wall_clock| wall_clock());
        self.peers.push_response(slot, &answer, date, self.now);
        if let Some(proxy) = proxy.filter(|_| answer.keep_alive) {
            self.gate.end_request(slot, proxy);
        }
    }
}

/// What came is no text.
pub(super) fn not_utf8() -> Response {
    let why = "Text is not UTF-8. Binary messages are published with Content-Type: application/octet-stream.";
    Response::refusal(Reason::MediaType, why, &[])
}

/// The relay is going down: another one, or the next, takes the message.
pub(super) fn going_down() -> Response {
    let why = "The relay is going down. Try again soon.";
    Response::refusal(Reason::ShuttingDown, why, &[("Retry-After", "1")])
}

/// The body of one message, and what follows it, if all of it is there and not coded.
fn split_body<'a>(publish: &Publish, rest: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
    let BodyLength::Bytes(bytes) = publish.length else {
        return None;
    };
    let bytes = usize::try_from(bytes).ok()?;
    if publish.each_line || bytes > rest.len() {
        return None;
    }
    Some(rest.split_at(bytes))
}
