//! No server at all: a child process holds the sockets, and only hands the bytes of the frames to `send()`, one
//! call for each socket. The client reads them like those of a server. That is what a delivery costs before a
//! relay has done anything, and what every relay is compared with.
//!
//! A round is as many frames as are to be outstanding. Their bytes come to the child by its standard
//! input, a length ahead, as a relay reads what is published; the next round comes when every
//! reader has this one.

use super::client_loop::ClientLoop;
use super::clock;
use super::failure::Failure;
use super::links::OpenOptions;
use super::opening::RequestOptions;
use super::options::{LimitOptions, SenderOptions};
use super::output::print;
use super::probe::{Pid, Probe};
use super::report::{Document, count_of};
use super::rooms::{Outlet, Plan, Rooms};
use super::route::{Protocol, Route};
use super::run::Run;
use super::script::{Script, run_tag};
use super::watch::{Watch, ignore_signals};
use crate::proto::{Head, HeadScanner, handshake};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::process::{Child, Command, Stdio};

/// This program's request heads are far shorter.
const HEAD_BYTES_MAX: usize = 4096;
/// Opening handshakes at a time; the sender answers one after the other.
const IN_FLIGHT_MAX: usize = 64;
/// What the sender waits for.
const LISTENER: Token = Token(0);
const INPUT: Token = Token(1);
/// The sender never takes so long.
const TIMEOUT: u64 = 10 * clock::SECOND;

/// The child, which must not outlive this process.
struct Sender(Child);

impl Drop for Sender {
    fn drop(&mut self) {
        // It may have ended by itself, which is fine.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `fanfare bench limit`
pub(super) fn run(options: &LimitOptions) -> Result<Document, Failure> {
    options.check()?;
    let mut child = Command::new(std::env::current_exe()?)
        .args(["bench", "sender", "--readers", &options.readers.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(Failure::new("the sender has no pipes"));
    };
    let sender = Sender(child);
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line)?;
    let port: u16 = line
        .trim()
        .parse()
        .map_err(|_| Failure::new("the sender did not start"))?;
    let url = format!("ws://127.0.0.1:{port}/");
    let route = Route::new(
        url.parse().map_err(Failure::new)?,
        (Ipv4Addr::LOCALHOST, port).into(),
    );
    let script = Script::of(&options.message, false, run_tag());
    let mut client_loop = ClientLoop::new(OpenOptions {
        sources: options.source.clone(),
        in_flight_max: IN_FLIGHT_MAX,
        timeout: TIMEOUT,
        request: RequestOptions::default(),
    })?;
    for _ in 0..options.readers {
        client_loop.links.open(route.clone());
    }
    let rooms = Rooms::new(
        script,
        Plan {
            rooms: 1,
            readers: options.readers,
            outlet: Outlet::Pipe(input),
            v1: false,
            reading: Protocol::WebSocket,
        },
    );
    let title = format!(
        "no server, send() to {}, {} a call, {}",
        count_of(options.readers, "socket"),
        count_of(options.window, "frame"),
        options.message.title(),
    );
    let probe = Probe {
        pids: vec![Pid(sender.0.id())],
        tree: false,
        workers: Vec::new(),
    };
    let watch = Watch::new(options.report.quiet)?;
    let run = Run::new(client_loop, rooms, probe, watch, options.window, TIMEOUT);
    let document = Document::begin(&options.report, "limit", title, options);
    run.closed_loop(document, &options.length)
}

/// `fanfare bench sender`: accepts this many connections, prints its port, and sends what it reads from
/// standard input to all of them, until that ends.
pub(super) fn run_sender(options: &SenderOptions) -> Result<(), Failure> {
    ignore_signals()?;
    let mut incoming = Incoming::open()?;
    print(format!("{}\n", incoming.listener.local_addr()?.port()).as_bytes())?;
    let mut sockets = Vec::new();
    for _ in 0..options.readers {
        let Some(mut socket) = incoming.next()? else {
            return Ok(());
        };
        socket.set_nodelay(true)?;
        if !shake_hands(&mut socket)? {
            return Ok(());
        }
        sockets.push(socket);
    }
    let mut input = io::stdin().lock();
    let mut round = Vec::new();
    loop {
        let mut length = [0; size_of::<u32>()];
        if input.read_exact(&mut length).is_err() {
            return Ok(());
        }
        round.resize(u32::from_le_bytes(length) as usize, 0);
        input.read_exact(&mut round)?;
        for socket in &mut sockets {
            socket.write_all(&round)?;
        }
    }
}

/// Accepts connections, unless standard input becomes readable first: before all of them have come, it can only
/// have ended.
struct Incoming {
    listener: TcpListener,
    poll: Poll,
    events: Events,
}

impl Incoming {
    fn open() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let poll = Poll::new()?;
        let sources = [
            (&listener.as_raw_fd(), LISTENER),
            (&io::stdin().as_raw_fd(), INPUT),
        ];
        for (descriptor, token) in sources {
            let mut source = SourceFd(descriptor);
            poll.registry()
                .register(&mut source, token, Interest::READABLE)?;
        }
        Ok(Incoming {
            listener,
            poll,
            events: Events::with_capacity(2),
        })
    }

    /// The next connection, or none if the run has ended meanwhile.
    fn next(&mut self) -> io::Result<Option<TcpStream>> {
        loop {
            match self.listener.accept() {
                Ok((socket, _)) => {
                    socket.set_nonblocking(false)?;
                    return Ok(Some(socket));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
            match self.poll.poll(&mut self.events, None) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            if self.events.iter().any(|event| event.token() == INPUT) {
                return Ok(None);
            }
        }
    }
}

/// False if the client has left.
fn shake_hands(socket: &mut TcpStream) -> Result<bool, Failure> {
    let mut scanner = HeadScanner::default();
    let mut request = Vec::new();
    let end = loop {
        let mut bytes = [0; 1024];
        let count = socket.read(&mut bytes)?;
        if count == 0 {
            return Ok(false);
        }
        request.extend_from_slice(&bytes[..count]);
        let scanned = scanner.scan(&request, HEAD_BYTES_MAX);
        if let Some(end) = scanned.map_err(Failure::new)? {
            break end;
        }
    };
    let head = Head::parse(&request[..end]).map_err(Failure::new)?;
    let upgrade = handshake::check(&head).map_err(Failure::new)?;
    let mut response = Vec::new();
    upgrade.write_response(None, None, &mut response);
    socket.write_all(&response)?;
    Ok(true)
}
