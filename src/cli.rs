//! Arguments to actions.

#[cfg(feature = "bench")]
use crate::bench;
use crate::config::Config;
use crate::relay::Counters;
use crate::server::{Ended, Server};
use clap::{Parser, Subcommand};
use std::fmt::Display;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::ExitCode;

/// The command line was understood, but what it asks for can't be done.
const EXIT_FAILED: u8 = 1;
/// The command line, or what it names, is wrong.
const EXIT_USAGE: u8 = 2;

/// A WebSocket broadcast relay: whatever one client sends into a topic reaches every client of that
/// topic.
#[derive(Debug, Parser)]
#[command(name = "fanfare", version, args_conflicts_with_subcommands = true, after_help = HELP)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,

    #[command(flatten)]
    config: Config,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the relay; this is what a bare `fanfare` does too
    #[command(after_help = HELP)]
    Serve(Config),

    /// Measure a WebSocket server, this one or any other
    #[cfg(feature = "bench")]
    Bench(bench::Options),
}

const HELP: &str = "\
Paths:
  /              a chat page, to try it
  /ws            WebSocket into the topic `lobby`
  /ws/TOPIC      WebSocket into that topic; ?echo=0 joins without hearing oneself

Examples:
  fanfare                               the relay and its page on http://127.0.0.1:8080/
  fanfare --listen :80                  on every interface
  fanfare --origin https://example.com  pages of that site may connect
  fanfare --slow-policy skip            slow readers miss messages rather than being closed

Sizes take KiB, MiB and GiB, times take ms, s, m and h. Exit codes: 0 after a clean end, 1 if
something failed, 2 if the command line is wrong.";

/// Runs the command that the process was started with.
#[must_use]
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    match arguments.command {
        Some(Command::Serve(config)) => serve(&config),
        #[cfg(feature = "bench")]
        Some(Command::Bench(options)) => bench::run(&options),
        None => serve(&arguments.config),
    }
}

fn serve(config: &Config) -> ExitCode {
    env_logger::Builder::new()
        .filter_level(config.log_level)
        .format(|out, record| {
            let level = record.level().as_str().to_ascii_lowercase();
            writeln!(out, "fanfare: {level}: {}", record.args())
        })
        .init();
    let server = Server::bind(config).and_then(|mut server| {
        server.handle_signals()?;
        Ok(server)
    });
    let mut server = match server {
        Ok(server) => server,
        Err(error) if error.is_usage() => return fail(EXIT_USAGE, &error),
        Err(error) => return fail(EXIT_FAILED, &error),
    };
    announce(server.addresses());
    let ended = server.run();
    summarize(server.counters());
    match ended {
        Ok(Ended::Cleanly) => ExitCode::SUCCESS,
        Ok(Ended::AtOnce) => ExitCode::from(EXIT_FAILED),
        Err(error) => fail(EXIT_FAILED, &format_args!("the poller failed: {error}")),
    }
}

/// Says where the relay is to be found, in one line.
fn announce(opened: &[SocketAddr]) {
    let Some(first) = opened.first() else { return };
    let version = env!("CARGO_PKG_VERSION");
    let line = if first.ip().is_unspecified() {
        let port = first.port();
        format!("fanfare {version} is listening on every interface: open http://localhost:{port}/")
    } else {
        format!("fanfare {version} is listening: open http://{first}/")
    };
    // Nobody may be there to read it, which is no reason not to run.
    let mut stdout = io::stdout();
    let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
}

fn summarize(counters: &Counters) {
    log::info!(
        "ended: {} connections opened, {} requests refused, {} messages published, {} readers \
         lapped, {} skips over {} messages, {} dead, {} stalled, {} broke the protocol",
        counters.opened,
        counters.refused,
        counters.messages,
        counters.lapped,
        counters.skips,
        counters.messages_skipped,
        counters.dead,
        counters.stalled,
        counters.failed,
    );
}

fn fail(code: u8, why: &dyn Display) -> ExitCode {
    eprintln!("fanfare: {why}");
    ExitCode::from(code)
}
