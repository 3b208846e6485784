//! The sockets, beside the relay's slab: same slots, so that neither needs a map.

use crate::relay::{ConnId, Slot};
use crate::sys::socket::Stream;
use crate::turn::Readiness;
use mio::Token;

/// A connection's socket.
#[derive(Debug)]
pub(super) struct Socket {
    pub(super) stream: Stream,
    generation: u64,
    pub(super) readiness: Readiness,
}

/// Sockets by slot.
#[derive(Debug, Default)]
pub(super) struct Table {
    sockets: Vec<Option<Socket>>,
    len: usize,
}

impl Table {
    pub(super) fn insert(&mut self, id: ConnId, stream: Stream) {
        let slot = id.slot.index();
        if slot >= self.sockets.len() {
            self.sockets.resize_with(slot + 1, || None);
        }
        self.sockets[slot] = Some(Socket {
            stream,
            generation: id.generation,
            readiness: Readiness::default(),
        });
        self.len += 1;
    }

    /// The socket of a connection, unless it is closed.
    pub(super) fn get(&mut self, id: ConnId) -> Option<&mut Socket> {
        let socket = self.sockets.get_mut(id.slot.index())?.as_mut()?;
        (socket.generation == id.generation).then_some(socket)
    }

    /// The connection that a token names, unless it is closed.
    pub(super) fn find(&self, token: Token) -> Option<ConnId> {
        let slot = Slot(token.0 as u32);
        let generation = self.sockets.get(slot.index())?.as_ref()?.generation;
        let id = ConnId { slot, generation };
        (self::token(id) == token).then_some(id)
    }

    /// Closes a socket. The kernel forgets its registration with it.
    pub(super) fn remove(&mut self, id: ConnId) {
        if self.get(id).is_some() {
            self.sockets[id.slot.index()] = None;
            self.len -= 1;
        }
        if self.len == 0 {
            self.sockets = Vec::new();
        }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }
}

/// The poller's name for a connection: its slot, and the low 32 bits of its generation. No event waits until
/// the slot has a connection with the same 32 bits again.
pub(super) fn token(id: ConnId) -> Token {
    Token((id.generation as usize) << 32 | id.slot.index())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;

    #[test]
    fn a_socket_is_not_found_by_the_connection_that_had_its_slot_before() {
        let stream = || Stream::from(OwnedFd::from(UnixStream::pair().unwrap().0));
        let mut table = Table::default();
        let [gone, next] = [1, 7 << 32 | 2].map(|generation| ConnId {
            slot: Slot(0),
            generation,
        });
        table.insert(gone, stream());
        table.remove(gone);
        table.insert(next, stream());
        assert!(table.get(gone).is_none());
        table.remove(gone);
        assert!(table.get(next).is_some());
        assert_eq!(table.len(), 1);
        let found = [gone, next].map(|id| table.find(token(id)));
        assert_eq!(found, [None, Some(next)]);
    }

    #[test]
    fn a_slot_takes_sixteen_bytes() {
        assert_eq!(size_of::<Option<Socket>>(), 16);
    }
}
