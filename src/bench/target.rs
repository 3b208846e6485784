//! The server that is measured: where it is, looked up once, and whether it is still there.

use super::attempts::settle;
use super::clock::{self, nanos};
use super::failure::Failure;
use super::options::TargetOptions;
use super::probe::{Moment, Probe};
use super::route::Route;
use super::url::Url;
use std::io;
use std::net::SocketAddr;

/// Looks up where the URLs lead: to the address that answers, of each name that has several. All
/// connections of a run go there, or it would measure two ways at once.
pub(super) fn resolve(target: &TargetOptions) -> Result<Vec<Route>, Failure> {
    let route = |url: &Url| {
        let addresses = url.resolve().map_err(Failure::usage)?;
        let address = match addresses[..] {
            [only] => only,
            _ => settle(&addresses, &target.source, nanos(target.timeout.0))
                .map_err(|error| Failure::new(error.with_advice()))?,
        };
        Ok(Route::new(url.clone(), address))
    };
    target.urls.iter().map(route).collect()
}

/// The same for another process of the run, which is told where.
pub(super) fn follow(target: &TargetOptions, addresses: &[SocketAddr]) -> Vec<Route> {
    let urls = target.urls.iter().cloned().zip(addresses);
    urls.map(|(url, &address)| Route::new(url, address))
        .collect()
}

/// Where routes lead.
pub(super) fn addresses(routes: &[Route]) -> Vec<SocketAddr> {
    routes.iter().map(|route| route.address).collect()
}

/// Each run tags its messages, so that it notices those of another.
pub(super) fn run_tag() -> u32 {
    (clock::now() / 1000) as u32 ^ std::process::id() << 7
}

/// Looks at everything; once the server is gone, with all that there was to see of it, at the rest.
pub(super) fn look(probe: &Probe) -> io::Result<Moment> {
    probe.moment().or_else(|_| {
        let rest = Probe {
            pids: Vec::new(),
            ..probe.clone()
        };
        rest.moment()
    })
}

/// Whether the server is gone by this moment.
pub(super) fn is_gone(probe: &Probe, moment: &Moment) -> bool {
    !probe.pids.is_empty() && moment.sum(|sample| sample.resident) == 0
}
