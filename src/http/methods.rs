//! The methods that something can be requested with, and whether the connection is kept for another request.

use super::reason::Reason;
use super::response::{Response, refused};
use crate::proto::Head;
use crate::proto::http1::RequestRefusal;

/// The methods that something can be requested with.
pub(super) struct Methods {
    pub(super) allow: &'static str,
    /// The answer to a request with another one.
    pub(super) why: &'static str,
}

impl Methods {
    /// Those of files, and of whatever else there is to read.
    pub(super) const READ: Methods = Methods {
        allow: "GET, HEAD, OPTIONS",
        why: "This can be read with GET and HEAD only.",
    };

    /// Whether a request is to be served: its method is one of these, and what else was checked is in
    /// order. OPTIONS is answered here.
    pub(super) fn check(
        &self,
        head: &Head,
        checked: Result<(), RequestRefusal>,
    ) -> Result<(), Response> {
        self.check_method(head)?;
        checked.map_err(refused)?;
        match head.method {
            "OPTIONS" => Err(self.response()),
            _ => Ok(()),
        }
    }

    /// Whether the method of a request is one of these.
    pub(super) fn check_method(&self, head: &Head) -> Result<(), Response> {
        if self.allow.split(", ").any(|method| method == head.method) {
            return Ok(());
        }
        let headers = [("Allow", self.allow)];
        Err(Response::refusal(Reason::Method, self.why, &headers))
    }

    /// The answer to OPTIONS.
    pub(super) fn response(&self) -> Response {
        Response::methods(self.allow)
    }
}

/// Whether the connection of a request may be used for another one (RFC 9112 §9.3).
pub(super) fn wants_keep_alive(head: &Head) -> bool {
    let has = |token| head.headers.has_token("Connection", token);
    // If both are asked for, `close` wins, whatever the version (RFC 9112 §9.3).
    !has("close") && (head.minor_version > 0 || has("keep-alive"))
}
