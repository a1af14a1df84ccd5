//! Backoff: how long a pause may be.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use kit_sd::Backoff;
use std::time::Duration;
use tokio::time::{Instant, advance};

const BASE: Duration = Duration::from_millis(100);
const CAP: Duration = Duration::from_secs(1);

fn pauses(backoff: &mut Backoff) -> Vec<Duration> {
    (0..8).map(|_| backoff.pause()).collect()
}

#[test]
fn the_most_doubles_up_to_the_cap_and_all_below_it_is_used() {
    let most = [100, 200, 400, 800, 1000, 1000, 1000, 1000].map(Duration::from_millis);
    let mut longest = [Duration::ZERO; 8];
    for seed in 0..1000 {
        let pauses = pauses(&mut Backoff::new(BASE, CAP).seed(seed));
        for ((longest, pause), most) in longest.iter_mut().zip(pauses).zip(most) {
            assert!(pause <= most);
            *longest = pause.max(*longest);
        }
    }
    for (longest, most) in longest.into_iter().zip(most) {
        assert!(longest > most.mul_f64(0.9), "{longest:?} of {most:?}");
    }
}

#[test]
fn a_seed_foretells_the_pauses_and_reset_starts_anew() {
    let mut backoff = Backoff::new(BASE, CAP).seed(1);
    assert_eq!(pauses(&mut backoff.clone()), pauses(&mut backoff));
    backoff.reset();
    assert!(backoff.pause() <= BASE);
}

#[test]
fn it_never_overflows() {
    let mut backoff = Backoff::new(Duration::MAX, Duration::MAX);
    for _ in 0..100 {
        assert!(backoff.pause() < Duration::MAX);
    }
}

#[tokio::test(start_paused = true)]
async fn a_registry_is_tried_a_second_apart_for_a_minute_and_then_less_and_less() {
    for seed in 0..50 {
        let mut backoff = Backoff::of_registry().seed(seed);
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_mins(1) {
            let pause = backoff.pause();
            assert!(pause <= Duration::from_secs(1));
            advance(pause.max(Duration::from_millis(1))).await;
        }
        // What grows now grows from a second on, not from where the tries of a
        // minute would have led.
        assert!(backoff.pause() <= Duration::from_secs(2));
        assert!(backoff.pause() <= Duration::from_secs(4));
        let longest = (0..100).map(|_| backoff.pause()).max().unwrap();
        assert!(longest > Duration::from_secs(20) && longest <= Duration::from_secs(30));
        backoff.reset();
        assert!(backoff.pause() <= Duration::from_millis(100));
    }
}
