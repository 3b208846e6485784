use super::super::codec::Codec;
use super::super::payload::PUBLISHERS_MAX;
use super::*;
use proptest::prelude::*;

fn script(sizes: &[usize]) -> Script {
    Script::new(MessageKind::Text, sizes, 4711)
}

#[test]
fn a_payload_tells_its_publisher_and_number() {
    let script = script(&[12, 70_000]);
    for (publisher, sequence) in [(0, 0), (1, 1), (PUBLISHERS_MAX - 1, 1 << 33)] {
        let fields = Fields {
            publisher,
            sequence,
        };
        let mut payload = Vec::new();
        script.write_payload(fields, &mut payload);
        assert_eq!(payload.len(), script.payload_bytes(sequence));
        assert_eq!(Fields::read(script.tag, &payload), Some(fields));
        assert!(str::from_utf8(&payload).is_ok());
    }
    assert_eq!(Fields::read(script.tag, b"hello, world!"), None);
    assert_eq!(Fields::read(script.tag, b"000"), None);
}

#[test]
fn messages_of_another_run_are_not_ours() {
    let mut payload = Vec::new();
    let fields = Fields {
        publisher: 0,
        sequence: 0,
    };
    Script::new(MessageKind::Text, &[64], 1).write_payload(fields, &mut payload);
    let other = Script::new(MessageKind::Text, &[64], 2);
    assert_eq!(Fields::read(other.tag, &payload), None);
}

#[test]
fn messages_are_published_compressed_if_that_is_agreed_on() {
    let script = script(&[2000]);
    for (is_deflated, first_byte) in [(false, 0x81), (true, 0xc1)] {
        let (mut track, mut out) = (Track::default(), Vec::new());
        track.publish(&script, &mut Codec::new(is_deflated), 0, 1, 100, &mut out);
        assert_eq!(out[0], first_byte);
    }
}

#[test]
fn a_track_keeps_what_is_still_to_be_received() {
    let script = script(&[20, 200]);
    let mut track = Track::default();
    let mut out = Vec::new();
    let codec = &mut Codec::new(false);
    track.publish(&script, codec, 0, 3, 100, &mut out);
    track.publish(&script, codec, 0, 2, 200, &mut out);
    assert_eq!(track.published(), 5);
    assert_eq!(track.from(0).len() as u64, script.position(5));
    let fourth = script.position(3);
    assert_eq!(script.peek_publisher(track.from(fourth)), Some(0));

    let mut received = Vec::new();
    track.for_batches(1..5, |count, at| received.push((count, at)));
    assert_eq!(received, [(2, 100), (2, 200)]);

    track.release(&script, 3);
    assert_eq!(track.from(0), b"");
    assert_eq!(
        track.from(fourth).len() as u64,
        script.position(5) - script.position(3)
    );
}

proptest! {
    #[test]
    fn positions_and_sequences_agree(
        sizes in proptest::collection::vec(PAYLOAD_BYTES_MIN..70_000, 1..5),
        sequence in 0..1_000_000_u64,
    ) {
        let script = script(&sizes);
        let start = script.position(sequence);
        let end = script.position(sequence + 1);
        let mut frame = Vec::new();
        script.write_frame(Fields { publisher: 0, sequence }, &mut frame);
        prop_assert_eq!(frame.len() as u64, end - start);
        prop_assert_eq!(script.sequence(start), sequence);
        prop_assert_eq!(script.sequence(end - 1), sequence);
        prop_assert_eq!(script.sequence(end), sequence + 1);
    }
}
