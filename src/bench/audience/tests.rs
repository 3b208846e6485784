use super::super::tally::Fault;
use super::*;
use crate::proto::deflate::{Deflater, Window};
use crate::proto::{FrameHeader, Message, MessageKind, OpCode, Role};

const P1: usize = 1;

struct World {
    audience: Audience,
    shared: Shared,
    wire: Vec<u8>,
}

fn world(publishers: usize, receivers: usize, counts: &[(usize, u64)]) -> World {
    let script = Script::new(MessageKind::Binary, &[20, 300], 7);
    world_of(script, publishers, receivers, counts)
}

fn world_of(script: Script, publishers: usize, receivers: usize, counts: &[(usize, u64)]) -> World {
    let mut shared = Shared {
        codec: Codec::new(script.is_deflated),
        script,
        tally: Tally::default(),
        returns: Returns::default(),
    };
    let mut audience = Audience::new(40, publishers);
    (0..receivers).for_each(|_| audience.join(&shared.script, None));
    let mut wire = Vec::new();
    for &(publisher, count) in counts {
        let from = shared
            .script
            .position(audience.tracks[publisher].published());
        audience.publish(&mut shared, publisher, count, 10, &mut Vec::new());
        wire.extend_from_slice(audience.tracks[publisher].from(from));
    }
    World {
        audience,
        shared,
        wire,
    }
}

impl World {
    /// The frames as they are on the wire, each on its own.
    fn frames(&self) -> Vec<Vec<u8>> {
        let mut frames = Vec::new();
        let mut rest = &self.wire[..];
        while let Ok(Some((header, start))) = crate::proto::FrameHeader::decode(rest) {
            let (frame, after) = rest.split_at(start + header.payload_bytes as usize);
            frames.push(frame.to_vec());
            rest = after;
        }
        frames
    }

    fn receive(&mut self, receiver: usize, bytes: &[u8]) -> (Result<(), LastWord>, Vec<u8>) {
        let mut out = Vec::new();
        let received = self.audience.receive(
            &mut self.shared,
            receiver,
            &mut bytes.to_vec(),
            15,
            &mut out,
        );
        (received, out)
    }

    fn faults(&self) -> Vec<(String, u64)> {
        let faults = self.shared.tally.faults();
        faults.map(|(name, count)| (name.into(), count)).collect()
    }

    fn delivered(&self) -> u64 {
        self.shared.tally.delivered
    }
}

#[test]
fn a_stream_cut_anywhere_is_received_whole() {
    for publishers in [1, 3] {
        for cut in 0..700 {
            let mut world = world(publishers, 1, &[(0, 2), (publishers - 1, 2)]);
            let wire = world.wire.clone();
            let cut = cut.min(wire.len());
            for piece in [&wire[..cut], &wire[cut..]] {
                assert_eq!(world.receive(0, piece).0, Ok(()));
            }
            assert_eq!(world.faults(), [], "{publishers} publishers, cut at {cut}");
            assert_eq!(world.delivered(), 4);
            assert_eq!((world.audience.done(), world.audience.published()), (4, 4));
            assert!(world.audience.receivers[0].detour.is_none());
        }
    }
}

#[test]
fn a_message_is_done_when_every_receiver_has_it() {
    let mut world = world(P1, 3, &[(0, 5)]);
    let wire = world.wire.clone();
    world.receive(0, &wire).0.unwrap();
    world.receive(1, &wire).0.unwrap();
    assert_eq!(world.audience.done(), 0);
    assert_eq!(world.audience.waiting(&world.shared.script), 1);
    let third = world.shared.script.position(3) as usize;
    world.receive(2, &wire[..third + 5]).0.unwrap();
    assert_eq!(world.audience.done(), 3);
    world.audience.leave(&mut world.shared, 2);
    assert_eq!(world.audience.done(), 5);
    assert_eq!(world.delivered(), 13);
    assert_eq!(
        world.faults(),
        [("messages that did not come before the end".into(), 2)]
    );
    let latencies = &world.shared.tally.latencies;
    assert_eq!(
        (latencies.count(), latencies.min(), latencies.max()),
        (13, 5, 5)
    );
}

#[test]
fn pings_are_answered_wherever_they_stand() {
    for publishers in [1, 2] {
        let mut world = world(publishers, 1, &[(0, 3)]);
        let mut bytes = Vec::new();
        for frame in world.frames() {
            bytes.extend_from_slice(b"\x89\x02hi");
            bytes.extend_from_slice(&frame);
        }
        for byte in &bytes {
            world.receive(0, &[*byte]).0.unwrap();
        }
        assert_eq!((world.delivered(), world.shared.tally.pings), (3, 3));
        let (_, out) = world.receive(0, b"\x89\x02hi");
        assert_eq!((out[0], out.len()), (0x8a, 8));
        assert_eq!(world.faults(), []);
    }
}

#[test]
fn fragments_are_as_good_as_the_whole() {
    for publishers in [1, 2] {
        let mut world = world(publishers, 1, &[(0, 1)]);
        let payload = world.frames()[0][2..].to_vec();
        let mut bytes = vec![0x02, 5];
        bytes.extend_from_slice(&payload[..5]);
        bytes.extend_from_slice(&[0x80, payload.len() as u8 - 5]);
        bytes.extend_from_slice(&payload[5..]);
        world.receive(0, &bytes).0.unwrap();
        assert_eq!((world.delivered(), world.faults()), (1, vec![]));
    }
}

#[test]
fn each_fault_is_named() {
    let good = world(P1, 1, &[(0, 6)]).frames();
    let receive = |frames: &[&[u8]]| {
        let mut world = world(P1, 1, &[(0, 6)]);
        world.receive(0, &frames.concat()).0.unwrap();
        world.audience.leave(&mut world.shared, 0);
        (world.delivered(), world.faults())
    };
    let frame = |i: usize| good[i].as_slice();
    let fault = |name: &str, count| vec![(name.to_string(), count)];

    let (delivered, faults) = receive(&[frame(0), frame(1), frame(3), frame(4), frame(5)]);
    assert_eq!((delivered, faults), (5, fault("lost messages", 1)));

    let (delivered, faults) = receive(&[
        frame(0),
        frame(1),
        frame(1),
        frame(2),
        frame(3),
        frame(4),
        frame(5),
    ]);
    assert_eq!((delivered, faults), (6, fault("duplicated messages", 1)));

    let (delivered, faults) =
        receive(&[frame(1), frame(0), frame(2), frame(3), frame(4), frame(5)]);
    assert_eq!((delivered, faults), (6, fault("messages out of order", 1)));

    let mut corrupted = good[2].clone();
    *corrupted.last_mut().unwrap() ^= 1;
    let rest = [frame(3), frame(4), frame(5)].concat();
    let (delivered, faults) = receive(&[frame(0), frame(1), &corrupted, &rest]);
    assert_eq!((delivered, faults), (5, fault("corrupted messages", 1)));

    let mut short = good[2].clone();
    short.pop();
    short[1] -= 1;
    let (delivered, faults) = receive(&[frame(0), frame(1), &short, &rest]);
    assert_eq!(
        (delivered, faults),
        (5, fault("messages of the wrong length", 1))
    );

    let mut text = good[2].clone();
    text[0] = 0x81;
    let (delivered, faults) = receive(&[frame(0), frame(1), &text, &rest]);
    assert_eq!(
        (delivered, faults),
        (5, fault("messages of the wrong kind (text or binary)", 1))
    );

    let foreign = b"\x82\x05hello";
    let (delivered, faults) = receive(&[foreign, frame(0), frame(1), frame(2), &rest]);
    assert_eq!(
        (delivered, faults),
        (6, fault("messages that were never sent", 1))
    );
}

#[test]
fn a_masked_frame_breaks_the_protocol() {
    let mut world = world(P1, 1, &[(0, 1)]);
    assert_eq!(world.receive(0, b"\x82\x94abcd").0, Err(LastWord::Broken));
    let (name, count) = world.faults().remove(0);
    assert!(name.contains("a server must not mask its frames"), "{name}");
    assert_eq!(count, 1);
}

#[test]
fn a_close_frame_is_the_last_word() {
    let mut world = world(P1, 1, &[(0, 1)]);
    let wire = world.wire.clone();
    world.receive(0, &wire).0.unwrap();
    let (received, _) = world.receive(0, b"\x88\x02\x03\xf5");
    assert_eq!(received, Err(LastWord::Close(Some(1013))));
    assert_eq!(world.faults(), []);
}

#[test]
fn a_sender_that_must_not_get_its_own_messages() {
    let mut world = world(2, 1, &[]);
    world.audience.join(&world.shared.script, Some(0));
    world
        .audience
        .publish(&mut world.shared, 0, 1, 10, &mut Vec::new());
    let frame = world.audience.tracks[0].from(0).to_vec();
    world.receive(0, &frame).0.unwrap();
    assert_eq!(world.audience.done(), 1);
    world.receive(1, &frame).0.unwrap();
    assert_eq!(
        world.faults(),
        [("messages that came back to their sender".into(), 1)]
    );
}

#[test]
fn a_message_of_another_room_is_told_from_an_unknown_one() {
    let mut world = world(P1, 1, &[]);
    let mut other = Audience::new(41, 1);
    let frame = other
        .publish_elsewhere(&world.shared.script, 0, 1, 10)
        .to_vec();
    world.receive(0, &frame).0.unwrap();
    assert_eq!(world.faults(), [("messages of another room".into(), 1)]);
}

#[test]
fn an_excused_receiver_may_miss_messages() {
    let mut world = world(P1, 2, &[(0, 5)]);
    let frames = world.frames();
    world.receive(0, &frames.concat()).0.unwrap();
    world.audience.excuse(&world.shared.script, 1);
    assert_eq!(world.audience.done(), 5);
    world.audience.release(&world.shared.script);
    world
        .receive(1, &[&frames[0][..], &frames[3], &frames[4]].concat())
        .0
        .unwrap();
    assert_eq!((world.delivered(), world.shared.tally.skipped), (8, 2));
    world.audience.leave(&mut world.shared, 1);
    assert_eq!(world.faults(), []);
}

/// A world in which compression is agreed on, and each frame as a server sends it that compresses
/// what is long enough.
fn deflated_world(publishers: usize, receivers: usize) -> (World, Vec<Vec<u8>>) {
    let mut script = Script::new(MessageKind::Binary, &[300, 20, 500], 7);
    script.is_deflated = true;
    let counts = [(0, 3), (publishers - 1, 2), (0, 1)];
    let world = world_of(script, publishers, receivers, &counts);
    let mut deflater = Deflater::new(Window::Bits15, 6);
    let frames = world.frames().into_iter().map(|frame| {
        let (header, start) = FrameHeader::decode(&frame).unwrap().unwrap();
        let mut compressed = Vec::new();
        match deflater.deflate(&frame[start..]) {
            Some(payload) if header.payload_bytes > 100 => {
                Role::Server.write_compressed(MessageKind::Binary, payload, &mut compressed);
                compressed
            }
            _ => frame,
        }
    });
    let frames = frames.collect();
    (world, frames)
}

#[test]
fn compressed_messages_are_received_wherever_they_are_cut() {
    for publishers in [1, 3] {
        let (_, frames) = deflated_world(publishers, 1);
        let wire = frames.concat();
        assert!(frames.iter().any(|frame| frame[0] == 0xc2));
        assert!(frames.iter().any(|frame| frame[0] == 0x82));
        for cut in 0..=wire.len() {
            let (mut world, _) = deflated_world(publishers, 3);
            for pieces in [
                [&wire[..], &[]],
                [&wire[..cut], &wire[cut..]],
                [&[], &wire[..]],
            ]
            .iter()
            .zip(0..)
            {
                for piece in pieces.0 {
                    assert_eq!(world.receive(pieces.1, piece).0, Ok(()));
                }
            }
            assert_eq!(world.faults(), [], "{publishers} publishers, cut at {cut}");
            assert_eq!((world.delivered(), world.audience.done()), (18, 6));
        }
    }
}

#[test]
fn a_compressed_message_is_inflated_for_one_and_compared_for_the_others() {
    let (mut world, frames) = deflated_world(P1, 2);
    let learned = |world: &World| {
        let known = |sequence: &u64| world.audience.tracks[0].learned(*sequence).is_some();
        (0..6).filter(known).collect::<Vec<u64>>()
    };
    world.receive(0, &frames.concat()).0.unwrap();
    assert_eq!(learned(&world), [0, 2, 3, 5]);
    // A receiver that compares needs no session.
    for frame in &frames {
        world.receive(1, frame).0.unwrap();
        assert!(world.audience.receivers[1].detour.is_none());
    }
    assert_eq!(world.delivered(), 12);
    world.audience.release(&world.shared.script);
    assert_eq!(learned(&world), Vec::<u64>::new());
}

#[test]
fn faults_of_compressed_messages_are_named() {
    let (mut world, frames) = deflated_world(P1, 2);
    world.receive(0, &frames.concat()).0.unwrap();
    let damaged = [&frames[1], &frames[0], &frames[2], &frames[2]].map(|frame| &frame[..]);
    world.receive(1, &damaged.concat()).0.unwrap();
    let named = |name: &str| (name.to_string(), 1);
    assert_eq!(
        world.faults(),
        [named("messages out of order"), named("duplicated messages")]
    );
    let mut broken = frames[3].clone();
    broken[4..].fill(0xff);
    assert_eq!(world.receive(1, &broken).0, Err(LastWord::Broken));
}

#[test]
fn publishers_in_another_process_may_be_ahead() {
    let (world_there, frames) = deflated_world(P1, 1);
    let (mut world, _) = deflated_world(P1, 0);
    world.audience = Audience::new(40, P1);
    (0..2).for_each(|_| world.audience.join(&world.shared.script, None));
    world.audience.follow();
    for receiver in 0..2 {
        world.receive(receiver, &frames.concat()).0.unwrap();
    }
    assert_eq!((world.delivered(), world.faults()), (12, vec![]));
    assert_eq!(world.audience.done(), world_there.audience.published());
    world.audience.leave(&mut world.shared, 1);
    world.audience.end_at(&mut world.shared, 8);
    assert_eq!(
        world.faults(),
        [("messages that did not come before the end".into(), 4)]
    );
}

#[test]
fn no_publisher_is_as_far_ahead_as_a_damaged_number_says() {
    let (mut world, _) = deflated_world(P1, 0);
    world.audience = Audience::new(40, P1);
    world.audience.join(&world.shared.script, None);
    world.audience.follow();
    let fields = Fields {
        publisher: 40,
        sequence: 1 << 35,
    };
    let mut payload = Vec::new();
    world.shared.script.write_payload(fields, &mut payload);
    let mut frame = Vec::new();
    Role::Server.write_frame(true, OpCode::Binary, &payload, &mut frame);
    world.receive(0, &frame).0.unwrap();
    assert_eq!(
        world.faults(),
        [("messages that were never sent".into(), 1)]
    );
    assert!(world.audience.kept_bytes() < 10_000);
}

#[test]
fn messages_that_were_refused_need_not_come() {
    // Before the receiver is as far, when it is just there, and after a later one has come.
    for refused_after in 0..5 {
        for publishers in [1, 2] {
            let mut world = world(publishers, 2, &[(0, 4)]);
            let frames = world.frames();
            for (number, frame) in frames.iter().enumerate() {
                if number == refused_after {
                    world.audience.refuse(&mut world.shared, 0, 1);
                }
                if number != 1 {
                    world.receive(0, frame).0.unwrap();
                }
            }
            if refused_after == 4 {
                world.audience.refuse(&mut world.shared, 0, 1);
            }
            let case = format!("{refused_after}, {publishers} publishers");
            assert_eq!(world.faults(), [], "{case}");
            assert_eq!(world.delivered(), 3, "{case}");
            // The other one gets it all the same.
            let wire = world.wire.clone();
            world.receive(1, &wire).0.unwrap();
            assert_eq!(world.faults(), [], "{case}");
            assert_eq!(world.audience.done(), 4, "{case}");
        }
    }
}

#[test]
fn nobody_waits_for_the_last_ones_if_they_were_refused() {
    for refused_first in [true, false] {
        let mut world = world(P1, 1, &[(0, 4)]);
        let wire = world.wire[..world.shared.script.position(2) as usize].to_vec();
        if !refused_first {
            world.receive(0, &wire).0.unwrap();
        }
        for sequence in [3, 2] {
            world.audience.refuse(&mut world.shared, 0, sequence);
        }
        if refused_first {
            world.receive(0, &wire).0.unwrap();
        }
        assert_eq!((world.faults(), world.audience.done()), (vec![], 4));
        world.audience.release(&world.shared.script);
        assert!(world.audience.refused.is_empty());
    }
}

#[test]
fn messages_that_come_whole() {
    let message = |frame: &[u8]| {
        let (header, start) = FrameHeader::decode(frame).unwrap().unwrap();
        assert_eq!(frame.len(), start + header.payload_bytes as usize);
        frame[start..].to_vec()
    };
    for publishers in [1, 2] {
        let mut world = world(publishers, 2, &[(0, 3), (publishers - 1, 3)]);
        let payloads: Vec<_> = world.frames().iter().map(|it| message(it)).collect();
        let mut receive = |payload: &[u8], kind| {
            let message = Message {
                kind,
                payload,
                compressed: false,
            };
            let World {
                audience, shared, ..
            } = &mut world;
            audience.receive_message(shared, 0, &message, 15);
        };
        for payload in &payloads {
            receive(payload, MessageKind::Binary);
        }
        receive(&payloads[0], MessageKind::Binary);
        receive(b"hello", MessageKind::Text);
        assert_eq!(world.delivered(), 6);
        let faults = world.faults();
        assert_eq!(faults.len(), 2, "{faults:?}");
    }
    let mut world = world(P1, 1, &[(0, 3)]);
    let payloads: Vec<_> = world.frames().iter().map(|it| message(it)).collect();
    for (payload, kind) in [
        (&payloads[0], MessageKind::Text),
        (&payloads[2], MessageKind::Binary),
    ] {
        let message = Message {
            kind,
            payload,
            compressed: false,
        };
        world
            .audience
            .receive_message(&mut world.shared, 0, &message, 15);
    }
    let names: Vec<_> = world.faults().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["lost messages", &Fault::Kind.name()]);
    assert_eq!(world.audience.done(), 3);
}
