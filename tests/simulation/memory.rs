//! What is held stays within its bounds; after a reload, soon.

use crate::policies::retained_for_max;
use crate::prompt::TOLD_BYTES_PER_BYTE;
use crate::world::World;

/// The most that a frame takes besides its payload.
const FRAME_HEADER_BYTES_MAX: usize = 10;

/// The least memory that a segment's lists take, if it has some.
const LIST_BYTES_MIN: usize = 2 * 24 + 4 * 24;

/// What a topic without members takes besides its messages, and for when these came.
const TOPIC_BYTES_MAX: usize = 1024;
const NOTE_BYTES: usize = 16;

impl World {
    /// A topic has taken in a message, and so is held to the bound that is in force now.
    pub(crate) fn on_published(&mut self, topic: usize) {
        self.burst.insert(topic);
        self.held.cutting.insert(topic);
    }

    pub(crate) fn check_memory(&mut self) {
        self.check_logs();
        let limits = &self.character.limits;
        let free = 2 * (16 * 1024)
            + 2 * (limits.outbox_bytes_max + 512)
            + 2 * TOLD_BYTES_PER_BYTE * self.character.shares.read_bytes_max
            + (2 * limits.head_bytes_max).max(self.character.shares.read_bytes_max);
        // What was held when less became allowed stays, but nothing is added.
        let private_bytes = self.relay.private_bytes();
        self.held.private_bytes = self.held.private_bytes.min(private_bytes);
        let allowed = limits.private_bytes_max.max(self.held.private_bytes);
        let private_bytes_max = allowed + self.by_id.len() * free;
        assert!(
            private_bytes <= private_bytes_max,
            "{private_bytes} private bytes, {private_bytes_max} at most"
        );
        let topics = self.relay.topics();
        self.held.topics = self.held.topics.min(topics);
        let topics_max = limits.topics_max.max(self.held.topics);
        assert!(topics <= topics_max, "{topics} topics");
    }

    fn check_logs(&mut self) {
        let limits = &self.character.limits;
        if !self.relay.has_work() {
            self.burst.clear();
            let held = &mut self.held;
            let cutting = std::mem::take(&mut held.cutting);
            held.uncut.retain(|topic| !cutting.contains(topic));
        }
        // What a topic holds that was allowed more is cut by its next message.
        let topics = self.relay.topics();
        let uncut = topics.min(self.held.uncut.len());
        let held_max = self
            .held
            .topic_log_bytes_max
            .max(limits.topic_log_bytes_max);
        let topics_bytes_max = uncut * self.topic_bytes_max(held_max)
            + (topics - uncut) * self.topic_bytes_max(limits.topic_log_bytes_max);
        // When messages came is noted by the second.
        let notes_max = 2 * (retained_for_max(&limits.policies) as usize / 10 + 4);
        let own_bytes_max = topics * (TOPIC_BYTES_MAX + notes_max * NOTE_BYTES);
        let log_bytes = self.relay.log_bytes();
        let is_over = log_bytes > limits.log_bytes_max && self.held.log_bytes_max > 0;
        let all_bytes_max = match is_over {
            true => self.held.log_bytes_max.max(limits.log_bytes_max),
            false => limits.log_bytes_max,
        };
        let all_bytes_max = all_bytes_max + self.encodings() * self.excess_bytes_max(held_max);
        let log_bytes_max = all_bytes_max.min(self.encodings() * topics_bytes_max) + own_bytes_max;
        assert!(
            log_bytes <= log_bytes_max,
            "{log_bytes} bytes of logs, {log_bytes_max} at most"
        );
        // A reader that lags, and takes a little whenever it is its turn, has space, and is not lapped.
        let is_served = self.is_any_laggard_served();
        let is_less = is_served || log_bytes < self.held.log_bytes_max;
        let held = &mut self.held;
        (held.log_bytes_max, held.turns_over) = match (is_over, is_less) {
            (false, _) => (0, 0),
            (true, true) => (held.log_bytes_max.min(log_bytes), 0),
            (true, false) => (held.log_bytes_max, held.turns_over + 1),
        };
        let turns_over_max = self.turns_to_relieve();
        assert!(
            self.held.turns_over <= turns_over_max,
            "over the new bound, and no less in {turns_over_max} turns"
        );
    }

    fn topic_bytes_max(&self, topic_log_bytes_max: usize) -> usize {
        topic_log_bytes_max + self.excess_bytes_max(topic_log_bytes_max)
    }

    /// A log that is over its bound takes nothing in: so it exceeds that by what one read brings, which is
    /// as much as its topic takes, or what came with a request, and a message that was gathered.
    fn excess_bytes_max(&self, topic_log_bytes_max: usize) -> usize {
        let limits = &self.character.limits;
        let read_bytes_max = (topic_log_bytes_max / 4).max(limits.head_bytes_max)
            + limits.message_bytes_max
            + FRAME_HEADER_BYTES_MAX;
        // Two segments that follow each other are at least half full, but for the first and the last.
        let segment_bytes_max = (topic_log_bytes_max / 8).clamp(1 << 10, 256 << 10);
        2 * (read_bytes_max + segment_bytes_max) + segment_bytes_max / 1024 + LIST_BYTES_MIN
    }
}
