//! Finds the end of a head.

use super::error::HeadError;

/// Empty lines that are skipped before a request line: some clients send one after a body that has none
/// at its end (RFC 9112 §2.2).
const EMPTY_LINES_MAX: u8 = 4;

/// Finds the end of a head in bytes that arrive bit by bit, and refuses what can't become one.
///
/// The default is a request's. It never looks at a byte twice, except for the first line, which is
/// checked a second time when it is complete: so a peer that speaks another protocol is told at once,
/// and not when its time is up.
#[derive(Clone, Debug, Default)]
pub struct HeadScanner {
    /// Bytes that were scanned; ≤ the limit.
    scanned: usize,
    /// Where the first line that is not empty begins.
    first_line: usize,
    empty_lines: u8,
    state: ScanState,
    kind: HeadKind,
}

/// Where in a line the next byte stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum ScanState {
    /// Before the first line, where a request may have empty ones.
    #[default]
    Before,
    /// After the CR of an empty line before the first.
    BeforeLineFeed,
    /// Inside the first line.
    FirstLine,
    /// After the CR that ends the first line.
    FirstLineFeed,
    /// At the start of a header line, or of the empty one that ends the head.
    Start,
    /// Inside a header line.
    Line,
    /// After the CR that ends a header line.
    LineFeed,
    /// After the CR of the empty line that ends the head.
    LastLineFeed,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum HeadKind {
    #[default]
    Request,
    Response,
}

impl HeadScanner {
    /// A scanner for the head of a response.
    pub fn response() -> Self {
        Self {
            kind: HeadKind::Response,
            ..Self::default()
        }
    }

    /// Takes all the bytes since the head began, those of earlier calls included, and looks at the
    /// new ones. Some(n) means that the head is whole: it is the first n bytes, at most
    /// `head_bytes_max`, the empty line at its end included. None means that more are needed. After
    /// the end or an error the scanner is of no further use.
    pub fn scan(
        &mut self,
        bytes: &[u8],
        head_bytes_max: usize,
    ) -> Result<Option<usize>, HeadError> {
        if self.scanned > head_bytes_max {
            // The limit was lowered meanwhile.
            return Err(HeadError::TooLong);
        }
        let bytes = &bytes[..bytes.len().min(head_bytes_max)];
        loop {
            if matches!(self.state, ScanState::FirstLine | ScanState::Line) {
                self.scanned += text_bytes(&bytes[self.scanned..]);
            }
            let Some(&byte) = bytes.get(self.scanned) else {
                break;
            };
            self.scanned += 1;
            self.state = match (self.state, byte) {
                (ScanState::Before, b'\r') if self.empty_lines < self.empty_lines_max() => {
                    ScanState::BeforeLineFeed
                }
                (ScanState::BeforeLineFeed, b'\n') => {
                    self.empty_lines += 1;
                    self.first_line = self.scanned;
                    ScanState::Before
                }
                (ScanState::Before, b'\r') => return Err(HeadError::FirstLine),
                (ScanState::FirstLine, b'\r') => ScanState::FirstLineFeed,
                (ScanState::FirstLineFeed, b'\n') => {
                    self.check_first_line(&bytes[self.first_line..self.scanned])?;
                    ScanState::Start
                }
                (ScanState::Start, b'\r') => ScanState::LastLineFeed,
                (ScanState::LastLineFeed, b'\n') => return Ok(Some(self.scanned)),
                (ScanState::Line, b'\r') => ScanState::LineFeed,
                (ScanState::LineFeed, b'\n') => ScanState::Start,
                (ScanState::Before, byte) if is_text(byte) => ScanState::FirstLine,
                (ScanState::Start, byte) if is_text(byte) => ScanState::Line,
                _ => return Err(HeadError::ControlCharacter),
            };
        }
        if self.scanned >= head_bytes_max {
            return Err(HeadError::TooLong);
        }
        Ok(None)
    }

    fn empty_lines_max(&self) -> u8 {
        match self.kind {
            HeadKind::Request => EMPTY_LINES_MAX,
            HeadKind::Response => 0,
        }
    }

    fn check_first_line(&self, line: &[u8]) -> Result<(), HeadError> {
        // Without headers after it a good line is incomplete, and a bad one an error.
        let verdict = match self.kind {
            HeadKind::Request => httparse::Request::new(&mut []).parse(line).map(drop),
            HeadKind::Response => httparse::Response::new(&mut []).parse(line).map(drop),
        };
        verdict.map_err(|_| HeadError::FirstLine)
    }
}

/// How many bytes from the start on may stand inside a line. Blocks are judged as a whole, which
/// the compiler turns into vector instructions: heads are most of what an upgrade costs.
fn text_bytes(bytes: &[u8]) -> usize {
    let (blocks, _) = bytes.as_chunks::<16>();
    let good_blocks = blocks
        .iter()
        .take_while(|block| block.iter().fold(true, |good, &byte| good & is_text(byte)))
        .count();
    let start = good_blocks * 16;
    let rest = bytes[start..].iter();
    start + rest.take_while(|&&byte| is_text(byte)).count()
}

/// Anything but control characters, of which only a tab is accepted. The parser knows where tabs and
/// bytes beyond ASCII may stand.
fn is_text(byte: u8) -> bool {
    (byte >= b' ') & (byte != 0x7f) | (byte == b'\t')
}
