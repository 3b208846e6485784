//! What fills messages up to their size: the same characters in every run.

use super::super::chance::Chance;
use super::super::payload::DIGIT_ZERO;
use std::fmt::Write;

/// Printable characters without a pattern that a compressor could find.
pub(super) fn random_characters(count: usize) -> Vec<u8> {
    let mut numbers = Chance::default();
    (0..count)
        .map(|_| DIGIT_ZERO + (numbers.next() >> 58) as u8)
        .collect()
}

/// Records as an application might send them: names repeat, values differ.
pub(super) fn json_characters(count: usize) -> Vec<u8> {
    const NAMES: [&str; 8] = [
        "Amara", "Bjorn", "Chiara", "Dmitri", "Elena", "Farid", "Grace", "Hiro",
    ];
    const STATES: [&str; 4] = ["waiting", "moving", "arrived", "delayed"];
    let mut numbers = Chance::default();
    let mut text = String::new();
    while text.len() < count {
        let mut below = |bound: u64| numbers.below(bound);
        let (id, name) = (below(1_000_000), NAMES[below(8) as usize]);
        let (lat, lon) = (below(180_000_000), below(360_000_000));
        let (state, delay) = (STATES[below(4) as usize], below(900));
        let (minute, second, milli) = (below(60), below(60), below(1000));
        // Writing into a String does not fail.
        let _ = write!(
            text,
            "{{\"id\":{id},\"driver\":\"{name}\",\"position\":{{\"lat\":{}.{:06},\"lon\":{}.{:06}}},\
             \"state\":\"{state}\",\"delay_seconds\":{delay},\
             \"updated\":\"2026-11-22T14:{minute:02}:{second:02}.{milli:03}Z\"}},",
            lat as i64 / 1_000_000 - 90,
            lat % 1_000_000,
            lon as i64 / 1_000_000 - 180,
            lon % 1_000_000,
        );
    }
    // A window into it may begin and end anywhere, and has to be text.
    let mut text = text.into_bytes();
    text.resize(count, b' ');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_shrinks_and_random_characters_hardly_do() {
        use crate::proto::deflate::{Deflater, Window};
        let mut deflater = Deflater::new(Window::Bits15, 6);
        let json = json_characters(16 << 10);
        assert!(json.is_ascii() && json.len() == 16 << 10);
        let bytes = deflater.deflate(&json).map_or(usize::MAX, <[u8]>::len);
        assert!((2 << 10..8 << 10).contains(&bytes), "{bytes}");
        // 64 characters take six bits each.
        let random = random_characters(16 << 10);
        let bytes = deflater.deflate(&random).map_or(usize::MAX, <[u8]>::len);
        assert!(bytes >= 12 << 10, "{bytes}");
    }
}
