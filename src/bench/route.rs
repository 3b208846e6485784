//! Where a connection leads: a URL, with the number that stands for `{i}`, the address that its host
//! turned out to have, and what is spoken there.

use super::url::Url;
use crate::proto::MessageId;
use std::net::SocketAddr;
use std::rc::Rc;

/// What is spoken over a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Protocol {
    #[default]
    WebSocket,
    /// One request, whose response is a stream of server-sent events.
    EventStream,
    /// Requests and responses of HTTP/1.1, one after the other: there is nothing to open but the connection.
    Http,
}

/// Where a connection leads.
#[derive(Clone, Debug)]
pub(super) struct Route {
    pub(super) url: Rc<Url>,
    pub(super) address: SocketAddr,
    /// What `{i}` becomes.
    pub(super) number: usize,
    /// The message after which it is to begin, for one that comes back.
    pub(super) since: Option<MessageId>,
    pub(super) protocol: Protocol,
}

impl Route {
    pub(super) fn new(url: Url, address: SocketAddr) -> Self {
        Route {
            url: Rc::new(url),
            address,
            number: 0,
            since: None,
            protocol: Protocol::default(),
        }
    }

    /// The same for another protocol.
    pub(super) fn speaking(self, protocol: Protocol) -> Self {
        Route { protocol, ..self }
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
