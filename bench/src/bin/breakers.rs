//! What a closed breaker costs, ours beside others': `breakers WHOSE HOW`, where
//! WHOSE is `kit`, `kit-calls`, `kit-time`, `recloser` or `failsafe`, and HOW is
//! `time`, which says the nanoseconds of a call by itself, or `two`, which says
//! how many million calls a second two threads make on one breaker.
//!
//! Ours is a layer around a service, from readiness to the reply; the others are
//! called with a closure, which is less.

use failsafe::{CircuitBreaker, Config, backoff, failure_policy};
use kit_bench::{
    BoxError,
    layers::{Measured, breaker, breaker_calls, breaker_time, call},
    say,
};
use recloser::Recloser;
use std::{env, hint::black_box, sync::Barrier, thread, time::Duration};
use tokio::time::Instant;

/// Calls between two looks at the clock.
const BATCH: u64 = 10_000;
/// Rounds of that of which the middle one is told; an odd number.
const ROUNDS: usize = 501;
const SECOND: Duration = Duration::from_secs(1);

fn main() -> Result<(), BoxError> {
    let mut args = env::args().skip(1);
    let (whose, how) = (args.next().ok_or("whose?")?, args.next().ok_or("`time` or `two`?")?);
    match &*whose {
        "kit" => layer(breaker(), &how),
        "kit-calls" => layer(breaker_calls(), &how),
        "kit-time" => layer(breaker_time(), &how),
        "recloser" => {
            let breaker = Recloser::custom().error_rate(0.5).closed_len(100).build();
            run(&|| _ = black_box(breaker.call(|| Ok::<u64, BoxError>(black_box(1)))), &how)
        }
        "failsafe" => {
            let pauses = backoff::exponential(SECOND, SECOND * 60);
            let policy = failure_policy::consecutive_failures(5, pauses);
            let breaker = Config::new().failure_policy(policy).build();
            run(&|| _ = black_box(breaker.call(|| Ok::<u64, BoxError>(black_box(1)))), &how)
        }
        _ => Err("there is no such breaker".into()),
    }
}

fn layer<S: Measured + Clone + Send + Sync>(service: S, how: &str) -> Result<(), BoxError> {
    if how == "two" {
        // A handle for each thread, as each task has one; the circuit is shared.
        return say(together(&|| {
            let mut own = service.clone();
            move || call(&mut own, 1)
        }));
    }
    let mut service = service;
    say(alone(&mut || call(&mut service, 1)))
}

fn run(one: &(impl Fn() + Sync), how: &str) -> Result<(), BoxError> {
    if how == "two" { say(together(&|| one)) } else { say(alone(&mut || one())) }
}

/// Nanoseconds of a call.
fn alone(one: &mut impl FnMut()) -> f64 {
    let mut rounds: Vec<f64> = (0..ROUNDS).map(|_| batch(one).as_secs_f64()).collect();
    rounds.sort_by(f64::total_cmp);
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let calls = BATCH as f64;
    rounds[ROUNDS / 2] * 1e9 / calls
}

fn batch(one: &mut impl FnMut()) -> Duration {
    let begun = Instant::now();
    (0..BATCH).for_each(|_| one());
    begun.elapsed()
}

/// Millions of calls a second that two threads make together.
fn together<F: FnMut() + Send>(make: &(impl Fn() -> F + Sync)) -> f64 {
    let barrier = Barrier::new(2);
    let calls: u64 = thread::scope(|scope| {
        let threads = [(); 2].map(|()| {
            scope.spawn(|| {
                let mut one = make();
                barrier.wait();
                let begun = Instant::now();
                let mut calls = 0;
                while begun.elapsed() < SECOND {
                    batch(&mut one);
                    calls += BATCH;
                }
                calls
            })
        });
        threads.map(|thread| thread.join().unwrap_or_default()).iter().sum()
    });
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let calls = calls as f64;
    calls / 1e6
}
