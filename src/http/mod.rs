//! HTTP as far as a relay speaks it: what a request is for, and what to answer. No I/O.

mod asset;
mod response;
mod route;

pub use asset::{Body, Site};
pub use response::{Response, Status};
pub use route::{Answer, Join, route};
