//! A publisher: what it has sent, what it is answered, and what of it is published.

use super::TOPICS;
use super::character::Character;
use super::request::Request;
use crate::network::Socket;
use crate::random::Random;
use fanfare::relay::{ConnId, Limits};
use fanfare::turn::Readiness;
use fanfare::wheel::Tick;
use std::collections::VecDeque;

/// What would be taken for a request if a body ended too early, or if a connection went on after its end.
const SMUGGLED: &[u8] = b"POST /ws/t0 HTTP/1.1\r\nHost: sim\r\nContent-Length: 8\r\n\r\nsmuggled";

/// Ticks that a deadline may be late: what came with the last poll is looked at first.
const LATE_TICKS: u32 = 3;

/// A message that was told to be published.
pub(super) struct Promise {
    pub(super) topic: usize,
    pub(super) payload: Vec<u8>,
    pub(super) number: Option<u64>,
}

/// A request on its way.
pub(super) struct UnderWay {
    pub(super) request: Request,
    /// Where it begins in all that was sent.
    pub(super) begin: u64,
    pub(super) is_told_to_go_on: bool,
}

/// A message that may be published, once that much was handed over.
struct Message {
    topic: usize,
    at: u64,
    payload: Vec<u8>,
    is_published: bool,
    is_keyed: bool,
}

pub(super) struct Publisher {
    pub(super) number: usize,
    pub(super) id: ConnId,
    pub(super) socket: Socket,
    pub(super) readiness: Readiness,
    pub(super) under_way: VecDeque<UnderWay>,
    messages: Vec<Message>,
    /// The first of them that may be published next, by topic.
    next: [usize; TOPICS],
    requests: usize,
    repeatable: Option<Request>,
    /// It has sent its last request.
    has_said_all: bool,
    /// And not all of that.
    is_cut: bool,
    pub(super) received: Vec<u8>,
    /// The answer after which no other may come has come.
    pub(super) is_answered_last: bool,
    pub(super) promises: Vec<Promise>,
    pub(super) denied: Vec<(usize, Vec<u8>)>,
    pub(super) is_gone: bool,
    /// Since when what comes next is awaited: a head, or the rest of a body.
    pub(super) since: Tick,
    pub(super) is_first: bool,
    /// The longest and the shortest that may be waited for the rest of it, as bounds have changed meanwhile.
    head_ticks: (u32, u32),
    keep_alive_ticks: (u32, u32),
    body_ticks: (u32, u32),
    pub(super) body_since: Option<Tick>,
    stalled_ticks_min: u32,
    pub(super) blocked_since: Option<Tick>,
}

impl Publisher {
    pub(super) fn new(
        number: usize,
        id: ConnId,
        socket: Socket,
        now: Tick,
        limits: &Limits,
    ) -> Self {
        let twice = |ticks| (ticks, ticks);
        Publisher {
            number,
            id,
            socket,
            readiness: Readiness::default(),
            under_way: VecDeque::new(),
            messages: Vec::new(),
            next: [0; TOPICS],
            requests: 0,
            repeatable: None,
            has_said_all: false,
            is_cut: false,
            received: Vec::new(),
            is_answered_last: false,
            promises: Vec::new(),
            denied: Vec::new(),
            is_gone: false,
            since: now,
            is_first: true,
            head_ticks: twice(limits.handshake_timeout),
            keep_alive_ticks: twice(limits.keep_alive_timeout),
            body_ticks: twice(limits.body_timeout),
            body_since: None,
            stalled_ticks_min: limits.stalled_write_timeout,
            blocked_since: None,
        }
    }

    /// Other bounds are in force: whichever is longer is waited for.
    pub(super) fn on_reload(&mut self, limits: &Limits) {
        let extend = |ticks: &mut (u32, u32), new: u32| {
            *ticks = (ticks.0.min(new), ticks.1.max(new));
        };
        extend(&mut self.head_ticks, limits.handshake_timeout);
        extend(&mut self.keep_alive_ticks, limits.keep_alive_timeout);
        extend(&mut self.body_ticks, limits.body_timeout);
        self.stalled_ticks_min = self.stalled_ticks_min.min(limits.stalled_write_timeout);
    }

    /// Sends something.
    pub(super) fn act(&mut self, random: &mut Random, character: &Character) {
        if self.socket.has_ended() || self.socket.backlog() > 200_000 {
            return;
        }
        match random.below(60) {
            0 => self.socket.push_fin(),
            1 => self.socket.push_reset(),
            2 if !self.has_said_all => {
                // The beginning of a request, and no more of it.
                let mut request = self.draw(random, character);
                let bytes = random.below(request.bytes.len());
                request.bytes.truncate(bytes);
                self.is_cut = true;
                self.send(request, character);
                self.has_said_all = true;
            }
            _ if self.has_said_all => {}
            _ => {
                for _ in 0..random.size(4) {
                    let again = self.repeatable.clone().filter(|_| random.once_in(3));
                    let is_again = again.is_some();
                    let request = match again {
                        Some(request) if !character.has_hooks => request,
                        _ => self.draw(random, character),
                    };
                    let is_keyed = character.retains && !character.is_elsewhere;
                    if is_keyed && !is_again && !request.each_line && !request.is_last {
                        self.repeatable = Some(request.clone());
                    }
                    let is_last = request.is_last;
                    self.send(request, character);
                    if is_last {
                        self.has_said_all = true;
                        self.socket.push().extend_from_slice(SMUGGLED);
                        return;
                    }
                }
            }
        }
    }

    fn draw(&mut self, random: &mut Random, character: &Character) -> Request {
        let name = format!("{}-{}", self.number, self.requests);
        self.requests += 1;
        Request::draw(&name, random, character)
    }

    fn send(&mut self, request: Request, character: &Character) {
        let begin = self.socket.pushed();
        self.socket.push().extend_from_slice(&request.bytes);
        let is_keyed = character.retains && !character.is_elsewhere && !request.each_line;
        for (at, payload) in &request.messages {
            self.messages.push(Message {
                topic: request.topic,
                at: begin.saturating_add(*at as u64),
                payload: payload.clone(),
                is_published: false,
                is_keyed,
            });
        }
        let is_told_to_go_on = false;
        self.under_way.push_back(UnderWay {
            request,
            begin,
            is_told_to_go_on,
        });
    }

    /// Bytes that the relay has read.
    pub(super) fn handed(&self) -> u64 {
        self.socket.pushed() - self.socket.backlog() as u64
    }

    /// A message was published: whether it may be this one's, now, and next.
    pub(super) fn on_published(&mut self, topic: usize, payload: &[u8]) -> bool {
        let handed = self.handed();
        let mut rest = self.messages.iter_mut().enumerate();
        let found = rest.find(|(_, it)| it.payload == payload && !it.is_published);
        let Some((index, message)) = found else {
            return false;
        };
        let is_again = !message.is_keyed && index < self.next[topic];
        if message.topic != topic || handed < message.at || is_again {
            return false;
        }
        message.is_published = true;
        let is_keyed = message.is_keyed;
        self.next[topic] = self.next[topic].max(index + 1);
        if is_keyed {
            // Whichever came first, it is published once.
            for other in &mut self.messages {
                other.is_published |= other.payload == payload;
            }
        }
        true
    }

    /// What the relay has read since may have begun something.
    pub(super) fn follow(&mut self, now: Tick) {
        let handed = self.handed();
        let Some(first) = self.under_way.front() else {
            self.body_since = None;
            return;
        };
        let head_end = first.begin + first.request.head_bytes as u64;
        match handed >= head_end {
            true if self.body_since.is_none() => self.body_since = Some(now),
            true => {}
            false => self.body_since = None,
        }
    }

    /// Whether what it has yet to send may be overdue.
    pub(super) fn is_due(&self, now: Tick) -> bool {
        let ticks = match (self.body_since, self.is_first) {
            (Some(since), _) => return since.after(self.body_ticks.0) <= now,
            (None, true) => self.head_ticks.0,
            (None, false) => self.keep_alive_ticks.0,
        };
        self.since.after(ticks) <= now
    }

    /// A body that has not come in time is answered, unless a line of it came.
    pub(super) fn check_deadlines(&self, now: Tick) {
        let (Some(first), Some(since), false) =
            (self.under_way.front(), self.body_since, self.is_gone)
        else {
            return;
        };
        let handed = self.handed();
        let is_whole = handed >= first.begin + first.request.bytes.len() as u64;
        // It is read first.
        let is_waiting = self.readiness.is_listed || self.socket.has_edge();
        let body = &first.request.bytes[first.request.head_bytes..];
        let has_line = first.request.each_line && body.contains(&b'\n');
        if is_whole
            || is_waiting
            || has_line
            || self.blocked_since.is_some()
            || self.is_answered_last
        {
            return;
        }
        let deadline = since.after(2 * self.body_ticks.1 + LATE_TICKS);
        let shown = String::from_utf8_lossy(&first.request.bytes);
        assert!(
            now <= deadline,
            "publisher {} has had its time, since {since:?}: {shown:.300}, {handed}, {}",
            self.number,
            first.begin
        );
    }

    /// All that moves has moved: whatever has come whole is answered.
    pub(super) fn check_answered(&self) {
        if self.is_gone || self.is_answered_last || self.socket.has_ended() {
            return;
        }
        let number = self.number;
        assert_eq!(self.socket.unread(), 0, "publisher {number} is not read");
        let handed = self.handed();
        if let Some(first) = self.under_way.front() {
            let end = first.begin + first.request.bytes.len() as u64;
            let is_cut = self.is_cut && self.under_way.len() == 1;
            let head = String::from_utf8_lossy(&first.request.bytes);
            assert!(
                handed < end || is_cut,
                "publisher {number} awaits its answer: {head:.200}, {handed} of {end}"
            );
        }
    }

    /// Its socket is closed: there has to be a reason.
    pub(super) fn on_closed(&mut self, now: Tick, is_shut_down: bool) {
        let is_stalled = self
            .blocked_since
            .is_some_and(|since| since.after(self.stalled_ticks_min) <= now);
        let has_reason = self.is_answered_last
            || self.socket.has_ended()
            || is_shut_down
            || is_stalled
            || self.is_due(now);
        assert!(
            has_reason,
            "publisher {} is closed for no reason",
            self.number
        );
        self.is_gone = true;
    }
}
