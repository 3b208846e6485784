//! What a user may have done wrong, judged by how the server behaved.

use super::tally::Fault;
use std::collections::BTreeMap;

/// Publishers alone were still waiting, each for its own messages.
pub(super) const NO_ECHO: &str = "only publishers still waited, for their own messages: \
                                  a server that does not send it back to them needs --no-self-echo";
const SAME_ROOM: &str = "rooms got each other's messages, as their URL is the same: put {i} into it, which \
                         becomes the number of the room";
const TOO_LARGE: &str =
    "the server takes no messages of that size: lower --size, or raise its limit";

/// Hints at the cause of faults and of the ends of connections, given whether each room has a URL of
/// its own.
pub(super) fn hints(
    faults: &BTreeMap<String, u64>,
    endings: &BTreeMap<String, u64>,
    has_own_urls: bool,
) -> impl Iterator<Item = &'static str> {
    let is_same_room = !has_own_urls && faults.contains_key(&Fault::OtherRoom.name());
    let is_too_large = endings.keys().any(|ending| ending.ends_with(" with 1009"));
    [(is_same_room, SAME_ROOM), (is_too_large, TOO_LARGE)]
        .into_iter()
        .filter_map(|(is_due, hint)| is_due.then_some(hint))
}
