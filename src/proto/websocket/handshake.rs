//! The opening handshake (RFC 6455 §4), for both roles.
//!
//! A server reads a request with [`check`], asks [`check_origin`](super::super::http1::check_origin)
//! whether the page that opens the connection may, and answers with [`Upgrade::write_response`], or with
//! the headers and the sentence of a [`Refusal`]. A client writes a [`Request`] and holds the response
//! against it. What a path means, and the status of a refusal, are decided elsewhere.
//!
//! ```
//! use fanfare::proto::handshake::{self, Request};
//! use fanfare::proto::{Head, ResponseHead};
//!
//! let key = handshake::fresh_key();
//! let request = Request::new("example.com", "/ws/lobby", &key);
//! let mut to_server = Vec::new();
//! request.write(&mut to_server)?;
//!
//! let head = Head::parse(&to_server)?;
//! let upgrade = handshake::check(&head)?;
//! let mut to_client = Vec::new();
//! upgrade.write_response(None, None, &mut to_client);
//!
//! let agreed = request.verify(&ResponseHead::parse(&to_client)?)?;
//! assert_eq!(agreed.subprotocol, None);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod client;
mod key;
mod server;

pub use client::{Agreed, Request, RequestError, ResponseError};
pub use key::{VERSION, accept_key, fresh_key};
pub use server::{Refusal, Upgrade, check, choose_subprotocol};

#[cfg(test)]
mod tests;
