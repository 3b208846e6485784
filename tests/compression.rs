//! permessage-deflate over real sockets: what is agreed on, that readers with and without it get
//! the same messages, and that nothing compressed costs more than its limit.

mod common;

use common::*;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};
use std::time::Duration;

const RSV1: u8 = 0x40;
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// An opening handshake for a path that offers this.
fn offer(path: &str, offer: &str) -> Vec<u8> {
    let line = format!("Sec-WebSocket-Extensions: {offer}");
    request(
        &format!("GET {path} HTTP/1.1"),
        &[&UPGRADE[..], &[&line]].concat(),
    )
}

/// A WebSocket, and what its offer was answered with.
fn join(relay: &Relay, path: &str, offered: &str) -> (Client, Option<String>) {
    opened(Client::connect(relay), path, offered)
}

fn opened(mut client: Client, path: &str, offered: &str) -> (Client, Option<String>) {
    client.send(&offer(path, offered));
    let response = client.response_to_head();
    assert_eq!(response.status, 101, "{}", response.head);
    let answer = response.header("Sec-WebSocket-Extensions");
    (client, answer.map(str::to_owned))
}

/// A reader that agreed on a window of 15 bits.
fn reader(relay: &Relay, path: &str) -> Client {
    let (client, answer) = join(relay, path, "permessage-deflate");
    assert!(answer.is_some());
    client
}

/// One message compressed as a client does it.
fn deflate(payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload.len() + 64);
    Compress::new(Compression::best(), false)
        .compress_vec(payload, &mut out, FlushCompress::Sync)
        .expect("it is in order");
    out.strip_suffix(&TAIL).expect("it was flushed").to_vec()
}

/// What a window of this many bits inflates.
fn inflate(compressed: &[u8], window_bits: u8, bytes: usize) -> Vec<u8> {
    let mut inflater = Decompress::new_with_window_bits(false, window_bits);
    let mut out = Vec::with_capacity(bytes + 1);
    let whole = [compressed, &TAIL].concat();
    // In steps, so that what lies far behind is looked for in the window.
    while inflater.total_in() < whole.len() as u64 {
        let fed = inflater.total_in() as usize;
        let step = &whole[fed..whole.len().min(fed + 100)];
        inflater
            .decompress_vec(step, &mut out, FlushDecompress::None)
            .expect("it is in order");
    }
    out
}

/// Something that shrinks.
fn story(number: usize, bytes: usize) -> String {
    let mut story = format!("{number}: ");
    while story.len() < bytes {
        story += &format!(
            "chapter {} of the story, ",
            (story.len() * 7 + number) % 1000
        );
    }
    story.truncate(bytes);
    story
}

/// The next message, inflated if it is compressed: its opcode, whether it was, and what it says.
fn message(client: &mut Client, window_bits: u8) -> (u8, bool, Vec<u8>) {
    let (first, payload) = client.any_frame();
    let opcode = first & 0x0f;
    assert_eq!(first & 0xb0, FIN, "one whole frame: {first:x}");
    match first & RSV1 {
        0 => (opcode, false, payload),
        _ => (opcode, true, inflate(&payload, window_bits, 2 << 20)),
    }
}

#[test]
fn offers_have_their_answers() {
    let relay = Relay::start(&[]);
    let agreed = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
    for (offered, more) in [
        ("permessage-deflate", ""),
        (
            "permessage-deflate; client_max_window_bits",
            "; client_max_window_bits=15",
        ),
        (
            "permessage-deflate; server_max_window_bits=12",
            "; server_max_window_bits=9",
        ),
        (
            "permessage-deflate; server_max_window_bits=8, permessage-deflate; foo, permessage-deflate",
            "",
        ),
    ] {
        let (_, answer) = join(&relay, "/ws", offered);
        assert_eq!(answer, Some(format!("{agreed}{more}")), "{offered}");
    }
    for offered in [
        "permessage-bzip2",
        "permessage-deflate; server_max_window_bits=8",
        "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
        "permessage-deflate; server_max_window_bits=\"10",
        "=;,\"",
    ] {
        let (mut client, answer) = join(&relay, "/ws/declined", offered);
        assert_eq!(answer, None, "{offered}");
        // It is a connection all the same, without compression.
        client.send(&text(&story(1, 2000)));
        client.expect_text(&story(1, 2000));
    }
}

#[test]
fn the_operator_decides() {
    let relay = Relay::start(&["--compression", "off"]);
    let (mut client, answer) = join(&relay, "/ws", "permessage-deflate");
    assert_eq!(answer, None);
    client.send(&frame(FIN | RSV1 | TEXT, &deflate(b"hello")));
    client.expect_closed(1002);
}

#[test]
fn all_readers_get_the_same_messages() {
    for level in ["1", "6"] {
        let relay = Relay::start(&["--compression", "on", "--compression-level", level]);
        let mut plain = Client::join(&relay, "/ws");
        let mut large = reader(&relay, "/ws");
        let (mut small, _) = join(
            &relay,
            "/ws",
            "permessage-deflate; server_max_window_bits=10",
        );
        let mut plain_sender = Client::join(&relay, "/ws?echo=0");
        let mut compressed_sender = reader(&relay, "/ws?echo=0");
        for number in 0..20 {
            let said = story(number, 100 + number * 900);
            let opcode = if number % 3 == 0 { BINARY } else { TEXT };
            if number % 2 == 0 {
                plain_sender.send(&frame(FIN | opcode, said.as_bytes()));
            } else {
                let compressed = deflate(said.as_bytes());
                compressed_sender.send(&frame(FIN | RSV1 | opcode, &compressed));
            }
            plain.expect_frame(FIN | opcode, said.as_bytes());
            let shrinks = said.len() >= 512;
            for (reader, window_bits) in [(&mut large, 15), (&mut small, 9)] {
                let expected = (opcode, shrinks, said.clone().into_bytes());
                assert!(message(reader, window_bits) == expected, "{number}");
            }
        }
        // Clients that don't want their own messages get each other's.
        for number in 0..20 {
            let said = story(number, 100 + number * 900).into_bytes();
            let (reader, bits) = match number % 2 {
                0 => (&mut compressed_sender, 15),
                _ => (&mut plain_sender, 15),
            };
            assert!(message(reader, bits).2 == said, "{number}");
        }
    }
}

#[test]
fn what_would_not_shrink_stays_as_it_is() {
    let relay = Relay::start(&["--compression-bytes-min", "100"]);
    let mut client = reader(&relay, "/ws");
    let mut state = 1u32;
    let noise: Vec<u8> = (0..5000)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .collect();
    for (payload, is_compressed) in [
        (noise, false),
        (vec![b'a'; 99], false),
        (vec![b'a'; 100], true),
        (vec![], false),
    ] {
        client.send(&binary(&payload));
        assert_eq!(message(&mut client, 15), (BINARY, is_compressed, payload));
    }
}

#[test]
fn rsv1_without_an_agreement_is_refused() {
    let mut relay = Relay::start(&[]);
    let compressed = deflate(b"hello");
    let mut client = Client::join(&relay, "/ws");
    client.send(&frame(FIN | RSV1 | TEXT, &compressed));
    client.expect_closed(1002);
    relay.assert_others_exchange();
}

#[test]
fn compressed_messages_that_break_a_rule_have_their_codes() {
    let mut relay = Relay::start(&[]);
    let (start, end) = (b"\xf2\x48\xcd", b"\xc9\xc9\x07\x00");
    let whole = deflate(story(1, 3000).as_bytes());
    for (sent, code) in [
        // RSV1 anywhere but on the first frame of a message.
        (
            [frame(RSV1 | TEXT, start), frame(FIN | RSV1, end)].concat(),
            1002,
        ),
        (frame(FIN | RSV1 | PING, b""), 1002),
        (frame(FIN | RSV1 | CLOSE, b""), 1002),
        (frame(FIN | 0x20 | TEXT, start), 1002),
        (frame(FIN | 0x60 | TEXT, start), 1002),
        // What can't be inflated.
        (frame(FIN | RSV1 | TEXT, b"\x07"), 1007),
        (
            frame(FIN | RSV1 | BINARY, b"\x00\x05\x00\x05\x00Hello"),
            1007,
        ),
        (frame(FIN | RSV1 | TEXT, &whole[..whole.len() / 2]), 1007),
        // With the last message's context.
        (
            [
                frame(FIN | RSV1 | TEXT, &[&start[..], end].concat()),
                frame(FIN | RSV1 | TEXT, b"\xf2\x00\x11\x00\x00"),
            ]
            .concat(),
            1007,
        ),
        // Text that is none once it is inflated.
        (frame(FIN | RSV1 | TEXT, &deflate(&[0xff; 50])), 1007),
    ] {
        let mut client = reader(&relay, "/ws/breaker?echo=0");
        client.send(&sent);
        client.expect_closed(code);
        relay.assert_others_exchange();
    }
}

#[test]
fn any_cut_of_a_compressed_message_says_the_same() {
    let relay = Relay::start(&[]);
    let said = story(7, 5000);
    let compressed = deflate(said.as_bytes());
    let mut pieces = frame(RSV1 | TEXT, &compressed[..10]);
    for piece in compressed[10..].chunks(37) {
        pieces.extend(frame(CONTINUATION, piece));
        pieces.extend(ping(b"in between"));
        pieces.extend(frame(CONTINUATION, b""));
    }
    pieces.extend(frame(FIN | CONTINUATION, b""));
    let mut hearer = Client::join(&relay, "/ws");
    let mut sender = reader(&relay, "/ws?echo=0");
    sender.send(&pieces);
    hearer.expect_text(&said);
    sender.send_bytewise(&pieces);
    hearer.expect_text(&said);
    for _ in 0..2 * compressed[10..].chunks(37).count() {
        sender.expect_pong(b"in between");
    }

    // The first message along with the request, at once and byte by byte.
    let first = [offer("/ws?echo=0", "permessage-deflate"), pieces].concat();
    let mut client = Client::connect(&relay);
    client.send(&first);
    client.expect_upgraded();
    hearer.expect_text(&said);
    let mut client = Client::connect(&relay);
    client.send_bytewise(&first);
    hearer.expect_text(&said);
    client.expect_upgraded();
}

#[test]
fn a_final_block_ends_a_message_and_nothing_else() {
    let relay = Relay::start(&[]);
    let mut hearer = Client::join(&relay, "/ws");
    let mut sender = reader(&relay, "/ws?echo=0");
    // RFC 7692 §7.2.3.4: "Hello" in a block with BFINAL, and without the octet behind it.
    for compressed in [
        &b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00"[..],
        b"\xf3\x48\xcd\xc9\xc9\x07\x00",
        b"\xf2\x48\xcd\xc9\xc9\x07\x00",
    ] {
        for _ in 0..3 {
            sender.send(&frame(FIN | RSV1 | TEXT, compressed));
            hearer.expect_text("Hello");
        }
    }
    // No bytes at all are an empty message, as the octet for an empty block is.
    for compressed in [&b""[..], b"\x00"] {
        sender.send(&frame(FIN | RSV1 | TEXT, compressed));
        hearer.expect_text("");
    }
}

/// This many MiB of zeros, compressed as far as it goes.
fn bomb(mebibytes: usize) -> Vec<u8> {
    let mut mebibyte = Vec::with_capacity(1 << 20);
    Compress::new(Compression::best(), false)
        .compress_vec(&vec![0; 1 << 20], &mut mebibyte, FlushCompress::Full)
        .expect("it is in order");
    let bomb = mebibyte.repeat(mebibytes);
    bomb.strip_suffix(&TAIL).expect("it was flushed").to_vec()
}

#[test]
fn a_bomb_costs_no_more_than_the_limit() {
    let mut relay = Relay::start(&["--message-bytes-max", "1100KiB"]);
    relay.assert_others_exchange();
    let bomb = bomb(1024);
    assert!((1_000_000..1_100_000).contains(&bomb.len()));
    let before = relay.resident_kib();
    for _ in 0..5 {
        let mut client = reader(&relay, "/ws");
        client.send(&frame(FIN | RSV1 | BINARY, &bomb));
        client.expect_closed(1009);
    }
    relay.assert_others_exchange();
    // What arrived, what of it was inflated, and the same again for a buffer that grew.
    let grown = relay.resident_kib().saturating_sub(before);
    assert!(grown < 5 * 1024, "{grown} KiB");
}

#[test]
fn a_flood_of_compressed_messages_leaves_others_their_turn() {
    let relay = Relay::start(&[]);
    let flood = frame(FIN | RSV1 | BINARY, &bomb(1));
    let floods: Vec<_> = (0..8)
        .map(|number| {
            let path = format!("/ws/flood{number}?echo=0");
            let (mut client, _) = join(&relay, &path, "permessage-deflate");
            let flood = flood.clone();
            // Until the relay is gone.
            std::thread::spawn(move || while client.try_send(&flood) {})
        })
        .collect();
    let mut bystander = reader(&relay, "/ws/bystander");
    for _ in 0..10 {
        bystander.send(&text("and me?"));
        assert_eq!(bystander.any_frame(), (FIN | TEXT, b"and me?".to_vec()));
    }
    drop(relay);
    for flood in floods {
        flood.join().expect("it ends with its connection");
    }
}

#[test]
fn messages_that_swell_lap_no_reader_whose_socket_has_space() {
    // 48 messages of 1 MiB in a few KiB: more than a topic retains, in one read. To a reader of them
    // compressed they are no more than that.
    let relay = Relay::start(&["--topic-log-bytes-max", "4MiB"]);
    let mut hearer = reader(&relay, "/ws");
    let mut sender = reader(&relay, "/ws?echo=0");
    let swelling = frame(FIN | RSV1 | BINARY, &bomb(1));
    let count = 48;
    assert!(swelling.len() * count < 64 * 1024, "{}", swelling.len());
    sender.send(&[swelling.repeat(count), ping(b"last")].concat());
    for _ in 0..count {
        let (opcode, is_compressed, payload) = message(&mut hearer, 15);
        assert_eq!(
            (opcode, is_compressed, payload.len()),
            (BINARY, true, 1 << 20)
        );
    }
    sender.expect_pong(b"last");
    let ended = relay.terminated();
    assert!(
        ended.stderr.contains(" 0 readers lapped"),
        "{}",
        ended.stderr
    );
}

/// Publishes compressed messages to a topic in which `healthy` keeps up; the last of them may be
/// waited for.
fn publish(sender: &mut Client, healthy: &mut Client, numbers: std::ops::Range<usize>) {
    for number in numbers {
        let said = story(number, 4000);
        sender.send(&frame(FIN | RSV1 | TEXT, &deflate(said.as_bytes())));
        healthy.expect_text(&said);
    }
}

/// The number of a message that a reader of compressed ones got.
fn number(payload: &[u8]) -> usize {
    let said = String::from_utf8(inflate(payload, 15, 4000)).expect("text");
    let number = said
        .split_once(':')
        .and_then(|(number, _)| number.parse().ok());
    let number = number.unwrap_or_else(|| panic!("no message: {said:.50}"));
    assert_eq!(said, story(number, 4000));
    number
}

#[test]
fn a_lapped_reader_of_compressed_messages_is_told_on_a_frame_boundary() {
    let mut relay = Relay::start(SMALL_LOG);
    let (mut stalled, _) = opened(Client::connect_small(&relay), "/ws", "permessage-deflate");
    let mut healthy = Client::join(&relay, "/ws");
    let mut sender = reader(&relay, "/ws?echo=0");
    publish(&mut sender, &mut healthy, 0..1500);
    relay.assert_others_exchange();
    let mut expected = 0;
    loop {
        let (first, payload) = stalled.any_frame();
        if first == FIN | CLOSE {
            assert_eq!(payload[..2], 1013u16.to_be_bytes());
            break;
        }
        assert_eq!(first, FIN | RSV1 | TEXT);
        assert_eq!(number(&payload), expected);
        expected += 1;
    }
    assert!(expected > 0);
    // It did not cost the others anything: not the plain reader, not one that reads compressed.
    let mut late = reader(&relay, "/ws");
    publish(&mut sender, &mut healthy, 1500..1501);
    assert_eq!(number(&late.any_frame().1), 1500);
}

#[test]
fn a_reader_of_compressed_messages_skips_to_the_live_end() {
    let relay = Relay::start(&[SMALL_LOG, &["--slow-policy", "skip"]].concat());
    let (mut stalled, _) = opened(Client::connect_small(&relay), "/ws", "permessage-deflate");
    let mut healthy = Client::join(&relay, "/ws");
    let mut sender = reader(&relay, "/ws?echo=0");
    publish(&mut sender, &mut healthy, 0..1500);
    let (mut next, mut gaps, mut published) = (0, 0, 1500);
    while next < 1510 {
        // What it was lapped by may have been the last: then nothing shows the gap yet.
        if !stalled.has_input(Duration::from_millis(100)) {
            publish(&mut sender, &mut healthy, published..published + 1);
            published += 1;
        }
        let (first, payload) = stalled.any_frame();
        assert_eq!(first, FIN | RSV1 | TEXT);
        let number = number(&payload);
        assert!(number >= next, "{number} comes where {next} was due");
        gaps += usize::from(number > next);
        next = number + 1;
    }
    assert!(gaps > 0);
}

#[test]
fn readers_may_come_and_go() {
    let relay = Relay::start(&[]);
    let mut plain = Client::join(&relay, "/ws");
    for round in 0..20 {
        let mut compressed = reader(&relay, "/ws");
        let (mut small, _) = join(
            &relay,
            "/ws",
            "permessage-deflate; server_max_window_bits=9",
        );
        let said = story(round, 2000);
        plain.send(&text(&said));
        plain.expect_text(&said);
        assert_eq!(message(&mut compressed, 15).2, said.as_bytes());
        assert_eq!(message(&mut small, 9).2, said.as_bytes());
        small.reset();
        // Without any plain reader, too.
        let topic = format!("/ws/alone-{round}");
        let mut alone = reader(&relay, &topic);
        alone.send(&text(&said));
        assert_eq!(message(&mut alone, 15).2, said.as_bytes());
    }
    let ended = relay.terminated();
    assert_eq!(ended.code, Some(0));
    assert_eq!(message_after_shutdown(plain), 1012);
}

/// The code of the close frame that comes next.
fn message_after_shutdown(mut client: Client) -> u16 {
    let (first, payload) = client.any_frame();
    assert_eq!(first, FIN | CLOSE);
    u16::from_be_bytes([payload[0], payload[1]])
}
