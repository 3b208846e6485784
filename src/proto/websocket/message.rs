//! Fragments put together to messages (RFC 6455 §5.4), for callers that don't stream.

use super::session::{Fragment, MessageKind};

/// A whole message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// Whether it is text or binary.
    pub kind: MessageKind,
    /// Whether the payload is compressed.
    pub compressed: bool,
    /// All of it; UTF-8 if it is text that is not compressed.
    pub payload: &'a [u8],
}

/// A fragment that is a whole message.
impl<'a> From<Fragment<'a>> for Message<'a> {
    fn from(fragment: Fragment<'a>) -> Self {
        debug_assert!(fragment.first && fragment.last);
        Self {
            kind: fragment.kind,
            compressed: fragment.compressed,
            payload: fragment.payload,
        }
    }
}

/// Gathers the pieces of one message after the other. A message that came in one piece goes
/// straight through, without a copy. What is held never exceeds twice the bytes that arrived, and
/// their sum is bounded by the limit that the session was given.
///
/// ```
/// use fanfare::proto::{Fragment, Gather, MessageKind};
///
/// let mut gather = Gather::default();
/// let piece = |first, last, payload| {
///     Fragment { kind: MessageKind::Text, compressed: false, first, last, payload }
/// };
/// assert!(gather.push(piece(true, false, b"Hel")).is_none());
/// assert_eq!(gather.push(piece(false, true, b"lo")).unwrap().payload, b"Hello");
/// ```
#[derive(Debug, Default)]
pub struct Gather {
    buffer: Vec<u8>,
    /// The message in the buffer was handed out.
    handed_out: bool,
}

impl Gather {
    /// Takes the next piece; returns the message if it was the last one of it. The memory of a
    /// message that was gathered is given back at the next push, or by
    /// [`release`](Self::release).
    pub fn push<'a>(&'a mut self, fragment: Fragment<'a>) -> Option<Message<'a>> {
        let Fragment {
            kind,
            compressed,
            first,
            last,
            payload,
        } = fragment;
        // A message that was handed out is over: the next piece is the first of another one.
        if first {
            self.discard();
        }
        if first && last {
            return Some(Message {
                kind,
                compressed,
                payload,
            });
        }
        let heap_bytes = self.heap_bytes_after(payload.len());
        self.buffer.reserve_exact(heap_bytes - self.buffer.len());
        self.buffer.extend_from_slice(payload);
        self.handed_out = last;
        last.then_some(Message {
            kind,
            compressed,
            payload: &self.buffer,
        })
    }

    /// Gives back the memory of a message that was handed out. One that is still being gathered
    /// is not touched.
    pub fn release(&mut self) {
        if self.handed_out {
            self.discard();
        }
    }

    /// Drops whatever was gathered, and gives back its memory.
    pub fn discard(&mut self) {
        *self = Self::default();
    }

    /// The bytes gathered so far.
    pub fn bytes(&self) -> usize {
        self.buffer.len()
    }

    /// The bytes of heap in use.
    pub fn heap_bytes(&self) -> usize {
        self.buffer.capacity()
    }

    /// The bytes of heap in use once `more` bytes of the same message were pushed: it grows to twice
    /// its size at a time, so that each byte is moved once or twice in all.
    pub fn heap_bytes_after(&self, more: usize) -> usize {
        let needed = self.buffer.len() + more;
        match self.buffer.capacity() {
            capacity if needed <= capacity => capacity,
            capacity => needed.max(2 * capacity),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn piece(first: bool, last: bool, payload: &[u8]) -> Fragment<'_> {
        Fragment {
            kind: MessageKind::Binary,
            compressed: false,
            first,
            last,
            payload,
        }
    }

    #[test]
    fn a_whole_message_goes_straight_through() {
        let mut gather = Gather::default();
        let payload = *b"whole";
        let message = gather.push(piece(true, true, &payload)).unwrap();
        assert!(std::ptr::eq(message.payload, &payload));
        assert_eq!(gather.heap_bytes(), 0);
    }

    #[test]
    fn memory_comes_back_after_a_gathered_message() {
        let mut gather = Gather::default();
        assert!(gather.push(piece(true, false, &[1; 1000])).is_none());
        assert_eq!(gather.bytes(), 1000);
        assert!(gather.heap_bytes() >= 1000);
        gather.release();
        assert_eq!(gather.bytes(), 1000, "a message under way stays");
        assert_eq!(
            gather.push(piece(false, true, &[2])).unwrap().payload.len(),
            1001
        );
        gather.release();
        assert_eq!((gather.bytes(), gather.heap_bytes()), (0, 0));

        assert!(gather.push(piece(true, false, b"a")).is_none());
        assert!(gather.push(piece(false, true, b"b")).is_some());
        assert!(gather.push(piece(true, true, b"c")).is_some());
        assert_eq!(gather.heap_bytes(), 0, "the next push gives it back too");
    }

    #[test]
    fn a_first_piece_begins_anew() {
        let mut gather = Gather::default();
        assert!(gather.push(piece(true, false, b"never finished")).is_none());
        assert!(gather.push(piece(true, false, b"ano")).is_none());
        let message = gather.push(piece(false, true, b"ther")).unwrap();
        assert_eq!(message.payload, b"another");
    }

    #[test]
    fn an_empty_last_piece_ends_a_message() {
        let mut gather = Gather::default();
        assert!(gather.push(piece(true, false, b"all")).is_none());
        assert_eq!(
            gather.push(piece(false, true, b"")).unwrap().payload,
            b"all"
        );
    }

    #[test]
    fn what_grows_is_moved_seldom() {
        let mut gather = Gather::default();
        let sizes: std::collections::BTreeSet<usize> = (0..1000)
            .map(|n| {
                gather.push(piece(n == 0, false, &[7]));
                gather.heap_bytes()
            })
            .collect();
        assert!(sizes.len() <= 11, "{sizes:?}");
    }

    proptest! {
        #[test]
        fn memory_is_bounded_by_what_arrived(pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..500), 1..20)) {
            let mut gather = Gather::default();
            let mut arrived = Vec::new();
            for (i, payload) in pieces.iter().enumerate() {
                let foretold = gather.heap_bytes_after(payload.len());
                prop_assert!(gather.push(piece(i == 0, false, payload)).is_none());
                prop_assert_eq!(gather.heap_bytes(), foretold);
                arrived.extend_from_slice(payload);
                prop_assert_eq!(gather.bytes(), arrived.len());
                prop_assert!(gather.heap_bytes() <= (2 * arrived.len()).max(8));
            }
            let message = gather.push(piece(false, true, b"")).unwrap();
            prop_assert_eq!(message.payload, &arrived[..]);
        }
    }
}
