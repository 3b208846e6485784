//! What leaves, and where it is from: a transport may treat bytes that many connections get differently from
//! those that are one connection's own.

use super::ids::VariantKey;
use crate::log::{Position, Span};
use arrayvec::ArrayVec;

/// What one write offers to a connection's socket.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "it lives for one write, and a box would be an allocation"
)]
pub enum Output<'a> {
    /// Bytes that lie together: the rule.
    One(Piece<'a>),
    /// Bytes over the seams of segments, or with an outbox in between, in their order.
    Many(ArrayVec<Piece<'a>, { Output::PIECES_MAX }>),
}

/// Bytes that lie together.
#[derive(Clone, Copy, Debug)]
pub struct Piece<'a> {
    /// Where they are from.
    pub source: PieceSource,
    /// They themselves; never empty.
    pub bytes: &'a [u8],
}

/// What bytes are that leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PieceSource {
    /// A connection's own: a control frame, a response.
    Own,
    /// A part of a log, whose bytes every reader of it gets, and which never change.
    Log(VariantKey, Position),
}

impl Output<'_> {
    /// Pieces of one write. Most often there is one. A socket that takes all of this many is written to
    /// again at once.
    pub const PIECES_MAX: usize = 16;

    /// The pieces, in their order.
    #[must_use]
    pub fn pieces(&self) -> &[Piece<'_>] {
        match self {
            Output::One(piece) => std::slice::from_ref(piece),
            Output::Many(pieces) => pieces,
        }
    }

    /// How many bytes they are.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.pieces().iter().map(|piece| piece.bytes.len()).sum()
    }
}

impl<'a> Piece<'a> {
    pub(super) fn own(bytes: &'a [u8]) -> Self {
        let source = PieceSource::Own;
        Piece { source, bytes }
    }

    pub(super) fn of(variant: VariantKey, span: Span<'a>) -> Self {
        let source = PieceSource::Log(variant, span.start);
        let bytes = span.bytes;
        Piece { source, bytes }
    }
}
