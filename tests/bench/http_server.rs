//! A small server that is published to by request, sends server-sent events, and can go wrong on purpose.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// How the server answers, and what it does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Conduct {
    /// Plainly: lines end with LF, bodies have a length.
    Plain,
    /// As freely as it may: all bodies are chunked, lines end with CR, there are comments, and events that are no
    /// messages.
    Free,
    /// Lines end with CRLF, and data comes in several lines where a message has them.
    CarriageReturns,
    /// Every tenth response announces the end of its connection.
    Announces,
    /// Connections end after ten requests, unannounced.
    HangsUp,
    /// Connections end in the middle of the tenth response.
    Breaks,
    /// Every tenth message is refused.
    Refuses,
    /// All messages are refused.
    RefusesAll,
    /// From the tenth request on, there is no answer.
    FallsSilent,
    /// What it answers with is not HTTP.
    AnswersNoHttp,
    /// Every tenth message goes to no reader.
    Drops,
    /// Messages are said to be binary, and are.
    SendsBinary,
    /// Messages are said to be binary, and are not in base64.
    SendsNoBase64,
    /// Streams end after ten messages.
    EndsStreams,
    /// A stream is a page.
    AnswersPage,
}

/// A request that has come.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) line: String,
    pub(crate) headers: Vec<String>,
    pub(crate) body: Vec<u8>,
}

/// A server that runs as long as the test does.
pub(crate) struct HttpServer {
    pub(crate) address: SocketAddr,
    hub: Arc<Mutex<Hub>>,
}

struct Hub {
    conduct: Conduct,
    readers: Vec<TcpStream>,
    messages: u64,
    requests: Vec<Request>,
    connections: u64,
}

impl HttpServer {
    pub(crate) fn start(conduct: Conduct) -> HttpServer {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let hub = Arc::new(Mutex::new(Hub {
            conduct,
            readers: Vec::new(),
            messages: 0,
            requests: Vec::new(),
            connections: 0,
        }));
        let shared = Arc::clone(&hub);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let hub = Arc::clone(&shared);
                // A client that leaves in the middle is no failure of the test.
                thread::spawn(move || drop(serve(stream, conduct, &hub)));
            }
        });
        HttpServer { address, hub }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/topic", self.address)
    }

    /// Requests that published.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.hub.lock().expect("no thread panics").requests.clone()
    }

    /// Connections over which requests came.
    pub(crate) fn connections(&self) -> u64 {
        self.hub.lock().expect("no thread panics").connections
    }
}

fn serve(stream: TcpStream, conduct: Conduct, hub: &Mutex<Hub>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_write_timeout(Some(Duration::from_secs(30)))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut writer = stream;
    let mut count = 0;
    while let Some(request) = read_request(&mut reader)? {
        count += 1;
        let is_tenth = count % 10 == 0;
        if request.line.starts_with("GET") {
            return begin_stream(writer, &request, conduct, hub);
        }
        let closes = request.has("Connection: close") || conduct == Conduct::Announces && is_tenth;
        let mut hub = hub.lock().expect("no thread panics");
        hub.connections += u64::from(count == 1);
        hub.requests.push(request.clone());
        let is_refused = conduct == Conduct::RefusesAll || conduct == Conduct::Refuses && is_tenth;
        if !is_refused {
            hub.publish(&request.body);
        }
        drop(hub);
        match conduct {
            Conduct::AnswersNoHttp => return writer.write_all(b"SSH-2.0-OpenSSH_9.6\r\n"),
            Conduct::FallsSilent if count >= 10 => continue,
            Conduct::Breaks if is_tenth => {
                return writer.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhal");
            }
            _ => {}
        }
        let (status, body) = match is_refused {
            true => ("429 Too Many Requests", "slow\x07 down\n"),
            false => ("200 OK", "{}"),
        };
        let closing = if closes { "Connection: close\r\n" } else { "" };
        let framed = match conduct {
            Conduct::Free => {
                let length = body.len();
                format!(
                    "Transfer-Encoding: chunked\r\n\r\n{length:x};a=b\r\n{body}\r\n0\r\nX: y\r\n\r\n"
                )
            }
            _ => format!("Content-Length: {}\r\n\r\n{body}", body.len()),
        };
        let response = format!("HTTP/1.1 {status}\r\n{closing}{framed}");
        writer.write_all(response.as_bytes())?;
        if closes || conduct == Conduct::HangsUp && is_tenth {
            // What was sent meanwhile is read, or the end would be a reset.
            writer.shutdown(Shutdown::Write)?;
            return io::copy(&mut reader, &mut io::sink()).map(drop);
        }
    }
    Ok(())
}

fn begin_stream(
    mut writer: TcpStream,
    request: &Request,
    conduct: Conduct,
    hub: &Mutex<Hub>,
) -> io::Result<()> {
    if conduct == Conduct::AnswersPage || !request.has("Accept: text/event-stream") {
        return writer.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\nhi");
    }
    // A client that has the answer is a reader already.
    let mut hub = hub.lock().expect("no thread panics");
    let coding = match conduct {
        Conduct::Free => "Transfer-Encoding: chunked\r\n",
        _ => "",
    };
    write!(
        writer,
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n{coding}\r\n"
    )?;
    writer.write_all(&framed(conduct, "retry: 2000\nid: k3f9x2a-7\n\n"))?;
    hub.readers.push(writer);
    Ok(())
}

/// As a piece of the body of a response.
fn framed(conduct: Conduct, events: &str) -> Vec<u8> {
    match conduct {
        Conduct::Free => {
            let events = format!(": one\n{events}event: gap\ndata: {{}}\n\n").replace('\n', "\r");
            let (first, second) = events.split_at(events.len() / 2);
            let chunk = |piece: &str| format!("{:x}\r\n{piece}\r\n", piece.len());
            (chunk(first) + &chunk(second)).into_bytes()
        }
        Conduct::CarriageReturns => events.replace('\n', "\r\n").into_bytes(),
        _ => events.as_bytes().to_vec(),
    }
}

fn read_request(reader: &mut impl BufRead) -> io::Result<Option<Request>> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let line = lines.remove(0);
    let length = lines
        .iter()
        .find_map(|line| line.strip_prefix("Content-Length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().expect("a number"))];
    reader.read_exact(&mut body)?;
    Ok(Some(Request {
        line,
        headers: lines,
        body,
    }))
}

impl Request {
    pub(crate) fn has(&self, header: &str) -> bool {
        self.headers.iter().any(|line| line == header)
    }
}

impl Hub {
    fn publish(&mut self, body: &[u8]) {
        self.messages += 1;
        let is_tenth = self.messages.is_multiple_of(10);
        if self.conduct == Conduct::Drops && is_tenth {
            return;
        }
        let id = self.messages;
        let text = String::from_utf8_lossy(body);
        let event = match self.conduct {
            Conduct::SendsBinary => {
                use base64::Engine;
                let data = base64::prelude::BASE64_STANDARD.encode(body);
                format!("event: binary\nid: k3f9x2a-{id}\ndata: {data}\n\n")
            }
            Conduct::SendsNoBase64 => format!("event: binary\ndata: -{text}\n\n"),
            _ => format!("id: k3f9x2a-{id}\ndata: {text}\n\n"),
        };
        let bytes = framed(self.conduct, &event);
        // A client that has left does not matter.
        self.readers
            .retain_mut(|reader| reader.write_all(&bytes).is_ok());
        if self.conduct == Conduct::EndsStreams && is_tenth {
            for reader in self.readers.drain(..) {
                let _ = reader.shutdown(Shutdown::Write);
            }
        }
    }
}
