//! What other threads, and hooks, ask of the loop, and how it hears of it.
//!
//! Behind a lock that nobody holds for longer than it takes to move a message: the loop waits for it,
//! but never for what a thread does. Only messages queue up, so that nothing else has to wait behind
//! them.

use super::Server;
use super::handle::{Gone, Handle, PublishError};
use super::receipt::Unsettled;
use super::signals::Loaded;
use crate::proto::MessageKind;
use crate::relay::{Counters, MessageId, Offered, Relay};
use crate::turn::Shares;
use crate::wheel::Tick;
use mio::Waker;
use std::collections::{HashMap, VecDeque};
use std::io;
use std::mem;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};

/// Messages that wait for the loop, and that a turn takes from there: whoever publishes without end,
/// into topics that take everything, must not keep those waiting who are connected. A hook that
/// publishes once for each message that it hears of has room for what a busy turn brings.
const MESSAGES_MAX: usize = 1024;

/// Bytes of them. One more message may wait, whatever its size. A turn takes as many as it reads from
/// clients.
const MESSAGES_BYTES_MAX: usize = 4 << 20;

/// A message to be published.
#[derive(Debug)]
pub(super) struct Mail {
    pub(super) topic: Box<str>,
    pub(super) kind: MessageKind,
    pub(super) payload: Box<[u8]>,
    /// Somebody wants to know what becomes of it.
    pub(super) receipt: Option<Unsettled>,
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Mailbox {
    state: Mutex<State>,
    /// There is room for messages again, or the loop has ended.
    room: Condvar,
    /// Counters were read, or the loop has ended.
    counted: Condvar,
    waker: Waker,
    /// The largest message that a client may send now.
    message_bytes_max: AtomicUsize,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    /// The thread that runs the loop; before it does, the one that made it, which most often will.
    thread: ThreadId,
    messages: VecDeque<Mail>,
    messages_bytes: usize,
    /// Threads that wait for room.
    waiting: usize,
    stop: bool,
    /// What a thread of the server's own has read for it.
    loaded: Option<Box<Loaded>>,
    /// As they were when the loop wrote them down last.
    counters: Box<Counters>,
    /// How often another thread asked for them, and up to which time that was answered.
    asked: u64,
    answered: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Bound,
    Running,
    Ended,
}

impl State {
    fn has_room_for(&self, mail: &Mail) -> bool {
        let fits = self.messages_bytes + mail.payload.len() <= MESSAGES_BYTES_MAX;
        self.messages.is_empty() || self.messages.len() < MESSAGES_MAX && fits
    }

    fn is_loops_thread(&self) -> bool {
        self.thread == thread::current().id()
    }
}

impl Mailbox {
    pub(super) fn stop(&self) -> Result<(), Gone> {
        self.ask(|state| state.stop = true)
    }

    /// Hands over what was read for a reload.
    pub(super) fn reload(&self, loaded: Loaded) -> Result<(), Gone> {
        self.ask(|state| state.loaded = Some(Box::new(loaded)))
    }

    pub(super) fn message_bytes_max(&self) -> usize {
        self.message_bytes_max.load(Ordering::Relaxed)
    }

    /// Takes a message once there is room for it.
    pub(super) fn deliver(&self, mail: Mail) -> Result<(), PublishError> {
        let mut state = self.lock();
        while state.phase != Phase::Ended && !state.has_room_for(&mail) && !state.is_loops_thread()
        {
            state.waiting += 1;
            state = wait(&self.room, state);
            state.waiting -= 1;
        }
        self.push(state, mail)
    }

    /// Takes a message if there is room for it.
    pub(super) fn try_deliver(&self, mail: Mail) -> Result<(), PublishError> {
        self.push(self.lock(), mail)
    }

    fn push(&self, mut state: MutexGuard<State>, mail: Mail) -> Result<(), PublishError> {
        if state.phase == Phase::Ended {
            return Err(PublishError::Gone);
        }
        if !state.has_room_for(&mail) {
            return Err(PublishError::QueueFull);
        }
        // If there are others, the loop knows.
        let is_first = state.messages.is_empty();
        state.messages_bytes += mail.payload.len();
        state.messages.push_back(mail);
        drop(state);
        if is_first {
            self.wake();
        }
        Ok(())
    }

    pub(super) fn counters(&self) -> Result<Counters, Gone> {
        let mut state = self.lock();
        if state.phase == Phase::Running && !state.is_loops_thread() {
            state.asked += 1;
            let number = state.asked;
            self.wake();
            while state.phase != Phase::Ended && state.answered < number {
                state = wait(&self.counted, state);
            }
        }
        match state.phase {
            Phase::Ended => Err(Gone),
            Phase::Bound | Phase::Running => Ok(*state.counters),
        }
    }

    pub(super) fn is_loops_thread(&self) -> bool {
        self.lock().is_loops_thread()
    }

    fn ask(&self, ask: impl FnOnce(&mut State)) -> Result<(), Gone> {
        let mut state = self.lock();
        if state.phase == Phase::Ended {
            return Err(Gone);
        }
        ask(&mut state);
        drop(state);
        self.wake();
        Ok(())
    }

    fn end(&self) {
        let mut state = self.lock();
        state.phase = Phase::Ended;
        let unpublished = mem::take(&mut state.messages);
        drop(state);
        // Each tells whoever waits for its receipt, under a lock of its own.
        drop(unpublished);
        self.room.notify_all();
        self.counted.notify_all();
    }

    fn wake(&self) {
        if let Err(error) = self.waker.wake() {
            log::error!("the loop can't be woken: {error}");
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that is done under the lock can panic half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wait<'a>(condition: &Condvar, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
    condition
        .wait(state)
        .unwrap_or_else(PoisonError::into_inner)
}

/// The loop's end of the mailbox. With it, all handles' server is gone.
#[derive(Debug)]
pub(super) struct Inbox {
    mailbox: Arc<Mailbox>,
    /// Messages were left over for the next turn.
    has_more: bool,
    /// Receipts of messages that get their numbers elsewhere, by the numbers of their offers.
    travelling: HashMap<u64, Unsettled>,
    /// Hooks may ask for counters while the relay is busy.
    keeps_counters: bool,
}

/// The loop runs for as long as this lives.
pub(super) struct Running(Arc<Mailbox>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.mailbox.end();
    }
}

impl Inbox {
    pub(super) fn new(waker: Waker, message_bytes_max: usize) -> Self {
        let state = State {
            phase: Phase::Bound,
            thread: thread::current().id(),
            messages: VecDeque::new(),
            messages_bytes: 0,
            waiting: 0,
            stop: false,
            loaded: None,
            counters: Box::default(),
            asked: 0,
            answered: 0,
        };
        let mailbox = Mailbox {
            state: Mutex::new(state),
            room: Condvar::new(),
            counted: Condvar::new(),
            waker,
            message_bytes_max: message_bytes_max.into(),
        };
        Inbox {
            mailbox: Arc::new(mailbox),
            has_more: false,
            travelling: HashMap::new(),
            keeps_counters: false,
        }
    }

    pub(super) fn handle(&self) -> Handle {
        Handle::new(self.mailbox.clone())
    }

    pub(super) fn mailbox(&self) -> Arc<Mailbox> {
        self.mailbox.clone()
    }

    pub(super) fn set_message_bytes_max(&self, bytes_max: usize) {
        let max = &self.mailbox.message_bytes_max;
        max.store(bytes_max, Ordering::Relaxed);
    }

    pub(super) fn keep_counters(&mut self) {
        self.keeps_counters = true;
    }

    /// The loop begins, on this thread. It does so once.
    pub(super) fn start(&self) -> io::Result<Running> {
        let mut state = self.mailbox.lock();
        if state.phase != Phase::Bound {
            return Err(io::Error::other("a server runs once, and this one did"));
        }
        state.phase = Phase::Running;
        state.thread = thread::current().id();
        Ok(Running(self.mailbox.clone()))
    }

    /// A turn begins.
    pub(super) fn begin_turn(&self, counters: &Counters) {
        if self.keeps_counters {
            *self.mailbox.lock().counters = *counters;
        }
    }

    /// There is, or may be, a message that the next turn is to publish.
    pub(super) fn has_work(&self, relay: &Relay) -> bool {
        self.has_more && relay.takes_offers()
    }

    /// Puts a message back before all others: its topic had no room for it.
    fn put_back(&self, mail: Mail) {
        let mut state = self.mailbox.lock();
        state.messages_bytes += mail.payload.len();
        state.messages.push_front(mail);
    }

    /// The next message.
    fn next(&self) -> Option<Mail> {
        let mut state = self.mailbox.lock();
        let mail = state.messages.pop_front()?;
        state.messages_bytes -= mail.payload.len();
        let is_awaited = state.waiting > 0;
        drop(state);
        if is_awaited {
            self.mailbox.room.notify_one();
        }
        Some(mail)
    }

    fn answer(&self, counters: &Counters) {
        let mut state = self.mailbox.lock();
        if state.answered < state.asked {
            state.answered = state.asked;
            *state.counters = *counters;
            drop(state);
            self.mailbox.counted.notify_all();
        }
    }
}

impl Server {
    /// Does what was asked for, and publishes as much as a turn may, until a topic has no room.
    pub(super) fn obey(&mut self, now: Tick) {
        let (stop, loaded) = {
            let mut state = self.inbox.mailbox.lock();
            (mem::take(&mut state.stop), state.loaded.take())
        };
        if stop {
            self.shut_down(now);
        }
        if let Some(loaded) = loaded {
            self.on_loaded(*loaded);
        }
        self.publish();
        self.inbox.answer(self.relay.counters());
    }

    /// Tells what became of messages that get their numbers elsewhere.
    pub(super) fn settle_receipts(&mut self) {
        while let Some(settled) = self.relay.poll_settled() {
            settle(self.inbox.travelling.remove(&settled.offer), settled.id);
        }
    }

    fn publish(&mut self) {
        let mut bytes = 0;
        self.inbox.has_more = false;
        for _ in 0..MESSAGES_MAX {
            let Some(mail) = self.inbox.next() else {
                return;
            };
            let payload_bytes = mail.payload.len();
            match self.relay.offer(&mail.topic, mail.kind, &mail.payload) {
                Offered::Committed(id) => settle(mail.receipt, Some(id)),
                Offered::Nobody => settle(mail.receipt, None),
                Offered::Travels(offer) => {
                    let receipt = mail.receipt.map(|receipt| (offer, receipt));
                    self.inbox.travelling.extend(receipt);
                }
                Offered::Later | Offered::Full => {
                    self.inbox.put_back(mail);
                    break;
                }
            }
            bytes += payload_bytes;
            if bytes >= Shares::TURN_BYTES_MAX {
                break;
            }
        }
        self.inbox.has_more = true;
    }
}

fn settle(receipt: Option<Unsettled>, published: Option<MessageId>) {
    if let Some(receipt) = receipt {
        receipt.settle(published);
    }
}

#[cfg(test)]
mod tests;
