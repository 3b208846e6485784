//! What is wrong with a command line as a whole: options that don't go together, or that ask for more
//! than a typing error should cause.

use super::value::CONNECTIONS_MAX;
use super::{
    ChurnOptions, EchoOptions, FanoutOptions, IdleOptions, LimitOptions, PacedOptions,
    PublishOptions, SlowOptions,
};
use super::{LoadOptions, MessageOptions, TargetOptions, VoiceOptions};
use crate::bench::body::BodyTemplate;
use crate::bench::failure::Failure;
use crate::bench::payload::PUBLISHERS_MAX;

/// Bytes of messages outstanding: the client keeps them until every receiver has them.
const OUTSTANDING_BYTES_MAX: usize = 1 << 30;
/// Pairs of a publisher and a receiver: for each, the client keeps a position of 8 bytes.
const POSITIONS_MAX: usize = 1 << 27;
/// A frame's header and its mask.
const HEADER_BYTES_MAX: usize = 14;

/// How large a run is.
struct Extent {
    rooms: usize,
    /// In each room.
    readers: usize,
    publishers: usize,
    window: usize,
}

impl Extent {
    fn check(&self, message: &MessageOptions) -> Result<(), Failure> {
        let &Extent {
            rooms,
            readers,
            publishers,
            window,
        } = self;
        let members = readers.saturating_add(publishers);
        check_connections(rooms.saturating_mul(members))?;
        if rooms.saturating_mul(publishers) > PUBLISHERS_MAX {
            return Err(Failure::usage(format!(
                "at most {PUBLISHERS_MAX} publishers can be told apart, in all rooms together"
            )));
        }
        if rooms.saturating_mul(members).saturating_mul(publishers) > POSITIONS_MAX {
            return Err(Failure::usage(format!(
                "each connection follows each publisher of its room, which makes more than \
                 {POSITIONS_MAX} pairs: take fewer --publishers"
            )));
        }
        let size = message
            .size
            .iter()
            .max()
            .map_or(0, |size| size + HEADER_BYTES_MAX);
        let bytes = rooms.saturating_mul(window).saturating_mul(size);
        if bytes > OUTSTANDING_BYTES_MAX {
            return Err(Failure::usage(
                "more than 1 GiB would be outstanding (--window or --depth, times --size, times \
                 --rooms): take less of one of them",
            ));
        }
        Ok(())
    }
}

fn check_connections(count: usize) -> Result<(), Failure> {
    match count {
        0..=CONNECTIONS_MAX => Ok(()),
        _ => Err(Failure::usage(format!(
            "at most {CONNECTIONS_MAX} connections can be had, in all rooms together"
        ))),
    }
}

impl FanoutOptions {
    pub(in super::super) fn check(&self) -> Result<(), Failure> {
        self.voices.check()?;
        self.load.target.check_shared(self.rooms)?;
        self.load.target.check_urls(self.rooms, "rooms")?;
        self.check_v1()?;
        self.voices
            .extent(self.rooms, self.window)
            .check(&self.load.message)
    }

    fn check_v1(&self) -> Result<(), Failure> {
        if self.target().speaks_v1() && self.voices.no_self_echo {
            return Err(Failure::usage(
                "with fanfare.v1 publishers get their own messages, or they could not count: leave out \
                 --no-self-echo",
            ));
        }
        if self.since && self.voices.readers == 0 {
            return Err(Failure::usage(
                "there would be nobody to cut off: --since needs --readers",
            ));
        }
        match self.since {
            true if self.load.target.workers > 1 => Err(Failure::usage(
                "other processes don't know what was published while a reader was away: --since goes \
                 without --workers",
            )),
            _ => Ok(()),
        }
    }
}

impl EchoOptions {
    pub(in super::super) fn check(&self) -> Result<(), Failure> {
        self.load.target.check_single()?;
        self.load.target.check_websockets()?;
        self.load
            .target
            .check_urls(self.connections, "connections")?;
        let extent = Extent {
            rooms: self.connections,
            readers: 0,
            publishers: 1,
            window: self.depth,
        };
        extent.check(&self.load.message)
    }
}

impl PacedOptions {
    pub(in super::super) fn check(&self) -> Result<(), Failure> {
        self.voices.check()?;
        self.load.target.check_shared(self.rooms)?;
        self.load.target.check_urls(self.rooms, "rooms")?;
        self.voices
            .extent(self.rooms, 1)
            .check(&self.load.message)?;
        let seconds = self.load.length.duration.0.as_secs_f64();
        match self.rate * seconds < 1.0 {
            false => Ok(()),
            true => Err(Failure::usage(
                "not a single message is due: take a longer --duration or a higher --rate",
            )),
        }
    }
}

impl PublishOptions {
    pub(in super::super) fn check(&self) -> Result<(), Failure> {
        let LoadOptions {
            target, message, ..
        } = &self.load;
        target.check_single()?;
        target.check_urls(self.rooms, "rooms")?;
        if self.no_keep_alive && self.depth > 1 {
            return Err(Failure::usage(
                "a connection that ends with its request has one only: --no-keep-alive goes without --depth",
            ));
        }
        if self.readers == 0 && target.sse {
            return Err(Failure::usage("nobody would read: --sse needs --readers"));
        }
        let is_unknown = |body: &BodyTemplate| !body.has_payload();
        if self.readers > 0 && self.body_template.as_ref().is_some_and(is_unknown) {
            return Err(Failure::usage(
                "readers would not know what they get: put {payload} into --body-template",
            ));
        }
        let extent = Extent {
            rooms: self.rooms,
            readers: self.readers,
            publishers: self.connections,
            window: self.connections.saturating_mul(self.depth),
        };
        extent.check(message)
    }
}

impl SlowOptions {
    pub(in super::super) fn check(&self) -> Result<(), Failure> {
        let LoadOptions {
            target, message, ..
        } = &self.load;
        self.voices.check()?;
        target.check_single()?;
        target.check_urls(1, "rooms")?;
        if self.stalled > self.voices.readers {
            return Err(Failure::usage(format!(
                "--stalled {} are more than --readers {}",
                self.stalled, self.voices.readers
            )));
        }
        let is_anybody_left =
            self.stalled < self.voices.readers || self.voices.publishers_read_each_other();
        if !is_anybody_left {
            return Err(Failure::usage(
                "no reader would be left: take a smaller --stalled, or more --readers",
            ));
        }
        self.voices.extent(1, self.window).check(message)
    }
}

impl ChurnOptions {
    pub(in super::super) fn check(&self) -> Result<(), Failure> {
        self.target.check_single()?;
        self.target.check_websockets()?;
        self.target.check_host()
    }
}

impl IdleOptions {
    pub(in super::super) fn check(&self) -> Result<(), Failure> {
        check_connections(self.connections)?;
        self.target.check_urls(self.connections, "connections")
    }
}

impl LimitOptions {
    pub(in super::super) fn check(&self) -> Result<(), Failure> {
        let extent = Extent {
            rooms: 1,
            readers: self.readers,
            publishers: 1,
            window: self.window,
        };
        extent.check(&self.message)
    }
}

impl VoiceOptions {
    fn check(&self) -> Result<(), Failure> {
        match self.readers > 0 || self.publishers_read_each_other() {
            true => Ok(()),
            false => Err(Failure::usage(
                "nothing would be delivered: there are no --readers, and the publisher does not \
                 get its own messages",
            )),
        }
    }

    fn publishers_read_each_other(&self) -> bool {
        self.publishers > 1 || !self.no_self_echo
    }

    fn extent(&self, rooms: usize, window: usize) -> Extent {
        Extent {
            rooms,
            readers: self.readers,
            publishers: self.publishers,
            window,
        }
    }
}

impl TargetOptions {
    /// For scenarios that one process runs alone.
    fn check_single(&self) -> Result<(), Failure> {
        match self.workers {
            1 => Ok(()),
            _ => Err(Failure::usage(
                "--workers is for idle connections, and for fanout and paced with one room",
            )),
        }
    }

    /// For scenarios that can share their room among processes, if they have only one.
    fn check_shared(&self, rooms: usize) -> Result<(), Failure> {
        match rooms {
            1 => Ok(()),
            _ => self.check_single(),
        }
    }

    /// For scenarios whose connections all publish.
    fn check_websockets(&self) -> Result<(), Failure> {
        match self.sse {
            false => Ok(()),
            true => Err(Failure::usage(
                "event streams only read, and here each connection publishes: --sse is for fanout, paced, \
                 slow, idle and publish",
            )),
        }
    }

    /// A request has one Host header (RFC 9110 §7.2).
    fn check_host(&self) -> Result<(), Failure> {
        match self.host_count() {
            0 | 1 => Ok(()),
            _ => Err(Failure::usage("--header gives Host more than once")),
        }
    }

    /// A URL that no connection uses is a mistake.
    fn check_urls(&self, users: usize, of_what: &str) -> Result<(), Failure> {
        self.check_host()?;
        match self.urls.len() {
            urls if urls > users => Err(Failure::usage(format!(
                "{urls} URLs are more than there are {of_what} ({users}), which use one each"
            ))),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Options;
    use crate::bench::options::Command;
    use clap::{Args, FromArgMatches};

    /// The message about a command line; empty if it is in order.
    fn complaint(line: &str) -> Option<String> {
        let command = Options::augment_args(clap::Command::new("bench"));
        let words = std::iter::once("bench").chain(line.split_whitespace());
        let options = command
            .try_get_matches_from(words)
            .and_then(|matches| Options::from_arg_matches(&matches));
        let checked = match options {
            Err(error) => return Some(error.to_string()),
            Ok(options) => match options.command {
                Command::Fanout(options) => options.check(),
                Command::Echo(options) => options.check(),
                Command::Paced(options) => options.check(),
                Command::Publish(options) => options.check(),
                Command::Slow(options) => options.check(),
                Command::Churn(options) => options.check(),
                Command::Idle(options) => options.check(),
                Command::Limit(options) => options.check(),
                _ => Ok(()),
            },
        };
        checked.err().map(|failure| failure.reason)
    }

    #[test]
    fn what_is_refused_and_why() {
        for (line, words) in [
            ("fanout ws://h -r 5000000000", "at most 1000000 connections"),
            (
                "fanout ws://h -r 999999 --rooms 2",
                "at most 1000000 connections",
            ),
            (
                "fanout ws://h --rooms 18446744073709551615",
                "at most 1000000",
            ),
            (
                "fanout ws://h -w 100000000",
                "more than 1 GiB would be outstanding",
            ),
            ("fanout ws://h -p 262144", "more than 134217728 pairs"),
            (
                "fanout ws://h -r 0 --rooms 262145",
                "at most 262144 publishers",
            ),
            (
                "echo ws://h --depth 18446744073709551615",
                "more than 1 GiB",
            ),
            ("idle ws://h -c 18446744073709551615", "at most 1000000"),
            ("limit -r 99999999999999", "at most 1000000 connections"),
            ("limit -w 99999999999999", "more than 1 GiB"),
            ("fanout ws://h --duration 25h", "at most a day"),
            ("fanout ws://h --duration 0s", "longer than none"),
            ("fanout ws://h --workers 1000", "at most 256"),
            ("fanout ws://h --in-flight 0", "expected a number from 1 on"),
            ("fanout ws://h --messages 0", "expected a number from 1 on"),
            ("churn ws://h --cycles 0", "expected a number from 1 on"),
            ("fanout ws://h -r -1", "expected a number from 0 on"),
            ("fanout ws://h -p -1", "expected a number from 1 on"),
            (
                "fanout ws://h -r 0 --no-self-echo",
                "nothing would be delivered",
            ),
            (
                "paced ws://h --rate 0.1 -d 5s",
                "not a single message is due",
            ),
            (
                "slow ws://h --stalled 3 -r 2",
                "--stalled 3 are more than --readers 2",
            ),
            (
                "fanout ws://h ws://i",
                "2 URLs are more than there are rooms (1)",
            ),
            ("echo ws://h --workers 2", "--workers is for idle"),
            (
                "fanout ws://h --rooms 2 --workers 2",
                "--workers is for idle",
            ),
            (
                "slow ws://h --stalled 2 -r 2 --no-self-echo",
                "no reader would be left",
            ),
            ("fanout ws://h --text --binary", "cannot be used with"),
            ("fanout ws://h --v1 --no-self-echo", "--no-self-echo"),
            ("fanout ws://h --since -r 0", "nobody to cut off"),
            ("fanout ws://h --since --workers 2", "without --workers"),
            ("fanout ws://h --cuts 5", "--since"),
            ("fanout ws://h --sse --since", "cannot be used with"),
            ("fanout ws://h --sse --v1", "cannot be used with"),
            ("paced ws://h --sse --deflate", "cannot be used with"),
            (
                "publish http://h --no-keep-alive --depth 2",
                "without --depth",
            ),
            ("publish http://h --sse", "--sse needs --readers"),
            ("publish http://h --read-url ws://h", "--readers"),
            (
                "publish http://h -r 1 --body-template x",
                "put {payload} into",
            ),
            ("publish http://h --depth 99999999", "more than 1 GiB"),
            ("publish http://h --workers 2", "--workers is for idle"),
            ("echo ws://h --sse", "event streams only read"),
            ("churn ws://h --sse", "event streams only read"),
            ("fanout ws://h --since --away 0s", "longer than none"),
            (
                "churn ws://h --header Host:a --header host:b",
                "--header gives Host more than once",
            ),
            (
                "idle ws://h --header Host:a --header host:b",
                "--header gives Host more than once",
            ),
            (
                "fanout ws://h --size 0",
                "a message takes at least 12 bytes",
            ),
        ] {
            let complaint = complaint(line).unwrap_or_default();
            assert!(complaint.contains(words), "{line}: {complaint}");
        }
    }

    #[test]
    fn what_is_in_order() {
        for line in [
            "fanout ws://h -r 0",
            "fanout ws://h -r 0 -p 2 --no-self-echo",
            "fanout ws://h ws://i --rooms 2 --warm-up 0s",
            "fanout ws://h -r 999999 --binary",
            "fanout ws://h --v1 --workers 2",
            "fanout http://h --sse --workers 2 --no-self-echo",
            "fanout ws://h --since --cuts 0.5 --away 1s --rooms 3",
            "publish http://h --body-template x --method PUT",
            "publish http://h/p -r 5 --sse --read-url http://h/r -c 8 --depth 16 --binary",
            "paced ws://h --rate 0.2 -d 5s --warm-up 0",
            "slow ws://h --stalled 2 -r 2",
            "idle ws://h ws://i -c 1000000",
            "echo ws://h/{i} -c 10000 --depth 32",
            "limit -r 1000 -w 32 --size 32KiB",
        ] {
            assert_eq!(complaint(line), None, "{line}");
        }
    }

    #[test]
    fn help_lists_workers_where_they_are_of_use() {
        for (scenario, is_listed) in [
            ("fanout", true),
            ("paced", true),
            ("idle", true),
            ("echo", false),
            ("slow", false),
            ("churn", false),
        ] {
            let help = complaint(&format!("{scenario} --help")).unwrap_or_default();
            assert_eq!(help.contains("--workers"), is_listed, "{scenario}");
            assert!(help.contains("--in-flight"), "{scenario}");
        }
    }
}
