//! Settings that are loaded again, and how far that is.

use crate::config::{Config, ConfigError};
use crate::http::Site;
use std::sync::{Arc, Mutex};

/// Finds out what the settings are to be.
pub(super) type Load = dyn FnMut() -> Result<Config, ConfigError> + Send;

/// Settings and the files that they name, or what is wrong with them.
pub(super) type Loaded = Result<(Config, Site), ConfigError>;

/// Settings that are loaded again.
#[derive(Default)]
pub(super) struct Reloads {
    /// Where they come from.
    pub(super) load: Option<Arc<Mutex<Load>>>,
    /// They are being read: there is one thread for it at a time.
    pub(super) is_under_way: bool,
    /// It was asked for meanwhile, and what is being read may be old already.
    pub(super) is_due_again: bool,
}
