//! Rust as tokens, and the paths in it: just enough to see which module names which.

/// A path in a source, such as `crate::wheel::Tick`. Trees are taken apart: `a::{b, c}` is `a::b` and
/// `a::c`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    /// Counted from 0.
    pub(crate) line: usize,
    pub(crate) segments: Vec<String>,
    pub(crate) role: Role,
}

/// What a path is there for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Something is used.
    Used,
    /// `use`: the file calls it by this name from here on.
    Imported(String),
    /// `pub use`: others may call it by this name, too.
    Exported(String),
}

/// Every path in a Rust source.
pub(crate) fn paths(text: &str) -> Vec<Written> {
    let tokens = tokens(text);
    let mut found = Vec::new();
    let mut next = 0;
    let text_at = |index: usize| tokens.get(index).map_or("", |token| token.1);
    while next < tokens.len() {
        let before = |back: usize| next.checked_sub(back).map_or("", text_at);
        // What follows one dot is a field or a method; two are a range.
        let is_member = before(1) == "." && before(2) != ".";
        let imported: fn(String) -> Role = match is_public(&tokens[..next]) {
            true => Role::Exported,
            false => Role::Imported,
        };
        next = match text_at(next) {
            "use" if is_name(text_at(next + 1)) => {
                path_at(&tokens, next + 1, &[], &imported, &mut found)
            }
            // A declaration names nothing that is elsewhere.
            name if is_name(name) && !is_member && before(1) != "mod" => {
                path_at(&tokens, next, &[], &|_| Role::Used, &mut found)
            }
            _ => next + 1,
        };
    }
    found
}

/// Whether tokens end in `pub` or `pub(..)`.
fn is_public(before: &[(usize, &str)]) -> bool {
    let words: Vec<&str> = before.iter().rev().map(|token| token.1).collect();
    match words.first() {
        Some(&")") => {
            let open = words.iter().position(|&word| word == "(");
            open.is_some_and(|open| words.get(open + 1) == Some(&"pub"))
        }
        last => last == Some(&"pub"),
    }
}

/// Adds the paths that begin with the name at `next`, and returns where they end.
fn path_at(
    tokens: &[(usize, &str)],
    mut next: usize,
    prefix: &[String],
    role: &dyn Fn(String) -> Role,
    found: &mut Vec<Written>,
) -> usize {
    let text_at = |index: usize| tokens.get(index).map_or("", |token| token.1);
    let line = tokens[next].0;
    let mut segments = prefix.to_vec();
    segments.push(text_at(next).to_owned());
    next += 1;
    while text_at(next) == "::" {
        match text_at(next + 1) {
            "{" => {
                next += 2;
                while !["}", ""].contains(&text_at(next)) {
                    match is_name(text_at(next)) {
                        true => next = path_at(tokens, next, &segments, role, found),
                        false => next += 1,
                    }
                }
                return next + 1;
            }
            name if is_name(name) || name == "*" => {
                segments.push(name.to_owned());
                next += 2;
            }
            _ => break,
        }
    }
    let mut name = segments[segments.len() - 1].clone();
    if name == "self" && segments.len() > 1 {
        segments.pop();
        name = segments[segments.len() - 1].clone();
    }
    let is_named = !matches!(role(String::new()), Role::Used);
    if is_named && text_at(next) == "as" {
        name = text_at(next + 1).to_owned();
        next += 2;
    }
    found.push(Written {
        line,
        segments,
        role: role(name),
    });
    next
}

fn is_name(token: &str) -> bool {
    token.starts_with(|first: char| first.is_alphabetic() || first == '_')
}

/// Names and punctuation of a Rust source with their lines, counted from 0; neither comments nor
/// literals.
fn tokens(text: &str) -> Vec<(usize, &str)> {
    let mut tokens = Vec::new();
    let (mut rest, mut line) = (text, 0);
    while !rest.is_empty() {
        let (bytes, is_token) = lexeme(rest);
        let (lexeme, after) = rest.split_at(bytes);
        if is_token {
            tokens.push((line, lexeme));
        }
        line += lexeme.matches('\n').count();
        rest = after;
    }
    tokens
}

/// The length of what a source begins with, and whether it is a name or punctuation.
fn lexeme(rest: &str) -> (usize, bool) {
    let length_while = |holds: fn(char) -> bool| rest.find(|c| !holds(c)).unwrap_or(rest.len());
    let first = rest.chars().next().expect("not the end");
    if first.is_whitespace() {
        (length_while(char::is_whitespace), false)
    } else if rest.starts_with("//") {
        (length_while(|c| c != '\n'), false)
    } else if rest.starts_with("/*") {
        (block_comment_bytes(rest), false)
    } else if let Some(bytes) = string_bytes(rest) {
        (bytes, false)
    } else if first == '\'' {
        (character_bytes(rest), false)
    } else if first.is_alphanumeric() || first == '_' {
        (length_while(|c| c.is_alphanumeric() || c == '_'), true)
    } else if rest.starts_with("::") {
        (2, true)
    } else {
        (first.len_utf8(), true)
    }
}

fn block_comment_bytes(rest: &str) -> usize {
    let (mut bytes, mut depth) = (0, 0);
    loop {
        match rest.as_bytes().get(bytes..bytes + 2) {
            Some(b"/*") => depth += 1,
            Some(b"*/") => depth -= 1,
            Some(_) => {
                bytes += 1;
                continue;
            }
            None => return rest.len(),
        }
        bytes += 2;
        if depth == 0 {
            return bytes;
        }
    }
}

/// The length of the string literal that a source begins with, if it does.
fn string_bytes(rest: &str) -> Option<usize> {
    let prefix = rest.find(|c| !['b', 'c', 'r'].contains(&c))?;
    let is_raw = rest[..prefix].contains('r');
    let hashes = if is_raw {
        rest[prefix..].find(|c| c != '#')?
    } else {
        0
    };
    let begin = prefix + hashes + 1;
    rest[prefix + hashes..].starts_with('"').then(|| {
        let content = &rest[begin..];
        if is_raw {
            let end = format!("\"{}", "#".repeat(hashes));
            return content
                .find(&end)
                .map_or(rest.len(), |index| begin + index + end.len());
        }
        let mut is_escaped = false;
        let end = content.find(|c| {
            let ends = c == '"' && !is_escaped;
            is_escaped = c == '\\' && !is_escaped;
            ends
        });
        end.map_or(rest.len(), |index| begin + index + 1)
    })
}

/// The length of the character that a source begins with, or of a lifetime's quote.
fn character_bytes(rest: &str) -> usize {
    let mut after = rest.char_indices().skip(1);
    match (after.next(), after.next()) {
        (Some((_, '\\')), Some(_)) => rest[3..].find('\'').map_or(rest.len(), |index| index + 4),
        (Some(_), Some((index, '\''))) => index + 1,
        _ => 1,
    }
}

#[test]
fn paths_are_found_in_code_alone() {
    let source = r##"
        // crate::comment
        /* crate::a /* nested */ crate::b */
        use crate::{relay::{self, Relay as R}, wheel::*};
        pub(in super::super) use self::list::List;
        const TEXT: (&str, &str) = ("crate::c \" crate::d", r#"crate::e " crate::f"#);
        fn f<'a>(quote: char) -> bool { quote != '"' && quote != '\'' && super::g::<'a>('::') }
        fn h() { it.h as u32; self.h() }
    "##;
    let long: Vec<_> = paths(source)
        .into_iter()
        .filter(|path| path.segments.len() > 1)
        .map(|path| (path.segments.join("::"), path.role))
        .collect();
    let expected = [
        ("crate::relay", Role::Imported("relay".into())),
        ("crate::relay::Relay", Role::Imported("R".into())),
        ("crate::wheel::*", Role::Imported("*".into())),
        ("super::super", Role::Used),
        ("self::list::List", Role::Exported("List".into())),
        ("super::g", Role::Used),
    ];
    assert_eq!(long, expected.map(|(path, role)| (path.to_owned(), role)));
    let heads = |path: &Written| path.segments[0] == "h";
    assert_eq!(paths(source).iter().filter(|path| heads(path)).count(), 1);
    let after_text = &paths("a\n\n\"\n\"b::\nc")[1];
    assert_eq!((after_text.line, after_text.segments.len()), (3, 2));
}
