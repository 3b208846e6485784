//! The command line of `fanfare bench`.

use super::probe::{Pid, Probe};
use super::report::{CompareOptions, ReportOptions};
use super::script::{PAYLOAD_BYTES_MIN, PUBLISHERS_MAX};
use super::url::Url;
use crate::config::{Bytes, Period};
use crate::proto::MessageKind;
use clap::{Args, Subcommand};
use serde::{Serialize, Serializer};
use std::net::IpAddr;

const HELP: &str = "\
Examples:
  fanfare bench fanout ws://127.0.0.1:8080/ws --readers 1000 --window 32 --pid $(pidof fanfare)
  fanfare bench limit --readers 1000 --window 32
  fanfare bench idle ws://127.0.0.1:8080/ws --connections 10000 --pid $(pidof fanfare)

Exit codes: 0 if the run went through and every message arrived as it should, 1 if not, 2 if the
command line is wrong.";

/// Measure a WebSocket server.
#[derive(Clone, Debug, Args)]
#[command(after_help = HELP)]
pub struct Options {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Clone, Debug, Subcommand)]
pub(super) enum Command {
    /// Everybody hears everything: publishers keep so many messages outstanding, and a message is
    /// done when every reader has it
    Fanout(FanoutOptions),
    /// Messages are due at a fixed rate, and latency counts from when they were due
    Paced(PacedOptions),
    /// Some readers stop reading: what becomes of them, of the others, and of memory
    Slow(SlowOptions),
    /// Connections come and go: how fast, and whether the server leaks
    Churn(ChurnOptions),
    /// Each connection hears itself alone: so many messages of each are outstanding
    Echo(EchoOptions),
    /// Open connections and hold them: handshakes, and memory per connection
    Idle(IdleOptions),
    /// No server: what a bare loop of send() takes on this machine, to compare servers with
    Limit(LimitOptions),
    /// Reports that --json wrote beside each other, as ratios
    Compare(CompareOptions),
    /// The sending half of `limit`
    #[command(hide = true)]
    Sender(SenderOptions),
}

/// Which server, and how connections are made to it.
#[derive(Clone, Debug, Args, Serialize)]
#[command(next_help_heading = "Connections")]
pub(super) struct TargetOptions {
    /// Where to connect to, as in ws://127.0.0.1:8080/ws; several are used in turn. {i} becomes the
    /// number of the connection
    #[arg(required = true, value_name = "URL")]
    pub(super) urls: Vec<Url>,

    /// Opening handshakes under way at a time
    #[arg(long, value_name = "COUNT", default_value_t = 64)]
    pub(super) in_flight: usize,

    /// Local addresses to connect from, used in turn: each has some 28,000 ports
    #[arg(long, value_name = "ADDR", value_delimiter = ',')]
    pub(super) source: Vec<IpAddr>,

    /// Further header of the request, as in 'Authorization: Bearer x'; repeat it for several
    #[arg(long, value_name = "NAME: VALUE", value_parser = parse_header)]
    pub(super) header: Vec<(String, String)>,

    /// Subprotocol to offer; repeat it for several
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub(super) subprotocol: Vec<String>,

    /// Time for an opening handshake, and without any delivery until the run is given up
    #[arg(long, value_name = "TIME", default_value = "10s")]
    #[serde(serialize_with = "in_words")]
    pub(super) timeout: Period,

    /// Process of the server, whose CPU time and memory are measured; repeat it for several
    #[arg(long, value_name = "PID", value_delimiter = ',', value_parser = parse_pid)]
    pub(super) pid: Vec<Pid>,

    /// Measure the processes that those have started, too
    #[arg(long)]
    pub(super) pid_tree: bool,
}

impl TargetOptions {
    pub(super) fn probe(&self) -> Probe {
        Probe {
            pids: self.pid.clone(),
            tree: self.pid_tree,
        }
    }
}

/// What is sent.
#[derive(Clone, Debug, Args, Serialize)]
#[command(next_help_heading = "Messages")]
pub(super) struct MessageOptions {
    /// Payload bytes; a list is gone through over and over
    #[arg(
        long,
        value_name = "BYTES",
        default_value = "64",
        value_delimiter = ','
    )]
    #[arg(value_parser = parse_size)]
    pub(super) size: Vec<usize>,

    /// Send text rather than binary messages
    #[arg(long)]
    pub(super) text: bool,
}

impl MessageOptions {
    /// Sizes and kind in words.
    pub(super) fn title(&self) -> String {
        let sizes: Vec<String> = self.size.iter().map(usize::to_string).collect();
        let kind = match self.text {
            true => "text",
            false => "binary",
        };
        format!("{} bytes of {kind}", sizes.join(", "))
    }

    pub(super) fn kind(&self) -> MessageKind {
        match self.text {
            true => MessageKind::Text,
            false => MessageKind::Binary,
        }
    }
}

/// How long it is measured.
#[derive(Clone, Debug, Args, Serialize)]
#[command(next_help_heading = "Length")]
pub(super) struct LengthOptions {
    /// Time to measure
    #[arg(long, short, value_name = "TIME", default_value = "5s")]
    #[serde(serialize_with = "in_words")]
    pub(super) duration: Period,

    /// Messages to measure, if that takes less than --duration
    #[arg(long, value_name = "COUNT")]
    pub(super) messages: Option<u64>,

    /// Time under load before measuring begins
    #[arg(long, value_name = "TIME", default_value = "1s")]
    #[serde(serialize_with = "in_words")]
    pub(super) warm_up: Period,
}

/// `fanfare bench fanout`
#[derive(Clone, Debug, Args, Serialize)]
pub(super) struct FanoutOptions {
    #[command(flatten)]
    pub(super) target: TargetOptions,

    /// Rooms that hear each other and nobody else, each with so many readers and publishers; {i} in
    /// the URL becomes the number of the room
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = parse_count)]
    pub(super) rooms: usize,

    /// Connections that only read
    #[arg(long, short, value_name = "COUNT", default_value_t = 100)]
    pub(super) readers: usize,

    /// Connections that publish, and read as well
    #[arg(long, short, value_name = "COUNT", default_value_t = 1, value_parser = parse_publishers)]
    pub(super) publishers: usize,

    /// Messages outstanding in a room, of all its publishers together
    #[arg(long, short, value_name = "COUNT", default_value_t = 1, value_parser = parse_count)]
    pub(super) window: usize,

    /// The server sends publishers all but their own messages
    #[arg(long)]
    pub(super) no_self_echo: bool,

    #[command(flatten)]
    pub(super) message: MessageOptions,

    #[command(flatten)]
    pub(super) length: LengthOptions,

    #[command(flatten)]
    #[serde(skip)]
    pub(super) report: ReportOptions,
}

/// `fanfare bench echo`
#[derive(Clone, Debug, Args, Serialize)]
pub(super) struct EchoOptions {
    #[command(flatten)]
    pub(super) target: TargetOptions,

    /// Connections; where the server broadcasts, {i} in the URL gives each a room of its own
    #[arg(long, short, value_name = "COUNT", default_value_t = 100, value_parser = parse_publishers)]
    pub(super) connections: usize,

    /// Messages outstanding on each connection
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = parse_count)]
    pub(super) depth: usize,

    #[command(flatten)]
    pub(super) message: MessageOptions,

    #[command(flatten)]
    pub(super) length: LengthOptions,

    #[command(flatten)]
    #[serde(skip)]
    pub(super) report: ReportOptions,
}

/// `fanfare bench paced`
#[derive(Clone, Debug, Args, Serialize)]
pub(super) struct PacedOptions {
    #[command(flatten)]
    pub(super) target: TargetOptions,

    /// Rooms that hear each other and nobody else, each with so many readers and publishers; {i} in
    /// the URL becomes the number of the room
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = parse_count)]
    pub(super) rooms: usize,

    /// Connections that only read
    #[arg(long, short, value_name = "COUNT", default_value_t = 100)]
    pub(super) readers: usize,

    /// Connections that publish, and read as well
    #[arg(long, short, value_name = "COUNT", default_value_t = 1, value_parser = parse_publishers)]
    pub(super) publishers: usize,

    /// Messages due in a second, in all rooms together
    #[arg(long, value_name = "COUNT", default_value_t = 100.0, value_parser = parse_rate)]
    pub(super) rate: f64,

    /// The server sends publishers all but their own messages
    #[arg(long)]
    pub(super) no_self_echo: bool,

    #[command(flatten)]
    pub(super) message: MessageOptions,

    #[command(flatten)]
    pub(super) length: LengthOptions,

    #[command(flatten)]
    #[serde(skip)]
    pub(super) report: ReportOptions,
}

/// `fanfare bench slow`
#[derive(Clone, Debug, Args, Serialize)]
pub(super) struct SlowOptions {
    #[command(flatten)]
    pub(super) target: TargetOptions,

    /// Connections that only read
    #[arg(long, short, value_name = "COUNT", default_value_t = 100)]
    pub(super) readers: usize,

    /// Readers of these that stop reading
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = parse_count)]
    pub(super) stalled: usize,

    /// Connections that publish, and read as well
    #[arg(long, short, value_name = "COUNT", default_value_t = 1, value_parser = parse_publishers)]
    pub(super) publishers: usize,

    /// Messages outstanding, of all publishers together
    #[arg(long, short, value_name = "COUNT", default_value_t = 1, value_parser = parse_count)]
    pub(super) window: usize,

    /// The server sends publishers all but their own messages
    #[arg(long)]
    pub(super) no_self_echo: bool,

    #[command(flatten)]
    pub(super) message: MessageOptions,

    #[command(flatten)]
    pub(super) length: LengthOptions,

    #[command(flatten)]
    #[serde(skip)]
    pub(super) report: ReportOptions,
}

/// `fanfare bench churn`
#[derive(Clone, Debug, Args, Serialize)]
pub(super) struct ChurnOptions {
    #[command(flatten)]
    pub(super) target: TargetOptions,

    /// Connections at a time
    #[arg(long, short, value_name = "COUNT", default_value_t = 64, value_parser = parse_publishers)]
    pub(super) connections: usize,

    /// Time until no more connections come
    #[arg(long, short, value_name = "TIME", default_value = "5s")]
    #[serde(serialize_with = "in_words")]
    pub(super) duration: Period,

    /// Connections until no more come, if that takes less than --duration
    #[arg(long, value_name = "COUNT")]
    pub(super) cycles: Option<u64>,

    #[command(flatten)]
    pub(super) message: MessageOptions,

    #[command(flatten)]
    #[serde(skip)]
    pub(super) report: ReportOptions,
}

/// `fanfare bench idle`
#[derive(Clone, Debug, Args, Serialize)]
pub(super) struct IdleOptions {
    #[command(flatten)]
    pub(super) target: TargetOptions,

    /// Connections to open
    #[arg(long, short, value_name = "COUNT", default_value_t = 1000, value_parser = parse_count)]
    pub(super) connections: usize,

    /// Time to hold them, and to answer pings
    #[arg(long, value_name = "TIME", default_value = "5s")]
    #[serde(serialize_with = "in_words")]
    pub(super) hold: Period,

    #[command(flatten)]
    #[serde(skip)]
    pub(super) report: ReportOptions,
}

/// `fanfare bench limit`
#[derive(Clone, Debug, Args, Serialize)]
pub(super) struct LimitOptions {
    /// Sockets to send to
    #[arg(long, short, value_name = "COUNT", default_value_t = 100, value_parser = parse_count)]
    pub(super) readers: usize,

    /// Frames that each call of send() hands over
    #[arg(long, short, value_name = "COUNT", default_value_t = 1, value_parser = parse_count)]
    pub(super) window: usize,

    /// Local addresses to connect from, used in turn
    #[arg(long, value_name = "ADDR", value_delimiter = ',')]
    pub(super) source: Vec<IpAddr>,

    #[command(flatten)]
    pub(super) message: MessageOptions,

    #[command(flatten)]
    pub(super) length: LengthOptions,

    #[command(flatten)]
    #[serde(skip)]
    pub(super) report: ReportOptions,
}

/// `fanfare bench sender`
#[derive(Clone, Debug, Args)]
pub(super) struct SenderOptions {
    #[arg(long, value_parser = parse_count)]
    pub(super) readers: usize,
}

fn in_words<S: Serializer>(value: &impl ToString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&value.to_string())
}

fn parse_header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once(':')
        .ok_or("expected a header such as 'Authorization: Bearer x'")?;
    Ok((name.trim().into(), value.trim().into()))
}

fn parse_pid(text: &str) -> Result<Pid, String> {
    text.parse()
        .map(Pid)
        .map_err(|_| "expected the number of a process".into())
}

fn parse_count(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count @ 1..) => Ok(count),
        _ => Err("expected a number from 1 on".into()),
    }
}

fn parse_rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if (0.001..=1e7).contains(&rate) => Ok(rate),
        _ => Err("expected a rate such as 100, at most ten million".into()),
    }
}

fn parse_publishers(text: &str) -> Result<usize, String> {
    match parse_count(text)? {
        count if count <= PUBLISHERS_MAX => Ok(count),
        _ => Err(format!("at most {PUBLISHERS_MAX} can be told apart")),
    }
}

fn parse_size(text: &str) -> Result<usize, String> {
    let bytes: Bytes = text.parse()?;
    match bytes.as_usize() {
        size @ PAYLOAD_BYTES_MIN..=PAYLOAD_BYTES_LIMIT => Ok(size),
        size if size < PAYLOAD_BYTES_MIN => Err(format!(
            "a message takes at least {PAYLOAD_BYTES_MIN} bytes, which tell whose it is and its \
             number"
        )),
        _ => Err("at most 64 MiB".into()),
    }
}

/// The largest message that can be asked for.
const PAYLOAD_BYTES_LIMIT: usize = 64 << 20;
