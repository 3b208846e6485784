//! A log and its readers, against bytes in a row.

use crate::log::{Boundary, Log, Pool, Position};

/// The readers: the first gets everything, the others pass over what they send themselves.
const READERS: usize = 4;

/// What a log is held to: all that was ever appended, in frames.
#[derive(Default)]
struct Model {
    bytes: Vec<u8>,
    /// Where each frame ends, and which reader passes over it.
    frames: Vec<(usize, Option<u64>)>,
}

impl Model {
    /// What a reader at `from` has yet to be sent.
    fn pending(&self, from: Position, reader: Option<u64>) -> Vec<u8> {
        let from = from.0 as usize;
        let mut start = 0;
        let mut pending = Vec::new();
        for &(end, excluded) in &self.frames {
            if end > from && (excluded.is_none() || excluded != reader) {
                pending.extend_from_slice(&self.bytes[start.max(from)..end]);
            }
            start = end;
        }
        pending
    }

    fn boundary(&self, from: Position) -> Boundary {
        let ends = self.frames.iter().map(|&(end, _)| end as u64);
        let starts = std::iter::once(0).chain(ends).enumerate();
        let (message, position) = starts
            .filter(|&(_, start)| start >= from.0)
            .min_by_key(|&(_, start)| start)
            .expect("the tail is a boundary");
        Boundary {
            position: Position(position),
            message: message as u64,
        }
    }
}

/// Three bytes for each operation: which one, on which reader, and how much of it.
pub fn log_ops(data: &[u8]) {
    let (mut log, mut pool, mut model) = (
        Log::default(),
        Pool::new(8 << 10, 64 << 10),
        Model::default(),
    );
    let mut cursors = [Position(0); READERS];
    for (number, op) in data.chunks_exact(3).enumerate() {
        let index = usize::from(op[1]) % READERS;
        let reader = (index > 0).then_some(index as u64);
        let amount = usize::from(op[2]);
        match op[0] % 6 {
            0 | 1 => {
                // Mostly small ones; some that fill a segment, or are larger than any.
                let payload_bytes = if op[0] % 6 == 0 {
                    amount
                } else {
                    amount * amount
                };
                append(
                    &mut log,
                    &mut pool,
                    &mut model,
                    reader,
                    payload_bytes,
                    number as u8,
                );
            }
            2 => cursors[index] = send(&log, &model, cursors[index], reader, amount * 40),
            3 => {
                let oldest = cursors.iter().min().copied().unwrap_or(log.tail());
                log.trim(&mut pool, oldest);
                assert!(log.head() <= oldest);
            }
            4 => lap(&mut log, &mut pool, &mut cursors, amount << 8),
            _ => assert_eq!(
                log.boundary(cursors[index], frame_bytes),
                model.boundary(cursors[index])
            ),
        }
        assert_eq!(log.bytes(), pool.bytes_in_use());
        assert_eq!(log.tail().0 as usize, model.bytes.len());
        assert_eq!(log.messages() as usize, model.frames.len());
        assert!(
            cursors
                .iter()
                .all(|&cursor| log.head() <= cursor && cursor <= log.tail())
        );
    }
    log.trim(&mut pool, log.tail());
    assert_eq!(
        (log.bytes(), pool.bytes_in_use()),
        (0, 0),
        "all memory comes back"
    );
}

fn append(
    log: &mut Log,
    pool: &mut Pool,
    model: &mut Model,
    excluded: Option<u64>,
    payload_bytes: usize,
    fill: u8,
) {
    let header = (payload_bytes as u32).to_be_bytes();
    let payload = vec![fill; payload_bytes];
    log.append(pool, &header, &payload, excluded);
    model.bytes.extend_from_slice(&header);
    model.bytes.extend_from_slice(&payload);
    model.frames.push((model.bytes.len(), excluded));
}

/// A socket takes at most this many bytes of what a reader is owed.
fn send(
    log: &Log,
    model: &Model,
    from: Position,
    reader: Option<u64>,
    bytes_max: usize,
) -> Position {
    let pending: Vec<u8> = log
        .spans(from, log.tail(), reader)
        .flat_map(|span| span.bytes)
        .copied()
        .collect();
    assert_eq!(pending, model.pending(from, reader));
    let sent = pending.len().min(bytes_max);
    let to = log.advance(from, log.tail(), reader, sent);
    assert_eq!(
        model.pending(to, reader),
        pending[sent..],
        "nothing is lost, nothing comes twice"
    );
    to
}

/// Cuts the log to a bound; readers before the cut go on at the live end.
fn lap(log: &mut Log, pool: &mut Pool, cursors: &mut [Position], bytes_max: usize) {
    let cut = log.cut(bytes_max);
    for cursor in cursors {
        if *cursor < cut {
            *cursor = log.tail();
        }
    }
    log.trim(pool, cut);
    assert!(log.bytes() <= bytes_max);
}

/// Size of a frame of ours: four bytes of length, then as many bytes.
fn frame_bytes(bytes: &[u8]) -> usize {
    let header = bytes.first_chunk().expect("a segment holds whole frames");
    4 + u32::from_be_bytes(*header) as usize
}
