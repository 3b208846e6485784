//! Headers, masks and text, each against an obvious version of itself.

use super::cuts;
use crate::proto::utf8::{self, Utf8};
use crate::proto::{FrameHeader, frame, mask};

/// All of it is the start of a frame.
pub fn frame(data: &[u8]) {
    let whole = FrameHeader::decode(data);
    for end in 0..data.len().min(frame::HEADER_BYTES_MAX) {
        match FrameHeader::decode(&data[..end]) {
            Ok(None) => {}
            verdict => assert_eq!(verdict, whole, "a verdict stays"),
        }
    }
    match whole {
        Ok(None) => assert!(data.len() < frame::HEADER_BYTES_MAX),
        Ok(Some((header, header_bytes))) => {
            assert_eq!(
                header.encode()[..],
                data[..header_bytes],
                "there is one encoding"
            );
        }
        Err(error) => assert_eq!(error.close_code().as_u16(), 1002),
    }
}

/// Four bytes of key, one that chooses the cuts; the rest is the payload.
pub fn mask(data: &[u8]) {
    let Some((key, [seed, payload @ ..])) = data.split_first_chunk::<4>() else {
        return;
    };
    let obvious: Vec<u8> = payload
        .iter()
        .zip(key.iter().cycle())
        .map(|(byte, key)| byte ^ key)
        .collect();
    let mut masked = payload.to_vec();
    let mut start = 0;
    for end in cuts(*seed, payload.len()).chain([payload.len()]) {
        mask::apply(&mut masked[start..end], mask::rotate(*key, start));
        start = end;
    }
    assert_eq!(masked, obvious);
    mask::apply(&mut masked, *key);
    assert_eq!(masked, payload, "to mask twice is to unmask");
}

/// One byte that chooses the cuts; the rest is the text.
pub fn utf8(data: &[u8]) {
    let [seed, text @ ..] = data else {
        return;
    };
    let verdict = str::from_utf8(text);
    assert_eq!(utf8::is_valid(text), verdict.is_ok());

    let mut validator = Utf8::default();
    let refused_at = text
        .iter()
        .position(|&byte| validator.push(&[byte]).is_err());
    match verdict
        .err()
        .map(|error| (error.valid_up_to(), error.error_len()))
    {
        None => assert!(refused_at.is_none() && validator.is_complete()),
        Some((_, None)) => assert!(refused_at.is_none() && !validator.is_complete()),
        // The first byte that no further one could make good.
        Some((start, Some(_))) => {
            let bad = (start..text.len()).find(|&bad| {
                str::from_utf8(&text[start..=bad]).is_err_and(|error| error.error_len().is_some())
            });
            assert_eq!(refused_at, bad);
        }
    }

    let mut validator = Utf8::default();
    let mut start = 0;
    let refused = cuts(*seed, text.len()).chain([text.len()]).any(|end| {
        let piece = &text[start..end];
        start = end;
        validator.push(piece).is_err()
    });
    assert_eq!(refused, refused_at.is_some());
}
