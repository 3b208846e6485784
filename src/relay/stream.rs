//! Topics that are read as server-sent events: how such a stream begins, what it says besides messages, and its end.
//!
//! ```text
//!   GET ─► checks ─┬─► 200, `retry`, `id` ─► messages, gaps, comments in silence ─► the end
//!                  ├─► 200, `retry`, the end: it may come back, as an `EventSource` does
//!                  └─► 4xx: it never will (HTML §9.2.3)
//! ```
//!
//! Its connection is a member of its topic as a WebSocket is, but speaks no frames. What its peer sends behind the
//! request is discarded, and counts as what a WebSocket sends. If the peer's stream ends, the relay takes that for
//! hanging up, as most servers do, since nothing tells the two apart: it has what it is owed by then, and the end.

use super::Relay;
use super::hub::Encoding;
use super::ids::Slot;
use super::join::no_topic;
use super::peer::{Flag, Peer, Poll};
use crate::http::{Response, Status, Stream};
use crate::metrics::{Cause, NO_CLOSE_FRAME};
use crate::proto::{Head, event_stream};
use std::time::Duration;

/// When the client of a stream that broke comes back: after 2 s, and up to 2 s more, so that not all do at once.
const RETRY_MS: u64 = 2_000;
const RETRY_SPREAD_MS: u32 = 2_000;

/// When a client comes back that finds no place, or has taken more than its part: after 20 s, and up to 10 s more.
const LATER_RETRY_MS: u64 = 20_000;
const LATER_RETRY_SPREAD_MS: u32 = 10_000;

/// Of what a reader missed, so much is written for it at a time. It is as much as any connection may hold of what it
/// has yet to say, whatever the others do.
const WRITTEN_BYTES_MAX: usize = super::limits::GATHER_BYTES_FREE;

impl Relay {
    pub(super) fn reads_events(&self, slot: Slot) -> bool {
        self.peers[slot].flags.has(Flag::Sse)
    }

    /// A request for a stream passed all checks of `http`.
    pub(super) fn on_stream_request(&mut self, slot: Slot, head: &Head, mut stream: Stream) {
        if let Err(refusal) = self.check_stream(slot, head, &mut stream) {
            return self.refuse_stream(slot, &stream, refusal);
        }
        if stream.head_only {
            let mut response = Response::stream().allowing(stream.origin);
            response.head_only = true;
            return self.respond(slot, response);
        }
        self.open_stream(slot, &stream);
    }

    fn check_stream(
        &mut self,
        slot: Slot,
        head: &Head,
        stream: &mut Stream,
    ) -> Result<(), Response> {
        if !self.has_place() {
            return Err(self.no_place());
        }
        let admitted = self.gate.on_upgrade(slot, self.now);
        admitted.map_err(|refusal| refusal.response())?;
        self.ask_hook(slot, head, &mut stream.topic)?;
        match self.has_topic_for(&stream.topic) {
            true => Ok(()),
            false => Err(no_topic()),
        }
    }

    /// A stream is refused: for now, or for ever.
    fn refuse_stream(&mut self, slot: Slot, stream: &Stream, refusal: Response) {
        self.note_refusal(slot, &refusal);
        let may_pass = matches!(
            refusal.status,
            Status::ServiceUnavailable | Status::TooManyRequests
        );
        let mut response = match may_pass {
            true => refusal.come_back(later_ms(slot)),
            false => refusal,
        };
        response.head_only = stream.head_only;
        self.send_response(slot, response.allowing(stream.origin));
    }

    fn open_stream(&mut self, slot: Slot, stream: &Stream) {
        let (topic, since) = (&*stream.topic, stream.since);
        let joined = self.enter_topic(slot, topic, Encoding::Events, since, true);
        let date = self.wall_clock.map(|wall_clock| wall_clock());
        let response = Response::stream().allowing(stream.origin);
        let mut begin = response.encode_head(date);
        let retry_ms = RETRY_MS + u64::from(slot.spread(RETRY_SPREAD_MS));
        match joined.missing {
            None => event_stream::write_begin(retry_ms, joined.after, &mut begin),
            // The gap says where it begins. Cut off before that, it would otherwise come back behind it, untold.
            Some(_) => event_stream::write_retry(retry_ms, &mut begin),
        }
        let connection = &mut self.peers[slot];
        connection.flags.set(Flag::Sse);
        connection.extra().outbox.push(&begin);
        if let Some(missing) = joined.missing {
            self.tell_missed(slot, missing.messages);
        }
        self.counters.opened_sse += 1;
        self.peers.queue_output(slot);
        if let Some(hooks) = &mut self.hooks.0 {
            hooks.on_join(self.peers.id(slot), topic);
        }
        if let Some(wait) = stream.wait {
            let has_news = joined.replayed > 0 || joined.missing.is_some();
            self.begin_poll(slot, wait, has_news);
        }
    }

    /// A stream ends as soon as there was something to say: which may be now.
    fn begin_poll(&mut self, slot: Slot, wait: Duration, has_news: bool) {
        if wait.is_zero() || has_news {
            return self.end_stream(slot, Cause::Answered, "", Peer::Done);
        }
        let ticks = u32::try_from(wait.as_millis().div_ceil(100)).unwrap_or(u32::MAX);
        let until = self.now.after(ticks);
        let connection = &mut self.peers[slot];
        let from = connection.seat.cursor();
        connection.extra().poll = Some(Poll { from, until });
    }

    /// All that an open connection was owed has been sent: if it is a poll, that may be what it waited for.
    #[inline(never)]
    pub(super) fn on_poll_served(&mut self, slot: Slot) {
        let connection = &self.peers[slot];
        let is_served = |poll: Poll| poll.from != connection.seat.cursor();
        if connection.poll().is_some_and(is_served) {
            self.end_stream(slot, Cause::Answered, "", Peer::Done);
        }
    }

    /// A stream was silent for long, and says that it is alive.
    pub(super) fn comment(&mut self, slot: Slot) {
        let connection = &self.peers[slot];
        // One that is to be sent something says so itself.
        if connection.seat.is_replaying() || connection.outbox().is_some() {
            return;
        }
        self.enter_outbox(slot);
        self.peers[slot].extra().outbox.push(event_stream::COMMENT);
        self.peers.queue_output(slot);
    }

    /// A reader of events that is sent what it missed has its turn: more of that is written for it. Nothing happens if
    /// it is another reader.
    #[inline(never)]
    pub(super) fn write_events(&mut self, slot: Slot) {
        let connection = &self.peers[slot];
        if !connection.flags.has(Flag::Sse) || !connection.seat.is_replaying() {
            return;
        }
        self.enter_outbox(slot);
        let bytes_max = WRITTEN_BYTES_MAX.min(self.limits.pace.replay_bytes_per_write);
        let connection = &mut self.peers[slot];
        connection.active = self.now;
        let mut outbox = std::mem::take(&mut connection.extra().outbox);
        let gone_over =
            outbox.push_with(|out| self.hub.write_events(&mut self.peers, slot, out, bytes_max));
        self.peers[slot].extra().outbox = outbox;
        if let Some(missed) = gone_over {
            self.on_gap(slot, missed);
        }
    }

    /// A stream ends once its reader has what it is owed.
    pub(super) fn end_stream(&mut self, slot: Slot, cause: Cause, why: &str, peer: Peer) {
        let is_to_wait = matches!(cause, Cause::Memory | Cause::Rate);
        let retry_ms = is_to_wait.then(|| later_ms(slot));
        self.end_stream_with(slot, cause, why, peer, retry_ms);
    }

    /// The same. Its client comes back after so many milliseconds, if that is not what it was told when it came.
    pub(super) fn end_stream_with(
        &mut self,
        slot: Slot,
        cause: Cause,
        why: &str,
        peer: Peer,
        retry_ms: Option<u64>,
    ) {
        self.note_close(slot, cause, NO_CLOSE_FRAME, why);
        let last_words = retry_ms.map(|retry_ms| {
            let mut words = Vec::new();
            event_stream::write_retry(retry_ms, &mut words);
            words
        });
        self.start_close_with(slot, last_words, peer);
    }
}

fn later_ms(slot: Slot) -> u64 {
    LATER_RETRY_MS + u64::from(slot.spread(LATER_RETRY_SPREAD_MS))
}
