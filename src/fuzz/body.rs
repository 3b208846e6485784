//! Bodies of requests: any cut gives the same body, and it ends where another decoder, which has all of it before it,
//! finds its end.

use super::cuts;
use crate::proto::http1::{BodyDecoder, BodyError, BodyLength};

/// What bounds a line of the framing, and all that is passed over, with the same verdict.
const LINE_BYTES_MAX: usize = 4096;
const IGNORED_BYTES_MAX: usize = 16 * 1024;

/// What comes of a body: its bytes, and how many bytes of the input it takes, unless more have to come.
type Verdict = Result<(Vec<u8>, Option<usize>), BodyError>;

/// The first byte chooses the cuts, the second is the body's length, or 255 if it comes in chunks; the rest is what the
/// peer sends.
pub fn body(data: &[u8]) {
    let [seed, length, input @ ..] = data else {
        return;
    };
    let length = match *length {
        u8::MAX => BodyLength::Chunked,
        bytes => BodyLength::Bytes(bytes.into()),
    };
    let whole = decode(length, input, [input.len()]);
    let by_one = decode(length, input, 1..=input.len());
    assert_eq!(by_one, whole, "byte by byte");
    let reads = cuts(*seed, input.len()).chain([input.len()]);
    assert_eq!(decode(length, input, reads), whole, "in reads");
    let expected = match length {
        BodyLength::Bytes(bytes) => Ok(sized(input, bytes as usize)),
        BodyLength::Chunked => chunked(input),
    };
    match (&whole, &expected) {
        (Ok(whole), Ok(expected)) => assert_eq!(whole, expected),
        (Err(_), Err(())) => {}
        _ => panic!("{whole:?}, but {expected:?}"),
    }
    if let Ok((body, Some(end))) = whole {
        // Whatever follows makes no difference, and nothing is missing from it.
        let longer = [&input[..end], b"GET / HTTP/1.1\r\n\r\n"].concat();
        assert_eq!(
            decode(length, &longer, [longer.len()]),
            Ok((body, Some(end)))
        );
        if end > 0 {
            let shorter = decode(length, &input[..end - 1], [end - 1]);
            assert!(shorter.is_ok_and(|(_, end)| end.is_none()));
        }
    }
}

fn decode(length: BodyLength, input: &[u8], reads: impl IntoIterator<Item = usize>) -> Verdict {
    let mut decoder = BodyDecoder::new(length);
    let (mut body, mut begin) = (Vec::new(), 0);
    for end in reads {
        let mut read = &input[begin..end];
        while let Some(part) = decoder.next(&mut read)? {
            assert!(!part.is_empty());
            body.extend_from_slice(part);
        }
        assert!(decoder.heap_bytes() <= 2 * LINE_BYTES_MAX);
        begin = end - read.len();
        if decoder.is_whole() {
            return Ok((body, Some(begin)));
        }
        assert!(read.is_empty(), "some of it is left");
    }
    Ok((body, decoder.is_whole().then_some(begin)))
}

fn sized(input: &[u8], bytes: usize) -> (Vec<u8>, Option<usize>) {
    match input.get(..bytes) {
        Some(body) => (body.to_vec(), Some(bytes)),
        None => (input.to_vec(), None),
    }
}

/// RFC 9112 §7.1 as it reads, with lines that end in CR LF and nothing else.
fn chunked(input: &[u8]) -> Result<(Vec<u8>, Option<usize>), ()> {
    let (mut body, mut at, mut ignored_bytes) = (Vec::new(), 0, 0);
    let mut is_last = false;
    loop {
        let Some(line) = line(&input[at..])? else {
            return Ok((body, None));
        };
        at += line.len() + 2;
        if is_last {
            ignored_bytes += line.len();
            check(ignored_bytes <= IGNORED_BYTES_MAX)?;
            if line.is_empty() {
                return Ok((body, Some(at)));
            }
            continue;
        }
        let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit());
        let (digits, rest) = line.split_at(digits.count());
        ignored_bytes += rest.len();
        check(ignored_bytes <= IGNORED_BYTES_MAX)?;
        // Sixteen digits are the largest number that there is.
        check((1..=16).contains(&digits.len()))?;
        let extension = rest.trim_ascii_start();
        check(extension.is_empty() || extension.starts_with(b";"))?;
        let size = str::from_utf8(digits).map_err(drop)?;
        let size = u64::from_str_radix(size, 16).map_err(drop)?;
        is_last = size == 0;
        if is_last {
            continue;
        }
        let rest = &input[at..];
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        body.extend_from_slice(&rest[..size.min(rest.len())]);
        if rest.len() <= size {
            return Ok((body, None));
        }
        at += size;
        match self::line(&input[at..])? {
            None => return Ok((body, None)),
            Some(end) => check(end.is_empty())?,
        }
        at += 2;
    }
}

/// The next line without its end; `None` if more of it has to come.
fn line(input: &[u8]) -> Result<Option<&[u8]>, ()> {
    let Some(end) = input.iter().position(|&byte| byte == b'\n') else {
        check(input.len() <= LINE_BYTES_MAX)?;
        return Ok(None);
    };
    check(end < LINE_BYTES_MAX)?;
    let line = input[..end].strip_suffix(b"\r").ok_or(())?;
    let is_allowed = |&byte: &u8| byte == b'\t' || !byte.is_ascii_control();
    check(line.iter().all(is_allowed))?;
    Ok(Some(line))
}

fn check(is_so: bool) -> Result<(), ()> {
    is_so.then_some(()).ok_or(())
}
