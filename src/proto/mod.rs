//! What bytes on the wire mean, and back, with no sockets, no clock and no topics. Limits come as
//! arguments.
//!
//! | module | what it knows |
//! |---|---|
//! | [`event_stream`] | server-sent events: HTML §9.2 |
//! | [`fanfare_v1`] | what relay and client say to each other beside messages: docs/protocol.md |
//! | [`http1`] | heads of HTTP/1.x, and what has to hold for any request: RFC 9112 |
//! | [`MessageId`] | a message's id, and how it is written |
//! | [`websocket`] | opening handshake, frames, messages, compression, closing: RFC 6455 and 7692 |
//!
//! `websocket` knows `http1`, with which a connection begins; `http1` knows nothing of it.
//!
//! No byte from the network makes any of it panic, allocate on a promise, or do more than linear
//! work.

pub mod event_stream;
pub mod fanfare_v1;
pub mod http1;
mod message_id;
pub mod websocket;

pub use http1::{Head, HeadError, HeadScanner, Headers, ResponseHead};
pub use message_id::{Epoch, InvalidId, MessageId};
pub use websocket::{
    CloseCode, CloseFrame, Event, Fragment, FrameHeader, Gather, Message, MessageKind, OpCode,
    ProtocolError, Received, Role, SendError, Session,
};
pub use websocket::{deflate, frame, handshake, mask, utf8};
