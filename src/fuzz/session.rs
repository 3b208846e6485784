//! A session, and the messages that come out of it: whatever the cuts, it says the same.

use std::iter;

use super::cuts;
use crate::proto::{
    CloseCode, CloseFrame, Event, Gather, MessageKind, ProtocolError, Role, Session,
};

/// An event that owns what it says, with fragments joined to messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// A whole message.
    Message(MessageKind, Vec<u8>),
    /// A ping.
    Ping(Vec<u8>),
    /// A pong.
    Pong(Vec<u8>),
    /// A close frame: code and reason.
    Close(Option<(CloseCode, String)>),
}

/// Everything that a session of `role` says of `input`, which comes in reads that end at `cuts`,
/// ascending. Checks the session's promises on the way.
pub fn receive(
    role: Role,
    input: &[u8],
    cuts: impl IntoIterator<Item = usize>,
    message_bytes_max: usize,
) -> (Vec<Said>, Option<ProtocolError>) {
    let mut session = Session::new(role);
    let mut gather = Gather::default();
    let mut said = Vec::new();
    let mut mid_message = false;
    let mut start = 0;
    for end in cuts.into_iter().chain(iter::once(input.len())) {
        let mut read = input[start..end].to_vec();
        start = end;
        let mut rest = &mut read[..];
        loop {
            let was_deaf = session.is_deaf();
            let received = match session.receive(rest, message_bytes_max) {
                Ok(received) => received,
                Err(error) => {
                    assert!(session.is_deaf() && session.is_at_rest());
                    return (said, Some(error));
                }
            };
            let consumed = received.consumed;
            let Some(event) = received.event else {
                assert_eq!(
                    consumed,
                    rest.len(),
                    "no event, and yet not all is consumed"
                );
                break;
            };
            assert!(consumed > 0, "an event comes out of bytes");
            assert!(!was_deaf, "nothing is received after a close");
            match event {
                Event::Fragment(fragment) => {
                    assert_eq!(fragment.first, !mid_message, "exactly one piece is first");
                    assert!(fragment.last || !fragment.payload.is_empty());
                    mid_message = !fragment.last;
                    if let Some(message) = gather.push(fragment) {
                        assert!(message.payload.len() <= message_bytes_max);
                        said.push(Said::Message(message.kind, message.payload.to_vec()));
                    }
                    assert!(
                        gather.heap_bytes() <= (2 * end).max(64),
                        "allocated on a promise"
                    );
                }
                Event::Ping(payload) => said.push(Said::Ping(payload.to_vec())),
                Event::Pong(payload) => said.push(Said::Pong(payload.to_vec())),
                Event::Close(close) => said.push(Said::Close(
                    close.map(|close| (close.code, close.reason.to_owned())),
                )),
            }
            assert!(session.heap_bytes() <= 256);
            rest = &mut rest[consumed..];
        }
        session.release();
        assert_eq!(session.heap_bytes() == 0, session.is_at_rest());
        // A message whose frames were all empty so far is open, and nothing of it was yielded.
        assert!(!mid_message || session.is_mid_message() || session.is_deaf());
    }
    (said, None)
}

/// What was said, as frames of the other side.
fn say(role: Role, said: &[Said]) -> Vec<u8> {
    let mut session = Session::new(role);
    let mut out = Vec::new();
    for one in said {
        let sent = match one {
            Said::Message(MessageKind::Text, text) => {
                let text = str::from_utf8(text).expect("a session lets only UTF-8 through as text");
                session.send_text(text, &mut out)
            }
            Said::Message(MessageKind::Binary, payload) => session.send_binary(payload, &mut out),
            Said::Ping(payload) => session.send_ping(payload, &mut out),
            Said::Pong(payload) => session.send_pong(payload, &mut out),
            Said::Close(close) => {
                let close = close.as_ref().map(|(code, reason)| CloseFrame {
                    code: *code,
                    reason,
                });
                session.send_close(close, &mut out)
            }
        };
        sent.expect("what was received can be said, in this order");
    }
    out
}

/// The first byte chooses role and limit, the second the cuts; the rest is what the peer sends.
pub fn session(data: &[u8]) {
    let [choice, seed, input @ ..] = data else {
        return;
    };
    let (role, peer) = match choice & 1 {
        0 => (Role::Server, Role::Client),
        _ => (Role::Client, Role::Server),
    };
    let limit = [0, 1, 5, 125, 1000, 65_536, 1 << 20, usize::MAX][usize::from(choice >> 1) % 8];
    let whole = receive(role, input, [], limit);
    assert_eq!(
        receive(role, input, 0..input.len(), limit),
        whole,
        "byte by byte"
    );
    assert_eq!(
        receive(role, input, cuts(*seed, input.len()), limit),
        whole,
        "in reads"
    );
    let (said, _) = whole;
    assert_eq!(
        receive(role, &say(peer, &said), [], limit),
        (said, None),
        "said again"
    );
}
