//! What arrived as it should, and what was wrong with the rest.

use super::histogram::Histogram;
use crate::proto::ProtocolError;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Deliveries and faults.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Tally {
    /// Messages that a receiver had, once, whole and in order.
    pub(super) delivered: u64,
    /// Pings of the server that were answered.
    pub(super) pings: u64,
    /// Messages that never came to a receiver that got later ones.
    pub(super) lost: u64,
    /// Messages that came after a later one.
    pub(super) reordered: u64,
    /// Messages that a receiver did not get before its connection or the run ended.
    pub(super) missed: u64,
    /// Messages that did not come to receivers which had stopped reading.
    pub(super) skipped: u64,
    /// From when a message was sent, or due, until a receiver had it.
    pub(super) latencies: Histogram,
    /// Everything else that was wrong, and how often.
    faults: BTreeMap<String, u64>,
}

/// What can be wrong with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It came a second time.
    Duplicated,
    /// Some byte is not the one that was sent.
    Corrupted,
    /// It is longer or shorter than the one that was sent.
    Length,
    /// It is binary and was sent as text, or the other way round.
    Kind,
    /// No publisher of this run has sent it.
    Foreign,
    /// It was sent into another room.
    OtherRoom,
    /// It came to its own sender, which was not to get it.
    Unwanted,
    /// The relay told of a gap that is none, or whose ids don't follow from those before.
    WrongGap,
    /// It did not say first where its messages begin.
    NoWelcome,
    /// The server broke RFC 6455.
    Protocol(ProtocolError),
}

/// Receivers that know which message they have: what they were told is missing, and how they came back when
/// they had been cut off.
#[derive(Clone, Debug, Default)]
pub(super) struct Returns {
    pub(super) cut_off: u64,
    /// Those that came back, and got all that had been published until then, but for what gaps told of.
    pub(super) came_back: u64,
    /// Messages that were published while they were away, and that they got.
    pub(super) replayed: u64,
    /// Gaps that were told of, and the messages in them.
    pub(super) gaps: u64,
    pub(super) missed: u64,
    /// From the first packet until they had caught up.
    pub(super) coming_back: Histogram,
}

/// Requests that published messages.
#[derive(Clone, Debug, Default)]
pub(super) struct RequestTally {
    /// Those that were answered with a status 2xx.
    pub(super) succeeded: u64,
    /// Those with another one, or never answered.
    pub(super) failed: u64,
    /// What was sent, and what came back.
    pub(super) sent_bytes: u64,
    pub(super) received_bytes: u64,
    /// From when a message was published until its request was answered with success.
    pub(super) latencies: Histogram,
    /// The first answer that was no success.
    pub(super) first_failure: Option<String>,
}

impl RequestTally {
    /// What was counted since an earlier state of this tally. Latencies are those that it holds now.
    pub(super) fn since(&self, earlier: &RequestTally) -> RequestTally {
        RequestTally {
            succeeded: self.succeeded - earlier.succeeded,
            failed: self.failed - earlier.failed,
            sent_bytes: self.sent_bytes - earlier.sent_bytes,
            received_bytes: self.received_bytes - earlier.received_bytes,
            ..self.clone()
        }
    }
}

impl Fault {
    pub(super) fn name(self) -> String {
        match self {
            Fault::Duplicated => "duplicated messages".into(),
            Fault::Corrupted => "corrupted messages".into(),
            Fault::Length => "messages of the wrong length".into(),
            Fault::Kind => "messages of the wrong kind (text or binary)".into(),
            Fault::Foreign => "messages that were never sent".into(),
            Fault::OtherRoom => "messages of another room".into(),
            Fault::Unwanted => "messages that came back to their sender".into(),
            Fault::WrongGap => "gaps that are none, or whose ids don't fit".into(),
            Fault::NoWelcome => "messages in place of a welcome".into(),
            Fault::Protocol(error) => {
                format!("connections on which the server broke RFC 6455: {error}")
            }
        }
    }
}

impl Tally {
    pub(super) fn on_fault(&mut self, fault: Fault) {
        self.on_named(fault.name(), 1);
    }

    /// Counts a fault by its name.
    pub(super) fn on_named(&mut self, name: String, count: u64) {
        *self.faults.entry(name).or_default() += count;
    }

    /// A message that was counted as lost has come after all.
    pub(super) fn on_late(&mut self) {
        self.lost = self.lost.saturating_sub(1);
        self.reordered += 1;
        self.delivered += 1;
    }

    /// Each kind of fault, and how often it was seen.
    pub(super) fn faults(&self) -> impl Iterator<Item = (&str, u64)> {
        let of_order = [
            ("lost messages", self.lost),
            ("messages out of order", self.reordered),
            ("messages that did not come before the end", self.missed),
        ];
        let others = self
            .faults
            .iter()
            .map(|(name, &count)| (name.as_str(), count));
        of_order
            .into_iter()
            .chain(others)
            .filter(|&(_, count)| count > 0)
    }

    /// What was counted since an earlier state of this tally. Latencies are those that it holds now.
    pub(super) fn since(&self, earlier: &Tally) -> Tally {
        Tally {
            delivered: self.delivered - earlier.delivered,
            pings: self.pings - earlier.pings,
            skipped: self.skipped - earlier.skipped,
            ..self.clone()
        }
    }

    /// Adds what was wrong in another process.
    pub(super) fn merge_faults(&mut self, other: &Tally) {
        self.pings += other.pings;
        self.lost += other.lost;
        self.reordered += other.reordered;
        self.missed += other.missed;
        self.skipped += other.skipped;
        for (name, count) in &other.faults {
            self.on_named(name.clone(), *count);
        }
    }
}
