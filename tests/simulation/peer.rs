//! One connection as the world knows it: the client, the kernel between, what the relay has written, and a
//! shadow of the state that the relay must be in for it, inferred from outside.

use crate::addresses::Origin;
use crate::admission::Identity;
use crate::character::may_put_off_output;
use crate::client::Client;
use crate::network::Socket;
use crate::prompt::Waits;
use crate::rates::Allowance;
use crate::reader::Reader;
use crate::request::Body;
use crate::tap::Tap;
use crate::v1::Mark;
use fanfare::metrics::Cause;
use fanfare::proxy::PeerAddress;
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
    pub(crate) cause: Cause,
    /// The close frame's code.
    pub(crate) code: Option<u16>,
    /// It is owed its topic's messages up to this one; `None` if it was lapped and misses some.
    pub(crate) owed: Option<usize>,
    /// The peer has said, or can say, nothing more that matters.
    pub(crate) is_peer_done: bool,
    /// It may have been lapped since, and is told so then, unless it said good-bye itself.
    pub(crate) may_miss: bool,
}

/// Something that the client will know once the bytes up to it have reached it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum News {
    Response(u16),
    ResponseEnd { keep_alive: bool },
    Ping,
    Close(Option<u16>),
    Welcome(Mark),
}

pub(crate) struct Peer {
    pub(crate) client: Client,
    pub(crate) socket: Socket,
    pub(crate) tap: Tap,
    pub(crate) id: Option<ConnId>,
    /// Where it comes from, and whether that is a trusted proxy.
    pub(crate) address: PeerAddress,
    pub(crate) is_proxy: bool,
    pub(crate) identity: Identity,
    /// It came by the admin listener, and had to make way for another one there.
    pub(crate) is_operator: bool,
    pub(crate) is_evicted: bool,
    /// Its socket was often or for long full, by the network's doing.
    pub(crate) slow: bool,
    pub(crate) news: VecDeque<(u64, News)>,

    pub(crate) stage: Stage,
    /// When the wait of this stage began.
    pub(crate) since: Tick,
    /// When a byte of it last reached the relay.
    pub(crate) last_read: Tick,
    /// When a message last went either way: for sure, and possibly.
    pub(crate) active: Tick,
    pub(crate) perhaps_active: Tick,
    /// A write was short, and the relay has not been told since that the socket is writable.
    pub(crate) blocked: bool,
    /// A write was short, and none went through whole since.
    pub(crate) is_behind: bool,
    /// The turn in which it was, or may have been, lapped last.
    pub(crate) lapped_in: u64,
    /// Then its frame might not be finished: it is dropped.
    pub(crate) may_be_cut: bool,
    /// It was dropped without a close frame, by a write that found that it takes nothing for too long, or
    /// by a timer: its socket will be closed in this turn.
    pub(crate) dropped: Option<Cause>,
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
    /// A timer may be armed until then, though the limits in force now want it earlier.
    pub(crate) armed_until: Tick,
    /// The body that is owed with a response, as far as it is known.
    pub(crate) body: Option<Body>,
    /// Statuses that are owed.
    pub(crate) statuses: VecDeque<u16>,
    /// Frames came with the request, and the relay keeps them while the topic is full.
    pub(crate) put_off: bool,
    /// Pings that were handed over: their numbers and pongs' sizes; the oldest may be answered.
    pub(crate) pings: VecDeque<(u32, usize)>,
    /// The most bytes of pongs that may have waited.
    pub(crate) pongs_pending_max: usize,
    /// Bytes that came after the last word.
    pub(crate) discarded: usize,
    pub(crate) readiness: Readiness,
    /// When its time was up, and it was still to be read.
    pub(crate) excused_at: Option<Tick>,
    pub(crate) waits: Waits,
    /// What it may send.
    pub(crate) allowance: Allowance,
}

impl Peer {
    pub(crate) fn new(client: Client, socket: Socket, tap: Tap, origin: &Origin) -> Self {
        Peer {
            client,
            socket,
            tap,
            id: None,
            address: origin.peer,
            is_proxy: origin.is_proxy,
            identity: Identity::new(PeerAddress::Unknown),
            is_operator: false,
            is_evicted: false,
            slow: false,
            news: VecDeque::new(),
            stage: Stage::Head { served: false },
            since: Tick(0),
            last_read: Tick(0),
            active: Tick(0),
            perhaps_active: Tick(0),
            blocked: false,
            is_behind: false,
            lapped_in: 0,
            may_be_cut: false,
            dropped: None,
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
            armed_until: Tick(0),
            body: None,
            statuses: VecDeque::new(),
            put_off: false,
            pings: VecDeque::new(),
            pongs_pending_max: 0,
            discarded: 0,
            readiness: Readiness::default(),
            excused_at: None,
            waits: Waits::default(),
            allowance: Allowance::default(),
        }
    }

    /// Bytes of it were taken in, or wait to be.
    pub(crate) fn prove_alive(&mut self, now: Tick) {
        self.last_read = now;
        self.pong_awaited = None;
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.stage == Stage::Gone
    }

    pub(crate) fn is_member(&self) -> bool {
        matches!(self.stage, Stage::Open | Stage::Closing)
    }

    /// What is due to it may have to wait for the next turns: a turn sends so little, or it is sent what it missed,
    /// a part at a time.
    pub(crate) fn may_wait(&self, limits: &Limits) -> bool {
        may_put_off_output(limits) || self.reader.as_ref().is_some_and(Reader::may_replay)
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
        (cause, code): (Cause, Option<u16>),
        owed: Option<usize>,
        is_peer_done: bool,
    ) {
        self.since = now;
        self.stage = Stage::Closing;
        self.put_off = false;
        self.ending = Some(Ending {
            cause,
            code,
            owed,
            is_peer_done,
            may_miss: false,
        });
    }

    pub(crate) fn respond(&mut self, status: u16, close: bool) {
        self.statuses.push_back(status);
        self.body = None;
        self.stage = Stage::Respond { close };
    }

    pub(crate) fn on_ping_handed(&mut self, number: u32, bytes: usize) {
        self.pings.push_back((number, bytes + 2));
        let pending: usize = self.pings.iter().map(|ping| ping.1).sum();
        self.pongs_pending_max = self.pongs_pending_max.max(pending);
    }
}
