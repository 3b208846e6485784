//! Addresses to listeners, and what to say if that fails.

use crate::config::{Address, Binding, Config, ConfigError};
use crate::sys::listen::{self, Families, Listener, LocalAddress};
use std::error::Error;
use std::fmt;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;

/// A server can't start.
#[derive(Debug)]
pub struct StartError {
    why: String,
    is_usage: bool,
}

impl StartError {
    /// What was asked for can never work, as opposed to what does not work now.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        self.is_usage
    }

    fn usage(why: String) -> Self {
        StartError {
            why,
            is_usage: true,
        }
    }
}

impl From<io::Error> for StartError {
    fn from(error: io::Error) -> Self {
        StartError {
            why: format!("can't start: {error}"),
            is_usage: false,
        }
    }
}

impl From<ConfigError> for StartError {
    fn from(error: ConfigError) -> Self {
        StartError::usage(error.to_string())
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl Error for StartError {}

/// Listens on all addresses for clients.
pub(super) fn open_public(config: &Config) -> Result<Vec<Listener>, StartError> {
    let listeners = open(&config.listen, "--listen", config)?;
    if listen::is_handed_over() {
        log::warn!(
            "systemd handed over sockets, which are not listened on: --listen systemd is missing"
        );
    }
    Ok(listeners)
}

/// Listens on the address for the operator, if there is one.
pub(super) fn open_admin(config: &Config) -> Result<Vec<Listener>, StartError> {
    open(config.admin.as_slice(), "--admin", config)
}

/// Listens on everything that these addresses mean. `flag` is the one that gave them.
fn open(
    addresses: &[Address],
    flag: &'static str,
    config: &Config,
) -> Result<Vec<Listener>, StartError> {
    let bindings = addresses
        .iter()
        .map(|address| Ok((address, resolve(address)?)))
        .collect::<Result<Vec<_>, StartError>>()?;
    let ipv4_ports = bindings.iter().flat_map(|(_, binding)| match binding {
        Binding::All(addresses) => addresses.iter().filter(|a| a.is_ipv4()).collect(),
        _ => Vec::new(),
    });
    let opener = Opener {
        flag,
        send_buffer_bytes: config.send_buffer_bytes.as_usize(),
        unix_mode: config.unix_mode.0,
        ipv4_ports: ipv4_ports.map(SocketAddr::port).collect(),
    };
    let mut listeners = Vec::new();
    for (address, binding) in bindings {
        listeners.extend(opener.open(address, binding)?);
    }
    Ok(listeners)
}

fn resolve(address: &Address) -> Result<Binding, StartError> {
    address.resolve().map_err(|error| {
        StartError::usage(format!(
            "can't listen on {address}: there is no such host ({error})"
        ))
    })
}

/// Opens listeners.
struct Opener {
    /// The flag that gave the addresses.
    flag: &'static str,
    send_buffer_bytes: usize,
    unix_mode: u32,
    /// Ports of the IPv4 addresses among them.
    ipv4_ports: Vec<u16>,
}

impl Opener {
    fn open(&self, address: &Address, binding: Binding) -> Result<Vec<Listener>, StartError> {
        match binding {
            Binding::First(candidates) => self.open_first(address, &candidates),
            Binding::All(addresses) => self.open_all(addresses),
            Binding::Unix(path) => listen::unix(&path, self.unix_mode, self.send_buffer_bytes)
                .map(|listener| vec![listener])
                .map_err(|error| explain_unix(address, self.flag, &error)),
            Binding::Abstract(name) => listen::unix_abstract(&name, self.send_buffer_bytes)
                .map(|listener| vec![listener])
                .map_err(|error| explain_unix(address, self.flag, &error)),
            Binding::Inherited => open_inherited(self.send_buffer_bytes),
        }
    }

    fn open_first(
        &self,
        address: &Address,
        candidates: &[SocketAddr],
    ) -> Result<Vec<Listener>, StartError> {
        let mut failed = StartError::usage(format!("{address} means no address"));
        for &candidate in candidates {
            match listen::tcp(candidate, Families::Both, self.send_buffer_bytes) {
                Ok(listener) => return Ok(vec![listener]),
                Err(error) => failed = explain(candidate, self.flag, &error),
            }
        }
        Err(failed)
    }

    fn open_all(&self, addresses: Vec<SocketAddr>) -> Result<Vec<Listener>, StartError> {
        let mut listeners: Vec<Listener> = Vec::new();
        for mut address in addresses {
            // With port 0, each listener would get another port.
            let families = match address.port() != 0 && self.ipv4_ports.contains(&address.port()) {
                true => Families::Ipv6,
                false => Families::Both,
            };
            // A free port that was found for the first address serves for the others too.
            let first = listeners
                .first()
                .and_then(|listener| listener.local_address().ok()?.tcp());
            if let Some(first) = first.filter(|_| address.port() == 0) {
                address.set_port(first.port());
            }
            match listen::tcp(address, families, self.send_buffer_bytes) {
                Ok(listener) => listeners.push(listener),
                // `localhost` may have an address that this system does not.
                Err(error)
                    if error.kind() == ErrorKind::AddrNotAvailable && !listeners.is_empty() => {}
                Err(error) => return Err(explain(address, self.flag, &error)),
            }
        }
        Ok(listeners)
    }
}

fn open_inherited(send_buffer_bytes: usize) -> Result<Vec<Listener>, StartError> {
    match listen::inherited(send_buffer_bytes) {
        Ok(listeners) if listeners.is_empty() => Err(StartError::usage(
            "can't listen on systemd: it handed over no socket; start its .socket unit, or name an \
             address with --listen"
                .into(),
        )),
        Ok(listeners) => Ok(listeners),
        Err(error) => Err(StartError::usage(format!(
            "can't listen on systemd: what it handed over can't be used: {error}"
        ))),
    }
}

fn explain(address: SocketAddr, flag: &str, error: &io::Error) -> StartError {
    let (is_usage, advice) = match error.kind() {
        ErrorKind::AddrInUse => (
            false,
            format!("another program listens there; stop it, or choose another port with {flag}"),
        ),
        ErrorKind::AddrNotAvailable => (
            true,
            "this machine has no such address; 127.0.0.1, [::1] or 0.0.0.0 are always there".into(),
        ),
        ErrorKind::PermissionDenied => (
            true,
            format!(
                "ports below 1024 need a privilege; choose a higher port with {flag}, or give the \
                 program the capability CAP_NET_BIND_SERVICE"
            ),
        ),
        _ => (false, "the system said no".into()),
    };
    StartError {
        why: format!("can't listen on {address}: {advice} ({error})"),
        is_usage,
    }
}

fn explain_unix(address: &Address, flag: &str, error: &io::Error) -> StartError {
    let (is_usage, advice) = match error.kind() {
        ErrorKind::AddrInUse => (
            false,
            format!("another program listens there; stop it, or choose another path with {flag}"),
        ),
        ErrorKind::AlreadyExists => (
            true,
            format!("that name is taken; remove what is there, or choose another path with {flag}"),
        ),
        ErrorKind::NotFound => (true, "there is no such folder".into()),
        ErrorKind::NotADirectory => (true, "what leads there is no folder".into()),
        ErrorKind::PermissionDenied => (true, "this user may not make files there".into()),
        ErrorKind::InvalidInput => (true, "a socket's path or name has at most 107 bytes".into()),
        _ => (false, "the system said no".into()),
    };
    StartError {
        why: format!("can't listen on {address}: {advice} ({error})"),
        is_usage,
    }
}

/// Where they listen.
pub(super) fn addresses(listeners: &[Listener]) -> io::Result<Vec<LocalAddress>> {
    listeners.iter().map(Listener::local_address).collect()
}
