//! What the table of settings is made of.

/// What every environment variable of ours begins with.
pub(super) const PREFIX: &str = "FANFARE_";

/// One setting, and how to get at its place in a `Config`, which is made of them all.
#[derive(Debug)]
pub struct Entry<Config> {
    /// Its name, which is its key in a file too.
    pub name: &'static str,
    /// Those that belong together have the same.
    pub section: &'static str,
    /// What it is.
    pub help: &'static str,
    /// What stands for a value of it: `BYTES`.
    pub unit: &'static str,
    /// The default, as text; several are separated by commas.
    pub default: &'static str,
    /// Why the default is what it is.
    pub reason: &'static str,
    /// When a change of it takes effect.
    pub takes_effect: TakesEffect,
    /// It may differ by topic: a `[[topic]]` table may name it.
    pub is_per_topic: bool,
    /// It holds any number of values.
    pub is_list: bool,
    /// Its values may stand in a file without quotes.
    pub is_number: bool,
    /// Whether a text is a value of it; otherwise, what was expected.
    pub(super) check: fn(&str) -> Result<(), String>,
    /// Puts values into their place.
    pub(super) assign: fn(&mut Config, &[String]) -> Result<(), String>,
    /// Its values in force, as text.
    pub(super) values: fn(&Config) -> Vec<String>,
}

/// When a changed setting takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TakesEffect {
    /// At a reload, without touching a connection.
    Live,
    /// When the relay is started again.
    Restart,
}

impl<Config> Entry<Config> {
    /// Its flag, without the dashes in front.
    #[must_use]
    pub fn flag(&self) -> String {
        self.name.replace('_', "-")
    }

    /// Its environment variable.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("{PREFIX}{}", self.name.to_ascii_uppercase())
    }

    /// The values that a text means, if they are all right: a list's are separated by commas.
    pub(super) fn values_of(&self, text: &str) -> Result<Vec<String>, String> {
        let values = match self.is_list {
            true => split(text),
            false => vec![text.to_owned()],
        };
        for value in &values {
            (self.check)(value).map_err(|expected| format!("{expected}; found {value:?}"))?;
        }
        Ok(values)
    }
}

/// The values of a list that is one text: they are separated by commas, and by spaces as well if
/// people like.
pub(super) fn split(text: &str) -> Vec<String> {
    text.split(',')
        .map(str::trim)
        .filter(|value| !value.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Makes `Config` and `SETTINGS` of the entries.
macro_rules! settings {
    ($($section:literal {$(
        $(#[doc = $help:literal])+
        $name:ident: $type:ty = $default:literal, $takes_effect:ident $(per $topic:ident)?, $reason:literal;
    )+})+) => {
        /// Every setting's value. [`Config::default`] holds the defaults.
        #[derive(Clone, Debug)]
        pub struct Config {
            $($(
                $(#[doc = $help])+
                pub $name: $type,
            )+)+
            /// What differs by topic: of the rules that are for a topic, the first holds.
            pub topics: Vec<$crate::config::rule::TopicRule>,
            /// Where each came from, in the order of [`SETTINGS`].
            pub(super) sources: Vec<$crate::config::source::Source>,
        }

        /// A setting, and its place in [`Config`].
        pub type Setting = $crate::config::table::Entry<Config>;

        /// Every setting, in the order in which people read them.
        pub static SETTINGS: &[Setting] = &[$($(
            $crate::config::table::Entry {
                name: stringify!($name),
                section: $section,
                help: concat!($($help),+).trim_ascii(),
                unit: <$type as $crate::config::value::Values>::UNIT,
                default: $default,
                reason: $reason,
                takes_effect: $crate::config::table::TakesEffect::$takes_effect,
                is_per_topic: {
                    const SCOPE: &[&str] = &[$(stringify!($topic))?];
                    !SCOPE.is_empty()
                },
                is_list: <$type as $crate::config::value::Values>::IS_LIST,
                is_number: <$type as $crate::config::value::Values>::IS_NUMBER,
                check: <$type as $crate::config::value::Values>::check,
                assign: |config, values| {
                    config.$name = $crate::config::value::Values::read(values)?;
                    Ok(())
                },
                values: |config| $crate::config::value::Values::write(&config.$name),
            },
        )+)+];

        impl Default for Config {
            fn default() -> Self {
                Config {
                    $($(
                        $name: $crate::config::value::Values::read(
                            &$crate::config::table::split($default),
                        )
                        .expect("each default is a value"),
                    )+)+
                    topics: Vec::new(),
                    sources: vec![$crate::config::source::Source::Default; SETTINGS.len()],
                }
            }
        }
    };
}
pub(super) use settings;
