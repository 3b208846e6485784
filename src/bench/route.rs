//! Where a connection leads: a URL, with the number that stands for `{i}`, and the address that its
//! host turned out to have.

use super::url::Url;
use crate::proto::MessageId;
use std::net::SocketAddr;
use std::rc::Rc;

/// Where a connection leads.
#[derive(Clone, Debug)]
pub(super) struct Route {
    pub(super) url: Rc<Url>,
    pub(super) address: SocketAddr,
    /// What `{i}` becomes.
    pub(super) number: usize,
    /// The message after which it is to begin, for one that comes back.
    pub(super) since: Option<MessageId>,
}

impl Route {
    pub(super) fn new(url: Url, address: SocketAddr) -> Self {
        Route {
            url: Rc::new(url),
            address,
            number: 0,
            since: None,
        }
    }

    /// Path and query of the request.
    pub(super) fn target(&self) -> String {
        let target = self.url.target(self.number);
        let joint = if target.contains('?') { '&' } else { '?' };
        match self.since {
            Some(id) => format!("{target}{joint}since={id}"),
            None => target,
        }
    }

    /// The same with another number.
    pub(super) fn numbered(&self, number: usize) -> Self {
        Route {
            number,
            ..self.clone()
        }
    }
}
