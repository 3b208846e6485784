//! The closed loop: publishes as many more messages as got done, until nothing is left to wait for.

use super::super::clock::{self, NEVER, REST, nanos};
use super::super::failure::Failure;
use super::super::report::Outcome;
use super::Run;
use std::time::Duration;

/// When publishers have ended, others may be about to end, and messages may be on their way: this long
/// is waited for both.
const MUTE: u64 = clock::SECOND;

impl Run {
    /// Publishes this many messages or for this long, and waits until they are done.
    pub(in super::super) fn pump(
        &mut self,
        messages: u64,
        duration: Duration,
    ) -> Result<(), Failure> {
        let began = clock::now();
        let deadline = began + nanos(duration);
        let last = self.rooms.published().saturating_add(messages);
        let mut patience = Patience::new(self);
        self.rooms.mark_all_dirty();
        loop {
            let now = clock::now();
            let is_over = now >= deadline || self.rooms.published() >= last;
            if is_over {
                self.rooms.settle_all();
            } else {
                let most = last - self.rooms.published();
                let links = &mut self.client_loop.links;
                self.rooms
                    .refill(links, self.window, most, self.crew.done())?;
            }
            let next_cut = self.cut(now, is_over);
            if is_over && self.is_done() {
                return Ok(());
            }
            if self.watch.is_interrupted() {
                self.outcome = Outcome::Interrupted;
                return Ok(());
            }
            if let Some(why) = patience.lost(self, now) {
                self.outcome = Outcome::GivenUp(why);
                return Ok(());
            }
            self.watch_pump(began, now);
            let wake = if is_over { now + REST } else { deadline };
            self.turn(wake.min(now + REST).min(next_cut))?;
        }
    }

    /// Cuts readers off, and has them come back, as far as it is time; returns when it is again.
    fn cut(&mut self, now: u64, is_over: bool) -> u64 {
        let Some(cuts) = &mut self.cuts else {
            return NEVER;
        };
        if is_over {
            cuts.end(now);
        }
        cuts.work(
            &mut self.client_loop.links,
            &mut self.rooms,
            &self.routes,
            now,
        );
        cuts.next_due()
    }

    /// Shows the progress, and looks at the server's memory each time.
    pub(in super::super) fn watch_pump(&mut self, began: u64, now: u64) {
        let elapsed = now - began;
        let (count, what) = match self.rooms.requests() {
            Some(requests) => (requests.succeeded, "requests"),
            None => (self.delivered(), "deliveries"),
        };
        if self.watch.tick_rate(elapsed, now, count, what) {
            self.resident_max = self.resident_max.max(self.probe.resident());
        }
    }
}

/// Waits for deliveries and answers, with a limit.
pub(in super::super) struct Patience {
    timeout: u64,
    progress: u64,
    since: u64,
    mute_since: Option<u64>,
}

impl Patience {
    pub(in super::super) fn new(run: &Run) -> Self {
        Patience {
            timeout: run.timeout,
            progress: run.progress(),
            since: clock::now(),
            mute_since: None,
        }
    }

    /// Why there is nothing left to wait for, if so.
    pub(in super::super) fn lost(&mut self, run: &Run, now: u64) -> Option<&'static str> {
        if run.rooms.is_empty() {
            return Some("all connections have ended");
        }
        if run.rooms.is_mute() && now - *self.mute_since.get_or_insert(now) > MUTE {
            return Some("the connections of all publishers have ended");
        }
        let why = match run.rooms.requests() {
            Some(_) => "nothing more was answered or delivered within the timeout",
            None => "nothing more was delivered within the timeout",
        };
        self.is_over(run, now).then_some(why)
    }

    fn is_over(&mut self, run: &Run, now: u64) -> bool {
        let progress = run.progress();
        if progress != self.progress || run.is_done() {
            self.progress = progress;
            self.since = now;
        }
        now.saturating_sub(self.since) > self.timeout
    }
}
