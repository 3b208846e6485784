//! How a peer can break RFC 6455, one variant for each rule, and the status code it is told.

use std::error::Error;
use std::fmt;

use super::close_code::CloseCode;

/// A rule of RFC 6455 that the peer broke. It ends the connection: answer with a close frame that
/// carries [`close_code`](Self::close_code), and read no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProtocolError {
    /// RSV1, RSV2 or RSV3 is set and no extension gave it a meaning there (§5.2).
    ///
    /// RSV1 has one on the first frame of a message, if compression was agreed on (RFC 7692 §6).
    ReservedBit,
    /// Opcode 3 to 7 or 11 to 15 (§5.2).
    ReservedOpCode,
    /// A control frame without FIN (§5.4).
    FragmentedControl,
    /// A control frame of more than 125 payload bytes (§5.5).
    ControlTooLong,
    /// A payload length that has a shorter encoding (§5.2).
    LengthNotMinimal,
    /// A 64-bit payload length whose top bit is set (§5.2).
    LengthTopBit,
    /// A client's frame that is not masked (§5.1).
    Unmasked,
    /// A server's frame that is masked (§5.1).
    Masked,
    /// A continuation frame, and no message has begun (§5.4).
    UnexpectedContinuation,
    /// A new text or binary frame inside a fragmented message (§5.4).
    UnfinishedMessage,
    /// A close payload of one byte, too short for a status code (§5.5.1).
    CloseTooShort,
    /// A close status code that must not appear on the wire (§7.4).
    CloseCodeInvalid,
    /// A close reason that is not UTF-8 (§5.5.1).
    CloseReasonNotUtf8,
    /// A text message that is not UTF-8 (§8.1).
    TextNotUtf8,
    /// A compressed message whose payload can't be inflated (RFC 7692 §7.2.2).
    CompressedDataInvalid,
    /// A message over the receiver's limit (§7.4.1, status 1009).
    MessageTooBig,
}

impl ProtocolError {
    /// The status code with which the connection is failed (§7.1.7): 1002, 1007 or 1009.
    pub fn close_code(self) -> CloseCode {
        match self {
            Self::TextNotUtf8 | Self::CloseReasonNotUtf8 | Self::CompressedDataInvalid => {
                CloseCode::INVALID_PAYLOAD
            }
            Self::MessageTooBig => CloseCode::MESSAGE_TOO_BIG,
            _ => CloseCode::PROTOCOL_ERROR,
        }
    }
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ReservedBit => {
                "a reserved header bit is set, and no extension says that it may be"
            }
            Self::ReservedOpCode => "the opcode is reserved",
            Self::FragmentedControl => "a control frame must not be fragmented",
            Self::ControlTooLong => "a control frame carries at most 125 bytes",
            Self::LengthNotMinimal => "the payload length is not encoded in the shortest form",
            Self::LengthTopBit => "the top bit of the payload length is set",
            Self::Unmasked => "a client must mask its frames",
            Self::Masked => "a server must not mask its frames",
            Self::UnexpectedContinuation => "a continuation frame without a message to continue",
            Self::UnfinishedMessage => "a new message began before the last one was finished",
            Self::CloseTooShort => "a close payload is empty or at least two bytes",
            Self::CloseCodeInvalid => "this close code must not be sent",
            Self::CloseReasonNotUtf8 => "the close reason is not UTF-8",
            Self::TextNotUtf8 => "the text is not UTF-8",
            Self::CompressedDataInvalid => "the message can not be inflated",
            Self::MessageTooBig => "the message is over the limit",
        })
    }
}

impl Error for ProtocolError {}

#[cfg(test)]
mod tests {
    use super::super::close::REASON_BYTES_MAX;
    use super::*;

    const PROTOCOL_ERRORS: [ProtocolError; 12] = [
        ProtocolError::ReservedBit,
        ProtocolError::ReservedOpCode,
        ProtocolError::FragmentedControl,
        ProtocolError::ControlTooLong,
        ProtocolError::LengthNotMinimal,
        ProtocolError::LengthTopBit,
        ProtocolError::Unmasked,
        ProtocolError::Masked,
        ProtocolError::UnexpectedContinuation,
        ProtocolError::UnfinishedMessage,
        ProtocolError::CloseTooShort,
        ProtocolError::CloseCodeInvalid,
    ];

    #[test]
    fn each_error_has_its_close_code() {
        assert_eq!(ProtocolError::TextNotUtf8.close_code().as_u16(), 1007);
        assert_eq!(
            ProtocolError::CloseReasonNotUtf8.close_code().as_u16(),
            1007
        );
        assert_eq!(ProtocolError::MessageTooBig.close_code().as_u16(), 1009);
        for error in PROTOCOL_ERRORS {
            assert_eq!(error.close_code().as_u16(), 1002, "{error}");
        }
    }

    #[test]
    fn every_sentence_fits_into_a_close_reason() {
        assert_eq!(size_of::<ProtocolError>(), 1);
        for error in PROTOCOL_ERRORS.into_iter().chain([
            ProtocolError::CloseReasonNotUtf8,
            ProtocolError::TextNotUtf8,
            ProtocolError::MessageTooBig,
        ]) {
            assert!((1..=REASON_BYTES_MAX).contains(&error.to_string().len()));
        }
    }
}
