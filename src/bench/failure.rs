//! Why there is nothing to report, and the exit code that says so.

use std::fmt::Display;
use std::io;

/// The run was not completed, or not every message arrived as it should.
pub(super) const EXIT_FAILED: u8 = 1;
/// The command line, or what it names, is wrong.
const EXIT_USAGE: u8 = 2;

/// Why there is nothing to report.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) exit_code: u8,
    pub(super) reason: String,
}

impl Failure {
    pub(super) fn new(reason: impl Display) -> Self {
        Failure {
            exit_code: EXIT_FAILED,
            reason: reason.to_string(),
        }
    }

    pub(super) fn usage(reason: impl Display) -> Self {
        Failure {
            exit_code: EXIT_USAGE,
            reason: reason.to_string(),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Failure::new(error)
    }
}
