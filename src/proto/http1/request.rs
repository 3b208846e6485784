//! What has to hold for any request, whatever it is for (RFC 9112 §3.2, §6).

use super::error::RequestRefusal;
use super::head::Head;
use super::host::host;

/// Checks what has to hold for any request, WebSocket or not: it names its host, and has no body.
/// Returns the [`host`] that it is for.
pub fn check_request<'a>(head: &Head<'a>) -> Result<Option<&'a str>, RequestRefusal> {
    let host = host(head)?;
    // Two servers may disagree on the end of a request that states it in two ways.
    if head.headers.values("Transfer-Encoding").next().is_some() {
        return Err(RequestRefusal::Body);
    }
    match head.headers.only("Content-Length") {
        Ok(None | Some(b"0")) => {}
        _ => return Err(RequestRefusal::Body),
    }
    Ok(host)
}

#[cfg(test)]
mod tests;
