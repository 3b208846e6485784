//! Frames that break a rule, what each ends in, and by which byte it is known.

use crate::random::Random;
use fanfare::proto::{OpCode, Role};

pub(crate) struct Violation {
    pub(crate) bytes: Vec<u8>,
    /// This many bytes of it suffice to know.
    pub(crate) judged_at: usize,
    pub(crate) code: u16,
}

/// Draws one; `mid_message` says whether fragments of a message have gone before it.
pub(crate) fn draw(random: &mut Random, mid_message: bool, message_bytes_max: usize) -> Violation {
    // Masked with a key of zeros, so that the bytes can be read here.
    let raw = |bytes: &[u8], judged_at| Violation {
        bytes: bytes.to_vec(),
        judged_at,
        code: 1002,
    };
    match random.below(13) {
        0 => raw(b"\x89\x02hi", 2),
        1 => raw(b"\xC9\x80\0\0\0\0", 1),
        2 => raw(b"\x83\x80\0\0\0\0", 1),
        3 => raw(b"\x8B\x80\0\0\0\0", 1),
        4 => raw(b"\x09\x80\0\0\0\0", 1),
        5 => raw(b"\x89\xFE\0\x80\0\0\0\0", 2),
        6 if mid_message => raw(b"\x81\x80\0\0\0\0", 1),
        6 => raw(b"\x80\x80\0\0\0\0", 1),
        7 if mid_message => raw(b"\x80\xFE\0\x05\0\0\0\0", 4),
        7 => raw(b"\x82\xFE\0\x05\0\0\0\0", 4),
        8 if mid_message => raw(b"\x80\xFF\x80\0\0\0\0\0\0\0\0\0\0\0", 3),
        8 => raw(b"\x82\xFF\x80\0\0\0\0\0\0\0\0\0\0\0", 3),
        9 => raw(b"\x88\x81\0\0\0\0\x03", 6),
        10 => raw(b"\x88\x82\0\0\0\0\x03\xED", 8),
        11 => Violation {
            code: 1007,
            ..raw(b"\x88\x84\0\0\0\0\x03\xE8\xFFx", 9)
        },
        _ if mid_message || random.once_in(2) => {
            let mut bytes = vec![if mid_message { 0x80 } else { 0x81 }, 0xFF];
            bytes.extend_from_slice(&(message_bytes_max as u64 + 65_536).to_be_bytes());
            bytes.extend_from_slice(&[0; 4]);
            Violation {
                judged_at: bytes.len(),
                bytes,
                code: 1009,
            }
        }
        _ => {
            let mut bytes = Vec::new();
            let text = b"\xC3\xA9\xED\xA0\x80";
            Role::Client.write_frame(true, OpCode::Text, text, &mut bytes);
            Violation {
                judged_at: bytes.len() - 1,
                bytes,
                code: 1007,
            }
        }
    }
}

mod tests {
    use super::*;
    use fanfare::proto::Session;

    #[test]
    fn each_is_judged_at_the_byte_that_shows_it() {
        let mut random = Random::new(0);
        for _ in 0..500 {
            let mut violation = draw(&mut random, false, 1000);
            let mut session = Session::new(Role::Server);
            let end = violation.judged_at;
            for (index, byte) in violation.bytes[..end].chunks_mut(1).enumerate() {
                let is_last = index + 1 == end;
                let error = session.receive(byte, 1000).err();
                assert_eq!(error.is_some(), is_last, "{error:?} at {index} of {end}");
                if let Some(error) = error {
                    assert_eq!(error.close_code().as_u16(), violation.code);
                }
            }
        }
    }
}
