//! `proto` against an independent implementation, `tungstenite`: the same bytes give the same
//! messages and the same verdict, in either role and either direction. Where we are stricter on
//! purpose, or looser, a test of its own says so.

use std::io::{self, Read, Write};

use fanfare::fuzz::{Said, receive};
use fanfare::proto::handshake::{self, Agreed, Refusal, Request};
use fanfare::proto::http1::RequestRefusal::{Body, Malformed, Missing, Repeated};
use fanfare::proto::{
    CloseCode, CloseFrame, FrameHeader, Head, HeadScanner, MessageKind, OpCode, ProtocolError,
    ResponseHead, Role, Session,
};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use tungstenite::protocol::frame::coding::{Data, OpCode as TheirOpCode};
use tungstenite::protocol::frame::{CloseFrame as TheirCloseFrame, Frame};
use tungstenite::protocol::{Role as TheirRole, WebSocket, WebSocketConfig};
use tungstenite::{Error, Message};

/// Enough for whatever the generators make.
const LIMIT: usize = 1 << 20;

/// How a run of bytes ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// More may come.
    Open,
    /// By a close frame.
    Closed,
    /// By an error with this close code.
    Failed(u16),
}

/// The network, as `tungstenite` sees it: hands out bytes in short reads, then has no more for now;
/// keeps what is written, and may have an answer to it.
struct Wire {
    input: Vec<u8>,
    at: usize,
    read_bytes_max: usize,
    output: Vec<u8>,
    answer: fn(&[u8]) -> Vec<u8>,
}

impl Wire {
    fn new(input: &[u8], read_bytes_max: usize) -> Self {
        Self {
            input: input.to_vec(),
            at: 0,
            read_bytes_max,
            output: Vec::new(),
            answer: |_| Vec::new(),
        }
    }
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.input.len() {
            self.input.extend((self.answer)(&self.output));
        }
        let rest = &self.input[self.at..];
        let bytes = rest.len().min(buffer.len()).min(self.read_bytes_max);
        if bytes == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        buffer[..bytes].copy_from_slice(&rest[..bytes]);
        self.at += bytes;
        Ok(bytes)
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.output.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn peer(role: Role) -> Role {
    match role {
        Role::Server => Role::Client,
        Role::Client => Role::Server,
    }
}

fn their_socket(role: Role, wire: Wire, limit: usize) -> WebSocket<Wire> {
    let config = WebSocketConfig::default()
        .read_buffer_size(4096)
        .max_message_size(Some(limit))
        .max_frame_size(Some(limit));
    let role = match role {
        Role::Server => TheirRole::Server,
        Role::Client => TheirRole::Client,
    };
    WebSocket::from_raw_socket(wire, role, Some(config))
}

/// What `tungstenite` says of `input`.
fn theirs(role: Role, input: &[u8], read_bytes_max: usize, limit: usize) -> (Vec<Said>, End) {
    let mut socket = their_socket(role, Wire::new(input, read_bytes_max), limit);
    let mut said = Vec::new();
    loop {
        said.push(match socket.read() {
            Ok(Message::Text(text)) => Said::Message(MessageKind::Text, text.as_bytes().to_vec()),
            Ok(Message::Binary(bytes)) => Said::Message(MessageKind::Binary, bytes.to_vec()),
            Ok(Message::Ping(payload)) => Said::Ping(payload.to_vec()),
            Ok(Message::Pong(payload)) => Said::Pong(payload.to_vec()),
            Ok(Message::Frame(_)) => unreachable!("reading yields no raw frames"),
            Ok(Message::Close(Some(close))) if close.reason == "Protocol violation" => {
                // What it makes of a close code that must not be sent.
                return (said, End::Failed(1002));
            }
            Ok(Message::Close(close)) => {
                said.push(Said::Close(close.map(|close| {
                    let code = CloseCode::from_u16(close.code.into());
                    (code.expect("a code that we know"), close.reason.to_string())
                })));
                return (said, End::Closed);
            }
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                return (said, End::Open);
            }
            Err(Error::Protocol(_)) => return (said, End::Failed(1002)),
            Err(Error::Utf8(_)) => return (said, End::Failed(1007)),
            Err(Error::Capacity(_)) => return (said, End::Failed(1009)),
            Err(error) => panic!("{error}"),
        });
    }
}

/// What we say of `input`, and the error that it ends with.
fn ours(
    role: Role,
    input: &[u8],
    read_bytes_max: usize,
    limit: usize,
) -> (Vec<Said>, End, Option<ProtocolError>) {
    let (said, error) = receive(role, input, (0..input.len()).step_by(read_bytes_max), limit);
    let end = match (error, said.last()) {
        (Some(error), _) => End::Failed(error.close_code().as_u16()),
        (None, Some(Said::Close(_))) => End::Closed,
        (None, _) => End::Open,
    };
    (said, end, error)
}

/// A frame as `role` would send it, in order or not.
fn frame(role: Role, fin: bool, opcode: OpCode, payload: &[u8]) -> Vec<u8> {
    let mask = (role == Role::Client).then_some([0x37, 0xfa, 0x21, 0x3d]);
    let mut header = FrameHeader {
        fin,
        compressed: false,
        opcode,
        mask,
        payload_bytes: 0,
    }
    .encode()
    .to_vec();
    let first = header[0];
    // Lengths that no header of ours would have are wanted too.
    let long = FrameHeader {
        fin: true,
        compressed: false,
        opcode: OpCode::Binary,
        mask,
        payload_bytes: payload.len() as u64,
    };
    header.splice(.., long.encode().iter().copied());
    header[0] = first;
    let start = header.len();
    header.extend_from_slice(payload);
    if let Some(key) = mask {
        fanfare::proto::mask::apply(&mut header[start..], key);
    }
    header
}

fn any_role() -> impl Strategy<Value = Role> {
    select(vec![Role::Server, Role::Client])
}

fn any_read() -> impl Strategy<Value = usize> {
    select(vec![1, 2, 3, 7, 64, 1000, 1 << 20])
}

fn any_close() -> impl Strategy<Value = Vec<u8>> {
    let code = prop_oneof![
        select(vec![
            0, 999, 1000, 1003, 1004, 1005, 1006, 1007, 1013, 1015, 1016, 2999, 3000, 4999, 5000
        ]),
        any::<u16>().prop_filter("see `one_close_code_more`", |code| *code != 1014),
    ];
    // One fault at a time: with two, each of us names the one that it sees first.
    let bad_code = (code, "[a-zé😀]{0,30}")
        .prop_map(|(code, reason)| [&code.to_be_bytes()[..], reason.as_bytes()].concat());
    let bad_reason = prop::collection::vec(any::<u8>(), 0..10)
        .prop_map(|reason| [&1000_u16.to_be_bytes()[..], &reason].concat());
    let short = prop::collection::vec(any::<u8>(), 0..2);
    prop_oneof![4 => bad_code, 1 => bad_reason, 1 => short]
}

/// Whole frames of the other side, most of them where they belong.
fn any_frames(sender: Role) -> impl Strategy<Value = Vec<u8>> {
    use OpCode::{Binary, Close, Continuation, Ping, Pong, Text};
    let payload = prop_oneof![
        8 => "\\PC{0,40}".prop_map(String::into_bytes),
        2 => prop::collection::vec(any::<u8>(), 0..40),
        1 => (0_usize..70_000).prop_map(|bytes| vec![b'x'; bytes]),
    ];
    let data = (
        any::<bool>(),
        select(vec![Continuation, Text, Binary]),
        payload,
    );
    let control = (
        select(vec![Ping, Pong]),
        prop::collection::vec(any::<u8>(), 0..128),
    )
        .prop_map(|(opcode, payload)| (true, opcode, payload));
    let close = any_close().prop_map(|payload| (true, Close, payload));
    let one = prop_oneof![12 => data, 4 => control, 1 => close];
    // Now and then a bit of the first byte flips, or the mask is forgotten.
    let flip = select(
        vec![0_u8; 40]
            .into_iter()
            .chain([0x80, 0x40, 0x20, 0x10, 4, 2, 1])
            .collect::<Vec<_>>(),
    );
    let sender = prop_oneof![30 => Just(sender), 1 => Just(peer(sender))];
    let one = (one, flip, sender).prop_map(|((fin, opcode, payload), flip, sender)| {
        let mut bytes = frame(sender, fin, opcode, &payload);
        // A ping that turns to a close frame would have two faults, or a code of chance.
        if (bytes[0] ^ flip) & 0xf != Close as u8 || opcode == Close {
            bytes[0] ^= flip;
        }
        bytes
    });
    prop::collection::vec(one, 0..10).prop_map(|frames| frames.concat())
}

/// Messages that follow the rules, in fragments, with pings between them.
fn any_messages() -> impl Strategy<Value = Vec<(MessageKind, Vec<u8>, Vec<usize>)>> {
    let kind = select(vec![MessageKind::Text, MessageKind::Binary]);
    let message = (
        kind,
        "\\PC{0,60}|x{120,300}",
        prop::collection::vec(any::<Index>(), 0..4),
    );
    let message = message.prop_map(|(kind, text, cuts)| {
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
        cuts.push(text.len());
        cuts.sort_unstable();
        (kind, text.into_bytes(), cuts)
    });
    prop::collection::vec(message, 0..6)
}

fn send_ours(role: Role, messages: &[(MessageKind, Vec<u8>, Vec<usize>)]) -> Vec<u8> {
    let mut session = Session::new(role);
    let mut out = Vec::new();
    for (kind, payload, cuts) in messages {
        let mut start = 0;
        for (i, &end) in cuts.iter().enumerate() {
            let last = i + 1 == cuts.len();
            session
                .send_fragment(*kind, &payload[start..end], last, &mut out)
                .unwrap();
            session.send_ping(&[i as u8], &mut out).unwrap();
            start = end;
        }
    }
    let close = CloseFrame {
        code: CloseCode::GOING_AWAY,
        reason: "bye",
    };
    session.send_close(Some(close), &mut out).unwrap();
    out
}

fn send_theirs(role: Role, messages: &[(MessageKind, Vec<u8>, Vec<usize>)]) -> Vec<u8> {
    let mut socket = their_socket(role, Wire::new(b"", 1), LIMIT);
    for (kind, payload, cuts) in messages {
        let mut start = 0;
        for (i, &end) in cuts.iter().enumerate() {
            let opcode = match kind {
                _ if i > 0 => Data::Continue,
                MessageKind::Text => Data::Text,
                MessageKind::Binary => Data::Binary,
            };
            let piece = payload[start..end].to_vec();
            let frame = Frame::message(piece, TheirOpCode::Data(opcode), i + 1 == cuts.len());
            socket.write(Message::Frame(frame)).unwrap();
            socket.write(Message::Ping(vec![i as u8].into())).unwrap();
            start = end;
        }
    }
    let close = TheirCloseFrame {
        code: 1001.into(),
        reason: "bye".into(),
    };
    socket.close(Some(close)).unwrap();
    socket.get_ref().output.clone()
}

proptest! {
    #[test]
    fn whole_frames_get_the_same_verdict(
        (role, input) in any_role().prop_flat_map(|role| (Just(role), any_frames(peer(role)))),
        read in any_read(),
    ) {
        let (said, end, error) = ours(role, &input, read, LIMIT);
        prop_assert_eq!((&said, end), {
            let (said, end) = theirs(role, &input, read, LIMIT);
            (&said.clone(), end)
        }, "{:?}", error);
    }

    #[test]
    fn noise_is_never_judged_more_mildly(
        (role, frames) in any_role().prop_flat_map(|role| (Just(role), any_frames(peer(role)))),
        flips in prop::collection::vec((any::<Index>(), any::<u8>()), 0..4),
        noise in prop::collection::vec(any::<u8>(), 1..40),
        read in any_read(),
    ) {
        let mut input = [&frames[..], &noise].concat();
        let bytes = input.len();
        for (index, flip) in flips {
            input[index.index(bytes)] ^= flip;
        }
        // Zeros complete any frame within the limit: they wait for whole frames, we don't.
        let limit = 1000;
        input.resize(bytes + limit + 20, 0);
        let (their_said, their_end) = theirs(role, &input, read, limit);
        let (said, end, error) = ours(role, &input, read, limit);
        // A control frame's length in a longer form is over 125 before it is known.
        let stricter = matches!(
            error,
            Some(
                ProtocolError::LengthNotMinimal
                    | ProtocolError::ControlTooLong
                    | ProtocolError::CloseCodeInvalid
            )
        );
        if stricter {
            prop_assert!(their_said.starts_with(&said));
        } else {
            prop_assert_eq!(&said, &their_said, "{:?} {:?}", error, their_end);
            let failed = matches!(end, End::Failed(_));
            prop_assert!(end == their_end || (failed && matches!(their_end, End::Failed(_))));
        }
    }

    #[test]
    fn limits_hold_alike(
        role in any_role(),
        messages in any_messages(),
        limit in 125_usize..400,
        read in any_read(),
    ) {
        let input = send_ours(peer(role), &messages);
        let (said, end, _) = ours(role, &input, read, limit);
        prop_assert_eq!((said, end), theirs(role, &input, read, limit));
    }

    #[test]
    fn each_understands_the_other(role in any_role(), messages in any_messages(), read in any_read()) {
        let (from_us, from_them) = (send_ours(role, &messages), send_theirs(role, &messages));
        let received = theirs(peer(role), &from_us, read, LIMIT);
        prop_assert_eq!(received.1, End::Closed);
        let (said, end, _) = ours(peer(role), &from_them, read, LIMIT);
        prop_assert_eq!(&(said, end), &received);
        let arrived: Vec<_> = received.0.iter().filter_map(|said| match said {
            Said::Message(kind, payload) => Some((*kind, payload.clone())),
            _ => None,
        }).collect();
        let sent: Vec<_> = messages.into_iter().map(|(kind, payload, _)| (kind, payload)).collect();
        prop_assert_eq!(arrived, sent);
        if role == Role::Server {
            prop_assert_eq!(from_us, from_them, "unmasked, there is but one way to say it");
        }
    }
}

#[test]
fn where_we_are_stricter() {
    let noise = |bytes: &[u8]| {
        let (said, end, error) = ours(Role::Client, bytes, 1, LIMIT);
        assert!(said.is_empty());
        (end, error.unwrap(), theirs(Role::Client, bytes, 1, LIMIT).1)
    };
    // They take a length in any form.
    for long in [&b"\x82\x7e\x00\x01x"[..], b"\x82\x7f\0\0\0\0\0\0\0\x01x"] {
        let verdict = (
            End::Failed(1002),
            ProtocolError::LengthNotMinimal,
            End::Open,
        );
        assert_eq!(noise(long), verdict);
    }
    assert_eq!(
        noise(b"\x89\x7e\x00\x01x"),
        (End::Failed(1002), ProtocolError::ControlTooLong, End::Open)
    );
    // To them, the top bit of a length is a large number.
    assert_eq!(
        noise(b"\x82\x7f\x80\0\0\0\0\0\0\0"),
        (
            End::Failed(1002),
            ProtocolError::LengthTopBit,
            End::Failed(1009)
        )
    );
    // They wait for the whole frame before they complain.
    for (start, error) in [
        (&b"\xc1"[..], ProtocolError::ReservedBit),
        (b"\x83", ProtocolError::ReservedOpCode),
        (b"\x80", ProtocolError::UnexpectedContinuation),
        (b"\x81\x80", ProtocolError::Masked),
        (b"\x89\x7e", ProtocolError::ControlTooLong),
    ] {
        assert_eq!(noise(start), (End::Failed(1002), error, End::Open));
    }
    assert_eq!(
        noise(b"\x81\x05a\xff"),
        (End::Failed(1007), ProtocolError::TextNotUtf8, End::Open)
    );
}

#[test]
fn one_close_code_more() {
    // 1014, "bad gateway", was registered after the RFC; they refuse it.
    let input = frame(Role::Server, true, OpCode::Close, &1014_u16.to_be_bytes());
    assert_eq!(ours(Role::Client, &input, 1, LIMIT).1, End::Closed);
    assert_eq!(theirs(Role::Client, &input, 1, LIMIT).1, End::Failed(1002));
}

/// The answer of our server to what came so far of a request.
fn our_answer(request: &[u8]) -> Vec<u8> {
    let Some(head_bytes) = HeadScanner::default().scan(request, 16_384).unwrap() else {
        return Vec::new();
    };
    let head = Head::parse(&request[..head_bytes]).unwrap();
    let upgrade = handshake::check(&head).unwrap();
    assert_eq!(
        (head.path(), head.query(), upgrade.host),
        ("/ws", Some("echo=0"), "example.com:81")
    );
    let mut out = Vec::new();
    upgrade.write_response(None, None, &mut out);
    // The first frame may share a segment with the response.
    Session::new(Role::Server)
        .send_text("welcome", &mut out)
        .unwrap();
    out
}

#[test]
fn their_client_opens_a_connection_to_our_server() {
    // Shorter reads than some dozens of bytes it takes for an attack.
    for read in [64, 1000] {
        let wire = Wire {
            answer: our_answer,
            ..Wire::new(b"", read)
        };
        let (mut socket, response) =
            tungstenite::client("ws://example.com:81/ws?echo=0", wire).unwrap();
        assert_eq!(response.status(), 101);
        socket.get_mut().answer = |_| Vec::new();
        assert_eq!(socket.read().unwrap(), Message::text("welcome"));
    }
}

#[test]
fn our_client_opens_a_connection_to_their_server() {
    let key = handshake::fresh_key();
    let request = Request {
        headers: &[("Origin", "http://example.com")],
        ..Request::new("example.com", "/ws", &key)
    };
    let mut to_server = Vec::new();
    request.write(&mut to_server).unwrap();
    let socket = tungstenite::accept(Wire::new(&to_server, 1000)).unwrap();
    let answer = &socket.get_ref().output;
    assert_eq!(
        HeadScanner::response().scan(answer, 16_384),
        Ok(Some(answer.len()))
    );
    assert_eq!(
        request.verify(&ResponseHead::parse(answer).unwrap()),
        Ok(Agreed::default())
    );
}

/// Requests that are nearly right. Each header has a few forms; where they know fewer of them than
/// the RFC (lists of upgrades, headers in two lines), the form is left out.
fn any_request() -> impl Strategy<Value = String> {
    let line = |right: &'static str, others: &'static [&'static str]| prop_oneof![12 => Just(right), 1 => select(others)];
    (
        line(
            "GET /ws HTTP/1.1",
            &[
                "POST /ws HTTP/1.1",
                "GET /ws HTTP/1.0",
                "GET http://a/ws HTTP/1.1",
            ],
        ),
        line("Host: a", &["", "Host: a\r\nHost: b", "Host: a, b"]),
        line(
            "Upgrade: websocket",
            &["", "upgrade: WebSocket", "Upgrade: h2c"],
        ),
        line(
            "Connection: Upgrade",
            &["", "Connection: close", "Connection: keep-alive, upgrade"],
        ),
        line(
            "Sec-WebSocket-Version: 13",
            &[
                "",
                "Sec-WebSocket-Version: 8",
                "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Version: 13",
            ],
        ),
        line(
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            &[
                "",
                "Sec-WebSocket-Key: SGVsbG8sIHdvcmxkIQ==",
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j-_==",
            ],
        ),
        line(
            "Accept: */*",
            &[
                "Content-Length: 5",
                "Transfer-Encoding: chunked",
                "Content-Length: 0",
            ],
        ),
    )
        .prop_map(|(a, b, c, d, e, f, g)| {
            let lines: Vec<_> = [a, b, c, d, e, f, g]
                .into_iter()
                .filter(|line| !line.is_empty())
                .collect();
            lines.join("\r\n") + "\r\n\r\n"
        })
}

proptest! {
    #[test]
    fn handshakes_get_the_same_verdict(request in any_request()) {
        let theirs = tungstenite::accept(Wire::new(request.as_bytes(), 1000)).is_ok();
        let verdict = handshake::check(&Head::parse(request.as_bytes()).unwrap()).map(drop);
        match verdict {
            Ok(()) => prop_assert!(theirs),
            // They ask for no Host, don't care about a body, and look at the first of two headers.
            Err(Refusal::Request(Missing("Host") | Malformed("Host") | Body | Repeated(_))) => {}
            Err(refusal) => prop_assert!(!theirs, "{}", refusal),
        }
    }
}
