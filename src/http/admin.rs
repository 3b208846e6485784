//! What a request to the admin listener is for. Nothing that is served to the public is served there,
//! and the other way round.

use super::accept::accepts_open_metrics;
use super::methods::{Methods, wants_keep_alive};
use super::reason::Reason;
use super::response::{PLAIN_TEXT, Response, refused};
use crate::proto::{Head, http1};
use std::borrow::Cow;

/// Topics that one page lists, at most, and unless told otherwise.
const TOPICS_LISTED_MAX: usize = 1000;
const TOPICS_LISTED: usize = 100;

const INDEX: &str = "\
fanfare, admin listener

/healthz  200 while the loop turns
/readyz   200 while clients are welcome, 503 once the relay goes down
/metrics  for Prometheus
/topics   topics, as JSON: ?limit=100 (1 to 1000), ?from=N (the last page's `next`), ?topic=NAME
";

/// What is asked for.
#[derive(Debug)]
pub enum AdminRequest<'a> {
    /// Whether clients are welcome.
    Readiness,
    /// The metrics, in OpenMetrics if that is accepted.
    Metrics {
        /// In OpenMetrics rather than in Prometheus's own format.
        open_metrics: bool,
    },
    /// Some of the topics.
    Topics(TopicsQuery<'a>),
    /// The answer is known already.
    Respond(Response),
}

/// Which topics are asked for.
#[derive(Debug, PartialEq, Eq)]
pub struct TopicsQuery<'a> {
    /// How many, at most.
    pub limit: usize,
    /// Where to begin: 0, or what the page before said is next.
    pub from: usize,
    /// This one only.
    pub topic: Option<Cow<'a, str>>,
}

/// Finds out what a request to the admin listener is for, and whether its connection may be used
/// for another one.
pub fn route_admin<'a>(head: &Head<'a>) -> (AdminRequest<'a>, bool) {
    let request = answer(head).unwrap_or_else(AdminRequest::Respond);
    (request, wants_keep_alive(head))
}

fn answer<'a>(head: &Head<'a>) -> Result<AdminRequest<'a>, Response> {
    http1::check_request(head).map_err(refused)?;
    if head.method == "OPTIONS" && head.path() == "*" {
        return Err(Methods::READ.response());
    }
    let request = match head.path() {
        "/" => AdminRequest::Respond(Response::fresh(PLAIN_TEXT, INDEX)),
        "/healthz" => AdminRequest::Respond(Response::fresh(PLAIN_TEXT, "ok\n")),
        "/readyz" => AdminRequest::Readiness,
        "/metrics" => AdminRequest::Metrics {
            open_metrics: accepts_open_metrics(head),
        },
        "/topics" => AdminRequest::Topics(parse_query(head)?),
        _ => {
            let why = "There is nothing here; / says what there is.";
            return Err(Response::refusal(Reason::NotFound, why, &[]));
        }
    };
    Methods::READ.check(head, Ok(()))?;
    Ok(request)
}

fn parse_query<'a>(head: &Head<'a>) -> Result<TopicsQuery<'a>, Response> {
    let mut query = TopicsQuery {
        limit: TOPICS_LISTED,
        from: 0,
        topic: None,
    };
    let text = head.query().unwrap_or_default();
    for (key, value) in form_urlencoded::parse(text.as_bytes()) {
        let number = value.parse::<usize>().map_err(|_| {
            let why = "`limit` and `from` are numbers.";
            Response::refusal(Reason::Other, why, &[])
        });
        match &*key {
            "limit" => query.limit = number?.clamp(1, TOPICS_LISTED_MAX),
            "from" => query.from = number?,
            "topic" => query.topic = Some(value),
            _ => {}
        }
    }
    Ok(query)
}
