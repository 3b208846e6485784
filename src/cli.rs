//! Arguments to actions.

#[cfg(feature = "bench")]
use crate::bench;
use crate::config::{self, Config, ConfigError, Flags};
use crate::journal;
use crate::relay::Counters;
use crate::server::{self, Ended, LocalAddress, Server};
use clap::{Parser, Subcommand};
use std::fmt::Display;
use std::io::{self, ErrorKind, Write};
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
    Config {
        #[command(flatten)]
        flags: Flags,
        /// Which [[topic]] table this topic meets, and what is in force for it
        #[arg(long, value_name = "NAME")]
        topic: Option<String>,
    },
    /// Measure a server that broadcasts, this one or any other
    #[cfg(feature = "bench")]
    Bench(Box<bench::Options>),
    /// Print the manual's table of settings
    #[command(hide = true)]
    Settings,
}

const HELP: &str = "\
Paths:
  /              a chat page, to try it, or the folder of --public
  /ws            WebSocket into the topic `lobby`
  /ws/TOPIC      WebSocket into that topic; ?echo=0 leaves out one's own messages

Examples:
  fanfare                               the relay and its page on http://127.0.0.1:8080/
  fanfare --listen :80                  on every interface
  fanfare --origin https://example.com  pages of that site may connect
  fanfare --public ./site               your own pages in place of the chat page
  fanfare --slow-policy skip            slow readers miss messages rather than being closed

Each setting can also be given as an environment variable (FANFARE_LISTEN for --listen) and in the
TOML file that --config or FANFARE_CONFIG names (listen = \"8080\"). A flag wins over a variable, and a
variable over the file. Sizes take KiB, MiB and GiB, times take ms, s, m and h.

Exit codes: 0 after a clean end, 1 if something failed, 2 if the command line or a setting is wrong.";

/// Runs the command that the process was started with.
#[must_use]
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    match arguments.command {
        Some(Command::Serve(flags)) => serve(&flags),
        None => serve(&arguments.flags),
        Some(Command::Check { file }) => check(&file),
        Some(Command::Config { flags, topic }) => show(&flags, topic.as_deref()),
        #[cfg(feature = "bench")]
        Some(Command::Bench(options)) => bench::run(&options),
        Some(Command::Settings) => print(&config::manual()),
    }
}

fn check(file: &Path) -> ExitCode {
    let checked = Config::read(file).and_then(|config| {
        config.limits()?;
        server::read_site(&config)
    });
    match checked {
        Ok(_) => print(&format!("{}: all is well\n", file.display())),
        Err(error) => reject(&error),
    }
}

fn show(flags: &Flags, topic: Option<&str>) -> ExitCode {
    let report = Config::load(flags).and_then(|config| match topic {
        Some(topic) => config.report_topic(topic),
        None => config.report(),
    });
    match report {
        Ok(report) => print(&report),
        Err(error) => reject(&error),
    }
}

fn serve(flags: &Flags) -> ExitCode {
    let config = match Config::load(flags) {
        Ok(config) => config,
        Err(error) => return reject(&error),
    };
    let _journal = journal::start(config.log_level.0, config.log_format);
    let server = Server::bind(&config).and_then(|mut server| {
        server.handle_signals()?;
        if let Err(error) = server.notify_manager() {
            log::warn!("can't reach the service manager at NOTIFY_SOCKET: {error}");
        }
        let flags = flags.clone();
        server.set_load(move || Config::load(&flags));
        Ok(server)
    });
    let mut server = match server {
        Ok(server) => server,
        Err(error) if error.is_usage() => return fail(EXIT_USAGE, &error),
        Err(error) => return fail(EXIT_FAILED, &error),
    };
    announce(server.addresses());
    for address in server.admin_addresses() {
        log::info!("the admin listener is at {address}");
    }
    let ended = server.run();
    summarize(server.counters());
    match ended {
        Ok(Ended::Cleanly) => ExitCode::SUCCESS,
        Ok(Ended::AtOnce) => ExitCode::from(EXIT_FAILED),
        Err(error) => fail(EXIT_FAILED, &format_args!("the poller failed: {error}")),
    }
}

/// Says where the relay is to be found, in one line.
fn announce(addresses: &[LocalAddress]) {
    let version = env!("CARGO_PKG_VERSION");
    let all: Vec<String> = addresses.iter().map(LocalAddress::to_string).collect();
    let all = all.join(", ");
    let line = match addresses.iter().find_map(LocalAddress::tcp) {
        None => format!("fanfare {version} is listening on {all}"),
        Some(first) => {
            let on = match addresses.len() {
                1 if first.ip().is_unspecified() => " on every interface".into(),
                1 => String::new(),
                _ => format!(" on {all}"),
            };
            let host = match first.ip().is_unspecified() {
                true => format!("localhost:{}", first.port()),
                false => first.to_string(),
            };
            format!("fanfare {version} is listening{on}: open http://{host}/")
        }
    };
    // Standard output may be closed, which is no reason not to run.
    let mut stdout = io::stdout();
    let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
}

fn summarize(counters: &Counters) {
    log::info!(
        "ended: {} connections opened, {} requests refused, {} messages published, {} readers \
         lapped, {} skips over {} messages, {} dead, {} stalled, {} broke the protocol",
        counters.opened,
        counters.refused(),
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
    let mut stdout = io::stdout();
    let written = stdout.write_all(text.as_bytes());
    match written.and_then(|()| stdout.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        // The reader of the pipe has enough (`| head`).
        Err(error) if error.kind() == ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => fail(EXIT_FAILED, &format_args!("can't write: {error}")),
    }
}

fn reject(error: &ConfigError) -> ExitCode {
    complain(error);
    ExitCode::from(EXIT_USAGE)
}

fn fail(code: u8, why: &dyn Display) -> ExitCode {
    // If standard error is not read, it would wait for ever.
    if journal::flush() {
        complain(why);
    }
    ExitCode::from(code)
}

/// Says what is wrong; of several problems, each is a line.
fn complain(why: &dyn Display) {
    for line in why.to_string().lines() {
        // If standard error is closed, the exit code says enough.
        let _ = writeln!(io::stderr(), "fanfare: {line}");
    }
}
