//! fanfare is a lean WebSocket broadcast relay: whatever one client sends into a topic reaches
//! every client of that topic.
//!
//! The modules, and which of them names which:
//!
//! ```text
//!   main ─► cli ─► server ─► turn ─► transport ─► relay ─► metrics ─► http ─► proto, period
//!            │                           │          ├────► proxy ────────────► proto
//!            │                           │          ├────► log
//!            │                           └─► sys ───┴────► wheel
//!            ├► config ─► relay, journal, proxy, sys, period
//!            ├► journal ─► sys
//!            └► bench ─► config, proto, sys
//! ```
//!
//! - [`proto`] is RFC 6455, RFC 7692 and the heads of RFC 9112 as a library, for both roles; [`log`] is what
//!   makes a broadcast cost nothing per reader; [`wheel`] counts time; [`period`] is a span of it as people
//!   write it. None of them does I/O or knows a clock.
//! - [`http`] says what a request is for; [`metrics`] counts; [`proxy`] reads the client's address from what
//!   proxies state; [`relay`] decides what is sent to which connection, and which one is closed. They do no
//!   I/O either.
//! - Inside the relay, `gate` decides which connections are let in and how much they may send, `peer` owns
//!   connections and their lives, and `hub` topics and what each reader is owed.
//! - [`turn`] is the loop's one turn, over any sockets; [`transport`] says what a socket brought and took.
//! - [`sys`], [`transport`] and [`server`] touch the kernel, as `bench` does. The server
//!   polls, accepts, and passes on what other threads publish.
//! - [`config`] is the table of all settings, from which flags, variables, files and manual follow;
//!   [`journal`] is how the process logs.
//! - `bench` is the load generator, for any WebSocket server: it uses [`proto`] in the client's role. A
//!   build without the feature of that name leaves it out.
//!
//! `fuzz` has the bodies of the fuzz targets, which tests replay. A module may also name what lies further
//! along its arrows, and the server names [`config`] and [`journal`]: `tests/tidy.rs` has the list.
//!
//! `docs/architecture.md` begins with a table: to change this, look there.

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
pub mod period;
pub mod proto;
pub mod proxy;
pub mod relay;
pub mod server;
pub mod sys;
pub mod transport;
pub mod turn;
pub mod wheel;
