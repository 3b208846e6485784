//! How long the pieces of work take: `cargo bench --bench timed`, or with a part of a name.

mod work;

use criterion::{Criterion, Throughput};
use std::time::Duration;

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(3))
        .configure_from_args();
    for work in work::all() {
        let mut group = criterion.benchmark_group(work.unit);
        group.throughput(match work.unit {
            "byte" => Throughput::Bytes(work.units),
            _ => Throughput::Elements(work.units),
        });
        group.bench_function(work.name, |bencher| {
            let mut run = (work.prepare)();
            bencher.iter(&mut run);
        });
        group.finish();
    }
    criterion.final_summary();
}
