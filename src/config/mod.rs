//! Every setting: its name, unit, default, and what it is good for. Each can be given as a flag, as
//! an environment variable and as a key of a TOML file, in that order of precedence.
//!
//! `settings` is the table; everything else here is made from it: [`Flags`] for the command line,
//! the reading of files, [`Config`] with what is in force and where it came from, the manual.

mod address;
mod error;
mod file;
mod flags;
mod folder;
mod host;
mod limits;
mod origin;
mod policies;
mod rule;
mod settings;
mod show;
mod source;
mod table;
mod value;

pub use address::{Address, Binding, Host};
pub use error::ConfigError;
pub use flags::Flags;
pub use folder::FolderPath;
pub use host::HostName;
pub use origin::OriginRule;
pub use rule::TopicRule;
pub use settings::{Config, SETTINGS, Setting};
pub use show::manual;
pub use source::Source;
pub use table::{Entry, TakesEffect};
pub use value::{Bytes, CompressionLevel, Count, Level, Mode, Period, Subprotocol, Switch, Value};

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// A setting that differs from what is in force, and needs a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingRestart {
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
        let values = setting.values_of(text)?;
        (setting.assign)(self, &values)?;
        self.sources[index] = Source::Environment;
        Ok(())
    }

    /// Takes over from `wanted` what can change while the relay runs. Returns what differs and
    /// can't.
    pub fn adopt(&mut self, wanted: &Config) -> Vec<PendingRestart> {
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
                TakesEffect::Restart => held.push(PendingRestart {
                    name: setting.name,
                    in_force: in_force.join(","),
                    wanted: values.join(","),
                }),
            }
        }
        self.topics.clone_from(&wanted.topics);
        held
    }
}

#[cfg(test)]
mod tests;
