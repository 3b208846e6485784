//! Sessions over every kind of cut, and against every rule.

use super::*;
use crate::fuzz::{Said, receive};
use crate::proto::CloseCode;
use proptest::prelude::*;

const LIMIT: usize = 1 << 20;

/// The verdict on `input`, which has to be the same whole and byte by byte.
fn receive_both_ways(role: Role, input: &[u8], limit: usize) -> (Vec<Said>, Option<ProtocolError>) {
    let whole = receive(role, input, [], limit);
    assert_eq!(
        receive(role, input, 0..input.len(), limit),
        whole,
        "{input:02x?}"
    );
    whole
}

fn text(text: &str) -> Said {
    Said::Message(MessageKind::Text, text.as_bytes().to_vec())
}

fn binary(payload: &[u8]) -> Said {
    Said::Message(MessageKind::Binary, payload.to_vec())
}

/// A client's frame, masked.
fn frame(fin: bool, opcode: OpCode, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    Role::Client.write_frame(fin, opcode, payload, &mut out);
    out
}

#[test]
fn a_session_is_small_and_owns_nothing_at_rest() {
    assert!(size_of::<Session>() <= 16);
    let mut session = Session::new(Role::Server);
    assert_eq!(session.heap_bytes(), 0);
    let mut input = frame(true, OpCode::Text, b"hello");
    let cut = input.len() - 2;
    assert!(
        session
            .receive(&mut input[..cut], LIMIT)
            .unwrap()
            .event
            .is_some()
    );
    assert!(!session.is_at_rest());
    assert!(session.is_mid_message());
    assert!((1..=256).contains(&session.heap_bytes()));
    assert!(
        session
            .receive(&mut input[cut..], LIMIT)
            .unwrap()
            .event
            .is_some()
    );
    assert!(session.is_at_rest());
    assert!(!session.is_mid_message());
    assert_eq!(session.heap_bytes(), 0);
}

#[test]
fn a_gathered_control_payload_is_given_back() {
    let mut session = Session::new(Role::Server);
    let mut input = frame(true, OpCode::Ping, b"are you there?");
    let cut = input.len() - 2;
    assert_eq!(
        session.receive(&mut input[..cut], LIMIT).unwrap().event,
        None
    );
    session.release();
    assert_ne!(session.heap_bytes(), 0, "a payload that still grows stays");
    assert_eq!(
        session.receive(&mut input[cut..], LIMIT).unwrap().event,
        Some(Event::Ping(b"are you there?"))
    );
    assert!(session.is_at_rest());
    session.release();
    assert_eq!(session.heap_bytes(), 0);
}

#[test]
fn a_close_inside_a_message_frees_what_was_kept_of_it() {
    for payload in [&b"\x03\xe8"[..], b"\x03"] {
        let begun = frame(false, OpCode::Text, b"and then");
        let close = frame(true, OpCode::Close, payload);
        for cut in 0..close.len() {
            let mut session = Session::new(Role::Server);
            let mut input = [&begun[..], &close].concat();
            let (start, end) = input.split_at_mut(begun.len() + cut);
            let mut received = session.receive(start, LIMIT).map(drop);
            for read in [&mut start[begun.len()..], end] {
                received = received.and_then(|()| session.receive(read, LIMIT).map(drop));
            }
            assert_eq!(received.is_ok(), payload.len() == 2);
            assert!(session.is_at_rest() && !session.is_mid_message());
            session.release();
            assert_eq!(session.heap_bytes(), 0);
        }
    }
}

#[test]
fn examples_of_the_rfc() {
    for (role, input, said) in [
        (Role::Client, &b"\x81\x05Hello"[..], text("Hello")),
        (
            Role::Server,
            b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58",
            text("Hello"),
        ),
        (Role::Client, b"\x01\x03Hel\x80\x02lo", text("Hello")),
        (
            Role::Client,
            b"\x89\x05Hello",
            Said::Ping(b"Hello".to_vec()),
        ),
        (
            Role::Server,
            b"\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58",
            Said::Pong(b"Hello".to_vec()),
        ),
    ] {
        assert_eq!(receive_both_ways(role, input, LIMIT), (vec![said], None));
    }
    for payload_bytes in [256, 65536] {
        let payload = vec![7; payload_bytes];
        let mut input = Vec::new();
        Role::Server.write_frame(true, OpCode::Binary, &payload, &mut input);
        assert_eq!(
            receive_both_ways(Role::Client, &input, LIMIT),
            (vec![binary(&payload)], None)
        );
    }
}

#[test]
fn a_whole_message_is_borrowed_from_the_input() {
    let mut session = Session::new(Role::Server);
    let mut input = frame(true, OpCode::Text, b"hello");
    input.extend(frame(true, OpCode::Text, b"again"));
    let payload_at = input.as_ptr().wrapping_add(6);
    let received = session.receive(&mut input, LIMIT).unwrap();
    assert_eq!(received.consumed, 11);
    let Some(Event::Fragment(fragment)) = received.event else {
        panic!("a message is there");
    };
    assert!(fragment.first && fragment.last);
    assert_eq!(fragment.payload, b"hello");
    assert_eq!(fragment.payload.as_ptr(), payload_at);
}

#[test]
fn pieces_come_as_they_arrive() {
    let mut session = Session::new(Role::Server);
    let mut input = frame(false, OpCode::Text, b"abc");
    input.extend(frame(true, OpCode::Continuation, b"defg"));
    let mut pieces = Vec::new();
    for read in input.chunks_mut(8) {
        let mut rest = read;
        while !rest.is_empty() {
            let received = session.receive(rest, LIMIT).unwrap();
            let consumed = received.consumed;
            if let Some(Event::Fragment(fragment)) = received.event {
                pieces.push((fragment.first, fragment.last, fragment.payload.to_vec()));
            }
            rest = &mut rest[consumed..];
        }
    }
    assert_eq!(
        pieces,
        [
            (true, false, b"ab".to_vec()),
            (false, false, b"c".to_vec()),
            (false, false, b"d".to_vec()),
            (false, true, b"efg".to_vec()),
        ]
    );
}

#[test]
fn empty_frames_yield_a_message_once() {
    let empty = [
        frame(false, OpCode::Text, b""),
        frame(false, OpCode::Continuation, b""),
        frame(true, OpCode::Continuation, b""),
    ]
    .concat();
    assert_eq!(
        receive_both_ways(Role::Server, &empty, LIMIT),
        (vec![text("")], None)
    );
    let whole = frame(true, OpCode::Binary, b"");
    assert_eq!(
        receive_both_ways(Role::Server, &whole, LIMIT),
        (vec![binary(b"")], None)
    );
    let last = [
        frame(false, OpCode::Text, b"all"),
        frame(true, OpCode::Continuation, b""),
    ]
    .concat();
    assert_eq!(
        receive_both_ways(Role::Server, &last, LIMIT),
        (vec![text("all")], None)
    );
}

#[test]
fn twenty_thousand_fragments_make_one_message() {
    let mut input = frame(false, OpCode::Text, b"x");
    for _ in 0..20_000 {
        input.extend(frame(false, OpCode::Continuation, b"y"));
    }
    input.extend(frame(true, OpCode::Continuation, b"z"));
    let (said, error) = receive(Role::Server, &input, [], LIMIT);
    assert_eq!(error, None);
    assert_eq!(said, [text(&format!("x{}z", "y".repeat(20_000)))]);
}

#[test]
fn control_frames_may_stand_between_fragments() {
    let input = [
        frame(false, OpCode::Text, b"one "),
        frame(true, OpCode::Ping, b"p"),
        frame(false, OpCode::Continuation, b"two "),
        frame(true, OpCode::Pong, b""),
        frame(true, OpCode::Continuation, b"three"),
        frame(true, OpCode::Close, b"\x03\xe8"),
    ]
    .concat();
    let said = vec![
        Said::Ping(b"p".to_vec()),
        Said::Pong(Vec::new()),
        text("one two three"),
        Said::Close(Some((CloseCode::NORMAL, String::new()))),
    ];
    assert_eq!(receive_both_ways(Role::Server, &input, LIMIT), (said, None));
}

#[test]
fn the_longest_control_payload_survives_any_cut() {
    let payload: Vec<u8> = (0..125).collect();
    let input = frame(true, OpCode::Ping, &payload);
    for cut in 0..input.len() {
        assert_eq!(
            receive(Role::Server, &input, [cut], LIMIT),
            (vec![Said::Ping(payload.clone())], None)
        );
    }
}

#[test]
fn nothing_is_received_after_a_close() {
    for payload in [&b""[..], b"\x03\xe8", b"\x13\x87bye"] {
        let mut input = frame(true, OpCode::Close, payload);
        input.extend(frame(true, OpCode::Text, b"still there?"));
        input.extend(b"\xff\xff and noise");
        let (said, error) = receive_both_ways(Role::Server, &input, LIMIT);
        assert_eq!(said.len(), 1);
        assert_eq!(error, None);
    }
}

#[test]
fn nothing_is_received_after_an_error() {
    let mut session = Session::new(Role::Server);
    assert!(session.receive(&mut [0xff], LIMIT).is_err());
    let mut input = frame(true, OpCode::Text, b"sorry");
    let all = input.len();
    assert_eq!(
        session.receive(&mut input, LIMIT),
        Ok(Received {
            consumed: all,
            event: None
        })
    );
}

#[test]
fn each_broken_rule_has_its_error() {
    let server = |input: &[u8]| receive_both_ways(Role::Server, input, LIMIT).1.unwrap();
    for first in [0xc1, 0xa1, 0x91] {
        assert_eq!(server(&[first]), ProtocolError::ReservedBit);
    }
    for opcode in (3..=7).chain(11..=15) {
        assert_eq!(server(&[0x80 | opcode]), ProtocolError::ReservedOpCode);
    }
    for opcode in 8..=10 {
        assert_eq!(server(&[opcode]), ProtocolError::FragmentedControl);
        assert_eq!(
            server(&[0x80 | opcode, 0x80 | 126]),
            ProtocolError::ControlTooLong
        );
    }
    assert_eq!(server(b"\x81\x05"), ProtocolError::Unmasked);
    assert_eq!(server(b"\x81\x7e"), ProtocolError::Unmasked);
    assert_eq!(
        receive_both_ways(Role::Client, b"\x81\x85", LIMIT).1,
        Some(ProtocolError::Masked)
    );
    assert_eq!(server(b"\x80"), ProtocolError::UnexpectedContinuation);
    assert_eq!(server(b"\x00"), ProtocolError::UnexpectedContinuation);
    for second in [0x01, 0x81, 0x02, 0x82] {
        let mut input = frame(false, OpCode::Text, b"begun");
        input.push(second);
        assert_eq!(server(&input), ProtocolError::UnfinishedMessage);
    }
    assert_eq!(server(b"\x82\xfe\x00\x7d"), ProtocolError::LengthNotMinimal);
    assert_eq!(server(b"\x82\xff\x80"), ProtocolError::LengthTopBit);
    assert_eq!(
        server(&frame(true, OpCode::Close, b"\x03")),
        ProtocolError::CloseTooShort
    );
    assert_eq!(
        server(&frame(true, OpCode::Close, b"\x03\xe8\xff")),
        ProtocolError::CloseReasonNotUtf8
    );
    assert_eq!(
        server(&frame(true, OpCode::Text, b"\xff")),
        ProtocolError::TextNotUtf8
    );
    assert_eq!(
        server(&frame(true, OpCode::Text, b"caf\xc3")),
        ProtocolError::TextNotUtf8
    );
}

#[test]
fn each_class_of_close_code_has_its_verdict() {
    for (code, valid) in [
        (0, false),
        (999, false),
        (1000, true),
        (1003, true),
        (1004, false),
        (1005, false),
        (1006, false),
        (1007, true),
        (1014, true),
        (1015, false),
        (1016, false),
        (2999, false),
        (3000, true),
        (4999, true),
        (5000, false),
        (65535, false),
    ] {
        let input = frame(true, OpCode::Close, &u16::to_be_bytes(code));
        let (said, error) = receive_both_ways(Role::Server, &input, LIMIT);
        match error {
            None => {
                assert!(valid);
                let code = CloseCode::from_u16(code).unwrap();
                assert_eq!(said, [Said::Close(Some((code, String::new())))]);
            }
            Some(error) => assert!(!valid && error == ProtocolError::CloseCodeInvalid),
        }
    }
}

#[test]
fn bad_text_is_refused_inside_an_incomplete_frame() {
    let mut session = Session::new(Role::Server);
    let whole = frame(true, OpCode::Text, b"ab\xff................");
    let mut start = whole[..6 + 2].to_vec();
    assert!(session.receive(&mut start, LIMIT).is_ok());
    assert_eq!(
        session.receive(&mut [whole[8]], LIMIT),
        Err(ProtocolError::TextNotUtf8)
    );
}

#[test]
fn a_bad_close_is_refused_inside_an_incomplete_frame() {
    for (payload, enough, error) in [
        (&b"\x03"[..], 0, ProtocolError::CloseTooShort),
        (b"\x03\xee......", 2, ProtocolError::CloseCodeInvalid),
        (
            b"\x03\xe8ok\xed\xa0....",
            6,
            ProtocolError::CloseReasonNotUtf8,
        ),
    ] {
        let whole = frame(true, OpCode::Close, payload);
        let mut start = whole[..6 + enough].to_vec();
        assert_eq!(
            Session::new(Role::Server).receive(&mut start, LIMIT),
            Err(error)
        );
    }
}

#[test]
fn characters_may_be_cut_between_frames_but_not_at_the_end() {
    let input = [
        frame(false, OpCode::Text, b"\xf0\x9f"),
        frame(true, OpCode::Ping, b"\xff"),
        frame(false, OpCode::Continuation, b"\x98"),
        frame(true, OpCode::Continuation, b"\x80"),
    ]
    .concat();
    let (said, error) = receive_both_ways(Role::Server, &input, LIMIT);
    assert_eq!(error, None);
    assert_eq!(said[1], text("😀"));
    let input = [
        frame(false, OpCode::Text, b"\xf0\x9f"),
        frame(true, OpCode::Continuation, b"\x98"),
    ]
    .concat();
    assert_eq!(
        receive_both_ways(Role::Server, &input, LIMIT).1,
        Some(ProtocolError::TextNotUtf8)
    );
}

#[test]
fn the_message_limit_is_held_against_headers() {
    let refused = |input: &[u8], limit| {
        receive_both_ways(Role::Server, input, limit).1 == Some(ProtocolError::MessageTooBig)
    };
    // No payload byte has to come.
    assert!(refused(b"\x82\xfe\x04\x01....", 1024));
    assert!(!refused(b"\x82\xfe\x04\x00....", 1024));
    assert!(refused(
        b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff....",
        1 << 40
    ));
    // A whole frame is refused as well.
    assert!(refused(&frame(true, OpCode::Text, b"12345"), 4));
    assert!(!refused(&frame(true, OpCode::Text, b"1234"), 4));
    // The fragments count together, control frames don't.
    let fragments = |last: &[u8]| {
        [
            frame(false, OpCode::Text, b"123"),
            frame(true, OpCode::Ping, b"0123456789"),
            frame(true, OpCode::Continuation, last),
        ]
        .concat()
    };
    assert!(refused(&fragments(b"45"), 4));
    assert!(!refused(&fragments(b"4"), 4));
    assert!(!refused(&frame(true, OpCode::Ping, b"0123456789"), 4));
}

#[test]
fn announced_lengths_can_not_overflow() {
    let huge = b"\x02\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0";
    let mut session = Session::new(Role::Server);
    session.receive(&mut huge.clone(), usize::MAX).unwrap();
    let partial = session.partial.as_ref().unwrap();
    let announced = partial.message.as_ref().unwrap();
    assert!(format!("{announced:?}").contains(&((1_u64 << 63) - 1).to_string()));
}

#[test]
fn a_length_is_never_allocated_on_a_promise() {
    let mut session = Session::new(Role::Server);
    let mut input = *b"\x82\xff\x00\x00\x00\xff\xff\xff\xff\xff\0\0\0\0abc";
    session.receive(&mut input, usize::MAX).unwrap();
    assert!(session.heap_bytes() <= 256);
}

#[test]
fn both_roles_understand_each_other() {
    for (sender, receiver) in [(Role::Client, Role::Server), (Role::Server, Role::Client)] {
        let mut session = Session::new(sender);
        let mut out = Vec::new();
        session.send_text("text", &mut out).unwrap();
        session.send_binary(&[0, 255], &mut out).unwrap();
        session
            .send_fragment(MessageKind::Binary, b"pie", false, &mut out)
            .unwrap();
        session.send_ping(b"ping", &mut out).unwrap();
        session.send_pong(b"pong", &mut out).unwrap();
        session
            .send_fragment(MessageKind::Binary, b"", false, &mut out)
            .unwrap();
        session
            .send_fragment(MessageKind::Binary, b"ces", true, &mut out)
            .unwrap();
        let close = CloseFrame {
            code: CloseCode::GOING_AWAY,
            reason: "bye",
        };
        session.send_close(Some(close), &mut out).unwrap();
        let said = vec![
            text("text"),
            binary(&[0, 255]),
            Said::Ping(b"ping".to_vec()),
            Said::Pong(b"pong".to_vec()),
            binary(b"pieces"),
            Said::Close(Some((CloseCode::GOING_AWAY, "bye".to_owned()))),
        ];
        assert_eq!(receive_both_ways(receiver, &out, LIMIT), (said, None));
        let masked = out[1] & 0x80 != 0;
        assert_eq!(masked, sender == Role::Client);
    }
}

#[test]
fn a_frame_takes_as_much_memory_as_it_needs() {
    let mut out = Vec::new();
    Session::new(Role::Client)
        .send_binary(&[7; 1000], &mut out)
        .unwrap();
    assert_eq!((out.len(), out.capacity()), (1008, 1008));
}

#[test]
fn frames_are_sent_in_an_order_that_the_rfc_allows() {
    let mut session = Session::new(Role::Server);
    let out = &mut Vec::new();
    session
        .send_fragment(MessageKind::Text, b"a", false, out)
        .unwrap();
    let sent = out.len();
    assert_eq!(
        session.send_text("b", out),
        Err(SendError::UnfinishedMessage)
    );
    assert_eq!(
        session.send_binary(b"b", out),
        Err(SendError::UnfinishedMessage)
    );
    assert_eq!(
        session.send_fragment(MessageKind::Binary, b"b", true, out),
        Err(SendError::UnfinishedMessage)
    );
    assert_eq!(
        session.send_ping(&[0; 126], out),
        Err(SendError::ControlTooLong)
    );
    assert_eq!(
        session.send_pong(&[0; 126], out),
        Err(SendError::ControlTooLong)
    );
    assert_eq!(out.len(), sent, "what is refused leaves no trace");
    session.send_ping(&[0; 125], out).unwrap();
    session.send_close(None, out).unwrap();
    assert!(SendError::Closed.to_string().contains("close frame"));
    let sent = out.len();
    assert_eq!(session.send_text("b", out), Err(SendError::Closed));
    assert_eq!(
        session.send_fragment(MessageKind::Text, b"b", true, out),
        Err(SendError::Closed)
    );
    assert_eq!(session.send_ping(b"", out), Err(SendError::Closed));
    assert_eq!(session.send_close(None, out), Err(SendError::Closed));
    assert_eq!(out.len(), sent);
}

/// A run of frames, most of them allowed where they stand, some of them not.
fn conversation() -> impl Strategy<Value = Vec<u8>> {
    let payload = prop_oneof![
        6 => "\\PC{0,40}".prop_map(String::into_bytes),
        2 => proptest::collection::vec(any::<u8>(), 0..40),
        1 => (0_usize..70_000).prop_map(|bytes| vec![b'x'; bytes]),
    ];
    let opcode = prop::sample::select(vec![
        OpCode::Continuation,
        OpCode::Continuation,
        OpCode::Text,
        OpCode::Binary,
        OpCode::Ping,
        OpCode::Pong,
        OpCode::Ping,
    ]);
    let one = (any::<bool>(), opcode, payload).prop_map(|(fin, opcode, mut payload)| {
        if opcode.is_control() {
            payload.truncate(125);
        }
        frame(fin || opcode.is_control(), opcode, &payload)
    });
    let noise = proptest::collection::vec(any::<u8>(), 0..20);
    (
        proptest::collection::vec(one, 0..10),
        prop::option::weighted(0.1, noise),
    )
        .prop_map(|(frames, noise)| [frames.concat(), noise.unwrap_or_default()].concat())
}

/// A fragmented message with control frames between its fragments.
fn fragmented() -> impl Strategy<Value = (String, Vec<u8>)> {
    (
        "\\PC{0,60}",
        proptest::collection::vec(any::<prop::sample::Index>(), 0..6),
    )
        .prop_map(|(text, cuts)| {
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let mut session = Session::new(Role::Client);
            let mut out = Vec::new();
            for (i, cut) in cuts.windows(2).enumerate() {
                let payload = &text.as_bytes()[cut[0]..cut[1]];
                let last = i + 2 == cuts.len();
                session
                    .send_fragment(MessageKind::Text, payload, last, &mut out)
                    .unwrap();
                session
                    .send_ping(payload.get(..5).unwrap_or(b""), &mut out)
                    .unwrap();
            }
            (text, out)
        })
}

proptest! {
    #[test]
    fn any_split_gives_the_same_events(
        input in conversation(),
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(input.len() + 1)).collect();
        cuts.sort_unstable();
        prop_assert_eq!(
            receive(Role::Server, &input, cuts, LIMIT),
            receive(Role::Server, &input, [], LIMIT)
        );
    }

    #[test]
    fn a_fragmented_text_arrives_whole((text, input) in fragmented(), cut: prop::sample::Index) {
        let (said, error) = receive(Role::Server, &input, [cut.index(input.len() + 1)], LIMIT);
        prop_assert_eq!(error, None);
        let message = Said::Message(MessageKind::Text, text.into_bytes());
        prop_assert_eq!(said.iter().filter(|said| **said == message).count(), 1);
        prop_assert!(said.iter().all(|said| *said == message || matches!(said, Said::Ping(_))));
    }
}
