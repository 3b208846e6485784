//! Messages whose bytes follow from their publisher and number, so that they need not be stored.

use crate::v1::Mark;
use fanfare::proto::MessageKind;
use std::sync::LazyLock;

/// A message shorter than this may look like another one.
pub(crate) const UNIQUE_BYTES: usize = 12;

/// Where a payload may begin in its pattern, which is this much longer than the longest message.
const OFFSETS: usize = 4096;
const BYTES_MAX: usize = 256 * 1024;

/// Any bytes, those that look like frame headers among them.
static BINARY: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut random = fastrand::Rng::with_seed(1);
    (0..BYTES_MAX + OFFSETS)
        .map(|_| match random.u8(..4) {
            0 => random.u8(0x80..0x8B),
            1 => random.u8(..3),
            _ => random.u8(..),
        })
        .collect()
});

/// Characters of two bytes each, so that cuts split them.
static TEXT: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut random = fastrand::Rng::with_seed(2);
    let text: String = (0..(BYTES_MAX + OFFSETS) / 2)
        .map(|_| random.char('\u{80}'..='\u{7ff}'))
        .collect();
    text.into_bytes()
});

/// Something that shrinks to a tenth and less, and is text as well.
static REPEATS: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let words = b"fan fan fanfare! ";
    let mut random = fastrand::Rng::with_seed(3);
    let mut table = Vec::new();
    while table.len() < BYTES_MAX + OFFSETS {
        let bytes = random.usize(1..=words.len());
        table.extend_from_slice(&words[..bytes]);
    }
    table
});

/// A message of a publisher, which numbers its own from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) publisher: u32,
    pub(crate) number: u32,
    pub(crate) kind: MessageKind,
    pub(crate) bytes: usize,
    /// It begins with what may be a mark.
    pub(crate) disguise: Option<Mark>,
}

impl Message {
    pub(crate) fn payload(&self) -> Vec<u8> {
        let mut payload = self.name();
        if let Some(mark) = self.disguise {
            payload[..mark.len()].copy_from_slice(&mark);
        }
        payload.extend_from_slice(self.pattern(self.bytes - payload.len()));
        payload
    }

    /// Whether this is its payload.
    pub(crate) fn is(&self, kind: MessageKind, payload: &[u8]) -> bool {
        if self.kind != kind || self.bytes != payload.len() {
            return false;
        }
        let name = self.name();
        let (start, rest) = payload.split_at(name.len());
        let name = match self.disguise {
            Some(mark) => [&mark[..], &name[mark.len()..]].concat(),
            None => name,
        };
        start == name && rest == self.pattern(rest.len())
    }

    /// Publisher and number, in ASCII; it leaves an even number of bytes.
    fn name(&self) -> Vec<u8> {
        let mut name = format!("{:x}.{:x} ", self.publisher, self.number).into_bytes();
        if self.disguise.is_some() {
            // There, the mark takes the place of these.
            name.splice(0..0, [b' '; size_of::<Mark>()]);
        }
        name.truncate(self.bytes);
        if (self.bytes - name.len()) % 2 == 1 {
            name.push(b'!');
        }
        name
    }

    fn pattern(&self, bytes: usize) -> &'static [u8] {
        let offset = (self.publisher.wrapping_mul(31) ^ self.number.wrapping_mul(7)) as usize;
        let offset = offset * 2 % OFFSETS;
        let table = match self.kind {
            _ if self.number % 3 == 2 => &*REPEATS,
            MessageKind::Text => &*TEXT,
            MessageKind::Binary => &*BINARY,
        };
        &table[offset..offset + bytes]
    }
}
