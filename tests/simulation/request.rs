//! Requests, good and bad, and what each is to be answered with.

use crate::random::Random;
use crate::tap::KEY;
use fanfare::http::{File, Site};
use fanfare::proto::handshake::Request as Handshake;
use fanfare::relay::Limits;

/// What a request is to be answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// 101, or 503 where there is no place.
    Upgrade,
    /// 200.
    Page {
        keep_alive: bool,
        /// The page, unless it has no body, or one that is not known here.
        body: Option<Page>,
    },
    /// 200, or 503 once the relay goes down.
    Readiness { keep_alive: bool },
    /// An error, and the end.
    Error(u16),
}

/// A request as it is sent.
pub(crate) struct Request {
    pub(crate) bytes: Vec<u8>,
    /// This many bytes of it suffice to know the answer.
    pub(crate) judged_at: usize,
    pub(crate) answer: Answer,
    pub(crate) head_only: bool,
}

impl Request {
    fn new(text: String, answer: Answer) -> Self {
        Request {
            judged_at: text.len(),
            head_only: text.starts_with("HEAD"),
            bytes: text.into_bytes(),
            answer,
        }
    }
}

/// A page, by its place among those that are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Page(usize);

/// A body that is all of one byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Body {
    pub(crate) byte: u8,
    pub(crate) bytes: usize,
}

/// Pages, of which one leaves in several writes, and their sizes.
const PAGES: [(&str, &str, usize); 3] = [
    ("/", "index.html", 500),
    ("/app.js", "app.js", 150_000),
    ("/style.css", "style.css", 0),
];

impl Page {
    /// What it is in the files that are served, which change with each reload.
    pub(crate) fn body(self, site: usize) -> Body {
        let (_, _, bytes) = PAGES[self.0];
        Body {
            byte: b'a' + (site % 26) as u8,
            bytes: if bytes == 0 { 0 } else { bytes + site },
        }
    }
}

/// The files that are served at first, or after this many reloads.
pub(crate) fn site(number: usize) -> Site {
    let pages = (0..PAGES.len()).map(Page);
    Site::new(pages.map(|page| {
        let Body { byte, bytes } = page.body(number);
        File {
            path: PAGES[page.0].1.into(),
            body: vec![byte; bytes].into(),
            modified: None,
        }
    }))
}

/// A topic's name.
pub(crate) fn topic_name(topic: usize) -> String {
    match topic {
        0 => "lobby".into(),
        _ => format!("topic {topic}"),
    }
}

/// Joins a topic, and offers compression with a window of this many bits; a proxy may bring it.
pub(crate) fn upgrade(
    (topic, echo, wishes): (usize, bool, &[String]),
    speaks_v1: bool,
    window_bits: Option<u32>,
    forwarded: Option<&str>,
    random: &mut Random,
) -> Request {
    let path = match topic {
        0 => "/ws".to_owned(),
        _ => format!("/ws/topic%20{topic}"),
    };
    let mut query: Vec<&str> = wishes.iter().map(|wish| &wish[..]).collect();
    query.extend((topic > 0 && !echo).then_some("a=b"));
    query.extend((!echo).then_some("echo=0"));
    let target = match &query[..] {
        [] => path,
        query => format!("{path}?{}", query.join("&")),
    };
    let mut bytes = Vec::new();
    let offer = window_bits.map(|bits| match random.below(3) {
        0 => format!("permessage-bzip2, permessage-deflate; server_max_window_bits={bits}"),
        _ => format!("permessage-deflate; server_max_window_bits={bits}"),
    });
    let mut headers = Vec::new();
    headers.extend(forwarded.map(|line| ("X-Forwarded-For", line)));
    if random.once_in(2) {
        headers.push(("User-Agent", "a client"));
    }
    headers.extend(
        offer
            .iter()
            .map(|offer| ("Sec-WebSocket-Extensions", &offer[..])),
    );
    let handshake = Handshake {
        headers: &headers,
        subprotocols: if speaks_v1 {
            &["other", "fanfare.v1"]
        } else {
            &[]
        },
        ..Handshake::new("sim", &target, KEY)
    };
    handshake.write(&mut bytes).expect("a request in order");
    Request {
        judged_at: bytes.len(),
        bytes,
        answer: Answer::Upgrade,
        head_only: false,
    }
}

/// Looks at a page.
pub(crate) fn page(forwarded: Option<&str>, random: &mut Random) -> Request {
    let method = random.pick(&["GET", "GET", "HEAD"]);
    let page = random.below(PAGES.len());
    let path = PAGES[page].0;
    let forwarded = forwarded.map(|line| format!("X-Forwarded-For: {line}\r\n"));
    let forwarded = forwarded.unwrap_or_default();
    let keep_alive = !random.once_in(4);
    let connection = if keep_alive {
        ""
    } else {
        "Connection: close\r\n"
    };
    Request::new(
        format!("{method} {path} HTTP/1.1\r\nHost: sim\r\n{forwarded}{connection}\r\n"),
        Answer::Page {
            keep_alive,
            body: (method == "GET").then_some(Page(page)),
        },
    )
}

/// What an operator asks for.
pub(crate) fn operator(random: &mut Random) -> Request {
    let keep_alive = !random.once_in(4);
    let page = Answer::Page {
        keep_alive,
        body: None,
    };
    let (path, answer) = match random.below(8) {
        0 => ("/", page),
        1 => ("/healthz", page),
        2 => ("/metrics", page),
        3 => ("/topics", page),
        4 => ("/topics?topic=lobby", page),
        5 => ("/nothing", Answer::Error(404)),
        6 => ("/ws", Answer::Error(404)),
        _ => ("/readyz", Answer::Readiness { keep_alive }),
    };
    let connection = if keep_alive {
        ""
    } else {
        "Connection: close\r\n"
    };
    Request::new(
        format!("GET {path} HTTP/1.1\r\nHost: sim\r\n{connection}\r\n"),
        answer,
    )
}

/// Something that is no good request.
pub(crate) fn bad(random: &mut Random, limits: &Limits) -> Request {
    let upgrade = format!(
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: {KEY}\r\n"
    );
    let (text, status) = match random.below(9) {
        0 => (
            "GET / HTTP/1.1\r\nHost: sim\r\n\r\n".replace("Host", "Toast"),
            400,
        ),
        1 => ("GET /nothing HTTP/1.1\r\nHost: sim\r\n\r\n".into(), 404),
        2 => ("DELETE /ws HTTP/1.1\r\nHost: sim\r\n\r\n".into(), 405),
        3 => ("PUT / HTTP/1.1\r\nHost: sim\r\n\r\n".into(), 405),
        4 => ("GET /ws HTTP/1.1\r\nHost: sim\r\n\r\n".into(), 426),
        5 => (
            format!("GET /ws/ HTTP/1.1\r\nHost: sim\r\n{upgrade}\r\n"),
            400,
        ),
        6 => (
            format!("GET /ws HTTP/1.1\r\nHost: sim\r\nOrigin: http://elsewhere\r\n{upgrade}\r\n"),
            403,
        ),
        7 => return head_too_long(limits),
        _ => {
            // The control character is wrong by itself; nothing else need come.
            let mut request =
                Request::new("GET / HTTP/1.1\r\nHost: \0\r\n".into(), Answer::Error(400));
            request.judged_at = request.bytes.len() - 2;
            return request;
        }
    };
    Request::new(text, Answer::Error(status))
}

fn head_too_long(limits: &Limits) -> Request {
    let mut text = "GET / HTTP/1.1\r\nHost: sim\r\nX: ".to_owned();
    text.push_str(&"x".repeat(limits.head_bytes_max + 100));
    Request {
        judged_at: limits.head_bytes_max,
        ..Request::new(text, Answer::Error(431))
    }
}

/// The beginning of a request whose end never comes; sometimes nothing at all.
pub(crate) fn write_partial(out: &mut Vec<u8>, random: &mut Random) {
    let head = b"GET /ws HTTP/1.1\r\nHost: sim\r\nUpgrade: websocket\r\nConnection: Upgr";
    out.extend_from_slice(&head[..random.below(head.len())]);
}
