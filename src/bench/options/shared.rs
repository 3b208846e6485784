//! Options that several scenarios have.

use super::super::probe::Pid;
use super::super::route::Protocol;
use super::super::url::Url;
use super::value::{in_words, parse_count, parse_header, parse_pause, parse_pid, parse_publishers};
use super::value::{
    parse_readers, parse_size, parse_subprotocol, parse_time, parse_total, parse_workers,
};
use crate::config::Period;
use crate::proto::{MessageKind, fanfare_v1};
use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::path::PathBuf;

/// Readers and publishers.
#[derive(Clone, Debug, Args, Serialize)]
pub(in super::super) struct VoiceOptions {
    /// Connections that only read
    #[arg(long, short, value_name = "COUNT", default_value_t = 100, value_parser = parse_readers)]
    #[arg(allow_negative_numbers = true)]
    pub(in super::super) readers: usize,

    /// Connections that publish, and read as well
    #[arg(long, short, value_name = "COUNT", default_value_t = 1, value_parser = parse_publishers)]
    #[arg(allow_negative_numbers = true)]
    pub(in super::super) publishers: usize,

    /// The server sends publishers all but their own messages
    #[arg(long)]
    pub(in super::super) no_self_echo: bool,
}

/// What all scenarios that send messages have in common.
#[derive(Clone, Debug, Args, Serialize)]
pub(in super::super) struct LoadOptions {
    #[command(flatten)]
    pub(in super::super) target: TargetOptions,

    #[command(flatten)]
    pub(in super::super) message: MessageOptions,

    #[command(flatten)]
    pub(in super::super) length: LengthOptions,

    #[command(flatten)]
    #[serde(skip)]
    pub(in super::super) report: ReportOptions,
}

/// Which server, and how connections are made to it.
#[derive(Clone, Debug, Args, Serialize, Deserialize)]
#[command(next_help_heading = "Connections")]
pub(in super::super) struct TargetOptions {
    /// Where to connect to, as in ws://127.0.0.1:8080/ws; several are used in turn. {i} becomes the
    /// number of the room, and of the connection where there are no rooms (echo, idle, churn)
    #[arg(required = true, value_name = "URL")]
    pub(in super::super) urls: Vec<Url>,

    /// Opening handshakes under way at a time
    #[arg(long, value_name = "COUNT", default_value_t = 64, value_parser = parse_count)]
    #[arg(allow_negative_numbers = true)]
    pub(in super::super) in_flight: usize,

    /// Local addresses to connect from, used in turn: each has some 28,000 ports
    #[arg(long, value_name = "ADDR", value_delimiter = ',')]
    pub(in super::super) source: Vec<IpAddr>,

    /// Further header of the request, as in 'Authorization: Bearer x'; repeat it for several. Host
    /// replaces the URL's
    #[arg(long, value_name = "NAME: VALUE", value_parser = parse_header)]
    pub(in super::super) header: Vec<(String, String)>,

    /// Subprotocol to offer; repeat it for several
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = parse_subprotocol)]
    pub(in super::super) subprotocol: Vec<String>,

    /// Agree on permessage-deflate, without context takeover: messages go and come compressed
    #[arg(long)]
    pub(in super::super) deflate: bool,

    /// Readers get server-sent events rather than WebSockets: they send a GET with Accept:
    /// text/event-stream, over HTTP/1.1. Messages are text then, unless --binary is given
    #[arg(long, conflicts_with_all = ["deflate", "subprotocol"])]
    #[serde(default)]
    pub(in super::super) sse: bool,

    /// Processes of this program among which the connections are shared: for when one can't keep
    /// up, or has too few descriptors
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = parse_workers)]
    #[arg(allow_negative_numbers = true)]
    pub(in super::super) workers: usize,

    /// Time for an opening handshake, and without any delivery or answer until the run is given up
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_time)]
    #[arg(allow_hyphen_values = true)]
    #[serde(with = "in_words")]
    pub(in super::super) timeout: Period,

    /// Process of the server, whose CPU time and memory are measured; repeat it for several
    #[arg(long, value_name = "PID", value_delimiter = ',', value_parser = parse_pid)]
    pub(in super::super) pid: Vec<Pid>,

    /// Measure the processes that those have started, too
    #[arg(long)]
    pub(in super::super) pid_tree: bool,
}

impl TargetOptions {
    /// What the Host header says, if it is not the URL's host, and the further headers.
    pub(in super::super) fn host_and_headers(&self) -> (Option<String>, Vec<(String, String)>) {
        let headers = self.header.iter().cloned();
        let (hosts, headers): (Vec<_>, Vec<_>) = headers.partition(is_host);
        (hosts.into_iter().next().map(|(_, host)| host), headers)
    }

    /// What readers speak.
    pub(in super::super) fn protocol(&self) -> Protocol {
        match self.sse {
            true => Protocol::EventStream,
            false => Protocol::WebSocket,
        }
    }

    /// Whether connections speak `fanfare.v1`.
    pub(in super::super) fn speaks_v1(&self) -> bool {
        self.subprotocol.iter().any(|name| name == fanfare_v1::NAME)
    }

    /// How many Host headers are given.
    pub(super) fn host_count(&self) -> usize {
        self.header.iter().filter(|header| is_host(header)).count()
    }
}

fn is_host((name, _): &(String, String)) -> bool {
    name.eq_ignore_ascii_case("host")
}

/// What is sent.
#[derive(Clone, Debug, Args, Serialize, Deserialize)]
#[command(next_help_heading = "Messages")]
pub(in super::super) struct MessageOptions {
    /// Payload bytes; a list is gone through over and over
    #[arg(
        long,
        value_name = "BYTES",
        default_value = "64",
        value_delimiter = ','
    )]
    #[arg(value_parser = parse_size)]
    pub(in super::super) size: Vec<usize>,

    /// Send text rather than binary messages
    #[arg(long)]
    pub(in super::super) text: bool,

    /// Send binary messages, which is the default but with --sse
    #[arg(long, conflicts_with = "text")]
    #[serde(skip)]
    pub(in super::super) binary: bool,

    /// What messages are filled with: characters that no compressor finds a pattern in, or JSON
    #[arg(long, value_enum, default_value_t)]
    pub(in super::super) content: Content,
}

/// What messages are filled with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in super::super) enum Content {
    /// Characters without a pattern.
    #[default]
    Random,
    /// Records as an application might send them.
    Json,
}

impl MessageOptions {
    /// The same for this target: what server-sent events carry is text, unless it was said to be binary.
    pub(in super::super) fn to(&self, target: &TargetOptions) -> Self {
        MessageOptions {
            text: self.text || target.sse && !self.binary,
            ..self.clone()
        }
    }

    /// Sizes and kind in words.
    pub(in super::super) fn title(&self) -> String {
        let sizes: Vec<String> = self.size.iter().map(usize::to_string).collect();
        let kind = match self.text {
            true => "text",
            false => "binary",
        };
        let content = match self.content {
            Content::Random => "",
            Content::Json => " like JSON",
        };
        format!("{} bytes of {kind}{content}", sizes.join(", "))
    }

    pub(in super::super) fn kind(&self) -> MessageKind {
        match self.text {
            true => MessageKind::Text,
            false => MessageKind::Binary,
        }
    }
}

/// How long it is measured.
#[derive(Clone, Debug, Args, Serialize)]
#[command(next_help_heading = "Length")]
pub(in super::super) struct LengthOptions {
    /// Time to measure
    #[arg(long, short, value_name = "TIME", default_value = "5s", value_parser = parse_time)]
    #[arg(allow_hyphen_values = true)]
    #[serde(with = "in_words")]
    pub(in super::super) duration: Period,

    /// Messages to measure, if that takes less than --duration
    #[arg(long, value_name = "COUNT", value_parser = parse_total, allow_negative_numbers = true)]
    pub(in super::super) messages: Option<u64>,

    /// Time under load before measuring begins
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = parse_pause)]
    #[arg(allow_hyphen_values = true)]
    #[serde(with = "in_words")]
    pub(in super::super) warm_up: Period,
}

/// What becomes of the report.
#[derive(Clone, Debug, Args, Serialize)]
#[command(next_help_heading = "Report")]
pub(in super::super) struct ReportOptions {
    /// Write the report as JSON, too; `-` is standard output, and then the table goes to standard
    /// error
    #[arg(long, value_name = "FILE")]
    #[serde(skip)]
    pub(in super::super) json: Option<PathBuf>,

    /// What `fanfare bench compare` is to call it
    #[arg(long, value_name = "NAME")]
    #[serde(skip)]
    pub(in super::super) name: Option<String>,

    /// Show no progress
    #[arg(long, short)]
    #[serde(skip)]
    pub(in super::super) quiet: bool,
}
