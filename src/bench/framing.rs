//! Where the body of a response ends (RFC 9112 §6.3), found as its bytes come.

use crate::proto::ResponseHead;
use crate::proto::http1::{BodyDecoder, BodyError, BodyLength};

/// How the end of a body is told, and how far it is. Without a decoder, it ends where the connection does.
#[derive(Debug, Default)]
pub(super) struct Framing(Option<BodyDecoder>);

/// What came is not what the protocol says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

impl From<BodyError> for Malformed {
    fn from(_: BodyError) -> Self {
        Malformed
    }
}

impl Framing {
    /// What a response's head says of its body.
    pub(super) fn of(head: &ResponseHead) -> Result<Self, Malformed> {
        let headers = &head.headers;
        let length = if matches!(head.status, 100..200 | 204 | 304) {
            Some(BodyLength::Bytes(0))
        } else if headers.values("Transfer-Encoding").next().is_some() {
            let is_chunked = headers.has_token("Transfer-Encoding", "chunked");
            is_chunked.then_some(BodyLength::Chunked)
        } else {
            let length = headers.only("Content-Length").map_err(|_| Malformed)?;
            length.map(parse_length).transpose()?
        };
        Ok(Framing(length.map(BodyDecoder::new)))
    }

    /// The body ends where the connection does.
    pub(super) fn is_to_end(&self) -> bool {
        self.0.is_none()
    }

    /// All of the body has come.
    pub(super) fn is_whole(&self) -> bool {
        self.0.as_ref().is_some_and(BodyDecoder::is_whole)
    }

    /// Takes the next part of the body from the front of what came. `None` if there is none: then either all of it was
    /// taken, or the body is whole.
    pub(super) fn next<'a>(&mut self, input: &mut &'a [u8]) -> Result<Option<&'a [u8]>, Malformed> {
        match &mut self.0 {
            Some(decoder) => Ok(decoder.next(input)?),
            None if input.is_empty() => Ok(None),
            None => Ok(Some(std::mem::take(input))),
        }
    }

    /// Moves what is the body's to the front, and returns how many bytes that are.
    pub(super) fn unframe(&mut self, bytes: &mut [u8]) -> Result<usize, Malformed> {
        if self.is_to_end() {
            return Ok(bytes.len());
        }
        let (mut read, mut written) = (0, 0);
        loop {
            let mut input = &bytes[read..];
            let Some(count) = self.next(&mut input)?.map(<[u8]>::len) else {
                return Ok(written);
            };
            // A part ends where the rest begins.
            read = bytes.len() - input.len();
            bytes.copy_within(read - count..read, written);
            written += count;
        }
    }
}

fn parse_length(value: &[u8]) -> Result<BodyLength, Malformed> {
    let digits = str::from_utf8(value).map_err(|_| Malformed)?;
    digits.parse().map(BodyLength::Bytes).map_err(|_| Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn framing(headers: &str) -> Result<Framing, Malformed> {
        let head = format!("HTTP/1.1 200 OK\r\n{headers}\r\n");
        Framing::of(&ResponseHead::parse(head.as_bytes()).unwrap())
    }

    /// How many bytes of these are the body's, and whether it is whole then.
    fn unframe(headers: &str, bytes: &[u8]) -> Result<(Vec<u8>, bool), Malformed> {
        let (mut framing, mut bytes) = (framing(headers)?, bytes.to_vec());
        let count = framing.unframe(&mut bytes)?;
        bytes.truncate(count);
        Ok((bytes, framing.is_whole()))
    }

    const CHUNKED: &str = "Transfer-Encoding: gzip, Chunked\r\n";

    #[test]
    fn what_a_head_says_of_its_body() {
        let chunks = b"3\r\nabc\r\n0\r\n\r\nHTTP/1.1 ";
        let body = |text: &[u8]| text.to_vec();
        assert_eq!(unframe(CHUNKED, chunks), Ok((body(b"abc"), true)));
        assert_eq!(unframe("", b"abc"), Ok((body(b"abc"), false)));
        assert_eq!(
            unframe("Transfer-Encoding: gzip\r\n", b"abc"),
            Ok((body(b"abc"), false))
        );
        assert_eq!(
            unframe("Content-Length: 2\r\n", b"abc"),
            Ok((body(b"ab"), true))
        );
        assert_eq!(
            unframe("Content-Length: 4\r\n", b"abc"),
            Ok((body(b"abc"), false))
        );
        // The last word is the transfer coding's (RFC 9112 §6.3).
        let both = format!("Content-Length: 7\r\n{CHUNKED}");
        assert_eq!(unframe(&both, chunks), Ok((body(b"abc"), true)));
        for wrong in [
            "Content-Length: 7\r\nContent-Length: 7\r\n",
            "Content-Length: x\r\n",
            "Content-Length: -1\r\n",
        ] {
            assert_eq!(unframe(wrong, b""), Err(Malformed), "{wrong}");
        }
        assert_eq!(unframe(CHUNKED, b"x\r\n"), Err(Malformed));
        let none = ResponseHead::parse(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
        assert!(Framing::of(&none).unwrap().is_whole());
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
            let mut framing = framing(CHUNKED).unwrap();
            let (mut body, mut ends) = (Vec::new(), Vec::new());
            for piece in wire.chunks_mut(cut) {
                let count = framing.unframe(piece).unwrap();
                body.extend_from_slice(&piece[..count]);
                ends.push(framing.is_whole());
            }
            prop_assert_eq!(body, chunks.concat());
            prop_assert_eq!(ends.iter().position(|&end| end), Some(ends.len() - 1));
        }
    }
}
