//! Every setting: its name, unit, default, and what it is good for. Each can be given as a flag, as
//! an environment variable and as a key of a TOML file, in that order of precedence.
//!
//! [`settings`] is the table; everything else here is made from it: [`Flags`] for the command line,
//! the reading of files, [`Config`] with what is in force and where it came from, the manual.

mod address;
mod error;
mod file;
mod flags;
mod settings;
mod show;
mod table;
mod value;

pub use address::{Address, Binding};
pub use error::ConfigError;
pub use flags::Flags;
pub use settings::{Config, SETTINGS};
pub use show::manual;
pub use table::{Setting, Source, TakesEffect};
pub use value::{Bytes, Count, Level, Origin, Period, Value};

use crate::relay::Limits;
use crate::sys::clock::ticks;
use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Descriptors that are not sockets of clients: standard streams, poller, signals, listeners, and
/// some to spare for files.
const DESCRIPTORS_RESERVED: usize = 16;

/// Sockets beyond `connections_max`, for pages, and for telling clients that there is no place.
const SOCKETS_SPARE: usize = 64;

/// A message can't be larger, whatever is set: 1 GiB.
const MESSAGE_BYTES_LIMIT: u64 = 1 << 30;

/// A topic's log holds this many messages of the largest size, so that a turn can take in a quarter
/// of it without lapping a reader that keeps up.
const MESSAGES_PER_LOG: u64 = 4;

/// A setting that differs from what is in force, and needs a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The setting.
    pub name: &'static str,
    /// Its value in force.
    pub in_force: String,
    /// The value that it would have.
    pub wanted: String,
}

impl Config {
    /// The settings that these flags, this process's environment and the file that they name ask
    /// for. The file is read again at each call.
    pub fn load(flags: &Flags) -> Result<Self, ConfigError> {
        Self::layered(flags, |variable| env::var_os(variable))
    }

    /// The settings of a file alone, over the defaults.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let mut config = Config::default();
        file::apply(&mut config, path)?;
        Ok(config)
    }

    fn layered(
        flags: &Flags,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Self, ConfigError> {
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        let file = flags.file.clone();
        let file = file.or_else(|| variable(flags::CONFIG_VARIABLE).map(PathBuf::from));
        let mut config = file.map_or_else(|| Ok(Config::default()), |file| Config::read(&file))?;
        let mut problems = Vec::new();
        for (index, setting) in SETTINGS.iter().enumerate() {
            let name = setting.variable();
            if let Some(value) = variable(&name)
                && let Err(why) = config.set_from_variable(index, &value)
            {
                problems.push(format!("{name}: {why}"));
            }
        }
        for (index, values) in &flags.given {
            let setting = &SETTINGS[*index];
            match (setting.assign)(&mut config, values) {
                Ok(()) => config.sources[*index] = Source::Flag,
                Err(why) => problems.push(format!("--{}: {why}", setting.flag())),
            }
        }
        match problems {
            problems if problems.is_empty() => Ok(config),
            problems => Err(problems.into()),
        }
    }

    fn set_from_variable(&mut self, index: usize, value: &OsString) -> Result<(), String> {
        let setting = &SETTINGS[index];
        let text = value
            .to_str()
            .ok_or_else(|| format!("expected UTF-8; found {value:?}"))?;
        let values = match setting.is_list {
            true => table::split(text),
            false => vec![text.to_owned()],
        };
        for value in &values {
            (setting.check)(value).map_err(|expected| format!("{expected}; found {value:?}"))?;
        }
        (setting.assign)(self, &values)?;
        self.sources[index] = Source::Environment;
        Ok(())
    }

    /// Takes over from `wanted` what can change while the relay runs. Returns what differs and
    /// can't.
    pub fn adopt(&mut self, wanted: &Config) -> Vec<Held> {
        let mut held = Vec::new();
        for (index, setting) in SETTINGS.iter().enumerate() {
            let values = (setting.values)(wanted);
            let in_force = (setting.values)(self);
            match setting.takes_effect {
                _ if values == in_force => self.sources[index] = wanted.sources[index].clone(),
                TakesEffect::Live => {
                    (setting.assign)(self, &values).expect("a value reads as it is written");
                    self.sources[index] = wanted.sources[index].clone();
                }
                TakesEffect::Restart => held.push(Held {
                    name: setting.name,
                    in_force: in_force.join(","),
                    wanted: values.join(","),
                }),
            }
        }
        held
    }

    /// The relay's bounds, if the settings fit together.
    pub fn limits(&self) -> Result<Limits, ConfigError> {
        let message = self.message_bytes_max;
        let topic_log = self.topic_log_bytes_max;
        if message.0 > MESSAGE_BYTES_LIMIT {
            return Err(format!(
                "{} is too much: it can be 1GiB at most",
                self.cite("message_bytes_max")
            )
            .into());
        }
        if topic_log.0 < message.0.saturating_mul(MESSAGES_PER_LOG) {
            return Err(format!(
                "{} is less than {MESSAGES_PER_LOG} times {}: raise the one or lower the other",
                self.cite("topic_log_bytes_max"),
                self.cite("message_bytes_max")
            )
            .into());
        }
        if self.log_bytes_max.0 < topic_log.0 {
            return Err(format!(
                "{} is less than {}, which it is to hold at least once",
                self.cite("log_bytes_max"),
                self.cite("topic_log_bytes_max")
            )
            .into());
        }
        Ok(Limits {
            connections_max: self.connections_max.map_or(usize::MAX, |count| count.0),
            head_bytes_max: self.head_bytes_max.as_usize(),
            message_bytes_max: message.as_usize(),
            topic_log_bytes_max: topic_log.as_usize(),
            log_bytes_max: self.log_bytes_max.as_usize(),
            outbox_bytes_max: self.outbox_bytes_max.as_usize(),
            rescue_bytes_max: self.rescue_bytes_max.as_usize(),
            private_bytes_max: self.private_bytes_max.as_usize(),
            slow_policy: self.slow_policy,
            origins: self.origin.iter().map(ToString::to_string).collect(),
            handshake_timeout: ticks(self.handshake_timeout.0),
            keep_alive_timeout: ticks(self.keep_alive_timeout.0),
            heartbeat_interval: ticks(self.heartbeat_interval.0),
            pong_timeout: ticks(self.pong_timeout.0),
            idle_timeout: self.idle_timeout.map(|period| ticks(period.0)),
            stalled_write_timeout: ticks(self.stalled_write_timeout.0),
            close_timeout: ticks(self.close_timeout.0),
        })
    }

    /// Sockets that may be open at a time, given how many files the process may have open.
    pub fn sockets_max(&self, descriptors_max: usize) -> Result<usize, ConfigError> {
        let reserved = DESCRIPTORS_RESERVED + self.listen.len();
        let available = descriptors_max.saturating_sub(reserved);
        let Some(Count(connections_max)) = self.connections_max else {
            return match available {
                0 => Err(format!(
                    "the process may have {descriptors_max} files open, and needs more than \
                     {reserved}: raise the limit (ulimit -n)"
                )
                .into()),
                available => Ok(available),
            };
        };
        let needed = connections_max.saturating_add(SOCKETS_SPARE);
        if needed > available {
            return Err(format!(
                "{} takes {} open files, and the process may have {descriptors_max}: raise the \
                 limit (ulimit -n), or lower the setting to {}",
                self.cite("connections_max"),
                needed.saturating_add(reserved),
                available.saturating_sub(SOCKETS_SPARE),
            )
            .into());
        }
        Ok(needed)
    }

    /// Time from the signal to shut down until the process ends.
    #[must_use]
    pub fn shutdown_timeout(&self) -> Duration {
        self.close_timeout.0
    }
}

#[cfg(test)]
mod tests;
