//! The body of a request (RFC 9112 §6, §7.1): where it ends, and which of the bytes that come belong to it.
//!
//! Stricter than the RFC allows recipients to be lenient: what says in two ways where it ends is refused, and so is
//! a line that ends in a bare LF. Where a proxy reads them differently, a part of the body could be taken for the next
//! request. What is framing, and not body, is bounded apart: chunks may have extensions, and trailers
//! follow them, of which nothing has a meaning here.

use super::error::RequestRefusal;
use super::head::Head;
use std::error::Error;
use std::fmt;

/// A line of the framing: a chunk's size with its extension, or a trailer.
const LINE_BYTES_MAX: usize = 4096;

/// All extensions and trailers of a body together.
const IGNORED_BYTES_MAX: usize = 16 * 1024;

/// How it is told where a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyLength {
    /// It has so many bytes.
    Bytes(u64),
    /// It comes in chunks, of which the last is empty.
    Chunked,
}

impl BodyLength {
    /// What a request says of its body. One that says nothing has none.
    pub fn of(head: &Head) -> Result<Self, RequestRefusal> {
        let headers = &head.headers;
        let is_coded = headers.values("Transfer-Encoding").next().is_some();
        let length = headers.values("Content-Length").next();
        if !is_coded {
            return match length {
                None => Ok(Self::Bytes(0)),
                Some(_) => parse_length(headers.text("Content-Length")?).map(Self::Bytes),
            };
        }
        // One of HTTP/1.0 can't know of codings: a proxy may have passed on what it did not understand.
        if length.is_some() || head.minor_version == 0 {
            return Err(RequestRefusal::BodyLength);
        }
        let mut codings = headers.tokens("Transfer-Encoding");
        let (first, rest) = (codings.next(), codings.next());
        match (first, rest) {
            (Some(coding), None) if coding.eq_ignore_ascii_case("chunked") => Ok(Self::Chunked),
            _ => Err(RequestRefusal::TransferCoding),
        }
    }
}

/// Digits and nothing else: no sign, and no list.
fn parse_length(text: Option<&str>) -> Result<u64, RequestRefusal> {
    let is_number = |text: &&str| text.bytes().all(|byte| byte.is_ascii_digit());
    text.filter(is_number)
        .and_then(|text| text.parse().ok())
        .ok_or(RequestRefusal::Malformed("Content-Length"))
}

/// Bytes that should be a body's are none. Where it ends is not known any more: close the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BodyError {
    /// A line is no chunk's size.
    ChunkSize,
    /// A chunk is longer than its size says.
    ChunkEnd,
    /// A line holds a control character, or does not end in CR LF.
    ControlCharacter,
    /// Extensions of chunks, or trailers, are too long.
    TooLong,
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ChunkSize => "A chunk of the body does not begin with its size.",
            Self::ChunkEnd => "A chunk of the body does not end where its size says.",
            Self::ControlCharacter => {
                "The body's chunks or trailers hold a control character, or a line that does not end in CR LF."
            }
            Self::TooLong => "The extensions of the body's chunks, or its trailers, are too long.",
        })
    }
}

impl Error for BodyError {}

/// Finds a body in bytes that arrive bit by bit.
///
/// ```
/// use fanfare::proto::http1::{BodyDecoder, BodyLength};
///
/// let mut decoder = BodyDecoder::new(BodyLength::Chunked);
/// let mut input = &b"2;a=b\r\nhe\r\n3\r\nllo\r\n0\r\n\r\nGET / "[..];
/// let mut body = Vec::new();
/// while let Some(part) = decoder.next(&mut input)? {
///     body.extend(part);
/// }
/// assert!(decoder.is_whole());
/// assert_eq!((&body[..], input), (&b"hello"[..], &b"GET / "[..]));
/// # Ok::<(), fanfare::proto::http1::BodyError>(())
/// ```
#[derive(Clone, Debug)]
pub struct BodyDecoder {
    expected: Expected,
    /// The beginning of a line that is not whole yet.
    line: Vec<u8>,
    /// Bytes of extensions and trailers.
    ignored_bytes: usize,
}

/// What the next byte belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    /// The body, which has so many bytes more, and nothing else.
    Sized(u64),
    /// A chunk's size.
    Size,
    /// A chunk, which has so many bytes more, at least one.
    Chunk(u64),
    /// What ends a chunk.
    ChunkEnd,
    /// A trailer, or the empty line that ends the body.
    Trailer,
    /// Something else than the body.
    End,
}

impl BodyDecoder {
    /// A body of which nothing has come yet.
    pub fn new(length: BodyLength) -> Self {
        let expected = match length {
            BodyLength::Bytes(0) => Expected::End,
            BodyLength::Bytes(bytes) => Expected::Sized(bytes),
            BodyLength::Chunked => Expected::Size,
        };
        Self {
            expected,
            line: Vec::new(),
            ignored_bytes: 0,
        }
    }

    /// All of the body has come.
    pub fn is_whole(&self) -> bool {
        self.expected == Expected::End
    }

    /// As many of the next bytes are the body's, whatever they are.
    pub fn bytes_left(&self) -> u64 {
        match self.expected {
            Expected::Sized(left) | Expected::Chunk(left) => left,
            _ => 0,
        }
    }

    /// Memory that it takes besides itself.
    pub fn heap_bytes(&self) -> usize {
        self.line.capacity()
    }

    /// Takes the next part of the body from the front of what came. `None` if there is none: then either all of the
    /// input was taken, or the body [is whole](Self::is_whole) and what is left is something else.
    pub fn next<'a>(&mut self, input: &mut &'a [u8]) -> Result<Option<&'a [u8]>, BodyError> {
        while !input.is_empty() {
            match self.expected {
                Expected::Sized(left) | Expected::Chunk(left) => {
                    let bytes =
                        usize::try_from(left).map_or(input.len(), |left| left.min(input.len()));
                    let (part, rest) = input.split_at(bytes);
                    *input = rest;
                    self.advance(left - bytes as u64);
                    return Ok(Some(part));
                }
                Expected::End => break,
                Expected::Size | Expected::ChunkEnd | Expected::Trailer => {
                    let Some(end) = input.iter().position(|&byte| byte == b'\n') else {
                        self.extend_line(input)?;
                        *input = &[];
                        break;
                    };
                    let (line, rest) = input.split_at(end + 1);
                    *input = rest;
                    if self.line.is_empty() {
                        self.take_line(line)?;
                    } else {
                        self.extend_line(line)?;
                        let line = std::mem::take(&mut self.line);
                        self.take_line(&line)?;
                    }
                }
            }
        }
        Ok(None)
    }

    /// So many bytes of the body, or of a chunk, are left.
    fn advance(&mut self, left: u64) {
        self.expected = match (self.expected, left) {
            (Expected::Sized(_), 0) => Expected::End,
            (Expected::Sized(_), left) => Expected::Sized(left),
            (_, 0) => Expected::ChunkEnd,
            (_, left) => Expected::Chunk(left),
        };
    }

    fn extend_line(&mut self, piece: &[u8]) -> Result<(), BodyError> {
        if self.line.len() + piece.len() > LINE_BYTES_MAX {
            return Err(BodyError::TooLong);
        }
        self.line.extend_from_slice(piece);
        Ok(())
    }

    /// A line of the framing has come whole, with its LF.
    fn take_line(&mut self, line: &[u8]) -> Result<(), BodyError> {
        if line.len() > LINE_BYTES_MAX {
            return Err(BodyError::TooLong);
        }
        let text = line.strip_suffix(b"\r\n");
        let text = text.ok_or(BodyError::ControlCharacter)?;
        if text
            .iter()
            .any(|&byte| byte != b'\t' && byte.is_ascii_control())
        {
            return Err(BodyError::ControlCharacter);
        }
        match self.expected {
            Expected::Size => {
                let digits = text.iter().take_while(|byte| byte.is_ascii_hexdigit());
                let digits = digits.count();
                self.ignore(text.len() - digits)?;
                self.expected = match httparse::parse_chunk_size(line) {
                    _ if digits == 0 => return Err(BodyError::ChunkSize),
                    Ok(httparse::Status::Complete((_, 0))) => Expected::Trailer,
                    Ok(httparse::Status::Complete((_, size))) => Expected::Chunk(size),
                    _ => return Err(BodyError::ChunkSize),
                };
            }
            Expected::ChunkEnd if text.is_empty() => self.expected = Expected::Size,
            Expected::ChunkEnd => return Err(BodyError::ChunkEnd),
            _ if text.is_empty() => self.expected = Expected::End,
            _ => self.ignore(text.len())?,
        }
        Ok(())
    }

    /// Bytes have no meaning here.
    fn ignore(&mut self, bytes: usize) -> Result<(), BodyError> {
        self.ignored_bytes += bytes;
        match self.ignored_bytes > IGNORED_BYTES_MAX {
            true => Err(BodyError::TooLong),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
