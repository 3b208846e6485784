//! HTTP as far as a relay speaks it: what a request is for, and what to answer. No I/O.

mod accept;
mod admin;
mod asset;
mod policy;
mod range;
mod reason;
mod response;
mod route;
mod since;
mod status;
mod validators;

pub use admin::{AdminRequest, TopicsQuery, route_admin};
pub use asset::{File, Site};
pub use reason::Reason;
pub use response::{Body, Response};
pub use route::{Answer, Join, check_host, check_topic, is_socket, route};
pub use since::{InvalidSince, Since};
pub use status::Status;
pub use validators::Modified;
