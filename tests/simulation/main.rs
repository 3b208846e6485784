//! A seeded simulation of the whole relay.
//!
//! Each seed draws a world: limits, clients, a network. In it runs the real
//! [`Relay`](fanfare::relay::Relay), under a clock that jumps to the next deadline, over kernels
//! whose buffers are small and whose segments are cut anywhere, and everything that it does is
//! judged from outside.
//!
//! ```text
//!   story.rs: the course of events      elsewhere.rs: messages that no client sends
//!   reload.rs: other limits and files   ghosts.rs: events for connections that are gone
//!
//!   client ── client.rs, request.rs, violation.rs, addresses.rs: what it sends, and from where, with a mark
//!     ▲│      of what it means
//!     │▼
//!   network ─ network.rs: bounded buffers, delays, cuts, short writes, resets
//!     ▲│
//!     │▼
//!   turn.rs, driver.rs ─ the loop, the server's very own
//!     ▲│                         ┌ tap.rs, receive.rs: what it wrote, parsed by other means, was owed
//!     │▼                         ├ calls.rs, marks.rs: what each call did, by the counters that rose in it
//!     │                          ├ history.rs, reader.rs, rates.rs: what each member is owed, and may send
//!   Relay ◄───── judged by ──────┼ retained.rs, lives.rs, v1.rs: what readers that come back are offered, and told
//!     │                          ├ admission.rs: which client addresses may connect, and which may not
//!     ▼                          ├ timers.rs, endings.rs, laps.rs: deadlines, and reasons for an end
//!   hooks.rs: what they decide,  ├ prompt.rs: in how many turns a connection is written to, and read
//!   and are told                 └ judge.rs, memory.rs: bounds, wake-ups, and nothing left
//! ```
//!
//! Where the order is elsewhere, the world is another one: engine/. So is that of publishers by HTTP: posts/.
//!
//! `FANFARE_SIM_SEEDS` sets how many seeds are run, `FANFARE_SIM_SEED` the first one. That one
//! alone is run with a trace: `FANFARE_SIM_SEED=7 cargo test --test simulation -- --nocapture`; of an
//! engine's worlds it is `FANFARE_SIM_ENGINE_SEED`, and of publishers' `FANFARE_SIM_POSTS_SEED`.

mod addresses;
mod admission;
mod bounds;
mod calls;
mod character;
mod client;
mod driver;
mod elsewhere;
mod endings;
mod engine;
mod ghosts;
mod history;
mod hooks;
mod judge;
mod laps;
mod lives;
mod marks;
mod memory;
mod message;
mod network;
mod peer;
mod policies;
mod posts;
mod prompt;
mod random;
mod rates;
mod reader;
mod receive;
mod regressions;
mod reload;
mod request;
mod retained;
mod returns;
mod script;
mod storm;
mod story;
mod streams;
mod tap;
mod timers;
mod turn;
mod v1;
mod violation;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use world::World;

/// Seeds that a test run looks at, unless it is told otherwise.
const SEEDS: u64 = 5000;

#[test]
fn the_relay_keeps_its_promises() {
    run(1, "FANFARE_SIM_SEED", |seed, trace| {
        World::new(seed, trace).run();
    });
}

/// One world in this many is an engine's: it has several relays, and takes as much longer.
const WORLDS_PER_ENGINE: u64 = 10;

#[test]
fn there_is_one_order_for_all() {
    run(
        WORLDS_PER_ENGINE,
        "FANFARE_SIM_ENGINE_SEED",
        |seed, trace| {
            engine::World::new(seed, trace).run();
        },
    );
}

/// One world in this many is one of publishers by HTTP.
const WORLDS_PER_PUBLISHERS: u64 = 10;

#[test]
fn what_is_posted_is_published_once() {
    run(
        WORLDS_PER_PUBLISHERS,
        "FANFARE_SIM_POSTS_SEED",
        |seed, trace| {
            posts::World::new(seed, trace).run();
        },
    );
}

/// A number that the environment gives.
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Runs one seed in this many of those that are asked for, on all processors; or the one that `variable`
/// names.
fn run(share: u64, variable: &str, world: impl Fn(u64, bool) + Sync) {
    let (first, seeds) = (number(variable), number("FANFARE_SIM_SEEDS"));
    if let (Some(seed), None) = (first, seeds) {
        return world(seed, true);
    }
    let first = first.unwrap_or(0);
    let end = first + seeds.unwrap_or(SEEDS) / share;
    let next = AtomicU64::new(first);
    let failed = AtomicU64::new(u64::MAX);
    let stop = AtomicBool::new(false);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        return;
                    }
                    let world = AssertUnwindSafe(|| world(seed, false));
                    if catch_unwind(world).is_err() {
                        failed.fetch_min(seed, Ordering::Relaxed);
                        stop.store(true, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner();
    assert_eq!(
        failed,
        u64::MAX,
        "seed {failed} failed; see it happen with\n\
         {variable}={failed} cargo test --test simulation -- --nocapture"
    );
}
