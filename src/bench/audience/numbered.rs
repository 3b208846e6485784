//! What a receiver that speaks `fanfare.v1` (docs/protocol.md) knows of its place among a topic's messages: it
//! counts them, and tells what the relay says from what publishers do.

use crate::proto::{MessageId, MessageKind};
use serde::Deserialize;
use serde_json::Value;

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Numbered {
    /// What begins all that the relay says, once it has said the first.
    mark: Option<Box<str>>,
    /// The message before all those of this run.
    origin: Option<MessageId>,
    /// Messages that gaps told of, as far as later ones have not shown yet which they are.
    pub(super) told: u64,
    pub(super) presence: Presence,
}

/// Whether a receiver is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Presence {
    #[default]
    Here,
    /// It was cut off.
    Away,
    /// It is connected again, and does not have yet what was published before that.
    Returning {
        /// When it began to connect.
        began: u64,
        /// Messages that it had then, and those that were published.
        had: u64,
        target: u64,
        /// Messages that gaps have told of since.
        missed: u64,
    },
    /// It does not come back.
    Gone,
}

/// What the relay says to a receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// So many messages are missing here.
    Gap(u64),
    /// A gap that does not follow from what it has said before.
    WrongGap,
    /// Something else than a welcome came first.
    NoWelcome,
    /// Nothing that is of interest here.
    Other,
}

#[derive(Deserialize)]
struct Welcome {
    mark: String,
    id: String,
}

impl Numbered {
    /// The id of the last message, of a receiver that had so many of this run, those told missing included.
    pub(super) fn id(&self, had: u64) -> Option<MessageId> {
        let MessageId { epoch, number } = self.origin?;
        let number = number + had;
        Some(MessageId { epoch, number })
    }

    /// Its connection is gone, and the next one is yet to begin.
    pub(super) fn cut(&mut self) {
        self.mark = None;
        self.presence = Presence::Away;
    }

    /// Takes a message; none if it is a publisher's.
    pub(super) fn receive(&mut self, kind: MessageKind, payload: &[u8], had: u64) -> Option<Said> {
        let text = str::from_utf8(payload)
            .ok()
            .filter(|_| kind == MessageKind::Text);
        let Some(mark) = &self.mark else {
            let welcomed = text.and_then(|text| self.welcome(text));
            return Some(welcomed.unwrap_or(Said::NoWelcome));
        };
        let said: Value = serde_json::from_str(text?.strip_prefix(&**mark)?).ok()?;
        let Some(missed) = said.get("gap") else {
            return Some(Said::Other);
        };
        // The topic lives on as long as its publishers are there: no gap is of another epoch.
        let gap = missed.as_u64().filter(|&missed| missed > 0);
        let id = said.get("id").and_then(Value::as_str);
        let is_right = |missed: &u64| {
            let expected = self.id(had.saturating_add(*missed));
            expected.is_some() && id.and_then(|id| id.parse().ok()) == expected
        };
        Some(gap.filter(is_right).map_or(Said::WrongGap, Said::Gap))
    }

    fn welcome(&mut self, text: &str) -> Option<Said> {
        let Welcome { mark, id } = serde_json::from_str(text).ok()?;
        let id: MessageId = id.parse().ok()?;
        self.mark = Some(mark.into());
        self.origin.get_or_insert(id);
        Some(Said::Other)
    }
}
