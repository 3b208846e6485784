//! Files, read whole into bounded memory.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Reads a text of at most `bytes_max`; what is longer, or is no UTF-8, is an error that says so.
pub fn read_text(path: &Path, bytes_max: usize) -> io::Result<String> {
    let mut bytes = Vec::new();
    // One more than there may be: a device or a pipe does not say how long it is.
    let limit = u64::try_from(bytes_max).map_or(u64::MAX, |bytes| bytes.saturating_add(1));
    File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    if bytes.len() > bytes_max {
        let why = format!("it has more than {} KiB", bytes_max / 1024);
        return Err(io::Error::other(why));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = valid.split(|&byte| byte == b'\n').count();
        io::Error::other(format!("line {line} is not UTF-8"))
    })
}
