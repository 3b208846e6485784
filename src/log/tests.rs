use super::*;
use proptest::prelude::*;

/// A frame of these tests: two bytes of length, then as many bytes.
fn frame(payload_bytes: usize, fill: u8) -> ([u8; 2], Vec<u8>) {
    (
        (payload_bytes as u16).to_be_bytes(),
        vec![fill; payload_bytes],
    )
}

fn frame_bytes(bytes: &[u8]) -> usize {
    2 + usize::from(u16::from_be_bytes([bytes[0], bytes[1]]))
}

fn append(log: &mut Log, pool: &mut Pool, payload_bytes: usize, excluded: Option<u64>) -> Vec<u8> {
    let (header, payload) = frame(payload_bytes, log.messages() as u8);
    log.append(pool, &header, &payload, excluded);
    [&header[..], &payload].concat()
}

#[test]
fn an_idle_log_holds_no_memory() {
    let (mut log, mut pool) = (Log::default(), Pool::new(64 << 10, 1 << 30));
    append(&mut log, &mut pool, 10, None);
    assert_eq!(log.bytes(), 1 << 10);
    append(&mut log, &mut pool, 2000, None);
    assert_eq!(log.bytes(), (1 << 10) + (8 << 10));
    let tail = log.tail();
    log.trim(&mut pool, tail);
    assert_eq!((log.bytes(), pool.bytes_in_use()), (0, 0));
    assert_eq!(log.segments.capacity(), 0);
    assert_eq!((log.head(), log.tail()), (tail, tail));
    assert_eq!(log.messages(), 2);
}

#[test]
fn a_burst_like_the_last_one_fits_into_one_segment() {
    let (mut log, mut pool) = (Log::default(), Pool::new(64 << 10, 1 << 30));
    for segments in [3, 1, 1] {
        for _ in 0..100 {
            append(&mut log, &mut pool, 200, None);
        }
        assert_eq!(log.segments.len(), segments);
        log.trim(&mut pool, log.tail());
    }
    append(&mut log, &mut pool, 20, None);
    log.trim(&mut pool, log.tail());
    append(&mut log, &mut pool, 20, None);
    assert_eq!(log.bytes(), 1 << 10);
}

#[test]
fn a_log_without_anything_to_trim_expects_what_it_did() {
    let (mut log, mut pool) = (Log::default(), Pool::new(64 << 10, 1 << 30));
    for _ in 0..100 {
        append(&mut log, &mut pool, 200, None);
    }
    for _ in 0..2 {
        log.trim(&mut pool, log.tail());
    }
    append(&mut log, &mut pool, 200, None);
    assert_eq!(log.bytes(), 64 << 10);
}

#[test]
fn a_segment_is_filled_to_its_last_byte() {
    let (mut log, mut pool) = (Log::default(), Pool::new(64 << 10, 1 << 30));
    for segments in [1, 1, 2] {
        append(&mut log, &mut pool, 510, None);
        assert_eq!(log.segments.len(), segments);
    }
}

#[test]
fn messages_are_numbered_from_where_the_log_starts() {
    let (mut log, mut pool) = (Log::starting_at(7), Pool::new(64 << 10, 1 << 30));
    append(&mut log, &mut pool, 10, None);
    assert_eq!(log.messages(), 8);
    assert_eq!(log.boundary(Position(0), frame_bytes).message, 7);
}

#[test]
fn memory_for_marks_is_taken_with_the_first_of_a_segment() {
    let (mut log, mut pool) = (Log::default(), Pool::new(256 << 10, 1 << 30));
    append(&mut log, &mut pool, 60_000, None);
    append(&mut log, &mut pool, 40_000, None);
    let mut sizes = Vec::new();
    while log.segments.len() == 2 {
        sizes.push(log.bytes());
        append(&mut log, &mut pool, 98, None);
    }
    sizes.dedup();
    // Beside the list, there are the fields of two lists.
    let marks_bytes = (256 << 10) / segment::MARK_BYTES * 8;
    let expected = [(64 << 10) + (256 << 10), sizes[0] + marks_bytes + 48];
    assert_eq!(sizes, expected);
}

#[test]
fn spans_end_within_a_segment_where_they_are_to() {
    let (mut log, mut pool) = (Log::default(), Pool::new(64 << 10, 1 << 30));
    append(&mut log, &mut pool, 98, None);
    append(&mut log, &mut pool, 98, Some(1));
    for (to, reader, expected) in [(150, None, 150), (150, Some(1), 100), (100, Some(1), 100)] {
        let spans = log.spans(Position(0), Position(to), reader);
        assert_eq!(spans.map(|span| span.bytes.len()).sum::<usize>(), expected);
    }
}

#[test]
fn segments_keep_within_their_bound() {
    let (mut log, mut pool) = (Log::default(), Pool::new(10_000, 1 << 30));
    for _ in 0..10 {
        append(&mut log, &mut pool, 9000, None);
        append(&mut log, &mut pool, 100, None);
    }
    assert!(
        log.segments
            .iter()
            .all(|segment| segment.capacity() <= 9002)
    );
}

#[test]
fn segments_are_used_again() {
    let (mut log, mut pool) = (Log::default(), Pool::new(64 << 10, 1 << 30));
    append(&mut log, &mut pool, 5000, None);
    let block = log.read(Position(0)).as_ptr();
    log.trim(&mut pool, log.tail());
    append(&mut log, &mut pool, 5000, None);
    assert_eq!(log.read(log.head()).as_ptr(), block);
}

#[test]
fn expectations_count_only_while_there_is_plenty() {
    let mut pool = Pool::new(64 << 10, 300 << 10);
    let mut logs: Vec<Log> = (0..100).map(|_| Log::default()).collect();
    for payload_bytes in [60_000, 10] {
        for log in &mut logs {
            append(log, &mut pool, payload_bytes, None);
            if payload_bytes == 60_000 {
                log.trim(&mut pool, log.tail());
            }
        }
    }
    assert_eq!(pool.bytes_in_use(), 5 * (64 << 10) + 95 * (1 << 10));
}

#[test]
fn a_large_frame_gets_a_block_of_its_own_size() {
    let (mut log, mut pool) = (Log::default(), Pool::new(64 << 10, 1 << 30));
    log.append(&mut pool, &[0; 10], &vec![7; 64 << 10], None);
    assert_eq!(log.bytes(), (64 << 10) + 10);
}

#[test]
fn cut_keeps_within_the_bound() {
    let (mut log, mut pool) = (Log::default(), Pool::new(64 << 10, 1 << 30));
    for _ in 0..40 {
        append(&mut log, &mut pool, 30_000, None);
    }
    let bytes_max = 5 * (64 << 10);
    let cut = log.cut(bytes_max);
    log.trim(&mut pool, cut);
    assert_eq!(log.head(), cut);
    assert!(log.bytes() <= bytes_max && log.bytes() > bytes_max / 5 * 4);
    assert_eq!(log.cut(0), log.tail());
}

#[test]
fn the_list_of_readers_that_pass_over_frames_counts() {
    let (mut log, mut pool) = (Log::default(), Pool::new(64 << 10, 1 << 30));
    for n in 0..1000 {
        append(&mut log, &mut pool, 0, Some(n % 2));
    }
    let segments: usize = log.segments.iter().map(Segment::capacity).sum();
    assert!(log.bytes() >= segments + 1000 * 16);
    assert_eq!(log.bytes(), pool.bytes_in_use());
    let cut = log.cut(20_000);
    log.trim(&mut pool, cut);
    assert!(log.bytes() <= 20_000);
    log.trim(&mut pool, log.tail());
    assert_eq!((log.bytes(), pool.bytes_in_use()), (0, 0));
    // Those of one sender that follow one another take one entry.
    let mut log = Log::default();
    for _ in 0..500 {
        append(&mut log, &mut pool, 0, Some(1));
    }
    assert!(log.bytes() < (1 << 10) + 200);
    let spans = log.spans(Position(500), log.tail(), Some(1));
    assert_eq!(spans.count(), 0);
}

#[test]
fn a_boundary_counts_messages() {
    let (mut log, mut pool) = (Log::default(), Pool::new(64 << 10, 1 << 30));
    for _ in 0..1000 {
        append(&mut log, &mut pool, 98, None);
    }
    for (position, expected) in [
        (0, 0),
        (1, 1),
        (100, 1),
        (101, 2),
        (66_000, 660),
        (99_901, 1000),
    ] {
        let boundary = log.boundary(Position(position), frame_bytes);
        assert_eq!(
            boundary,
            Boundary {
                position: Position(expected * 100),
                message: expected
            }
        );
    }
    let tail = log.tail();
    log.trim(&mut pool, tail);
    assert_eq!(
        log.boundary(tail, frame_bytes),
        Boundary {
            position: tail,
            message: 1000
        }
    );
}

proptest! {
    /// Whatever the cuts, each reader sees each message that does not exclude it, once, in order.
    #[test]
    fn readers_see_every_message(
        sizes in prop::collection::vec((prop_oneof![0usize..40, 0usize..9000, 60_000usize..65_536], 0u64..3), 1..60),
        writes in prop::collection::vec(prop_oneof![200usize..3000, 3000usize..60_000], 1..20),
    ) {
        let (mut log, mut pool) = (Log::default(), Pool::new(64 << 10, 1 << 30));
        let mut model = Vec::new();
        for &(size, sender) in &sizes {
            // Sender 2 excludes itself.
            let excluded = (sender == 2).then_some(sender);
            model.push((sender, append(&mut log, &mut pool, size, excluded)));
        }
        for reader in [None, Some(1), Some(2)] {
            let expected: Vec<u8> = model
                .iter()
                .filter(|(sender, _)| reader != Some(2) || *sender != 2)
                .flat_map(|(_, frame)| frame.clone())
                .collect();
            let mut seen = Vec::new();
            let mut cursor = log.head();
            for &bytes in writes.iter().cycle() {
                let to = log.tail();
                let mut space = bytes;
                for span in log.spans(cursor, to, reader) {
                    let sent = span.bytes.len().min(space);
                    seen.extend_from_slice(&span.bytes[..sent]);
                    space -= sent;
                }
                let sent = bytes - space;
                cursor = log.advance(cursor, to, reader, sent);
                if space > 0 {
                    break;
                }
            }
            prop_assert_eq!(cursor, log.tail());
            prop_assert_eq!(&seen, &expected);
        }
    }

    /// A reader that passes over its own messages stands where the next of another's begins, and knows how many they were.
    #[test]
    fn own_messages_are_passed_over_and_counted(
        frames in prop::collection::vec((prop_oneof![0usize..3, 0usize..3000], 1u64..4), 1..80),
        from: prop::sample::Index,
        to: prop::sample::Index,
    ) {
        let (mut log, mut pool) = (Log::starting_at(5), Pool::new(8 << 10, 1 << 30));
        let mut starts = Vec::new();
        for &(payload_bytes, sender) in &frames {
            starts.push(log.tail());
            // Sender 3 gets its own messages.
            append(&mut log, &mut pool, payload_bytes, (sender != 3).then_some(sender));
        }
        starts.push(log.tail());
        let (from, to) = (from.index(starts.len()), to.index(starts.len()));
        for reader in [1, 2] {
            let is_own = |index: usize| frames.get(index).is_some_and(|&(_, sender)| sender == reader);
            let next = |index: usize| (index..).find(|&index| !is_own(index)).unwrap_or(index);
            prop_assert_eq!(log.after_own(starts[from], log.tail(), reader), starts[next(from)]);
            if from <= to {
                let bound = starts[next(from).min(to)];
                prop_assert_eq!(log.after_own(starts[from], starts[to], reader), bound);
            }
            let (from, to) = (next(from), next(to));
            if from <= to {
                let own = (from..to).filter(|&index| is_own(index)).count() as u64;
                prop_assert_eq!(log.own_messages(starts[from], starts[to], reader), own);
            }
        }
        // A run ends where another's message begins, and where a segment does.
        let excluded: usize = log.segments.iter().map(Segment::runs).sum();
        prop_assert_eq!(log.runs(log.head()), excluded);
        prop_assert_eq!(log.runs(log.tail()), log.segments[log.segments.len() - 1].runs());
    }

    /// The memory of a log is what its segments and their lists take, and trimming frees exactly what lies before.
    #[test]
    fn trim_keeps_what_is_ahead(sizes in prop::collection::vec(0usize..20_000, 1..40), at in 0.0f64..=1.0) {
        let (mut log, mut pool) = (Log::default(), Pool::new(64 << 10, 1 << 30));
        let all: Vec<u8> = sizes.iter().flat_map(|&size| append(&mut log, &mut pool, size, None)).collect();
        let cursor = Position((all.len() as f64 * at) as u64);
        log.trim(&mut pool, cursor);
        prop_assert!(log.head() <= cursor);
        let rest: Vec<u8> = log.spans(cursor, log.tail(), None).flat_map(|span| span.bytes).copied().collect();
        prop_assert_eq!(&rest[..], &all[cursor.0 as usize..]);
        let memory = |segment: &Segment| segment.capacity() + segment.list_bytes();
        let held: usize = log.segments.iter().map(memory).sum();
        prop_assert_eq!((held, held), (log.bytes(), pool.bytes_in_use()));
    }
}

proptest! {
    /// A message is found where it was appended, whatever was trimmed; what is gone, at the head.
    #[test]
    fn a_message_is_found_by_its_number(
        sizes in prop::collection::vec(prop_oneof![0usize..3, 0usize..20_000], 1..60),
        at in 0.0f64..=1.0,
    ) {
        let (mut log, mut pool) = (Log::starting_at(7), Pool::new(64 << 10, 1 << 30));
        let mut starts = Vec::new();
        for &size in &sizes {
            starts.push(log.tail());
            append(&mut log, &mut pool, size, None);
        }
        log.trim(&mut pool, Position((log.tail().0 as f64 * at) as u64));
        for (index, &start) in starts.iter().enumerate() {
            let message = 7 + index as u64;
            prop_assert_eq!(log.locate(message, frame_bytes), start.max(log.head()));
            let segment_start = log.segment_start(message);
            prop_assert!(log.head() <= segment_start && segment_start <= start.max(log.head()));
            prop_assert!(log.segments.iter().any(|it| it.start == segment_start) || log.segments.is_empty());
        }
        prop_assert_eq!(log.locate(log.messages(), frame_bytes), log.tail());
        prop_assert_eq!(log.segment_start(log.messages()), log.tail());
    }
}

#[test]
fn a_boundary_is_found_without_a_walk_over_the_whole_segment() {
    let (mut log, mut pool) = (Log::default(), Pool::new(256 << 10, 1 << 30));
    for _ in 0..200_000 {
        append(&mut log, &mut pool, 0, None);
    }
    for position in (1..log.tail().0).step_by(7777).map(Position) {
        let frames = std::cell::Cell::new(0);
        let boundary = log.boundary(position, |bytes| {
            frames.set(frames.get() + 1);
            frame_bytes(bytes)
        });
        let expected = Boundary {
            position: Position(position.0.next_multiple_of(2)),
            message: position.0.div_ceil(2),
        };
        assert_eq!(boundary, expected);
        let frames_max = segment::MARK_BYTES / 2 + 1;
        assert!(frames.get() <= frames_max, "{} frames", frames.get());
    }
}
