//! The command line of `fanfare bench`.

use super::body::BodyTemplate;
use super::url::Url;
use crate::config::Period;
use crate::proto::fanfare_v1;
use clap::{Args, Subcommand};
use serde::Serialize;
use std::net::IpAddr;
use std::path::PathBuf;
use value::{
    in_words, parse_count, parse_method, parse_publishers, parse_rate, parse_readers, parse_time,
    parse_total,
};

mod check;
mod shared;
mod value;

pub(super) use shared::{Content, LengthOptions, LoadOptions, MessageOptions};
pub(super) use shared::{ReportOptions, TargetOptions, VoiceOptions};

const HELP: &str = "\
Examples:
  fanfare bench fanout ws://127.0.0.1:8080/ws --readers 1000 --window 32 --pid $(pidof fanfare)
  fanfare bench limit --readers 1000 --window 32
  fanfare bench publish http://127.0.0.1:8080/ws --connections 4 --depth 16 --readers 10
  fanfare bench idle ws://127.0.0.1:8080/ws --connections 10000 --pid $(pidof fanfare)

Exit codes: 0 if the run went through and every message arrived as it should, 1 if not, 2 if the
command line is wrong.";

const PUBLISH_URLS: &str = "Where requests go, as in http://127.0.0.1:8080/ws; several are used in turn. \
                            {i} becomes the number of the room";

/// Measure a server that broadcasts: over WebSockets, by HTTP requests, as server-sent events.
#[derive(Clone, Debug, Args)]
#[command(after_help = HELP)]
pub struct Options {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Clone, Debug, Subcommand)]
pub(super) enum Command {
    /// All receive everything: publishers keep --window messages outstanding, and a message is done
    /// when every reader has it
    Fanout(FanoutOptions),
    /// Messages are due at a fixed rate, and latency is counted from when they were due
    Paced(PacedOptions),
    /// Messages are published by HTTP requests, --depth of them in flight on each connection
    #[command(mut_arg("workers", |arg| arg.hide(true)))]
    #[command(mut_arg("urls", |arg| arg.help(PUBLISH_URLS).long_help(PUBLISH_URLS)))]
    Publish(PublishOptions),
    /// Some readers stop reading: what becomes of them, of the others, and of memory
    #[command(mut_arg("workers", |arg| arg.hide(true)))]
    Slow(SlowOptions),
    /// Connections come and go: how fast, and whether the server leaks
    #[command(mut_arg("workers", |arg| arg.hide(true)), mut_arg("sse", |arg| arg.hide(true)))]
    Churn(ChurnOptions),
    /// Each connection gets its own messages back: each keeps --depth messages outstanding
    #[command(mut_arg("workers", |arg| arg.hide(true)), mut_arg("sse", |arg| arg.hide(true)))]
    Echo(EchoOptions),
    /// Open connections and hold them: handshakes, and memory per connection
    Idle(IdleOptions),
    /// No server: what a bare loop of send() takes on this machine, to compare servers with
    Limit(LimitOptions),
    /// Compare reports that --json wrote, as ratios
    Compare(CompareOptions),
    /// The sending half of `limit`
    #[command(hide = true)]
    Sender(SenderOptions),
    /// A further process of a run
    #[command(hide = true)]
    Worker,
}

/// `fanfare bench fanout`
#[derive(Clone, Debug, Args, Serialize)]
pub(super) struct FanoutOptions {
    #[command(flatten)]
    #[serde(flatten)]
    pub(super) voices: VoiceOptions,

    /// Rooms, each with --readers and --publishers of its own, separate from all others; {i} in the
    /// URL becomes the number of the room
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = parse_count)]
    #[arg(allow_negative_numbers = true)]
    pub(super) rooms: usize,

    /// Messages outstanding in a room, of all its publishers together
    #[arg(long, short, value_name = "COUNT", default_value_t = 1, value_parser = parse_count)]
    #[arg(allow_negative_numbers = true)]
    pub(super) window: usize,

    /// Speak fanfare.v1, by which each connection knows which message it has
    #[arg(long, conflicts_with = "sse")]
    pub(super) v1: bool,

    /// Cut readers off while it is measured; they come back with since=, the id of the last message
    /// that they had, and have to get all that they missed, or be told how much that is. Speaks fanfare.v1
    #[arg(long, conflicts_with = "sse")]
    pub(super) since: bool,

    /// With --since, readers cut off in a second, in all rooms together
    #[arg(long, value_name = "COUNT", default_value_t = 20.0, value_parser = parse_rate)]
    #[arg(allow_negative_numbers = true, requires = "since")]
    pub(super) cuts: f64,

    /// With --since, how long a reader is away at most: a time from none to that, drawn for each
    #[arg(long, value_name = "TIME", default_value = "500ms", value_parser = parse_time)]
    #[arg(allow_hyphen_values = true, requires = "since")]
    #[serde(with = "in_words")]
    pub(super) away: Period,

    #[command(flatten)]
    #[serde(flatten)]
    pub(super) load: LoadOptions,
}

impl FanoutOptions {
    /// The server, and what is spoken with it.
    pub(super) fn target(&self) -> TargetOptions {
        let mut target = self.load.target.clone();
        if (self.v1 || self.since) && !target.speaks_v1() {
            target.subprotocol.push(fanfare_v1::NAME.into());
        }
        target
    }
}

/// `fanfare bench echo`
#[derive(Clone, Debug, Args, Serialize)]
pub(super) struct EchoOptions {
    /// Connections; where the server broadcasts, {i} in the URL gives each a room of its own
    #[arg(long, short, value_name = "COUNT", default_value_t = 100, value_parser = parse_publishers)]
    #[arg(allow_negative_numbers = true)]
    pub(super) connections: usize,

    /// Messages outstanding on each connection
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = parse_count)]
    #[arg(allow_negative_numbers = true)]
    pub(super) depth: usize,

    #[command(flatten)]
    #[serde(flatten)]
    pub(super) load: LoadOptions,
}

/// `fanfare bench paced`
#[derive(Clone, Debug, Args, Serialize)]
pub(super) struct PacedOptions {
    #[command(flatten)]
    #[serde(flatten)]
    pub(super) voices: VoiceOptions,

    /// Rooms, each with --readers and --publishers of its own, separate from all others; {i} in the
    /// URL becomes the number of the room
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = parse_count)]
    #[arg(allow_negative_numbers = true)]
    pub(super) rooms: usize,

    /// Messages due in a second, in all rooms together
    #[arg(long, value_name = "COUNT", default_value_t = 100.0, value_parser = parse_rate)]
    #[arg(allow_negative_numbers = true)]
    pub(super) rate: f64,

    #[command(flatten)]
    #[serde(flatten)]
    pub(super) load: LoadOptions,
}

/// `fanfare bench publish`
#[derive(Clone, Debug, Args, Serialize)]
pub(super) struct PublishOptions {
    /// Connections over which requests go
    #[arg(long, short, value_name = "COUNT", default_value_t = 1, value_parser = parse_publishers)]
    #[arg(allow_negative_numbers = true)]
    pub(super) connections: usize,

    /// Requests in flight on each connection (pipelining). One is done when it is answered and every
    /// reader has its message
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = parse_count)]
    #[arg(allow_negative_numbers = true)]
    pub(super) depth: usize,

    /// Open a connection for each request
    #[arg(long)]
    pub(super) no_keep_alive: bool,

    /// Connections that read what is published, and check it: WebSockets, or server-sent events with --sse
    #[arg(long, short, value_name = "COUNT", default_value_t = 0, value_parser = parse_readers)]
    #[arg(allow_negative_numbers = true)]
    pub(super) readers: usize,

    /// Where readers connect to, if not to the URL
    #[arg(long, value_name = "URL", requires = "readers")]
    pub(super) read_url: Option<Url>,

    /// Rooms, each with --connections and --readers of its own, separate from all others; {i} in the
    /// URL becomes the number of the room
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = parse_count)]
    #[arg(allow_negative_numbers = true)]
    pub(super) rooms: usize,

    /// Method of the requests
    #[arg(long, value_name = "NAME", default_value = "POST", value_parser = parse_method)]
    pub(super) method: String,

    /// Body of the requests, if it is more than the payload. {payload} becomes the payload, {payload:json}
    /// the same as a part of a string of JSON, {payload:form} of a form, and {number} the number of the message.
    /// Content-Type is text/plain (--text) or application/octet-stream, unless --header says another
    #[arg(long, value_name = "TEXT")]
    pub(super) body_template: Option<BodyTemplate>,

    #[command(flatten)]
    #[serde(flatten)]
    pub(super) load: LoadOptions,
}

/// `fanfare bench slow`
#[derive(Clone, Debug, Args, Serialize)]
pub(super) struct SlowOptions {
    #[command(flatten)]
    #[serde(flatten)]
    pub(super) voices: VoiceOptions,

    /// Readers of these that stop reading
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = parse_count)]
    #[arg(allow_negative_numbers = true)]
    pub(super) stalled: usize,

    /// Messages outstanding, of all publishers together
    #[arg(long, short, value_name = "COUNT", default_value_t = 1, value_parser = parse_count)]
    #[arg(allow_negative_numbers = true)]
    pub(super) window: usize,

    #[command(flatten)]
    #[serde(flatten)]
    pub(super) load: LoadOptions,
}

/// `fanfare bench churn`
#[derive(Clone, Debug, Args, Serialize)]
pub(super) struct ChurnOptions {
    /// Connections at a time
    #[arg(long, short, value_name = "COUNT", default_value_t = 64, value_parser = parse_publishers)]
    #[arg(allow_negative_numbers = true)]
    pub(super) connections: usize,

    /// Time until no more connections come
    #[arg(long, short, value_name = "TIME", default_value = "5s", value_parser = parse_time)]
    #[arg(allow_hyphen_values = true)]
    #[serde(with = "in_words")]
    pub(super) duration: Period,

    /// Connections until no more come, if that takes less than --duration
    #[arg(long, value_name = "COUNT", value_parser = parse_total, allow_negative_numbers = true)]
    pub(super) cycles: Option<u64>,

    #[command(flatten)]
    pub(super) target: TargetOptions,

    #[command(flatten)]
    pub(super) message: MessageOptions,

    #[command(flatten)]
    #[serde(skip)]
    pub(super) report: ReportOptions,
}

/// `fanfare bench idle`
#[derive(Clone, Debug, Args, Serialize)]
pub(super) struct IdleOptions {
    /// Connections to open
    #[arg(long, short, value_name = "COUNT", default_value_t = 1000, value_parser = parse_count)]
    #[arg(allow_negative_numbers = true)]
    pub(super) connections: usize,

    /// Time to hold them, and to answer pings
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = parse_time)]
    #[arg(allow_hyphen_values = true)]
    #[serde(with = "in_words")]
    pub(super) hold: Period,

    #[command(flatten)]
    pub(super) target: TargetOptions,

    #[command(flatten)]
    #[serde(skip)]
    pub(super) report: ReportOptions,
}

/// `fanfare bench limit`
#[derive(Clone, Debug, Args, Serialize)]
pub(super) struct LimitOptions {
    /// Sockets to send to
    #[arg(long, short, value_name = "COUNT", default_value_t = 100, value_parser = parse_count)]
    #[arg(allow_negative_numbers = true)]
    pub(super) readers: usize,

    /// Frames that each call of send() hands over
    #[arg(long, short, value_name = "COUNT", default_value_t = 1, value_parser = parse_count)]
    #[arg(allow_negative_numbers = true)]
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

/// `fanfare bench compare`
#[derive(Clone, Debug, Args)]
pub(super) struct CompareOptions {
    /// Reports that --json wrote; the first is what the others are compared with. A file may hold
    /// several, one after the other. Reports of one --name are repetitions; without it, those of
    /// one file
    #[arg(required = true, value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
}

/// `fanfare bench sender`
#[derive(Clone, Debug, Args)]
pub(super) struct SenderOptions {
    #[arg(long, value_parser = parse_count)]
    #[arg(allow_negative_numbers = true)]
    pub(super) readers: usize,
}
