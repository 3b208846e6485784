//! A request that publishes, until it is answered: what has come of its body, and what of that is published.

use crate::http::{Publish, Response};
use crate::proto::http1::BodyDecoder;
use crate::proto::{MessageId, MessageKind};
use crate::proxy::PeerAddress;

/// A request that publishes. See the [module](self).
#[derive(Debug)]
pub(in crate::relay) struct Post {
    pub(in crate::relay) topic: Box<str>,
    pub(in crate::relay) kind: MessageKind,
    pub(in crate::relay) each_line: bool,
    pub(in crate::relay) key: Option<Box<str>>,
    pub(in crate::relay) origin: Option<Box<str>>,
    pub(in crate::relay) keep_alive: bool,
    /// The proxy that forwards it, to which the connection goes back.
    pub(in crate::relay) proxy: Option<PeerAddress>,
    pub(in crate::relay) body: BodyDecoder,
    /// The beginning of the message; or of a line, and lines that wait until their topic has space.
    pub(in crate::relay) gathered: Vec<u8>,
    /// As many bytes at the front of that hold no end of a line.
    pub(in crate::relay) searched: usize,
    /// What was gathered waits until its topic has space.
    pub(in crate::relay) is_waiting: bool,
    /// Lines that have come whole, empty ones among them.
    pub(in crate::relay) lines: u64,
    pub(in crate::relay) published: u64,
    /// Messages that have yet to get their numbers elsewhere.
    pub(in crate::relay) unsettled: usize,
    /// The last one, if it has a number.
    pub(in crate::relay) last: Option<MessageId>,
    /// The answer, which waits until all messages before what it refuses have their numbers.
    pub(in crate::relay) refusal: Option<Response>,
}

impl Post {
    /// Nothing of the body has come yet.
    pub(in crate::relay) fn new(publish: &Publish, proxy: Option<PeerAddress>) -> Self {
        Post {
            topic: (*publish.topic).into(),
            kind: publish.kind,
            each_line: publish.each_line,
            key: publish.key.map(Box::from),
            origin: publish.origin.map(Box::from),
            keep_alive: publish.keep_alive,
            proxy,
            body: BodyDecoder::new(publish.length),
            gathered: Vec::new(),
            searched: 0,
            is_waiting: false,
            lines: 0,
            published: 0,
            unsettled: 0,
            last: None,
            refusal: None,
        }
    }

    /// Nothing more is to come of the body: what is missing, others have yet to do.
    pub(in crate::relay) fn is_whole(&self) -> bool {
        self.refusal.is_some() || self.body.is_whole()
    }

    /// Bytes of the body that are certain to come next.
    pub(in crate::relay) fn bytes_left(&self) -> usize {
        usize::try_from(self.body.bytes_left()).unwrap_or(usize::MAX)
    }

    /// The peer is not expected to send anything now, or may take its time.
    pub(in crate::relay) fn is_patient(&self) -> bool {
        self.is_whole() || self.is_waiting || self.lines > 0
    }

    /// Heap that it takes.
    pub(super) fn heap_bytes(&self) -> usize {
        let texts = [Some(&self.topic), self.key.as_ref(), self.origin.as_ref()];
        let text_bytes: usize = texts.into_iter().flatten().map(|text| text.len()).sum();
        size_of::<Post>() + text_bytes + self.gathered.capacity() + self.body.heap_bytes()
    }
}
