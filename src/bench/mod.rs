//! The load generator: measures any WebSocket server, and says what it can't vouch for.
//!
//! | room | what it knows |
//! |---|---|
//! | `options` | the command line |
//! | `url`, `target`, `attempts` | where to connect to, and which of its addresses answers |
//! | `driver`, `links`, `link` | the loop, its connections, and one of them |
//! | `script` | what publishers say: each byte that must arrive |
//! | `audience`, `tally` | who has heard what, and what was wrong with it |
//! | `rooms`, `run` | publishers and readers together; the phases of a run |
//! | `fanout`, `paced`, `slow`, `churn`, `idle`, `limit` | the scenarios |
//! | `workers` | further processes of one run |
//! | `histogram`, `probe`, `clock`, `alarm` | latencies; what the system knows; time |
//! | `watch`, `report`, `hints` | what the user gets to see, meanwhile and at the end |
//!
//! It is a customer of [`proto`](crate::proto) in the client's role, with a loop of its own, which
//! has to be so cheap for each frame that not the client is what gets measured.

mod alarm;
mod attempts;
mod audience;
mod churn;
mod clock;
mod codec;
mod driver;
mod failure;
mod fanout;
mod hints;
mod histogram;
mod idle;
mod limit;
mod link;
mod links;
mod options;
mod output;
mod paced;
mod payload;
mod probe;
mod report;
mod rooms;
mod route;
mod run;
mod script;
mod slow;
mod span;
mod tally;
mod target;
mod url;
mod watch;
mod workers;

pub use options::Options;

use crate::sys::descriptors;
use failure::{EXIT_FAILED, Failure};
use options::{Command, ReportOptions};
use output::print;
use report::{Document, JsonOutput};
use std::io::{self, Write};
use std::process::ExitCode;

/// Runs `fanfare bench`.
#[must_use]
pub fn run(options: &Options) -> ExitCode {
    let _ = descriptors::raise_limit();
    let outcome = match &options.command {
        Command::Fanout(options) => publish(&options.load.report, || fanout::run_fanout(options)),
        Command::Echo(options) => publish(&options.load.report, || fanout::run_echo(options)),
        Command::Paced(options) => publish(&options.load.report, || paced::run(options)),
        Command::Slow(options) => publish(&options.load.report, || slow::run(options)),
        Command::Churn(options) => publish(&options.report, || churn::run(options)),
        Command::Idle(options) => publish(&options.report, || idle::run(options)),
        Command::Limit(options) => publish(&options.report, || limit::run(options)),
        Command::Compare(options) => report::compare(options)
            .and_then(|table| print(table.as_bytes()))
            .map(|()| ExitCode::SUCCESS),
        Command::Worker => workers::run_worker().map(|()| ExitCode::SUCCESS),
        Command::Sender(options) => limit::run_sender(options).map(|()| ExitCode::SUCCESS),
    };
    outcome.unwrap_or_else(|failure| {
        // With nobody left to tell, the exit code has to do.
        let _ = writeln!(io::stderr(), "fanfare bench: {}", failure.reason);
        ExitCode::from(failure.exit_code)
    })
}

/// Measures, and shows what was measured; what did not arrive as it should is a failure.
fn publish(
    options: &ReportOptions,
    run: impl FnOnce() -> Result<Document, Failure>,
) -> Result<ExitCode, Failure> {
    let json = JsonOutput::open(options.json.as_deref())?;
    let document = run()?;
    document.publish(json)?;
    Ok(match document.correct {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(EXIT_FAILED),
    })
}
