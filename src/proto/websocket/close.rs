//! Close payloads: a status code, and the reason in words (RFC 6455 §5.5.1).

use std::fmt;
use std::ops::Deref;
use std::str;

use super::close_code::CloseCode;
use super::error::ProtocolError;
use super::frame::CONTROL_BYTES_MAX;

/// The most bytes that a close reason may have: a control payload less the status code.
pub const REASON_BYTES_MAX: usize = CONTROL_BYTES_MAX - 2;

/// The payload of a close frame that is not empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloseFrame<'a> {
    /// Why the connection closes.
    pub code: CloseCode,
    /// The same in words; often empty.
    pub reason: &'a str,
}

impl<'a> CloseFrame<'a> {
    /// Decodes a whole close payload; an empty one has neither code nor reason.
    pub fn decode(payload: &'a [u8]) -> Result<Option<Self>, ProtocolError> {
        let Some((code, reason)) = payload.split_first_chunk::<2>() else {
            return match payload {
                [] => Ok(None),
                _ => Err(ProtocolError::CloseTooShort),
            };
        };
        let code = CloseCode::from_u16(u16::from_be_bytes(*code))
            .ok_or(ProtocolError::CloseCodeInvalid)?;
        let reason = str::from_utf8(reason).map_err(|_| ProtocolError::CloseReasonNotUtf8)?;
        Ok(Some(Self { code, reason }))
    }

    /// Checks the start of a payload whose rest is still to come, and fails as soon as no rest could
    /// make it valid.
    pub(super) fn check_start(payload: &[u8]) -> Result<(), ProtocolError> {
        let Some((code, reason)) = payload.split_first_chunk::<2>() else {
            return Ok(());
        };
        if CloseCode::from_u16(u16::from_be_bytes(*code)).is_none() {
            return Err(ProtocolError::CloseCodeInvalid);
        }
        match str::from_utf8(reason) {
            Err(error) if error.error_len().is_some() => Err(ProtocolError::CloseReasonNotUtf8),
            _ => Ok(()),
        }
    }

    /// The whole payload of the close frame. A reason of more than [`REASON_BYTES_MAX`] bytes is
    /// cut, between two characters.
    ///
    /// ```
    /// use fanfare::proto::{CloseCode, CloseFrame};
    ///
    /// let payload = CloseFrame { code: CloseCode::NORMAL, reason: "bye" }.encode();
    /// assert_eq!(&payload[..], b"\x03\xe8bye");
    /// ```
    pub fn encode(&self) -> ClosePayload {
        let mut reason_bytes = self.reason.len().min(REASON_BYTES_MAX);
        while !self.reason.is_char_boundary(reason_bytes) {
            reason_bytes -= 1;
        }
        let mut bytes = [0; CONTROL_BYTES_MAX];
        bytes[..2].copy_from_slice(&self.code.as_u16().to_be_bytes());
        bytes[2..2 + reason_bytes].copy_from_slice(&self.reason.as_bytes()[..reason_bytes]);
        ClosePayload {
            bytes,
            len: 2 + reason_bytes as u8,
        }
    }
}

/// An encoded close payload: a slice of bytes that needs no heap.
#[derive(Clone, Copy)]
pub struct ClosePayload {
    bytes: [u8; CONTROL_BYTES_MAX],
    /// 2 ≤ `len` ≤ 125
    len: u8,
}

impl Deref for ClosePayload {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl fmt::Debug for ClosePayload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.deref().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_class_of_close_code_has_its_verdict() {
        let valid = |code: &u16| CloseCode::from_u16(*code).is_some();
        assert!(!(0..=999).any(|code| valid(&code)));
        assert!((1000..=1003).all(|code| valid(&code)));
        assert!(!(1004..=1006).any(|code| valid(&code)));
        assert!((1007..=1014).all(|code| valid(&code)));
        assert!(!(1015..=2999).any(|code| valid(&code)));
        assert!((3000..=4999).all(|code| valid(&code)));
        assert!(!(5000..=u16::MAX).any(|code| valid(&code)));
    }

    #[test]
    fn decodes_what_it_encodes() {
        for reason in ["", "so long", "und tschüß"] {
            let frame = CloseFrame {
                code: CloseCode::TRY_AGAIN_LATER,
                reason,
            };
            assert_eq!(CloseFrame::decode(&frame.encode()), Ok(Some(frame)));
        }
        assert_eq!(CloseFrame::decode(b""), Ok(None));
    }

    #[test]
    fn codes_and_payloads_can_be_shown() {
        let frame = CloseFrame {
            code: CloseCode::NORMAL,
            reason: "",
        };
        assert_eq!(frame.code.to_string(), "1000");
        assert_eq!(format!("{:?}", frame.encode()), "[3, 232]");
    }

    #[test]
    fn refuses_bad_payloads() {
        for (payload, error) in [
            (&b"\x03"[..], ProtocolError::CloseTooShort),
            (b"\x03\xee", ProtocolError::CloseCodeInvalid),
            (b"\x03\xe8\xff", ProtocolError::CloseReasonNotUtf8),
            (b"\x03\xe8\xc3", ProtocolError::CloseReasonNotUtf8),
        ] {
            assert_eq!(CloseFrame::decode(payload), Err(error));
        }
    }

    #[test]
    fn the_start_of_a_payload_is_refused_at_its_first_bad_byte() {
        for start in [&b""[..], b"\x03", b"\x03\xe8", b"\x03\xe8ok\xc3"] {
            assert_eq!(CloseFrame::check_start(start), Ok(()));
        }
        assert_eq!(
            CloseFrame::check_start(b"\x03\xee"),
            Err(ProtocolError::CloseCodeInvalid)
        );
        assert_eq!(
            CloseFrame::check_start(b"\x03\xe8\xed\xa0"),
            Err(ProtocolError::CloseReasonNotUtf8)
        );
    }

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        let cut = |reason: &str| {
            CloseFrame {
                code: CloseCode::NORMAL,
                reason,
            }
            .encode()
            .len()
        };
        assert_eq!(cut(&"x".repeat(123)), 125);
        assert_eq!(cut(&"x".repeat(200)), 125);
        assert_eq!(cut(&"é".repeat(100)), 2 + 122);
        assert_eq!(cut(&format!("xx{}", "😀".repeat(50))), 2 + 122);
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(reason in "\\PC{0,150}", code in 3000_u16..5000) {
            let code = CloseCode::from_u16(code).unwrap();
            let payload = CloseFrame { code, reason: &reason }.encode();
            let decoded = CloseFrame::decode(&payload).unwrap().unwrap();
            prop_assert_eq!(decoded.code, code);
            // All of the reason, or as many whole characters as fit.
            prop_assert!(reason.starts_with(decoded.reason));
            let next = reason[decoded.reason.len()..].chars().next();
            prop_assert!(next.is_none_or(|c| payload.len() + c.len_utf8() > CONTROL_BYTES_MAX));
        }
    }
}
