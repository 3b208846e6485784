//! What the relay makes of what it was handed: goes on from one of a client's marks to the next, and holds
//! the relay's counters to each of them.

use crate::admission::{AdmissionModel, refusal};
use crate::client::Mark;
use crate::history::History;
use crate::peer::{Peer, Stage};
use crate::reader::Reader;
use crate::request::Answer as Reply;
use crate::v1::{Answer, V1};
use fanfare::http::Reason;
use fanfare::metrics::Cause;
use fanfare::relay::{Counters, Limits, Publish};
use fanfare::wheel::Tick;

/// What the relay can take in when a request comes.
#[derive(Clone, Copy, Default)]
pub(crate) struct Capacity {
    /// Another WebSocket, and another member of the topic, unless that can't be known.
    pub(crate) place: bool,
    pub(crate) topic: Option<bool>,
    /// Bytes that the topic takes at once; 0 where that can't be known.
    pub(crate) bytes: usize,
    /// The relay goes down.
    pub(crate) is_ending: bool,
    /// Which files are served, of those that were so far.
    pub(crate) site: usize,
}

/// What a connection's input is judged in.
pub(crate) struct Scene<'a> {
    pub(crate) now: Tick,
    pub(crate) limits: &'a Limits,
    pub(crate) history: &'a mut History,
    pub(crate) admission: &'a mut AdmissionModel,
    pub(crate) capacity: Capacity,
    /// Which publishers the topic takes.
    pub(crate) publish: Publish,
    /// There are hooks; they were to be asked.
    pub(crate) has_hooks: bool,
    pub(crate) is_asked: bool,
    /// So much is to be told to it that what follows was kept.
    pub(crate) is_told_enough: bool,
}

/// What became of it, by the counters that rose meanwhile.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Outcome {
    opened: bool,
    published: u64,
    pings: u64,
    /// Why its address was refused, if it was.
    refused: Option<Reason>,
    /// Why it is a WebSocket no more, if that was decided now.
    pub(crate) cause: Option<Cause>,
}

impl Outcome {
    pub(crate) fn of(counted: &Counters) -> Self {
        Outcome {
            opened: counted.opened > 0,
            published: counted.messages,
            pings: counted.pings_received,
            refused: refusal(counted),
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

impl Scene<'_> {
    /// What a client has said is not taken in yet, since it is to take answers first. Where nothing but an answer
    /// shows it, that comes later.
    fn keeps(&self, mark: &Mark, outcome: &Outcome) -> bool {
        let is_missing = match mark {
            Mark::Message(_) | Mark::Command(..) => {
                self.publish == Publish::Anybody && outcome.published == 0
            }
            Mark::Ping(..) => outcome.pings == 0,
            Mark::Close(_) | Mark::Violation(_) => true,
            _ => false,
        };
        self.is_told_enough && is_missing
    }
}

impl Peer {
    /// Goes on as far as was handed over and the stage allows.
    pub(crate) fn follow_marks(
        &mut self,
        scene: &mut Scene<'_>,
        mut outcome: Outcome,
    ) -> Result<(), String> {
        while let Some((end, mark)) = self.next_mark() {
            match (self.stage, mark) {
                (Stage::Head { .. }, Mark::Header(client)) => {
                    self.identity.introduce(client);
                    self.admit(scene, &mut outcome)?;
                }
                (Stage::Head { .. }, Mark::Request(answer)) => {
                    self.since = scene.now;
                    self.judged = end;
                    self.follow_request(scene, answer, &mut outcome)?;
                }
                (Stage::Open, _) if self.put_off => break,
                (Stage::Open, mark) if scene.keeps(&mark, &outcome) => {
                    self.put_off = true;
                    break;
                }
                (Stage::Open, mark) => self.follow_frame(scene, mark, &mut outcome)?,
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
            self.run_short(scene);
        }
        let Outcome {
            opened,
            published,
            pings,
            refused,
            ..
        } = outcome;
        if refused.is_some() {
            return Err(format!("refused for {refused:?} without a request"));
        }
        match (opened, published, pings) {
            (false, 0, 0) => Ok(()),
            (true, ..) => Err("it joined without a request".into()),
            _ => Err(format!(
                "{published} messages and {pings} pings that were never sent"
            )),
        }
    }

    fn next_mark(&self) -> Option<(u64, Mark)> {
        let next = self.client.marks.front();
        next.filter(|mark| mark.0 <= self.handed).cloned()
    }

    fn follow_request(
        &mut self,
        scene: &mut Scene<'_>,
        answer: Reply,
        outcome: &mut Outcome,
    ) -> Result<(), String> {
        match answer {
            Reply::Upgrade => return self.follow_upgrade(scene, outcome),
            Reply::Page { keep_alive, body } => {
                self.respond(200, !keep_alive);
                self.body = body.map(|page| page.body(scene.capacity.site));
            }
            Reply::Readiness { .. } if scene.capacity.is_ending => self.respond(503, true),
            Reply::Readiness { keep_alive } => self.respond(200, !keep_alive),
            Reply::Error(status) => self.respond(status, true),
        }
        match outcome.opened {
            true => Err(format!("it joined, and {answer:?} was due")),
            false => Ok(()),
        }
    }

    /// The relay looks for a place first, then at the address, then asks the hook, and in the end looks
    /// whether the topic may begin.
    fn follow_upgrade(
        &mut self,
        scene: &mut Scene<'_>,
        outcome: &mut Outcome,
    ) -> Result<(), String> {
        let Capacity { place, topic, .. } = scene.capacity;
        let is_opened = std::mem::take(&mut outcome.opened);
        let mut due = (!place).then_some(503);
        if due.is_none() && self.identity.is_awaited {
            self.identity.introduce(self.client.forwarded());
            if !self.admit(scene, outcome)? {
                // It is told so already.
                return match is_opened {
                    true => Err("it joined, though its address is refused".into()),
                    false => Ok(()),
                };
            }
        }
        if due.is_none() && scene.has_hooks {
            scene.is_asked = true;
            due = self.client.wish.refusal();
        }
        if due.is_none() && topic == Some(false) {
            due = Some(503);
        }
        let is_vague = due.is_none() && topic.is_none();
        match (is_opened, due) {
            (true, None) => self.join(scene, outcome),
            (true, Some(due)) => Err(format!("it joined, and {due} was due")),
            (false, None) if !is_vague => {
                Err("an upgrade was refused though there is space".into())
            }
            (false, due) => {
                self.respond(due.unwrap_or(503), true);
                Ok(())
            }
        }
    }

    /// The connection's client is known: whether it is let in. If not, it is told so.
    fn admit(&mut self, scene: &mut Scene<'_>, outcome: &mut Outcome) -> Result<bool, String> {
        let told = outcome.refused.take();
        let admission = &scene.limits.admission;
        let is_admitted =
            (scene.admission).admit(&mut self.identity, admission, scene.now, told)?;
        if !is_admitted {
            self.since = scene.now;
            self.respond(429, true);
        }
        Ok(is_admitted)
    }

    fn join(&mut self, scene: &mut Scene<'_>, outcome: &Outcome) -> Result<(), String> {
        let (now, history) = (scene.now, &scene.history);
        self.stage = Stage::Open;
        (self.active, self.perhaps_active) = (now, now);
        self.statuses.push_back(101);
        let begins = history.retained.begins(self.client.since, now);
        let (number, echo) = (self.client.number, self.client.echo);
        let mut reader = Reader::join(number, echo, history, begins);
        reader.v1 = (self.client.speaks_v1).then(|| V1::new(self.client.since));
        self.reader = Some(reader);
        let rest_bytes = (self.handed - self.judged) as usize;
        if !self.allowance.take_bytes(now, scene.limits, rest_bytes) {
            self.begin_closing(now, (Cause::Rate, Some(1008)), Some(history.len()), false);
            return Ok(());
        }
        // Frames that come with the request wait if the topic is full: all of them, or none.
        let next = self.client.marks.get(1);
        let has_frames = next.is_some_and(|mark| mark.0 <= self.handed);
        let is_nothing_read =
            outcome.published == 0 && outcome.pings == 0 && outcome.cause.is_none();
        self.put_off = has_frames && is_nothing_read;
        if self.put_off && rest_bytes <= scene.capacity.bytes {
            return Err("there was space for what came with the request".into());
        }
        Ok(())
    }

    fn follow_frame(
        &mut self,
        scene: &mut Scene<'_>,
        mark: Mark,
        outcome: &mut Outcome,
    ) -> Result<(), String> {
        let now = scene.now;
        let end = Some(scene.history.len());
        // Memory ends it at a message that the relay could not gather: what went before was taken in.
        let is_short = outcome.cause == Some(Cause::Memory);
        let is_answered = match mark {
            Mark::BadCommand(..) => true,
            Mark::Message(_) | Mark::Command(..) => {
                self.client.speaks_v1 && scene.publish != Publish::Anybody
            }
            _ => false,
        };
        let is_taken_in = match mark {
            // Whether it was the one, its answer tells.
            _ if is_answered => true,
            Mark::Message(_) | Mark::Command(..) => outcome.published > 0,
            Mark::Ping(..) => outcome.pings > 0,
            _ => false,
        };
        if is_short && !is_taken_in {
            self.run_short(scene);
            if let (Some(ending), Mark::Close(_) | Mark::Violation(_)) = (&mut self.ending, mark) {
                ending.is_peer_done = true;
            }
            return Ok(());
        }
        match mark {
            Mark::Ping(..) if !is_taken_in => return Err("a ping was not taken in".into()),
            Mark::Message(_) | Mark::Command(..) | Mark::BadCommand(..) | Mark::Ping(..)
                if !self.allowance.take_message(now, scene.limits) =>
            {
                // It is counted all the same, and not answered.
                outcome.pings -= u64::from(matches!(mark, Mark::Ping(..)));
                self.begin_closing(now, (Cause::Rate, Some(1008)), end, false);
            }
            Mark::BadCommand(code, reference) => self.owe(Answer::Error {
                code,
                reference,
                is_sure: !is_short,
            }),
            Mark::Message(_) | Mark::Command(..)
                if scene.publish != Publish::Anybody && self.client.speaks_v1 =>
            {
                let reference = match mark {
                    Mark::Command(_, reference) => reference,
                    _ => None,
                };
                let code = "may_not_publish";
                self.owe(Answer::Error {
                    code,
                    reference,
                    is_sure: !is_short,
                });
            }
            Mark::Message(_) if scene.publish != Publish::Anybody => {
                self.begin_closing(now, (Cause::Forbidden, Some(1008)), end, false);
            }
            Mark::Message(_) | Mark::Command(..) if !is_taken_in => {
                return Err("a message was not published".into());
            }
            Mark::Message(message) | Mark::Command(message, _) => {
                if let Mark::Command(_, Some(reference)) = mark {
                    let index = scene.history.len();
                    self.owe(Answer::Published { reference, index });
                }
                outcome.published -= 1;
                scene.history.push(now, message);
                (self.active, self.perhaps_active) = (now, now);
            }
            Mark::Ping(number, bytes) => {
                outcome.pings -= 1;
                self.on_ping_handed(number, bytes);
            }
            Mark::Close(code) => {
                self.begin_closing(now, (Cause::Peer, code), end, true);
            }
            Mark::Violation(code) => {
                self.begin_closing(now, (Cause::Protocol, Some(code)), end, true);
            }
            Mark::Request(_) | Mark::Header(_) => return Err("a request in a WebSocket".into()),
        }
        Ok(())
    }

    /// It is to be told that.
    fn owe(&mut self, answer: Answer) {
        if let Some(v1) = self.reader.as_mut().and_then(|reader| reader.v1.as_mut()) {
            v1.owe(answer);
        }
    }

    /// There was no memory for the rest of its message.
    fn run_short(&mut self, scene: &Scene<'_>) {
        let told = (Cause::Memory, Some(1013));
        self.begin_closing(scene.now, told, Some(scene.history.len()), false);
    }
}
