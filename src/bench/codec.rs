//! Compression of a run's messages, without context takeover: one compressor and one inflater for
//! all connections.

use crate::proto::deflate::{Deflater, Inflater, Window};
use crate::proto::{Message, MessageKind, ProtocolError, Role};

/// What browsers compress with, and most libraries unless told otherwise.
const LEVEL: u8 = 6;

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Codec {
    /// None if messages are to leave as they are.
    deflater: Option<Deflater>,
    inflater: Inflater,
}

impl Codec {
    /// A codec that compresses or does not. It inflates what is compressed in either case.
    pub(super) fn new(is_deflated: bool) -> Self {
        Codec {
            deflater: is_deflated.then(|| Deflater::new(Window::Bits15, LEVEL)),
            inflater: Inflater::default(),
        }
    }

    /// Appends the frame of a client's message, compressed if that makes it smaller.
    pub(super) fn write_message(&mut self, kind: MessageKind, payload: &[u8], out: &mut Vec<u8>) {
        let deflated = self.deflater.as_mut().and_then(|it| it.deflate(payload));
        match deflated {
            Some(compressed) => Role::Client.write_compressed(kind, compressed, out),
            None => Role::Client.write_frame(true, kind.opcode(), payload, out),
        }
    }

    /// A message as its sender sees it.
    pub(super) fn open<'a>(
        &'a mut self,
        message: Message<'a>,
        bytes_max: usize,
    ) -> Result<Message<'a>, ProtocolError> {
        self.inflater.open(message, bytes_max)
    }
}
