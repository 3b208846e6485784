//! The two sides of the house.

/// Which side of the house a connection came in by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// For clients.
    Public,
    /// For the operator.
    Admin,
}
