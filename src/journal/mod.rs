//! What the process says of itself, on standard error: for people, or for machines.
//!
//! Lines come by the `log` crate's macros; here they get a time and a form. Nothing in them can
//! pass for a line of its own, or play with a terminal: whatever does not print is escaped.

mod line;

use crate::sys::clock;
use line::Line;
use log::LevelFilter;
use std::io::Write;

/// How lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// `2026-11-22T08:15:00.000Z warn  what happened key=value`
    Human,
    /// `{"time":"…","level":"warn","message":"what happened","key":"value"}`
    Json,
}

/// Begins to write lines of that level and above. A program that embeds us may have its own way to
/// do so; then that stays.
pub fn start(level: LevelFilter, format: LogFormat) {
    let started = env_logger::Builder::new()
        // What is less than a warning of our dependencies is about them.
        .filter_level(LevelFilter::Warn)
        .filter_module(env!("CARGO_CRATE_NAME"), LevelFilter::Trace)
        .format(move |out, record| {
            let line = Line {
                time: clock::time_of_day(),
                record,
            };
            match format {
                LogFormat::Human => writeln!(out, "{}", line.human()),
                LogFormat::Json => out.write_all(&line.json()),
            }
        })
        .try_init();
    if started.is_ok() {
        set_level(level);
    }
}

/// Changes the level from which on lines are written.
pub fn set_level(level: LevelFilter) {
    log::set_max_level(level);
}
