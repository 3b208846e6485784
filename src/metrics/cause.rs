//! Why WebSockets and streams of events cease to be open; and the one place that says with which close frame each cause ends
//! one.

use crate::proto::{CloseCode, CloseFrame};

/// What a close frame without a code is counted as (RFC 6455 §7.1.5).
pub const NO_CLOSE_CODE: u16 = 1005;

/// What the end of a connection without a close frame is counted as.
pub const NO_CLOSE_FRAME: u16 = 1006;

/// Why a WebSocket, or a stream of events, ceased to be open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The peer said so by a close frame; or it hung up a stream of events, which has no other end.
    Peer,
    /// The peer's stream ended without one.
    Ended,
    /// The connection broke.
    Reset,
    /// The peer broke a rule of the protocol.
    Protocol,
    /// It lagged by more than its topic retains.
    Lapped,
    /// It took nothing of what was pending for too long.
    Stalled,
    /// The peer did not answer a ping.
    Dead,
    /// No message came or went for too long.
    Idle,
    /// Its unfinished message found no memory.
    Memory,
    /// It sent more in a second than it may.
    Rate,
    /// It published into a topic that takes no messages of WebSockets.
    Forbidden,
    /// The relay goes down.
    Shutdown,
    /// It has had what its poll waited for, or waited as long as it was to.
    Answered,
}

impl Cause {
    /// All of them, in the order of their numbers.
    pub const ALL: [Cause; 13] = [
        Cause::Peer,
        Cause::Ended,
        Cause::Reset,
        Cause::Protocol,
        Cause::Lapped,
        Cause::Stalled,
        Cause::Dead,
        Cause::Idle,
        Cause::Memory,
        Cause::Rate,
        Cause::Forbidden,
        Cause::Shutdown,
        Cause::Answered,
    ];

    /// Its name.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Cause::Peer => "peer",
            Cause::Ended => "ended",
            Cause::Reset => "reset",
            Cause::Protocol => "protocol",
            Cause::Lapped => "lapped",
            Cause::Stalled => "stalled",
            Cause::Dead => "dead",
            Cause::Idle => "idle",
            Cause::Memory => "memory",
            Cause::Rate => "rate",
            Cause::Forbidden => "forbidden",
            Cause::Shutdown => "shutdown",
            Cause::Answered => "answered",
        }
    }

    /// The close frame that the peer gets. None is sent to a peer that is out of reach. Some causes know
    /// more when they come: the code of a broken rule and what it says, which rate was exceeded, when to
    /// come again after a shutdown; and a peer that closes is answered with its own code.
    #[must_use]
    pub fn close_frame(self) -> Option<CloseFrame<'static>> {
        let (code, reason) = match self {
            Cause::Peer | Cause::Ended => (CloseCode::NORMAL, ""),
            Cause::Reset | Cause::Stalled | Cause::Dead | Cause::Answered => return None,
            Cause::Protocol => (CloseCode::PROTOCOL_ERROR, ""),
            Cause::Lapped => (
                CloseCode::TRY_AGAIN_LATER,
                "too slow: more was missed than the topic retains",
            ),
            Cause::Idle => (CloseCode::GOING_AWAY, "idle"),
            Cause::Memory => (
                CloseCode::TRY_AGAIN_LATER,
                "the relay has no memory for so large a message now",
            ),
            Cause::Rate => (CloseCode::POLICY_VIOLATION, ""),
            Cause::Forbidden => (
                CloseCode::POLICY_VIOLATION,
                "this topic takes no messages from WebSockets",
            ),
            Cause::Shutdown => (CloseCode::SERVICE_RESTART, ""),
        };
        Some(CloseFrame { code, reason })
    }

    /// The code that it is usually counted with.
    #[must_use]
    pub fn code(self) -> u16 {
        match self.close_frame() {
            // No close frame came, and ours is not read.
            _ if self == Cause::Ended => NO_CLOSE_FRAME,
            None => NO_CLOSE_FRAME,
            Some(frame) => frame.code.as_u16(),
        }
    }
}
