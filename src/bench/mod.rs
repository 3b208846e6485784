//! The load generator: measures any server that broadcasts, and says which figures to doubt.
//!
//! | module | what it knows |
//! |---|---|
//! | `options` | the command line |
//! | `url`, `route`, `target`, `attempts` | where to connect to, and which of its addresses answers |
//! | `client_loop`, `links`, `link`, `opening` | the loop, its connections, one of them, and how it opens |
//! | `event_stream`, `requests`, `body`, `response`, `framing` | what is not WebSockets: events that are read, requests that publish, and their answers |
//! | `payload`, `script`, `codec` | what publishers send: each byte that must arrive |
//! | `audience`, `tally` | what each receiver has got, and what was wrong with it |
//! | `rooms`, `run`, `span` | publishers and readers together; the phases of a run, and what one measured |
//! | `cuts` | readers that are cut off and come back |
//! | `fanout`, `paced`, `publish`, `slow`, `churn`, `idle`, `limit` | the scenarios |
//! | `crew`, `worker` | further processes of one run, as the first one sees them, and as they see themselves |
//! | `histogram`, `probe`, `clock`, `alarm`, `chance` | latencies; what the system says; time; numbers without a pattern |
//! | `watch`, `report`, `hints`, `failure`, `output` | what the user sees, meanwhile and at the end |
//!
//! Knowledge has one direction: scenarios know the run, the run knows the loop and the options, and these
//! know neither. Links return how they ended, and options are plain values.
//!
//! It is a customer of [`proto`](crate::proto) in the client's role, with a loop of its own, which has to
//! be so cheap for each frame that the server is measured and not the client.

mod alarm;
mod attempts;
mod audience;
mod body;
mod chance;
mod churn;
mod client_loop;
mod clock;
mod codec;
mod crew;
mod cuts;
mod event_stream;
mod failure;
mod fanout;
mod framing;
mod hints;
mod histogram;
mod idle;
mod limit;
mod link;
mod links;
mod opening;
mod options;
mod output;
mod paced;
mod payload;
mod probe;
mod publish;
mod report;
mod requests;
mod response;
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
mod worker;

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
        Command::Publish(options) => publish(&options.load.report, || publish::run(options)),
        Command::Slow(options) => publish(&options.load.report, || slow::run(options)),
        Command::Churn(options) => publish(&options.report, || churn::run(options)),
        Command::Idle(options) => publish(&options.report, || idle::run(options)),
        Command::Limit(options) => publish(&options.report, || limit::run(options)),
        Command::Compare(options) => report::compare(options)
            .and_then(|table| print(table.as_bytes()))
            .map(|()| ExitCode::SUCCESS),
        Command::Worker => worker::run_worker().map(|()| ExitCode::SUCCESS),
        Command::Sender(options) => limit::run_sender(options).map(|()| ExitCode::SUCCESS),
    };
    outcome.unwrap_or_else(|failure| {
        // If standard error is closed, the exit code has to do.
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
