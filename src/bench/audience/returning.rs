//! Receivers that know which message they have: what the relay tells them, and those that are cut off and come
//! back.
//!
//! No message waits for a receiver that is away, nor for one that was told of a gap, until it has everything or
//! is as far as those that messages wait for. Until then each of its messages is checked as ever.

use super::super::script::Script;
use super::super::tally::Fault;
use super::numbered::{Numbered, Presence, Said};
use super::{Audience, DEAF, NO_PUBLISHER, Receiver, Shared};
use crate::proto::{Message, MessageId};

impl Audience {
    /// From now on all of its receivers speak `fanfare.v1`. None has got anything yet.
    pub(in super::super) fn number(&mut self) {
        self.numbered
            .resize_with(self.receivers.len(), Numbered::default);
    }

    /// Receivers that no message waits for, and that will be waited for again.
    pub(in super::super) fn absent(&self) -> usize {
        self.absent
    }

    /// Messages of this run that a receiver has got, or was told that it misses.
    fn had(&self, script: &Script, receiver: usize) -> u64 {
        let positions = (0..self.tracks.len()).map(|it| self.positions[self.index(receiver, it)]);
        let got = positions
            .filter(|&position| position != DEAF)
            .map(|position| script.sequence(position));
        got.sum::<u64>() + self.numbered.get(receiver).map_or(0, |it| it.told)
    }

    /// The id of the last message that a receiver has.
    pub(in super::super) fn id(&self, script: &Script, receiver: usize) -> Option<MessageId> {
        self.numbered.get(receiver)?.id(self.had(script, receiver))
    }

    /// A receiver's connection is cut. False if it does not have one, or has not caught up since the last time.
    pub(in super::super) fn cut(&mut self, script: &Script, receiver: usize) -> bool {
        if !self.receivers[receiver].is_awaited || self.id(script, receiver).is_none() {
            return false;
        }
        self.stop_waiting(script, receiver);
        self.absent += 1;
        // What was read of a frame comes again, from its beginning.
        for publisher in 0..self.tracks.len() {
            let index = self.index(receiver, publisher);
            if self.positions[index] != DEAF {
                self.positions[index] = script.position(script.sequence(self.positions[index]));
            }
        }
        if self.tracks.len() > 1 {
            self.receivers[receiver].current = NO_PUBLISHER;
        }
        self.receivers[receiver].detour = None;
        self.numbered[receiver].cut();
        true
    }

    /// A receiver that was cut off is connected again; it began to connect at this time.
    /// False if it was not cut off.
    pub(in super::super) fn come_back(
        &mut self,
        shared: &Shared,
        receiver: usize,
        began: u64,
    ) -> bool {
        let (had, target) = (self.had(&shared.script, receiver), self.published());
        let Some(numbered) = self.numbered.get_mut(receiver) else {
            return false;
        };
        let was_away = numbered.presence == Presence::Away;
        if was_away {
            numbered.presence = Presence::Returning {
                began,
                had,
                target,
                missed: 0,
            };
        }
        was_away
    }

    /// What the relay itself says to a receiver with a message; none if it is a publisher's.
    pub(super) fn receive_numbered(
        &mut self,
        script: &Script,
        receiver: usize,
        message: &Message,
    ) -> Option<Said> {
        if self.numbered.is_empty() {
            return None;
        }
        let had = self.had(script, receiver);
        self.numbered[receiver].receive(message.kind, message.payload, had)
    }

    pub(super) fn on_said(&mut self, shared: &mut Shared, receiver: usize, said: Said) {
        match said {
            Said::Other => {}
            Said::NoWelcome => shared.tally.on_fault(Fault::NoWelcome),
            Said::WrongGap => shared.tally.on_fault(Fault::WrongGap),
            Said::Gap(missed) => {
                let had = self.had(&shared.script, receiver);
                match self.is_remote || had + missed <= self.published() {
                    true => self.on_gap(shared, receiver, missed),
                    false => shared.tally.on_fault(Fault::WrongGap),
                }
            }
        }
    }

    fn on_gap(&mut self, shared: &mut Shared, receiver: usize, missed: u64) {
        shared.returns.gaps += 1;
        shared.returns.missed += missed;
        if self.receivers[receiver].is_awaited {
            self.stop_waiting(&shared.script, receiver);
            self.absent += 1;
        }
        let numbered = &mut self.numbered[receiver];
        numbered.told += missed;
        if let Presence::Returning { missed: all, .. } = &mut numbered.presence {
            *all += missed;
        }
        // Of a single publisher, it is known which they are.
        if self.tracks.len() == 1 && !self.is_remote {
            let next = shared.script.sequence(self.positions[receiver]);
            self.skip(shared, receiver, 0, next..next + missed);
        }
    }

    /// Of messages that turn out to be missing, how many a gap has told of.
    pub(super) fn take_told(&mut self, receiver: usize, missing: u64) -> u64 {
        let Some(numbered) = self.numbered.get_mut(receiver) else {
            return 0;
        };
        let told = numbered.told.min(missing);
        numbered.told -= told;
        told
    }

    /// A receiver that no message waits for has got something: it may have caught up.
    #[cold]
    pub(in super::super) fn follow_up(&mut self, shared: &mut Shared, receiver: usize, now: u64) {
        if self.receivers[receiver].is_excused || self.numbered.is_empty() || self.is_remote {
            return;
        }
        let (had, published) = (self.had(&shared.script, receiver), self.published());
        let numbered = &mut self.numbered[receiver];
        if had > published {
            numbered.told = 0;
            shared.tally.on_fault(Fault::WrongGap);
        }
        if let Presence::Returning {
            began,
            had: before,
            target,
            missed,
        } = numbered.presence
        {
            if had < target {
                return;
            }
            numbered.presence = Presence::Here;
            let returns = &mut shared.returns;
            returns.came_back += 1;
            returns.replayed += (target - before).saturating_sub(missed);
            returns.coming_back.record(now.saturating_sub(began), 1);
        }
        self.wait_again(shared, receiver, had == published);
    }

    /// Has messages wait for a receiver again, if it is as far as those that they wait for.
    fn wait_again(&mut self, shared: &mut Shared, receiver: usize, has_everything: bool) {
        for publisher in 0..self.tracks.len() {
            let position = self.positions[self.index(receiver, publisher)];
            let (next, published) = (
                shared.script.sequence(position),
                self.tracks[publisher].published(),
            );
            if has_everything {
                // What it does not have is what gaps have told of.
                self.skip(shared, receiver, publisher, next..published);
            } else if self.numbered[receiver].told > 0
                || next < self.progress[publisher].floor_of(published)
            {
                return;
            }
        }
        for publisher in 0..self.tracks.len() {
            let position = self.positions[self.index(receiver, publisher)];
            self.progress[publisher].join(shared.script.sequence(position));
        }
        self.receivers[receiver].is_awaited = true;
        self.absent -= 1;
    }

    /// A receiver is gone for good while no message waited for it: how many it does not have, and was not told of.
    pub(super) fn end_absence(&mut self, script: &Script, receiver: usize) -> u64 {
        let Some(numbered) = self.numbered.get_mut(receiver) else {
            return 0;
        };
        let was_gone = std::mem::replace(&mut numbered.presence, Presence::Gone) == Presence::Gone;
        let &Receiver {
            is_awaited,
            is_excused,
            ..
        } = &self.receivers[receiver];
        if was_gone || is_awaited || is_excused {
            return 0;
        }
        self.absent -= 1;
        self.published().saturating_sub(self.had(script, receiver))
    }
}

#[cfg(test)]
mod tests;
