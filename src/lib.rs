//! fanfare is a lean WebSocket broadcast relay: whatever one client sends into a topic reaches
//! every client of that topic.
//!
//! The house, and who may call whom:
//!
//! ```text
//!   main ─► cli ─► server ─► relay ─► http ─► proto
//!                    │         ├────► log
//!                    │         └────► wheel
//!                    └─► sys
//! ```
//!
//! - [`proto`] is RFC 6455 as a library, for both roles; [`log`] is what makes a broadcast cost
//!   nothing per reader; [`wheel`] counts time. None of them does I/O or knows a clock.
//! - [`http`] says what a request is for; [`relay`] takes every decision. They do no I/O either.
//! - [`sys`] and [`server`] are the only rooms that touch the kernel.

#![forbid(unsafe_code)]

pub mod cli;
pub mod config;
#[doc(hidden)]
pub mod fuzz;
pub mod http;
pub mod log;
pub mod proto;
pub mod relay;
pub mod server;
pub mod sys;
pub mod wheel;
