//! The settings of a TOML file.
//!
//! Keys stand at the top level, named as the settings are. Values may be text, as on the command
//! line, or bare numbers where the setting is one; a setting that holds several takes an array, or
//! one text in which they are separated by commas, as in a variable.

use super::error::ConfigError;
use super::settings::{self, Config, SETTINGS, Setting};
use super::table::Source;
use crate::sys::file;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A file that is larger is none of ours.
const FILE_BYTES_MAX: usize = 1024 * 1024;

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
                Ok(()) => {
                    self.config.sources[index] = Source::File {
                        file: self.name.clone(),
                        line: self.line(key.span()),
                    };
                }
                Err(why) => self.fail(key.span(), &format!("{}: {why}", setting.name)),
            }
        }
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
                let checked = check(setting, item.get_ref());
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

    fn line(&self, span: Range<usize>) -> usize {
        let before = &self.text.as_bytes()[..span.start];
        before.iter().filter(|&&byte| byte == b'\n').count() + 1
    }
}

/// The text of one value.
fn check(setting: &Setting, value: &DeValue) -> Result<String, String> {
    let (text, is_allowed) = match value {
        DeValue::String(text) => (text.to_string(), true),
        DeValue::Integer(number) => (number.to_string(), setting.is_number),
        DeValue::Float(number) => (number.to_string(), setting.is_number),
        _ => (String::new(), false),
    };
    let checked = (setting.check)(&text);
    match checked {
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
    let expected = if matches!(value, DeValue::Table(_)) {
        "settings stand at the top level, in no table".into()
    } else {
        let nearest = SETTINGS
            .iter()
            .map(|setting| (strsim::jaro_winkler(setting.name, key), setting.name))
            .max_by(|a, b| a.0.total_cmp(&b.0));
        match nearest {
            Some((likeness, name)) if likeness > 0.8 => {
                format!("expected the name of a setting, such as {name}")
            }
            _ => "expected the name of a setting; `fanfare config` lists them".into(),
        }
    };
    format!("{}: unknown key; {expected}", key.escape_debug())
}
