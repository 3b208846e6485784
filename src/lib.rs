//! fanfare is a lean WebSocket broadcast relay: whatever one client sends into a topic reaches
//! every client of that topic.

#![forbid(unsafe_code)]

pub mod log;
pub mod proto;
pub mod wheel;
