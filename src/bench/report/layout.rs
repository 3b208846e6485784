//! Lines that end where the terminal does, between words: a figure stays with its unit, and what
//! is continued stands beneath what it continues. A file or a pipe gets each line in one piece.

use rustix::fd::AsFd;
use rustix::termios::tcgetwinsize;

/// Columns of a name, and of the space before its value.
const NAME: usize = 27;
/// Names and values don't fit beside each other in fewer columns.
const COLUMNS_MIN: usize = 50;

/// A space at which no line breaks.
pub(super) const NO_BREAK: char = '\u{a0}';

/// The width of a terminal; of anything else, none.
pub(super) fn columns_of(output: impl AsFd) -> Option<usize> {
    let size = tcgetwinsize(output).ok()?;
    Some(usize::from(size.ws_col)).filter(|&columns| columns > 0)
}

/// A report, line by line.
pub(super) struct Page {
    text: String,
    columns: usize,
}

impl Page {
    pub(super) fn new(columns: Option<usize>) -> Self {
        Page {
            text: String::new(),
            columns: columns.map_or(usize::MAX, |columns| columns.max(COLUMNS_MIN)),
        }
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }

    /// What is left of a line after this many columns.
    pub(super) fn columns_after(&self, columns: usize) -> usize {
        self.columns - columns
    }

    pub(super) fn blank(&mut self) {
        self.text.push('\n');
    }

    pub(super) fn heading(&mut self, name: &str) {
        self.blank();
        self.paragraph(0, name);
    }

    /// A figure, or whatever else has a name.
    pub(super) fn line(&mut self, name: &str, value: &str) {
        self.paragraph(NAME, &format!("  {name:<24} {value}"));
    }

    /// A line, and its continuations behind this many spaces.
    pub(super) fn paragraph(&mut self, indent: usize, line: &str) {
        let mut rest = line;
        let mut space = self.columns;
        // What is before the indent is a name, which is not taken apart.
        let mut from = indent;
        loop {
            let (head, tail) = split(rest, space, from);
            self.text.push_str(&head.replace(NO_BREAK, " "));
            self.blank();
            if tail.is_empty() {
                return;
            }
            self.text.push_str(&" ".repeat(indent));
            (rest, space, from) = (tail, self.columns - indent, 0);
        }
    }
}

/// As much of a text as fits into this many columns, and the rest. It breaks at a space, `from` that
/// many columns on, but not behind a digit: a figure stays with what it counts. Where there is no such
/// space, the line is longer.
fn split(text: &str, columns: usize, from: usize) -> (&str, &str) {
    if text.chars().count() <= columns {
        return (text, "");
    }
    let before = std::iter::once(' ').chain(text.chars());
    let mut gaps = before
        .zip(text.char_indices())
        .enumerate()
        .filter(|&(column, (before, (_, here)))| {
            column >= from && here == ' ' && before != ' ' && !before.is_ascii_digit()
        })
        .map(|(column, (_, (at, _)))| (column, at));
    let fitting = gaps.clone().take_while(|&(column, _)| column <= columns);
    match fitting.last().or_else(|| gaps.next()) {
        Some((_, end)) => (&text[..end], text[end..].trim_start()),
        None => (text, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(columns: Option<usize>, write: impl FnOnce(&mut Page)) -> String {
        let mut page = Page::new(columns);
        write(&mut page);
        page.into_text()
    }

    #[test]
    fn lines_break_between_words_where_the_terminal_ends() {
        let text = page(Some(50), |page| {
            page.line("latency", "p50 12 µs   p90 345 µs   max\u{a0}1 ms");
            page.paragraph(
                9,
                "Warning: the client took all of a core, or more than that.",
            );
            page.paragraph(
                0,
                "this_word_is_longer_than_the_terminal_is_wide_isn't_it it is",
            );
        });
        let expected = "  latency                  p50 12 µs   p90 345 µs
                           max 1 ms
Warning: the client took all of a core, or more
         than that.
this_word_is_longer_than_the_terminal_is_wide_isn't_it
it is
";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_line_that_just_fits_is_one() {
        let line = "twenty-six letters and all of the others, at last.";
        assert_eq!(line.len(), 50);
        let text = page(Some(50), |page| page.paragraph(0, line));
        assert_eq!(text, format!("{line}\n"));
        // The space at which it breaks needs no column of its own.
        let text = page(Some(50), |page| page.paragraph(0, &format!("{line} Yes.")));
        assert_eq!(text, format!("{line}\nYes.\n"));
    }

    #[test]
    fn what_is_no_terminal_gets_lines_in_one_piece() {
        assert!(columns_of(std::fs::File::open("/dev/null").unwrap()).is_none());
        let long = "word ".repeat(100);
        assert_eq!(
            page(None, |page| page.line("name", &long)).lines().count(),
            1
        );
    }
}
