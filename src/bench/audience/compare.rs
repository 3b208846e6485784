//! The fast path: bytes that came are compared with those that were published.

use super::super::script::Script;
use super::{Audience, DEAF, LastWord, NO_PUBLISHER, Shared};

impl Audience {
    /// Takes what a receiver has read. Answers to pings are appended to `out`.
    pub(in super::super) fn receive(
        &mut self,
        shared: &mut Shared,
        receiver: usize,
        input: &mut [u8],
        now: u64,
        out: &mut Vec<u8>,
    ) -> Result<(), LastWord> {
        if self.is_remote {
            self.expect(&shared.script, receiver, input.len());
        }
        let mut rest = input;
        loop {
            if self.receivers[receiver].detour.is_none() {
                let matched = self.compare(shared, receiver, rest, now);
                rest = &mut rest[matched..];
                if rest.is_empty() {
                    return Ok(());
                }
                self.begin_detour(&shared.script, receiver);
            }
            let read = self.read_detour(shared, receiver, rest, now, out)?;
            rest = &mut rest[read..];
            if rest.is_empty() {
                return Ok(());
            }
        }
    }

    /// Makes this many bytes more of each publisher available for comparing.
    fn expect(&mut self, script: &Script, receiver: usize, bytes: usize) {
        for publisher in 0..self.tracks.len() {
            let position = self.positions[self.index(receiver, publisher)];
            let track = &mut self.tracks[publisher];
            while track.from(position).len() < bytes {
                track.expect(script, self.first + publisher, 1, 0);
            }
        }
    }

    /// Returns how many bytes were right.
    #[inline]
    fn compare(&mut self, shared: &mut Shared, receiver: usize, input: &[u8], now: u64) -> usize {
        let mut matched = 0;
        loop {
            matched += match self.tracks.len() {
                1 => self.compare_stream(shared, receiver, &input[matched..], now),
                _ => self.compare_frames(shared, receiver, &input[matched..], now),
            };
            if !shared.script.is_deflated || matched == input.len() {
                return matched;
            }
            let compressed = self.compare_learned(shared, receiver, &input[matched..], now);
            matched += compressed;
            if compressed == 0 || matched == input.len() {
                return matched;
            }
        }
    }

    /// With one publisher there are no frames but its own: they are compared in one go.
    #[inline]
    fn compare_stream(
        &mut self,
        shared: &mut Shared,
        receiver: usize,
        input: &[u8],
        now: u64,
    ) -> usize {
        let position = self.positions[receiver];
        let matched = common_prefix(input, self.tracks[0].from(position));
        self.advance(shared, receiver, 0, position + matched as u64, now);
        matched
    }

    /// With several publishers, the publisher of each frame has to be read from it.
    fn compare_frames(
        &mut self,
        shared: &mut Shared,
        receiver: usize,
        input: &[u8],
        now: u64,
    ) -> usize {
        let mut matched = 0;
        while matched < input.len() {
            let rest = &input[matched..];
            let current = match self.receivers[receiver].current {
                NO_PUBLISHER => match shared.script.peek_publisher(rest) {
                    Some(number) => match self.publisher(number) {
                        Some(publisher) => publisher,
                        None => return matched,
                    },
                    None => return matched,
                },
                current => current as usize,
            };
            let position = self.positions[self.index(receiver, current)];
            if position == DEAF {
                return matched;
            }
            let sequence = shared.script.sequence(position);
            let frame_end = shared.script.position(sequence + 1);
            let expected = self.tracks[current].from(position);
            let in_frame = expected.len().min((frame_end - position) as usize);
            let same = common_prefix(rest, &expected[..in_frame]);
            let reached = position + same as u64;
            self.receivers[receiver].current = match reached == frame_end {
                true => NO_PUBLISHER,
                false => current as u32,
            };
            self.advance(shared, receiver, current, reached, now);
            matched += same;
            if reached < frame_end {
                return matched;
            }
        }
        matched
    }
}

impl Audience {
    /// Compressed frames that another receiver got before; whole ones only.
    fn compare_learned(
        &mut self,
        shared: &mut Shared,
        receiver: usize,
        input: &[u8],
        now: u64,
    ) -> usize {
        let mut matched = 0;
        while let Some((publisher, bytes)) =
            self.learned_frame(&shared.script, receiver, &input[matched..])
        {
            let position = self.positions[self.index(receiver, publisher)];
            let reached = shared.script.position(shared.script.sequence(position) + 1);
            self.advance(shared, receiver, publisher, reached, now);
            matched += bytes;
        }
        matched
    }

    /// The publisher of the compressed frame that comes next, and its length, if they are known.
    fn learned_frame(
        &self,
        script: &Script,
        receiver: usize,
        input: &[u8],
    ) -> Option<(usize, usize)> {
        (0..self.tracks.len()).find_map(|publisher| {
            let position = self.positions[self.index(receiver, publisher)];
            let sequence = script.sequence(position);
            let frame = self.tracks[publisher].learned(sequence)?;
            // Not in the middle of a frame that came uncompressed.
            let is_next = script.position(sequence) == position && input.starts_with(frame);
            is_next.then_some((publisher, frame.len()))
        })
    }
}

/// How many bytes are the same from the start on.
#[inline]
fn common_prefix(one: &[u8], other: &[u8]) -> usize {
    let shorter = one.len().min(other.len());
    let (one, other) = (&one[..shorter], &other[..shorter]);
    if one == other {
        return shorter;
    }
    one.iter()
        .zip(other)
        .position(|(one, other)| one != other)
        .unwrap_or(shorter)
}
