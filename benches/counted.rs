//! The pieces of work for `benches/instructions`, which runs each of them under valgrind and counts
//! what happens inside of [`counted`]. Without an argument it runs all, so that they keep working. With
//! `hold N` it ends with as many connections at rest, and leaves it to valgrind to say what they take.

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
        Some("hold") => work::relay::hold(number(env::args().next_back())),
        Some(_) => run(&works[number(chosen)]),
    }
}

fn number(argument: Option<String>) -> usize {
    let number = argument.and_then(|argument| argument.parse().ok());
    number.expect("`list`, a work's index, or `hold` and a number of connections")
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
