use super::*;
use proptest::prelude::*;

/// Index of the first byte after which nothing can make `bytes` valid any more, by std's verdict
/// on every prefix.
fn first_bad_byte(bytes: &[u8]) -> Option<usize> {
    (0..bytes.len())
        .find(|&i| str::from_utf8(&bytes[..=i]).is_err_and(|error| error.error_len().is_some()))
}

fn refused_at(bytes: &[u8]) -> Option<usize> {
    let mut validator = Utf8::default();
    bytes
        .iter()
        .position(|&byte| validator.push(&[byte]).is_err())
}

#[test]
fn refuses_each_kind_of_bad_sequence_at_its_first_bad_byte() {
    for (bytes, bad) in [
        (&b"a\x80"[..], 1),       // a continuation byte on its own
        (b"\xC0\x80", 0),         // overlong, two bytes
        (b"\xC1\xBF", 0),         // overlong, two bytes
        (b"\xE0\x80\x80", 1),     // overlong, three bytes
        (b"\xE0\x9F\xBF", 1),     // the last overlong of three bytes
        (b"\xF0\x8F\xBF\xBF", 1), // overlong, four bytes
        (b"\xED\xA0\x80", 1),     // the first surrogate
        (b"\xED\xBF\xBF", 1),     // the last surrogate
        (b"\xF4\x90\x80\x80", 1), // U+110000
        (b"\xF5\x80\x80\x80", 0), // beyond any plane
        (b"\xFF", 0),
        (b"\xC3(", 1), // cut short by ASCII
        (b"\xE2\x82(", 2),
        (b"\xF0\x9F\x98(", 3),
    ] {
        let expected = first_bad_byte(bytes);
        assert_eq!(refused_at(bytes), Some(bad), "{bytes:02x?}");
        assert_eq!(expected, Some(bad), "{bytes:02x?}");
    }
}

#[test]
fn accepts_every_scalar_value_byte_by_byte() {
    for scalar in ('\0'..=char::MAX).step_by(61).chain([
        '\u{7F}',
        '\u{80}',
        '\u{7FF}',
        '\u{800}',
        '\u{D7FF}',
        '\u{E000}',
        '\u{FFFF}',
        '\u{10000}',
        char::MAX,
    ]) {
        let mut buffer = [0; 4];
        let bytes = scalar.encode_utf8(&mut buffer).as_bytes();
        let mut validator = Utf8::default();
        for (i, byte) in bytes.iter().enumerate() {
            validator.push(&[*byte]).unwrap();
            assert_eq!(validator.is_complete(), i + 1 == bytes.len());
        }
    }
}

#[test]
fn empty_pieces_change_nothing() {
    let mut validator = Utf8::default();
    validator.push(b"").unwrap();
    validator.push(b"\xE2\x82").unwrap();
    validator.push(b"").unwrap();
    assert!(!validator.is_complete());
    validator.push(b"\xAC").unwrap();
    assert!(validator.is_complete());
}

#[test]
fn an_error_says_what_is_wrong() {
    assert_eq!(InvalidUtf8.to_string(), "not UTF-8");
}

#[test]
fn keeps_a_few_bytes_of_state() {
    assert!(size_of::<Utf8>() <= 5);
}

/// Bytes that are nearly text: valid pieces with a few bad ones among them.
fn nearly_text() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => any::<char>().prop_map(|c| c.to_string().into_bytes()),
        4 => "[ -~]{0,20}".prop_map(String::into_bytes),
        1 => proptest::collection::vec(any::<u8>(), 0..3),
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_split_gives_the_verdict_of_std(bytes in nearly_text(), cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..5)) {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let mut validator = Utf8::default();
        let failed = cuts.windows(2).find(|cut| validator.push(&bytes[cut[0]..cut[1]]).is_err());
        match first_bad_byte(&bytes) {
            // The piece that holds the first bad byte is the one that fails.
            Some(bad) => {
                let failed = failed.expect("std refuses these bytes");
                prop_assert!((failed[0]..failed[1]).contains(&bad));
            }
            None => {
                prop_assert!(failed.is_none());
                prop_assert_eq!(validator.is_complete(), str::from_utf8(&bytes).is_ok());
            }
        }
        prop_assert_eq!(is_valid(&bytes), str::from_utf8(&bytes).is_ok());
    }
}
