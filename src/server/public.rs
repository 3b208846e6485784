//! The folder that is served, as the settings name it.

use crate::config::{Config, ConfigError};
use crate::http::{File, Modified, Site, is_topic};
use crate::sys::folder::{self, FileRead, Folder, FolderError, NAME_BYTES};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

/// Reads the files that these settings serve: a folder's, or the page that is built in.
pub fn read_site(config: &Config) -> Result<Site, ConfigError> {
    let Some(public) = &config.public else {
        return Ok(Site::embedded());
    };
    let folder = folder::read(&public.0, config.public_bytes_max.as_usize())
        .map_err(|error| explain(config, &error))?;
    Ok(Site::new(served(folder, &public.0)))
}

/// A folder's files, but for those that no request could reach. What is left out is logged.
fn served(folder: Folder, root: &Path) -> Vec<File> {
    let mut skipped = folder.skipped;
    let (hidden, files): (Vec<_>, Vec<_>) = folder.files.into_iter().partition(|file| {
        let path = file.path.to_str();
        path.is_some_and(|path| is_topic(&format!("/{path}")))
    });
    let hidden = hidden.into_iter().map(|file| file.path);
    skipped.extend(hidden.map(|path| (path, "WebSockets are there")));
    let bytes: usize = files.iter().map(|file| file.bytes.len()).sum();
    log::info!(
        "{} files of {root:?} are served, {} KiB",
        files.len(),
        bytes.div_ceil(1024)
    );
    if let Some((path, why)) = skipped.first() {
        let count = skipped.len();
        log::warn!("{count} names in {root:?} are not served, the first is {path:?}: {why}");
    }
    if !files
        .iter()
        .any(|file| file.path.as_os_str() == "index.html")
    {
        log::warn!("there is no index.html in {root:?}: nothing is served at /");
    }
    files.into_iter().map(file).collect()
}

fn file(read: FileRead) -> File {
    File {
        path: read.path.into_os_string().into_vec(),
        body: read.bytes.into(),
        modified: read.modified.map(|time| Modified {
            date: time.into(),
            is_strong: read.is_settled,
        }),
    }
}

fn explain(config: &Config, error: &FolderError) -> ConfigError {
    let public = config.cite("public");
    let why = match error {
        FolderError::TooLarge => format!(
            "{public}: its files take more than {}, where each counts {NAME_BYTES} bytes besides \
             its own: serve less, or raise the limit",
            config.cite("public_bytes_max")
        ),
        FolderError::Unreadable { path, error } => {
            format!("{public}: can't read {}: {error}", path.display())
        }
    };
    why.into()
}
