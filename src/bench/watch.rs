//! What the user sees during a run, and how they end it: a bar on standard error if that is a
//! terminal, and Ctrl-C.

use super::clock::{self, SECOND};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Time between two updates of the bar.
const FRAME: u64 = SECOND / 10;

/// Ignores signals, since another process of this run decides when to end: signals of a terminal, or
/// of `timeout`, reach all of them.
pub(super) fn ignore_signals() -> io::Result<()> {
    for signal in [SIGINT, SIGTERM] {
        flag::register(signal, Arc::default())?;
    }
    Ok(())
}

/// The bar, and the signals.
pub(super) struct Watch {
    quiet: bool,
    bar: ProgressBar,
    interrupted: Arc<AtomicBool>,
    next_frame: u64,
    /// Time and count of the last update.
    last: (u64, u64),
}

impl Watch {
    /// Watches from now on. The first signal ends the run and prints what there is; a second Ctrl-C
    /// ends the program. A second SIGTERM does not: `timeout` sends one to the program, and another
    /// to its group.
    pub(super) fn new(quiet: bool) -> io::Result<Self> {
        let interrupted = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            if signal == SIGINT {
                flag::register_conditional_shutdown(signal, 130, Arc::clone(&interrupted))?;
            }
            flag::register(signal, Arc::clone(&interrupted))?;
        }
        Ok(Watch {
            quiet,
            bar: ProgressBar::hidden(),
            interrupted,
            next_frame: 0,
            last: (0, 0),
        })
    }

    fn target(&self) -> ProgressDrawTarget {
        match self.quiet {
            true => ProgressDrawTarget::hidden(),
            false => ProgressDrawTarget::stderr(),
        }
    }

    /// The user has asked for the end.
    pub(super) fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }

    /// Another phase begins, which takes this much; 0 if that is not known.
    pub(super) fn phase(&mut self, name: &'static str, length: u64) {
        let style = match length {
            0 => ProgressStyle::with_template("{prefix:>10} {spinner} {msg}"),
            _ => ProgressStyle::with_template(
                "{prefix:>10} {wide_bar:.cyan/dim} {percent:>3} %  {msg}",
            ),
        };
        self.end();
        self.bar = ProgressBar::with_draw_target(Some(length), self.target());
        if let Ok(style) = style {
            self.bar.set_style(style.progress_chars("━╸─"));
        }
        self.bar.set_prefix(name);
        self.last = (0, 0);
    }

    /// Draws the progress, if the last update is old enough.
    pub(super) fn tick(&mut self, position: u64, message: impl FnOnce() -> String) {
        let now = clock::now();
        if now >= self.next_frame {
            self.next_frame = now + FRAME;
            self.bar.set_message(message());
            self.bar.set_position(position);
        }
    }

    /// Draws the progress and a rate; true if it was time to.
    pub(super) fn tick_rate(&mut self, position: u64, now: u64, count: u64, what: &str) -> bool {
        if now < self.next_frame {
            return false;
        }
        let (then, before) = std::mem::replace(&mut self.last, (now, count));
        if then > 0 {
            let rate = count.saturating_sub(before) as f64 * SECOND as f64 / (now - then) as f64;
            self.tick(position, || {
                format!("{} {what}/s", super::report::grouped(rate))
            });
        } else {
            self.next_frame = now + FRAME;
        }
        true
    }

    /// Removes the bar.
    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
    }
}
