use super::*;
use flate2::{Compress, Compression, Decompress, FlushDecompress};
use proptest::prelude::*;

const LIMIT: usize = 1 << 20;

fn inflate(compressed: &[u8], bytes_max: usize) -> Result<Vec<u8>, ProtocolError> {
    Inflater::default()
        .inflate(compressed, bytes_max)
        .map(<[u8]>::to_vec)
}

/// The raw stream of one message that another endpoint might send.
fn stream(payload: &[u8], flush: FlushCompress) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload.len() + 1024);
    Compress::new(Compression::default(), false)
        .compress_vec(payload, &mut out, flush)
        .unwrap();
    out
}

/// A message of this many MiB of zeros, compressed as far as DEFLATE goes.
fn bomb(mebibytes: usize) -> Vec<u8> {
    let mut mebibyte = Vec::with_capacity(1 << 20);
    Compress::new(Compression::best(), false)
        .compress_vec(&vec![0; 1 << 20], &mut mebibyte, FlushCompress::Full)
        .unwrap();
    let mut out = mebibyte.repeat(mebibytes);
    out.truncate(out.len() - TAIL.len());
    out
}

/// Something like what people send.
fn json(bytes: usize) -> Vec<u8> {
    (0..)
        .map(|n: u32| {
            format!(
                "{{\"id\":{n},\"price\":{},\"side\":\"buy\"}},",
                n.pow(2) % 997
            )
        })
        .flat_map(String::into_bytes)
        .take(bytes)
        .collect()
}

#[test]
fn examples_of_the_rfc() {
    // §7.2.3.1: one block; §7.2.3.3: without compression; §7.2.3.4: with BFINAL; §7.2.3.5: two
    // blocks; §7.2.3.6: an empty message.
    for (compressed, payload) in [
        (&b"\xf2\x48\xcd\xc9\xc9\x07\x00"[..], &b"Hello"[..]),
        (b"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00", b"Hello"),
        (b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00", b"Hello"),
        (
            b"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00",
            b"Hello",
        ),
        (b"\x00", b""),
    ] {
        assert_eq!(inflate(compressed, LIMIT), Ok(payload.to_vec()));
    }
    // §7.2.3.2, the second message with the first one's context: not without it.
    assert_eq!(
        inflate(b"\xf2\x00\x11\x00\x00", LIMIT),
        Err(ProtocolError::CompressedDataInvalid)
    );
}

#[test]
fn final_blocks_may_stand_anywhere() {
    let part = stream(b"fan", FlushCompress::Finish);
    let flushed = stream(b"fare", FlushCompress::Sync);
    let open = flushed.strip_suffix(&TAIL).unwrap();
    for (parts, payload) in [
        (&[&part[..], b"\x00"][..], &b"fan"[..]),
        (&[&part], b"fan"),
        (&[&part, &part, b"\x00"], b"fanfan"),
        (&[&part, open], b"fanfare"),
        (&[&flushed, &part, &flushed, open], b"farefanfarefare"),
    ] {
        assert_eq!(inflate(&parts.concat(), LIMIT), Ok(payload.to_vec()));
    }
    // What follows begins with no context of what came before.
    let mut inflater = Inflater::default();
    inflater.inflate(&part, LIMIT).unwrap();
    assert_eq!(
        inflater.inflate(b"\xf2\x00\x11\x00\x00", LIMIT),
        Err(ProtocolError::CompressedDataInvalid)
    );
    assert_eq!(inflater.inflate(open, LIMIT), Ok(&b"fare"[..]));
}

#[test]
fn no_bytes_are_an_empty_message() {
    assert_eq!(inflate(b"", LIMIT), Ok(vec![]));
}

#[test]
fn broken_streams_are_refused() {
    let whole = stream(&json(5000), FlushCompress::Sync);
    for bad in [
        &b"\x07"[..],                 // a block of the reserved type
        b"\x00\x05\x00\x05\x00Hello", // a length that its complement does not confirm
        b"\x05\xe0\x81\x00",          // code lengths that make no code
        b"\x63\x18\x05\x01",          // a distance before the start
        b"\xff\xff\xff\xff",
        b"Hello",
        &[&whole[..200], &b"\x00"[..]].concat(),
        &[&stream(b"a", FlushCompress::Finish)[..], &b"\x06"[..]].concat(),
    ] {
        assert_eq!(
            inflate(bad, LIMIT),
            Err(ProtocolError::CompressedDataInvalid),
            "{bad:x?}"
        );
    }
    assert_eq!(
        ProtocolError::CompressedDataInvalid.close_code().as_u16(),
        1007
    );
}

#[test]
fn no_cut_of_a_stream_is_taken_for_the_whole() {
    for level in [1, 6] {
        let payload = json(700);
        let compressed = Deflater::new(Window::Bits15, level)
            .deflate(&payload)
            .unwrap()
            .to_vec();
        let mut inflater = Inflater::default();
        for cut in 1..compressed.len() {
            let inflated = inflater.inflate(&compressed[..cut], LIMIT);
            assert_ne!(inflated, Ok(&payload[..]), "level {level} cut at {cut}");
        }
        assert_eq!(inflater.inflate(&compressed, LIMIT), Ok(&payload[..]));
    }
}

#[test]
fn the_limit_holds_to_the_byte() {
    for bytes in [1, 100, 4096, 5000, 65_536] {
        let compressed = stream(&vec![7; bytes], FlushCompress::Sync);
        let compressed = compressed.strip_suffix(&TAIL).unwrap();
        assert_eq!(inflate(compressed, bytes), Ok(vec![7; bytes]));
        assert_eq!(
            inflate(compressed, bytes - 1),
            Err(ProtocolError::MessageTooBig)
        );
    }
    assert_eq!(inflate(b"\x00", 0), Ok(vec![]));
}

#[test]
fn a_bomb_costs_no_more_than_the_limit() {
    let bomb = bomb(1024);
    assert!(bomb.len() < 1_100_000, "{}", bomb.len());
    let mut inflater = Inflater::default();
    assert_eq!(
        inflater.inflate(&bomb, LIMIT),
        Err(ProtocolError::MessageTooBig)
    );
    assert!(inflater.buffer.capacity() <= LIMIT + 1);
    assert!(inflater.taken < 4096, "it stopped reading");
    inflater.release();
    assert_eq!(inflater.buffer.capacity(), 0);
}

#[test]
fn a_small_message_takes_no_large_buffer() {
    let mut inflater = Inflater::default();
    let compressed = stream(b"fan fan fan fan", FlushCompress::Finish);
    inflater.inflate(&compressed, 1 << 30).unwrap();
    assert!(inflater.buffer.capacity() < 256);
}

#[test]
fn what_does_not_shrink_is_left_alone() {
    let noise: Vec<u8> = (0..5000u32)
        .map(|n| (n.wrapping_mul(0x9E37_79B9) >> 13) as u8 ^ ((n * n) >> 7) as u8)
        .collect();
    for window in [Window::Bits9, Window::Bits15] {
        for level in [1, 2, 6, 9] {
            let mut deflater = Deflater::new(window, level);
            assert_eq!(deflater.deflate(b""), None);
            assert_eq!(deflater.deflate(b"x"), None);
            // A buffer that is larger from before makes no difference.
            deflater.deflate(&json(100_000)).unwrap();
            assert_eq!(deflater.deflate(&noise), None);
            assert!(deflater.deflate(&json(5000)).unwrap().len() < 2000);
            deflater.release();
            assert_eq!(deflater.buffer.capacity(), 0);
        }
    }
}

#[test]
fn compressed_text_is_checked_once_it_is_inflated() {
    let mut inflater = Inflater::default();
    let mut open = |kind, compressed, payload: &[u8]| {
        let message = Message {
            kind,
            compressed,
            payload,
        };
        inflater
            .open(message, LIMIT)
            .map(|message| (message.compressed, message.payload.to_vec()))
    };
    let bad = stream(b"\xff\xff", FlushCompress::Finish);
    let text = MessageKind::Text;
    assert_eq!(open(text, true, &bad), Err(ProtocolError::TextNotUtf8));
    let opened = (false, b"\xff\xff".to_vec());
    assert_eq!(open(MessageKind::Binary, true, &bad), Ok(opened.clone()));
    assert_eq!(open(MessageKind::Binary, false, &opened.1), Ok(opened));
    let good = stream("grüß".as_bytes(), FlushCompress::Finish);
    let opened = (false, "grüß".as_bytes().to_vec());
    assert_eq!(open(text, true, &good), Ok(opened));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// What a window of 9 bits compressed is inflated with no more than that, and each message
    /// stands for itself, whatever came before it.
    #[test]
    fn inflates_what_it_deflates(
        messages in proptest::collection::vec(
            prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..3000),
                proptest::collection::vec(0u8..4, 0..3000),
                (0usize..70_000).prop_map(json),
            ],
            1..8,
        ),
        level in 1u8..=9,
    ) {
        let mut inflater = Inflater::default();
        for window in [Window::Bits9, Window::Bits15] {
            let mut deflater = Deflater::new(window, level);
            for payload in &messages {
                let Some(compressed) = deflater.deflate(payload) else { continue };
                prop_assert!(compressed.len() < payload.len());
                prop_assert_eq!(inflater.inflate(compressed, payload.len()), Ok(&payload[..]));
                let mut exact = Decompress::new_with_window_bits(false, window.bits());
                let mut out = Vec::with_capacity(payload.len() + 1);
                let mut fed = 0;
                // In small steps, so that what it refers to is taken from its window.
                while fed < compressed.len() {
                    let end = compressed.len().min(fed + 7);
                    exact.decompress_vec(&compressed[fed..end], &mut out, FlushDecompress::None).unwrap();
                    fed = exact.total_in() as usize;
                }
                exact.decompress_vec(&TAIL, &mut out, FlushDecompress::None).unwrap();
                prop_assert_eq!(&out, payload);
            }
        }
    }

    /// Steps of any size come to what one does.
    #[test]
    fn steps_make_no_difference(
        parts in proptest::collection::vec(
            prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..40),
                (0usize..20_000).prop_map(|bytes| stream(&json(bytes), FlushCompress::Sync)),
                (0usize..200).prop_map(|bytes| stream(&json(bytes), FlushCompress::Finish)),
                (0usize..20).prop_map(|blocks| [0, 0, 0, 0xff, 0xff].repeat(blocks)),
            ],
            0..8,
        ),
        work_max in prop_oneof![1usize..20_000, Just(usize::MAX)],
        limit in 0usize..100_000,
    ) {
        let compressed = parts.concat();
        let mut inflater = Inflater::default();
        inflater.begin(compressed.len(), limit);
        let verdict = loop {
            let before = inflater.work();
            let advanced = inflater.advance(&compressed, limit, work_max);
            let work = inflater.work() - before;
            prop_assert!(work <= work_max.saturating_add(STEP_BYTES_MIN + BLOCK_WORK + 64));
            match advanced {
                Ok(false) => prop_assert!(work >= work_max),
                Ok(true) => break Ok(inflater.buffer[..inflater.filled].to_vec()),
                Err(error) => break Err(error),
            }
        };
        prop_assert_eq!(verdict, inflate(&compressed, limit));
    }

    /// Nothing that may come panics, exceeds the limit, or never ends.
    #[test]
    fn any_bytes_have_their_verdict(bytes in proptest::collection::vec(any::<u8>(), 0..300), limit in 0usize..5000) {
        let mut inflater = Inflater::default();
        if let Ok(inflated) = inflater.inflate(&bytes, limit) {
            prop_assert!(inflated.len() <= limit);
        }
        prop_assert!(inflater.buffer.capacity() <= limit.max(bytes.len() * EXPECTED_RATIO) + 1);
    }
}

#[test]
fn what_does_not_shrink_leaves_nothing_behind() {
    let mut state = 1u32;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    })
    .take(300_000)
    .collect();
    let text = b"fan fan fanfare! ".repeat(1000);
    for window in [Window::Bits9, Window::Bits15] {
        for level in 1..=9 {
            let mut deflater = Deflater::new(window, level);
            let mut inflater = Inflater::default();
            for bytes in [300_000, 60_000, 300_000, 30_000, 64, 1000, 200_000, 150_000] {
                assert_eq!(
                    deflater.deflate(&noise[..bytes]),
                    None,
                    "{bytes} at {level}"
                );
                assert_eq!(
                    deflater.deflate(&noise[..bytes / 2]),
                    None,
                    "{bytes} at {level}"
                );
            }
            let compressed = deflater.deflate(&text).expect("it repeats itself");
            assert_eq!(inflater.inflate(compressed, 1 << 20), Ok(&text[..]));
        }
    }
}
