//! A small broadcast server that can go wrong on purpose.

use fanfare::proto::handshake;
use fanfare::proto::{Event, FrameHeader, Gather, Head, HeadScanner, OpCode, Role, Session};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What the server does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// Every tenth message goes to no client.
    Drops,
    /// Every tenth message goes out twice.
    Duplicates,
    /// Every tenth message goes out after the next one.
    Swaps,
    /// A byte of every tenth message is another one.
    Corrupts,
    /// Every tenth message is a byte short.
    Shortens,
    /// Every message becomes text.
    Retypes,
    /// Every tenth message is one that no client sent.
    Invents,
    /// Frames are masked.
    Masks,
    /// The answer to the key is that to another one.
    WrongAcceptKey,
    /// Connections are closed after ten messages.
    ClosesEarly,
    /// Connections end after ten messages, without a close frame.
    EndsEarly,
    /// Connections are reset after ten messages.
    Resets,
    /// The answer is a page.
    AnswersPage,
    /// The answer is not HTTP.
    AnswersNoHttp,
    /// No answer ever comes.
    NeverAnswers,
    /// From the tenth message on, nothing is passed on.
    FallsSilent,
    /// The connection ends before the answer.
    HangsUp,
    /// All is well, but fragmented, and with pings in between.
    Fragments,
    /// `fanfare.v1` is spoken, but what a client missed is neither sent nor told.
    Forgets,
}

/// A server that runs as long as the test does.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    published: Arc<AtomicU64>,
    accepted: Arc<AtomicU64>,
    hub: Arc<Mutex<Hub>>,
}

struct Hub {
    fault: Fault,
    members: Vec<TcpStream>,
    messages: u64,
    /// A message that is to go out after the next one.
    held_back: Option<Vec<u8>>,
    /// What each request was for.
    hosts: Vec<String>,
}

impl Server {
    pub(crate) fn start(fault: Fault) -> Server {
        Server::start_on(
            TcpListener::bind("127.0.0.1:0").expect("a free port"),
            fault,
        )
    }

    pub(crate) fn start_on(listener: TcpListener, fault: Fault) -> Server {
        let address = listener.local_addr().expect("it is bound");
        let published = Arc::new(AtomicU64::new(0));
        let accepted = Arc::new(AtomicU64::new(0));
        let (counter, connections) = (Arc::clone(&published), Arc::clone(&accepted));
        let hub = Arc::new(Mutex::new(Hub {
            fault,
            members: Vec::new(),
            messages: 0,
            held_back: None,
            hosts: Vec::new(),
        }));
        let shared = Arc::clone(&hub);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                connections.fetch_add(1, Ordering::Relaxed);
                let (hub, counter) = (Arc::clone(&hub), Arc::clone(&counter));
                // A client that leaves in the middle is no failure of the test.
                thread::spawn(move || drop(serve(stream, fault, &hub, &counter)));
            }
        });
        Server {
            address,
            published,
            accepted,
            hub: shared,
        }
    }

    /// The Host headers of all that joined.
    pub(crate) fn hosts(&self) -> Vec<String> {
        self.hub.lock().expect("no thread panics").hosts.clone()
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://{}/", self.address)
    }

    /// Connections that came to the server so far.
    pub(crate) fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Messages that came to the server so far.
    pub(crate) fn published(&self) -> u64 {
        self.published.load(Ordering::Relaxed)
    }
}

fn serve(
    mut stream: TcpStream,
    fault: Fault,
    hub: &Mutex<Hub>,
    counter: &AtomicU64,
) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_write_timeout(Some(Duration::from_secs(30)))?;
    let (key, host) = read_request(&mut stream)?;
    match fault {
        Fault::AnswersPage => {
            return stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
        }
        Fault::AnswersNoHttp => return stream.write_all(b"SSH-2.0-OpenSSH_9.6\r\n"),
        Fault::NeverAnswers => return stream.read_to_end(&mut Vec::new()).map(drop),
        Fault::HangsUp => return Ok(()),
        _ => {}
    }
    let accept = match fault {
        Fault::WrongAcceptKey => handshake::accept_key("x3JJHMbDL1EzLkh9GBhXDw=="),
        _ => handshake::accept_key(&key),
    };
    let accept = String::from_utf8_lossy(&accept).into_owned();
    // A client that has the answer is a member already.
    let mut members = hub.lock().expect("no thread panics");
    write!(
        stream,
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n"
    )?;
    if fault == Fault::Forgets {
        stream.write_all(b"Sec-WebSocket-Protocol: fanfare.v1\r\n\r\n")?;
        let id = format!("k3f9x2a-{}", members.messages);
        let welcome = format!(r#"{{"fanfare":1,"mark":"\u001emark","topic":"t","id":"{id}"}}"#);
        stream.write_all(&frame(OpCode::Text, welcome.as_bytes()))?;
    } else {
        stream.write_all(b"\r\n")?;
    }
    members.members.push(stream.try_clone()?);
    members.hosts.push(host);
    drop(members);

    let mut session = Session::new(Role::Server);
    let mut gather = Gather::default();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let count = stream.read(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        let mut rest = &mut buffer[..count];
        while !rest.is_empty() {
            let received = session
                .receive(rest, 1 << 20)
                .map_err(std::io::Error::other)?;
            let consumed = received.consumed;
            if let Some(Event::Fragment(fragment)) = received.event
                && let Some(message) = gather.push(fragment)
            {
                counter.fetch_add(1, Ordering::Relaxed);
                let mut hub = hub.lock().expect("no thread panics");
                hub.publish(message.kind.opcode(), message.payload);
            }
            rest = &mut rest[consumed..];
        }
    }
}

/// Returns the key, and the host.
fn read_request(stream: &mut TcpStream) -> std::io::Result<(String, String)> {
    let mut scanner = HeadScanner::default();
    let mut request = Vec::new();
    loop {
        let mut bytes = [0; 1024];
        let count = stream.read(&mut bytes)?;
        request.extend_from_slice(&bytes[..count]);
        let scanned = scanner.scan(&request, 1 << 14);
        if let Some(end) = scanned.map_err(std::io::Error::other)? {
            let head = Head::parse(&request[..end]).map_err(std::io::Error::other)?;
            let only = |name| {
                let value = head.headers.only(name).ok().flatten().unwrap_or_default();
                String::from_utf8_lossy(value).into_owned()
            };
            return Ok((only("Sec-WebSocket-Key"), only("Host")));
        }
        if count == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
}

impl Hub {
    fn publish(&mut self, opcode: OpCode, payload: &[u8]) {
        self.messages += 1;
        let is_tenth = self.messages.is_multiple_of(10);
        let mut payload = payload.to_vec();
        let mut opcode = opcode;
        match self.fault {
            Fault::Drops if is_tenth => return,
            Fault::FallsSilent if self.messages > 10 => return,
            Fault::Corrupts if is_tenth => payload[30] ^= 1,
            Fault::Shortens if is_tenth => drop(payload.pop()),
            Fault::Retypes => opcode = OpCode::Text,
            Fault::Invents if is_tenth => self.send(&frame(opcode, b"who is there?")),
            Fault::ClosesEarly if is_tenth => {
                self.send(b"\x88\x02\x03\xe9");
                return self.end();
            }
            Fault::EndsEarly if is_tenth => return self.end(),
            Fault::Resets if is_tenth => return self.reset(),
            Fault::Fragments => {
                let (first, last) = payload.split_at(20);
                self.send(&fragment(opcode, false, first));
                self.send(b"\x89\x04ping");
                return self.send(&fragment(OpCode::Continuation, true, last));
            }
            _ => {}
        }
        let bytes = match self.fault {
            Fault::Masks => masked(opcode, &payload),
            _ => frame(opcode, &payload),
        };
        if self.fault == Fault::Swaps && is_tenth {
            self.held_back = Some(bytes);
            return;
        }
        self.send(&bytes);
        if let Some(earlier) = self.held_back.take() {
            self.send(&earlier);
        }
        if self.fault == Fault::Duplicates && is_tenth {
            self.send(&bytes);
        }
    }

    fn send(&mut self, bytes: &[u8]) {
        // A client that has left does not matter.
        self.members
            .retain_mut(|member| member.write_all(bytes).is_ok());
    }

    fn end(&mut self) {
        for member in self.members.drain(..) {
            let _ = member.shutdown(std::net::Shutdown::Both);
        }
    }

    /// Connecting a socket to nowhere resets the connection that it has.
    fn reset(&mut self) {
        for member in self.members.drain(..) {
            let _ = rustix::net::connect_unspec(&member);
        }
    }
}

fn frame(opcode: OpCode, payload: &[u8]) -> Vec<u8> {
    fragment(opcode, true, payload)
}

fn fragment(opcode: OpCode, fin: bool, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    Role::Server.write_frame(fin, opcode, payload, &mut out);
    out
}

fn masked(opcode: OpCode, payload: &[u8]) -> Vec<u8> {
    let header = FrameHeader {
        fin: true,
        compressed: false,
        opcode,
        mask: Some([0; 4]),
        payload_bytes: payload.len() as u64,
    };
    [&header.encode()[..], payload].concat()
}
