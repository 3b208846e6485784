//! A topic's messages in the order in which the relay took them in.

use crate::message::Message;
use crate::retained::Retained;
use fanfare::wheel::Tick;

/// All messages of a topic's name, whether or not the topic existed all the time.
#[derive(Default)]
pub(crate) struct History {
    messages: Vec<Message>,
    /// What it offers to readers that come.
    pub(crate) retained: Retained,
}

impl History {
    pub(crate) fn push(&mut self, now: Tick, message: Message) {
        self.messages.push(message);
        self.retained.push(now, message.bytes);
    }

    pub(crate) fn message(&self, index: usize) -> Message {
        self.messages[index]
    }

    pub(crate) fn messages(&self) -> &[Message] {
        &self.messages
    }

    pub(crate) fn len(&self) -> usize {
        self.messages.len()
    }
}
