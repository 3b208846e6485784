//! Responses: status, headers, body, and errors explained in a sentence.

use super::reason::Reason;
use super::status::Status;
use crate::proto::event_stream;
use crate::proto::handshake::Refusal;
use httpdate::HttpDate;
use serde::Serialize;
use std::borrow::Cow;
use std::io::Write;
use std::ops::Range;
use std::sync::Arc;
use std::time::SystemTime;

/// A body that many responses share: a connection that is slow to take it holds a position in it.
pub type Body = Arc<[u8]>;

/// A header's name and value.
pub(super) type ResponseHeader = (&'static str, Cow<'static, str>);

/// A response before it is encoded.
#[derive(Clone, Debug)]
pub struct Response {
    /// What it says first.
    pub status: Status,
    /// Why, if it is an error.
    pub reason: Reason,
    /// Headers besides those that every response has.
    headers: Vec<ResponseHeader>,
    content_type: Cow<'static, str>,
    /// What follows the head, or what that is a part of.
    pub body: Body,
    /// How much of it follows.
    pub part: Range<usize>,
    /// The request asked for the head only.
    pub head_only: bool,
    /// The connection may be used for another request.
    pub keep_alive: bool,
    /// Where the body ends is not known yet: at the connection's end.
    is_endless: bool,
}

impl Response {
    pub(super) fn ok(
        content_type: impl Into<Cow<'static, str>>,
        headers: Vec<ResponseHeader>,
        body: Body,
    ) -> Self {
        Response {
            status: Status::Ok,
            reason: Reason::Other,
            headers,
            content_type: content_type.into(),
            part: 0..body.len(),
            body,
            head_only: false,
            keep_alive: true,
            is_endless: false,
        }
    }

    /// Content that no cache may keep, since it is outdated at once.
    #[must_use]
    pub fn fresh(content_type: &'static str, body: impl Into<Vec<u8>>) -> Self {
        let headers = owned(&[
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
        ]);
        Response::ok(content_type, headers, body.into().into())
    }

    /// JSON that no cache may keep.
    #[must_use]
    pub fn fresh_json(value: &impl Serialize) -> Self {
        Response::fresh("application/json", json(value))
    }

    /// The head of a stream of server-sent events. No cache may keep it, and no proxy may hold it back, or change it.
    #[must_use]
    pub fn stream() -> Self {
        let headers = owned(&[
            ("Cache-Control", "no-store, no-transform"),
            ("X-Accel-Buffering", "no"),
            ("X-Content-Type-Options", "nosniff"),
        ]);
        Response {
            keep_alive: false,
            is_endless: true,
            ..Response::ok(event_stream::CONTENT_TYPE, headers, [].into())
        }
    }

    /// The same of a reader that may not read now, but later: after so many milliseconds. Any other status would end an
    /// `EventSource` for good (HTML §9.2.3).
    #[must_use]
    pub fn come_back(&self, retry_ms: u64) -> Self {
        let why = String::from_utf8_lossy(&self.body);
        let mut body = format!(": {}\n", why.trim_end()).into_bytes();
        event_stream::write_retry(retry_ms, &mut body);
        Response {
            part: 0..body.len(),
            body: body.into(),
            is_endless: false,
            ..Response::stream()
        }
    }

    /// What the client has is still current.
    pub(super) fn not_modified(headers: Vec<ResponseHeader>) -> Self {
        Response {
            status: Status::NotModified,
            ..Response::ok("", headers, [].into())
        }
    }

    /// The methods that are allowed, as OPTIONS asks (RFC 9110 §9.3.7).
    pub(super) fn methods(allow: &'static str) -> Self {
        let headers = owned(&[("Allow", allow)]);
        Response {
            status: Status::NoContent,
            ..Response::ok("", headers, [].into())
        }
    }

    /// The same with another body, of that type.
    pub(super) fn with_body(self, content_type: &'static str, body: Vec<u8>) -> Self {
        Response {
            part: 0..body.len(),
            body: body.into(),
            content_type: content_type.into(),
            ..self
        }
    }

    /// Adds a header that is not there yet.
    pub(super) fn add(&mut self, name: &'static str, value: impl Into<Cow<'static, str>>) {
        self.headers.push((name, value.into()));
    }

    /// Only a part of the body, of one byte at least (RFC 9110 §15.3.7).
    pub(super) fn of_part(mut self, part: Range<usize>) -> Self {
        let (last, bytes) = (part.end - 1, self.body.len());
        let range = format!("bytes {}-{last}/{bytes}", part.start);
        self.headers.push(("Content-Range", range.into()));
        self.status = Status::PartialContent;
        self.part = part;
        self
    }

    /// The range asked for lies outside of a body of `bytes` bytes (RFC 9110 §15.5.17). A
    /// client whose download turns out to be complete keeps its connection.
    pub(super) fn no_such_part(bytes: usize) -> Self {
        let why = format!("There are {bytes} bytes, and none where the range begins.");
        let mut response = Response::refusal(Reason::Range, &why, &[]);
        let range = format!("bytes */{bytes}");
        response.headers.push(("Content-Range", range.into()));
        response.keep_alive = true;
        response
    }

    /// The client wants the file only if it has not changed, and it has.
    pub(super) fn changed() -> Self {
        let why = "It is not what If-Match or If-Unmodified-Since says.";
        let mut response = Response::refusal(Reason::Precondition, why, &[]);
        response.keep_alive = true;
        response
    }

    /// What was asked for is at another address.
    pub(super) fn moved(location: String) -> Self {
        let (number, name) = Status::MovedPermanently.line();
        let body = format!("{number} {name}: It is at {location}\n");
        let headers = vec![("Location", location.into())];
        Response {
            status: Status::MovedPermanently,
            ..Response::ok(PLAIN_TEXT, headers, body.into_bytes().into())
        }
    }

    /// A refusal, explained in a sentence, after which the connection is closed. Its status is the
    /// reason's, and 400 if that has none of its own.
    #[must_use]
    pub fn refusal(reason: Reason, why: &str, headers: &[(&'static str, &'static str)]) -> Self {
        let status = reason.status().unwrap_or(Status::BadRequest);
        Response::error(status, reason, why, headers)
    }

    /// A refusal by the program that embeds the relay, with the status of its choice.
    #[must_use]
    pub fn refusal_by_hook(status: Status, why: &str) -> Self {
        Response::error(status, Reason::Hook, why, &[])
    }

    fn error(
        status: Status,
        reason: Reason,
        why: &str,
        headers: &[(&'static str, &'static str)],
    ) -> Self {
        let (number, name) = status.line();
        let body = format!("{number} {name}: {why}\n").into_bytes().into();
        Response {
            status,
            reason,
            keep_alive: false,
            ..Response::ok(PLAIN_TEXT, owned(headers), body)
        }
    }

    /// The head as it goes on the wire, with the date at which it was made, if there is a clock
    /// (RFC 9110 §6.6.1).
    #[must_use]
    pub fn encode_head(&self, date: Option<SystemTime>) -> Vec<u8> {
        let (number, name) = self.status.line();
        let body_bytes = self.part.len();
        let content_type = &self.content_type;
        let mut head = Vec::with_capacity(512);
        // Writing into a Vec does not fail.
        let _ = write!(head, "HTTP/1.1 {number} {name}\r\n");
        if let Some(date) = date {
            let _ = write!(head, "Date: {}\r\n", HttpDate::from(date));
        }
        // These have no body, and a 304 would have one of another length if it had.
        if !matches!(self.status, Status::NoContent | Status::NotModified) {
            let _ = write!(head, "Content-Type: {content_type}\r\n");
            if !self.is_endless {
                let _ = write!(head, "Content-Length: {body_bytes}\r\n");
            }
        }
        for (name, value) in self
            .headers
            .iter()
            .filter(|(name, _)| *name != "Connection")
        {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        // One line, in which a 426 must name what it asks for.
        let connection = match self.status {
            Status::UpgradeRequired => "Upgrade",
            _ if self.keep_alive => "keep-alive",
            _ => "close",
        };
        let _ = write!(head, "Connection: {connection}\r\n\r\n");
        head
    }
}

/// A line of JSON. What is written here can always be: there are no maps with keys that are no strings.
pub(super) fn json(value: &impl Serialize) -> Vec<u8> {
    let mut json = serde_json::to_vec(value).unwrap_or_default();
    json.push(b'\n');
    json
}

/// The answer to a request that breaks a rule of the protocol.
pub(super) fn refused(refusal: impl Into<Refusal>) -> Response {
    let refusal = refusal.into();
    Response::refusal(refusal.into(), &refusal.to_string(), refusal.headers())
}

pub(super) const PLAIN_TEXT: &str = "text/plain; charset=utf-8";

/// Headers that are always the same.
pub(super) fn owned(headers: &[(&'static str, &'static str)]) -> Vec<ResponseHeader> {
    let header = |&(name, value)| (name, Cow::Borrowed(value));
    headers.iter().map(header).collect()
}
