//! Inflating what comes compressed, for as little as that can be had: a server that compresses once
//! for everybody sends the same bytes to each, so that what was inflated for one receiver need only
//! be compared for the others.

use crate::proto::deflate::Inflater;
use crate::proto::{Message, ProtocolError};
use std::collections::VecDeque;

/// Messages that are remembered: more than are outstanding, as a rule.
const REMEMBERED_MAX: usize = 64;

/// Inflates messages. See the [module](self).
#[derive(Debug, Default)]
pub(in super::super) struct Opener {
    inflater: Inflater,
    /// The latest ones, newest last.
    known: VecDeque<Known>,
}

#[derive(Debug)]
struct Known {
    compressed: Box<[u8]>,
    payload: Box<[u8]>,
}

impl Opener {
    /// The payload of a compressed message.
    pub(super) fn open(
        &mut self,
        message: Message,
        bytes_max: usize,
    ) -> Result<&[u8], ProtocolError> {
        let is_known = |known: &Known| *known.compressed == *message.payload;
        let index = match self.known.iter().position(is_known) {
            Some(index) => index,
            None => {
                let opened = self.inflater.open(message, bytes_max)?;
                if self.known.len() == REMEMBERED_MAX {
                    self.known.pop_front();
                }
                self.known.push_back(Known {
                    compressed: message.payload.into(),
                    payload: opened.payload.into(),
                });
                self.known.len() - 1
            }
        };
        Ok(&self.known[index].payload)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::MessageKind;
    use crate::proto::deflate::{Deflater, Window};

    #[test]
    fn each_message_is_opened_however_many_came_since() {
        let mut deflater = Deflater::new(Window::Bits15, 6);
        let mut opener = Opener::default();
        let payload = |n: usize| format!("{n} and {n} and {n} and {n} and {n}").into_bytes();
        for n in (0..200).chain(100..200).chain(0..100) {
            let compressed = deflater.deflate(&payload(n)).expect("it shrinks").to_vec();
            let message = Message {
                kind: MessageKind::Text,
                compressed: true,
                payload: &compressed,
            };
            assert_eq!(opener.open(message, 1000), Ok(&payload(n)[..]));
            assert!(opener.known.len() <= REMEMBERED_MAX);
        }
    }

    #[test]
    fn what_cannot_be_inflated_is_an_error() {
        let message = Message {
            kind: MessageKind::Binary,
            compressed: true,
            payload: &[0xff; 10],
        };
        assert!(Opener::default().open(message, 1000).is_err());
    }
}
