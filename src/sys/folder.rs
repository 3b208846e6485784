//! A folder, read whole into bounded memory.
//!
//! Nothing outside of it is ever opened, even if files and links in it are moved meanwhile. A name
//! is opened relative to the open folder that holds it, and not if it is a link; a link is followed by
//! the kernel alone, which does not leave the folder for it (`RESOLVE_BENEATH` of `openat2(2)`). A
//! check of paths before they are opened could be outrun.
//!
//! What begins with a dot is left out: `.git`, `.env` and `.htpasswd` must not be served. The one
//! exception is `.well-known` (RFC 8615).

use super::clock;
use rustix::fs::{Dir, Mode, OFlags, open, openat};
use rustix::io::Errno;
use std::ffi::{CStr, CString, OsStr};
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// What a name costs, besides the bytes of its file: more than all that is kept of it.
pub const NAME_BYTES: usize = 1024;

/// Folders in folders: each that is being read is an open file.
const DEPTH_MAX: usize = 32;

/// The one hidden folder that is meant to be seen.
const WELL_KNOWN: &[u8] = b".well-known";

/// A folder's files.
#[derive(Debug, Default)]
pub struct Folder {
    /// Each file, in the order of their paths within a folder.
    pub files: Vec<FileRead>,
    /// What is neither a file nor a folder, with the reason why it was left out.
    pub skipped: Vec<(PathBuf, &'static str)>,
}

/// A file, read whole.
#[derive(Debug, PartialEq, Eq)]
pub struct FileRead {
    /// Its path beneath the folder.
    pub path: PathBuf,
    /// What is in it.
    pub bytes: Vec<u8>,
    /// When it was changed last, if that is between 1970 and now.
    pub modified: Option<SystemTime>,
    /// Whether it was left alone since, for so long that another change would have another date.
    pub is_settled: bool,
}

/// Why a folder can't be had.
#[derive(Debug)]
pub enum FolderError {
    /// It takes more memory than it may.
    TooLarge,
    /// Something in it can't be read, or changed meanwhile.
    Unreadable {
        /// Its path.
        path: PathBuf,
        /// What is wrong with it.
        error: io::Error,
    },
}

/// Reads a folder: all that is in it, in at most `bytes_max` bytes, [`NAME_BYTES`] for each name among
/// them.
pub fn read(path: &Path, bytes_max: usize) -> Result<Folder, FolderError> {
    let opened = open(path, FLAGS | OFlags::DIRECTORY, Mode::empty());
    let root = opened.map_err(|error| unreadable(path, error.into()))?;
    let mut reader = FolderReader::new(&root, path, bytes_max);
    reader.read_folder(&root, Path::new(""))?;
    Ok(reader.folder)
}

/// What waits for a peer when it is opened, such as a pipe, must not.
const FLAGS: OFlags = OFlags::RDONLY
    .union(OFlags::CLOEXEC)
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY);

struct FolderReader<'a> {
    root: &'a OwnedFd,
    root_path: &'a Path,
    bytes_left: usize,
    folder: Folder,
    /// Device and inode of each folder on the way to the one that is being read.
    open: Vec<(u64, u64)>,
}

/// What a name stands for.
enum Opened {
    Open(File),
    Skipped(&'static str),
}

impl<'a> FolderReader<'a> {
    fn new(root: &'a OwnedFd, root_path: &'a Path, bytes_max: usize) -> Self {
        FolderReader {
            root,
            root_path,
            bytes_left: bytes_max,
            folder: Folder::default(),
            open: Vec::new(),
        }
    }

    /// Reads an open folder, whose path beneath the root this is.
    fn read_folder(&mut self, fd: &OwnedFd, path: &Path) -> Result<(), FolderError> {
        let fail = |error| unreadable(&self.root_path.join(path), error);
        let of_folder = fd.try_clone().map(File::from);
        let metadata = of_folder.and_then(|file| file.metadata()).map_err(fail)?;
        let identity = (metadata.dev(), metadata.ino());
        if self.open.contains(&identity) {
            self.skip(path, "a link to a folder that it is in");
            return Ok(());
        }
        if self.open.len() == DEPTH_MAX {
            let why = format!("more than {DEPTH_MAX} folders in one another");
            return Err(fail(io::Error::other(why)));
        }
        self.open.push(identity);
        for name in self.names(fd, path)? {
            let path = path.join(OsStr::from_bytes(name.to_bytes()));
            let fail = |error| unreadable(&self.root_path.join(&path), error);
            let file = match self.open(fd, &name, &path).map_err(fail)? {
                Opened::Open(file) => file,
                Opened::Skipped(why) => {
                    self.skip(&path, why);
                    continue;
                }
            };
            let metadata = file.metadata().map_err(fail)?;
            if metadata.is_dir() {
                self.read_folder(&file.into(), &path)?;
            } else if metadata.is_file() {
                self.read_file(&file, &metadata, path)?;
            } else {
                self.skip(&path, NO_FILE);
            }
        }
        self.open.pop();
        Ok(())
    }

    /// The names in an open folder, sorted, but for those that are hidden.
    fn names(&mut self, fd: &OwnedFd, path: &Path) -> Result<Vec<CString>, FolderError> {
        let fail = |error: Errno| unreadable(&self.root_path.join(path), error.into());
        let mut names = Vec::new();
        for entry in Dir::read_from(fd).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            let name = entry.file_name();
            if name.to_bytes().starts_with(b".") && name.to_bytes() != WELL_KNOWN {
                continue;
            }
            let left = self.bytes_left.checked_sub(NAME_BYTES);
            self.bytes_left = left.ok_or(FolderError::TooLarge)?;
            names.push(name.to_owned());
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Opens what has that name in an open folder, and this path beneath the root.
    fn open(&self, fd: &OwnedFd, name: &CStr, path: &Path) -> io::Result<Opened> {
        match openat(fd, name, FLAGS | OFlags::NOFOLLOW, Mode::empty()) {
            Ok(fd) => Ok(Opened::Open(fd.into())),
            Err(Errno::LOOP | Errno::MLINK) => match open_beneath(self.root, path) {
                Ok(fd) => Ok(Opened::Open(fd.into())),
                Err(Errno::XDEV | Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {
                    Ok(Opened::Skipped("a link that leads to nothing inside"))
                }
                Err(Errno::NXIO) => Ok(Opened::Skipped(NO_FILE)),
                Err(Errno::NOSYS | Errno::PERM) => Ok(Opened::Skipped(
                    "a link, which this system can't follow safely",
                )),
                Err(error) => Err(error.into()),
            },
            Err(Errno::NXIO) => Ok(Opened::Skipped(NO_FILE)),
            // As it does that is renamed to what it is to replace.
            Err(Errno::NOENT) => Ok(Opened::Skipped("it went while the folder was read")),
            Err(error) => Err(error.into()),
        }
    }

    fn read_file(
        &mut self,
        file: &File,
        before: &Metadata,
        path: PathBuf,
    ) -> Result<(), FolderError> {
        let size = before.len();
        let capacity = usize::try_from(size).map_err(|_| FolderError::TooLarge)?;
        let left = self.bytes_left.checked_sub(capacity);
        self.bytes_left = left.ok_or(FolderError::TooLarge)?;
        let mut bytes = Vec::with_capacity(capacity);
        // One more than there are: a file that grows is found out, and not read on and on.
        let read = file.take(size + 1).read_to_end(&mut bytes);
        // When it was renamed, or another took its name, says nothing of what is in it.
        let checked = read.and_then(|_| file.metadata()).and_then(|after| {
            let time = |it: &Metadata| (it.mtime(), it.mtime_nsec());
            let is_same = after.len() == size && time(&after) == time(before);
            match is_same && bytes.len() == capacity {
                true => Ok(()),
                false => Err(io::Error::other("it changed while it was read")),
            }
        });
        checked.map_err(|error| unreadable(&self.root_path.join(&path), error))?;
        self.folder.files.push(FileRead {
            path,
            bytes,
            modified: before.modified().ok().filter(is_past),
            is_settled: before.modified().is_ok_and(|time| is_settled(&time)),
        });
        Ok(())
    }

    fn skip(&mut self, path: &Path, why: &'static str) {
        self.folder.skipped.push((path.to_owned(), why));
    }
}

const NO_FILE: &str = "neither a file nor a folder";

/// Follows a link, as long as that does not lead out of the folder.
#[cfg(target_os = "linux")]
fn open_beneath(root: &OwnedFd, path: &Path) -> Result<OwnedFd, Errno> {
    use rustix::fs::{ResolveFlags, openat2};
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    openat2(root.as_fd(), path, FLAGS, Mode::empty(), resolve)
}

/// Only Linux follows links with such a promise.
#[cfg(not(target_os = "linux"))]
fn open_beneath(_: &OwnedFd, _: &Path) -> Result<OwnedFd, Errno> {
    Err(Errno::NOSYS)
}

/// Dates of validators are in seconds: whether this one's was over when the file had been read. A file
/// system's clock may be behind by some milliseconds; a second more covers that.
fn is_settled(time: &SystemTime) -> bool {
    let age = clock::time_of_day().duration_since(*time);
    age.is_ok_and(|age| age >= Duration::from_secs(2))
}

/// A date that a validator can have: one of the future says nothing (RFC 9110 §8.8.2.1).
fn is_past(time: &SystemTime) -> bool {
    (SystemTime::UNIX_EPOCH..=clock::time_of_day()).contains(time)
}

fn unreadable(path: &Path, error: io::Error) -> FolderError {
    FolderError::Unreadable {
        path: path.to_owned(),
        error,
    }
}

#[cfg(test)]
mod tests;
