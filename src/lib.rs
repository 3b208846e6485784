//! fanfare is a lean WebSocket broadcast relay: whatever one client sends into a topic reaches
//! every client of that topic.
//!
//! The house, and who may call whom:
//!
//! ```text
//!   main ─► cli ─► server ─► turn ─► relay ─► http ─► proto
//!            │       │         │      ├────► metrics
//!            │       │         ▼      ├────► proxy ─► proto
//!            │       ├─► transport    ├────► log
//!            │       │         │      └────► wheel
//!            │       └─► sys ◄─┘
//!            ├► journal
//!            └► bench ─► proto, sys
//! ```
//!
//! - [`proto`] is RFC 6455 and the heads of RFC 9112 as a library, for both roles; [`log`] is what
//!   makes a broadcast cost nothing per reader; [`wheel`] counts time. None of them does I/O or knows a
//!   clock.
//! - [`http`] says what a request is for; [`metrics`] counts; [`relay`] takes every decision. They do
//!   no I/O either. Its rooms are `gate` (which connections are let in, and how much they may send), `peer`
//!   (connections and their lives) and `hub` (which message goes to which reader).
//! - [`turn`] is the loop's one turn, over any sockets; [`transport`] says what a socket brought and took.
//! - [`proxy`] reads the client's address from what proxies state.
//! - [`journal`] is how the process logs.
//! - [`sys`], [`transport`] and [`server`] are the only rooms of the relay that touch the kernel.
//! - [`config`] is the table of all settings, from which flags, variables, files and manual follow.
//! - `bench` is the load generator, for any WebSocket server: a customer of [`proto`] in the
//!   client's role. The feature of the same name takes it out.

#![forbid(unsafe_code)]

#[cfg(feature = "bench")]
pub mod bench;
pub mod cli;
pub mod config;
#[doc(hidden)]
pub mod fuzz;
pub mod http;
pub mod journal;
pub mod log;
pub mod metrics;
pub mod proto;
pub mod proxy;
pub mod relay;
pub mod server;
pub mod sys;
pub mod transport;
pub mod turn;
pub mod wheel;
