//! Why the server does not do what the program that embeds it asks for.

use std::error::Error;
use std::fmt;

/// The server has ended: [`run`](super::Server::run) has returned, or there is no server any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone;

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the server has ended")
    }
}

impl Error for Gone {}

/// Why a message was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PublishError {
    /// The loop's queue is full.
    QueueFull,
    /// It is larger than a client's message may be.
    TooLarge {
        /// What `message_bytes_max` is now.
        bytes_max: usize,
    },
    /// It is to be text, and is not UTF-8.
    NotText,
    /// No client could name such a topic, for this reason.
    Topic(&'static str),
    /// The server has ended.
    Gone,
}

impl From<Gone> for PublishError {
    fn from(_: Gone) -> Self {
        PublishError::Gone
    }
}

impl fmt::Display for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PublishError::QueueFull => f.write_str("the relay is behind: its queue is full"),
            PublishError::TooLarge { bytes_max } => {
                write!(f, "the message is larger than {bytes_max} bytes")
            }
            PublishError::NotText => f.write_str("the message is to be text, and is not UTF-8"),
            PublishError::Topic(why) => f.write_str(why),
            PublishError::Gone => Gone.fmt(f),
        }
    }
}

impl Error for PublishError {}

/// Why a receipt has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiptError {
    /// The server ended before the message was published: no client got it.
    Gone,
    /// It was called on the loop's own thread, hence inside a hook: it would wait for itself.
    OnLoop,
}

impl fmt::Display for ReceiptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReceiptError::Gone => Gone.fmt(f),
            ReceiptError::OnLoop => f.write_str("the loop's own thread can't wait for the loop"),
        }
    }
}

impl Error for ReceiptError {}
