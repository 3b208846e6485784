//! The server that is measured: its address, looked up once, and whether its processes are still
//! there.

use super::attempts::settle;
use super::clock::nanos;
use super::failure::Failure;
use super::links::OpenOptions;
use super::opening::RequestOptions;
use super::options::TargetOptions;
use super::probe::Probe;
use super::route::Route;
use super::url::Url;
use std::net::SocketAddr;

/// Looks up where the URLs lead: of a name with several addresses, to the one that answers. All
/// connections of a run go there; otherwise it would measure two paths at once.
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

/// How connections to the target are opened.
pub(super) fn open_options(target: &TargetOptions) -> OpenOptions {
    let (host, headers) = target.host_and_headers();
    OpenOptions {
        sources: target.source.clone(),
        in_flight_max: target.in_flight,
        timeout: nanos(target.timeout.0),
        request: RequestOptions {
            subprotocols: target.subprotocol.clone(),
            host,
            headers,
            deflate: target.deflate,
            v1: target.speaks_v1(),
        },
    }
}

/// Samples the server's processes, which have to be there.
pub(super) fn probe_of(target: &TargetOptions) -> Result<Probe, Failure> {
    let probe = Probe {
        pids: target.pid.clone(),
        tree: target.pid_tree,
        workers: Vec::new(),
    };
    probe.moment().map_err(Failure::usage)?;
    Ok(probe)
}
