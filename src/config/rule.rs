//! What a `[[topic]]` table of the file says.

use super::source::Source;
use crate::relay::Pattern;
use std::collections::BTreeMap;

/// Settings that differ for some topics: a `[[topic]]` table of the file. What it does not name is as it is
/// for all. See [`with`](Self::with).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicRule {
    /// The topics.
    pub pattern: Pattern,
    /// Where the pattern stands.
    pub(super) source: Source,
    /// The settings that differ, by their index, and where they stand.
    pub(super) differing: BTreeMap<usize, (Vec<String>, Source)>,
}

impl TopicRule {
    /// One under which nothing differs yet.
    #[must_use]
    pub fn new(pattern: Pattern) -> Self {
        TopicRule {
            pattern,
            source: Source::Default,
            differing: BTreeMap::new(),
        }
    }
}
