//! What a request is for.

use super::asset::Site;
use super::reason::Reason;
use super::response::{Response, Status};
use crate::proto::Head;
use crate::proto::handshake::{self, Refusal};
use crate::proto::head::is_percent_encoded;
use percent_encoding::percent_decode_str;
use std::borrow::Cow;

/// The topic of `/ws`.
const LOBBY: &str = "lobby";

/// The most bytes that a topic's name may have, after decoding: a name is kept as long as the
/// topic exists, and strangers choose it.
const TOPIC_BYTES_MAX: usize = 128;

/// What to do about a request.
#[derive(Debug)]
pub enum Answer<'a> {
    /// Open a WebSocket.
    Join(Join<'a>),
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
}

/// Finds out what a request is for. `origins` are those that may connect besides the page's own.
pub fn route<'a>(head: &Head<'a>, site: &Site, origins: &[String]) -> Answer<'a> {
    let mut response = match answer(head, site, origins) {
        Ok(Answer::Join(join)) => return Answer::Join(join),
        Ok(Answer::Respond(response)) | Err(response) => response,
    };
    response.head_only = head.method == "HEAD";
    response.keep_alive &= wants_keep_alive(head);
    Answer::Respond(response)
}

fn answer<'a>(head: &Head<'a>, site: &Site, origins: &[String]) -> Result<Answer<'a>, Response> {
    // A body is never read. Where another method is the fault, that is what is said.
    let checked = handshake::check_request(head);
    if let Err(refusal) = checked
        && refusal != Refusal::Body
    {
        return Err(refused(refusal));
    }
    if let Some(name) = socket_path(head.path()) {
        if head.method != "GET" {
            return Err(refused(Refusal::Method));
        }
        let upgrade = handshake::check(head).map_err(refused)?;
        check_origin(&upgrade, origins)?;
        let topic = decode_topic(name)
            .map_err(|why| Response::error(Status::BadRequest, why, &[]).because(Reason::Topic))?;
        return Ok(Answer::Join(Join {
            upgrade,
            topic,
            echo: wants_echo(head),
        }));
    }
    let Some(response) = site.find(head) else {
        let why = "There is nothing here. The page is at /, WebSockets are at /ws and /ws/TOPIC.";
        return Err(Response::error(Status::NotFound, why, &[]).because(Reason::NotFound));
    };
    check_method(head)?;
    checked.map_err(refused)?;
    Ok(Answer::Respond(response))
}

/// Whether a request only reads.
pub(super) fn check_method(head: &Head) -> Result<(), Response> {
    if matches!(head.method, "GET" | "HEAD") {
        return Ok(());
    }
    let why = "This can be read with GET and HEAD only.";
    let headers = [("Allow", "GET, HEAD")];
    Err(Response::error(Status::MethodNotAllowed, why, &headers).because(Reason::Method))
}

/// Whether a path is a WebSocket's, and nothing else is ever served there.
#[must_use]
pub fn is_socket(path: &str) -> bool {
    socket_path(path).is_some()
}

/// The topic's name in a path that leads to one, not decoded yet.
fn socket_path(path: &str) -> Option<&str> {
    match path.strip_prefix("/ws")? {
        "" => Some(LOBBY),
        rest => rest.strip_prefix('/'),
    }
}

/// Decodes the name of a topic: 1 to 128 bytes of UTF-8 without control characters and `/`.
fn decode_topic(name: &str) -> Result<Cow<'_, str>, &'static str> {
    // A decoder would let such a `%` pass, and two addresses that differ would be one topic.
    if !is_percent_encoded(name) {
        return Err("The topic's name has a `%` that no two hexadecimal digits follow.");
    }
    let Ok(name) = percent_decode_str(name).decode_utf8() else {
        return Err("The topic's name is not UTF-8.");
    };
    check_topic(&name)?;
    Ok(name)
}

/// Whether a topic may have that name, and otherwise why not.
pub fn check_topic(name: &str) -> Result<(), &'static str> {
    if name.is_empty() || name.len() > TOPIC_BYTES_MAX {
        return Err("A topic's name has 1 to 128 bytes.");
    }
    if name.contains('/') || name.contains(char::is_control) {
        return Err("A topic's name has no `/` and no control characters.");
    }
    Ok(())
}

/// `?echo=0` joins without hearing oneself.
fn wants_echo(head: &Head) -> bool {
    let query = head.query().unwrap_or_default();
    !form_urlencoded::parse(query.as_bytes()).any(|(key, value)| key == "echo" && value == "0")
}

pub(super) fn wants_keep_alive(head: &Head) -> bool {
    let has = |token| head.headers.has_token("Connection", token);
    // Who asks for both gets a close, whatever the version (RFC 9112 §9.3).
    !has("close") && (head.minor_version > 0 || has("keep-alive"))
}

fn check_origin(upgrade: &handshake::Upgrade, origins: &[String]) -> Result<(), Response> {
    handshake::check_origin(upgrade.origin, upgrade.host, origins).map_err(|refusal| {
        let why = format!("{refusal} Allow it with --origin.");
        Response::error(Status::Forbidden, &why, &[]).because(Reason::Origin)
    })
}

pub(super) fn refused(refusal: Refusal) -> Response {
    let (status, reason) = match refusal {
        Refusal::Method => (Status::MethodNotAllowed, Reason::Method),
        Refusal::HttpVersion | Refusal::NoUpgrade => (Status::UpgradeRequired, Reason::NoUpgrade),
        Refusal::Version => (Status::UpgradeRequired, Reason::Version),
        Refusal::Body => (Status::BadRequest, Reason::Body),
        Refusal::Missing(_) | Refusal::Repeated(_) | Refusal::Malformed(_) => {
            (Status::BadRequest, Reason::Header)
        }
    };
    Response::error(status, &refusal.to_string(), refusal.headers()).because(reason)
}
