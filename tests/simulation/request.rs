//! Requests, good and bad, and what each is to be answered with.

use crate::random::Random;
use crate::tap::KEY;
use fanfare::proto::handshake::Request as Handshake;
use fanfare::relay::Limits;

/// What a request is to be answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// 101, or 503 where there is no place.
    Upgrade,
    /// 200.
    Page { keep_alive: bool },
    /// An error, and the end.
    Error(u16),
}

/// A request as it is sent.
pub(crate) struct Request {
    pub(crate) bytes: Vec<u8>,
    /// So many bytes of it suffice to know the answer.
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

/// Joins a topic, and offers compression with a window of so many bits.
pub(crate) fn upgrade(
    topic: usize,
    echo: bool,
    window_bits: Option<u32>,
    random: &mut Random,
) -> Request {
    let target = match (topic, echo) {
        (0, true) => "/ws".to_owned(),
        (0, false) => "/ws?echo=0".to_owned(),
        (_, true) => format!("/ws/topic%20{topic}"),
        (_, false) => format!("/ws/topic%20{topic}?a=b&echo=0"),
    };
    let mut bytes = Vec::new();
    let offer = window_bits.map(|bits| match random.below(3) {
        0 => format!("permessage-bzip2, permessage-deflate; server_max_window_bits={bits}"),
        _ => format!("permessage-deflate; server_max_window_bits={bits}"),
    });
    let mut headers = Vec::new();
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
pub(crate) fn page(random: &mut Random) -> Request {
    let method = random.pick(&["GET", "GET", "HEAD"]);
    let path = random.pick(&["/", "/app.js", "/style.css"]);
    let keep_alive = !random.once_in(4);
    let connection = if keep_alive {
        ""
    } else {
        "Connection: close\r\n"
    };
    Request::new(
        format!("{method} {path} HTTP/1.1\r\nHost: sim\r\n{connection}\r\n"),
        Answer::Page { keep_alive },
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
        2 => ("POST /ws HTTP/1.1\r\nHost: sim\r\n\r\n".into(), 405),
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
