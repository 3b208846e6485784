//! Folders, as people name them.

use super::value::Value;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// A folder's path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderPath(pub PathBuf);

impl Value for FolderPath {
    const UNIT: &'static str = "DIR";
}

impl FromStr for FolderPath {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "" => Err("expected the path of a folder".into()),
            text => Ok(FolderPath(text.into())),
        }
    }
}

impl fmt::Display for FolderPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.display().fmt(f)
    }
}
