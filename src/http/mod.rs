//! HTTP as far as a relay speaks it: what a request is for, and what to answer. No I/O.

mod accept;
mod admin;
mod answer;
mod asset;
mod methods;
mod policy;
mod posted;
mod range;
mod reason;
mod response;
mod route;
mod since;
mod status;
mod topic;
mod validators;

pub use admin::{AdminRequest, TopicsQuery, route_admin};
pub use answer::{Answer, Ask, Join, Publish, Stream};
pub use asset::{File, Site};
pub use posted::{bad_line, posted, posted_lines};
pub use reason::Reason;
pub use response::{Body, Response};
pub use route::{check_host, route};
pub use since::{InvalidSince, Since};
pub use status::Status;
pub use topic::{check_topic, is_topic};
pub use validators::Modified;
