//! The header lines of a head, and the usual questions about them.

use super::error::RequestRefusal;
use std::error::Error;
use std::fmt;
use std::str;

/// The most header lines that a head may have.
pub const HEADERS_MAX: usize = 100;

/// Header lines, in the order in which they came. Names are compared without regard to case.
#[derive(Clone, Debug)]
pub struct Headers<'a> {
    lines: Vec<httparse::Header<'a>>,
}

/// A header that may appear only once appears more than once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Repeated;

impl fmt::Display for Repeated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the header is there more than once")
    }
}

impl Error for Repeated {}

impl<'a> Headers<'a> {
    pub(super) fn new(lines: &[httparse::Header<'a>]) -> Self {
        Self {
            lines: lines.to_vec(),
        }
    }

    /// All lines: names as they were sent, and values without the white space around them.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> {
        self.lines.iter().map(|line| (line.name, line.value))
    }

    /// The values of all lines of this name.
    pub fn values(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.lines
            .iter()
            .filter(move |line| line.name.eq_ignore_ascii_case(name))
            .map(|line| line.value)
    }

    /// The value of a header that may appear only once.
    pub fn only(&self, name: &str) -> Result<Option<&'a [u8]>, Repeated> {
        let mut values = self.values(name);
        let value = values.next();
        match values.next() {
            Some(_) => Err(Repeated),
            None => Ok(value),
        }
    }

    /// The value of a header that may appear only once, and has to be UTF-8.
    pub fn text(&self, name: &'static str) -> Result<Option<&'a str>, RequestRefusal> {
        match self.only(name) {
            Err(Repeated) => Err(RequestRefusal::Repeated(name)),
            Ok(None) => Ok(None),
            Ok(Some(value)) => str::from_utf8(value)
                .map(Some)
                .map_err(|_| RequestRefusal::Malformed(name)),
        }
    }

    /// The members of a list (RFC 9110 §5.6.1): its header may appear more than once, and each line
    /// holds any number of members, separated by commas. Members that are empty or not UTF-8 are
    /// skipped.
    pub fn tokens(&self, name: &str) -> impl Iterator<Item = &'a str> {
        self.values(name)
            .flat_map(|value| value.split(|&byte| byte == b','))
            .filter_map(|member| str::from_utf8(member.trim_ascii()).ok())
            .filter(|member| !member.is_empty())
    }

    /// Whether a list holds this member, without regard to case.
    pub fn has_token(&self, name: &str, token: &str) -> bool {
        self.tokens(name)
            .any(|member| member.eq_ignore_ascii_case(token))
    }
}
