//! Subprotocol `fanfare.v1`: a WebSocket whose client knows which message it has, and can come back for more.

use super::http1::Head;
use super::websocket::handshake;

/// Its name, which a client offers in `Sec-WebSocket-Protocol`.
pub const NAME: &str = "fanfare.v1";

/// Whether a client offers it. It is chosen then, whatever else is offered and spoken here.
pub fn is_offered(head: &Head) -> bool {
    handshake::choose_subprotocol(head, [NAME]).is_some()
}
