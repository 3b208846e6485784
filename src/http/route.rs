//! What a request is for.

use super::answer::Answer;
use super::asset::Site;
use super::methods::{Methods, wants_keep_alive};
use super::reason::Reason;
use super::response::{Response, refused};
use super::topic::{route_topic, topic_in, with_hint};
use crate::proto::Head;
use crate::proto::http1::{self, RequestRefusal};

/// Finds out what a request is for. `origins` are those that may connect besides the page's own.
pub fn route<'a>(head: &Head<'a>, site: &Site, origins: &[String]) -> Answer<'a> {
    let mut response = match answer(head, site, origins) {
        Ok(Answer::Respond(response)) | Err(response) => response,
        Ok(answer) => return answer,
    };
    response.head_only = head.method == "HEAD";
    response.keep_alive &= wants_keep_alive(head);
    Answer::Respond(response)
}

fn answer<'a>(head: &Head<'a>, site: &Site, origins: &[String]) -> Result<Answer<'a>, Response> {
    if let Some(name) = topic_in(head.path()) {
        return route_topic(head, name, origins);
    }
    // A body is never read. If the method is wrong, too, that is what the answer says.
    let checked = http1::check_request(head).map(|_| ());
    if let Err(refusal) = checked
        && refusal != RequestRefusal::Body
    {
        return Err(refused(refusal));
    }
    // About the server as a whole, or a health check; the latter ask for `/`, too, where a site may have no
    // page.
    if head.method == "OPTIONS" && matches!(head.path(), "*" | "/") {
        Methods::READ.check(head, checked)?;
    }
    let Some(response) = site.find(head) else {
        let why = "There is nothing here. The page is at /, topics are at /ws and /ws/TOPIC.";
        let why = with_hint(why, head.path());
        return Err(Response::refusal(Reason::NotFound, &why, &[]));
    };
    Methods::READ.check(head, checked)?;
    Ok(Answer::Respond(response))
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
