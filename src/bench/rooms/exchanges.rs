//! What goes on over the connections of all publishers that publish by request.

use super::super::requests::Exchange;
use super::super::tally::RequestTally;
use super::plan::Plan;

/// See the [module](self).
#[derive(Default)]
pub(super) struct Exchanges {
    /// Room by room.
    pub(super) list: Vec<Exchange>,
    /// Of each room, requests that are not answered.
    pub(super) unanswered: Vec<u64>,
    pub(super) tally: RequestTally,
}

impl Exchanges {
    pub(super) fn of(plan: &Plan) -> Self {
        let mut exchanges = Exchanges::default();
        if let Some(requests) = plan.requests() {
            let count = plan.rooms * requests.connections;
            exchanges.list.resize_with(count, Exchange::default);
            exchanges.unanswered.resize(plan.rooms, 0);
        }
        exchanges
    }

    /// Requests of a room that are not answered.
    pub(super) fn unanswered(&self, room: usize) -> u64 {
        self.unanswered.get(room).copied().unwrap_or_default()
    }
}
