//! What a topic's members are owed: for each, where it began, and how far it has got.

use crate::history::History;
use crate::message::Message;
use crate::v1::V1;
use fanfare::proto::MessageKind;
use std::ops::RangeInclusive;

/// A member's way through its topic's history: a contiguous run from where it asked to begin.
pub(crate) struct Reader {
    client: u32,
    echo: bool,
    /// Index of what it gets next, or of a message of its own before that.
    next: usize,
    /// It may have begun before that, down to there: its first message tells.
    begins_from: Option<usize>,
    /// Messages that there were when it joined: what it gets of them was retained.
    joined_at: usize,
    /// Times that it was moved to the live end, and the messages that it missed; and how many more those may be.
    pub(crate) skips: u64,
    pub(crate) messages_skipped: u64,
    pub(crate) perhaps_skipped: u64,
    /// Where it may have been moved to: the live end when messages of these numbers came.
    live_ends: Vec<RangeInclusive<usize>>,
    /// What it is told besides, if it speaks `fanfare.v1`.
    pub(crate) v1: Option<V1>,
}

impl Reader {
    /// A member that joins now, and begins with one of these messages.
    pub(crate) fn join(
        client: u32,
        echo: bool,
        history: &History,
        begins: RangeInclusive<usize>,
    ) -> Self {
        let (low, high) = begins.into_inner();
        Reader {
            client,
            echo,
            next: high,
            begins_from: (low < high).then_some(low),
            joined_at: history.len(),
            skips: 0,
            messages_skipped: 0,
            perhaps_skipped: 0,
            live_ends: Vec::new(),
            v1: None,
        }
    }

    /// Takes in a message that was sent to it.
    pub(crate) fn receive(
        &mut self,
        history: &History,
        kind: MessageKind,
        payload: &[u8],
    ) -> Result<(), String> {
        let messages = history.messages();
        if let Some(low) = self.begins_from.take() {
            let mut before = messages[low..self.next].iter();
            if let Some(found) = before.position(|message| message.is(kind, payload)) {
                self.next = low + found + 1;
                return Ok(());
            }
            if !self.live_ends.is_empty() {
                self.perhaps_skipped += (self.next - low) as u64;
            }
        }
        self.pass_own(history);
        let owed = messages.get(self.next);
        if owed.is_some_and(|owed| owed.is(kind, payload)) {
            self.next += 1;
            return Ok(());
        }
        let ahead = messages.get(self.next + 1..).unwrap_or_default();
        let skipped = ahead.iter().position(|message| message.is(kind, payload));
        if let Some(skipped) = skipped
            && let Some(live_end) = self.live_end_before(history, self.next + 1 + skipped)
        {
            self.skips += 1;
            self.messages_skipped += (live_end - self.next) as u64;
            self.next += skipped + 2;
            return Ok(());
        }
        let before = &messages[..self.next.min(history.len())];
        let fault = if skipped.is_some() {
            format!("a gap of {} messages", skipped.unwrap_or(0) + 1)
        } else if before.iter().any(|message| message.is(kind, payload)) {
            "a message again, out of order, or not retained".into()
        } else {
            "a message that was never sent".into()
        };
        Err(format!(
            "{fault}: at {} of {}, owed {owed:?}, got {} bytes of {kind:?}",
            self.next,
            history.len(),
            payload.len(),
        ))
    }

    /// Where it stands, its own messages before it passed over.
    pub(crate) fn next(&mut self, history: &History) -> usize {
        self.pass_own(history);
        self.next
    }

    /// The first message that it may begin with, and the last.
    pub(crate) fn begins(&self) -> (usize, usize) {
        (self.begins_from.unwrap_or(self.next), self.next)
    }

    /// Messages of before it joined that it is yet to be sent.
    pub(crate) fn messages_of_before(&self) -> usize {
        self.joined_at.saturating_sub(self.next)
    }

    /// That is the message that it begins with.
    pub(crate) fn begin_at(&mut self, index: usize) {
        (self.next, self.begins_from) = (index, None);
    }

    /// It is told that it goes on so many messages further on, with that one if that is known.
    pub(crate) fn skip(
        &mut self,
        history: &History,
        messages: usize,
        place: Option<usize>,
    ) -> Result<(), String> {
        let begins = self.begins_from.unwrap_or(self.next)..=self.next;
        let ends = self.live_ends.iter().map(|range| *range.end());
        let may_be =
            |end: &usize| (end.checked_sub(messages)).is_some_and(|at| begins.contains(&at));
        let last = ends.filter(may_be).max();
        let place = match (place, self.begins_from) {
            (Some(place), _) => place,
            (None, None) => self.next + messages,
            (None, Some(_)) => last.ok_or("a gap, and it was not lapped")?,
        };
        self.begins_from = None;
        let is_right = begins.contains(&(place - messages));
        if !is_right || place > history.len() {
            return Err(format!("a gap of {messages} up to {place}, at {begins:?}"));
        }
        self.next = place - messages;
        if self.live_end_before(history, place) != Some(place) {
            return Err(format!(
                "a gap of {messages} up to {place}, which is no live end"
            ));
        }
        self.skips += 1;
        self.messages_skipped += messages as u64;
        self.next = place;
        Ok(())
    }

    /// It is still sent what it asked for of before it joined: perhaps, and for certain.
    pub(crate) fn may_replay(&self) -> bool {
        self.begins_from.is_some() || self.next < self.joined_at
    }

    pub(crate) fn replays(&self) -> bool {
        self.next < self.joined_at && self.live_ends.is_empty()
    }

    /// It was slow, and may have been moved to the live end, which was in this range.
    pub(crate) fn may_skip_to(&mut self, live_end: RangeInclusive<usize>) {
        self.live_ends.push(live_end);
        if self.may_replay() {
            // In another log, it goes on where it joined.
            self.live_ends.push(self.joined_at..=self.joined_at);
        }
    }

    /// Whether all that it has not got may have been skipped.
    pub(crate) fn may_have_skipped_to(&self, history: &History, index: usize) -> bool {
        index > self.next && self.live_end_before(history, index).is_some()
    }

    /// Messages that it was not sent, and how many more those may be.
    pub(crate) fn untold(&mut self, history: &History) -> [u64; 2] {
        let untold = history.len() - self.next(history);
        let perhaps = match self.begins_from {
            Some(low) if !self.live_ends.is_empty() => self.next - low,
            _ => 0,
        };
        [untold as u64, perhaps as u64]
    }

    /// A live end from which `index` is what it gets next, its own messages left out.
    fn live_end_before(&self, history: &History, index: usize) -> Option<usize> {
        let own = |message: &&Message| self.is_own(message);
        let own = history.messages()[self.next..index]
            .iter()
            .rev()
            .take_while(own)
            .count();
        let mut live_ends = (index - own..=index).rev().filter(|&end| end > self.next);
        live_ends.find(|end| self.live_ends.iter().any(|range| range.contains(end)))
    }

    fn is_own(&self, message: &Message) -> bool {
        !self.echo && message.publisher == self.client
    }

    fn pass_own(&mut self, history: &History) {
        let own = history.messages()[self.next.min(history.len())..]
            .iter()
            .take_while(|message| self.is_own(message))
            .count();
        self.next += own;
    }
}
