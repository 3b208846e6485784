//! What each room consists of.

use super::super::requests::Requests;
use super::super::route::Protocol;
use std::process::ChildStdin;
use std::rc::Rc;

/// See the [module](self).
pub(in super::super) struct Plan {
    pub(in super::super) rooms: usize,
    /// In each room: connections that only read,
    pub(in super::super) readers: usize,
    /// and what publishes.
    pub(in super::super) outlet: Outlet,
    /// All of them speak `fanfare.v1`.
    pub(in super::super) v1: bool,
    /// What readers speak.
    pub(in super::super) reading: Protocol,
}

/// How messages are sent.
pub(in super::super) enum Outlet {
    /// By this many connections; `echo` if their own messages come back to them.
    Publishers { count: usize, echo: bool },
    /// By requests.
    Requests(Rc<Requests>),
    /// To the standard input of a sender, round by round.
    Pipe(ChildStdin),
    /// From another process.
    Elsewhere { publishers: usize },
}

impl Plan {
    /// Connections of each room.
    pub(in super::super) fn connections(&self) -> usize {
        self.readers + self.publishers()
    }

    /// What a room's connection of this number speaks.
    pub(in super::super) fn protocol(&self, connection: usize) -> Protocol {
        match connection < self.readers {
            true => self.reading,
            false => match self.outlet {
                Outlet::Requests(_) => Protocol::Http,
                _ => Protocol::WebSocket,
            },
        }
    }

    /// Whether anybody gets what is published.
    pub(in super::super) fn has_receivers(&self) -> bool {
        self.readers > 0 || self.requests().is_none()
    }

    /// How messages are published by request, if they are.
    pub(super) fn requests(&self) -> Option<&Rc<Requests>> {
        match &self.outlet {
            Outlet::Requests(requests) => Some(requests),
            _ => None,
        }
    }

    pub(super) fn publishers(&self) -> usize {
        match self.outlet {
            Outlet::Publishers { count, .. } => count,
            Outlet::Requests(ref requests) => requests.connections,
            Outlet::Pipe(_) | Outlet::Elsewhere { .. } => 0,
        }
    }
}
