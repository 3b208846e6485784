//! What the relay says: text messages of its own, between those that are published.

use super::command::CommandError;
use super::mark::Mark;
use crate::proto::MessageId;
use serde::Serialize;

/// A text message of the relay's own. All but the first of a connection begin with its mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control<'a> {
    /// The first message of a connection.
    Welcome {
        /// The topic's name.
        topic: &'a str,
        /// The message before the next one.
        id: MessageId,
        /// The topic's last message: those up to it were published before the connection joined.
        tail: MessageId,
    },
    /// Messages are missing here.
    Gap {
        /// How many; unknown if they were of another epoch.
        missed: Option<u64>,
        /// The message before the next one.
        id: MessageId,
    },
    /// A publication got its number. This leaves before the message itself does.
    Acknowledgement {
        /// What the publisher calls it.
        reference: u64,
        /// The message itself.
        id: MessageId,
    },
    /// A command was not carried out.
    Error {
        /// Why not.
        error: CommandError,
        /// What the client calls it, if it said so.
        reference: Option<u64>,
    },
}

impl Control<'_> {
    /// Appends the whole payload.
    pub fn write(&self, mark: &Mark, out: &mut Vec<u8>) {
        let object = match *self {
            Control::Welcome { topic, id, tail } => Object::Welcome {
                fanfare: 1,
                mark: mark.as_str(),
                topic,
                id,
                tail,
            },
            Control::Gap { missed, id } => Object::Gap { gap: missed, id },
            Control::Acknowledgement { reference, id } => Object::Acknowledgement { reference, id },
            Control::Error { error, reference } => Object::Error {
                error: error.code(),
                message: error.sentence(),
                reference,
            },
        };
        if !matches!(self, Control::Welcome { .. }) {
            out.extend_from_slice(mark.as_str().as_bytes());
        }
        let written = serde_json::to_writer(out, &object);
        debug_assert!(
            written.is_ok(),
            "a Vec takes everything, and names are text"
        );
    }
}

/// What stands behind the mark.
#[derive(Serialize)]
#[serde(untagged)]
enum Object<'a> {
    Welcome {
        fanfare: u8,
        mark: &'a str,
        topic: &'a str,
        id: MessageId,
        tail: MessageId,
    },
    Gap {
        gap: Option<u64>,
        id: MessageId,
    },
    Acknowledgement {
        #[serde(rename = "ref")]
        reference: u64,
        id: MessageId,
    },
    Error {
        error: &'a str,
        message: &'a str,
        #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
        reference: Option<u64>,
    },
}
