//! The responses that come over one connection, one after the other (RFC 9112).

use super::framing::{Framing, Malformed};
use crate::proto::{HeadScanner, ResponseHead};

/// A response head is some hundred bytes long.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// So much of a body is kept to be shown.
const EXCERPT_BYTES_MAX: usize = 200;

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Responses {
    /// What there is of a head that is not whole.
    head: Vec<u8>,
    scanner: Option<HeadScanner>,
    body: Option<Body>,
    /// Of the last response, if it was no success: the status in words, and how the body begins.
    reason: String,
    excerpt: Vec<u8>,
}

#[derive(Debug)]
struct Body {
    answer: Answer,
    framing: Framing,
}

/// A whole response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// The server is about to close the connection.
    pub(super) closes: bool,
}

impl Answer {
    pub(super) fn is_success(self) -> bool {
        matches!(self.status, 200..300)
    }
}

impl Responses {
    /// Takes bytes up to the end of a response: how many it took, and the response if that is whole.
    pub(super) fn receive(&mut self, input: &[u8]) -> Result<(usize, Option<Answer>), Malformed> {
        let mut rest = input;
        while !rest.is_empty() || self.body.is_some() {
            let Some(body) = &mut self.body else {
                match self.read_head(rest)? {
                    Some(head_bytes) => rest = &rest[head_bytes..],
                    None => rest = &[],
                }
                continue;
            };
            while let Some(part) = body.framing.next(&mut rest)? {
                if !body.answer.is_success() {
                    let left = EXCERPT_BYTES_MAX - self.excerpt.len();
                    self.excerpt
                        .extend_from_slice(&part[..part.len().min(left)]);
                }
            }
            if !body.framing.is_whole() {
                break;
            }
            let answer = body.answer;
            self.body = None;
            return Ok((input.len() - rest.len(), Some(answer)));
        }
        Ok((input.len(), None))
    }

    /// Returns how many bytes belong to the head, once it is whole.
    fn read_head(&mut self, input: &[u8]) -> Result<Option<usize>, Malformed> {
        let before = self.head.len();
        let scanner = self.scanner.get_or_insert_with(HeadScanner::response);
        // A head that is whole in what was read, as nearly all are, is not copied.
        let bytes = match before {
            0 => input,
            _ => {
                self.head.extend_from_slice(input);
                &self.head
            }
        };
        let Some(end) = scanner.scan(bytes, HEAD_BYTES_MAX).map_err(|_| Malformed)? else {
            if before == 0 {
                self.head.extend_from_slice(input);
            }
            return Ok(None);
        };
        let head = ResponseHead::parse(&bytes[..end]).map_err(|_| Malformed)?;
        match head.status {
            // An upgrade was not asked for.
            101 => return Err(Malformed),
            // What follows is the response proper.
            100..200 => {}
            status => {
                let framing = Framing::of(&head)?;
                let keeps_alive =
                    head.minor_version > 0 || head.headers.has_token("Connection", "keep-alive");
                let closes = !keeps_alive
                    || head.headers.has_token("Connection", "close")
                    || framing.is_to_end();
                let answer = Answer { status, closes };
                if !answer.is_success() {
                    self.reason.clear();
                    self.reason.push_str(head.reason);
                    self.excerpt.clear();
                }
                self.body = Some(Body { answer, framing });
            }
        }
        self.head.clear();
        self.scanner = None;
        Ok(Some(end - before))
    }

    /// The stream has ended: the response that ends with it, if one does. It must not end in the middle of one.
    pub(super) fn end(&mut self) -> Result<Option<Answer>, Malformed> {
        match self.body.take() {
            Some(body) if body.framing.is_to_end() => Ok(Some(body.answer)),
            None if self.head.is_empty() => Ok(None),
            _ => Err(Malformed),
        }
    }

    /// Status and reason of a response that was no success, and how its body begins.
    pub(super) fn in_words(&self, answer: Answer) -> String {
        let status = match self.reason.is_empty() {
            true => answer.status.to_string(),
            false => format!("{} {}", answer.status, self.reason),
        };
        match String::from_utf8_lossy(self.excerpt.trim_ascii()) {
            empty if empty.is_empty() => status,
            excerpt => format!("{status}: {}", excerpt.escape_debug()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn answers(responses: &mut Responses, mut rest: &[u8]) -> Result<Vec<Answer>, Malformed> {
        let mut answers = Vec::new();
        while !rest.is_empty() {
            let (consumed, answer) = responses.receive(rest)?;
            answers.extend(answer);
            rest = &rest[consumed..];
        }
        Ok(answers)
    }

    const MIXED: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}\
        HTTP/1.1 100 Continue\r\n\r\n\
        HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n\
        HTTP/1.1 429 Too Many Requests\r\nContent-Length: 10\r\n\r\nslow\x1bdown\n\
        HTTP/1.1 204 No Content\r\n\r\n\
        HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: Close\r\n\r\n";

    proptest! {
        #[test]
        fn responses_are_the_same_wherever_they_are_cut(cut in 1_usize..200) {
            let mut responses = Responses::default();
            let mut all = Vec::new();
            for piece in MIXED.chunks(cut) {
                all.extend(answers(&mut responses, piece).unwrap());
            }
            let statuses: Vec<u16> = all.iter().map(|answer| answer.status).collect();
            prop_assert_eq!(statuses, [200, 202, 429, 204, 200]);
            prop_assert_eq!(all.iter().position(|answer| answer.closes), Some(4));
            let words = responses.in_words(all[2]);
            prop_assert_eq!(words, "429 Too Many Requests: slow\\u{1b}down");
            prop_assert_eq!(responses.end(), Ok(None));
        }
    }

    #[test]
    fn only_the_beginning_of_a_body_is_kept() {
        let mut responses = Responses::default();
        let head = b"HTTP/1.1 500 Oh\r\nContent-Length: 5000\r\n\r\n";
        let bytes = [head, &[b'x'; 5000][..]].concat();
        let answer = answers(&mut responses, &bytes).unwrap()[0];
        let words = responses.in_words(answer);
        assert_eq!(words, format!("500 Oh: {}", "x".repeat(EXCERPT_BYTES_MAX)));
    }

    #[test]
    fn a_response_may_end_with_its_connection() {
        let mut responses = Responses::default();
        let head = b"HTTP/1.0 200 OK\r\n\r\nthe end";
        assert_eq!(answers(&mut responses, head), Ok(vec![]));
        let answer = responses.end().unwrap().unwrap();
        assert!(answer.closes && answer.is_success());
        for half in [
            &b"HTTP/1.1 2"[..],
            b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab",
        ] {
            let mut responses = Responses::default();
            assert_eq!(answers(&mut responses, half), Ok(vec![]));
            assert_eq!(responses.end(), Err(Malformed));
        }
    }

    #[test]
    fn what_is_no_response() {
        for wrong in [
            &b"SSH-2.0-OpenSSH_9.6\r\n"[..],
            b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        ] {
            assert_eq!(answers(&mut Responses::default(), wrong), Err(Malformed));
        }
    }
}
