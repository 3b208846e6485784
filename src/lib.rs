//! fanfare is a lean WebSocket broadcast relay: whatever one client sends into a topic reaches
//! every client of that topic.

#![forbid(unsafe_code)]

#[doc(hidden)]
pub mod fuzz;
pub mod proto;
