//! Why a head is refused as malformed, and why a request is refused whose head is well-formed.

use std::error::Error;
use std::fmt;

/// Why bytes are not accepted as an HTTP head. It ends the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HeadError {
    /// A control character: NUL, a CR without LF, a LF without CR, and so on.
    ControlCharacter,
    /// The first line is not a request line, or status line, of HTTP/1.x.
    FirstLine,
    /// A header line without a proper name: it is folded, has no colon, or has a space before it.
    HeaderLine,
    /// The request target is neither a path nor a URL.
    Target,
    /// More bytes than the limit.
    TooLong,
    /// More than [`HEADERS_MAX`](super::HEADERS_MAX) header lines.
    TooManyHeaders,
}

impl fmt::Display for HeadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ControlCharacter => {
                "The head holds a control character, or a line that does not end in CR LF."
            }
            Self::FirstLine => "The first line is not one of HTTP/1.0 or HTTP/1.1.",
            Self::HeaderLine => {
                "A header line has no proper name followed by a colon, or is folded."
            }
            Self::Target => "The request target is neither a path nor a URL.",
            Self::TooLong => "The head is too long.",
            Self::TooManyHeaders => "The head has more than 100 header lines.",
        })
    }
}

impl Error for HeadError {}

impl From<httparse::Error> for HeadError {
    fn from(error: httparse::Error) -> Self {
        match error {
            httparse::Error::TooManyHeaders => Self::TooManyHeaders,
            httparse::Error::HeaderName => Self::HeaderLine,
            httparse::Error::HeaderValue | httparse::Error::NewLine => Self::ControlCharacter,
            httparse::Error::Status | httparse::Error::Token | httparse::Error::Version => {
                Self::FirstLine
            }
        }
    }
}

/// Why a request is refused, whatever it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RequestRefusal {
    /// A required header is missing.
    Missing(&'static str),
    /// A header that may appear only once appears more than once.
    Repeated(&'static str),
    /// The value of a header is not valid.
    Malformed(&'static str),
    /// The request announces a body. It can't be told from the next request: close the connection.
    Body,
    /// The request says in two ways where its body ends, or in one that its version does not have.
    BodyLength,
    /// The body comes in another transfer coding than chunks, or in more than one.
    TransferCoding,
}

impl fmt::Display for RequestRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(name) => write!(f, "The request has no {name} header."),
            Self::Repeated(name) => write!(f, "The request has more than one {name} header."),
            Self::Malformed(name) => write!(f, "The {name} header has a value it can't have."),
            Self::Body => f.write_str("The request must not have a body."),
            Self::BodyLength => {
                f.write_str("The request does not say in one way where its body ends.")
            }
            Self::TransferCoding => {
                f.write_str("The only transfer coding that is known here is chunked.")
            }
        }
    }
}

impl Error for RequestRefusal {}
