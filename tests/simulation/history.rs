//! What a topic's members are owed: its messages in the order in which the relay took them in, and
//! for each member, how far it has got.

use crate::message::Message;
use fanfare::proto::MessageKind;
use std::ops::RangeInclusive;

/// All messages of a topic's name, whether or not the topic existed all the time.
#[derive(Default)]
pub(crate) struct History {
    messages: Vec<Message>,
}

impl History {
    pub(crate) fn push(&mut self, message: Message) {
        self.messages.push(message);
    }

    pub(crate) fn message(&self, index: usize) -> Message {
        self.messages[index]
    }

    pub(crate) fn len(&self) -> usize {
        self.messages.len()
    }
}

/// A member's way through its topic's history: a contiguous run from its join on.
pub(crate) struct Reader {
    client: u32,
    echo: bool,
    /// Index of what it gets next, or of a message of its own before that.
    next: usize,
    /// Times that it was moved to the live end, and the messages that it missed.
    pub(crate) skips: u64,
    pub(crate) messages_skipped: u64,
    /// Where it may have been moved to: the live end when messages of these numbers came.
    live_ends: Vec<RangeInclusive<usize>>,
}

impl Reader {
    /// A member that joins now.
    pub(crate) fn join(client: u32, echo: bool, history: &History) -> Self {
        Reader {
            client,
            echo,
            next: history.len(),
            skips: 0,
            messages_skipped: 0,
            live_ends: Vec::new(),
        }
    }

    /// Takes in a message that was sent to it.
    pub(crate) fn receive(
        &mut self,
        history: &History,
        kind: MessageKind,
        payload: &[u8],
    ) -> Result<(), String> {
        self.pass_own(history);
        let owed = history.messages.get(self.next);
        if owed.is_some_and(|owed| owed.is(kind, payload)) {
            self.next += 1;
            return Ok(());
        }
        let ahead = history.messages.get(self.next + 1..).unwrap_or_default();
        let skipped = ahead.iter().position(|message| message.is(kind, payload));
        if let Some(skipped) = skipped
            && let Some(live_end) = self.live_end_before(history, self.next + 1 + skipped)
        {
            self.skips += 1;
            self.messages_skipped += (live_end - self.next) as u64;
            self.next += skipped + 2;
            return Ok(());
        }
        let before = &history.messages[..self.next.min(history.len())];
        let fault = if skipped.is_some() {
            format!("a gap of {} messages", skipped.unwrap_or(0) + 1)
        } else if before.iter().any(|message| message.is(kind, payload)) {
            "a message again, or out of order".into()
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

    /// It was slow, and may have been moved to the live end, which was in this range.
    pub(crate) fn may_skip_to(&mut self, live_end: RangeInclusive<usize>) {
        self.live_ends.push(live_end);
    }

    /// Whether all that it has not got may have been skipped.
    pub(crate) fn may_have_skipped_to(&self, history: &History, index: usize) -> bool {
        index > self.next && self.live_end_before(history, index).is_some()
    }

    /// A live end from which `index` is what it gets next, its own messages left out.
    fn live_end_before(&self, history: &History, index: usize) -> Option<usize> {
        let own = |message: &&Message| self.is_own(message);
        let own = history.messages[self.next..index]
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
        while history
            .messages
            .get(self.next)
            .is_some_and(|message| self.is_own(message))
        {
            self.next += 1;
        }
    }
}
