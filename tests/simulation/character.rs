//! What a seed's world is like. Each feature is on in some worlds and off in others, so that seeds
//! differ in kind and not in detail only: a bug that needs many pings shows where pings are
//! frequent, and one that pings would hide where there are none.

use crate::addresses;
use crate::policies;
use crate::random::Random;
use fanfare::proxy::ClientAddress;
use fanfare::relay::{Admission, Compression, Limits, Pace, Policy, Publish, Rates, SlowPolicy};
use fanfare::turn::Shares;
use std::sync::Arc;

/// The character of a world.
#[derive(Debug)]
pub(crate) struct Character {
    /// Those in force.
    pub(crate) limits: Limits,
    pub(crate) has_hooks: bool,
    /// There is a bound on what a client may send, or there may be one after a reload; and on new connections.
    pub(crate) has_rates: bool,
    pub(crate) has_bounds_by_address: bool,
    /// Addresses that clients come from.
    pub(crate) addresses: usize,
    /// The limits may say so at some time: then messages must tell where a gap ends.
    pub(crate) may_skip: bool,
    /// The same of readers that begin with what is retained.
    pub(crate) may_replay: bool,
    /// A topic may take no messages of WebSockets: what comes with a request leaves no trace then.
    pub(crate) may_refuse: bool,
    /// Clients that come in all, and how many of them may be there at a time.
    pub(crate) clients: usize,
    pub(crate) clients_at_once: usize,
    pub(crate) topics: usize,
    /// Rounds of chance before everything calms down.
    pub(crate) rounds: u32,
    /// Things that happen between two turns, at most.
    pub(crate) bustle: u32,
    /// Time passes after one round in this many.
    pub(crate) pace: u32,
    /// The loop's own bounds.
    pub(crate) shares: Shares,
    pub(crate) events_max: usize,
    pub(crate) accepts_max: usize,
    /// The kernel's buffers.
    pub(crate) capacity_max: usize,
    pub(crate) capacity_min: usize,
    /// Bytes that the network moves at a time, at most.
    pub(crate) segment_bytes_max: usize,
    /// Bytes that a client has under way, at most, before it sends more.
    pub(crate) volume_max: usize,
    /// Messages that a client sends at a time, at most.
    pub(crate) batch_max: usize,
    /// Messages are all small in some worlds, though they could be larger.
    pub(crate) message_bytes_max: usize,
    /// How frequent a thing is: once in this many chances, 0 for never.
    pub(crate) often: Often,
    /// The library's session listens along.
    pub(crate) differential: bool,
    /// Turns may come late.
    pub(crate) late: bool,
    /// The end comes as a shutdown.
    pub(crate) shutdown: bool,
}

/// How much goes through buffers of what size.
#[derive(Clone, Copy)]
enum Grain {
    Fine,
    Middle,
    Coarse,
}

/// Frequencies: once in this many chances, 0 for never.
#[derive(Debug)]
pub(crate) struct Often {
    // Of clients:
    pub(crate) no_echo: u32,
    pub(crate) eager: u32,
    pub(crate) visitor: u32,
    pub(crate) mute: u32,
    pub(crate) bad: u32,
    pub(crate) slow: u32,
    pub(crate) dead: u32,
    pub(crate) rude: u32,
    // Of what a member does:
    pub(crate) fragments: u32,
    pub(crate) ping: u32,
    pub(crate) leave: u32,
    pub(crate) fin: u32,
    pub(crate) reset: u32,
    pub(crate) violation: u32,
    pub(crate) vanish: u32,
    // Of clients, and of their messages:
    pub(crate) deflate: u32,
    /// Messages from elsewhere than a client.
    pub(crate) elsewhere: u32,
    /// Clients that want something of the hook.
    pub(crate) wish: u32,
    /// Clients that speak `fanfare.v1`.
    pub(crate) v1: u32,
    /// Clients that ask for what is retained.
    pub(crate) since: u32,
    /// Operators that come, and what they do.
    pub(crate) operator: u32,
    pub(crate) reload: u32,
    /// Connections that are gone and speak all the same.
    pub(crate) ghost: u32,
    pub(crate) shutdown: u32,
    // Of what the network does:
    pub(crate) freeze: u32,
    pub(crate) refuse: u32,
    pub(crate) spurious: u32,
}

/// A turn sends so little that what is due may have to wait for the next ones.
pub(crate) fn may_put_off_output(limits: &Limits) -> bool {
    limits.pace.output_bytes_per_turn < Pace::default().output_bytes_per_turn
}

impl Character {
    pub(crate) fn draw(random: &mut Random) -> Self {
        // Large messages through tiny buffers take for ever.
        let grain = random.pick(&[Grain::Fine, Grain::Middle, Grain::Coarse]);
        let message_bytes_max = random.pick(match grain {
            Grain::Fine => &[125, 300][..],
            Grain::Middle => &[125, 1000, 4096],
            Grain::Coarse => &[4096, 20_000, 65_536, 131_072],
        });
        let capacity_max = random.pick(match grain {
            Grain::Fine => &[20, 100, 1000][..],
            Grain::Middle => &[500, 5000, 50_000],
            Grain::Coarse => &[50_000, 250_000, 4 << 20],
        });
        let mut limits = Character::draw_limits(message_bytes_max, random);
        let small_only = random.once_in(3);
        let mut often = |choices: &[u32]| random.pick(choices);
        let mut often = Often {
            no_echo: often(&[0, 0, 2, 4]),
            eager: often(&[0, 2, 4]),
            visitor: often(&[0, 0, 3, 10]),
            mute: often(&[0, 0, 10]),
            bad: often(&[0, 0, 3, 10]),
            slow: often(&[0, 2, 4, 10]),
            dead: often(&[0, 0, 4, 10]),
            rude: often(&[0, 3, 10]),
            fragments: often(&[0, 0, 2, 10]),
            ping: often(&[0, 0, 2, 10]),
            leave: often(&[0, 50, 200]),
            fin: often(&[0, 0, 100, 500]),
            reset: often(&[0, 0, 100, 500]),
            violation: often(&[0, 0, 100, 500]),
            vanish: often(&[0, 0, 100, 500]),
            freeze: often(&[0, 20, 100]),
            refuse: often(&[0, 0, 0, 10, 100]),
            spurious: often(&[0, 0, 20]),
            deflate: often(&[0, 1, 2, 2, 4]),
            elsewhere: often(&[0, 0, 5, 50]),
            wish: often(&[2, 5, 20]),
            since: often(&[1, 2, 5]),
            v1: often(&[0, 1, 2, 4]),
            operator: often(&[0, 0, 0, 5, 50]),
            reload: often(&[0, 0, 0, 300, 3000]),
            ghost: often(&[0, 3]),
            shutdown: often(&[0, 30, 300]),
        };
        if often.v1 > 0 {
            // A client whose answers wait is not read any more, in the middle of what it sent: returns.rs tries that.
            limits.outbox_bytes_max = 16 << 20;
        }
        let has_rates = random.once_in(4);
        if has_rates {
            limits.rates = Character::draw_rates(random);
            // What a message inflates to counts, too, and can't be seen from outside.
            often.deflate = 0;
        }
        if !has_rates && random.once_in(3) {
            // Many come back, and have long to do with what they missed.
            limits.policies = Arc::new(random.retention(limits.topic_log_bytes_max));
            limits.pace.replay_bytes_per_turn = random.pick(&[1, 500]);
            limits.pace.replay_bytes_per_write = random.pick(&[10, 100]);
            (often.since, often.no_echo) = (1, random.pick(&[0, 2]));
            often.deflate = random.pick(&[1, 2]);
        }
        let has_bounds_by_address = random.once_in(3);
        if has_bounds_by_address {
            limits.admission = Character::draw_admission(random);
        }
        let reloads = often.reload > 0;
        let is_any = |is_so: fn(&Policy) -> bool| policies::is_any(&limits.policies, is_so);
        let may_skip = reloads || is_any(|policy| policy.slow_policy == SlowPolicy::Skip);
        let may_refuse = reloads || is_any(|policy| policy.publish != Publish::Anybody);
        let may_replay = reloads || is_any(|policy| policy.retention.is_some());
        Character {
            limits,
            has_hooks: random.once_in(3),
            has_rates,
            has_bounds_by_address,
            addresses: random.between(1, 6) as usize,
            may_skip,
            may_replay,
            may_refuse,
            clients: random.between(2, 40) as usize,
            clients_at_once: random.between(2, 20) as usize,
            topics: random.pick(&[1, 1, 2, 5, 30]),
            rounds: random.between(20, 300),
            bustle: random.pick(&[2, 10, 50, 50]),
            pace: random.pick(&[1, 3, 10, 50]),
            shares: Shares {
                read_bytes_max: random.pick(match grain {
                    Grain::Fine | Grain::Middle => &[64 * 1024, 4096, 100][..],
                    Grain::Coarse => &[64 * 1024, 64 * 1024, 4096],
                }),
                turn_bytes_max: random.pick(&[1 << 20, 1 << 20, 10_000]),
                read_bytes_min: random.pick(&[16 * 1024, 1000, 1]),
            },
            events_max: random.pick(&[1024, 1024, 1, 5]),
            accepts_max: random.pick(&[256, 1, 3]),
            capacity_max,
            capacity_min: capacity_max / 20 + 10,
            volume_max: (4 * capacity_max).clamp(1000, 300_000),
            segment_bytes_max: random.pick(match grain {
                Grain::Fine => &[10, 1500][..],
                Grain::Middle => &[100, 1500, 65_536],
                Grain::Coarse => &[1500, 65_536, 1 << 20],
            }),
            batch_max: random.pick(match grain {
                Grain::Fine => &[1, 3][..],
                Grain::Middle => &[1, 10, 30],
                Grain::Coarse => &[1, 30, 300],
            }),
            message_bytes_max: if small_only { 125 } else { message_bytes_max },
            often,
            differential: random.once_in(8),
            late: random.once_in(4),
            shutdown: random.once_in(4),
        }
    }

    /// Limits under which messages of that size may come.
    pub(crate) fn draw_limits(message_bytes_max: usize, random: &mut Random) -> Limits {
        let topic_log_bytes_max = 4 * message_bytes_max * random.pick(&[1, 1, 2, 4, 16, 64]);
        Limits {
            connections_max: random.pick(&[usize::MAX, usize::MAX, 3, 10]),
            topics_max: random.pick(&[usize::MAX, usize::MAX, 1, 2]),
            head_bytes_max: random.pick(&[16 * 1024, 600]),
            message_bytes_max,
            topic_log_bytes_max,
            log_bytes_max: topic_log_bytes_max * random.pick(&[1, 2, 100]),
            outbox_bytes_max: random.pick(&[10, 200, 4096]),
            rescue_bytes_max: random.pick(&[0, 10, 1000, 65_536, 65_536]),
            unsettled_bytes_max: Limits::UNSETTLED_BYTES_MAX,
            private_bytes_max: random.pick(&[0, 20_000, 100_000, 1 << 28, 1 << 28]),
            policies: Arc::new(random.policies(topic_log_bytes_max)),
            admission: Admission::default(),
            rates: Rates::default(),
            compression: (!random.once_in(4)).then(|| Compression {
                level: random.pick(&[1, 2, 6]),
                bytes_min: random.pick(&[0, 50, 500]),
            }),
            origins: Vec::new(),
            hosts: Vec::new(),
            subprotocols: Vec::new(),
            handshake_timeout: random.between(5, 100),
            body_timeout: random.between(5, 100),
            keep_alive_timeout: random.between(5, 100),
            heartbeat_interval: random.between(5, 250),
            pong_timeout: random.between(3, 100),
            idle_timeout: random.once_in(4).then(|| random.between(20, 400)),
            stalled_write_timeout: random.between(5, 300),
            close_timeout: random.between(5, 50),
            pace: Pace {
                // As many as there may be members of a topic, so that a walk ends with its part of a turn.
                topic_visits_per_turn: random.pick(&[1, 2, 3, 5, 1024]),
                visits_per_turn: random.pick(&[1, 2, 5, 8, 4096, 4096]),
                topic_flush_bytes_per_turn: random.pick(&[1, 500, 1 << 20]),
                flush_bytes_per_turn: random.pick(&[1, 2000, 4 << 20]),
                output_bytes_per_turn: random.pick(&[1, 500, 1 << 20]),
                replay_bytes_per_turn: random.pick(&[1, 500, 1 << 20]),
                replay_bytes_per_write: random.pick(&[10, 500, 64 << 10]),
                laps_per_turn: random.pick(&[1, 2, 256]),
                // A client waits until what it sent compressed was taken in: see client.rs.
                inflated_bytes_per_turn: usize::MAX,
                inflated_bytes_per_step_min: 1,
                timers_per_turn: random.pick(&[1, 4, 1024]),
                closes_per_tick: random.pick(&[1, 3, 100]),
            },
        }
    }

    pub(crate) fn draw_rates(random: &mut Random) -> Rates {
        Rates {
            messages_per_second_max: random.pick(&[None, Some(1), Some(5), Some(50)]),
            bytes_per_second_max: random.pick(&[None, Some(10), Some(1000), Some(100_000)]),
        }
    }

    pub(crate) fn draw_admission(random: &mut Random) -> Admission {
        use ClientAddress::{ForwardedFor, Peer, ProxyProtocol};
        Admission {
            client_address: random.pick(&[Peer, Peer, ProxyProtocol, ForwardedFor]),
            trusted: addresses::trusted(),
            address_connections_max: random.pick(&[None, Some(1), Some(2), Some(5)]),
            address_connections_per_second_max: random.pick(&[None, None, Some(1), Some(3)]),
        }
    }
}
