//! Every setting: its name, unit, default, and what it is good for. Each can be given as a flag and
//! as an environment variable (`FANFARE_` and the flag's name in capitals).

mod address;
mod value;

pub use address::{Address, Binding};
pub use value::{Bytes, Period};

use crate::relay::{Limits, SlowPolicy};
use crate::sys::clock::ticks;
use std::fmt;

/// Descriptors that are not sockets of clients: standard streams, poller, signals, listeners, and
/// some to spare for files.
const DESCRIPTORS_RESERVED: usize = 16;

/// Sockets beyond `connections_max`, for pages, and for telling clients that there is no place.
const SOCKETS_SPARE: usize = 64;

/// A message can't be larger, whatever is set: 1 GiB.
const MESSAGE_BYTES_LIMIT: u64 = 1 << 30;

/// A topic's log holds this many messages of the largest size, so that a turn can take in a quarter
/// of it without lapping a reader that keeps up.
const MESSAGES_PER_LOG: u64 = 4;

/// How `fanfare serve` runs.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Addresses")]
pub struct Config {
    /// Address to listen on; repeat it for several. A port alone means this machine only, `:PORT`
    /// every interface. Port 0 takes a free one
    #[arg(
        long,
        value_name = "ADDR",
        default_value = "127.0.0.1:8080",
        value_delimiter = ','
    )]
    #[arg(env = "FANFARE_LISTEN", hide_env_values = true)]
    pub listen: Vec<Address>,

    /// Origin whose pages may connect, besides pages from the same host; repeat it for several.
    /// `https://example.com`, `example.com` for any scheme, or `*` for everybody
    #[arg(long, value_name = "ORIGIN", value_delimiter = ',')]
    #[arg(env = "FANFARE_ORIGIN", hide_env_values = true)]
    pub origin: Vec<String>,

    /// What becomes of a reader that lags by more than its topic retains: `close` ends it with
    /// 1013, `skip` moves it to the live end
    #[arg(
        long,
        value_name = "POLICY",
        default_value = "close",
        help_heading = "Slow readers"
    )]
    #[arg(env = "FANFARE_SLOW_POLICY", hide_env_values = true)]
    pub slow_policy: Policy,

    /// What a topic retains for its slowest reader; at least 4 times --message-bytes-max
    #[arg(
        long,
        value_name = "BYTES",
        default_value = "8MiB",
        help_heading = "Slow readers"
    )]
    #[arg(env = "FANFARE_TOPIC_LOG_BYTES_MAX", hide_env_values = true)]
    pub topic_log_bytes_max: Bytes,

    /// What all topics retain together; whoever retains most is cut first
    #[arg(
        long,
        value_name = "BYTES",
        default_value = "256MiB",
        help_heading = "Slow readers"
    )]
    #[arg(env = "FANFARE_LOG_BYTES_MAX", hide_env_values = true)]
    pub log_bytes_max: Bytes,

    /// Rest of a frame that is saved for a reader lapped in the middle of it, so that it can be told
    /// why; a longer one drops the connection
    #[arg(
        long,
        value_name = "BYTES",
        default_value = "64KiB",
        help_heading = "Slow readers"
    )]
    #[arg(env = "FANFARE_RESCUE_BYTES_MAX", hide_env_values = true)]
    pub rescue_bytes_max: Bytes,

    /// The kernel's send buffer of each connection: bandwidth times round trip of the fastest
    /// reader. The system caps it (net.core.wmem_max)
    #[arg(
        long,
        value_name = "BYTES",
        default_value = "256KiB",
        help_heading = "Slow readers"
    )]
    #[arg(env = "FANFARE_SEND_BUFFER_BYTES", hide_env_values = true)]
    pub send_buffer_bytes: Bytes,

    /// WebSocket connections in all; the next is answered with 503. By default as many as there
    /// are descriptors, and then new ones wait
    #[arg(long, value_name = "COUNT", help_heading = "Limits")]
    #[arg(env = "FANFARE_CONNECTIONS_MAX", hide_env_values = true)]
    pub connections_max: Option<usize>,

    /// Largest message, all its fragments together; a larger one ends in 1009
    #[arg(
        long,
        value_name = "BYTES",
        default_value = "1MiB",
        help_heading = "Limits"
    )]
    #[arg(env = "FANFARE_MESSAGE_BYTES_MAX", hide_env_values = true)]
    pub message_bytes_max: Bytes,

    /// Largest HTTP request head; a larger one is answered with 431
    #[arg(
        long,
        value_name = "BYTES",
        default_value = "16KiB",
        help_heading = "Limits"
    )]
    #[arg(env = "FANFARE_HEAD_BYTES_MAX", hide_env_values = true)]
    pub head_bytes_max: Bytes,

    /// Pongs that wait for one connection; beyond it, only the latest is kept
    #[arg(
        long,
        value_name = "BYTES",
        default_value = "4KiB",
        help_heading = "Limits"
    )]
    #[arg(env = "FANFARE_OUTBOX_BYTES_MAX", hide_env_values = true)]
    pub outbox_bytes_max: Bytes,

    /// What all connections hold for themselves: unfinished messages, control frames that wait.
    /// Beyond it, an unfinished message over 16 KiB ends in 1013
    #[arg(
        long,
        value_name = "BYTES",
        default_value = "256MiB",
        help_heading = "Limits"
    )]
    #[arg(env = "FANFARE_PRIVATE_BYTES_MAX", hide_env_values = true)]
    pub private_bytes_max: Bytes,

    /// From the accept to the whole request; then 408
    #[arg(
        long,
        value_name = "TIME",
        default_value = "10s",
        help_heading = "Timers"
    )]
    #[arg(env = "FANFARE_HANDSHAKE_TIMEOUT", hide_env_values = true)]
    pub handshake_timeout: Period,

    /// Between two HTTP requests of one connection; then it is closed
    #[arg(
        long,
        value_name = "TIME",
        default_value = "10s",
        help_heading = "Timers"
    )]
    #[arg(env = "FANFARE_KEEP_ALIVE_TIMEOUT", hide_env_values = true)]
    pub keep_alive_timeout: Period,

    /// Silence of a client until it is pinged. Proxies cut silent connections, often after 60s; up
    /// to a quarter is taken off at random, so that not all are pinged at once
    #[arg(
        long,
        value_name = "TIME",
        default_value = "25s",
        help_heading = "Timers"
    )]
    #[arg(env = "FANFARE_HEARTBEAT_INTERVAL", hide_env_values = true)]
    pub heartbeat_interval: Period,

    /// From the ping until any sign of life; then the connection is dropped as dead
    #[arg(
        long,
        value_name = "TIME",
        default_value = "10s",
        help_heading = "Timers"
    )]
    #[arg(env = "FANFARE_PONG_TIMEOUT", hide_env_values = true)]
    pub pong_timeout: Period,

    /// Time without a message either way, or `off`; then 1001
    #[arg(
        long,
        value_name = "TIME",
        default_value = "off",
        help_heading = "Timers"
    )]
    #[arg(env = "FANFARE_IDLE_TIMEOUT", hide_env_values = true)]
    pub idle_timeout: Idle,

    /// Time in which a reader with bytes pending takes none; then it is dropped
    #[arg(
        long,
        value_name = "TIME",
        default_value = "30s",
        help_heading = "Timers"
    )]
    #[arg(env = "FANFARE_STALLED_WRITE_TIMEOUT", hide_env_values = true)]
    pub stalled_write_timeout: Period,

    /// For a closing handshake
    #[arg(
        long,
        value_name = "TIME",
        default_value = "5s",
        help_heading = "Timers"
    )]
    #[arg(env = "FANFARE_CLOSE_TIMEOUT", hide_env_values = true)]
    pub close_timeout: Period,

    /// When the relay ends: the time over which closes are spread if there are many connections, so
    /// that those don't all come back at once
    #[arg(
        long,
        value_name = "TIME",
        default_value = "10s",
        help_heading = "Timers"
    )]
    #[arg(env = "FANFARE_DRAIN", hide_env_values = true)]
    pub drain: Period,

    /// What is logged to standard error: off, error, warn, info, debug
    #[arg(
        long,
        value_name = "LEVEL",
        default_value = "info",
        help_heading = "Logs"
    )]
    #[arg(env = "FANFARE_LOG_LEVEL", hide_env_values = true)]
    pub log_level: log::LevelFilter,
}

/// The slow policy, as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Policy {
    /// End it with 1013.
    Close,
    /// Move it to the live end.
    Skip,
}

/// A time, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Idle(pub Option<Period>);

impl std::str::FromStr for Idle {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "off" => Ok(Idle(None)),
            time => time.parse().map(|period| Idle(Some(period))),
        }
    }
}

/// Settings that contradict each other, or the system.
#[derive(Debug)]
pub struct ConfigError(String);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}

impl Config {
    /// The relay's bounds, if the settings fit together.
    pub fn limits(&self) -> Result<Limits, ConfigError> {
        let message = self.message_bytes_max;
        let topic_log = self.topic_log_bytes_max;
        if message.0 > MESSAGE_BYTES_LIMIT {
            return Err(ConfigError(format!(
                "--message-bytes-max {message} is too much: it can be 1 GiB at most"
            )));
        }
        if topic_log.0 < message.0.saturating_mul(MESSAGES_PER_LOG) {
            return Err(ConfigError(format!(
                "--topic-log-bytes-max {topic_log} is less than {MESSAGES_PER_LOG} times \
                 --message-bytes-max {message}: raise the one or lower the other"
            )));
        }
        if self.log_bytes_max.0 < topic_log.0 {
            return Err(ConfigError(format!(
                "--log-bytes-max {} is less than --topic-log-bytes-max {topic_log}, which it is \
                 to hold at least once",
                self.log_bytes_max
            )));
        }
        Ok(Limits {
            connections_max: self.connections_max.unwrap_or(usize::MAX),
            head_bytes_max: self.head_bytes_max.as_usize(),
            message_bytes_max: message.as_usize(),
            topic_log_bytes_max: topic_log.as_usize(),
            log_bytes_max: self.log_bytes_max.as_usize(),
            outbox_bytes_max: self.outbox_bytes_max.as_usize(),
            rescue_bytes_max: self.rescue_bytes_max.as_usize(),
            private_bytes_max: self.private_bytes_max.as_usize(),
            slow_policy: match self.slow_policy {
                Policy::Close => SlowPolicy::Close,
                Policy::Skip => SlowPolicy::Skip,
            },
            origins: self.origin.clone(),
            handshake_timeout: ticks(self.handshake_timeout.0),
            keep_alive_timeout: ticks(self.keep_alive_timeout.0),
            heartbeat_interval: ticks(self.heartbeat_interval.0),
            pong_timeout: ticks(self.pong_timeout.0),
            idle_timeout: self.idle_timeout.0.map(|period| ticks(period.0)),
            stalled_write_timeout: ticks(self.stalled_write_timeout.0),
            close_timeout: ticks(self.close_timeout.0),
        })
    }

    /// Sockets that may be open at a time, given how many files the process may have open.
    pub fn sockets_max(&self, descriptors_max: usize) -> Result<usize, ConfigError> {
        let reserved = DESCRIPTORS_RESERVED + self.listen.len();
        let available = descriptors_max.saturating_sub(reserved);
        let Some(connections_max) = self.connections_max else {
            return match available {
                0 => Err(ConfigError(format!(
                    "the process may have {descriptors_max} files open, and needs more than \
                     {reserved}: raise the limit (ulimit -n)"
                ))),
                available => Ok(available),
            };
        };
        let needed = connections_max.saturating_add(SOCKETS_SPARE);
        if needed > available {
            return Err(ConfigError(format!(
                "--connections-max {connections_max} takes {} open files, and the process may have \
                 {descriptors_max}: raise the limit (ulimit -n), or lower the setting to {}",
                needed.saturating_add(reserved),
                available.saturating_sub(SOCKETS_SPARE),
            )));
        }
        Ok(needed)
    }
}

impl Default for Config {
    /// What `fanfare` without arguments does, apart from the environment.
    fn default() -> Self {
        use clap::{Args, FromArgMatches};
        let command = Config::augment_args(clap::Command::new("fanfare"));
        let command = command.mut_args(|arg| arg.env(None::<&str>));
        let matches = command.get_matches_from(["fanfare"]);
        Config::from_arg_matches(&matches).expect("every setting has a default that is valid")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_fit_together() {
        let config = Config::default();
        assert!(config.limits().is_ok());
        assert!(config.sockets_max(1024).is_ok());
    }
}
