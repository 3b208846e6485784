//! The loop's face to other threads: stop it, publish, read the counters.

use super::signals::Loaded;
use crate::proto::MessageKind;
use crate::relay::Counters;
use mio::Waker;
use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvError, SendError, SyncSender, sync_channel};

/// Commands that wait for the loop; whoever sends one more waits.
const COMMANDS_MAX: usize = 64;

/// Commands that a turn obeys: whoever publishes without end, into topics that take everything,
/// must not keep those waiting who are connected.
const COMMANDS_PER_TURN: usize = 64;

/// Reaches a running [`Server`](super::Server) from any thread. Clones reach the same server.
#[derive(Clone, Debug)]
pub struct Handle {
    commands: SyncSender<Command>,
    waker: Arc<Waker>,
}

/// The server has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone;

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the server has ended")
    }
}

impl Error for Gone {}

impl<T> From<SendError<T>> for Gone {
    fn from(_: SendError<T>) -> Self {
        Gone
    }
}

impl From<RecvError> for Gone {
    fn from(_: RecvError) -> Self {
        Gone
    }
}

impl From<io::Error> for Gone {
    fn from(_: io::Error) -> Self {
        Gone
    }
}

/// What another thread asks of the loop.
#[derive(Debug)]
pub(super) enum Command {
    Stop,
    Publish {
        topic: String,
        kind: MessageKind,
        payload: Vec<u8>,
    },
    Count(SyncSender<Counters>),
    /// What a thread of the server's own has read for it.
    Reload(Box<Loaded>),
}

impl Handle {
    /// Ends the server as SIGTERM does: everybody is closed with 1012, and
    /// [`run`](super::Server::run) returns once they are.
    pub fn stop(&self) -> Result<(), Gone> {
        self.send(Command::Stop)
    }

    /// Publishes a message into a topic, as if a client had: it reaches every member. A topic that
    /// nobody is in takes it, and forgets it. Waits while the loop is behind.
    pub fn publish(
        &self,
        topic: impl Into<String>,
        kind: MessageKind,
        payload: impl Into<Vec<u8>>,
    ) -> Result<(), Gone> {
        let (topic, payload) = (topic.into(), payload.into());
        self.send(Command::Publish {
            topic,
            kind,
            payload,
        })
    }

    /// What happened so far.
    pub fn counters(&self) -> Result<Counters, Gone> {
        let (reply, counters) = sync_channel(1);
        self.send(Command::Count(reply))?;
        Ok(counters.recv()?)
    }

    pub(super) fn send(&self, command: Command) -> Result<(), Gone> {
        self.commands.send(command)?;
        Ok(self.waker.wake()?)
    }
}

/// The loop's end of its handles.
#[derive(Debug)]
pub(super) struct Inbox {
    commands: Receiver<Command>,
    handle: Handle,
    /// A message that its topic had no room for.
    waiting: Option<Command>,
    /// Commands that this turn may still obey. At 0, there may be more.
    left: usize,
}

impl Inbox {
    pub(super) fn new(waker: Waker) -> Self {
        let (sender, commands) = sync_channel(COMMANDS_MAX);
        let handle = Handle {
            commands: sender,
            waker: Arc::new(waker),
        };
        Inbox {
            commands,
            handle,
            waiting: None,
            left: COMMANDS_PER_TURN,
        }
    }

    /// Begins a turn: there is time for commands again.
    pub(super) fn begin_turn(&mut self) {
        self.left = COMMANDS_PER_TURN;
    }

    pub(super) fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// The next command that this turn has time for, first the one that was put back.
    pub(super) fn next(&mut self) -> Option<Command> {
        self.left = self.left.checked_sub(1)?;
        match self.waiting.take() {
            // The loop holds a sender itself, so that the channel never hangs up.
            None => self.commands.try_recv().ok(),
            waiting => waiting,
        }
    }

    /// Puts a command back, to be tried in the next turn.
    pub(super) fn put_back(&mut self, command: Command) {
        self.waiting = Some(command);
    }

    /// There is, or may be, a command that the next turn is to obey.
    pub(super) fn has_work(&self) -> bool {
        self.waiting.is_some() || self.left == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mio::{Poll, Token};

    #[test]
    fn a_turn_obeys_so_many_commands_and_the_next_one_goes_on() {
        let poll = Poll::new().unwrap();
        let mut inbox = Inbox::new(Waker::new(poll.registry(), Token(0)).unwrap());
        let handle = inbox.handle();
        let publish = || handle.publish("nobody", MessageKind::Text, "x").unwrap();
        publish();
        for _ in 0..3 {
            inbox.begin_turn();
            let mut obeyed = 0;
            // Whenever one is taken, there is another.
            while inbox.next().is_some() {
                publish();
                obeyed += 1;
                assert!(obeyed <= COMMANDS_PER_TURN, "it never ends");
            }
            assert_eq!(obeyed, COMMANDS_PER_TURN);
            assert!(inbox.has_work(), "nobody would wake the loop");
        }
        inbox.begin_turn();
        assert!(inbox.next().is_some() && inbox.next().is_none());
        assert!(!inbox.has_work());
    }
}
