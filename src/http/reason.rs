//! Why requests are refused: what is counted, and logged, beside the sentence that the client gets; and
//! the one place that says which status a refusal has.

use super::status::Status;
use crate::proto::HeadError;
use crate::proto::handshake::Refusal;
use crate::proto::http1::RequestRefusal;

/// Why a request was refused, or never came whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// It is not HTTP, or HTTP that two servers could read differently.
    MalformedHead,
    /// Its head is over the limit.
    HeadTooLarge,
    /// It did not come whole in time.
    Timeout,
    /// It announces a body where there can't be one, or one that is malformed.
    Body,
    /// Its body, or a line of it, is larger than a message may be.
    BodyTooLarge,
    /// Its body comes in a transfer coding that is not known here.
    TransferCoding,
    /// Its body is no message: not UTF-8, or compressed.
    MediaType,
    /// A header is missing, repeated, or has an invalid value.
    Header,
    /// It expects something else than to be told to go on.
    Expectation,
    /// It is for another host than the relay.
    Host,
    /// Nothing is served there.
    NotFound,
    /// Another method than what is served there takes.
    Method,
    /// It does not ask for the upgrade that is all there is.
    NoUpgrade,
    /// It asks for another version of the WebSocket protocol.
    Version,
    /// Pages of its origin may not connect.
    Origin,
    /// It does not name a valid topic.
    Topic,
    /// What it asks for beyond that topic is malformed, or contradicts itself.
    Query,
    /// A condition that it states does not hold.
    Precondition,
    /// It asks for a range that a file does not have.
    Range,
    /// There are as many WebSockets as there may be.
    Full,
    /// There are as many topics as there may be, and it would begin another.
    TopicsFull,
    /// There are as many connections of its client's address as there may be.
    AddressFull,
    /// Too many new connections came from its client's address.
    AddressRate,
    /// Too many messages came from its client's address.
    MessageRate,
    /// Its topic takes no messages.
    Forbidden,
    /// A trusted proxy's header does not name a client properly.
    ProxyHeader,
    /// The relay is shutting down.
    ShuttingDown,
    /// The program that embeds the relay refused it.
    Hook,
    /// Any other reason.
    Other,
    /// It was not refused: the client left before it was complete.
    Disconnected,
}

impl Reason {
    /// All of them, in the order of their numbers.
    pub const ALL: [Reason; 30] = [
        Reason::MalformedHead,
        Reason::HeadTooLarge,
        Reason::Timeout,
        Reason::Body,
        Reason::BodyTooLarge,
        Reason::TransferCoding,
        Reason::MediaType,
        Reason::Header,
        Reason::Expectation,
        Reason::Host,
        Reason::NotFound,
        Reason::Method,
        Reason::NoUpgrade,
        Reason::Version,
        Reason::Origin,
        Reason::Topic,
        Reason::Query,
        Reason::Precondition,
        Reason::Range,
        Reason::Full,
        Reason::TopicsFull,
        Reason::AddressFull,
        Reason::AddressRate,
        Reason::MessageRate,
        Reason::Forbidden,
        Reason::ProxyHeader,
        Reason::ShuttingDown,
        Reason::Hook,
        Reason::Other,
        Reason::Disconnected,
    ];

    /// Its name.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Reason::MalformedHead => "malformed_head",
            Reason::HeadTooLarge => "head_too_large",
            Reason::Timeout => "timeout",
            Reason::Body => "body",
            Reason::BodyTooLarge => "body_too_large",
            Reason::TransferCoding => "transfer_coding",
            Reason::MediaType => "media_type",
            Reason::Header => "header",
            Reason::Expectation => "expectation",
            Reason::Host => "host",
            Reason::NotFound => "not_found",
            Reason::Method => "method",
            Reason::NoUpgrade => "no_upgrade",
            Reason::Version => "version",
            Reason::Origin => "origin",
            Reason::Topic => "topic",
            Reason::Query => "query",
            Reason::Precondition => "precondition",
            Reason::Range => "range",
            Reason::Full => "full",
            Reason::TopicsFull => "topics_full",
            Reason::AddressFull => "address_full",
            Reason::AddressRate => "address_rate",
            Reason::MessageRate => "message_rate",
            Reason::Forbidden => "forbidden",
            Reason::ProxyHeader => "proxy_header",
            Reason::ShuttingDown => "shutting_down",
            Reason::Hook => "hook",
            Reason::Other => "other",
            Reason::Disconnected => "disconnected",
        }
    }

    /// The status that it is answered with, unless that depends.
    #[must_use]
    pub fn status(self) -> Option<Status> {
        Some(match self {
            Reason::MalformedHead
            | Reason::Body
            | Reason::Header
            | Reason::Topic
            | Reason::Query
            | Reason::ProxyHeader => Status::BadRequest,
            Reason::AddressFull | Reason::AddressRate | Reason::MessageRate => {
                Status::TooManyRequests
            }
            Reason::BodyTooLarge => Status::ContentTooLarge,
            Reason::MediaType => Status::UnsupportedMediaType,
            Reason::TransferCoding => Status::NotImplemented,
            Reason::Expectation => Status::ExpectationFailed,
            Reason::Host => Status::MisdirectedRequest,
            Reason::HeadTooLarge => Status::RequestHeaderFieldsTooLarge,
            Reason::Timeout => Status::RequestTimeout,
            Reason::NotFound => Status::NotFound,
            Reason::Method => Status::MethodNotAllowed,
            Reason::NoUpgrade | Reason::Version => Status::UpgradeRequired,
            Reason::Origin | Reason::Forbidden => Status::Forbidden,
            Reason::Precondition => Status::PreconditionFailed,
            Reason::Range => Status::RangeNotSatisfiable,
            Reason::Full | Reason::TopicsFull | Reason::ShuttingDown => Status::ServiceUnavailable,
            Reason::Hook | Reason::Other | Reason::Disconnected => return None,
        })
    }

    /// Whether it may be due to how the relay is set up, so that the first one is logged for the operator. Others
    /// are the client's mistake, and of interest only if there are many.
    #[must_use]
    pub fn concerns_operator(self) -> bool {
        matches!(
            self,
            Reason::Host
                | Reason::Origin
                | Reason::Full
                | Reason::TopicsFull
                | Reason::AddressFull
                | Reason::AddressRate
                | Reason::MessageRate
                | Reason::ProxyHeader
        )
    }
}

impl From<HeadError> for Reason {
    fn from(error: HeadError) -> Self {
        match error {
            HeadError::TooLong | HeadError::TooManyHeaders => Reason::HeadTooLarge,
            HeadError::ControlCharacter
            | HeadError::FirstLine
            | HeadError::HeaderLine
            | HeadError::Target => Reason::MalformedHead,
        }
    }
}

impl From<Refusal> for Reason {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Request(RequestRefusal::Body | RequestRefusal::BodyLength) => Reason::Body,
            Refusal::Request(RequestRefusal::TransferCoding) => Reason::TransferCoding,
            Refusal::Request(_) | Refusal::Key => Reason::Header,
            Refusal::Method => Reason::Method,
            Refusal::HttpVersion | Refusal::NoUpgrade => Reason::NoUpgrade,
            Refusal::Version => Reason::Version,
        }
    }
}
