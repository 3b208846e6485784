//! What bytes on the wire mean, and back, with no sockets, no clock and no topics. Limits come as
//! arguments.
//!
//! | module | what it knows |
//! |---|---|
//! | [`http1`] | heads of HTTP/1.x, and what has to hold for any request: RFC 9112 |
//! | [`websocket`] | opening handshake, frames, messages, compression, closing: RFC 6455 and 7692 |
//!
//! `websocket` knows `http1`, with which a connection begins; `http1` knows nothing of it.
//!
//! No byte from the network makes any of it panic, allocate on a promise, or do more than linear
//! work.

pub mod http1;
pub mod websocket;

pub use http1::{Head, HeadError, HeadScanner, Headers, ResponseHead};
pub use websocket::{
    CloseCode, CloseFrame, Event, Fragment, FrameHeader, Gather, Message, MessageKind, OpCode,
    ProtocolError, Received, Role, SendError, Session,
};
pub use websocket::{deflate, frame, handshake, mask, utf8};
