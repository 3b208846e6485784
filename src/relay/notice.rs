//! What an operator may want to know: refusals, and connections that did not end as they should.
//!
//! The relay names the connection and the reason; whether and how often it is said is for the driver, which
//! knows the peer's address and the log.

use super::ids::ConnId;
use crate::http::{Body, Reason, Status};
use crate::metrics::Cause;
use std::collections::VecDeque;

/// Something that happened to one connection.
#[derive(Clone, Debug)]
pub enum Notice {
    /// A request was refused, with this status and body.
    Refused {
        /// In short.
        reason: Reason,
        /// The answer's status.
        status: Status,
        /// The answer's body: status and sentence. It may quote what the client said.
        body: Body,
    },
    /// A client left before its request was whole.
    Disconnected,
    /// A WebSocket ceased to be open, and neither its peer nor a shutdown wanted it to.
    Ended {
        /// In short.
        cause: Cause,
        /// The code of the close frame, 1006 if there is none.
        code: u16,
        /// The close frame's reason.
        why: Box<str>,
    },
}

/// Notices of a turn, the oldest first.
pub(super) type Notices = VecDeque<(ConnId, Notice)>;
