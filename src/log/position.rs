//! Places in a log: any, where a frame begins, and where bytes begin that lie together.

/// A place in a log: bytes appended since the log began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position(pub u64);

impl Position {
    /// The position `bytes` further on.
    #[must_use]
    pub fn after(self, bytes: usize) -> Position {
        Position(self.0 + bytes as u64)
    }

    /// Bytes from `earlier` to here; 0 if that lies ahead.
    #[must_use]
    pub fn since(self, earlier: Position) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// Where a frame begins, and which message it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Boundary {
    /// The first boundary at or after the position that was asked for.
    pub position: Position,
    /// Number of the message that begins there.
    pub message: u64,
}

/// Bytes that lie together, and where in the log they begin.
#[derive(Clone, Copy, Debug)]
pub struct Span<'a> {
    /// The position of the first.
    pub start: Position,
    /// The bytes; never empty.
    pub bytes: &'a [u8],
}
