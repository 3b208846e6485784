//! What other threads and hooks ask of the loop: their end of the queue.
//!
//! It stands behind a lock that is held no longer than it takes to move a message: the loop waits for the
//! lock, but never for a thread's work. Only messages are queued, so nothing else has to wait behind
//! them. Threads and hooks have an intake each: neither can fill the other's.

use super::backlog::{Backlog, Intake, Mail, Volume};
use super::errors::{Gone, PublishError};
use super::reload::Loaded;
use crate::relay::Counters;
use mio::Waker;
use std::io;
use std::mem;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};

/// The most that threads may have waiting to be published; beyond that they wait. A single message is
/// taken, whatever its size.
pub(super) const THREADS_MAX: Volume = Volume {
    messages: 1024,
    bytes: 4 << 20,
};

/// The same for hooks, which can't wait: there is space to answer each message that a turn brings, if
/// messages have 64 bytes or more and answers are at most four times as long.
pub(super) const HOOKS_MAX: Volume = Volume {
    messages: 16_384,
    bytes: 4 << 20,
};

/// One of each, for hooks and for threads.
#[derive(Debug, Default)]
pub(super) struct Each<T> {
    pub(super) hooks: T,
    pub(super) threads: T,
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Mailbox {
    state: Mutex<State>,
    /// There is space for a thread's messages again, or the loop has ended.
    space: Condvar,
    /// Counters were read, or the loop has ended.
    counted: Condvar,
    waker: Waker,
    /// The largest message that a client may send now.
    message_bytes_max: AtomicUsize,
}

#[derive(Debug)]
struct State {
    phase: LoopPhase,
    /// The thread that runs the loop; before it runs, the thread that made it, which is most often the
    /// same.
    thread: ThreadId,
    messages: Each<Intake>,
    /// Threads that wait for space.
    waiting: usize,
    stop: bool,
    /// What the server's own thread has read for a reload.
    loaded: Option<Box<Loaded>>,
    /// As the loop noted them last.
    counters: Box<Counters>,
    /// Requests for counters by other threads so far, and how many of them are answered.
    asked: u64,
    answered: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LoopPhase {
    Bound,
    Running,
    Ended,
}

/// Requests to the loop, other than messages.
#[derive(Debug)]
pub(super) struct Requests {
    pub(super) stop: bool,
    pub(super) loaded: Option<Box<Loaded>>,
}

impl State {
    fn is_loops_thread(&self) -> bool {
        self.thread == thread::current().id()
    }

    /// Where the messages of this thread go. Before the loop runs there are no hooks, and what was
    /// published then must not be overtaken by what the same thread publishes later.
    fn intake(&mut self) -> &mut Intake {
        match self.phase == LoopPhase::Running && self.is_loops_thread() {
            true => &mut self.messages.hooks,
            false => &mut self.messages.threads,
        }
    }

    /// A message of that size can be neither taken nor refused now.
    fn must_wait(&mut self, payload_bytes: usize) -> bool {
        self.phase != LoopPhase::Ended
            && !self.is_loops_thread()
            && !self.intake().has_space_for(payload_bytes)
    }
}

impl Mailbox {
    pub(super) fn new(waker: Waker, message_bytes_max: usize) -> Self {
        let state = State {
            phase: LoopPhase::Bound,
            thread: thread::current().id(),
            messages: Each {
                hooks: Intake::new(HOOKS_MAX),
                threads: Intake::new(THREADS_MAX),
            },
            waiting: 0,
            stop: false,
            loaded: None,
            counters: Box::default(),
            asked: 0,
            answered: 0,
        };
        Mailbox {
            state: Mutex::new(state),
            space: Condvar::new(),
            counted: Condvar::new(),
            waker,
            message_bytes_max: message_bytes_max.into(),
        }
    }

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

    /// Takes a message once there is space for it.
    pub(super) fn deliver(&self, mail: Mail) -> Result<(), PublishError> {
        let mut state = self.lock();
        while state.must_wait(mail.payload.len()) {
            state.waiting += 1;
            state = wait(&self.space, state);
            state.waiting -= 1;
        }
        self.push(state, mail)
    }

    /// Takes a message if there is space for it.
    pub(super) fn try_deliver(&self, mail: Mail) -> Result<(), PublishError> {
        self.push(self.lock(), mail)
    }

    fn push(&self, mut state: MutexGuard<State>, mail: Mail) -> Result<(), PublishError> {
        if state.phase == LoopPhase::Ended {
            return Err(PublishError::Gone);
        }
        let intake = state.intake();
        if !intake.has_space_for(mail.payload.len()) {
            return Err(PublishError::QueueFull);
        }
        // If there are others, the loop was woken for them.
        let is_first = intake.push(mail);
        drop(state);
        if is_first {
            self.wake();
        }
        Ok(())
    }

    pub(super) fn counters(&self) -> Result<Counters, Gone> {
        let mut state = self.lock();
        if state.phase == LoopPhase::Running && !state.is_loops_thread() {
            state.asked += 1;
            let number = state.asked;
            self.wake();
            while state.phase != LoopPhase::Ended && state.answered < number {
                state = wait(&self.counted, state);
            }
        }
        match state.phase {
            LoopPhase::Ended => Err(Gone),
            LoopPhase::Bound | LoopPhase::Running => Ok(*state.counters),
        }
    }

    pub(super) fn is_loops_thread(&self) -> bool {
        self.lock().is_loops_thread()
    }

    fn ask(&self, ask: impl FnOnce(&mut State)) -> Result<(), Gone> {
        let mut state = self.lock();
        if state.phase == LoopPhase::Ended {
            return Err(Gone);
        }
        ask(&mut state);
        drop(state);
        self.wake();
        Ok(())
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

/// The loop's side.
impl Mailbox {
    pub(super) fn set_message_bytes_max(&self, bytes_max: usize) {
        self.message_bytes_max.store(bytes_max, Ordering::Relaxed);
    }

    /// The loop begins, on this thread. It does so once.
    pub(super) fn start(&self) -> io::Result<()> {
        let mut state = self.lock();
        if state.phase != LoopPhase::Bound {
            return Err(io::Error::other("a server runs once, and this one did"));
        }
        state.phase = LoopPhase::Running;
        state.thread = thread::current().id();
        Ok(())
    }

    /// The requests since the last time; messages go to the backlogs.
    pub(super) fn collect(&self, backlogs: &mut Each<Backlog>) -> Requests {
        let mut state = self.lock();
        backlogs.hooks.take_from(&mut state.messages.hooks);
        backlogs.threads.take_from(&mut state.messages.threads);
        Requests {
            stop: mem::take(&mut state.stop),
            loaded: state.loaded.take(),
        }
    }

    /// This much was published, and its space is free again.
    pub(super) fn release(&self, published: Each<Volume>) {
        let mut state = self.lock();
        state.messages.hooks.release(published.hooks);
        state.messages.threads.release(published.threads);
        let is_awaited = state.waiting > 0 && published.threads.messages > 0;
        drop(state);
        if is_awaited {
            self.space.notify_all();
        }
    }

    /// Notes the counters for hooks.
    pub(super) fn note(&self, counters: &Counters) {
        *self.lock().counters = *counters;
    }

    /// Gives the counters to threads that have asked for them.
    pub(super) fn answer(&self, counters: &Counters) {
        let mut state = self.lock();
        if state.answered < state.asked {
            state.answered = state.asked;
            *state.counters = *counters;
            drop(state);
            self.counted.notify_all();
        }
    }

    pub(super) fn end(&self) {
        let mut state = self.lock();
        state.phase = LoopPhase::Ended;
        let unpublished = (state.messages.hooks.end(), state.messages.threads.end());
        drop(state);
        // Each settles its receipt, under a lock of its own.
        drop(unpublished);
        self.space.notify_all();
        self.counted.notify_all();
    }

    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.lock().waiting
    }
}

fn wait<'a>(condition: &Condvar, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
    condition
        .wait(state)
        .unwrap_or_else(PoisonError::into_inner)
}
