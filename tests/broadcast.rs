//! Messages over real sockets: they arrive whole, verbatim and in one order, however they were cut;
//! and every frame that breaks a rule ends in its close code, while others' traffic goes on.

mod common;

use common::*;
use std::thread;

/// Each of these byte sequences ends the connection with that close code, whether it comes whole or
/// byte by byte.
fn assert_failed(code: u16, flags: &[&str], cases: &[(&str, Vec<u8>)]) {
    let mut relay = Relay::start(flags);
    for (what, bytes) in cases {
        for bytewise in [false, true] {
            let mut client = Client::join(&relay, "/ws");
            if bytewise {
                for byte in bytes.chunks(1) {
                    if !client.try_send(byte) {
                        break;
                    }
                }
            } else {
                client.send(bytes);
            }
            let frame = client.frame();
            assert_eq!(frame.first, FIN | CLOSE, "{what}: {frame:?}");
            assert_eq!(frame.payload[..2], code.to_be_bytes(), "{what}: {frame:?}");
            client.expect_end();
            relay.assert_others_exchange();
        }
    }
}

fn raw(bytes: &[u8]) -> Vec<u8> {
    bytes.to_vec()
}

#[test]
fn frames_that_break_a_rule() {
    let k = KEY;
    let mut cases = vec![
        ("an unmasked text", raw(&[FIN | TEXT, 2, b'h', b'i'])),
        ("an unmasked empty text", raw(&[FIN | TEXT, 0])),
        ("an unmasked ping", raw(&[FIN | PING, 0])),
        ("an unmasked close", raw(&[FIN | CLOSE, 0])),
        (
            "an unmasked long frame, of which only the start comes",
            raw(&[FIN | BINARY, 126]),
        ),
        ("a continuation of nothing", frame(FIN | CONTINUATION, b"x")),
        (
            "the start of a continuation of nothing",
            frame(CONTINUATION, b"x"),
        ),
        (
            "text inside a fragmented text",
            [frame(TEXT, b"a"), text("b")].concat(),
        ),
        (
            "the start of a text inside another",
            [frame(TEXT, b"a"), frame(TEXT, b"b")].concat(),
        ),
        (
            "binary inside a fragmented text",
            [frame(TEXT, b"a"), binary(b"b")].concat(),
        ),
        (
            "text inside a fragmented binary",
            [frame(BINARY, b""), text("")].concat(),
        ),
        ("a fragmented ping", frame(PING, b"x")),
        ("a fragmented pong", frame(PONG, b"x")),
        ("a fragmented close", frame(CLOSE, &[3, 0xE8])),
        ("a ping of 126 bytes", frame(FIN | PING, &[b'x'; 126])),
        ("a pong of 126 bytes", frame(FIN | PONG, &[b'x'; 126])),
        ("a close of 126 bytes", close(1000, &[b'x'; 124])),
        (
            "a short ping with a 16-bit length",
            [&[FIN | PING, MASKED | 126, 0, 1], &k[..], b"x"].concat(),
        ),
        (
            "a 16-bit length of 125",
            [&[FIN | BINARY, MASKED | 126, 0, 125], &k[..], &[0; 125]].concat(),
        ),
        (
            "a 16-bit length of 0",
            [&[FIN | BINARY, MASKED | 126, 0, 0], &k[..]].concat(),
        ),
        (
            "a 64-bit length of 65,535",
            [
                &[FIN | BINARY, MASKED | 127, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF],
                &k[..],
            ]
            .concat(),
        ),
        (
            "a 64-bit length of 0",
            [
                &[FIN | BINARY, MASKED | 127, 0, 0, 0, 0, 0, 0, 0, 0],
                &k[..],
            ]
            .concat(),
        ),
        (
            "a 64-bit length with its top bit set",
            header(FIN | BINARY, 1 << 63),
        ),
        (
            "the longest length there is",
            header(FIN | BINARY, u64::MAX),
        ),
        ("a close of one byte", frame(FIN | CLOSE, &[3])),
    ];
    let reserved: Vec<(String, u8)> = (1..8)
        .map(|bits: u8| (format!("reserved bits {bits:03b}"), FIN | bits << 4 | TEXT))
        .chain(
            (3..8)
                .chain(11..16)
                .map(|opcode: u8| (format!("opcode {opcode}"), FIN | opcode)),
        )
        .collect();
    for (what, first) in &reserved {
        cases.push((what, frame(*first, b"x")));
    }
    let inside = [frame(TEXT, b"a"), frame(FIN | 0x40 | CONTINUATION, b"b")].concat();
    cases.push(("a reserved bit on a continuation", inside));
    assert_failed(1002, &[], &cases);
}

#[test]
fn close_codes_that_may_not_be_sent() {
    let codes = [
        0,
        1,
        999,
        1004,
        1005,
        1006,
        1015,
        1016,
        1100,
        2000,
        2999,
        5000,
        9999,
        0x8000,
        u16::MAX,
    ];
    let cases: Vec<_> = codes
        .iter()
        .map(|&code| ("a bad close code", close(code, b"")))
        .collect();
    assert_failed(1002, &[], &cases);
}

#[test]
fn close_codes_that_may_be_sent_come_back() {
    let mut relay = Relay::start(&[]);
    for code in [
        1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000,
        4999,
    ] {
        let mut client = Client::join(&relay, "/ws");
        client.send(&close(code, "so long, ünïcode".as_bytes()));
        client.expect_closed(code);
    }
    let mut client = Client::join(&relay, "/ws");
    client.send(&close(1000, &[b'x'; 123]));
    client.expect_closed(1000);
    let mut client = Client::join(&relay, "/ws");
    client.send(&frame(FIN | CLOSE, b""));
    client.expect_frame(FIN | CLOSE, b"");
    client.expect_end();
    relay.assert_others_exchange();
}

#[test]
fn what_follows_a_close_frame_is_ignored() {
    let mut relay = Relay::start(&[]);
    let mut reader = Client::join(&relay, "/ws");
    let mut client = Client::join(&relay, "/ws");
    client.send(
        &[
            text("before"),
            close(1000, b""),
            text("after"),
            raw(&[0xFF; 50]),
        ]
        .concat(),
    );
    client.expect_text("before");
    client.expect_closed(1000);
    reader.expect_text("before");
    reader.send(&ping(b"next"));
    reader.expect_pong(b"next");
    relay.assert_others_exchange();
}

/// Byte sequences that are no UTF-8, each after and before text that is.
const NOT_UTF8: &[&[u8]] = &[
    b"\x80",
    b"\xBF",
    b"\xC0\xAF",
    b"\xC1\xBF",
    b"\xC3(",
    b"\xE0\x80\xAF",
    b"\xE0\x9F\xBF",
    b"\xED\xA0\x80",
    b"\xED\xBF\xBF",
    b"\xE2\x82(",
    b"\xF0\x80\x80\xAF",
    b"\xF0\x8F\xBF\xBF",
    b"\xF4\x90\x80\x80",
    b"\xF5\x80\x80\x80",
    b"\xF8\x88\x80\x80\x80",
    b"\xFE",
    b"\xFF",
    b"\xF0\x9F\x8E(",
];

#[test]
fn text_that_is_not_utf8() {
    let mut cases = Vec::new();
    for bad in NOT_UTF8 {
        let bad = [b"gr\xC3\xBC\xC3\x9Fe ", *bad, b" end"].concat();
        cases.push(("bad text", frame(FIN | TEXT, &bad)));
        cases.push((
            "bad text in fragments",
            bad.chunks(1)
                .enumerate()
                .flat_map(|(n, byte)| frame(if n == 0 { TEXT } else { CONTINUATION }, byte))
                .collect(),
        ));
        cases.push(("a bad reason", close(1000, &bad)));
    }
    for cut in [&b"\xC3"[..], b"\xE2\x82", b"\xF0\x9F\x8E"] {
        cases.push(("a character cut off", frame(FIN | TEXT, cut)));
        cases.push((
            "a character cut off, in fragments",
            [frame(TEXT, cut), frame(FIN | CONTINUATION, b"")].concat(),
        ));
        cases.push(("a reason cut off", close(1000, cut)));
    }
    assert_failed(1007, &[], &cases);
}

#[test]
fn bad_text_is_noticed_at_its_first_bad_byte() {
    let mut cases = Vec::new();
    for bad in NOT_UTF8 {
        // A kilobyte is announced, and never comes.
        let start = [
            &header(FIN | TEXT, 1000)[..],
            &masked(&[b"so far so good ", *bad].concat()),
        ]
        .concat();
        cases.push(("bad text, and the frame goes on", start));
        cases.push(("bad text, and the message goes on", frame(TEXT, bad)));
    }
    assert_failed(1007, &[], &cases);
}

#[test]
fn messages_over_the_limit_are_refused_by_their_header() {
    assert_failed(
        1009,
        &[],
        &[
            ("one byte over 1 MiB", header(FIN | BINARY, (1 << 20) + 1)),
            ("4 GiB", header(FIN | BINARY, 1 << 32)),
            (
                "the longest that may be",
                header(FIN | BINARY, (1 << 63) - 1),
            ),
            ("the start of a message", header(BINARY, (1 << 20) + 1)),
        ],
    );
    let piece = |first| frame(first, &[b'x'; 600]);
    let small = [
        "--message-bytes-max",
        "1000",
        "--topic-log-bytes-max",
        "64KiB",
    ];
    assert_failed(
        1009,
        &small,
        &[
            ("in sum", [piece(TEXT), header(CONTINUATION, 401)].concat()),
            (
                "in sum, with a pong in between",
                [
                    piece(BINARY),
                    frame(FIN | PONG, b""),
                    header(FIN | CONTINUATION, 401),
                ]
                .concat(),
            ),
            (
                "an endless sum",
                [piece(TEXT), header(FIN | CONTINUATION, (1 << 63) - 1)].concat(),
            ),
        ],
    );
    let relay = Relay::start(&small);
    let mut client = Client::join(&relay, "/ws");
    client.send(&[piece(TEXT), frame(FIN | CONTINUATION, &[b'y'; 400])].concat());
    client.expect_text(&("x".repeat(600) + &"y".repeat(400)));
}

#[test]
fn messages_arrive_verbatim() {
    let relay = Relay::start(&[]);
    let mut sender = Client::join(&relay, "/ws");
    let mut reader = Client::join(&relay, "/ws/lobby");
    let lengths = [
        0,
        1,
        2,
        3,
        4,
        5,
        7,
        8,
        9,
        124,
        125,
        126,
        127,
        128,
        1023,
        1024,
        4095,
        65_534,
        65_535,
        65_536,
        65_537,
        200_000,
        1 << 20,
    ];
    for length in lengths {
        let bytes: Vec<u8> = (0..length as u32)
            .map(|n| (n.wrapping_mul(0x9E37_79B9) >> 24) as u8)
            .collect();
        let letters: String = bytes
            .iter()
            .map(|byte| char::from(b'a' + byte % 26))
            .collect();
        let sending = [binary(&bytes), text(&letters)].concat();
        thread::scope(|scope| {
            scope.spawn(|| sender.send(&sending));
            reader.expect_binary(&bytes);
            reader.expect_text(&letters);
        });
        sender.expect_binary(&bytes);
        sender.expect_text(&letters);
    }
    // Every header is the shortest that there is: what follows it was understood.
    for odd in [
        "\0",
        "\u{feff}",
        "\u{fffe}\u{ffff}",
        "\u{10ffff}",
        "<script>",
        "{\"type\":1}",
        "ünïcödé 🎺",
    ] {
        sender.send(&text(odd));
        reader.expect_text(odd);
    }
}

#[test]
fn frames_may_be_cut_at_any_byte() {
    let relay = Relay::start(&[]);
    let mut client = Client::join(&relay, "/ws");
    let long = "long enough for a sixteen-bit length ".repeat(5);
    let bytes = [
        text("ünï"),
        frame(TEXT, b"\xF0\x9F"),
        ping(b"within"),
        frame(FIN | CONTINUATION, b"\x8E\xBA"),
        text(&long),
        binary(b""),
        ping(b""),
    ]
    .concat();
    let expect = |client: &mut Client| {
        // Pongs come on their own way, messages in order.
        let mut frames: Vec<_> = (0..6).map(|_| client.frame()).collect();
        frames.sort_by_key(|frame| frame.first == FIN | PONG);
        let received: Vec<&[u8]> = frames.iter().map(|frame| &*frame.payload).collect();
        assert_eq!(
            received,
            [
                "ünï".as_bytes(),
                "🎺".as_bytes(),
                long.as_bytes(),
                b"",
                b"within",
                b""
            ]
        );
    };
    client.send_bytewise(&bytes);
    expect(&mut client);
    for cut in 1..bytes.len() {
        client.send(&bytes[..cut]);
        client.send(&bytes[cut..]);
        expect(&mut client);
    }
}

#[test]
fn thousands_of_frames_in_one_segment() {
    let relay = Relay::start(&[]);
    let mut sender = Client::join(&relay, "/ws");
    let mut reader = Client::join(&relay, "/ws");
    let messages: Vec<String> = (0..5000).map(|n| n.to_string()).collect();
    let bytes: Vec<u8> = messages.iter().flat_map(|message| text(message)).collect();
    assert!(bytes.len() < 64 * 1024);
    sender.send(&bytes);
    for message in &messages {
        reader.expect_text(message);
        sender.expect_text(message);
    }
}

#[test]
fn fragments_with_control_frames_between_them() {
    let relay = Relay::start(&[]);
    let mut sender = Client::join(&relay, "/ws");
    let mut reader = Client::join(&relay, "/ws");
    let mut bytes = frame(BINARY, b"");
    for n in 0..100u8 {
        bytes.extend(frame(CONTINUATION, &[n]));
        bytes.extend(ping(&[n]));
        bytes.extend(frame(CONTINUATION, b""));
        bytes.extend(frame(FIN | PONG, b"never asked for"));
    }
    sender.send(&bytes);
    // The pings are answered while the message is unfinished.
    for n in 0..100u8 {
        sender.expect_pong(&[n]);
    }
    sender.send(&frame(FIN | CONTINUATION, b""));
    let whole: Vec<u8> = (0..100).collect();
    sender.expect_binary(&whole);
    reader.expect_binary(&whole);
}

#[test]
fn a_message_in_20_000_fragments() {
    let relay = Relay::start(&[]);
    let mut sender = Client::join(&relay, "/ws");
    let before = relay.resident_kib();
    let mut bytes = frame(TEXT, b"x");
    bytes.extend(frame(CONTINUATION, b"x").repeat(19_998));
    sender.send(&bytes);
    sender.send(&ping(b"so far"));
    sender.expect_pong(b"so far");
    let grown = relay.resident_kib().saturating_sub(before);
    assert!(grown < 1024, "{grown} KiB for 20,000 fragments of one byte");
    sender.send(&frame(FIN | CONTINUATION, b"x"));
    sender.expect_text(&"x".repeat(20_000));
}

#[test]
fn an_unfinished_message_of_endless_empty_fragments_costs_nothing() {
    let mut relay = Relay::start(&[]);
    let mut sender = Client::join(&relay, "/ws");
    relay.assert_others_exchange();
    let before = relay.resident_kib();
    sender.send(&frame(TEXT, b""));
    sender.send(&frame(CONTINUATION, b"").repeat(200_000));
    sender.send(&ping(b"so far"));
    sender.expect_pong(b"so far");
    let grown = relay.resident_kib().saturating_sub(before);
    assert!(grown < 1024, "{grown} KiB for empty fragments");
    relay.assert_others_exchange();
    sender.send(&frame(FIN | CONTINUATION, b""));
    sender.expect_text("");
}

#[test]
fn a_burst_of_2_000_messages_drops_no_reader() {
    let relay = Relay::start(&[]);
    let mut sender = Client::join(&relay, "/ws");
    let mut readers: Vec<Client> = (0..20).map(|_| Client::join(&relay, "/ws")).collect();
    let messages: Vec<Vec<u8>> = (0..2000u32).map(|n| n.to_be_bytes().repeat(250)).collect();
    let bytes: Vec<u8> = messages
        .iter()
        .flat_map(|message| binary(message))
        .collect();
    thread::scope(|scope| {
        scope.spawn(|| sender.send(&bytes));
        for reader in &mut readers {
            scope.spawn(|| {
                messages
                    .iter()
                    .for_each(|message| reader.expect_binary(message))
            });
        }
    });
}

#[test]
fn all_readers_get_the_same_order() {
    const EACH: usize = 500;
    let relay = Relay::start(&[]);
    let mut clients: Vec<Client> = (0..6).map(|_| Client::join(&relay, "/ws/order")).collect();
    let received: Vec<Vec<Vec<u8>>> = thread::scope(|scope| {
        let threads: Vec<_> = clients
            .iter_mut()
            .enumerate()
            .map(|(number, client)| {
                scope.spawn(move || {
                    let mut received = Vec::new();
                    for n in 0..EACH {
                        client.send(&text(&format!("{number} {n}")));
                        received.push(client.frame().payload);
                    }
                    while received.len() < 6 * EACH {
                        received.push(client.frame().payload);
                    }
                    received
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("it received everything"))
            .collect()
    });
    assert!(
        received.iter().all(|other| *other == received[0]),
        "the orders differ"
    );
    for number in 0..6 {
        let from: Vec<&Vec<u8>> = received[0]
            .iter()
            .filter(|said| said[0] == b'0' + number)
            .collect();
        let said: Vec<Vec<u8>> = (0..EACH)
            .map(|n| format!("{number} {n}").into_bytes())
            .collect();
        assert!(
            from.iter().copied().eq(&said),
            "messages of {number} are out of order"
        );
    }
}

#[test]
fn without_echo_a_member_gets_all_but_its_own_messages() {
    let relay = Relay::start(&[]);
    let mut quiet: Vec<Client> = (0..2).map(|_| Client::join(&relay, "/ws?echo=0")).collect();
    let mut other = Client::join(&relay, "/ws");
    for round in 0..50 {
        let said: Vec<String> = (0..5).map(|n| format!("{round} {n}")).collect();
        quiet[0].send(&[text(&said[0]), text(&said[1])].concat());
        other.expect_text(&said[0]);
        other.expect_text(&said[1]);
        quiet[1].send(&text(&said[2]));
        other.expect_text(&said[2]);
        quiet[0].send(&text(&said[3]));
        other.expect_text(&said[3]);
        other.send(&text(&said[4]));
        other.expect_text(&said[4]);
        quiet[0].expect_text(&said[2]);
        quiet[0].expect_text(&said[4]);
        for received in [0, 1, 3, 4] {
            quiet[1].expect_text(&said[received]);
        }
    }
}

#[test]
fn topics_are_apart_and_names_are_decoded() {
    let relay = Relay::start(&["--host", "elsewhere.example"]);
    for (name, same) in [
        ("/ws", "/ws/lobby"),
        ("/ws?x", "/ws/lobby?echo=1"),
        ("/ws/%6Cobby", "/ws/lobby"),
        ("/ws/caf%C3%A9", "/ws/café"),
        ("/ws/%F0%9F%8E%BA", "/ws/🎺"),
        ("/ws/a%20b", "/ws/a%20b?echo=1"),
        ("/ws/a+b", "/ws/a%2Bb"),
        ("http://elsewhere.example/ws/absolute", "/ws/absolute"),
    ] {
        let mut one = Client::join(&relay, name);
        let mut two = Client::join(&relay, same);
        let mut elsewhere = Client::join(&relay, "/ws/Lobby");
        one.send(&text(name));
        two.expect_text(name);
        two.send(&text(same));
        one.expect_text(name);
        one.expect_text(same);
        elsewhere.send(&text("nothing else"));
        elsewhere.expect_text("nothing else");
    }
}

#[test]
fn a_newcomer_gets_what_is_sent_from_then_on() {
    let relay = Relay::start(&[]);
    let mut first = Client::join(&relay, "/ws");
    for n in 0..20 {
        first.send(&text(&format!("before {n}")));
        first.expect_text(&format!("before {n}"));
        let mut newcomer = Client::join(&relay, "/ws");
        first.send(&text(&format!("after {n}")));
        first.expect_text(&format!("after {n}"));
        newcomer.expect_text(&format!("after {n}"));
    }
}

#[test]
fn every_ping_is_answered_in_order() {
    let relay = Relay::start(&[]);
    let mut client = Client::join(&relay, "/ws");
    for length in [0, 1, 124, 125] {
        client.send(&ping(&vec![b'p'; length]));
        client.expect_pong(&vec![b'p'; length]);
    }
    let pings: Vec<u8> = (0..200u8).flat_map(|n| ping(&[n])).collect();
    client.send(&pings);
    for n in 0..200u8 {
        client.expect_pong(&[n]);
    }
    client.send(&frame(FIN | PONG, b"never asked for"));
    client.send(&text("still here"));
    client.expect_text("still here");
}
