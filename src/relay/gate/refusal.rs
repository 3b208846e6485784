//! Why the gate refuses a connection, and how it is told.
//!
//! 429, not 503: the excess is this client's, and a proxy that takes a 503 for a sick backend must not
//! take the relay out for it.

use crate::http::{Reason, Response};

/// Why a connection is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::relay) enum AdmissionRefusal {
    /// Its address has as many connections as it may.
    TooMany,
    /// Too many new ones came from its address lately.
    TooFast,
}

impl AdmissionRefusal {
    pub(in crate::relay) fn response(self) -> Response {
        let (reason, why, retry_after) = match self {
            AdmissionRefusal::TooFast => (
                Reason::AddressRate,
                "Too many connections came from your address at once. Wait before you try again.",
                "5",
            ),
            AdmissionRefusal::TooMany => (
                Reason::AddressFull,
                "There are as many connections from your address as there may be. Close one, or \
                 try again later.",
                "10",
            ),
        };
        let headers = [("Retry-After", retry_after)];
        Response::refusal(reason, why, &headers)
    }
}
