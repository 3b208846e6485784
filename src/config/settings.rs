//! The settings, each of them once. A new one begins as an entry here:
//!
//! ```text
//!     /// What it is, as the help and the manual say it.
//!     name: Type = "its default", Live or Restart or Live per topic,
//!         "why it is that, or what it protects";
//! ```
//!
//! From its name follow the flag (`--its-name`), the variable (`FANFARE_ITS_NAME`) and the key
//! (`its_name`); from its type the unit, what may be written, and what is said of anything else.
//! `Live` changes when the relay is told to reload, `Restart` when it is started again, and what is
//! `per topic` may differ in the file's `[[topic]]` tables. Settings
//! that bound each other are checked in [`Config::limits`]. `fanfare settings` prints the table
//! that `docs/settings.md` holds, and a test compares the two.
//!
//! What a setting does is not said here: [`Config::limits`] passes it on to the relay, and
//! the server uses the others, at the start and at a reload.

use super::address::Address;
use super::folder::FolderPath;
use super::host::HostName;
use super::origin::OriginRule;
use super::table::settings;
use super::value::{Bytes, CompressionLevel, Count, Level, Mode, Period, Subprotocol, Switch};
use crate::journal::LogFormat;
use crate::proxy::{ClientAddress, Network};
use crate::relay::{Publish, SlowPolicy};

settings! {
    "Addresses" {
        /// Address to listen on; repeat it for several. A port alone means this machine only,
        /// `:PORT` every interface, and port 0 a free one. `unix:PATH` is a Unix domain socket,
        /// `unix:@NAME` one without a file, and `systemd` means all sockets that systemd hands over
        listen: Vec<Address> = "127.0.0.1:8080", Restart,
            "no other machine gets in until the operator says so";

        /// Permissions of the file at `unix:PATH`: which users may connect
        unix_mode: Mode = "0660", Restart,
            "the relay's user and group, which a proxy in front of it shares";

        /// Address that answers the operator's requests (/healthz, /readyz, /metrics, /topics), or
        /// `off`. It should not be one that the public reaches
        admin: Option<Address> = "off", Restart,
            "names of topics and numbers of readers are for the operator alone";

        /// What the address of a client is: that of the `peer`, or what a trusted proxy says by
        /// `proxy-protocol` (version 1 or 2, which it then has to) or in `forwarded-for`
        /// (X-Forwarded-For). It goes into logs and bounds
        client_address: ClientAddress = "peer", Live,
            "anybody can claim an address: only a trusted proxy's word counts";

        /// Network of proxies that are trusted to give a client's address: `10.0.0.0/8`, `::1`, or `unix`
        /// for Unix domain sockets; repeat it for several. Other connections can't give one
        trusted_proxy: Vec<Network> = "", Live,
            "a client that may state its own address can take any";

        /// Origin whose pages may connect, besides pages from the same host; repeat it for several.
        /// `https://example.com`, `example.com` for any scheme, `https://*.example.com` for all names
        /// beneath it, `localhost:*` for any port, or `*` for all. An origin that is no web page's
        /// is named as it is sent (`file://`)
        origin: Vec<OriginRule> = "", Live,
            "a browser lets any page connect, with the user's cookies: those that may are to be named";

        /// Name by which the relay is known, besides addresses, `localhost` and names beneath it:
        /// `chat.example`, `*.example` or `*`; repeat it for several. A request for another host is
        /// answered with 421 where the listener is on loopback, and everywhere once a name is given,
        /// unless a trusted proxy brings it
        host: Vec<HostName> = "", Live,
            "a page can have its own name resolve to 127.0.0.1, and would then pass for one of the relay's own";

        /// Subprotocol that clients may speak, by its name; repeat it for several. Of those that a
        /// client offers, the first that is here is chosen, and otherwise none. `fanfare.v1` is spoken in
        /// any case, and chosen before them
        subprotocol: Vec<Subprotocol> = "", Live,
            "the relay does not read what it passes on: only the operator knows what clients speak";
    }

    "Files" {
        /// Folder to serve at `/` in place of the chat page, or `off`. It is read at the start and at
        /// each reload; hidden files are left out, and links that lead out of it
        public: Option<FolderPath> = "off", Live,
            "the chat page is for trying the relay, and no folder is served by accident";

        /// What the files may take, each 1 KiB besides its bytes; more is an error
        public_bytes_max: Bytes = "64MiB", Live,
            "a site with its pictures: all of it is kept in memory, so that no client waits for a disk";
    }

    "Slow readers" {
        /// What becomes of a reader that lags by more than its topic retains: `close` ends it with
        /// 1013, `skip` moves it to the live end
        slow_policy: SlowPolicy = "close", Live per topic,
            "a reader that was closed knows that it missed something";

        /// What a topic retains for its slowest reader, in each encoding that is read; at least 4
        /// times the largest message
        topic_log_bytes_max: Bytes = "8MiB", Live,
            "a reader may pause for seconds at 1,000 messages of 1 KiB a second";

        /// What all topics retain together; the topics that retain most are cut first
        log_bytes_max: Bytes = "256MiB", Live,
            "32 topics may have slow readers at a time without one of them being cut";

        /// Rest of a frame that is saved for a reader lapped in the middle of it, so that it can be
        /// told why; a longer one drops the connection
        rescue_bytes_max: Bytes = "64KiB", Live,
            "most messages are smaller, and it is a copy for each reader";

        /// The kernel's send buffer of each connection: bandwidth times round trip of the fastest
        /// reader. The system caps it (net.core.wmem_max)
        send_buffer_bytes: Bytes = "256KiB", Restart,
            "left to itself, the kernel holds up to 4 MiB for each reader that stalls";
    }

    "Retention" {
        /// How long a message stays readable for readers that come, or come back, with `since`; `off`, or 30
        /// days at most. The topic and its numbers live as long after its last message or member
        retain: Option<Period> = "off", Live per topic,
            "that strangers read what was said before they came is for the operator to want";

        /// Messages that a topic retains at most, or `off`, while `retain` is on; the oldest go first
        retain_messages: Option<Count> = "off", Live per topic,
            "their age and their bytes are bounds enough";

        /// Bytes of the messages that a topic retains, while `retain` is on; the oldest go first. At most half
        /// of `topic_log_bytes_max`
        retain_bytes_max: Bytes = "1MiB", Live per topic,
            "5,000 messages of 200 bytes, and 256 topics that retain as much are all of `log_bytes_max`";
    }

    "Publishing" {
        /// Which publishers may publish: `anybody`, `http` (over HTTP, and no WebSocket), or
        /// `nobody`; a program that embeds the relay always may
        publish: Publish = "anybody", Live per topic,
            "whatever one member sends reaches all: that is what a relay is for";
    }

    "Compression" {
        /// Whether permessage-deflate is agreed on with clients that offer it. A message is
        /// compressed once, whatever the number of its readers
        compression: Switch = "on", Live,
            "JSON shrinks to a third, once for all readers, in the time of some ten writes";

        /// Time that is spent on making messages smaller: from 1, the least, to 6
        compression_level: CompressionLevel = "2", Live,
            "higher ones take up to three times as long for a tenth less";

        /// Smaller messages are sent as they are
        compression_bytes_min: Bytes = "512", Live,
            "smaller ones fit into one packet anyway, and shrink by less than a half";
    }

    "Limits" {
        /// WebSocket connections in all; the next is answered with 503. When `off`, as many as there
        /// are descriptors, and then new ones wait
        connections_max: Option<Count> = "off", Live,
            "the system's own limit is right until the operator knows a better one";

        /// Connections of one client address, counted from the accept on, or of the first 64 bits of an
        /// IPv6 address; one more is answered with 429. Clients on Unix domain sockets have none
        address_connections_max: Option<Count> = "off", Live,
            "a company, or a whole provider, may share one address, and behind a proxy all do";

        /// New connections of one client address in a second, on the average of five; one more is
        /// answered with 429
        address_connections_per_second_max: Option<Count> = "off", Live,
            "after a fault of the network, all that share an address come back at once";

        /// Messages, pings among them, that one client may send in a second, on the average of five;
        /// more end in 1008
        messages_per_second_max: Option<Count> = "off", Live,
            "what is much for a chat is little for telemetry";

        /// Bytes that one client may send in a second, on the average of five, though the largest
        /// message may always come at once; more end in 1008. Compressed ones count as what they
        /// inflate to
        bytes_per_second_max: Option<Bytes> = "off", Live,
            "what is much for a chat is little for telemetry";

        /// Topics that exist at a time; a connection that would begin one more is answered with 503
        topics_max: Option<Count> = "off", Live,
            "a topic exists only while it has a member or retains something: `connections_max` and `log_bytes_max` \
             bound topics, too";

        /// Largest message, all its fragments together; a larger one ends in 1009
        message_bytes_max: Bytes = "1MiB", Live,
            "far more than chat or telemetry needs, and a quarter of it fits into a turn";

        /// Largest HTTP request head; a larger one is answered with 431
        head_bytes_max: Bytes = "16KiB", Live,
            "what common servers and proxies allow, cookies included";

        /// Pongs that wait for one connection; beyond it, only the latest is kept
        outbox_bytes_max: Bytes = "4KiB", Live,
            "a client that pings without reading must not cost memory";

        /// What all connections hold for themselves: unfinished messages and requests, control frames
        /// that wait. Beyond it, an unfinished message over 16 KiB ends in 1013, and an unfinished
        /// request over 16 KiB in 503
        private_bytes_max: Bytes = "256MiB", Live,
            "256 unfinished messages of the largest size";
    }

    "Timers" {
        /// From the accept to the whole request; then 408
        handshake_timeout: Period = "10s", Live,
            "enough for a slow phone, too short to hoard connections";

        /// From the head of a request that publishes to all of its body; then 408. Where each line of the body is a
        /// message, to the first line
        body_timeout: Period = "30s", Live,
            "enough for the largest message over a slow phone, too short to hoard memory";

        /// Between two HTTP requests of one connection; then it is closed
        keep_alive_timeout: Period = "10s", Live,
            "a page's files come at once; a connection that idles after them only takes up a place";

        /// Silence of a client until it is pinged, or `off`: then a client that vanished is found when
        /// there is something to send; up to a quarter is taken off at random, so that not all are
        /// pinged at once
        heartbeat_interval: Option<Period> = "25s", Live,
            "proxies cut silent connections, often after 60 s";

        /// From the ping until any sign of life; then the connection is dropped as dead
        pong_timeout: Period = "10s", Live,
            "longer than any round trip, so that only dead connections are dropped";

        /// Time without a message, or a part of one, either way, or `off`; then 1001
        idle_timeout: Option<Period> = "off", Live,
            "a quiet topic is no reason to leave it, and heartbeats find dead connections";

        /// Time in which a reader with bytes pending takes none; then it is dropped
        stalled_write_timeout: Period = "30s", Live,
            "a network that changes comes back within it";

        /// For a closing handshake
        close_timeout: Period = "5s", Live,
            "a live client answers within a round trip";

        /// When the relay ends: the time over which closes are spread if there are many connections,
        /// so that those don't all come back at once
        drain: Period = "10s", Live,
            "20,000 clients that come back are then 2,000 a second, and service managers wait longer";
    }

    "Logs" {
        /// What is logged to standard error: off, error, warn, info, debug
        log_level: Level = "info", Live,
            "what an operator wants to know, and nothing for each connection";

        /// How it is written: `human` for people, `json` for machines, one object a line
        log_format: LogFormat = "human", Restart,
            "started by hand, it is read by people";
    }
}

/// The index of the setting of that name.
pub(super) fn find(name: &str) -> Option<usize> {
    SETTINGS.iter().position(|setting| setting.name == name)
}
