//! What the relay makes of what it was handed: goes on from one of a client's marks to the next, and holds
//! the relay's counters to each of them.

use crate::client::Mark;
use crate::history::{History, Reader};
use crate::peer::{Peer, Stage};
use crate::request::Answer;
use fanfare::metrics::Cause;
use fanfare::relay::Counters;
use fanfare::wheel::Tick;

/// What there is room for when a request comes.
#[derive(Clone, Copy, Default)]
pub(crate) struct Room {
    /// Another WebSocket, and another member of the topic, unless that can't be known.
    pub(crate) place: bool,
    pub(crate) topic: Option<bool>,
    /// Bytes that the topic takes at once; 0 where that can't be known.
    pub(crate) bytes: usize,
}

/// What became of it, by the counters that rose meanwhile.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Outcome {
    opened: bool,
    published: u64,
    pings: u64,
    /// Why it is a WebSocket no more, if that was decided now.
    pub(crate) cause: Option<Cause>,
}

impl Outcome {
    pub(crate) fn of(counted: &Counters) -> Self {
        Outcome {
            opened: counted.opened > 0,
            published: counted.messages,
            pings: counted.pings_received,
            cause: cause(counted),
        }
    }
}

/// Why a WebSocket ceased to be open, if one did.
pub(crate) fn cause(counted: &Counters) -> Option<Cause> {
    let causes = Cause::ALL.into_iter();
    let closes = causes.map(|cause| (cause, closes(counted, cause)));
    let mut closes = closes.filter(|&(_, closes)| closes > 0);
    let cause = closes.next();
    assert!(
        closes.next().is_none() && cause.is_none_or(|(_, closes)| closes == 1),
        "one call, and several ends"
    );
    cause.map(|cause| cause.0)
}

/// WebSockets that ceased to be open for this cause.
pub(crate) fn closes(counted: &Counters, cause: Cause) -> u64 {
    counted.closes[cause as usize].iter().sum()
}

impl Peer {
    /// Goes on as far as was handed over and the stage allows.
    pub(crate) fn follow_marks(
        &mut self,
        now: Tick,
        history: &mut History,
        mut outcome: Outcome,
        room: Room,
    ) -> Result<(), String> {
        while let Some((end, mark)) = self.next_mark() {
            match (self.stage, mark) {
                (Stage::Head { .. }, Mark::Request(answer)) => {
                    self.since = now;
                    self.judged = end;
                    self.follow_request(now, history, answer, &mut outcome, room)?;
                }
                (Stage::Open, _) if self.put_off => break,
                (Stage::Open, mark) => self.follow_frame(now, history, mark, &mut outcome)?,
                (Stage::Closing, Mark::Close(_) | Mark::Violation(_)) => {
                    if let Some(ending) = &mut self.ending {
                        ending.is_peer_done = true;
                    }
                }
                (Stage::Closing | Stage::Shut | Stage::Gone, _) => {}
                (Stage::Respond { close: true }, _) => {}
                (Stage::Respond { close: false }, _) => break,
                (stage, mark) => return Err(format!("{mark:?} in {stage:?}")),
            }
            self.client.marks.pop_front();
            self.judged = end;
        }
        if self.stage == Stage::Open && outcome.cause == Some(Cause::Memory) {
            // What has come of its next message is no whole one, so that no mark says so.
            self.run_short(now, history);
        }
        let Outcome {
            opened,
            published,
            pings,
            ..
        } = outcome;
        match (opened, published, pings) {
            (false, 0, 0) => Ok(()),
            (true, ..) => Err("it joined without a request".into()),
            _ => Err(format!(
                "{published} messages and {pings} pings that nobody sent"
            )),
        }
    }

    fn next_mark(&self) -> Option<(u64, Mark)> {
        let next = self.client.marks.front();
        next.filter(|mark| mark.0 <= self.handed).cloned()
    }

    fn follow_request(
        &mut self,
        now: Tick,
        history: &History,
        answer: Answer,
        outcome: &mut Outcome,
        room: Room,
    ) -> Result<(), String> {
        let is_upgrade = answer == Answer::Upgrade;
        if outcome.opened && !(is_upgrade && room.place && room.topic != Some(false)) {
            return Err(format!("it joined, and {answer:?} was due"));
        }
        match answer {
            Answer::Upgrade if std::mem::take(&mut outcome.opened) => {
                self.join(now, history, outcome, room)?;
            }
            Answer::Upgrade if room.place && room.topic == Some(true) => {
                return Err("an upgrade was refused though there is room".into());
            }
            Answer::Upgrade => self.respond(503, true),
            Answer::Page { keep_alive } => self.respond(200, !keep_alive),
            Answer::Error(status) => self.respond(status, true),
        }
        Ok(())
    }

    fn join(
        &mut self,
        now: Tick,
        history: &History,
        outcome: &Outcome,
        room: Room,
    ) -> Result<(), String> {
        self.stage = Stage::Open;
        (self.active, self.perhaps_active) = (now, now);
        self.statuses.push_back(101);
        self.reader = Some(Reader::join(self.client.number, self.client.echo, history));
        let rest_bytes = (self.handed - self.judged) as usize;
        if !self.allowance.take_bytes(now, rest_bytes) {
            self.begin_closing(now, (Cause::Rate, Some(1008)), Some(history.len()), false);
            return Ok(());
        }
        // Frames that come with the request wait if there is no room for them: for all, or for none.
        let next = self.client.marks.get(1);
        let has_frames = next.is_some_and(|mark| mark.0 <= self.handed);
        let is_nothing_heard =
            outcome.published == 0 && outcome.pings == 0 && outcome.cause.is_none();
        self.put_off = has_frames && is_nothing_heard;
        if self.put_off && rest_bytes <= room.bytes {
            return Err("there was room for what came with the request".into());
        }
        Ok(())
    }

    fn follow_frame(
        &mut self,
        now: Tick,
        history: &mut History,
        mark: Mark,
        outcome: &mut Outcome,
    ) -> Result<(), String> {
        let end = |of: &History| Some(of.len());
        // Memory ends it at a message that the relay could not gather: what went before was heard.
        let is_short = outcome.cause == Some(Cause::Memory);
        let is_heard = match mark {
            Mark::Message(_) => outcome.published > 0,
            Mark::Ping(..) => outcome.pings > 0,
            _ => false,
        };
        if is_short && !is_heard {
            self.run_short(now, history);
            if let (Some(ending), Mark::Close(_) | Mark::Violation(_)) = (&mut self.ending, mark) {
                ending.is_peer_done = true;
            }
            return Ok(());
        }
        match mark {
            Mark::Ping(..) if !is_heard => return Err("a ping was not heard".into()),
            Mark::Message(_) | Mark::Ping(..) if !self.allowance.take_message(now) => {
                // It is counted all the same, and not answered.
                outcome.pings -= u64::from(matches!(mark, Mark::Ping(..)));
                self.begin_closing(now, (Cause::Rate, Some(1008)), end(history), false);
            }
            Mark::Message(_) if !is_heard => return Err("a message was not published".into()),
            Mark::Message(message) => {
                outcome.published -= 1;
                history.push(message);
                (self.active, self.perhaps_active) = (now, now);
            }
            Mark::Ping(number, bytes) => {
                outcome.pings -= 1;
                self.on_ping_handed(number, bytes);
            }
            Mark::Close(code) => {
                self.begin_closing(now, (Cause::Peer, code), end(history), true);
            }
            Mark::Violation(code) => {
                self.begin_closing(now, (Cause::Protocol, Some(code)), end(history), true);
            }
            Mark::Request(_) => return Err("a request in a WebSocket".into()),
        }
        Ok(())
    }

    /// There was no memory for the rest of its message.
    fn run_short(&mut self, now: Tick, history: &History) {
        let told = (Cause::Memory, Some(1013));
        self.begin_closing(now, told, Some(history.len()), false);
    }
}
