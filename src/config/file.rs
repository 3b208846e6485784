//! The settings of a TOML file.
//!
//! Keys stand at the top level, named as the settings are. Values may be text, as on the command
//! line, or bare numbers where the setting is one; a setting that holds several takes an array, or
//! one text in which they are separated by commas, as in a variable. What differs for some topics stands in
//! tables, `[[topic]]`, each of which says for which with `match`.

use super::error::ConfigError;
use super::rule::TopicRule;
use super::settings::{self, Config, SETTINGS, Setting};
use super::source::Source;
use crate::relay::Pattern;
use crate::sys::file;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A file that is larger is none of ours.
const FILE_BYTES_MAX: usize = 1024 * 1024;

/// The key of the tables for topics.
const TOPIC: &str = "topic";

/// The key that says which topics a table is for.
const MATCH: &str = "match";

/// Puts what the file says into `config`. All that is wrong with it is reported together.
pub(super) fn apply(config: &mut Config, path: &Path) -> Result<(), ConfigError> {
    let name: Arc<str> = path.display().to_string().into();
    let text = file::read_text(path, FILE_BYTES_MAX)
        .map_err(|error| format!("can't read {name}: {error}"))?;
    apply_text(config, &name, &text)
}

/// The same for the text of a file.
pub(super) fn apply_text(
    config: &mut Config,
    name: &Arc<str>,
    text: &str,
) -> Result<(), ConfigError> {
    let mut reader = Reader {
        config,
        name,
        text,
        problems: Vec::new(),
    };
    let (table, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        reader.read(table.get_ref());
    }
    for error in errors {
        let span = error.span().unwrap_or(text.len()..text.len());
        reader.fail(span, error.message());
    }
    // The parser sorts by key; people read from the top.
    reader.problems.sort_by_key(|&(line, _)| line);
    match reader.problems {
        problems if problems.is_empty() => Ok(()),
        problems => Err(problems
            .into_iter()
            .map(|(_, problem)| problem)
            .collect::<Vec<_>>()
            .into()),
    }
}

struct Reader<'a> {
    config: &'a mut Config,
    name: &'a Arc<str>,
    text: &'a str,
    /// With the lines that they are in.
    problems: Vec<(usize, String)>,
}

impl Reader<'_> {
    fn read(&mut self, table: &DeTable) {
        for (key, value) in table {
            if key.get_ref() == TOPIC {
                self.read_topics(value);
                continue;
            }
            let Some(index) = settings::find(key.get_ref()) else {
                let problem = unknown(key.get_ref(), value.get_ref());
                self.fail(key.span(), &problem);
                continue;
            };
            let setting = &SETTINGS[index];
            let Some(values) = self.values(setting, value) else {
                continue;
            };
            match (setting.assign)(self.config, &values) {
                Ok(()) => self.config.sources[index] = self.source(key.span()),
                Err(why) => self.fail(key.span(), &format!("{}: {why}", setting.name)),
            }
        }
    }

    fn read_topics(&mut self, value: &Spanned<DeValue>) {
        let expected = "expected a table with two brackets, [[topic]]; found";
        let DeValue::Array(tables) = value.get_ref() else {
            let found = found(value.get_ref());
            return self.fail(value.span(), &format!("{TOPIC}: {expected} {found}"));
        };
        for table in tables {
            match table.get_ref() {
                DeValue::Table(rule) => self.read_topic(table.span(), rule),
                other => {
                    let found = found(other);
                    self.fail(table.span(), &format!("{TOPIC}: {expected} {found}"));
                }
            }
        }
    }

    fn read_topic(&mut self, span: Range<usize>, table: &DeTable) {
        let rule = match table.get_key_value(MATCH) {
            Some((key, value)) => self.pattern(value).map(|pattern| TopicRule {
                source: self.source(key.span()),
                ..TopicRule::new(pattern)
            }),
            None => {
                let why = "expected match, which says for which topics it is, such as chat.*";
                self.fail(span, &format!("[[{TOPIC}]]: {why}"));
                None
            }
        };
        let mut differing = BTreeMap::new();
        for (key, value) in table.iter().filter(|(key, _)| key.get_ref() != MATCH) {
            let index = settings::find(key.get_ref());
            let Some(index) = index.filter(|&index| SETTINGS[index].is_per_topic) else {
                let problem = unknown_in_topic(key.get_ref(), index.is_some());
                self.fail(key.span(), &problem);
                continue;
            };
            if let Some(values) = self.values(&SETTINGS[index], value) {
                differing.insert(index, (values, self.source(key.span())));
            }
        }
        let topics = &mut self.config.topics;
        topics.extend(rule.map(|rule| TopicRule { differing, ..rule }));
    }

    fn pattern(&mut self, value: &Spanned<DeValue>) -> Option<Pattern> {
        let is_pattern = |text: &str| text.parse().map(|_: Pattern| ());
        let pattern = text(value.get_ref(), false, is_pattern).and_then(|text| text.parse());
        pattern
            .map_err(|why| self.fail(value.span(), &format!("{MATCH}: {why}")))
            .ok()
    }

    /// The values of a setting, if they are all right.
    fn values(&mut self, setting: &Setting, value: &Spanned<DeValue>) -> Option<Vec<String>> {
        let items = match value.get_ref() {
            DeValue::Array(items) if setting.is_list => items.iter().collect(),
            DeValue::String(text) => {
                return setting
                    .values_of(text)
                    .map_err(|why| self.fail(value.span(), &format!("{}: {why}", setting.name)))
                    .ok();
            }
            _ => vec![value],
        };
        let values: Vec<Option<String>> = items
            .into_iter()
            .map(|item| {
                let checked = text(item.get_ref(), setting.is_number, setting.check);
                checked
                    .map_err(|why| self.fail(item.span(), &format!("{}: {why}", setting.name)))
                    .ok()
            })
            .collect();
        values.into_iter().collect()
    }

    fn fail(&mut self, span: Range<usize>, why: &str) {
        let line = self.line(span);
        self.problems
            .push((line, format!("{}:{line}: {why}", self.name)));
    }

    fn source(&self, span: Range<usize>) -> Source {
        Source::File {
            file: self.name.clone(),
            line: self.line(span),
        }
    }

    fn line(&self, span: Range<usize>) -> usize {
        let before = &self.text.as_bytes()[..span.start];
        before.iter().filter(|&&byte| byte == b'\n').count() + 1
    }
}

/// The text of one value, if it passes a check. Where numbers are meant, they may stand without quotes.
fn text(
    value: &DeValue,
    is_number: bool,
    check: impl Fn(&str) -> Result<(), String>,
) -> Result<String, String> {
    let (text, is_allowed) = match value {
        DeValue::String(text) => (text.to_string(), true),
        DeValue::Integer(number) => (number.to_string(), is_number),
        DeValue::Float(number) => (number.to_string(), is_number),
        _ => (String::new(), false),
    };
    match check(&text) {
        Ok(()) if is_allowed => Ok(text),
        // What would be right in quotes.
        Ok(()) => Err(format!("expected text in quotes, found {}", found(value))),
        Err(expected) => Err(format!("{expected}; found {}", found(value))),
    }
}

fn found(value: &DeValue) -> String {
    match value {
        DeValue::String(text) => format!("{text:?}"),
        DeValue::Integer(number) => format!("the number {number}"),
        DeValue::Float(number) => format!("the number {number}"),
        DeValue::Boolean(value) => format!("the boolean {value}"),
        DeValue::Datetime(date) => format!("the date {date}"),
        DeValue::Array(_) => "an array".into(),
        DeValue::Table(_) => "a table".into(),
    }
}

fn unknown(key: &str, value: &DeValue) -> String {
    let is_table = match value {
        DeValue::Table(_) => true,
        DeValue::Array(items) => {
            matches!(items.first().map(Spanned::get_ref), Some(DeValue::Table(_)))
        }
        _ => false,
    };
    let names = SETTINGS.iter().map(|setting| setting.name);
    let expected = match nearest(key, names) {
        _ if is_table && nearest(key, [TOPIC].into_iter()).is_some() => {
            "expected a table such as [[topic]]".into()
        }
        _ if is_table => "settings stand at the top level, in no table but [[topic]]".into(),
        Some(name) => format!("expected the name of a setting, such as {name}"),
        None => "expected the name of a setting; `fanfare config` lists them".into(),
    };
    format!("{}: unknown key; {expected}", key.escape_debug())
}

/// The same in a table for topics, where the settings for all can't be.
fn unknown_in_topic(key: &str, is_setting: bool) -> String {
    if is_setting {
        return format!(
            "{key}: it is the same for all topics; expected above the first [[{TOPIC}]]"
        );
    }
    let names = SETTINGS.iter().filter(|setting| setting.is_per_topic);
    let names: Vec<&str> = [MATCH].into_iter().chain(names.map(|it| it.name)).collect();
    let expected = match nearest(key, names.iter().copied()) {
        Some(name) => format!("what differs by topic, such as {name}"),
        None => format!("one of {}", names.join(", ")),
    };
    format!("{}: unknown key; expected {expected}", key.escape_debug())
}

/// The name that was likely meant.
fn nearest<'a>(key: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let likeness = |name| (strsim::jaro_winkler(name, key), name);
    let nearest = names.map(likeness).max_by(|a, b| a.0.total_cmp(&b.0));
    nearest
        .filter(|&(likeness, _)| likeness > 0.8)
        .map(|(_, name)| name)
}
