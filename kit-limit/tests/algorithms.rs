//! The algorithms that find a limit, as arithmetic: Netflix' cases
//! (concurrency-limits 78a74b9), and what they promise of any calls.

use kit_limit::concurrency::{Aimd, Algorithm, Fixed, Gradient2, Sample, Sampling};
use proptest::prelude::*;
use std::time::Duration;

const MS: Duration = Duration::from_millis(1);

fn sample(rtt: Duration, in_flight: usize) -> Sample {
    Sample::new(rtt, in_flight)
}

/// Shows it the same so often; returns the last limit.
fn steady(algorithm: &mut impl Algorithm, sample: Sample, times: usize) -> usize {
    (0..times).fold(algorithm.limit(), |_, _| algorithm.update(&sample))
}

// AIMDLimitTest.testDefault
#[test]
fn the_defaults_are_netflix() {
    assert_eq!(Aimd::default().limit(), 20);
    assert_eq!(Gradient2::default().limit(), 20);
    let sampling = Gradient2::default().sampling();
    let window = Sampling::Window { length: Duration::from_secs(1), calls: 10 };
    assert_eq!(sampling, window);
    assert_eq!(Aimd::default().sampling(), Sampling::Each);
}

// AIMDLimitTest.increaseOnSuccess
#[test]
fn aimd_grows_by_one_on_success() {
    let mut aimd = Aimd::default().initial(20);
    assert_eq!(aimd.update(&sample(MS, 10)), 21);
    assert_eq!(aimd.update(&sample(MS, 11)), 22);
}

// AIMDLimitTest.decreaseOnDrops
#[test]
fn aimd_keeps_nine_tenths_on_a_drop() {
    let mut aimd = Aimd::default().initial(30);
    assert_eq!(aimd.update(&sample(Duration::ZERO, 0).dropped()), 27);
}

// AIMDLimitTest.successOverflow
#[test]
fn aimd_grows_no_further_than_the_most() {
    let mut aimd = Aimd::default().initial(21).max(21).min(0);
    assert_eq!(aimd.update(&sample(MS, 11)), 21);
}

#[test]
fn aimd_takes_what_is_slow_for_dropped() {
    let mut aimd = Aimd::default().initial(30);
    let second = Duration::from_secs(1);
    assert_eq!(aimd.update(&sample(5 * second, 30)), 31, "not more than the time-out");
    assert_eq!(aimd.update(&sample(5 * second + MS, 30)), 27);
    let mut aimd = Aimd::default().initial(30).timeout(10 * MS);
    assert_eq!(aimd.update(&sample(11 * MS, 30)), 27);
}

#[test]
fn aimd_does_not_grow_while_less_than_half_is_in_use() {
    let mut aimd = Aimd::default().initial(30);
    assert_eq!(aimd.update(&sample(MS, 14)), 30);
    assert_eq!(aimd.update(&sample(MS, 15)), 31);
}

#[test]
fn aimd_never_reaches_zero() {
    let mut aimd = Aimd::default().min(0).backoff(0.1);
    assert_eq!(aimd.update(&sample(MS, 20).dropped()), 10, "no less than half is kept");
    assert_eq!(steady(&mut aimd, sample(MS, 20).dropped(), 20), 1);
    assert_eq!(aimd.update(&sample(MS, 1)), 2, "and it recovers");
}

#[test]
fn aimd_counts_several_calls_of_one_sample() {
    let mut aimd = Aimd::default();
    let mut four = sample(MS, 20);
    four.calls = 4;
    assert_eq!(aimd.update(&four), 24);
}

#[test]
fn bounds_that_contradict_each_other_are_the_least() {
    let mut aimd = Aimd::default().min(50).max(10).initial(7);
    assert_eq!(aimd.limit(), 50);
    assert_eq!(aimd.update(&sample(MS, 50)), 50);
    assert_eq!(Gradient2::default().min(50).max(10).limit(), 50);
}

#[test]
fn a_fixed_limit_stays() {
    let mut fixed = Fixed::new(7);
    assert_eq!(fixed.update(&sample(5 * MS, 7).dropped()), 7);
    assert_eq!((fixed.limit(), fixed.sampling()), (7, Sampling::Nothing));
}

// The formula of Gradient2Limit, one step at a time, in numbers done by hand.
#[test]
fn gradient2_by_hand() {
    let mut gradient2 = Gradient2::default();
    // No queueing: 20 + 4, a fifth of the way.
    assert_eq!(gradient2.update(&sample(MS, 20)), 20);
    assert_eq!(gradient2.update(&sample(MS, 20)), 21, "20.8 + 0.8");
    // The long rtt is (1 + 1 + 4) / 3 = 2: the gradient 1.5 * 2 / 4.
    // 21.6 * 0.8 + (21.6 * 0.75 + 4) * 0.2 = 21.32.
    assert_eq!(gradient2.update(&sample(4 * MS, 22)), 21);
    // The long rtt is 26.5: the gradient is 0.5 at the least.
    // 21.32 * 0.8 + (21.32 * 0.5 + 4) * 0.2 = 19.988: no lower than 20.
    assert_eq!(gradient2.update(&sample(1000 * MS, 22)), 20);
}

#[test]
fn gradient2_grows_while_calls_are_quick() {
    let mut gradient2 = Gradient2::default();
    let grown = steady(&mut gradient2, sample(MS, 200), 50);
    assert_eq!(grown, 60, "0.8 at each of 50 steps");
    assert_eq!(steady(&mut gradient2, sample(MS, 200), 500), 200, "as far as the most");
}

#[test]
fn gradient2_does_not_grow_while_less_than_half_is_in_use() {
    let mut gradient2 = Gradient2::default();
    assert_eq!(steady(&mut gradient2, sample(MS, 9), 100), 20);
    assert_eq!(steady(&mut gradient2, sample(MS, 11), 2), 21);
}

#[test]
fn gradient2_tolerates_what_it_is_told_to() {
    let with = |tolerance| {
        let mut gradient2 = Gradient2::default().initial(100).tolerance(tolerance);
        steady(&mut gradient2, sample(10 * MS, 100), 20);
        let before = gradient2.update(&sample(10 * MS, 100));
        (before, steady(&mut gradient2, sample(18 * MS, 200), 10))
    };
    let (before, after) = with(2.0);
    assert!(after > before, "{before} {after}");
    let (before, after) = with(1.0);
    assert!(after < before, "{before} {after}");
}

#[test]
fn gradient2_shrinks_under_load_and_recovers() {
    let mut gradient2 = Gradient2::default();
    let quick = steady(&mut gradient2, sample(10 * MS, 200), 100);
    let loaded = steady(&mut gradient2, sample(100 * MS, 200), 30);
    assert!(loaded < quick / 2, "{quick} {loaded}");
    assert!(loaded >= 20);
    let again = steady(&mut gradient2, sample(10 * MS, 200), 100);
    assert!(again > loaded * 2, "{loaded} {again}");
}

#[test]
fn gradient2_forgets_load_sooner_than_it_learns_it() {
    // Long load makes the long rtt that of the load; it is halved within 20
    // windows, not within the hundreds of the exponential mean.
    let mut gradient2 = Gradient2::default().initial(200);
    steady(&mut gradient2, sample(100 * MS, 200), 100);
    steady(&mut gradient2, sample(10 * MS, 200), 40);
    let before = gradient2.update(&sample(10 * MS, 200));
    let after = steady(&mut gradient2, sample(60 * MS, 200), 5);
    assert!(after < before, "60 ms are slow again: {before} {after}");
}

#[test]
fn a_clock_that_stands_still_is_no_trouble() {
    let mut gradient2 = Gradient2::default();
    let limit = steady(&mut gradient2, sample(Duration::ZERO, 200), 100);
    assert!((20..=200).contains(&limit), "{limit}");
}

#[test]
fn options_stay_within_their_bounds() {
    let gradient2 = Gradient2::default()
        .window(Duration::ZERO)
        .min_calls(0)
        .smoothing(7.0)
        .tolerance(0.1)
        .queue(2)
        .long_window(10);
    // WindowedLimit demands 100 ms and ten calls.
    let least = Sampling::Window { length: Duration::from_millis(100), calls: 10 };
    assert_eq!(gradient2.sampling(), least);
    let mut gradient2 = gradient2;
    assert_eq!(gradient2.update(&sample(MS, 20)), 22, "all of the way");
}

fn any_sample() -> impl Strategy<Value = Sample> {
    (0..10_000_000_u64, 0..1000_usize, any::<bool>()).prop_map(|(micros, in_flight, dropped)| {
        let sample = sample(Duration::from_micros(micros), in_flight);
        if dropped { sample.dropped() } else { sample }
    })
}

proptest! {
    #[test]
    fn a_limit_is_within_its_bounds(
        samples in proptest::collection::vec(any_sample(), 0..200),
        (min, more, initial) in (0..50_usize, 0..500_usize, 0..600_usize),
    ) {
        let max = min + more;
        let (mut aimd, mut gradient2) = (
            Aimd::default().min(min).max(max).initial(initial),
            Gradient2::default().min(min).max(max).initial(initial),
        );
        let bounds = min.max(1)..=max.max(min.max(1));
        prop_assert!(bounds.contains(&aimd.limit()));
        prop_assert!(bounds.contains(&gradient2.limit()));
        for sample in samples {
            let (one, other) = (aimd.update(&sample), gradient2.update(&sample));
            prop_assert!(bounds.contains(&one), "{one} is not in {bounds:?}");
            prop_assert!(bounds.contains(&other), "{other} is not in {bounds:?}");
        }
    }

    #[test]
    fn aimd_is_its_formula(samples in proptest::collection::vec(any_sample(), 0..200)) {
        let mut aimd = Aimd::default();
        let mut limit: u32 = 20;
        for sample in samples {
            if sample.dropped || sample.rtt > Duration::from_secs(5) {
                limit = limit * 9 / 10;
            } else if sample.in_flight * 2 >= limit as usize {
                limit += 1;
            }
            limit = limit.clamp(20, 200);
            let found = aimd.update(&sample);
            // In binary, 0.9 of 70 is a little less than 63.
            prop_assert!(found.abs_diff(limit as usize) <= 1, "{found} is not {limit}");
            limit = u32::try_from(found).unwrap_or(0);
        }
    }
}
