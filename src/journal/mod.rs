//! What the process says of itself, on standard error: for people, or for machines.
//!
//! Lines come by the `log` crate's macros; here they get a time and a form. Nothing in them can
//! pass for a line of its own, or play with a terminal: whatever does not print is escaped. And
//! no thread that logs waits until it is read.

mod line;

use crate::sys::clock;
use crate::sys::stderr::LineQueue;
use env_logger::Target;
use line::Line;
use log::{Level, LevelFilter, Record};
use std::io::{self, Write};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// How long the end of the process waits for lines to be written if standard error is not read.
const FLUSH_MAX: Duration = Duration::from_secs(1);

static QUEUE: OnceLock<Arc<LineQueue>> = OnceLock::new();

/// How lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// `2026-11-22T08:15:00.000Z warn  what happened key=value`
    Human,
    /// `{"time":"…","level":"warn","message":"what happened","key":"value"}`
    Json,
}

impl LogFormat {
    /// The line that a record makes, with its end.
    fn line(self, record: &Record) -> Vec<u8> {
        let line = Line {
            time: clock::time_of_day(),
            record,
        };
        match self {
            LogFormat::Human => (line.human() + "\n").into_bytes(),
            LogFormat::Json => line.json(),
        }
    }

    /// The line that stands in the place of others.
    fn missing(self, lines: u64) -> Vec<u8> {
        let mut record = Record::builder();
        record.level(Level::Warn);
        let why = "standard error was not read in time";
        self.line(
            &record
                .args(format_args!("{lines} lines are missing here: {why}"))
                .build(),
        )
    }
}

/// While it lives, lines are written; when it is dropped, those that are left are waited for, 1 s at
/// most.
#[derive(Debug)]
#[must_use]
pub struct Journal(());

impl Drop for Journal {
    fn drop(&mut self) {
        flush();
    }
}

/// Begins to write lines of that level and above. A program that embeds us may have its own way to
/// do so; then that stays.
pub fn start(level: LevelFilter, format: LogFormat) -> Journal {
    let mut builder = env_logger::Builder::new();
    builder
        // What is less than a warning of our dependencies is about them.
        .filter_level(LevelFilter::Warn)
        .filter_module(env!("CARGO_CRATE_NAME"), LevelFilter::Trace)
        .format(move |out, record| out.write_all(&format.line(record)));
    // Without a thread, lines are waited for: better late than never.
    let queue = LineQueue::start(move |lines| format.missing(lines)).ok();
    if let Some(queue) = &queue {
        builder.target(Target::Pipe(Box::new(Pusher(queue.clone()))));
    }
    if builder.try_init().is_ok() {
        set_level(level);
        if let Some(queue) = queue {
            QUEUE.get_or_init(|| queue);
        }
    }
    Journal(())
}

/// Changes the level from which on lines are written.
pub fn set_level(level: LevelFilter) {
    log::set_max_level(level);
}

/// Waits until all lines are written, so that what is written to standard error in another way comes
/// behind them. False if that took too long: then it would have to wait as well.
pub fn flush() -> bool {
    QUEUE.get().is_none_or(|queue| queue.flush(FLUSH_MAX))
}

/// Takes lines as they are formatted: each comes as a whole.
struct Pusher(Arc<LineQueue>);

impl Write for Pusher {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
