//! Settings as people read them: what is in force, and the manual's table.

use super::settings::{Config, SETTINGS};
use super::table::{Setting, Source, TakesEffect};
use std::fmt::Write;

impl Config {
    /// What is in force and where each value came from, as a file that says the same.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let lines: Vec<String> = SETTINGS
            .iter()
            .map(|setting| format!("{} = {}", setting.name, toml(setting, self)))
            .collect();
        let width = lines.iter().map(String::len).max().unwrap_or_default();
        let mut out = String::from(
            "# The settings in force, and where each came from. As a file, this says the same.\n",
        );
        let mut section = "";
        for ((setting, line), source) in SETTINGS.iter().zip(lines).zip(&self.sources) {
            if setting.section != section {
                section = setting.section;
                let _ = write!(out, "\n# {section}\n");
            }
            let _ = writeln!(out, "{line:width$}  # {}", describe(setting, source));
        }
        out
    }

    /// How a setting in force was written, and where.
    pub(super) fn cite(&self, name: &str) -> String {
        let (setting, source) = SETTINGS
            .iter()
            .zip(&self.sources)
            .find(|(setting, _)| setting.name == name)
            .expect("it is in the table");
        let value = (setting.values)(self).join(",");
        match source {
            Source::Default if value == setting.default => {
                format!("--{} (by default {value})", setting.flag())
            }
            Source::Default => format!("{name} = {value}"),
            Source::File { file, line } => {
                format!("{file}:{line}: {name} = {}", toml(setting, self))
            }
            Source::Environment => format!("{}={value}", setting.variable()),
            Source::Flag => format!("--{} {value}", setting.flag()),
        }
    }
}

fn describe(setting: &Setting, source: &Source) -> String {
    match source {
        Source::Default => "default".into(),
        Source::File { file, line } => format!("{file}:{line}"),
        Source::Environment => setting.variable(),
        Source::Flag => format!("--{}", setting.flag()),
    }
}

fn toml(setting: &Setting, config: &Config) -> String {
    let values: Vec<String> = (setting.values)(config)
        .iter()
        .map(|value| {
            let is_bare = setting.is_number && value.bytes().all(|byte| byte.is_ascii_digit());
            if is_bare {
                value.clone()
            } else {
                quoted(value)
            }
        })
        .collect();
    match setting.is_list {
        true => format!("[{}]", values.join(", ")),
        false => values.concat(),
    }
}

/// Text as TOML has it.
fn quoted(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04X}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// The table of all settings, in Markdown.
#[must_use]
pub fn manual() -> String {
    let mut out = String::from(MANUAL);
    let mut section = "";
    for setting in SETTINGS {
        if setting.section != section {
            section = setting.section;
            let _ = write!(
                out,
                "\n## {section}\n\n| key | flag, variable | default | what it is | why | changes |\n\
                 |---|---|---|---|---|---|\n"
            );
        }
        let default = match setting.default {
            "" => "none".into(),
            default => format!("`{default}`"),
        };
        let changes = match setting.takes_effect {
            TakesEffect::Live => "live",
            TakesEffect::Restart => "restart",
        };
        let _ = writeln!(
            out,
            "| `{}` | `--{} {}` `{}` | {default} | {} | {} | {changes} |",
            setting.name,
            setting.flag(),
            setting.unit,
            setting.variable(),
            setting.help,
            setting.reason,
        );
    }
    out
}

const MANUAL: &str = "\
# Settings

This page is made from the code: `fanfare settings > docs/settings.md`.

Each setting can be given as a flag, as an environment variable, and as a key of a TOML file that
`--config FILE` or `FANFARE_CONFIG` names. A flag wins over a variable, a variable over the file,
and the file over the default. `fanfare config` prints what is in force and where each value came
from; what it prints is a file, too. `fanfare check FILE` says what is wrong with a file.

A variable that is empty counts as not set. Several values are separated by commas in a variable, a
flag is repeated, and a file has an array: `origin = [\"https://a.example\", \"https://b.example\"]`.
Sizes take `KiB`, `MiB` and `GiB`, times `ms`, `s`, `m` and `h`; a bare number is bytes or seconds.
What changes *live* does so when the relay is told to reload its file; the rest when it is started
again.
";
