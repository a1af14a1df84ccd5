//! Random: any, each as likely as every other. Go kit's `random_test.go`, and
//! what it leaves out: threads.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use kit_endpoint::{Fault, Kind};
use kit_sd::{Balancer, Endpoints, Instance, Random};
use std::thread;

fn endpoints(count: u8) -> Endpoints<usize> {
    Endpoints::fixed((0..count).map(|n| {
        let address = format!("10.0.0.{}:80", n + 1).parse().unwrap();
        (Instance::new("hello", address), usize::from(n))
    }))
}

/// How often each of seven is picked in `picks`.
fn counts(balancer: &Random<usize>, picks: u32) -> [u32; 7] {
    let mut counts = [0; 7];
    for _ in 0..picks {
        counts[balancer.pick().unwrap()] += 1;
    }
    counts
}

fn assert_even(counts: [u32; 7]) {
    let mean = counts.iter().sum::<u32>() / 7;
    for count in counts {
        assert!(count.abs_diff(mean) * 100 <= mean, "{count} of {mean}: {counts:?}");
    }
}

#[test]
fn in_a_million_picks_each_of_seven_comes_up_within_one_percent() {
    assert_even(counts(&Random::new(endpoints(7)).seed(1), 1_000_000));
}

#[test]
fn threads_that_share_it_draw_as_evenly() {
    let balancer = Random::new(endpoints(7)).seed(2);
    let drawn = thread::scope(|scope| {
        let draw = || scope.spawn(|| counts(&balancer, 250_000));
        [draw(), draw(), draw(), draw()].map(|thread| thread.join().unwrap())
    });
    assert_even(std::array::from_fn(|n| drawn.iter().map(|counts| counts[n]).sum()));
}

#[test]
fn a_seed_says_the_order_and_another_says_another() {
    let picks = |seed| {
        let balancer = Random::new(endpoints(7)).seed(seed);
        [(); 32].map(|()| balancer.pick().unwrap())
    };
    assert_eq!(picks(7), picks(7));
    assert_ne!(picks(7), picks(8));
}

#[test]
fn of_none_there_is_none_to_pick() {
    let fact = Random::new(endpoints(0)).pick().unwrap_err();
    assert_eq!(fact.kind(), Kind::Unavailable);
    assert!(fact.refused());
}
