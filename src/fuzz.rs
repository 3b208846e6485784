//! The bodies of the fuzz targets: what has to hold for any bytes whatsoever.
//!
//! They live in the library so that `cargo test` can replay `fuzz/seeds/` through them without a
//! fuzzer. They are no part of the interface; `fuzz/README.md` says how to run them.

mod body;
mod deflate;
mod event_stream;
mod extension;
mod fanfare_v1;
mod head;
mod log;
mod path;
mod proxy;
mod session;
mod wheel;
mod wire;

pub use body::body;
pub use deflate::inflate;
pub use event_stream::event_stream;
pub use extension::extension;
pub use fanfare_v1::fanfare_v1;
pub use head::head;
pub use log::log_ops;
pub use path::path;
pub use proxy::proxy;
pub use session::{Said, receive, session};
pub use wheel::wheel_ops;
pub use wire::{frame, mask, utf8};

/// Where to cut `bytes` bytes into reads, ascending: a few ways, told apart by `seed`. What a
/// fuzzer varies then is the cuts, along with the bytes.
fn cuts(seed: u8, bytes: usize) -> impl Iterator<Item = usize> {
    let mut state = u64::from(seed) + 1;
    let mut end = 0;
    std::iter::from_fn(move || {
        // Xorshift: short reads mostly, an empty one now and then.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        end += (state % 23) as usize;
        (end < bytes).then_some(end)
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    /// Runs a target over each of its seeds, and over nothing at all.
    fn replay(target: &str, body: impl Fn(&[u8])) {
        body(b"");
        let seeds = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("fuzz/seeds")
            .join(target);
        let mut count = 0;
        for seed in fs::read_dir(&seeds).expect("a folder of seeds for each target") {
            let seed = seed.expect("a readable folder").path();
            println!("{}", seed.display());
            body(&fs::read(seed).expect("a readable seed"));
            count += 1;
        }
        assert!(count > 0, "{target} has no seeds");
    }

    #[test]
    fn seeds_hold() {
        replay("body", super::body);
        replay("event_stream", super::event_stream);
        replay("extension", super::extension);
        replay("fanfare_v1", super::fanfare_v1);
        replay("frame", super::frame);
        replay("head", super::head);
        replay("inflate", super::inflate);
        replay("log_ops", super::log_ops);
        replay("mask", super::mask);
        replay("path", super::path);
        replay("proxy", super::proxy);
        replay("session", super::session);
        replay("utf8", super::utf8);
        replay("wheel_ops", super::wheel_ops);
    }
}
