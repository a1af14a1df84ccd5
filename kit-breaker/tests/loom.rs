//! The atomics of the circuit, in every order that two or three threads may take
//! them, as loom finds them.

#![allow(clippy::expect_used, clippy::unwrap_used, dead_code, reason = "a test may panic")]

mod sync {
    pub(crate) use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering};

    #[derive(Debug)]
    pub(crate) struct Apart<T>(pub(crate) T);
}

#[path = "../src/window/buckets.rs"]
mod buckets;
#[path = "../src/gate.rs"]
mod gate;
#[path = "../src/window/ring.rs"]
mod ring;

use buckets::Buckets;
use gate::{Gate, Pass};
use loom::{sync::Arc, thread};
use ring::Ring;

/// Runs `first` and `second` at once, and returns what they found.
fn both<T, A: Send + 'static, B: Send + 'static>(
    shared: &Arc<T>,
    first: fn(&T) -> A,
    second: fn(&T) -> B,
) -> (A, B)
where
    T: Send + Sync + 'static,
{
    let (one, other) = (Arc::clone(shared), Arc::clone(shared));
    let (one, other) = (thread::spawn(move || first(&one)), thread::spawn(move || second(&other)));
    (one.join().unwrap(), other.join().unwrap())
}

#[test]
fn one_failure_alone_is_the_one_at_the_limit() {
    loom::model(|| {
        let gate = Arc::new(Gate::new());
        gate.fail(0, 3);
        let fail = |gate: &Gate| (gate.fail(0, 3), gate.fail(0, 3));
        let (one, other) = both(&gate, fail, fail);
        let opens = [one.0, one.1, other.0, other.1];
        assert_eq!(opens.iter().filter(|opens| **opens).count(), 1);
        assert_eq!(gate.look(), (0, Pass::Judged(3)), "and none counts beyond it");
    });
}

#[test]
fn a_success_does_not_undo_an_opening() {
    loom::model(|| {
        let gate = Arc::new(Gate::new());
        let (opens, ()) = both(&gate, |gate| gate.fail(0, 1), |gate| gate.forget(0, 1));
        assert!(opens);
        assert_eq!(gate.look(), (0, Pass::Judged(1)));
    });
}

#[test]
fn a_success_forgets_the_failures_before_it() {
    loom::model(|| {
        let gate = Arc::new(Gate::new());
        gate.fail(0, 3);
        both(&gate, |gate| gate.forget(0, 3), |gate| gate.fail(0, 3));
        let (_, pass) = gate.look();
        assert!(matches!(pass, Pass::Judged(0 | 1)), "{pass:?}");
    });
}

#[test]
fn a_straggler_never_counts_in_the_next_era() {
    loom::model(|| {
        let gate = Arc::new(Gate::new());
        let (opens, ()) = both(
            &gate,
            |gate| gate.fail(0, 2),
            |gate| {
                gate.set(0, Pass::Shut);
                gate.set(1, Pass::Judged(0));
            },
        );
        assert!(!opens);
        assert_eq!(gate.look(), (1, Pass::Judged(0)));
    });
}

#[test]
fn the_sums_of_a_ring_are_those_of_its_places() {
    loom::model(|| {
        let ring = Arc::new(Ring::new(1));
        let record = |ring: &Ring| ring.record(0, true, false).unwrap();
        let (one, other) = both(&ring, record, record);
        for (calls, failures, _) in [one, other] {
            assert_eq!((calls, failures), (1, 1), "never more failures than calls");
        }
        assert_eq!(ring.tally(), (1, 1, 0));
        ring.record(0, false, false);
        assert_eq!(ring.tally(), (1, 0, 0), "nothing is left over");
    });
}

#[test]
fn a_bad_call_that_is_overtaken_leaves_nothing_behind() {
    loom::model(|| {
        let ring = Arc::new(Ring::new(1));
        both(&ring, |ring| ring.record(0, true, true), |ring| ring.record(0, false, false));
        let (calls, failures, slow) = ring.tally();
        assert!(calls == 1 && failures == slow && failures <= 1);
        ring.record(0, false, false);
        assert_eq!(ring.tally(), (1, 0, 0));
    });
}

#[test]
fn a_success_that_writes_nothing_takes_no_failure_away() {
    loom::model(|| {
        let ring = Arc::new(Ring::new(2));
        // Full and well: such a success is not written.
        (0..2).for_each(|_| _ = ring.record(0, false, false));
        let (_, (calls, failures, _)) = both(
            &ring,
            |ring| ring.record(0, false, false),
            |ring| ring.record(0, true, false).unwrap(),
        );
        assert_eq!((calls, failures), (2, 1), "who failed finds itself");
        assert_eq!(ring.tally(), (2, 1, 0));
        ring.record(0, false, false);
        ring.record(0, false, false);
        assert_eq!(ring.tally(), (2, 0, 0), "and is forgotten after as many as there are places");
    });
}

#[test]
fn an_era_of_a_ring_has_its_own_calls_alone() {
    loom::model(|| {
        let ring = Arc::new(Ring::new(2));
        both(
            &ring,
            |ring| ring.record(0, true, false),
            |ring| {
                ring.begin(1);
                ring.record(1, true, false)
            },
        );
        assert_eq!(ring.tally(), (1, 1, 0));
        ring.record(1, false, false);
        ring.record(1, false, false);
        assert_eq!(ring.tally(), (2, 0, 0), "nothing of either is left over");
    });
}

#[test]
fn buckets_lose_no_call() {
    loom::model(|| {
        let buckets = Arc::new(Buckets::<1>::new());
        let add = |buckets: &Buckets<1>| {
            buckets.add(20, 0);
            buckets.add(21, 0);
        };
        both(&buckets, add, add);
        assert_eq!((buckets.sum(21, 0), buckets.sum(20, 0)), (4, 2));
    });
}

#[test]
fn a_bucket_that_begins_anew_keeps_the_calls_of_its_time() {
    loom::model(|| {
        let buckets = Arc::new(Buckets::<1>::new());
        buckets.add(20, 0);
        // The same place, ten buckets later: both begin it.
        let add = |buckets: &Buckets<1>| buckets.add(30, 0);
        both(&buckets, add, add);
        assert_eq!(buckets.sum(30, 0), 2);
    });
}

#[test]
fn who_comes_too_late_for_a_bucket_leaves_it() {
    loom::model(|| {
        let buckets = Arc::new(Buckets::<1>::new());
        both(&buckets, |buckets| buckets.add(20, 0), |buckets| buckets.add(30, 0));
        assert_eq!(buckets.sum(30, 0), 1);
    });
}

#[test]
fn there_are_never_more_failures_than_calls() {
    loom::model(|| {
        let buckets = Arc::new(Buckets::<2>::new());
        let ((), (failures, calls)) = both(
            &buckets,
            |buckets| {
                buckets.add(20, 0);
                buckets.add(20, 1);
            },
            |buckets| {
                let failures = buckets.sum(20, 1);
                (failures, buckets.sum(20, 0))
            },
        );
        assert!(failures <= calls, "{failures} of {calls}");
    });
}

#[test]
fn a_mark_is_of_the_latest_bucket() {
    loom::model(|| {
        let buckets = Arc::new(Buckets::<1>::new());
        both(&buckets, |buckets| buckets.mark(20), |buckets| buckets.mark(35));
        assert!(buckets.is_marked(35));
    });
}
