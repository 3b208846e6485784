//! Subprotocol `fanfare.v1`: a WebSocket whose client knows which message it has, is told what it missed,
//! and what became of what it published. docs/protocol.md is its specification.
//!
//! Messages go out verbatim, the same bytes as for every other reader. Their numbers have no gaps, so a client
//! counts them, and all that is needed beside them is said rarely, in text messages of the relay's own:
//!
//! ```text
//! relay   {"fanfare":1,"mark":"…","topic":"prices","id":"k3f9x2a-1041",…}   the first message: where it begins, and the mark
//! relay   MARK{"gap":12,"id":"k3f9x2a-1053"}                                1042 to 1053 are missing
//! client  MARK{"publish":true,"ref":7} LF hello                             publish "hello"
//! relay   MARK{"ref":7,"id":"k3f9x2a-1060"}                                 it is 1060
//! client  hello                                                             the same, without an answer
//! ```
//!
//! | file | what it knows |
//! |---|---|
//! | [`mark`] | what begins a message between relay and client, and nothing that is published |
//! | [`control`] | what the relay says |
//! | [`command`] | what a client says, and what is wrong with it |
//!
//! Nothing here frames, sends, or knows which clients may publish.

pub mod command;
pub mod control;
pub mod mark;

pub use command::{CommandError, InvalidCommand, OVERHEAD_BYTES_MAX, Submission, read};
pub use control::Control;
pub use mark::{Mark, Secret};

use super::http1::Head;
use super::websocket::handshake;

/// Its name, which a client offers in `Sec-WebSocket-Protocol`.
pub const NAME: &str = "fanfare.v1";

/// Whether a client offers it. It is chosen then, whatever else is offered, and whatever else is spoken here:
/// that a setting names it, too, changes nothing.
pub fn is_offered(head: &Head) -> bool {
    handshake::choose_subprotocol(head, [NAME]).is_some()
}

#[cfg(test)]
mod tests;
