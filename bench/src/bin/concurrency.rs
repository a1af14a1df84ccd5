//! What a limit of concurrency costs a call: `concurrency WHAT HOW`, where WHAT is
//! an algorithm (`fixed`, `aimd`, `gradient2`), `partition`, `bulkhead`, `refused`
//! or `bare`, and HOW a number of times, to be counted; `time`: then it says the
//! nanoseconds of a call through the layer, of one of the bare service, and of two
//! looks at the clock; or `threads`: then the first two again, of each of two
//! threads that call at once through the same layer.

use kit_bench::{
    BoxError,
    layers::{AtOnce, Measured, call},
    say, slow_down,
};
use kit_endpoint::AnyError;
use kit_limit::{
    bulkhead::{BulkheadLayer, Compartment},
    concurrency::{
        Aimd, ConcurrencyLimitLayer, Fixed, Gradient2, Limiter, OneClass, Partitions, Whole,
    },
};
use std::{env, hint::black_box, sync::Barrier, thread};
use tokio::time::Instant;
use tower::Layer;

/// Rounds that are timed, each in turn; an odd number.
const ROUNDS: usize = 1001;
/// Calls in a round.
const EACH: u32 = 1000;
/// Calls between two chances to waste something.
const CHUNK: u64 = 100;
/// Calls of a thread in a round, and rounds of threads.
const LONG: (u32, usize) = (200_000, 11);

type Limit = ConcurrencyLimitLayer<OneClass, Whole, AnyError>;

fn main() -> Result<(), BoxError> {
    let mut args = env::args().skip(1);
    let what = args.next().ok_or("what?")?;
    let how = args.next().ok_or("how many times, `time` or `threads`?")?;
    match &*what {
        "bare" => measured(AtOnce, &how),
        "fixed" => measured(limit(Limiter::new("bench", Fixed::new(20))).layer(AtOnce), &how),
        "refused" => measured(limit(Limiter::new("bench", Fixed::new(0))).layer(AtOnce), &how),
        "aimd" => measured(limit(Limiter::new("bench", Aimd::default())).layer(AtOnce), &how),
        "gradient2" => {
            measured(limit(Limiter::new("bench", Gradient2::default())).layer(AtOnce), &how)
        }
        "partition" => {
            let partitions = Partitions::new([("batch", 0.3), ("live", 0.7)])?;
            let limiter = Limiter::partitioned("bench", Gradient2::default(), partitions);
            let by = |request: &u64| if request.is_multiple_of(2) { "live" } else { "batch" };
            measured(limit(limiter).by_partition(by).layer(AtOnce), &how)
        }
        "bulkhead" => {
            measured(BulkheadLayer::shared(Compartment::new("bench")).layer(AtOnce), &how)
        }
        _ => Err("there is no such thing".into()),
    }
}

fn limit(limiter: Limiter) -> Limit {
    ConcurrencyLimitLayer::shared(limiter).classify(AnyError)
}

fn measured(ours: impl Measured + Clone + Send + 'static, how: &str) -> Result<(), BoxError> {
    match how {
        "time" => {
            let [a, b, clock] = times(ours);
            say(format_args!("{a:.1} {b:.1} {clock:.1}"))
        }
        "threads" => {
            let (mut a, mut b) = (Vec::new(), Vec::new());
            for _ in 0..LONG.1 {
                a.push(at_once(&ours));
                b.push(at_once(&AtOnce));
            }
            say(format_args!("{:.1} {:.1}", middle(a), middle(b)))
        }
        many => {
            let mut ours = ours;
            for _ in 0..many.parse::<u64>()? / CHUNK {
                (0..CHUNK).for_each(|request| call(&mut ours, request));
                slow_down();
            }
            say("")
        }
    }
}

/// The nanoseconds of a call of ours, of a bare one, and of two looks at the clock.
fn times(mut ours: impl Measured) -> [f64; 3] {
    let mut bare = AtOnce;
    let mut figures: [Vec<f64>; 3] = Default::default();
    for _ in 0..ROUNDS {
        figures[0].push(took(EACH, |request| call(&mut ours, request)));
        figures[1].push(took(EACH, |request| call(&mut bare, request)));
        figures[2].push(took(EACH, |_| _ = black_box((Instant::now(), Instant::now()))));
    }
    figures.map(middle)
}

/// The nanoseconds of a call of two threads at once.
fn at_once(service: &(impl Measured + Clone + Send + 'static)) -> f64 {
    let barrier = Barrier::new(2);
    let calls = || {
        let mut service = service.clone();
        barrier.wait();
        took(LONG.0, |request| call(&mut service, request))
    };
    thread::scope(|scope| {
        let service = service.clone();
        let barrier = &barrier;
        let other = scope.spawn(move || {
            let mut service = service;
            barrier.wait();
            took(LONG.0, |request| call(&mut service, request))
        });
        f64::midpoint(calls(), other.join().unwrap_or(f64::NAN))
    })
}

/// How many nanoseconds one takes of so many.
fn took(many: u32, mut work: impl FnMut(u64)) -> f64 {
    let begun = Instant::now();
    for request in 0..many {
        work(request.into());
    }
    begun.elapsed().as_secs_f64() * 1e9 / f64::from(many)
}

fn middle(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}
