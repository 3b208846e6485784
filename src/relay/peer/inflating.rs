//! A message that takes more than a turn to inflate.

use crate::proto::MessageKind;
use crate::proto::deflate::Inflater;

/// A message whose inflating goes on in the next turn.
#[derive(Debug)]
pub(in crate::relay) struct Inflating {
    pub(in crate::relay) inflater: Box<Inflater>,
    pub(in crate::relay) kind: MessageKind,
    pub(in crate::relay) compressed: Vec<u8>,
}

impl Inflating {
    pub(in crate::relay) fn heap_bytes(&self) -> usize {
        size_of_val(self) + self.inflater.heap_bytes() + self.compressed.capacity()
    }
}
