//! The storm: hundreds of seeds, each a random fight between people, chain, nodes and watchers, judged at its
//! end by an oracle. `STORM_SEEDS` says how many, `STORM_FIRST` from which, `STORM_SEED` replays
//! one; with `--nocapture`, `STORM_TELL=1` tells each seed as it ends and `STORM_LOUD=1` each deed as it is done.

mod coverage;
mod database;
mod deeds;
mod dice;
mod faults;
mod nodes;
mod oracle;
mod person;
mod pruning;
mod seed;
mod seeds;
mod thief;
mod verdict;
mod watchers;

use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use seed::{Coverage, Seed, Trace};

/// How many seeds `make test` runs.
const SEEDS: u64 = 200;
/// Seeds at once: more than cores, since each waits for its database half of the time.
const ABREAST: usize = 6;
/// So many failures tell enough: no further seed is begun.
const ENOUGH_FAILURES: usize = 3;
/// The first of a run; the seeds of a run are consecutive.
const FIRST: u64 = 1;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

/// Runs a seed to its end; a failure names it and tells what led to it.
pub(crate) fn run(seed: u64) -> Result<Coverage, String> {
    let trace = Trace::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let all = || runtime.block_on(async { Box::pin(Seed::new(seed, trace.clone()).await.run()).await });
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(all)).map_err(|why| {
        let why = why.downcast_ref::<String>().cloned().or_else(|| why.downcast_ref::<&str>().map(|s| (*s).to_owned()));
        let trace = trace.lock().unwrap_or_else(std::sync::PoisonError::into_inner).join("\n");
        format!("{trace}\nseed {seed}: {}", why.unwrap_or_default())
    })
}

/// Runs the seeds, several at a time, each on a thread and a runtime of its own.
fn run_all(seeds: Range<u64>) -> (Coverage, Vec<String>) {
    let next = AtomicU64::new(seeds.start);
    let total = Mutex::new((Coverage::new(), Vec::new()));
    let work = || {
        while let Some(seed) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|seed| seeds.contains(seed)) {
            if total.lock().unwrap().1.len() >= ENOUGH_FAILURES {
                return;
            }
            let started = std::time::Instant::now();
            let outcome = run(seed);
            if number("STORM_TELL").is_some() {
                let how = if outcome.is_ok() { "passes" } else { "FAILS" };
                println!("seed {seed} {how} in {:.1?}", started.elapsed());
            }
            let mut total = total.lock().unwrap();
            match outcome {
                Ok(coverage) => {
                    coverage.into_iter().for_each(|(what, times)| *total.0.entry(what).or_default() += times)
                }
                Err(failure) => total.1.push(failure),
            }
        }
    };
    std::thread::scope(|scope| (0..ABREAST).for_each(|_| drop(scope.spawn(work))));
    total.into_inner().unwrap()
}

#[test]
fn the_storm() {
    if let Some(seed) = number("STORM_SEED") {
        match run(seed) {
            Ok(coverage) => println!("{coverage:#?}\nseed {seed} passes"),
            Err(failure) => panic!("{failure}"),
        }
        return;
    }
    let seeds = number("STORM_SEEDS").unwrap_or(SEEDS);
    let first = number("STORM_FIRST").unwrap_or(FIRST);
    let started = std::time::Instant::now();
    let (coverage, failures) = run_all(first..first + seeds);
    println!("{seeds} seeds in {:.1?}: {coverage:#?}", started.elapsed());
    let name = |failure: &String| failure.lines().filter(|l| l.starts_with("seed ")).collect::<Vec<_>>().join(" ");
    let names: Vec<String> = failures.iter().map(name).collect();
    assert!(failures.is_empty(), "{}\n{} of {seeds} seeds failed:\n{}", failures[0], failures.len(), names.join("\n"));
    coverage::check(&coverage, seeds);
}
