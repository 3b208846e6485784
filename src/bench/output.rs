//! Standard output.

use super::failure::Failure;
use std::io::{self, Write};

/// Writes to standard output. A closed pipe is no error (`| head`).
pub(super) fn print(bytes: &[u8]) -> Result<(), Failure> {
    let mut output = io::stdout().lock();
    match output.write_all(bytes).and_then(|()| output.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::new(format!(
            "can't write to standard output: {error}"
        ))),
        _ => Ok(()),
    }
}
