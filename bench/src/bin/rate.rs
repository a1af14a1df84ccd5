//! What a rate limit costs: `rate WHAT HOW`, where WHAT is `one`, or `keyed N`
//! with N keys in a random order, and HOW a number of times, to be counted, or
//! `time`: then it says the nanoseconds of ours and of governor's own, over its
//! state for one and its store for many that is a `HashMap` in a `Mutex`.
//!
//! All calls are let through: as many per second as there are nanoseconds.

use governor::{Quota, RateLimiter, clock::MonotonicClock, state::keyed::HashMapStateStore};
use kit_bench::{BoxError, say, slow_down};
use kit_limit::rate::{KeyedRateLimit, Rate, RateLimit};
use std::{env, hint::black_box, num::NonZeroU32, time::Duration};
use tokio::time::Instant;

/// Rounds that are timed, ours and governor's in turn; an odd number.
const ROUNDS: usize = 101;
/// Calls of a round.
const EACH: u32 = 20_000;
/// Calls between two chances to waste something.
const CHUNK: u64 = 1000;
/// What a limit lets through at once.
const BURST: u32 = 1_000_000;

fn main() -> Result<(), BoxError> {
    let mut args = env::args().skip(1);
    let what = args.next().ok_or("what?")?;
    let rate = Rate::new(u32::MAX, Duration::from_secs(1)).burst(BURST);
    let quota = Quota::with_period(rate.interval()).ok_or("it is not zero")?;
    let quota = quota.allow_burst(NonZeroU32::new(BURST).ok_or("nor is it")?);
    if what == "one" {
        let how = args.next().ok_or("how many times, or `time`?")?;
        let limit = RateLimit::new("bench", rate);
        let bare = RateLimiter::direct_with_clock(quota, MonotonicClock);
        return measured(|_| limit.check().is_ok(), |_| bare.check().is_ok(), 1, &how);
    }
    let many = args.next().ok_or("how many keys?")?.parse()?;
    let how = args.next().ok_or("how many times, or `time`?")?;
    // Twice the room, as the documentation says.
    let limit = KeyedRateLimit::<u64>::new("bench", rate, 2 * usize::try_from(many)?);
    let bare: RateLimiter<u64, HashMapStateStore<u64>, _> =
        RateLimiter::new(quota, HashMapStateStore::default(), MonotonicClock);
    for key in 0..many {
        let _ = (limit.check(&key), bare.check_key(&key));
    }
    measured(|key| limit.check(&key).is_ok(), |key| bare.check_key(&key).is_ok(), many, &how)
}

fn measured(
    ours: impl Fn(u64) -> bool,
    bare: impl Fn(u64) -> bool,
    many: u64,
    how: &str,
) -> Result<(), BoxError> {
    if !ours(0) || !bare(0) {
        return Err("it is not right".into());
    }
    let mut random = fastrand::Rng::with_seed(7);
    if how == "time" {
        let (mut a, mut b) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let keys: Vec<_> = (0..EACH).map(|_| random.u64(..many)).collect();
            a.push(took(&ours, &keys));
            b.push(took(&bare, &keys));
        }
        let middle = |mut all: Vec<f64>| {
            all.sort_by(f64::total_cmp);
            all[ROUNDS / 2]
        };
        return say(format_args!("{} {}", middle(a), middle(b)));
    }
    for _ in 0..how.parse::<u64>()? / CHUNK {
        for _ in 0..CHUNK {
            black_box(ours(black_box(random.u64(..many))));
        }
        slow_down();
    }
    say("")
}

/// How many nanoseconds one takes of these.
fn took(work: &impl Fn(u64) -> bool, keys: &[u64]) -> f64 {
    let begun = Instant::now();
    for key in keys {
        black_box(work(black_box(*key)));
    }
    begun.elapsed().as_secs_f64() * 1e9 / f64::from(EACH)
}
