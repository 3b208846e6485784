//! The embedded page's Content Security Policy: its own origin, and nothing inline. What a message holds
//! can't become code, even if the page had a fault.

use crate::proto::{Head, http1};

/// The policy of a page that is asked for with this request.
///
/// In Safari before 15.4, `'self'` does not cover WebSockets, so that the host is named besides: with both
/// schemes, as it may be a proxy that speaks TLS. The schemes alone (`ws: wss:`) would do, too, but
/// then a fault of the page could send anywhere. A cache keeps the page under the host that was asked, so
/// the policy needs no tag of its own; where a proxy replaces the host, there is still `'self'`.
pub(super) fn content_security_policy(head: &Head) -> String {
    let sockets = named_host(head)
        .map(|host| format!(" ws://{host} wss://{host}"))
        .unwrap_or_default();
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
         connect-src 'self'{sockets}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
}

/// The host, if it can stand in a policy: letters, digits, hyphens and dots, and a port. A host may have
/// semicolons, commas and asterisks, which have a meaning there; and IPv6 can't be written.
fn named_host<'a>(head: &Head<'a>) -> Option<&'a str> {
    let host = http1::check_request(head).ok()??;
    let host = host.strip_suffix(':').unwrap_or(host);
    let name = host.split_once(':').map_or(host, |(name, _)| name);
    let may_stand = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    name.bytes().all(may_stand).then_some(host)
}
