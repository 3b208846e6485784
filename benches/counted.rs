//! The pieces of work for `benches/instructions`, which runs each of them under valgrind and counts
//! what happens inside of [`counted`]. Without an argument it runs all, so that they keep working.

mod work;

use std::env;

/// Runs before those that are counted: pools fill, tables grow.
const WARM_UP_RUNS: u64 = 3;
const RUNS: u64 = 10;

fn main() {
    // Cargo adds a flag of its own.
    let chosen = env::args().skip(1).find(|argument| argument != "--bench");
    let works = work::all();
    match chosen.as_deref() {
        None => works.iter().for_each(run),
        Some("list") => works.iter().for_each(describe),
        Some(index) => run(&works[index.parse::<usize>().expect("`list`, or a work's index")]),
    }
}

/// Name, unit, and how many of them are counted.
fn describe(work: &work::Work) {
    println!("{}\t{}\t{}", work.name, work.unit, RUNS * work.units);
}

fn run(work: &work::Work) {
    let mut run = (work.prepare)();
    (0..WARM_UP_RUNS).for_each(|_| run());
    counted(&mut run);
}

/// The counter runs in here alone.
#[inline(never)]
fn counted(run: &mut dyn FnMut()) {
    (0..RUNS).for_each(|_| run());
}
