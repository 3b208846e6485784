//! RFC 6455 as a library, for both roles: bytes to meaning and back. Nothing here reads or writes:
//! its user hands in what came, and writes what was appended to a buffer.
//!
//! | file | what it knows | RFC 6455 |
//! |---|---|---|
//! | [`handshake`] | whether a request opens a connection, and the answer; the client's side too | §4 |
//! | [`session`] | one peer's state machine: bytes to events, messages to bytes | §5 to §7 |
//! | [`extension`] | whether permessage-deflate is agreed on, and how | §9, RFC 7692 §7.1 |
//! | [`deflate`] | one message compressed, and inflated | RFC 7692 §7.2 |
//! | [`message`] | fragments put together to whole messages | §5.4 |
//! | [`frame`] | the header of one frame | §5.2 |
//! | [`mask`] | masking | §5.3 |
//! | [`utf8`] | text that comes in pieces | §8.1 |
//! | [`close`] | close payloads | §5.5.1 |
//! | [`close_code`] | status codes of close frames | §7.4 |
//! | [`error`] | how a peer can break the rules, and the status code it is told | §7.4 |
//!
//! # A server and a client talk to each other
//!
//! ```
//! use fanfare::proto::{CloseCode, CloseFrame, Event, Gather, MessageKind, OpCode, Role, Session};
//!
//! /// What one side learns from a read, and says in return.
//! fn receive(session: &mut Session, gather: &mut Gather, read: &mut [u8], out: &mut Vec<u8>) -> Vec<String> {
//!     const MESSAGE_BYTES_MAX: usize = 1 << 20;
//!     let role = session.role();
//!     let mut said = Vec::new();
//!     let mut rest = read;
//!     while !rest.is_empty() {
//!         let received = match session.receive(rest, MESSAGE_BYTES_MAX) {
//!             Ok(received) => received,
//!             Err(error) => {
//!                 let close = CloseFrame { code: error.close_code(), reason: &error.to_string() };
//!                 let _ = session.send_close(Some(close), out);
//!                 break;
//!             }
//!         };
//!         let consumed = received.consumed;
//!         match received.event {
//!             Some(Event::Fragment(fragment)) => {
//!                 if let Some(message) = gather.push(fragment) {
//!                     said.push(String::from_utf8_lossy(message.payload).into_owned());
//!                 }
//!             }
//!             // An event borrows the session, so that a pong to it is written by its role alone.
//!             Some(Event::Ping(payload)) => role.write_frame(true, OpCode::Pong, payload, out),
//!             Some(Event::Pong(payload)) => said.push(format!("pong {payload:?}")),
//!             Some(Event::Close(close)) => {
//!                 said.push(close.map_or("closed".into(), |close| format!("closed: {}", close.code)));
//!             }
//!             None => {}
//!         }
//!         rest = &mut rest[consumed..];
//!     }
//!     said
//! }
//!
//! let (mut server, mut client) = (Session::new(Role::Server), Session::new(Role::Client));
//! let (mut at_server, mut at_client) = (Gather::default(), Gather::default());
//! let (mut to_server, mut to_client) = (Vec::new(), Vec::new());
//!
//! // The client says one thing whole and one in pieces, and asks whether anyone is there.
//! client.send_text("hello", &mut to_server)?;
//! client.send_fragment(MessageKind::Text, b"how ", false, &mut to_server)?;
//! client.send_ping(b"!", &mut to_server)?;
//! client.send_fragment(MessageKind::Text, b"are you?", true, &mut to_server)?;
//! let received = receive(&mut server, &mut at_server, &mut to_server, &mut to_client);
//! assert_eq!(received, ["hello", "how are you?"]);
//!
//! // The server answers and closes; its pong went out in between.
//! server.send_binary(b"fine", &mut to_client)?;
//! server.send_close(Some(CloseFrame { code: CloseCode::NORMAL, reason: "bye" }), &mut to_client)?;
//! let received = receive(&mut client, &mut at_client, &mut to_client, &mut to_server);
//! assert_eq!(received, ["pong [33]", "fine", "closed: 1000"]);
//! assert!(server.is_at_rest() && client.is_at_rest());
//! # Ok::<(), fanfare::proto::SendError>(())
//! ```
//!
//! [`handshake`] shows how the connection is opened.

pub mod close;
pub mod close_code;
pub mod deflate;
pub mod error;
pub mod extension;
pub mod frame;
pub mod handshake;
pub mod mask;
pub mod message;
mod random;
pub mod session;
pub mod utf8;

pub use close::CloseFrame;
pub use close_code::CloseCode;
pub use error::ProtocolError;
pub use frame::{FrameHeader, OpCode};
pub use message::{Gather, Message};
pub use session::{Event, Fragment, MessageKind, Received, Role, SendError, Session};
