//! Settings as people read them: what is in force, and the manual's table.

use super::error::ConfigError;
use super::flags::CONFIG_VARIABLE;
use super::rule::TopicRule;
use super::settings::{self, Config, SETTINGS, Setting};
use super::source::Source;
use super::table::{PREFIX, TakesEffect};
use crate::relay::check_topic;
use crate::sys::descriptors;
use std::env;
use std::fmt::Write;
use std::iter::once;

impl Config {
    /// [`to_toml`](Config::to_toml), and what this process makes of it: how many connections it can
    /// hold, and which variables of its environment are no settings.
    pub fn report(&self) -> Result<String, ConfigError> {
        self.limits()?;
        let descriptors_max = descriptors::raise_limit();
        let sockets_max = self.sockets_max(descriptors_max, self.listen.len())?;
        let mut out = self.to_toml();
        let _ = write!(
            out,
            "\n# {descriptors_max} open files are allowed here: enough for {sockets_max} connections.\n"
        );
        for (name, _) in env::vars_os() {
            if is_stray(&name.to_string_lossy()) {
                let _ = writeln!(out, "# The variable {name:?} is no setting.");
            }
        }
        Ok(out)
    }

    /// Which rule a topic meets, and what differs by topic as it is in force for this one.
    pub fn report_topic(&self, topic: &str) -> Result<String, ConfigError> {
        check_topic(topic).map_err(|why| format!("--topic {}: {why}", quoted(topic)))?;
        self.limits()?;
        let everywhere = self.everywhere();
        let rule = self.topics.iter().find(|rule| rule.pattern.matches(topic));
        let (rule, config) = match rule {
            Some(rule) => (rule.cite(), rule.over(&everywhere)),
            None => (
                "no [[topic]] table: the settings for all hold".into(),
                everywhere,
            ),
        };
        let settings = SETTINGS.iter().enumerate();
        let lines = settings
            .filter(|(_, setting)| setting.is_per_topic)
            .map(|(index, setting)| {
                (
                    config.line(setting),
                    describe(setting, &config.sources[index]),
                )
            });
        let mut out = format!("# The topic {} meets {rule}\n\n", quoted(topic));
        write_aligned(&mut out, &lines.collect::<Vec<_>>());
        Ok(out)
    }

    /// What is in force and where each value came from, as a file that says the same.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let lines: Vec<String> = SETTINGS.iter().map(|setting| self.line(setting)).collect();
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
        self.write_topics(&mut out);
        out
    }

    /// The tables for topics. They come last, as what is behind them would be theirs.
    fn write_topics(&self, out: &mut String) {
        let everywhere = self.everywhere();
        for (index, rule) in self.topics.iter().enumerate() {
            if index == 0 {
                out.push_str("\n# What differs by topic: the first table that matches\n");
            }
            let config = rule.over(&everywhere);
            let differing = rule.differing.iter().map(|(&index, (_, source))| {
                let setting = &SETTINGS[index];
                (config.line(setting), place(source))
            });
            let lines: Vec<_> = once((rule.line(), place(&rule.source)))
                .chain(differing)
                .collect();
            out.push_str("\n[[topic]]\n");
            write_aligned(out, &lines);
        }
    }

    /// A setting in force, as a file has it.
    fn line(&self, setting: &Setting) -> String {
        format!("{} = {}", setting.name, toml(setting, self))
    }

    /// Whether it was set.
    pub(super) fn is_set(&self, name: &str) -> bool {
        settings::find(name).is_some_and(|index| self.sources[index] != Source::Default)
    }

    /// How a setting in force was written, and where.
    pub(crate) fn cite(&self, name: &str) -> String {
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

impl TopicRule {
    /// How its pattern was written, and where.
    pub(super) fn cite(&self) -> String {
        match &self.source {
            Source::File { .. } => format!("{}: {}", place(&self.source), self.line()),
            _ => self.line(),
        }
    }

    fn line(&self) -> String {
        format!("match = {}", quoted(&self.pattern.to_string()))
    }
}

/// Where what a rule says stands.
fn place(source: &Source) -> String {
    match source {
        Source::File { file, line } => format!("{file}:{line}"),
        _ => "the program".into(),
    }
}

/// Lines, and behind each where it came from.
fn write_aligned(out: &mut String, lines: &[(String, String)]) {
    let width = lines
        .iter()
        .map(|(line, _)| line.len())
        .max()
        .unwrap_or_default();
    for (line, source) in lines {
        let _ = writeln!(out, "{line:width$}  # {source}");
    }
}

/// Whether a variable looks like a setting, and is none.
fn is_stray(variable: &str) -> bool {
    variable.starts_with(PREFIX)
        && variable != CONFIG_VARIABLE
        && !SETTINGS
            .iter()
            .any(|setting| setting.variable() == variable)
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
            TakesEffect::Live if setting.is_per_topic => "live, per topic",
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

A variable that is empty counts as not set. Several values are separated by commas, with or without
spaces; a flag may be repeated as well, and a file may have an array:
`origin = [\"https://a.example\", \"https://b.example\"]`.
Sizes take `KiB`, `MiB` and `GiB`, times `ms`, `s`, `m` and `h`; a bare number is bytes or seconds.
What changes *live* does so at SIGHUP, when the relay loads its settings again; the rest when it is
started again. If anything is wrong with the new settings, all of the old ones stay.

## What differs by topic

Settings that change *live, per topic* can differ for some topics. A table in the file
says for which, and what differs:

```toml
retain = \"off\"

[[topic]]
match = \"chat.*\"          # a topic's name, or how names begin and a `*`
retain = \"10m\"
retain_messages = 200
```

What a table does not name is as it is for all topics, by the file, a variable or a flag. The first table that
matches a topic's name is the only one that counts for it; one that no topic can meet is an error. There may be 1,024
tables. They come last in the file: what stands below `[[topic]]` belongs to that table. `fanfare config --topic NAME`
says which table a topic meets, and what is in force for it.

## Where it listens

`--listen` takes any number of these:

| address | means |
|---|---|
| `8080` | that port, on this machine only |
| `:8080` | that port, on every interface, IPv4 and IPv6 |
| `192.0.2.1:8080`, `[2001:db8::1]:8080` | that address |
| `[::]:8080` | every interface, IPv6; IPv4 too, unless an IPv4 address is listed with the same port |
| `localhost:8080` | all addresses that the name has |
| `unix:/run/fanfare.sock` | a Unix domain socket, for a proxy on the same machine |
| `unix:@fanfare` | the same under a name that stands in no file system, on Linux: every process of this machine may connect |
| `systemd` | all sockets that systemd hands over (`LISTEN_FDS`) |

Port 0 is a free port, which the relay's first line names. The path of a Unix domain socket has at
most 107 bytes. If there is a socket at that path already, it is replaced if no process answers there,
and left alone otherwise; anything else there is left alone, too. The relay removes its own
at a clean end. Sockets of systemd's are used if `systemd` is among the addresses, and not otherwise:
[contrib/fanfare.service](../contrib/fanfare.service) says so, and
[contrib/fanfare.socket](../contrib/fanfare.socket) says which.
";
