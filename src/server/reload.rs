//! The state of a reload.

use crate::config::{Config, ConfigError};
use crate::http::Site;
use std::sync::{Arc, Mutex};

/// Reads the settings again.
pub(super) type Load = dyn FnMut() -> Result<Config, ConfigError> + Send;

/// Settings and the files that they name, or what is wrong with them.
pub(super) type Loaded = Result<(Config, Site), ConfigError>;

/// Where settings come from, and whether they are being read. See [`Server::set_load`](super::Server::set_load).
#[derive(Default)]
pub(super) struct Reloads {
    /// Where they come from.
    pub(super) load: Option<Arc<Mutex<Load>>>,
    /// They are being read: there is one thread for it at a time.
    pub(super) is_under_way: bool,
    /// Another reload was asked for meanwhile: what is being read may be old already.
    pub(super) is_due_again: bool,
}
