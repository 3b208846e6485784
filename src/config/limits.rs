//! What settings mean together: the bounds that the relay keeps, unless they contradict each other
//! or the system.

use super::address::Address;
use super::error::ConfigError;
use super::settings::Config;
use super::value::{Count, Switch};
use crate::proxy::{ClientAddress, Network};
use crate::relay::{ADMIN_CONNECTIONS_MAX, Admission, Compression, Limits, Pace, Rates};
use crate::sys::clock::ticks;
use std::sync::Arc;

/// Descriptors that are not sockets of clients: standard streams, poller, signals, listeners, and
/// some to spare for files.
const DESCRIPTORS_RESERVED: usize = 16;

/// Sockets beyond `connections_max`, for pages, and for telling clients that there is no place.
const SOCKETS_SPARE: usize = 64;

/// A message can't be larger, whatever is set: 1 GiB.
const MESSAGE_BYTES_LIMIT: u64 = 1 << 30;

/// A buffer of the kernel's can't be larger, whatever is set: its size is a signed number of 32 bits,
/// of which the kernel takes the double.
const SEND_BUFFER_BYTES_LIMIT: u64 = 1 << 30;

/// What a request that opens a WebSocket takes at the least, rounded up.
const HEAD_BYTES_LEAST: u64 = 256;

/// A topic's log holds this many messages of the largest size, so that a turn can take in a quarter
/// of it without lapping a reader that keeps up.
const MESSAGES_PER_LOG: u64 = 4;

impl Config {
    /// The relay's bounds, if the settings fit together. If not, the error names all that is wrong.
    pub fn limits(&self) -> Result<Limits, ConfigError> {
        let (admission, policies) = (self.admission(), self.policies());
        let mut problems = Vec::new();
        problems.extend(self.check_addresses().err());
        problems.extend(self.check_admin().err());
        problems.extend(admission.as_ref().err().cloned());
        problems.extend(self.size_problems());
        problems.extend(policies.as_ref().err().into_iter().flatten().cloned());
        let (Ok(admission), Ok(policies), true) = (admission, policies, problems.is_empty()) else {
            return Err(problems.into());
        };
        Ok(Limits {
            connections_max: self.connections_max.map_or(usize::MAX, |count| count.0),
            head_bytes_max: self.head_bytes_max.as_usize(),
            message_bytes_max: self.message_bytes_max.as_usize(),
            topic_log_bytes_max: self.topic_log_bytes_max.as_usize(),
            log_bytes_max: self.log_bytes_max.as_usize(),
            outbox_bytes_max: self.outbox_bytes_max.as_usize(),
            rescue_bytes_max: self.rescue_bytes_max.as_usize(),
            private_bytes_max: self.private_bytes_max.as_usize(),
            policies: Arc::new(policies),
            topics_max: self.topics_max.map_or(usize::MAX, |count| count.0),
            subprotocols: self.subprotocol.iter().map(ToString::to_string).collect(),
            admission,
            rates: Rates {
                messages_per_second_max: self.messages_per_second_max.map(count_u32),
                bytes_per_second_max: self.bytes_per_second_max.map(|bytes| bytes.0),
            },
            compression: (self.compression == Switch::On).then(|| Compression {
                level: self.compression_level.0,
                bytes_min: self.compression_bytes_min.as_usize(),
            }),
            origins: self.origin.iter().map(ToString::to_string).collect(),
            hosts: self.host.iter().map(ToString::to_string).collect(),
            handshake_timeout: ticks(self.handshake_timeout.0),
            body_timeout: ticks(self.body_timeout.0),
            keep_alive_timeout: ticks(self.keep_alive_timeout.0),
            heartbeat_interval: self
                .heartbeat_interval
                .map_or(u32::MAX, |period| ticks(period.0)),
            pong_timeout: ticks(self.pong_timeout.0),
            idle_timeout: self.idle_timeout.map(|period| ticks(period.0)),
            stalled_write_timeout: ticks(self.stalled_write_timeout.0),
            close_timeout: ticks(self.close_timeout.0),
            unsettled_bytes_max: Limits::UNSETTLED_BYTES_MAX,
            pace: Pace::default(),
        })
    }

    /// What is wrong with sizes.
    fn size_problems(&self) -> impl Iterator<Item = String> {
        let cite = |name| self.cite(name);
        let message = self.message_bytes_max.0;
        let topic_log = self.topic_log_bytes_max.0;
        let problems = [
            (message > MESSAGE_BYTES_LIMIT).then(|| {
                let cite = cite("message_bytes_max");
                format!("{cite} is too much: it can be 1 GiB at most")
            }),
            (topic_log < message.saturating_mul(MESSAGES_PER_LOG)).then(|| {
                format!(
                    "{} is less than {MESSAGES_PER_LOG} times {}: raise the one or lower the other",
                    cite("topic_log_bytes_max"),
                    cite("message_bytes_max")
                )
            }),
            (self.private_bytes_max.0 < message).then(|| {
                format!(
                    "{} is less than {}, which an unfinished message may take",
                    cite("private_bytes_max"),
                    cite("message_bytes_max")
                )
            }),
            (self.head_bytes_max.0 < HEAD_BYTES_LEAST).then(|| {
                let cite = cite("head_bytes_max");
                format!(
                    "{cite} lets no client in: a request that opens a WebSocket takes some {HEAD_BYTES_LEAST} bytes"
                )
            }),
            (self.send_buffer_bytes.0 > SEND_BUFFER_BYTES_LIMIT).then(|| {
                let cite = cite("send_buffer_bytes");
                format!("{cite} is more than a socket can have: 1 GiB at most")
            }),
            (self.log_bytes_max.0 < topic_log).then(|| {
                format!(
                    "{} is less than {}, which it is to hold at least once",
                    cite("log_bytes_max"),
                    cite("topic_log_bytes_max")
                )
            }),
        ];
        problems.into_iter().flatten()
    }

    /// Which clients are let in; an error if client addresses come from proxies and none is trusted.
    fn admission(&self) -> Result<Admission, String> {
        let is_asked = self.client_address != ClientAddress::Peer;
        if is_asked && self.trusted_proxy.is_empty() {
            return Err(format!(
                "{} needs to know which proxies to trust: name them with --trusted-proxy",
                self.cite("client_address")
            ));
        }
        if !is_asked && !self.trusted_proxy.is_empty() {
            return Err(format!(
                "{} has no effect with {}: say how the proxies tell with --client-address \
                 proxy-protocol or forwarded-for",
                self.cite("trusted_proxy"),
                self.cite("client_address")
            ));
        }
        self.check_client_addresses()?;
        let ports = |Count(max): Count| {
            u16::try_from(max).map_err(|_| {
                format!(
                    "{} is more than an address can have: it has 65535 ports",
                    self.cite("address_connections_max")
                )
            })
        };
        Ok(Admission {
            client_address: self.client_address,
            trusted: self.trusted_proxy.iter().copied().collect(),
            address_connections_max: self.address_connections_max.map(ports).transpose()?,
            address_connections_per_second_max: self
                .address_connections_per_second_max
                .map(count_u32),
        })
    }

    /// Checks that settings which need client addresses can have them: there are none by a Unix domain
    /// socket.
    fn check_client_addresses(&self) -> Result<(), String> {
        let listens = |is: fn(&Address) -> bool| self.listen.iter().any(is);
        let is_unix =
            |address: &Address| matches!(address, Address::Unix(_) | Address::Abstract(_));
        let may_be_tcp = listens(|address| matches!(address, Address::Tcp(..) | Address::Systemd));
        let may_be_unix = listens(|address| !matches!(address, Address::Tcp(..)));
        let trusts = |network: &Network| match network {
            Network::Unix => may_be_unix,
            Network::Ip(_) => may_be_tcp,
        };
        let proxies = &self.trusted_proxy;
        if !proxies.is_empty() && !proxies.iter().any(trusts) {
            let why = match may_be_tcp {
                true => "no listener is a Unix domain socket: name the proxies' addresses",
                false => "all connect by Unix domain sockets: that is --trusted-proxy unix",
            };
            return Err(format!(
                "{} has no effect: {why}",
                self.cite("trusted_proxy")
            ));
        }
        for (name, bound) in [
            ("address_connections_max", self.address_connections_max),
            (
                "address_connections_per_second_max",
                self.address_connections_per_second_max,
            ),
        ] {
            if bound.is_some() && proxies.is_empty() && self.listen.iter().all(is_unix) {
                let why = "clients on Unix domain sockets have no address: say how a proxy tells it \
                           with --client-address";
                return Err(format!("{} has no effect: {why}", self.cite(name)));
            }
        }
        Ok(())
    }

    fn check_addresses(&self) -> Result<(), String> {
        let cite = self.cite("listen");
        if self.listen.is_empty() {
            return Err(format!("{cite}: expected an address to listen on"));
        }
        for (index, address) in self.listen.iter().enumerate() {
            let mut before = self.listen[..index].iter();
            match before.find(|other| other.excludes(address)) {
                Some(other) if other == address => {
                    return Err(format!("{cite}: {address} is there twice"));
                }
                Some(other) => {
                    let why = format!("{other} and {address} are in part the same: leave one out");
                    return Err(format!("{cite}: {why}"));
                }
                None => {}
            }
        }
        let mut all = self.listen.iter().chain(&self.admin);
        let has_file = all
            .clone()
            .any(|address| matches!(address, Address::Unix(_)));
        let nameless = all.find(|address| matches!(address, Address::Abstract(_)));
        match nameless.filter(|_| self.is_set("unix_mode") && !has_file) {
            Some(address) => Err(format!(
                "{} has no effect: {address} is no file, and every process of this machine may connect",
                self.cite("unix_mode")
            )),
            None => Ok(()),
        }
    }

    /// What the operator sees is not for the public: their listener has an address of its own.
    fn check_admin(&self) -> Result<(), String> {
        let Some(admin) = &self.admin else {
            return Ok(());
        };
        if *admin == Address::Systemd {
            let why = "all sockets that systemd hands over are for the public: give an address";
            return Err(format!("{}: {why}", self.cite("admin")));
        }
        match self.listen.iter().find(|public| public.overlaps(admin)) {
            Some(public) => Err(format!(
                "{} is where the public is let in (--listen {public}): choose another one for it",
                self.cite("admin")
            )),
            None => Ok(()),
        }
    }

    /// Sockets of clients that may be open at a time, given how many files the process may have open,
    /// and how many sockets it listens on.
    pub fn sockets_max(
        &self,
        descriptors_max: usize,
        listeners: usize,
    ) -> Result<usize, ConfigError> {
        let admin = self.admin.as_ref().map_or(0, |_| ADMIN_CONNECTIONS_MAX);
        let reserved = DESCRIPTORS_RESERVED + listeners + admin;
        let available = descriptors_max.saturating_sub(reserved);
        let Some(Count(connections_max)) = self.connections_max else {
            return match available {
                0 => Err(format!(
                    "the process may have {descriptors_max} files open, and needs more than \
                     {reserved}: raise the limit (ulimit -n, LimitNOFILE= of a service)"
                )
                .into()),
                available => Ok(available),
            };
        };
        let needed = connections_max.saturating_add(SOCKETS_SPARE);
        if needed > available {
            return Err(format!(
                "{} takes {} open files, and the process may have {descriptors_max}: raise the \
                 limit (ulimit -n, LimitNOFILE= of a service), or lower the setting to {}",
                self.cite("connections_max"),
                needed.saturating_add(reserved),
                available.saturating_sub(SOCKETS_SPARE),
            )
            .into());
        }
        Ok(needed)
    }
}

/// A rate that is far beyond what can be is as good as none.
fn count_u32(count: Count) -> u32 {
    u32::try_from(count.0).unwrap_or(u32::MAX)
}
