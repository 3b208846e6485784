//! Listening sockets.

use mio::net::TcpListener;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::SocketAddr;

/// Connections that the kernel completes before they are accepted. A burst of clients that
/// reconnect is larger than the usual 128; the kernel lowers it to `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

/// Listens on an address. What is set here, each accepted socket inherits: that spares every one
/// of them the system calls.
pub fn listen(address: SocketAddr, send_buffer_bytes: usize) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_nonblocking(true)?;
    // A restart must not wait for the old connections' last packets to die out.
    socket.set_reuse_address(true)?;
    // What is written is meant to leave: turns batch already.
    socket.set_tcp_nodelay(true)?;
    socket.set_send_buffer_size(send_buffer_bytes)?;
    if address.is_ipv6() && address.ip().is_unspecified() {
        // `[::]` means every address, IPv4 as well.
        socket.set_only_v6(false)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(TcpListener::from_std(socket.into()))
}
