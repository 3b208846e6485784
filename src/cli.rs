//! Arguments to actions.

use crate::config::{self, Address, Binding, Config, ConfigError, Flags};
use crate::http::Site;
use crate::relay::{Counters, Relay};
use crate::server::{Ended, Server, Settings};
use crate::sys::clock::Clock;
use crate::sys::{descriptors, listen};
use clap::{Parser, Subcommand};
use mio::net::TcpListener;
use std::fmt::Display;
use std::io::{self, ErrorKind, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
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
    flags: Flags,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the relay; this is what a bare `fanfare` does too
    #[command(after_help = HELP)]
    Serve(Flags),
    /// Say what is wrong with a file of settings, or that nothing is
    Check {
        /// The file
        file: PathBuf,
    },
    /// Print the settings in force and where each came from, as a file for --config
    Config(Flags),
    /// Print the manual's table of settings
    #[command(hide = true)]
    Settings,
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

Sizes take KiB, MiB and GiB, times take ms, s, m and h. Each setting can also be given as an
environment variable (FANFARE_LISTEN for --listen) and in the TOML file that --config or
FANFARE_CONFIG names (`listen`); a flag wins over a variable, and a variable over the file. Exit
codes: 0 after a clean end, 1 if something failed, 2 if the command line or a setting is wrong.";

/// Runs the command that the process was started with.
#[must_use]
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    match arguments.command {
        Some(Command::Serve(flags)) => serve(&flags),
        None => serve(&arguments.flags),
        Some(Command::Check { file }) => check(&file),
        Some(Command::Config(flags)) => show(&flags),
        Some(Command::Settings) => print(&config::manual()),
    }
}

fn check(file: &Path) -> ExitCode {
    match Config::read(file).and_then(|config| config.limits()) {
        Ok(_) => print(&format!("{}: all is well\n", file.display())),
        Err(error) => reject(&error),
    }
}

fn show(flags: &Flags) -> ExitCode {
    match Config::load(flags).and_then(|config| config.limits().map(|_| config)) {
        Ok(config) => print(&config.to_toml()),
        Err(error) => reject(&error),
    }
}

fn serve(flags: &Flags) -> ExitCode {
    let config = match Config::load(flags) {
        Ok(config) => config,
        Err(error) => return reject(&error),
    };
    env_logger::Builder::new()
        .filter_level(config.log_level.0)
        .format(|out, record| {
            let level = record.level().as_str().to_ascii_lowercase();
            writeln!(out, "fanfare: {level}: {}", record.args())
        })
        .init();
    let (limits, sockets_max) = match config
        .limits()
        .and_then(|limits| Ok((limits, config.sockets_max(descriptors::raise_limit())?)))
    {
        Ok(fitting) => fitting,
        Err(error) => return reject(&error),
    };
    let mut listeners = Vec::new();
    for address in &config.listen {
        match open(address, config.send_buffer_bytes.as_usize()) {
            Ok(opened) => listeners.extend(opened),
            Err((code, why)) => return fail(code, &why),
        }
    }
    let opened: Vec<SocketAddr> = listeners
        .iter()
        .filter_map(|listener| listener.local_addr().ok())
        .collect();
    let clock = Clock::start();
    let relay = Relay::new(limits, Site::embedded(), clock.tick());
    let settings = Settings {
        sockets_max,
        shutdown_timeout: config.shutdown_timeout(),
    };
    let mut server = match Server::new(listeners, relay, clock, settings) {
        Ok(server) => server,
        Err(error) => return fail(EXIT_FAILED, &format_args!("can't start: {error}")),
    };
    announce(&opened);
    let ended = server.run();
    summarize(server.counters());
    match ended {
        Ok(Ended::Cleanly) => ExitCode::SUCCESS,
        Ok(Ended::AtOnce) => ExitCode::from(EXIT_FAILED),
        Err(error) => fail(EXIT_FAILED, &format_args!("the poller failed: {error}")),
    }
}

/// Listens on everything that an address means.
fn open(address: &Address, send_buffer_bytes: usize) -> Result<Vec<TcpListener>, (u8, String)> {
    let binding = address.resolve().map_err(|error| {
        (
            EXIT_USAGE,
            format!("can't listen on {address}: there is no such host ({error})"),
        )
    })?;
    match binding {
        Binding::First(candidates) => {
            let mut failed = None;
            for candidate in candidates {
                match listen::listen(candidate, send_buffer_bytes) {
                    Ok(listener) => return Ok(vec![listener]),
                    Err(error) => failed = Some(explain(candidate, &error)),
                }
            }
            Err(failed.unwrap_or((EXIT_USAGE, format!("{address} means no address"))))
        }
        Binding::All(addresses) => {
            let mut listeners: Vec<TcpListener> = Vec::new();
            for mut address in addresses {
                // A free port that was found for the first address serves for the others too.
                let first = listeners
                    .first()
                    .and_then(|listener| listener.local_addr().ok());
                if let Some(first) = first.filter(|_| address.port() == 0) {
                    address.set_port(first.port());
                }
                match listen::listen(address, send_buffer_bytes) {
                    Ok(listener) => listeners.push(listener),
                    // `localhost` may have an address that this system does not.
                    Err(error)
                        if error.kind() == ErrorKind::AddrNotAvailable && !listeners.is_empty() => {
                    }
                    Err(error) => return Err(explain(address, &error)),
                }
            }
            Ok(listeners)
        }
    }
}

fn explain(address: SocketAddr, error: &io::Error) -> (u8, String) {
    let (code, advice) = match error.kind() {
        ErrorKind::AddrInUse => (
            EXIT_FAILED,
            "another program listens there; stop it, or choose another port with --listen",
        ),
        ErrorKind::AddrNotAvailable => (
            EXIT_USAGE,
            "this machine has no such address; 127.0.0.1, [::1] or 0.0.0.0 are always there",
        ),
        ErrorKind::PermissionDenied => (
            EXIT_USAGE,
            "ports below 1024 need a privilege; choose a higher port with --listen, or give the \
             program the capability CAP_NET_BIND_SERVICE",
        ),
        _ => (EXIT_FAILED, "the system said no"),
    };
    (
        code,
        format!("can't listen on {address}: {advice} ({error})"),
    )
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

fn print(text: &str) -> ExitCode {
    match io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(EXIT_FAILED, &format_args!("can't write: {error}")),
    }
}

fn reject(error: &ConfigError) -> ExitCode {
    for problem in error.problems() {
        eprintln!("fanfare: {problem}");
    }
    ExitCode::from(EXIT_USAGE)
}

fn fail(code: u8, why: &dyn Display) -> ExitCode {
    eprintln!("fanfare: {why}");
    ExitCode::from(code)
}
