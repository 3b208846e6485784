//! Whether topics live on, and what holds for them: what the world knows of that besides their messages.

use crate::history::History;
use crate::peer::Stage;
use crate::request::topic_name;
use crate::world::World;

impl World {
    /// A topic has a member for certain, which does not leave.
    pub(crate) fn has_open_member(&self, topic: usize) -> bool {
        let is_member = |&index: &usize| {
            let peer = &self.peers[index];
            peer.client.topic == topic && peer.stage == Stage::Open && self.is_open(index)
        };
        self.live.iter().any(is_member)
    }

    /// Until now, topics had these members.
    pub(crate) fn follow_lives(&mut self, is_mid_turn: bool) {
        for topic in 0..self.histories.len() {
            let has_member = self.has_open_member(topic);
            let has_work = is_mid_turn || self.relay.has_work();
            (self.histories[topic].retained).follow(self.now, has_member, has_work);
        }
    }

    /// All logs are over their bound: what is retained yields.
    pub(crate) fn yield_memory(&mut self) {
        for topic in 0..self.histories.len() {
            let has_member = self.has_open_member(topic);
            self.histories[topic].retained.yield_place(has_member);
        }
    }

    /// There were as many topics as there may be before another one began, or was to: one without members may have
    /// made place.
    pub(crate) fn yield_topic(&mut self, topics_before: usize, begins: usize) {
        if topics_before < self.character.limits.topics_max {
            return;
        }
        for topic in 0..self.histories.len() {
            if topic != begins && !self.has_open_member(topic) {
                self.histories[topic].retained.yield_place(false);
            }
        }
    }

    /// Other policies are in force, or the first ones.
    pub(crate) fn follow_policies(&mut self) {
        self.follow_lives(true);
        let limits = &self.character.limits;
        let log_bytes_max = limits
            .topic_log_bytes_max
            .max(self.held.topic_log_bytes_max);
        let segment_bytes_max = (log_bytes_max / 8).clamp(1 << 10, 256 << 10);
        for (topic, history) in self.histories.iter_mut().enumerate() {
            let retention = limits.policies.of(&topic_name(topic)).retention;
            let segments_bytes = 2 * segment_bytes_max;
            (history.retained).set_bounds(self.now, retention, segments_bytes);
        }
    }

    /// Topics without members that live on, if that can be known.
    pub(crate) fn has_deserted_topic(&self) -> Option<bool> {
        let topics = self.relay.topics();
        let count = |is_so: &dyn Fn(usize) -> bool| {
            (0..self.histories.len())
                .filter(|&topic| is_so(topic))
                .count()
        };
        let is_departing = self.departed.values().any(|&turn| turn == self.turns);
        // One that had to make way already makes place for no other.
        let is_ending = |history: &History| history.retained.may_be_ending;
        // One that retains nothing any more ends with the turn of the reload.
        let is_reloading = self.held.reloads > 0 && self.held.reloaded_in == self.turns;
        let is_vague = is_departing || is_reloading || self.histories.iter().any(is_ending);
        if self.relay.has_work() || is_vague {
            return None;
        }
        let is_read = |topic| {
            let mut live = self.live.iter().map(|&index| &self.peers[index]);
            live.any(|peer| peer.is_member() && peer.client.topic == topic)
        };
        if topics > count(&is_read) {
            return Some(true);
        }
        (topics == count(&|topic| self.has_open_member(topic))).then_some(false)
    }
}
