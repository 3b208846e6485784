//! Status codes of close frames (RFC 6455 §7.4).

use std::fmt;

/// A status code that may appear in a close frame.
///
/// Those are 1000 to 1003 and 1007 to 1014, which are defined, and 3000 to 4999, which are for
/// libraries and applications. Stricter than the RFC's words: what is reserved (1004 to 1006, 1015)
/// or not yet defined (1016 to 2999) is refused, as Autobahn asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CloseCode(u16);

impl CloseCode {
    /// 1000: the purpose is fulfilled.
    pub const NORMAL: Self = Self(1000);
    /// 1001: the server goes down, or the browser leaves the page.
    pub const GOING_AWAY: Self = Self(1001);
    /// 1002: the peer broke the protocol.
    pub const PROTOCOL_ERROR: Self = Self(1002);
    /// 1003: a kind of data that can't be accepted.
    pub const UNSUPPORTED: Self = Self(1003);
    /// 1007: data that does not fit its kind, such as text that is not UTF-8.
    pub const INVALID_PAYLOAD: Self = Self(1007);
    /// 1008: the peer broke a rule of the application.
    pub const POLICY_VIOLATION: Self = Self(1008);
    /// 1009: a message over the limit.
    pub const MESSAGE_TOO_BIG: Self = Self(1009);
    /// 1011: the server met a condition of its own that it can't go on from.
    pub const INTERNAL_ERROR: Self = Self(1011);
    /// 1012: the server restarts; come again.
    pub const SERVICE_RESTART: Self = Self(1012);
    /// 1013: overloaded for now; come again later.
    pub const TRY_AGAIN_LATER: Self = Self(1013);

    /// The code of this number, if it may appear on the wire.
    ///
    /// ```
    /// use fanfare::proto::CloseCode;
    ///
    /// assert_eq!(CloseCode::from_u16(1000), Some(CloseCode::NORMAL));
    /// assert!(CloseCode::from_u16(4321).is_some());
    /// assert!(CloseCode::from_u16(1006).is_none()); // "closed without a close frame"
    /// ```
    pub fn from_u16(code: u16) -> Option<Self> {
        matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999).then_some(Self(code))
    }

    /// The number.
    pub fn as_u16(self) -> u16 {
        self.0
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
