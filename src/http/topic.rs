//! What a request to the address of a topic is for: `/ws` and `/ws/TOPIC`.
//!
//! | request | what for |
//! |---|---|
//! | `GET` with `Upgrade: websocket` | [`Join`]: a WebSocket |
//! | `POST`, `PUT` | [`Publish`]: its body is a message, or each line of it |
//! | `GET` or `HEAD` with `Accept: text/event-stream`, or with `?as=sse` | [`Stream`]: server-sent events |
//! | `GET` or `HEAD` with `?as=info` | [`Ask`]: how the topic stands |
//! | `OPTIONS` | what may be asked for, by a page of another origin too |
//!
//! One rule of origins holds for all of it. Unlike an upgrade, a browser's other requests need a permission to read
//! the answer: so every answer to a page that is allowed says so (Fetch, "CORS protocol").

use super::accept::accepts_events;
use super::answer::{Answer, Ask, Join, Publish, Stream};
use super::methods::{Methods, wants_keep_alive};
use super::reason::Reason;
use super::response::{Response, refused};
use super::since::Since;
use crate::period::Period;
use crate::proto::http1::{self, BodyLength, is_percent_encoded};
use crate::proto::{Head, MessageKind, fanfare_v1, handshake};
use percent_encoding::percent_decode_str;
use std::borrow::Cow;
use std::time::Duration;

/// The topic of `/ws`.
const LOBBY: &str = "lobby";

/// The most bytes that a topic's name may have, after decoding: a name is kept as long as the
/// topic exists, and any client chooses it.
const TOPIC_BYTES_MAX: usize = 128;

/// The most bytes of an `Idempotency-Key`: it is kept as long as its message.
const KEY_BYTES_MAX: usize = 64;

const V1_WITHOUT_ECHO: &str = "With fanfare.v1, one's own messages can't be left out by echo=0, as clients \
    count what comes. Publish with a `ref`: its acknowledgement says which message is one's own.";

const METHODS: Methods = Methods {
    allow: "GET, HEAD, POST, PUT, OPTIONS",
    why: "A topic is read with GET, as a WebSocket too, and published into with POST or PUT.",
};

/// The longest that a poll waits: proxies wait as long for the next byte, unless told otherwise.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// What pages of other origins may send besides what any page may.
const HEADERS_ALLOWED: &str =
    "Authorization, Content-Type, Idempotency-Key, Last-Event-ID, Cache-Control";
/// What of an answer they may read besides what any page may.
const HEADERS_EXPOSED: &str = "Retry-After";
/// Seconds for which a browser remembers that: more than any of them keeps.
const PREFLIGHT_SECONDS: &str = "86400";

/// Finds out what a request to the topic of that name is for, which is not decoded yet.
pub(super) fn route_topic<'a>(
    head: &Head<'a>,
    name: &'a str,
    origins: &[String],
) -> Result<Answer<'a>, Response> {
    let host = http1::host(head).map_err(refused)?;
    let origin = head.headers.text("Origin").map_err(refused)?;
    http1::check_origin(origin, host.unwrap_or_default(), origins).map_err(|refusal| {
        let why = format!("{refusal} Allow it with --origin.");
        Response::refusal(Reason::Origin, &why, &[])
    })?;
    let answer = route_allowed(head, name, origin);
    answer.map_err(|response| response.allowing(origin))
}

fn route_allowed<'a>(
    head: &Head<'a>,
    name: &'a str,
    origin: Option<&'a str>,
) -> Result<Answer<'a>, Response> {
    METHODS.check_method(head)?;
    let is_publishing = matches!(head.method, "POST" | "PUT");
    if !is_publishing {
        http1::check_request(head).map_err(refused)?;
    }
    if head.method == "OPTIONS" {
        return Err(preflight(head));
    }
    let query = Query::of(head)?;
    let topic = || {
        decode_topic(name).map_err(|why| {
            let why = with_hint(why, head.path());
            Response::refusal(Reason::Topic, &why, &[])
        })
    };
    if is_publishing {
        return publish(head, topic()?, origin, &query).map(Answer::Publish);
    }
    let head_only = head.method == "HEAD";
    match query.form(head) {
        Some(Form::Events) => Ok(Answer::Stream(Stream {
            topic: topic()?,
            origin,
            since: Since::of(head)?,
            wait: query.wait,
            head_only,
        })),
        Some(Form::Info) => Ok(Answer::Ask(Ask {
            topic: topic()?,
            origin,
            head_only,
            keep_alive: wants_keep_alive(head),
        })),
        None if head_only => Err(refused(handshake::Refusal::NoUpgrade)),
        None => {
            let upgrade = handshake::check(head).map_err(refused)?;
            join(head, upgrade, topic()?, &query).map(Answer::Join)
        }
    }
}

fn join<'a>(
    head: &Head<'a>,
    upgrade: handshake::Upgrade<'a>,
    topic: Cow<'a, str>,
    query: &Query,
) -> Result<Join<'a>, Response> {
    let join = Join {
        upgrade,
        topic,
        echo: query.echo,
        since: Since::of(head)?,
        is_v1: fanfare_v1::is_offered(head),
    };
    match join.is_v1 && !join.echo {
        true => Err(Response::refusal(Reason::Query, V1_WITHOUT_ECHO, &[])),
        false => Ok(join),
    }
}

/// As what a topic is read, other than as a WebSocket.
#[derive(Clone, Copy)]
enum Form {
    Events,
    Info,
}

/// What stands in the query, besides [`Since`].
struct Query {
    form: Option<Form>,
    wait: Option<Duration>,
    each_line: bool,
    echo: bool,
}

impl Query {
    fn of(head: &Head) -> Result<Self, Response> {
        let mut query = Query {
            form: None,
            wait: None,
            each_line: false,
            echo: true,
        };
        let refuse = |why| Err(Response::refusal(Reason::Query, why, &[]));
        for (key, value) in form_urlencoded::parse(head.query().unwrap_or_default().as_bytes()) {
            match (&*key, &*value) {
                ("as", "info") => query.form = Some(Form::Info),
                ("as", "sse") => query.form = Some(Form::Events),
                ("as", _) => return refuse("`as` is info or sse."),
                ("wait", _) => match parse_wait(&value) {
                    Some(wait) => query.wait = Some(wait),
                    None => return refuse("`wait` is 0, or a time such as 25s, and 60s at most."),
                },
                ("each", "line") => query.each_line = true,
                ("each", _) => {
                    return refuse("`each` is line: then each line of the body is a message.");
                }
                ("echo", "0") => query.echo = false,
                _ => {}
            }
        }
        Ok(query)
    }

    /// As what a request reads the topic. One that may open a WebSocket as well as read events is for that.
    fn form(&self, head: &Head) -> Option<Form> {
        let reads_events =
            || accepts_events(head) && !head.headers.has_token("Upgrade", "websocket");
        self.form.or_else(|| reads_events().then_some(Form::Events))
    }
}

/// For how long a poll waits.
fn parse_wait(text: &str) -> Option<Duration> {
    if matches!(text, "0" | "0s") {
        return Some(Duration::ZERO);
    }
    let Period(wait) = text.parse().ok()?;
    (wait <= WAIT_MAX).then_some(wait)
}

fn publish<'a>(
    head: &Head<'a>,
    topic: Cow<'a, str>,
    origin: Option<&'a str>,
    query: &Query,
) -> Result<Publish<'a>, Response> {
    if head.headers.values("Content-Encoding").next().is_some() {
        let why = "The body has a content coding. Messages are published as they are.";
        return Err(Response::refusal(Reason::MediaType, why, &[]));
    }
    let key = head.headers.text("Idempotency-Key").map_err(refused)?;
    let is_key = |key: &str| {
        (1..=KEY_BYTES_MAX).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic())
    };
    if key.is_some_and(|key| !is_key(key)) {
        let why = "An Idempotency-Key has 1 to 64 visible characters of ASCII.";
        return Err(Response::refusal(Reason::Header, why, &[]));
    }
    if key.is_some() && query.each_line {
        let why = "An Idempotency-Key is for one message, not for each line of a body.";
        return Err(Response::refusal(Reason::Header, why, &[]));
    }
    let expects = head.headers.text("Expect").map_err(refused)?;
    let expects_continue = expects.is_some_and(|it| it.eq_ignore_ascii_case("100-continue"));
    if expects.is_some() && !expects_continue {
        let why = "Nothing else than 100-continue can be expected.";
        return Err(Response::refusal(Reason::Expectation, why, &[]));
    }
    Ok(Publish {
        topic,
        origin,
        kind: kind(head)?,
        length: BodyLength::of(head).map_err(refused)?,
        each_line: query.each_line,
        // One of HTTP/1.0 would take it for the answer.
        expects_continue: expects_continue && head.minor_version > 0,
        key,
        keep_alive: wants_keep_alive(head),
    })
}

/// What the type of a body makes of it: only `application/octet-stream` is binary.
fn kind(head: &Head) -> Result<MessageKind, Response> {
    let content_type = head.headers.text("Content-Type").map_err(refused)?;
    let essence = content_type.unwrap_or_default().split(';').next();
    let essence = essence.unwrap_or_default().trim();
    Ok(
        match essence.eq_ignore_ascii_case("application/octet-stream") {
            true => MessageKind::Binary,
            false => MessageKind::Text,
        },
    )
}

/// What a page of another origin may ask for (Fetch, "CORS-preflight request"), and what the address is for.
fn preflight(head: &Head) -> Response {
    let mut response = METHODS.response();
    if head
        .headers
        .values("Access-Control-Request-Method")
        .next()
        .is_some()
    {
        response.add("Access-Control-Allow-Methods", METHODS.allow);
        response.add("Access-Control-Allow-Headers", HEADERS_ALLOWED);
        response.add("Access-Control-Max-Age", PREFLIGHT_SECONDS);
    }
    response
}

impl Response {
    /// Lets a page of this origin, which is allowed to ask, read the answer.
    #[must_use]
    pub fn allowing(mut self, origin: Option<&str>) -> Self {
        if let Some(origin) = origin {
            self.add("Access-Control-Allow-Origin", origin.to_owned());
            self.add("Access-Control-Expose-Headers", HEADERS_EXPOSED);
            self.add("Vary", "Origin");
        }
        self
    }
}

/// Whether a path is a topic's, and nothing else is ever served there.
#[must_use]
pub fn is_topic(path: &str) -> bool {
    topic_in(path).is_some()
}

/// The topic's name in a path that leads to one, not decoded yet.
pub(super) fn topic_in(path: &str) -> Option<&str> {
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
pub(super) fn with_hint<'a>(why: &'a str, path: &str) -> Cow<'a, str> {
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

#[cfg(test)]
mod tests;
