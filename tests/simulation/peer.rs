//! One connection as the world knows it: the client, the kernel between, what was heard of the
//! relay, and a shadow of the state that the relay must be in for it, inferred from outside.

use crate::character::may_put_off_output;
use crate::client::{Client, Mark};
use crate::history::{History, Reader};
use crate::network::Socket;
use crate::prompt::Waits;
use crate::rates::Allowance;
use crate::request::Answer;
use crate::tap::{Heard, Tap};
use fanfare::relay::{ConnId, Limits};
use fanfare::turn::Readiness;
use fanfare::wheel::Tick;
use std::collections::VecDeque;

/// Where a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// A request is awaited; `served`: another one.
    Head { served: bool },
    /// A response is owed or leaving.
    Respond { close: bool },
    /// A member of its topic.
    Open,
    /// Its end is decided: it gets what it is owed, then the close frame.
    Closing,
    /// The relay has shut its side.
    Shut,
    /// The socket is closed.
    Gone,
}

/// How a member's connection ends, once that is decided.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ending {
    /// The close frame's code.
    pub(crate) code: Option<u16>,
    /// It is owed its topic's messages up to one of these; `None` if it was lapped and misses some.
    pub(crate) owed: Option<(usize, usize)>,
    /// The peer has said, or can say, nothing more that matters.
    pub(crate) is_peer_done: bool,
    /// It may have been lapped since, and is told so then, unless it said good-bye itself.
    pub(crate) may_miss: bool,
    /// It may have been lapped, or memory for it have run out, just before: 1013 then.
    pub(crate) or_try_again: bool,
}

/// Something that the client will hear once the bytes up to it have reached it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum News {
    Response(u16),
    ResponseEnd { keep_alive: bool },
    Ping,
    Close(Option<u16>),
}

/// What there is room for when a request comes.
#[derive(Clone, Copy, Default)]
pub(crate) struct Room {
    /// Another member.
    pub(crate) place: bool,
    /// Bytes that the topic takes at once; 0 where that can't be known.
    pub(crate) bytes: usize,
    /// It is heard now: what it asks for is answered.
    pub(crate) is_heard: bool,
}

pub(crate) struct Peer {
    pub(crate) client: Client,
    pub(crate) socket: Socket,
    pub(crate) tap: Tap,
    pub(crate) id: Option<ConnId>,
    /// Its socket was often or for long without room, by the network's will.
    pub(crate) slow: bool,
    pub(crate) news: VecDeque<(u64, News)>,

    pub(crate) stage: Stage,
    /// When the wait of this stage began.
    pub(crate) since: Tick,
    /// It may have begun later than that.
    pub(crate) is_since_vague: bool,
    /// When the relay last heard of it.
    pub(crate) heard: Tick,
    /// When a message last went either way: for sure, and possibly.
    pub(crate) active: Tick,
    pub(crate) perhaps_active: Tick,
    /// A write was short, and the relay has not been told of room since.
    pub(crate) blocked: bool,
    /// A write was short, and none went through whole since.
    pub(crate) is_behind: bool,
    /// The turn in which it was, or may have been, lapped last.
    pub(crate) lapped_in: u64,
    /// A write found that it takes nothing, for too long: it is dropped.
    pub(crate) is_stalled: bool,
    /// It may have been lapped while its frames were put off.
    pub(crate) may_be_lapped: bool,
    /// The relay may lack memory for its unfinished messages.
    pub(crate) may_lack_memory: bool,
    /// Bytes of requests that were judged.
    pub(crate) judged: u64,
    /// When a write last took something, or when it first took nothing.
    pub(crate) progress: Tick,
    /// Since when the answer to a ping is awaited.
    pub(crate) pong_awaited: Option<Tick>,
    pub(crate) is_pong_vague: bool,
    pub(crate) reader: Option<Reader>,
    pub(crate) ending: Option<Ending>,
    /// The close frame was written.
    pub(crate) is_close_written: bool,
    /// Bytes that were handed to the relay, and whether the end or a reset was.
    pub(crate) handed: u64,
    pub(crate) is_end_told: bool,
    pub(crate) is_reset_told: bool,
    /// Statuses that are owed.
    pub(crate) statuses: VecDeque<u16>,
    /// Frames came with the request, and the relay may have put them off.
    pub(crate) put_off: bool,
    /// When it joined then, and at which length of the topic's history.
    put_off_at: Option<(Tick, usize)>,
    /// Messages that were handed over and not published yet.
    pub(crate) unpublished: VecDeque<crate::message::Message>,
    /// Pings that were handed over: their numbers and pongs' sizes; the oldest may be answered.
    pub(crate) pings: VecDeque<(u32, usize)>,
    /// The most bytes of pongs that may have waited.
    pub(crate) pongs_pending_max: usize,
    /// Bytes that came after the last word.
    pub(crate) discarded: usize,
    pub(crate) readiness: Readiness,
    /// When its time was up, and it was still to be heard.
    pub(crate) excused_at: Option<Tick>,
    pub(crate) waits: Waits,
    /// What it may send.
    pub(crate) allowance: Allowance,
}

impl Peer {
    pub(crate) fn new(client: Client, socket: Socket, tap: Tap, limits: &Limits) -> Self {
        Peer {
            client,
            socket,
            tap,
            id: None,
            slow: false,
            news: VecDeque::new(),
            stage: Stage::Head { served: false },
            since: Tick(0),
            is_since_vague: false,
            heard: Tick(0),
            active: Tick(0),
            perhaps_active: Tick(0),
            blocked: false,
            is_behind: false,
            lapped_in: 0,
            is_stalled: false,
            may_be_lapped: false,
            may_lack_memory: false,
            judged: 0,
            progress: Tick(0),
            pong_awaited: None,
            is_pong_vague: false,
            reader: None,
            ending: None,
            is_close_written: false,
            handed: 0,
            is_end_told: false,
            is_reset_told: false,
            statuses: VecDeque::new(),
            put_off: false,
            put_off_at: None,
            unpublished: VecDeque::new(),
            pings: VecDeque::new(),
            pongs_pending_max: 0,
            discarded: 0,
            readiness: Readiness::default(),
            excused_at: None,
            waits: Waits::default(),
            allowance: Allowance::of(limits),
        }
    }

    /// It was heard, or has something to say that it is not heard for yet.
    pub(crate) fn prove_alive(&mut self, now: Tick) {
        self.heard = now;
        self.pong_awaited = None;
    }

    pub(crate) fn is_member(&self) -> bool {
        matches!(self.stage, Stage::Open | Stage::Closing)
    }

    /// When it has taken nothing for too long.
    pub(crate) fn stall_deadline(&self, timeout: u32) -> Tick {
        let since = match self.stage {
            Stage::Respond { .. } => self.since.max(self.progress),
            _ => self.progress,
        };
        since.after(timeout)
    }

    /// Its end is decided.
    pub(crate) fn begin_closing(
        &mut self,
        now: Tick,
        code: Option<u16>,
        owed: Option<usize>,
        is_peer_done: bool,
    ) {
        // What was put off may have been taken in at any time since it joined.
        let put_off_at = self.put_off_at.take();
        let owed = owed.filter(|_| !self.may_be_lapped);
        let owed = owed.map(|owed| (put_off_at.map_or(owed, |at| at.1), owed));
        self.is_since_vague = put_off_at.is_some_and(|at| at.0 != now);
        self.since = put_off_at.map_or(now, |at| at.0);
        self.stage = Stage::Closing;
        self.ending = Some(Ending {
            code,
            owed,
            is_peer_done,
            may_miss: false,
            or_try_again: self.may_lack_memory || self.may_be_lapped,
        });
    }

    /// The relay was handed what the marks say: goes on from one to the next as far as the stage
    /// allows. `opened` says that a request was granted, and `published` how many messages were
    /// published meanwhile.
    pub(crate) fn follow_marks(
        &mut self,
        now: Tick,
        history: &mut History,
        mut opened: bool,
        mut published: u64,
        room: Room,
    ) -> Result<(), String> {
        if published > 0 {
            (self.put_off, self.put_off_at) = (false, None);
        }
        loop {
            let put_off = self.put_off && !opened;
            let next = self
                .client
                .marks
                .front()
                .filter(|mark| mark.0 <= self.handed);
            let Some((end, mark)) = next.cloned() else {
                break;
            };
            match (self.stage, mark) {
                (Stage::Head { .. }, _) if !room.is_heard => break,
                (Stage::Head { .. }, Mark::Request(answer)) => {
                    self.since = now;
                    match answer {
                        Answer::Upgrade if opened => {
                            opened = false;
                            self.stage = Stage::Open;
                            self.active = now;
                            self.perhaps_active = now;
                            self.statuses.push_back(101);
                            let reader =
                                Reader::join(self.client.number, self.client.echo, history);
                            self.reader = Some(reader);
                            let rest_bytes = (self.handed - end) as usize;
                            self.put_off = published == 0 && rest_bytes > room.bytes;
                            self.put_off_at = self.put_off.then_some((now, history.len()));
                        }
                        Answer::Upgrade if room.place => {
                            return Err("an upgrade was refused though there is room".into());
                        }
                        Answer::Upgrade => self.respond(503, true),
                        Answer::Page { keep_alive } => self.respond(200, !keep_alive),
                        Answer::Error(status) => self.respond(status, true),
                    }
                }
                (Stage::Open, _) if put_off => break,
                (Stage::Open, Mark::Message(_) | Mark::Ping(..))
                    if !self.allowance.take_message(now) =>
                {
                    self.publish(now, history, &mut published)?;
                    // Memory for one may have run out before.
                    if !self.unpublished.is_empty() && !self.may_lack_memory {
                        return Err("a message within its rate was not published".into());
                    }
                    self.begin_closing(now, Some(1008), Some(history.len()), false);
                }
                (Stage::Open, Mark::Message(message)) => self.unpublished.push_back(message),
                (Stage::Open, Mark::Ping(number, bytes)) => self.on_ping_handed(number, bytes),
                (Stage::Open, Mark::Close(code)) => {
                    self.publish(now, history, &mut published)?;
                    self.begin_closing(now, code, Some(history.len()), true);
                }
                (Stage::Open, Mark::Violation(code)) => {
                    self.publish(now, history, &mut published)?;
                    self.begin_closing(now, Some(code), Some(history.len()), true);
                }
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
        if opened {
            return Err("it joined without a request".into());
        }
        self.publish(now, history, &mut published)?;
        if published > 0 {
            return Err(format!(
                "{published} messages were published that nobody sent"
            ));
        }
        Ok(())
    }

    fn publish(
        &mut self,
        now: Tick,
        history: &mut History,
        published: &mut u64,
    ) -> Result<(), String> {
        while *published > 0
            && let Some(message) = self.unpublished.pop_front()
        {
            *published -= 1;
            history.push(message);
            self.active = now;
            self.perhaps_active = now;
        }
        Ok(())
    }

    pub(crate) fn respond(&mut self, status: u16, close: bool) {
        self.statuses.push_back(status);
        self.stage = Stage::Respond { close };
    }

    /// Pings that were handed over before it was closed: they may have been answered, or have waited.
    pub(crate) fn follow_early_pings(&mut self) {
        let marks = self.client.marks.iter();
        let handed = marks.take_while(|mark| mark.0 <= self.handed);
        let pings: Vec<(u32, usize)> = handed
            .filter_map(|(_, mark)| match mark {
                Mark::Ping(number, bytes) => Some((*number, *bytes)),
                _ => None,
            })
            .collect();
        for (number, bytes) in pings {
            self.on_ping_handed(number, bytes);
        }
    }

    fn on_ping_handed(&mut self, number: u32, bytes: usize) {
        self.pings.push_back((number, bytes + 2));
        let pending: usize = self.pings.iter().map(|ping| ping.1).sum();
        self.pongs_pending_max = self.pongs_pending_max.max(pending);
    }

    /// The relay wrote these bytes.
    pub(crate) fn hear(
        &mut self,
        now: Tick,
        history: &mut History,
        limits: &Limits,
        bytes: &[u8],
    ) -> Result<(), String> {
        let mut tap = std::mem::take(&mut self.tap);
        tap.in_message = false;
        let mut ping = false;
        tap.hear(bytes, &mut |end, heard| {
            match heard {
                Heard::Response(status) => {
                    let owed = self.statuses.pop_front();
                    if owed != Some(status) {
                        return Err(format!("status {status}, where {owed:?} was owed"));
                    }
                    self.news.push_back((end, News::Response(status)));
                }
                Heard::ResponseEnd { keep_alive } => {
                    if self.stage != (Stage::Respond { close: !keep_alive }) {
                        return Err(format!("keep-alive: {keep_alive} in {:?}", self.stage));
                    }
                    if keep_alive {
                        self.stage = Stage::Head { served: true };
                        self.since = now;
                    }
                    self.news.push_back((end, News::ResponseEnd { keep_alive }));
                }
                Heard::Message(kind, payload) => {
                    let reader = self.reader.as_mut().ok_or("a message to no member")?;
                    reader.hear(history, kind, payload)?;
                }
                Heard::Ping => {
                    ping = true;
                    self.news.push_back((end, News::Ping));
                }
                Heard::Pong(payload) => {
                    self.follow_what_was_put_off(now, history)?;
                    self.hear_pong(payload, limits)?;
                }
                Heard::Close(code) => {
                    self.follow_what_was_put_off(now, history)?;
                    self.hear_close(history, code)?;
                    self.news.push_back((end, News::Close(code)));
                }
            }
            Ok(())
        })?;
        if tap.in_message {
            self.perhaps_active = now;
            // The rest of a frame that was saved for a lapped reader does not count.
            if self.lapped_in == 0 {
                self.active = now;
            }
        }
        if ping {
            // What waited behind a full socket, or for its turn, may come late.
            let may_be_late = self.is_behind || may_put_off_output(limits);
            if !may_be_late && now.since(self.heard) < limits.heartbeat_interval / 4 * 3 {
                return Err("a ping before its time".into());
            }
            self.pong_awaited = Some(now);
            // The peer may have been heard of since the relay wanted to send it.
            self.is_pong_vague = may_be_late;
        }
        self.tap = tap;
        Ok(())
    }

    /// An answer to what came with the request shows that it was taken in.
    pub(crate) fn follow_what_was_put_off(
        &mut self,
        now: Tick,
        history: &mut History,
    ) -> Result<(), String> {
        if std::mem::take(&mut self.put_off) {
            self.follow_marks(now, history, false, 0, Room::default())?;
        }
        Ok(())
    }

    /// Every ping is answered until so much waits, from then on the latest.
    fn hear_pong(&mut self, payload: &[u8], limits: &Limits) -> Result<(), String> {
        let number = payload
            .first_chunk()
            .map(|number| u32::from_be_bytes(*number));
        let position = self.pings.iter().position(|ping| Some(ping.0) == number);
        let position = position.ok_or("a pong to no ping, or out of order")?;
        // The response to the upgrade, our own ping, and the rest of a frame may wait there too.
        let pending_max = self.pongs_pending_max + 256 + limits.rescue_bytes_max;
        if position > 0 && pending_max < limits.outbox_bytes_max {
            return Err(format!("{position} pings were not answered"));
        }
        if payload.len() + 2 != self.pings[position].1 {
            return Err("a pong with another payload than its ping".into());
        }
        self.pings.drain(..=position);
        if self.pings.is_empty() {
            self.pongs_pending_max = 0;
        }
        Ok(())
    }

    fn hear_close(&mut self, history: &History, code: Option<u16>) -> Result<(), String> {
        self.is_close_written = true;
        let ending = self
            .ending
            .ok_or(format!("closed with {code:?} for no reason"))?;
        let is_earlier = (ending.or_try_again || ending.may_miss) && code == Some(1013);
        if ending.code != code && !is_earlier {
            return Err(format!("closed with {code:?} instead of {:?}", ending.code));
        }
        let reader = self.reader.as_mut().ok_or("closed before it joined")?;
        let next = reader.next(history);
        let misses = |(low, high): (usize, usize)| {
            let may_skip = || reader.may_have_skipped_to(history, high);
            !(low..=high).contains(&next) && !may_skip()
        };
        let may_miss = ending.may_miss && (code == Some(1013) || ending.is_peer_done);
        if ending.owed.is_some_and(misses) && !may_miss {
            return Err(format!(
                "closed at message {next}, owed up to {:?}",
                ending.owed
            ));
        }
        if !self.pings.is_empty() && code != Some(1013) {
            return Err("closed before its last ping was answered".into());
        }
        Ok(())
    }
}
