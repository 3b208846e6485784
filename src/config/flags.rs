//! The settings as flags: what [`SETTINGS`] says, told to clap.

use super::settings::{SETTINGS, Setting};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};
use std::path::PathBuf;

const CONFIG: &str = "config";

/// The environment variable that names the file.
pub(super) const CONFIG_VARIABLE: &str = "FANFARE_CONFIG";

/// What the command line says about settings.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// The settings given, by their index, with their values.
    pub(super) given: Vec<(usize, Vec<String>)>,
    /// The file that holds others.
    pub(super) file: Option<PathBuf>,
}

impl Args for Flags {
    fn augment_args(command: Command) -> Command {
        let file = Arg::new(CONFIG)
            .long(CONFIG)
            .value_name("FILE")
            .value_parser(clap::value_parser!(PathBuf))
            .help("File that holds settings; `fanfare check FILE` says what is wrong with one")
            .help_heading("Configuration");
        let command = command.arg(file);
        SETTINGS
            .iter()
            .fold(command, |command, setting| command.arg(arg(setting)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

fn arg(setting: &'static Setting) -> Arg {
    let check = |text: &str| (setting.check)(text).map(|()| text.to_owned());
    let arg = Arg::new(setting.name)
        .long(setting.flag())
        .value_name(setting.unit)
        .value_parser(check)
        // So that of a negative number is said what was expected, and not that it is no flag.
        .allow_hyphen_values(setting.is_number)
        .help(setting.help)
        .help_heading(setting.section);
    let arg = match setting.default {
        "" => arg,
        default => arg.default_value(default),
    };
    if setting.is_list {
        arg.action(ArgAction::Append).value_delimiter(',')
    } else {
        arg
    }
}

impl FromArgMatches for Flags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut flags = Flags::default();
        flags.update_from_arg_matches(matches)?;
        Ok(flags)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.file = matches.get_one(CONFIG).cloned();
        self.given = SETTINGS
            .iter()
            .enumerate()
            .filter(|(_, setting)| {
                matches.value_source(setting.name) == Some(ValueSource::CommandLine)
            })
            .map(|(index, setting)| {
                let values = matches.get_many(setting.name).unwrap_or_default();
                (index, values.cloned().collect())
            })
            .collect();
        Ok(())
    }
}
