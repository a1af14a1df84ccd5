//! Calls a layer's service: as often as it is told, for counting instructions
//! or allocations, or in turn with what it is measured against, for its time.
//!
//! A program of its own, so that the code around the calls, and with it where
//! the linker puts them, changes with nothing but the layers.

use kit_bench::{
    SLOWER,
    layers::{
        AtOnce, Measured, Waits, breaker, breaker_calls, breaker_keyed, breaker_slow, breaker_time,
        call, call_within, catch_panic, deadline, red,
    },
    say, slow_down, spin,
};
use kit_endpoint::DeadlineLayer;
use std::{env, error::Error, hint::black_box, time::Duration};
use tokio::time::Instant;
use tower::Layer;

/// Calls between two chances to waste something: 5 % of a layer that takes
/// two nanoseconds is less than one turn of a loop.
const CHUNK: u64 = 100;
/// Calls in a batch: 1.6 µs at the least, and far shorter than the time
/// between two interrupts.
const BATCH: u64 = 2000;
/// Turns in a batch of the busy loop that time is measured against.
const BUSY: u64 = 20_000;
/// Batches of each, in turn; an odd number.
const ROUNDS: u32 = 2001;
/// The same, to find out how long it takes before it is slowed down.
const TRIAL: u32 = 401;

/// What a call costs: the middle of all batches.
struct Times {
    ours: f64,
    bare: f64,
    clock: f64,
    /// The middle ratio of a batch of ours to the next batch of the busy loop.
    to_busy: f64,
    /// And to the next batch of the bare call.
    to_bare: f64,
}

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    // A timer needs a runtime to be made in, not to be polled by.
    let _entered = runtime.enter();
    let mut args = env::args().skip(1);
    let layer = args.next().ok_or("which layer?")?;
    let how = args.next().ok_or("how many calls, or `time`?")?;
    match &*layer {
        "none" => run(AtOnce, &how),
        "deadline" => run(deadline(), &how),
        "catch_panic" => run(catch_panic(), &how),
        "breaker" => run(breaker(), &how),
        "breaker_calls" => run(breaker_calls(), &how),
        "breaker_time" => run(breaker_time(), &how),
        "breaker_slow" => run(breaker_slow(), &how),
        "breaker_keyed" => run(breaker_keyed(), &how),
        "red" => run(red(), &how),
        "waiting" => waiting(),
        _ => Err("there is no such layer".into()),
    }
}

fn run(mut service: impl Measured, how: &str) -> Result<(), Box<dyn Error + Send + Sync>> {
    if how == "time" {
        let mut bare = AtOnce;
        return say(times(|n| call(&mut service, n), |n| call(&mut bare, n)));
    }
    let chunks = how.parse::<u64>()? / CHUNK;
    let counted = allocation_counter::measure(|| {
        for _ in 0..chunks {
            (0..CHUNK).for_each(|request| call(&mut service, request));
            slow_down();
        }
    });
    say(counted.count_total)
}

/// A deadline over a reply that lets wait, beside tokio's own time-out.
fn waiting() -> Result<(), Box<dyn Error + Send + Sync>> {
    let limit = Duration::from_secs(5);
    let mut ours = DeadlineLayer::new(limit).layer(Waits);
    let mut bare = Waits;
    say(times(|n| call(&mut ours, n), |n| call_within(&mut bare, limit, n)))
}

/// Times ours, slowed down if that is asked for.
fn times(mut ours: impl FnMut(u64), mut bare: impl FnMut(u64)) -> Times {
    let slower = env::var(SLOWER).ok().and_then(|percent| percent.parse::<f64>().ok());
    let turns = slower.map_or(0.0, |percent| {
        let unslowed = rounds(TRIAL, 0, &mut ours, &mut bare);
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let busy = BUSY as f64;
        (unslowed.to_busy * busy * percent / 100.0).ceil()
    });
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small count")]
    let turns = turns as u64;
    rounds(ROUNDS, turns, &mut ours, &mut bare)
}

/// Takes batches of everything in turn: what else the machine does then slows
/// both sides of most ratios, and the few where it does not are not the middle.
fn rounds(rounds: u32, waste: u64, mut ours: impl FnMut(u64), mut bare: impl FnMut(u64)) -> Times {
    let took = |batch: &mut dyn FnMut()| {
        let start = Instant::now();
        batch();
        start.elapsed().as_secs_f64() * 1e9
    };
    let mut figures: [Vec<f64>; 5] = Default::default();
    for _ in 0..rounds {
        let one = took(&mut || {
            (0..BATCH).for_each(&mut ours);
            if waste > 0 {
                spin(waste);
            }
        });
        let other = took(&mut || (0..BATCH).for_each(&mut bare));
        let busy = took(&mut || spin(BUSY));
        let clock = took(&mut || (0..BATCH).for_each(|_| _ = black_box(Instant::now())));
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let calls = BATCH as f64;
        let round = [one / calls, other / calls, clock / calls, one / busy, one / other];
        figures.iter_mut().zip(round).for_each(|(figures, figure)| figures.push(figure));
    }
    let [ours, bare, clock, to_busy, to_bare] = figures.map(|mut figures| {
        figures.sort_by(f64::total_cmp);
        figures[figures.len() / 2]
    });
    Times { ours, bare, clock, to_busy, to_bare }
}

impl std::fmt::Display for Times {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { ours, bare, clock, to_busy, to_bare } = self;
        write!(f, "{ours} {bare} {clock} {to_busy} {to_bare}")
    }
}
