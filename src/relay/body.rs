//! Bodies of requests that publish, and that come bit by bit, or wait until their topic has space.

use super::Relay;
use super::feed::Offered;
use super::ids::{MessageId, Slot};
use super::limits::GATHER_BYTES_FREE;
use super::peer::Post;
use super::publishing::{Pending, going_down, not_utf8};
use super::reading::Reading;
use super::requests::no_memory;
use crate::http::{self, Reason, Response};
use crate::proto::MessageKind;

impl Relay {
    /// Whether the connection of a request whose body has yet to come is to be read.
    pub(super) fn reading_body(&self, slot: Slot) -> Reading {
        let connection = &self.peers[slot];
        let Some(post) = connection.post() else {
            return Reading::Later;
        };
        let needs_space = post.is_waiting || post.each_line;
        match post {
            _ if post.is_whole() && post.unsettled > 0 && !post.is_waiting => Reading::Later,
            _ if !self.takes_offers() => Reading::Held,
            _ if needs_space && !self.has_space(&post.topic) => Reading::NextTurn,
            _ if post.is_waiting || connection.has_kept() => Reading::Kept,
            // What follows the body is kept until it is answered, whatever others hold.
            _ => Reading::Now(post.bytes_left().saturating_add(GATHER_BYTES_FREE)),
        }
    }

    /// A part of a body, or more; or what came of it may have to wait no longer.
    pub(super) fn on_body(&mut self, slot: Slot, mut input: &[u8]) {
        let Some(mut post) = self.peers[slot].extra().post.take() else {
            return;
        };
        match self.take_body(slot, &mut post, &mut input) {
            Ok(Some(answer)) => {
                let origin = post.origin.as_deref();
                let keep_alive = post.keep_alive && self.may_keep(slot, input);
                self.answer_post(slot, answer, keep_alive, origin, post.proxy);
                self.keep_requests(slot, input);
            }
            Ok(None) => {
                let extra = self.peers[slot].extra();
                extra.kept = input.to_vec();
                let is_waiting = post.is_waiting;
                extra.post = Some(post);
                if is_waiting {
                    self.peers.resume(slot);
                }
            }
            Err(refusal) => self.refuse_post(slot, post, refusal),
        }
    }

    /// Ends a request whose body has begun. If each of its lines is a message, it is told which of them are published,
    /// once they are.
    fn refuse_post(&mut self, slot: Slot, mut post: Box<Post>, refusal: Response) {
        let refusal = match post.each_line {
            true => http::bad_line(post.published, post.lines + 1, refusal),
            false => refusal,
        };
        if post.unsettled == 0 {
            return self.respond(slot, refusal.allowing(post.origin.as_deref()));
        }
        (post.gathered, post.is_waiting) = (Vec::new(), false);
        post.refusal = Some(refusal);
        let extra = self.peers[slot].extra();
        extra.kept = Vec::new();
        extra.post = Some(post);
    }

    /// Ends a request, maybe in the middle of its body.
    pub(super) fn refuse_request(&mut self, slot: Slot, refusal: Response) {
        match self.peers[slot].extra().post.take() {
            Some(post) => self.refuse_post(slot, post, refusal),
            None => self.respond(slot, refusal),
        }
    }

    /// Takes in what has come of a body. Returns the answer once all is done.
    fn take_body(
        &mut self,
        slot: Slot,
        post: &mut Post,
        input: &mut &[u8],
    ) -> Result<Option<Response>, Response> {
        if std::mem::take(&mut post.is_waiting) && post.each_line {
            self.post_lines(slot, post)?;
        }
        while !post.is_waiting {
            let part = post.body.next(input);
            let malformed = |error| Response::refusal(Reason::Body, &format!("{error}"), &[]);
            let Some(part) = part.map_err(malformed)? else {
                break;
            };
            self.gather(slot, post, part)?;
            if post.each_line {
                self.post_lines(slot, post)?;
            }
        }
        if !post.is_whole() {
            return Ok(None);
        }
        match post.each_line {
            true => self.end_lines(slot, post),
            false => Ok(self.post_gathered(slot, post)),
        }
    }

    fn gather(&mut self, slot: Slot, post: &mut Post, part: &[u8]) -> Result<(), Response> {
        let gathered = post.gathered.len() + part.len();
        if !post.each_line && gathered > self.limits.message_bytes_max {
            return Err(self.too_large("message"));
        }
        post.gathered.extend_from_slice(part);
        let others = self.peers.private_bytes_of_others(slot);
        let held = post.gathered.capacity();
        if gathered > GATHER_BYTES_FREE && held + others > self.limits.private_bytes_max {
            return Err(no_memory());
        }
        Ok(())
    }

    /// Publishes a message that was gathered, once there is space for it. Returns the answer as soon as there is one.
    fn post_gathered(&mut self, slot: Slot, post: &mut Post) -> Option<Response> {
        if post.unsettled > 0 {
            return None;
        }
        let key = post.key.as_deref();
        let posted = self.post_message(slot, &post.topic, post.kind, key, &post.gathered);
        match posted {
            Ok(answer) => return Some(answer),
            Err(Pending::Space) => post.is_waiting = true,
            Err(Pending::Number) => post.unsettled = 1,
        }
        None
    }

    /// Publishes the lines that have come whole, as long as there is space.
    fn post_lines(&mut self, slot: Slot, post: &mut Post) -> Result<(), Response> {
        let gathered = std::mem::take(&mut post.gathered);
        let mut rest = &gathered[..];
        let mut searched = std::mem::take(&mut post.searched);
        while let Some(end) = rest[searched..].iter().position(|&byte| byte == b'\n') {
            let end = searched + end;
            let line = &rest[..end];
            if !self.post_line(slot, post, line.strip_suffix(b"\r").unwrap_or(line))? {
                post.is_waiting = true;
                break;
            }
            rest = &rest[end + 1..];
            searched = 0;
        }
        if !post.is_waiting {
            if rest.len() > self.limits.message_bytes_max + 1 {
                return Err(self.too_large("line"));
            }
            post.searched = rest.len();
        }
        let taken = gathered.len() - rest.len();
        post.gathered = gathered;
        post.gathered.drain(..taken);
        if post.gathered.is_empty() {
            post.gathered = Vec::new();
        }
        Ok(())
    }

    /// A line is a message, unless it is empty. False if it has to wait.
    fn post_line(&mut self, slot: Slot, post: &mut Post, line: &[u8]) -> Result<bool, Response> {
        if line.is_empty() {
            post.lines += 1;
            return Ok(true);
        }
        if line.len() > self.limits.message_bytes_max {
            return Err(self.too_large("line"));
        }
        if post.kind == MessageKind::Text && str::from_utf8(line).is_err() {
            return Err(not_utf8());
        }
        if !self.has_space(&post.topic) {
            return Ok(false);
        }
        self.take_post(slot)?;
        match self.offer_of(slot, &post.topic, post.kind, line) {
            Offered::Committed(id) => post.last = Some(id),
            Offered::Travels(_) => post.unsettled += 1,
            Offered::NoMembers => {}
            Offered::Later => return Ok(false),
        }
        post.lines += 1;
        post.published += 1;
        Ok(true)
    }

    /// The body has ended: a last line without LF counts.
    fn end_lines(&mut self, slot: Slot, post: &mut Post) -> Result<Option<Response>, Response> {
        if !post.is_waiting && !post.gathered.is_empty() {
            post.gathered.push(b'\n');
            self.post_lines(slot, post)?;
        }
        if post.is_waiting || post.unsettled > 0 {
            return Ok(None);
        }
        Ok(Some(http::posted_lines(post.published, post.last)))
    }

    /// A message of a request has its place in an order that is made elsewhere.
    pub(super) fn on_post_settled(&mut self, slot: Slot, id: Option<MessageId>) {
        let Some(mut post) = self.peers[slot].extra().post.take() else {
            return;
        };
        post.unsettled -= 1;
        post.last = id.or(post.last);
        let is_done = post.unsettled == 0 && post.is_whole() && !post.is_waiting;
        if !is_done {
            self.peers[slot].extra().post = Some(post);
            return;
        }
        if let Some(refusal) = post.refusal.take() {
            return self.respond(slot, refusal.allowing(post.origin.as_deref()));
        }
        self.remember_post(&post.topic, post.key.as_deref(), id);
        let answer = match post.each_line {
            true => http::posted_lines(post.published, post.last),
            false => self.posted(&post.topic, id),
        };
        let kept = std::mem::take(&mut self.peers[slot].extra().kept);
        let origin = post.origin.as_deref();
        let keep_alive = post.keep_alive && self.may_keep(slot, &kept);
        self.answer_post(slot, answer, keep_alive, origin, post.proxy);
        self.keep_requests(slot, &kept);
    }

    /// All of a body has come, and what was gathered of it waits.
    pub(super) fn is_body_whole(&self, slot: Slot) -> bool {
        self.peers[slot].post().is_some_and(Post::is_whole)
    }

    /// The relay goes down: a request that may never end is ended.
    pub(super) fn end_lines_for_shutdown(&mut self, slot: Slot) {
        let extra = self.peers[slot].extra();
        if let Some(post) = extra
            .post
            .take_if(|post| post.each_line && !post.is_whole())
        {
            extra.kept = Vec::new();
            self.refuse_post(slot, post, going_down());
            self.settle(slot);
        }
    }
}
