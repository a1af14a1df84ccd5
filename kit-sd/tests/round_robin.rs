//! Round robin: in turn, whatever happens.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use kit_endpoint::{Fault, Kind};
use kit_sd::{Balancer, Endpoints, Instance, RoundRobin};
use std::{
    sync::{
        Arc, Barrier,
        atomic::{AtomicU32, Ordering},
    },
    thread,
};

fn endpoints(count: u8) -> Endpoints<usize> {
    Endpoints::fixed((0..count).map(|n| {
        let address = format!("10.0.0.{}:80", n + 1).parse().unwrap();
        (Instance::new("hello", address), usize::from(n))
    }))
}

#[test]
fn endpoints_are_taken_in_turn() {
    let balancer = RoundRobin::new(endpoints(3));
    let mut counts = [0; 3];
    let expected = [[1, 0, 0], [1, 1, 0], [1, 1, 1], [2, 1, 1], [2, 2, 1], [2, 2, 2], [3, 2, 2]];
    for expected in expected {
        counts[balancer.pick().unwrap()] += 1;
        assert_eq!(counts, expected);
    }
}

#[test]
fn of_none_there_is_none_to_pick() {
    let fact = RoundRobin::new(endpoints(0)).pick().unwrap_err();
    assert_eq!(fact.kind(), Kind::Unavailable);
    assert!(fact.refused());
}

#[test]
fn many_threads_share_one_turn() {
    let balancer = Arc::new(RoundRobin::new(endpoints(4)));
    let counts: Arc<[AtomicU32; 4]> = Arc::default();
    let start = Arc::new(Barrier::new(100));
    let threads: Vec<_> = (0..100)
        .map(|_| {
            let (balancer, counts) = (Arc::clone(&balancer), Arc::clone(&counts));
            let start = Arc::clone(&start);
            thread::spawn(move || {
                start.wait();
                for _ in 0..1000 {
                    counts[balancer.pick().unwrap()].fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(counts.each_ref().map(|count| count.load(Ordering::Relaxed)), [25_000; 4]);
}
