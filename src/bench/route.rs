//! Where a connection leads: a URL, with the number that stands for `{i}`, and the address that its
//! host turned out to have.

use super::url::Url;
use std::net::SocketAddr;
use std::rc::Rc;

/// Where a connection leads.
#[derive(Clone, Debug)]
pub(super) struct Route {
    pub(super) url: Rc<Url>,
    pub(super) address: SocketAddr,
    /// What `{i}` becomes.
    pub(super) number: usize,
}

impl Route {
    pub(super) fn new(url: Url, address: SocketAddr) -> Self {
        Route {
            url: Rc::new(url),
            address,
            number: 0,
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
