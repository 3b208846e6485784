//! Laps, inferred: which readers may have been lapped, and which were.

use crate::marks::closes;
use crate::peer::Stage;
use crate::reader::Reader;
use crate::request::topic_name;
use crate::world::World;
use fanfare::metrics::Cause;
use fanfare::relay::{Relay, SlowPolicy};

impl World {
    /// Before anything is written, readers are lapped: that may happen to readers whose sockets are
    /// full, if their topic, or all together, retain too much.
    pub(crate) fn lap<R>(&mut self, call: impl FnOnce(&mut Relay) -> R) -> R {
        let before = *self.relay.counters();
        self.follow_lives(true);
        let is_global = self.relay.log_bytes() > self.character.limits.log_bytes_max;
        // A connection that its timer dropped is judged when its socket is closed.
        let mut live = self.live.clone();
        live.retain(|&index| {
            let peer = &self.peers[index];
            peer.stage != Stage::Open || self.is_open(index)
        });
        let private_bytes_before = self.relay.private_bytes();
        let done = call(&mut self.relay);
        let counted = self.counted(&before);
        let (lapped, skips) = (counted.lapped, counted.skips);
        // What was saved of some was there when others were lapped, though what those held is gone by now.
        let rests = live.iter().filter_map(|&index| {
            let peer = &self.peers[index];
            let rest_bytes_max = peer
                .tap
                .rest_bytes_max(self.character.limits.message_bytes_max);
            peer.is_member().then_some(rest_bytes_max)
        });
        let saved_bytes_max = match lapped + skips {
            0 | 1 => 0,
            _ => rests.sum(),
        };
        let private_bytes =
            (private_bytes_before + saved_bytes_max).max(self.relay.private_bytes());
        self.follow_leaves();
        if is_global {
            self.note(|| "what is retained yields".into());
            self.yield_memory();
        }
        if lapped + skips == 0 {
            return done;
        }
        let limits = &self.character.limits;
        let (mut closed, mut may_lap, mut may_skip) = (0, 0, 0);
        for index in live {
            let peer = &self.peers[index];
            let topic = peer.client.topic;
            let is_near = is_global || self.burst.contains(&topic);
            if !peer.is_member() || peer.is_reset_told || !is_near {
                continue;
            }
            let is_open = self.is_open(index);
            let end = self.histories[topic].len();
            let slow_policy = limits.policies.of(&topic_name(topic)).slow_policy;
            let peer = &mut self.peers[index];
            let may_replay = (peer.reader.as_ref()).is_some_and(Reader::may_replay);
            if !peer.blocked && !may_replay {
                let is_fine = is_open || peer.stage == Stage::Closing;
                assert!(is_fine, "client {index} had space, and was lapped");
                continue;
            }
            peer.lapped_in = self.turns;
            // The rest of the frame that it is in the middle of is saved, if that is allowed and there is memory.
            let rest_bytes_max = peer.tap.rest_bytes_max(limits.message_bytes_max);
            peer.may_be_cut = rest_bytes_max > limits.rescue_bytes_max
                || private_bytes + rest_bytes_max > limits.private_bytes_max;
            if peer.stage == Stage::Open && slow_policy == SlowPolicy::Skip {
                // Of what it missed, and at the place that is kept for it elsewhere.
                may_skip += 1 + u64::from(may_replay);
                if let Some(reader) = &mut peer.reader {
                    reader.may_skip_to(end..=end);
                }
            }
            match (&mut peer.ending, is_open) {
                (Some(ending), _) => {
                    may_lap += 1;
                    ending.may_miss = true;
                }
                (None, true) => {}
                (None, false) => {
                    closed += 1;
                    peer.begin_closing(self.now, (Cause::Lapped, Some(1013)), None, false);
                }
            }
        }
        self.note(|| format!("{lapped} lapped, {skips} skip"));
        assert!(skips <= may_skip, "{skips} skips, at most {may_skip} may");
        assert!(
            closed <= lapped && lapped <= closed + may_lap,
            "{lapped} lapped: {closed} for sure, {may_lap} perhaps"
        );
        let counted = closes(&counted, Cause::Lapped);
        assert_eq!(counted, closed, "ends for having been lapped");
        let laps_max = self.character.limits.pace.laps_per_turn as u64;
        assert!(lapped + skips <= laps_max, "{lapped} + {skips} in a turn");
        done
    }
}
