//! Listening sockets: TCP, Unix domain, and those that the service manager hands over.

use super::socket::Stream;
use listenfd::ListenFd;
use mio::event::Source;
use mio::net::{TcpListener, UnixListener};
use mio::{Interest, Registry, Token};
use rustix::net::sockopt::set_socket_send_buffer_size;
use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};
use std::env;
use std::fmt;
use std::fs::{self, File, Permissions};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process;

/// Connections that the kernel completes before they are accepted. A burst of clients that
/// reconnect is larger than the usual 128; the kernel lowers it to `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

/// A socket that connections are accepted from.
#[derive(Debug)]
pub struct Listener {
    socket: Domained,
    /// What takes the kernel's name for it from the file system, in the end.
    _file: Option<SocketFile>,
}

#[derive(Debug)]
enum Domained {
    Tcp(TcpListener),
    /// The kernel does not pass the send buffer's size on from this listener to its connections.
    Unix(UnixListener, usize),
}

/// Where a listener is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LocalAddress {
    /// At an address and port.
    Tcp(SocketAddr),
    /// At a path in the file system, or nowhere if the socket has no name there.
    Unix(Option<PathBuf>),
    /// At a name that stands in no file system.
    Abstract(String),
}

impl LocalAddress {
    /// The address and port, if it has one.
    #[must_use]
    pub fn tcp(&self) -> Option<SocketAddr> {
        match self {
            LocalAddress::Tcp(address) => Some(*address),
            LocalAddress::Unix(_) | LocalAddress::Abstract(_) => None,
        }
    }

    /// Whether it is an address that only this machine reaches, by itself or by its pages.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.tcp()
            .is_some_and(|address| address.ip().to_canonical().is_loopback())
    }
}

impl fmt::Display for LocalAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LocalAddress::Tcp(address) => write!(f, "{address}"),
            LocalAddress::Unix(Some(path)) => write!(f, "unix:{}", path.display()),
            LocalAddress::Abstract(name) => write!(f, "unix:@{name}"),
            LocalAddress::Unix(None) => f.write_str("a socket without a name"),
        }
    }
}

/// Which connections an unspecified address of IPv6 takes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Families {
    /// Those of IPv4 as well.
    Both,
    /// Its own: IPv4 is listened on besides.
    Ipv6,
}

/// Listens on an address.
pub fn tcp(
    address: SocketAddr,
    families: Families,
    send_buffer_bytes: usize,
) -> io::Result<Listener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_nonblocking(true)?;
    // A restart must not wait for the old connections' last packets to die out.
    socket.set_reuse_address(true)?;
    prepare(SockRef::from(&socket), send_buffer_bytes)?;
    if address.is_ipv6() && address.ip().is_unspecified() {
        // What the system does unless told differs.
        socket.set_only_v6(families == Families::Ipv6)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(Listener {
        socket: Domained::Tcp(TcpListener::from_std(socket.into())),
        _file: None,
    })
}

/// What is set here, each socket accepted from a TCP listener inherits: that spares every one of
/// them the system calls.
fn prepare(socket: SockRef, send_buffer_bytes: usize) -> io::Result<()> {
    // What is written is meant to leave: turns batch already.
    socket.set_tcp_nodelay(true)?;
    socket.set_send_buffer_size(send_buffer_bytes)
}

/// Listens on a path. A socket that a killed relay left there is replaced; one that is listened on, or
/// what is no socket, is an error.
pub fn unix(path: &Path, mode: u32, send_buffer_bytes: usize) -> io::Result<Listener> {
    let socket = match bind_unix(path, mode) {
        Err(error) if error.kind() == ErrorKind::AddrInUse && is_stale(path)? => {
            fs::remove_file(path)?;
            bind_unix(path, mode)?
        }
        bound => bound?,
    };
    let file = SocketFile::of(path)?;
    socket.listen(BACKLOG)?;
    Ok(Listener {
        socket: Domained::Unix(OwnedFd::from(socket).into(), send_buffer_bytes),
        _file: Some(file),
    })
}

/// Listens on a name that stands in no file system: it goes with the socket, and has no mode.
pub fn unix_abstract(name: &str, send_buffer_bytes: usize) -> io::Result<Listener> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::unix(format!("\0{name}"))?)?;
    socket.listen(BACKLOG)?;
    Ok(Listener {
        socket: Domained::Unix(OwnedFd::from(socket).into(), send_buffer_bytes),
        _file: None,
    })
}

/// The name of a socket that stands in no file system.
#[cfg(target_os = "linux")]
fn abstract_name(address: &std::os::unix::net::SocketAddr) -> Option<String> {
    use std::os::linux::net::SocketAddrExt;
    let name = address.as_abstract_name()?;
    Some(String::from_utf8_lossy(name).into_owned())
}

/// Here there is none.
#[cfg(not(target_os = "linux"))]
fn abstract_name(_: &std::os::unix::net::SocketAddr) -> Option<String> {
    None
}

fn bind_unix(path: &Path, mode: u32) -> io::Result<Socket> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    // Before it has a name, so that it never stands open to more than it should; where this is
    // heeded, the process's mask still applies.
    let socket = File::from(OwnedFd::from(socket));
    let _ = socket.set_permissions(Permissions::from_mode(mode));
    let socket = Socket::from(OwnedFd::from(socket));
    socket.bind(&SockAddr::unix(path)?)?;
    fs::set_permissions(path, Permissions::from_mode(mode))?;
    Ok(socket)
}

/// Whether the socket at that path is no longer listened on.
fn is_stale(path: &Path) -> io::Result<bool> {
    if !fs::symlink_metadata(path)?.file_type().is_socket() {
        let why = "there is something that is no socket";
        return Err(io::Error::new(ErrorKind::AlreadyExists, why));
    }
    let probe = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // A listener with a full backlog is there all the same.
    probe.set_nonblocking(true)?;
    let answer = probe.connect(&SockAddr::unix(path)?);
    Ok(answer.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused))
}

/// A socket's name in the file system, which is removed with it, unless it has become another's.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl SocketFile {
    fn of(path: &Path) -> io::Result<Self> {
        let metadata = fs::symlink_metadata(path)?;
        Ok(SocketFile {
            path: path.to_owned(),
            device: metadata.dev(),
            inode: metadata.ino(),
        })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let is_ours = fs::symlink_metadata(&self.path)
            .is_ok_and(|metadata| (metadata.dev(), metadata.ino()) == (self.device, self.inode));
        if is_ours {
            // If it stays, the next relay finds out that nothing answers there.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// The sockets that the service manager handed over to this process (`LISTEN_FDS`), in its order.
/// It does so once: asked again, there are none.
pub fn inherited(send_buffer_bytes: usize) -> io::Result<Vec<Listener>> {
    let mut sockets = ListenFd::from_env();
    (0..sockets.len())
        .map(|index| {
            let socket = inherit(&mut sockets, index, send_buffer_bytes).map_err(|error| {
                io::Error::new(error.kind(), format!("number {index}: {error}"))
            })?;
            Ok(Listener {
                socket,
                _file: None,
            })
        })
        .collect()
}

#[cfg(not(target_vendor = "apple"))]
fn listens(socket: impl AsFd) -> io::Result<bool> {
    Ok(rustix::net::sockopt::socket_acceptconn(socket)?)
}

/// This kernel does not tell.
#[cfg(target_vendor = "apple")]
fn listens(_: impl AsFd) -> io::Result<bool> {
    Ok(true)
}

/// Whether the service manager handed over sockets that [`inherited`] did not take.
#[must_use]
pub fn is_handed_over() -> bool {
    let pid = env::var("LISTEN_PID").ok().and_then(|pid| pid.parse().ok());
    pid == Some(process::id()) && env::var_os("LISTEN_FDS").is_some()
}

fn inherit(sockets: &mut ListenFd, index: usize, send_buffer_bytes: usize) -> io::Result<Domained> {
    let refused = |why| Err(io::Error::new(ErrorKind::InvalidInput, why));
    if let Ok(Some(socket)) = sockets.take_tcp_listener(index) {
        if !listens(&socket)? {
            return refused("a TCP socket that does not listen (is Accept=yes set?)");
        }
        socket.set_nonblocking(true)?;
        prepare(SockRef::from(&socket), send_buffer_bytes)?;
        return Ok(Domained::Tcp(TcpListener::from_std(socket)));
    }
    if let Ok(Some(socket)) = sockets.take_unix_listener(index) {
        if !listens(&socket)? {
            return refused("a Unix socket that does not listen (is Accept=yes set?)");
        }
        socket.set_nonblocking(true)?;
        return Ok(Domained::Unix(
            UnixListener::from_std(socket),
            send_buffer_bytes,
        ));
    }
    refused("no stream socket")
}

impl Listener {
    /// Where it is reached.
    pub fn local_address(&self) -> io::Result<LocalAddress> {
        Ok(match &self.socket {
            Domained::Tcp(listener) => LocalAddress::Tcp(listener.local_addr()?),
            Domained::Unix(listener, _) => {
                let address = listener.local_addr()?;
                match abstract_name(&address) {
                    Some(name) => LocalAddress::Abstract(name),
                    None => LocalAddress::Unix(address.as_pathname().map(Path::to_owned)),
                }
            }
        })
    }

    /// Accepts once.
    pub(super) fn accept(&self) -> io::Result<(Stream, Option<SocketAddr>)> {
        let (socket, peer) = match &self.socket {
            Domained::Tcp(listener) => {
                let (socket, address) = listener.accept()?;
                (OwnedFd::from(socket), Some(address))
            }
            Domained::Unix(listener, send_buffer_bytes) => {
                let socket = OwnedFd::from(listener.accept()?.0);
                set_socket_send_buffer_size(&socket, *send_buffer_bytes)?;
                (socket, None)
            }
        };
        Ok((socket.into(), peer))
    }

    fn source(&mut self) -> &mut dyn Source {
        match &mut self.socket {
            Domained::Tcp(listener) => listener,
            Domained::Unix(listener, _) => listener,
        }
    }
}

impl Source for Listener {
    fn register(
        &mut self,
        registry: &Registry,
        token: Token,
        interests: Interest,
    ) -> io::Result<()> {
        self.source().register(registry, token, interests)
    }

    fn reregister(
        &mut self,
        registry: &Registry,
        token: Token,
        interests: Interest,
    ) -> io::Result<()> {
        self.source().reregister(registry, token, interests)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        self.source().deregister(registry)
    }
}
