//! Responses: status, headers, and errors as people read them.

use super::Reason;
use super::asset::Body;
use std::io::Write;

/// The statuses that are answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// 200
    Ok,
    /// 400
    BadRequest,
    /// 401
    Unauthorized,
    /// 403
    Forbidden,
    /// 404
    NotFound,
    /// 405
    MethodNotAllowed,
    /// 408
    RequestTimeout,
    /// 426
    UpgradeRequired,
    /// 429
    TooManyRequests,
    /// 431
    RequestHeaderFieldsTooLarge,
    /// 503
    ServiceUnavailable,
}

impl Status {
    /// The number, and what it is called (RFC 9110 §15).
    #[must_use]
    pub fn line(self) -> (u16, &'static str) {
        match self {
            Status::Ok => (200, "OK"),
            Status::BadRequest => (400, "Bad Request"),
            Status::Unauthorized => (401, "Unauthorized"),
            Status::Forbidden => (403, "Forbidden"),
            Status::NotFound => (404, "Not Found"),
            Status::MethodNotAllowed => (405, "Method Not Allowed"),
            Status::RequestTimeout => (408, "Request Timeout"),
            Status::UpgradeRequired => (426, "Upgrade Required"),
            Status::TooManyRequests => (429, "Too Many Requests"),
            Status::RequestHeaderFieldsTooLarge => (431, "Request Header Fields Too Large"),
            Status::ServiceUnavailable => (503, "Service Unavailable"),
        }
    }
}

/// A response before it is encoded.
#[derive(Clone, Debug)]
pub struct Response {
    /// What it says first.
    pub status: Status,
    /// Why, if it is an error.
    pub reason: Reason,
    /// Headers besides those that every response has.
    headers: Vec<(&'static str, &'static str)>,
    content_type: &'static str,
    /// What follows the head.
    pub body: Body,
    /// The request asked for the head only.
    pub head_only: bool,
    /// The connection may be used for another request.
    pub keep_alive: bool,
}

impl Response {
    pub(super) fn ok(
        content_type: &'static str,
        headers: &[(&'static str, &'static str)],
        body: Body,
    ) -> Self {
        Response {
            status: Status::Ok,
            reason: Reason::Other,
            headers: headers.to_vec(),
            content_type,
            body,
            head_only: false,
            keep_alive: true,
        }
    }

    /// What is old at once, and so is kept by nobody.
    #[must_use]
    pub fn fresh(content_type: &'static str, body: impl Into<Vec<u8>>) -> Self {
        let headers = [
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
        ];
        Response::ok(content_type, &headers, body.into().into())
    }

    /// An error, explained in a sentence, after which the connection is closed.
    #[must_use]
    pub fn error(status: Status, why: &str, headers: &[(&'static str, &'static str)]) -> Self {
        let (number, name) = status.line();
        Response {
            status,
            reason: Reason::Other,
            headers: headers.to_vec(),
            content_type: "text/plain; charset=utf-8",
            body: format!("{number} {name}: {why}\n").into_bytes().into(),
            head_only: false,
            keep_alive: false,
        }
    }

    /// Says why it is an error, for those who count.
    #[must_use]
    pub fn because(mut self, reason: Reason) -> Self {
        self.reason = reason;
        self
    }

    /// The head as it goes on the wire.
    #[must_use]
    pub fn encode_head(&self) -> Vec<u8> {
        let (number, name) = self.status.line();
        let body_bytes = self.body.len();
        let content_type = self.content_type;
        let mut head = Vec::with_capacity(512);
        // Writing into a Vec does not fail.
        let _ = write!(
            head,
            "HTTP/1.1 {number} {name}\r\nContent-Type: {content_type}\r\n\
             Content-Length: {body_bytes}\r\n"
        );
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
