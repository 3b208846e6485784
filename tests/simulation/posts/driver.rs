//! The loop's face to the world.

use super::World;
use super::answers::Scene;
use fanfare::relay::{Action, ConnId, Relay};
use fanfare::transport::{ReadOutcome, WriteOutcome};
use fanfare::turn::{Driver, Readiness};

impl Driver for World {
    fn relay(&mut self) -> &mut Relay {
        &mut self.relay
    }

    fn readiness(&mut self, id: ConnId) -> Option<&mut Readiness> {
        if self.publisher(id).is_some() {
            return self.publisher(id).map(|publisher| &mut publisher.readiness);
        }
        let mut readers = self.readers.iter_mut();
        let reader = readers.find(|reader| reader.id == id && !reader.is_gone);
        reader.map(|reader| &mut reader.readiness)
    }

    fn read(&mut self, id: ConnId, buffer: &mut [u8]) -> ReadOutcome {
        match self.publisher(id) {
            Some(publisher) => publisher.socket.read(buffer),
            None => self.reader(id).read(buffer),
        }
    }

    fn write(&mut self, id: ConnId) -> WriteOutcome {
        let refuses = self.random.once_in(self.character.refuse);
        let output = self.relay.transmit(id);
        let bytes: Vec<u8> = output
            .pieces()
            .iter()
            .flat_map(|piece| piece.bytes.to_vec())
            .collect();
        drop(output);
        let (now, is_shut_down) = (self.now, self.is_shut_down);
        let mut publishers = self.publishers.iter_mut();
        let publisher = publishers.find(|publisher| publisher.id == id && !publisher.is_gone);
        let Some(publisher) = publisher else {
            self.reader(id).receive(&bytes);
            let bytes = bytes.len();
            return WriteOutcome::Taken { bytes, full: false };
        };
        let Some(sent) = publisher
            .socket
            .write(bytes.len(), refuses, &mut self.random)
        else {
            return WriteOutcome::Broken;
        };
        let scene = Scene {
            now,
            is_shut_down,
            character: &self.character,
        };
        publisher.receive(&bytes[..sent], &scene);
        let full = sent < bytes.len();
        publisher.blocked_since = match (full, publisher.blocked_since) {
            (true, None) => Some(now),
            (true, since) if sent == 0 => since,
            (true, _) => Some(now),
            (false, _) => None,
        };
        WriteOutcome::Taken { bytes: sent, full }
    }

    fn act(&mut self, id: ConnId, action: Action) {
        self.note(|| format!("{id:?}: {action:?}"));
        let (now, is_shut_down) = (self.now, self.is_shut_down);
        match (self.publisher(id), action) {
            (Some(publisher), Action::ShutdownWrite) => publisher.socket.shutdown_write(),
            (Some(publisher), Action::Close) => publisher.on_closed(now, is_shut_down),
            (None, Action::Close) => self.reader(id).is_gone = true,
            (_, Action::KeepAlive) => {}
            (None, _) => {}
            (Some(_), Action::Report(_)) => panic!("{id:?} is no operator"),
        }
    }
}
