//! From the bytes of a bundle to a snapshot: reading, checking and compiling.

mod generated;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sidegate::loader::reload::compile;
use sidegate::model::Timestamp;
use std::hint::black_box;

fn compiling(criterion: &mut Criterion) {
    let now = Timestamp::from_seconds(1_893_456_000);
    let mut group = criterion.benchmark_group("compile");
    group.sample_size(20);
    for statements in [10, 100, 1_000, 10_000] {
        let files = generated::bundle(statements, 7);
        group.throughput(Throughput::Elements(statements as u64));
        group.bench_with_input(
            BenchmarkId::from_parameter(statements),
            &files,
            |bencher, files| {
                bencher.iter(|| compile(black_box(files), "bench", now).expect("a good bundle"));
            },
        );
    }
    group.finish();
}

criterion_group!(benches, compiling);
criterion_main!(benches);
