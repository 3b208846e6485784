//! Refusals and failed connections, for the log: a line each at debug, and a summary above it.
//!
//! A line has the reason and the peer. What concerns the operator, such as pages of an
//! origin that may not connect, is a warning when it first happens; so is what happens often, as
//! one line for each ten seconds. So an attacker can't fill the disk, nor hide in it.

use crate::http::Reason;
use crate::metrics::Cause;
use crate::proxy::PeerAddress;
use crate::relay::Notice;
use crate::wheel::Tick;
use log::{Level, log_enabled};
use std::fmt::{self, Display, Write};

/// What is counted before it is summed up: 10 s.
const WINDOW_TICKS: u32 = 100;

/// As many in a window count as many.
const MANY: u64 = 100;

/// Counts what happened in the window that is open.
#[derive(Debug, Default)]
pub(super) struct LogSummary {
    /// When it was opened; `None` while nothing has happened.
    began: Option<Tick>,
    refused: [Tally; Reason::ALL.len()],
    ended: [Tally; Cause::ALL.len()],
}

/// How often one kind of thing happened.
#[derive(Clone, Debug, Default)]
struct Tally {
    count: u64,
    /// The first one.
    example: String,
}

impl LogSummary {
    /// Takes in what happened to a connection.
    pub(super) fn handle_notice(
        &mut self,
        now: Tick,
        notice: &Notice,
        peer: impl FnOnce() -> PeerAddress,
    ) {
        self.began.get_or_insert(now);
        let tally = match notice {
            Notice::Refused { reason, .. } => &mut self.refused[*reason as usize],
            Notice::Disconnected => &mut self.refused[Reason::Disconnected as usize],
            Notice::Ended { cause, .. } => &mut self.ended[*cause as usize],
        };
        tally.count += 1;
        let is_first = tally.count == 1;
        let level = match notice {
            Notice::Refused { reason, .. } if is_first && reason.concerns_operator() => Level::Warn,
            _ => Level::Debug,
        };
        if !is_first && !log_enabled!(level) {
            return;
        }
        let peer = peer();
        match notice {
            Notice::Refused {
                reason,
                status,
                body,
            } => {
                let (reason, status) = (reason.label(), status.line().0);
                let body = String::from_utf8_lossy(body);
                log::log!(
                    level, peer:% = peer, reason = reason, status = status;
                    "refused a request: {}", body.trim_end()
                );
            }
            Notice::Disconnected => {
                log::log!(level, peer:% = peer; "a client left before its request was whole");
            }
            Notice::Ended { cause, code, why } => {
                let cause = cause.label();
                log::log!(
                    level, peer:% = peer, cause = cause, code = code;
                    "a connection failed: {}", if why.is_empty() { cause } else { why }
                );
            }
        }
        if is_first {
            tally.example = format!("{} from {peer}", Shown(notice));
        }
    }

    /// When to sum up.
    pub(super) fn due(&self) -> Option<Tick> {
        self.began.map(|began| began.after(WINDOW_TICKS))
    }

    /// Says what the window came to, if it is over, and begins another.
    pub(super) fn handle_time(&mut self, now: Tick) {
        if self.due().is_some_and(|due| due <= now) {
            self.close(now);
        }
    }

    /// Says what the window has come to by now, be it over or not.
    pub(super) fn close(&mut self, now: Tick) {
        if let Some(summary) = self.summary(now) {
            log::warn!("{summary}");
        }
        *self = LogSummary::default();
    }

    /// What is worth a line: many of any kind, or several of what concerns the operator; the first of
    /// those was a line already.
    fn summary(&self, now: Tick) -> Option<String> {
        let period = shown_period(self.began?, now);
        let refused = Reason::ALL.iter().map(|reason| reason.label());
        let refused: Vec<_> = refused.zip(&self.refused).collect();
        let ended = Cause::ALL.iter().map(|cause| cause.label());
        let ended: Vec<_> = ended.zip(&self.ended).collect();
        let kinds = || refused.iter().chain(&ended);
        let count: u64 = kinds().map(|(_, tally)| tally.count).sum();
        let is_repeated = Reason::ALL
            .iter()
            .any(|&reason| reason.concerns_operator() && self.refused[reason as usize].count > 1);
        if count < MANY && !is_repeated {
            return None;
        }
        let mut summary = format!("in {period}: ");
        // Writing into a String does not fail.
        let _ = write_kinds(&mut summary, "requests refused", &refused);
        let _ = write_kinds(&mut summary, "connections failed", &ended);
        let most = kinds().max_by_key(|(_, tally)| tally.count)?;
        let _ = write!(
            summary,
            "the first of the most frequent: {}",
            most.1.example
        );
        Some(summary)
    }
}

/// `10 s`, `0.3 s`: never less than a tick, in which things do happen.
fn shown_period(began: Tick, now: Tick) -> String {
    let ticks = now.since(began).max(1);
    match (ticks / 10, ticks % 10) {
        (seconds, 0) => format!("{seconds} s"),
        (seconds, tenths) => format!("{seconds}.{tenths} s"),
    }
}

/// `1204 requests refused (1100 origin, 104 no_upgrade); `
fn write_kinds(out: &mut String, what: &str, kinds: &[(&str, &Tally)]) -> fmt::Result {
    let count: u64 = kinds.iter().map(|(_, tally)| tally.count).sum();
    if count == 0 {
        return Ok(());
    }
    let mut kinds: Vec<_> = kinds.iter().filter(|(_, tally)| tally.count > 0).collect();
    kinds.sort_by_key(|(_, tally)| std::cmp::Reverse(tally.count));
    let kinds: Vec<String> = kinds
        .iter()
        .map(|(label, tally)| format!("{} {label}", tally.count))
        .collect();
    write!(out, "{count} {what} ({}); ", kinds.join(", "))
}

/// A notice in a few words.
struct Shown<'a>(&'a Notice);

impl Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Notice::Refused { body, .. } => f.write_str(String::from_utf8_lossy(body).trim_end()),
            Notice::Disconnected => f.write_str("left before its request was whole"),
            Notice::Ended { cause, why, .. } if why.is_empty() => f.write_str(cause.label()),
            Notice::Ended { cause, why, .. } => write!(f, "{}, {why}", cause.label()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Response;

    fn refusal(reason: Reason) -> Notice {
        let response = Response::refusal(reason, "No.", &[]);
        Notice::Refused {
            reason,
            status: response.status,
            body: response.body,
        }
    }

    fn notice(summary: &mut LogSummary, notice: &Notice, times: u64) {
        for port in 0..times {
            let peer = || PeerAddress::Tcp(([192, 0, 2, 1], port as u16 + 1).into());
            summary.handle_notice(Tick(7), notice, peer);
        }
    }

    #[test]
    fn a_few_are_not_worth_a_line() {
        let mut summary = LogSummary::default();
        assert_eq!(summary.due(), None);
        notice(&mut summary, &refusal(Reason::NoUpgrade), 99);
        assert_eq!(summary.due(), Some(Tick(7 + WINDOW_TICKS)));
        assert_eq!(summary.summary(Tick(107)), None);
        summary.handle_time(Tick(7 + WINDOW_TICKS));
        assert_eq!(summary.due(), None);
    }

    #[test]
    fn many_are_summed_up() {
        let mut summary = LogSummary::default();
        let dead = Notice::Ended {
            cause: Cause::Dead,
            code: 1006,
            why: "".into(),
        };
        notice(&mut summary, &refusal(Reason::NoUpgrade), 104);
        notice(&mut summary, &refusal(Reason::Origin), 1100);
        notice(&mut summary, &dead, 3);
        assert_eq!(
            summary.summary(Tick(107)).unwrap(),
            "in 10 s: 1204 requests refused (1100 origin, 104 no_upgrade); 3 connections failed \
             (3 dead); the first of the most frequent: 403 Forbidden: No. from 192.0.2.1:1"
        );
    }

    #[test]
    fn a_window_that_is_cut_short_says_how_long_it_was() {
        let mut summary = LogSummary::default();
        notice(&mut summary, &refusal(Reason::NoUpgrade), 100);
        for (now, start) in [
            (7, "in 0.1 s: 100 requests"),
            (10, "in 0.3 s: 100 requests"),
            (27, "in 2 s: 100 requests"),
            // A busy loop looks late.
            (120, "in 11.3 s: 100 requests"),
        ] {
            let summary = summary.summary(Tick(now)).unwrap();
            assert!(summary.starts_with(start), "{summary}");
        }
    }

    #[test]
    fn warnings_for_the_operator_are_summed_up_from_the_second_on() {
        let mut summary = LogSummary::default();
        notice(&mut summary, &refusal(Reason::Origin), 1);
        assert_eq!(summary.summary(Tick(107)), None);
        notice(&mut summary, &refusal(Reason::Origin), 1);
        assert!(
            summary
                .summary(Tick(107))
                .unwrap()
                .contains("2 requests refused (2 origin)")
        );
    }
}
