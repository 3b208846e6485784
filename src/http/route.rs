//! What a request is for.

use super::asset::Site;
use super::reason::Reason;
use super::response::{Response, refused};
use super::since::Since;
use crate::proto::Head;
use crate::proto::fanfare_v1;
use crate::proto::handshake;
use crate::proto::http1::{self, RequestRefusal, is_percent_encoded};
use percent_encoding::percent_decode_str;
use std::borrow::Cow;

/// The topic of `/ws`.
const LOBBY: &str = "lobby";

/// The most bytes that a topic's name may have, after decoding: a name is kept as long as the
/// topic exists, and any client chooses it.
const TOPIC_BYTES_MAX: usize = 128;

const V1_WITHOUT_ECHO: &str = "With fanfare.v1, one's own messages can't be left out by echo=0, as clients \
    count what comes. Publish with a `ref`: its acknowledgement says which message is one's own.";

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
    /// Which messages of before it wants, if it says so.
    pub since: Option<Since>,
    /// Whether it offers [`fanfare_v1`], which is chosen whenever it is offered.
    pub is_v1: bool,
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

/// The methods that something can be requested with.
pub(super) struct Methods {
    allow: &'static str,
    /// The answer to a request with another one.
    why: &'static str,
}

impl Methods {
    /// Those of files, and of whatever else there is to read.
    pub(super) const READ: Methods = Methods {
        allow: "GET, HEAD, OPTIONS",
        why: "This can be read with GET and HEAD only.",
    };

    const CONNECT: Methods = Methods {
        allow: "GET, OPTIONS",
        why: "A WebSocket connection is opened with GET.",
    };

    /// Whether a request is to be served: its method is one of these, and what else was checked is in
    /// order. OPTIONS is answered here.
    pub(super) fn check(
        &self,
        head: &Head,
        checked: Result<(), RequestRefusal>,
    ) -> Result<(), Response> {
        if !self.allow.split(", ").any(|method| method == head.method) {
            let headers = [("Allow", self.allow)];
            return Err(Response::refusal(Reason::Method, self.why, &headers));
        }
        checked.map_err(refused)?;
        match head.method {
            "OPTIONS" => Err(self.response()),
            _ => Ok(()),
        }
    }

    /// The answer to OPTIONS.
    pub(super) fn response(&self) -> Response {
        Response::methods(self.allow)
    }
}

fn answer<'a>(head: &Head<'a>, site: &Site, origins: &[String]) -> Result<Answer<'a>, Response> {
    // A body is never read. If the method is wrong, too, that is what the answer says.
    let checked = http1::check_request(head).map(|_| ());
    if let Err(refusal) = checked
        && refusal != RequestRefusal::Body
    {
        return Err(refused(refusal));
    }
    if let Some(name) = socket_path(head.path()) {
        Methods::CONNECT.check(head, checked)?;
        let upgrade = handshake::check(head).map_err(refused)?;
        check_origin(&upgrade, origins)?;
        let topic = decode_topic(name).map_err(|why| {
            let why = with_hint(why, head.path());
            Response::refusal(Reason::Topic, &why, &[])
        })?;
        let join = Join {
            upgrade,
            topic,
            echo: wants_echo(head),
            since: Since::of(head)?,
            is_v1: fanfare_v1::is_offered(head),
        };
        if join.is_v1 && !join.echo {
            return Err(Response::refusal(Reason::Query, V1_WITHOUT_ECHO, &[]));
        }
        return Ok(Answer::Join(join));
    }
    // About the server as a whole, or a health check; the latter ask for `/`, too, where a site may have no
    // page.
    if head.method == "OPTIONS" && matches!(head.path(), "*" | "/") {
        Methods::READ.check(head, checked)?;
    }
    let Some(response) = site.find(head) else {
        let why = "There is nothing here. The page is at /, WebSockets are at /ws and /ws/TOPIC.";
        let why = with_hint(why, head.path());
        return Err(Response::refusal(Reason::NotFound, &why, &[]));
    };
    Methods::READ.check(head, checked)?;
    Ok(Answer::Respond(response))
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

/// Adds the path that was likely meant, if there is one: a WebSocket's, with doubled slashes removed, as
/// they come of joining URLs, and capitals lowered.
fn with_hint<'a>(why: &'a str, path: &str) -> Cow<'a, str> {
    let mut names = path.split('/').filter(|name| !name.is_empty());
    let is_socket = names
        .next()
        .is_some_and(|name| name.eq_ignore_ascii_case("ws"));
    let topic = names.next();
    let is_topic = topic.is_none_or(|name| decode_topic(name).is_ok());
    if !is_socket || !is_topic || names.next().is_some() {
        return why.into();
    }
    // It came from the network, and goes to logs and terminals.
    let topic = topic.map(|name| format!("/{}", name.escape_default()));
    format!("{why} Did you mean /ws{}?", topic.unwrap_or_default()).into()
}

/// `?echo=0`: the sender does not get its own messages.
fn wants_echo(head: &Head) -> bool {
    let query = head.query().unwrap_or_default();
    !form_urlencoded::parse(query.as_bytes()).any(|(key, value)| key == "echo" && value == "0")
}

pub(super) fn wants_keep_alive(head: &Head) -> bool {
    let has = |token| head.headers.has_token("Connection", token);
    // If both are asked for, `close` wins, whatever the version (RFC 9112 §9.3).
    !has("close") && (head.minor_version > 0 || has("keep-alive"))
}

/// Refuses a request for another host than the relay, before anything else is told. One without a Host
/// header does not come from a browser, and a malformed one is refused for that reason.
pub fn check_host(head: &Head, named: &[String]) -> Result<(), Response> {
    let Ok(Some(host)) = http1::host(head) else {
        return Ok(());
    };
    http1::check_host(host, named).map_err(|refusal| {
        let why = format!(
            "{refusal} Allow it with --host, or name the proxy that it comes by with --trusted-proxy."
        );
        let mut response = Response::refusal(Reason::Host, &why, &[]);
        response.head_only = head.method == "HEAD";
        response
    })
}

fn check_origin(upgrade: &handshake::Upgrade, origins: &[String]) -> Result<(), Response> {
    http1::check_origin(upgrade.origin, upgrade.host, origins).map_err(|refusal| {
        let why = format!("{refusal} Allow it with --origin.");
        Response::refusal(Reason::Origin, &why, &[])
    })
}
