//! A reader with a socket that takes all there is: what it gets is what was published.

use crate::script::request;
use fanfare::proto::{FrameHeader, OpCode};
use fanfare::relay::ConnId;
use fanfare::transport::ReadOutcome;
use fanfare::turn::Readiness;

pub(super) struct Reader {
    pub(super) id: ConnId,
    pub(super) readiness: Readiness,
    /// What it has sent and the relay not read.
    pub(super) sent: Vec<u8>,
    received: Vec<u8>,
    has_joined: bool,
    pub(super) messages: Vec<Vec<u8>>,
    /// How many of them were looked at.
    seen: usize,
    pub(super) is_gone: bool,
}

impl Reader {
    pub(super) fn join(id: ConnId, topic: &str) -> Self {
        Reader {
            id,
            readiness: Readiness::default(),
            sent: request(&format!("/ws/{topic}?reader={topic}")),
            received: Vec::new(),
            has_joined: false,
            messages: Vec::new(),
            seen: 0,
            is_gone: false,
        }
    }

    pub(super) fn read(&mut self, buffer: &mut [u8]) -> ReadOutcome {
        let bytes = self.sent.len().min(buffer.len());
        if bytes == 0 {
            return ReadOutcome::Empty;
        }
        buffer[..bytes].copy_from_slice(&self.sent[..bytes]);
        self.sent.drain(..bytes);
        let drained = bytes < buffer.len();
        ReadOutcome::Bytes { bytes, drained }
    }

    pub(super) fn receive(&mut self, bytes: &[u8]) {
        self.received.extend_from_slice(bytes);
        if !self.has_joined {
            let end = self
                .received
                .windows(4)
                .position(|four| four == b"\r\n\r\n");
            let Some(end) = end else { return };
            self.received.drain(..end + 4);
            self.has_joined = true;
        }
        while let Ok(Some((header, header_bytes))) = FrameHeader::decode(&self.received) {
            let end = header_bytes + header.payload_bytes as usize;
            if self.received.len() < end {
                return;
            }
            match header.opcode {
                OpCode::Text | OpCode::Binary => {
                    self.messages
                        .push(self.received[header_bytes..end].to_vec());
                }
                OpCode::Ping => self
                    .sent
                    .extend(crate::script::frame(true, OpCode::Pong, b"")),
                _ => {}
            }
            self.received.drain(..end);
        }
    }

    /// The next message that was not looked at.
    pub(super) fn next_new(&mut self) -> Option<Vec<u8>> {
        let message = self.messages.get(self.seen)?.clone();
        self.seen += 1;
        Some(message)
    }
}
