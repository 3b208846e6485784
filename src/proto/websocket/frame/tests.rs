use super::*;
use proptest::prelude::*;

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

fn header(fin: bool, opcode: OpCode, mask: Option<[u8; 4]>, payload_bytes: u64) -> FrameHeader {
    FrameHeader {
        fin,
        compressed: false,
        opcode,
        mask,
        payload_bytes,
    }
}

#[test]
fn examples_of_the_rfc() {
    // §5.7, in its order.
    for (bytes, expected) in [
        (&b"\x81\x05Hello"[..], header(true, OpCode::Text, None, 5)),
        (
            b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58",
            header(true, OpCode::Text, Some(KEY), 5),
        ),
        (b"\x01\x03Hel", header(false, OpCode::Text, None, 3)),
        (b"\x80\x02lo", header(true, OpCode::Continuation, None, 2)),
        (b"\x89\x05Hello", header(true, OpCode::Ping, None, 5)),
        (
            b"\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58",
            header(true, OpCode::Pong, Some(KEY), 5),
        ),
        (b"\x82\x7e\x01\x00", header(true, OpCode::Binary, None, 256)),
        (
            b"\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00",
            header(true, OpCode::Binary, None, 65536),
        ),
    ] {
        let (decoded, header_bytes) = FrameHeader::decode(bytes).unwrap().unwrap();
        assert_eq!(decoded, expected);
        assert_eq!(&expected.encode()[..], &bytes[..header_bytes]);
    }
}

#[test]
fn an_encoded_header_shows_its_bytes() {
    let encoded = header(true, OpCode::Text, None, 5).encode();
    assert_eq!(format!("{encoded:?}"), "[129, 5]");
}

#[test]
fn every_length_boundary() {
    for (payload_bytes, header_bytes) in [
        (0, 2),
        (1, 2),
        (125, 2),
        (126, 4),
        (127, 4),
        (0xffff, 4),
        (0x1_0000, 10),
        (u64::from(u32::MAX) + 1, 10),
        ((1 << 63) - 1, 10),
    ] {
        for mask in [None, Some(KEY)] {
            let header = header(true, OpCode::Binary, mask, payload_bytes);
            let encoded = header.encode();
            let expected_bytes = header_bytes + mask.map_or(0, |key| key.len());
            assert_eq!(encoded.len(), expected_bytes);
            assert_eq!(
                FrameHeader::decode(&encoded),
                Ok(Some((header, expected_bytes)))
            );
        }
    }
}

#[test]
fn every_reserved_bit_is_refused_by_the_first_byte() {
    for bits in [0x20, 0x10, 0x30, 0x50, 0x60, 0x70] {
        assert_eq!(
            FrameHeader::decode(&[0x81 | bits]),
            Err(ProtocolError::ReservedBit)
        );
    }
}

#[test]
fn only_what_begins_a_message_may_be_compressed() {
    for opcode in [0x0, 0x8, 0x9, 0xa] {
        assert_eq!(
            FrameHeader::decode(&[0xc0 | opcode]),
            Err(ProtocolError::ReservedBit)
        );
    }
    for opcode in [OpCode::Text, OpCode::Binary] {
        for fin in [false, true] {
            let header = FrameHeader {
                compressed: true,
                ..header(fin, opcode, None, 7)
            };
            let encoded = header.encode();
            assert_eq!(encoded[0] & 0x70, 0x40);
            assert_eq!(FrameHeader::decode(&encoded), Ok(Some((header, 2))));
        }
    }
}

#[test]
fn every_reserved_opcode_is_refused_by_the_first_byte() {
    for opcode in (3..=7).chain(11..=15) {
        assert_eq!(
            FrameHeader::decode(&[0x80 | opcode]),
            Err(ProtocolError::ReservedOpCode)
        );
    }
}

#[test]
fn control_frames_are_whole_and_short() {
    for opcode in [0x8, 0x9, 0xa] {
        assert_eq!(
            FrameHeader::decode(&[opcode]),
            Err(ProtocolError::FragmentedControl)
        );
        assert!(
            FrameHeader::decode(&[0x80 | opcode, 125])
                .unwrap()
                .is_some()
        );
        for length in [126, 127] {
            assert_eq!(
                FrameHeader::decode(&[0x80 | opcode, length]),
                Err(ProtocolError::ControlTooLong)
            );
        }
    }
}

#[test]
fn a_length_has_its_shortest_form() {
    for low in 0..=125 {
        assert_eq!(
            FrameHeader::decode(&[0x82, 126, 0, low]),
            Err(ProtocolError::LengthNotMinimal)
        );
    }
    assert!(FrameHeader::decode(&[0x82, 126, 0, 126]).unwrap().is_some());
    // The last two bytes can't make it long enough any more.
    assert_eq!(
        FrameHeader::decode(&[0x82, 127, 0, 0, 0, 0, 0, 0]),
        Err(ProtocolError::LengthNotMinimal)
    );
    assert_eq!(FrameHeader::decode(&[0x82, 127, 0, 0, 0, 0, 0]), Ok(None));
    assert_eq!(
        FrameHeader::decode(&[0x82, 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff]),
        Err(ProtocolError::LengthNotMinimal)
    );
    assert!(
        FrameHeader::decode(&[0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0])
            .unwrap()
            .is_some()
    );
}

#[test]
fn the_top_bit_of_a_length_is_refused_by_its_first_byte() {
    assert_eq!(
        FrameHeader::decode(&[0x82, 127, 0x80]),
        Err(ProtocolError::LengthTopBit)
    );
    assert_eq!(
        FrameHeader::decode(&[0x82, 127, 0xff, 0, 0, 0, 0, 0, 0, 0]),
        Err(ProtocolError::LengthTopBit)
    );
    assert_eq!(FrameHeader::decode(&[0x82, 127, 0x7f]), Ok(None));
}

fn any_header() -> impl Strategy<Value = FrameHeader> {
    let payload_bytes = prop_oneof![0_u64..300, 65_000_u64..66_000, 0_u64..1 << 63];
    let data = (
        any::<bool>(),
        prop::sample::select(vec![OpCode::Continuation, OpCode::Text, OpCode::Binary]),
        payload_bytes,
    );
    let control = (
        Just(true),
        prop::sample::select(vec![OpCode::Close, OpCode::Ping, OpCode::Pong]),
        0_u64..=125,
    );
    (prop_oneof![data, control], any::<Option<[u8; 4]>>())
        .prop_map(|((fin, opcode, bytes), mask)| header(fin, opcode, mask, bytes))
}

proptest! {
    #[test]
    fn encode_then_decode_is_identity(header in any_header(), rest: Vec<u8>) {
        let encoded = header.encode();
        let mut bytes = encoded.to_vec();
        bytes.extend(rest);
        prop_assert_eq!(FrameHeader::decode(&bytes), Ok(Some((header, encoded.len()))));
        for cut in 0..encoded.len() {
            prop_assert_eq!(FrameHeader::decode(&encoded[..cut]), Ok(None));
        }
    }

    #[test]
    fn what_decodes_encodes_to_the_same_bytes(bytes: [u8; HEADER_BYTES_MAX]) {
        if let Ok(Some((header, header_bytes))) = FrameHeader::decode(&bytes) {
            prop_assert_eq!(&header.encode()[..], &bytes[..header_bytes]);
        }
    }

    #[test]
    fn an_error_stays_whatever_follows(bytes: [u8; HEADER_BYTES_MAX]) {
        let whole = FrameHeader::decode(&bytes);
        for cut in 0..bytes.len() {
            match FrameHeader::decode(&bytes[..cut]) {
                Ok(None) => {}
                verdict => prop_assert_eq!(verdict, whole),
            }
        }
    }
}
