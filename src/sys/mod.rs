//! The only room that touches the kernel, besides the [`server`](crate::server)'s poller: clock,
//! sockets, listeners, standard error and the descriptor limit.

pub mod accept;
pub mod clock;
pub mod descriptors;
pub mod file;
pub mod folder;
pub mod listen;
pub mod notify;
pub mod process;
pub mod socket;
pub mod stderr;
