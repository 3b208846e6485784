//! Reloads: other limits and files in mid-run. What is expected changes with them, at once or as the
//! relay's contract says: armed timers find out when they fire, and a log is cut by its next message.
//!
//! What can't be told from outside any more once it has changed stays: the size of messages and heads, which
//! clients choose theirs by; that of outboxes and rescues, which tells whether a pong may be missing; which
//! proxies are trusted, and in which way; the pace, which no setting changes.

use crate::character::Character;
use crate::random::Random;
use crate::request::site;
use crate::world::World;
use fanfare::proxy::ClientAddress;
use fanfare::relay::{Admission, Limits};
use std::collections::BTreeSet;

/// What was allowed before, and may be held still.
#[derive(Default)]
pub(crate) struct Held {
    /// Reloads so far: which files are served.
    pub(crate) reloads: usize,
    /// The turn of the last one.
    pub(crate) reloaded_in: u64,
    /// The most that a topic was ever allowed to retain, and in which topics nothing has come since that
    /// became less, or is not dealt with yet.
    pub(crate) topic_log_bytes_max: usize,
    pub(crate) uncut: BTreeSet<usize>,
    /// Topics that something has come to since the last reload.
    pub(crate) cutting: BTreeSet<usize>,
    /// What all logs were allowed, or hold since, while that is too much; and in how many turns it became no
    /// less.
    pub(crate) log_bytes_max: usize,
    pub(crate) turns_over: usize,
    /// What connections held for themselves, and topics that there were, as far as they still are.
    pub(crate) private_bytes: usize,
    pub(crate) topics: usize,
}

impl Character {
    /// Other limits, of the same world.
    fn redraw(&self, random: &mut Random) -> Limits {
        let (now, other) = (
            self.limits.clone(),
            Character::draw_limits(self.limits.message_bytes_max, random),
        );
        let (compression, stalled_write_timeout) = (other.compression, other.stalled_write_timeout);
        let (policies, now_log_bytes_max) = (now.policies.clone(), now.topic_log_bytes_max);
        let mut limits = Limits {
            head_bytes_max: now.head_bytes_max,
            outbox_bytes_max: now.outbox_bytes_max,
            rescue_bytes_max: now.rescue_bytes_max,
            stalled_write_timeout: now.stalled_write_timeout,
            admission: now.admission,
            rates: now.rates,
            compression: now.compression,
            pace: now.pace,
            ..other
        };
        if !crate::character::may_put_off_output(&limits) {
            // A write that is to find out whether a reader takes anything has left in the same turn.
            limits.stalled_write_timeout = stalled_write_timeout;
        }
        if random.once_in(2) {
            limits.compression = compression;
        }
        if limits.topic_log_bytes_max >= now_log_bytes_max && random.once_in(3) {
            limits.policies = policies;
        }
        if self.has_rates {
            limits.rates = Character::draw_rates(random);
        }
        let admission = Character::draw_admission(random);
        if self.has_bounds_by_address {
            limits.admission = Admission {
                client_address: limits.admission.client_address,
                trusted: limits.admission.trusted.clone(),
                ..admission
            };
        }
        limits
    }

    /// Whether the relay keeps addresses.
    pub(crate) fn keeps_addresses(&self) -> bool {
        let admission = &self.limits.admission;
        self.has_hooks
            || admission.client_address != ClientAddress::Peer
            || admission.address_connections_max.is_some()
            || admission.address_connections_per_second_max.is_some()
            || self.limits.rates.messages_per_second_max.is_some()
    }
}

impl World {
    /// Another configuration comes into force.
    pub(crate) fn reload(&mut self) {
        if !std::mem::take(&mut self.is_reload_wanted) {
            return;
        }
        for index in self.live.clone() {
            let armed_until = self.armed_until(&self.peers[index]);
            let peer = &mut self.peers[index];
            peer.armed_until = peer.armed_until.max(armed_until);
        }
        let kept_addresses = self.character.keeps_addresses();
        self.follow_lives(true);
        let limits = self.character.redraw(&mut self.random);
        let before = std::mem::replace(&mut self.character.limits, limits.clone());
        self.note(|| format!("other limits: {limits:#?}"));
        self.held.reloads += 1;
        self.held.reloaded_in = self.turns;
        self.relay.set_limits(limits.clone());
        self.relay.set_site(site(self.held.reloads));
        self.may_compress |= limits.compression.is_some();
        self.moved = true;

        if kept_addresses != self.character.keeps_addresses() {
            self.admission.forget_counts();
            self.peers
                .iter_mut()
                .for_each(|peer| peer.identity.forget());
        }
        if limits
            .admission
            .address_connections_per_second_max
            .is_none()
        {
            self.admission.forget_rates();
        }
        for peer in &mut self.peers {
            peer.allowance.on_reload(&limits.rates);
        }

        if limits.topic_log_bytes_max < before.topic_log_bytes_max {
            self.held.uncut = (0..self.histories.len()).collect();
        }
        let held = &mut self.held;
        held.topic_log_bytes_max = held.topic_log_bytes_max.max(before.topic_log_bytes_max);
        held.log_bytes_max = held.log_bytes_max.max(before.log_bytes_max);
        held.cutting.clear();
        held.private_bytes = self.relay.private_bytes();
        held.topics = self.relay.topics();
        self.follow_policies();
    }
}
