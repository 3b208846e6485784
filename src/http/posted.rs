//! What a request that published is answered with, as JSON.

use super::response::{Response, json};
use crate::proto::MessageId;
use serde::Serialize;

/// A message is published.
#[derive(Serialize)]
struct Posted {
    /// Which one it is; null if the topic has no readers and retains nothing, and so no numbers.
    id: Option<String>,
    /// Readers that it is on its way to.
    readers: usize,
}

/// Lines are published.
#[derive(Serialize)]
struct PostedLines {
    published: u64,
    /// The last of them.
    id: Option<String>,
}

/// A line is not, nor is what follows it.
#[derive(Serialize)]
struct BadLine<'a> {
    published: u64,
    /// Which line of the body it is, from 1 on.
    line: u64,
    error: &'a str,
}

/// The answer to a request whose message is published.
#[must_use]
pub fn posted(id: Option<MessageId>, readers: usize) -> Response {
    let id = id.map(|id| id.to_string());
    Response::fresh_json(&Posted { id, readers })
}

/// The answer to a request of which each line is published.
#[must_use]
pub fn posted_lines(published: u64, last: Option<MessageId>) -> Response {
    let id = last.map(|id| id.to_string());
    Response::fresh_json(&PostedLines { published, id })
}

/// The answer to a request that a line ended, which is refused so.
#[must_use]
pub fn bad_line(published: u64, line: u64, refusal: Response) -> Response {
    let why = String::from_utf8_lossy(&refusal.body).into_owned();
    let error = why.trim_end();
    refusal.with_body(
        "application/json",
        json(&BadLine {
            published,
            line,
            error,
        }),
    )
}
