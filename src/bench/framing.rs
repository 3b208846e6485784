//! Where the body of a response ends (RFC 9112 §6.3), found as its bytes come.

use crate::proto::ResponseHead;
use std::ops::Range;

/// A chunk's size with its extensions, or a trailer: no server sends nearly as much.
const LINE_BYTES_MAX: usize = 16 * 1024;

/// How the end of a body is told, and how far it is.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum Framing {
    /// So many bytes are still to come.
    Length(u64),
    Chunked(Chunks),
    /// It ends where the connection does.
    #[default]
    ToEnd,
}

/// Where in a chunked body (RFC 9112 §7.1) the next byte stands.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Chunks {
    state: ChunkState,
    /// What there is of a line that has not ended.
    line: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum ChunkState {
    #[default]
    Size,
    /// Inside of a chunk, of which so many bytes are still to come.
    Data(u64),
    /// At the end of a chunk's line.
    DataEnd,
    Trailers,
    Over,
}

/// What was found at the start of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// Which of them are the body's.
    pub(super) data: Range<usize>,
    /// How many were looked at.
    pub(super) consumed: usize,
    /// The body ends here.
    pub(super) is_over: bool,
}

/// What came is not what the protocol says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

impl Framing {
    /// What a response's head says of its body.
    pub(super) fn of(head: &ResponseHead) -> Result<Self, Malformed> {
        if matches!(head.status, 100..200 | 204 | 304) {
            return Ok(Framing::Length(0));
        }
        if head.headers.values("Transfer-Encoding").next().is_some() {
            return Ok(
                match head.headers.has_token("Transfer-Encoding", "chunked") {
                    true => Framing::Chunked(Chunks::default()),
                    false => Framing::ToEnd,
                },
            );
        }
        let Some(length) = head.headers.only("Content-Length").map_err(|_| Malformed)? else {
            return Ok(Framing::ToEnd);
        };
        let digits = str::from_utf8(length).map_err(|_| Malformed)?;
        digits.parse().map(Framing::Length).map_err(|_| Malformed)
    }

    /// Takes the next piece of the body. Where it is not over, something is consumed of what is not empty.
    pub(super) fn take(&mut self, input: &[u8]) -> Result<Piece, Malformed> {
        match self {
            Framing::ToEnd => Ok(Piece {
                data: 0..input.len(),
                consumed: input.len(),
                is_over: false,
            }),
            Framing::Length(left) => {
                let count = input
                    .len()
                    .min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= count as u64;
                Ok(Piece {
                    data: 0..count,
                    consumed: count,
                    is_over: *left == 0,
                })
            }
            Framing::Chunked(chunks) => chunks.take(input),
        }
    }

    /// Moves what is the body's to the front, and returns how many bytes that are, and whether it is over.
    pub(super) fn unframe(&mut self, bytes: &mut [u8]) -> Result<(usize, bool), Malformed> {
        let (mut read, mut written) = (0, 0);
        loop {
            let Piece {
                data,
                consumed,
                is_over,
            } = self.take(&bytes[read..])?;
            let count = data.len();
            // What is in its place already, as all is that is not chunked, stays there.
            if read + data.start > written {
                bytes.copy_within(read + data.start..read + data.end, written);
            }
            written += count;
            read += consumed;
            if is_over || read == bytes.len() {
                return Ok((written, is_over));
            }
        }
    }
}

impl Chunks {
    fn take(&mut self, input: &[u8]) -> Result<Piece, Malformed> {
        let mut consumed = 0;
        while consumed < input.len() && self.state != ChunkState::Over {
            let rest = &input[consumed..];
            if let ChunkState::Data(left) = self.state {
                let count = rest.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                self.state = match left - count as u64 {
                    0 => ChunkState::DataEnd,
                    left => ChunkState::Data(left),
                };
                return Ok(Piece {
                    data: consumed..consumed + count,
                    consumed: consumed + count,
                    is_over: false,
                });
            }
            let end = rest.iter().position(|&byte| byte == b'\n');
            let line = end.map_or(rest, |end| &rest[..=end]);
            consumed += line.len();
            self.line.extend_from_slice(line);
            if self.line.len() > LINE_BYTES_MAX {
                return Err(Malformed);
            }
            if end.is_some() {
                self.state = after_line(self.state, &self.line)?;
                self.line.clear();
            }
        }
        Ok(Piece {
            data: consumed..consumed,
            consumed,
            is_over: self.state == ChunkState::Over,
        })
    }
}

/// What follows a whole line, its end included.
fn after_line(state: ChunkState, line: &[u8]) -> Result<ChunkState, Malformed> {
    match (state, line) {
        // httparse takes a size without digits for 0.
        (ChunkState::Size, [digit, ..]) if digit.is_ascii_hexdigit() => {
            match httparse::parse_chunk_size(line) {
                Ok(httparse::Status::Complete((_, 0))) => Ok(ChunkState::Trailers),
                Ok(httparse::Status::Complete((_, size))) => Ok(ChunkState::Data(size)),
                _ => Err(Malformed),
            }
        }
        (ChunkState::DataEnd, b"\r\n") => Ok(ChunkState::Size),
        (ChunkState::Trailers, b"\r\n") => Ok(ChunkState::Over),
        (ChunkState::Trailers, [.., b'\r', b'\n']) => Ok(ChunkState::Trailers),
        _ => Err(Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn framing(headers: &str) -> Result<Framing, Malformed> {
        let head = format!("HTTP/1.1 200 OK\r\n{headers}\r\n");
        Framing::of(&ResponseHead::parse(head.as_bytes()).unwrap())
    }

    fn chunked() -> Framing {
        framing("Transfer-Encoding: gzip, Chunked\r\n").unwrap()
    }

    #[test]
    fn what_a_head_says_of_its_body() {
        assert_eq!(framing("Content-Length: 7\r\n"), Ok(Framing::Length(7)));
        assert_eq!(framing(""), Ok(Framing::ToEnd));
        assert_eq!(chunked(), Framing::Chunked(Chunks::default()));
        // The last word is the transfer coding's (RFC 9112 §6.3).
        assert_eq!(
            framing("Content-Length: 7\r\nTransfer-Encoding: chunked\r\n"),
            Ok(chunked())
        );
        for wrong in [
            "Content-Length: 7\r\nContent-Length: 7\r\n",
            "Content-Length: x\r\n",
            "Content-Length: -1\r\n",
        ] {
            assert_eq!(framing(wrong), Err(Malformed), "{wrong}");
        }
        let none = ResponseHead::parse(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
        assert_eq!(Framing::of(&none), Ok(Framing::Length(0)));
    }

    #[test]
    fn what_is_no_chunk() {
        for wrong in [
            "\r\n",
            "x\r\n",
            ";a\r\n",
            "1\r\nab\r\n",
            "1\r\na\n",
            "1\n",
            "0\r\nA: b\n",
            "11111111111111111\r\n",
        ] {
            let mut bytes = wrong.as_bytes().to_vec();
            assert_eq!(chunked().unframe(&mut bytes), Err(Malformed), "{wrong:?}");
        }
        let mut long = [b"1;", &[b'x'; LINE_BYTES_MAX][..]].concat();
        assert_eq!(chunked().unframe(&mut long), Err(Malformed));
    }

    proptest! {
        #[test]
        fn a_body_is_the_same_however_it_is_cut(
            chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..40), 0..5),
            trailer in any::<bool>(),
            cut in 1_usize..30,
        ) {
            let mut wire = Vec::new();
            for chunk in &chunks {
                wire.extend_from_slice(format!("{:X};a=b\r\n", chunk.len()).as_bytes());
                wire.extend_from_slice(chunk);
                wire.extend_from_slice(b"\r\n");
            }
            wire.extend_from_slice(if trailer { b"0\r\nA: b\r\n\r\n" } else { b"0\r\n\r\n" });
            let mut framing = chunked();
            let (mut body, mut ends) = (Vec::new(), Vec::new());
            for piece in wire.chunks_mut(cut) {
                let (count, is_over) = framing.unframe(piece).unwrap();
                body.extend_from_slice(&piece[..count]);
                ends.push(is_over);
            }
            prop_assert_eq!(body, chunks.concat());
            prop_assert_eq!(ends.iter().position(|&end| end), Some(ends.len() - 1));
        }
    }

    #[test]
    fn what_follows_a_body_is_not_consumed() {
        let bytes = b"3\r\nabc\r\n0\r\n\r\nHTTP/1.1 ";
        let mut framing = chunked();
        let first = framing.take(bytes).unwrap();
        assert_eq!((&bytes[first.data], first.is_over), (&b"abc"[..], false));
        let last = framing.take(&bytes[first.consumed..]).unwrap();
        assert!(last.is_over);
        assert_eq!(&bytes[first.consumed + last.consumed..], b"HTTP/1.1 ");
    }
}
