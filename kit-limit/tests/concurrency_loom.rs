//! The atomics of the concurrency limit, in every order that two or three threads
//! may take them, as loom finds them.

#![allow(clippy::unwrap_used, dead_code, reason = "a test may panic")]

mod sync {
    pub(crate) use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering};
}

#[path = "../src/concurrency/gate.rs"]
mod gate;
#[path = "../src/concurrency/window.rs"]
mod window;

use gate::{Gate, admit};
use loom::{sync::Arc, thread};
use window::{Totals, Window};

/// Runs all at once, and returns what they found.
fn at_once<T, A: Send + 'static>(shared: &Arc<T>, all: &[fn(&T) -> A]) -> Vec<A>
where
    T: Send + Sync + 'static,
{
    let threads = all.iter().map(|work| {
        let (shared, work) = (Arc::clone(shared), *work);
        thread::spawn(move || work(&shared))
    });
    let threads: Vec<_> = threads.collect();
    threads.into_iter().map(|thread| thread.join().unwrap()).collect()
}

/// Checks a model of three threads, of which each is interrupted twice at most.
fn three(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(model);
}

#[test]
fn there_are_never_more_in_flight_than_the_limit() {
    three(|| {
        let gate = Arc::new(Gate::new());
        let enter = |gate: &Gate| {
            let entered = gate.enter_below(2);
            assert!(gate.in_flight() <= 2, "at no moment");
            entered
        };
        let mut found = at_once(&gate, &[enter, enter, enter]);
        found.sort_unstable();
        assert_eq!(found, [None, Some(1), Some(2)], "each knows how many there were");
        assert_eq!((gate.in_flight(), gate.admitted()), (2, 2));
    });
}

#[test]
fn a_place_that_is_given_back_is_there_again() {
    loom::model(|| {
        let gate = Arc::new(Gate::new());
        let call = |gate: &Gate| {
            let entered = gate.enter_below(1);
            if entered.is_some() {
                assert_eq!(gate.in_flight(), 1, "it is alone");
                gate.leave();
            }
            entered
        };
        let found = at_once(&gate, &[call, call]);
        let admitted = found.iter().filter(|entered| entered.is_some()).count() as u64;
        assert!(admitted >= 1, "nobody is refused by a gate that nobody is in");
        assert_eq!((gate.in_flight(), gate.admitted()), (0, admitted), "nothing leaks");
    });
}

/// A whole of two with parts that are guaranteed one each.
struct Parts {
    whole: Gate,
    parts: [Gate; 2],
}

impl Parts {
    fn new() -> Arc<Self> {
        Arc::new(Self { whole: Gate::new(), parts: [Gate::new(), Gate::new()] })
    }

    fn admit(&self, part: usize) -> bool {
        admit(&self.whole, 2, &self.parts[part], 1).is_some()
    }

    fn leave(&self, part: usize) {
        self.parts[part].leave();
        self.whole.leave();
    }

    fn in_flight(&self) -> [usize; 3] {
        [&self.whole, &self.parts[0], &self.parts[1]].map(Gate::in_flight)
    }
}

#[test]
fn a_guarantee_holds_in_a_race() {
    loom::model(|| {
        let parts = Parts::new();
        assert!(parts.admit(0) && parts.admit(0), "the whole was free");
        // The whole is full now: the first part is beyond its share, the second has
        // one place.
        let found = at_once(&parts, &[|it: &Parts| it.admit(0), |it: &Parts| it.admit(1)]);
        assert_eq!(found, [false, true]);
        assert_eq!(parts.in_flight(), [3, 2, 1]);
    });
}

#[test]
fn a_part_never_exceeds_its_guarantee_while_the_whole_is_full() {
    loom::model(|| {
        let parts = Parts::new();
        assert!(parts.admit(0) && parts.admit(0));
        let found = at_once(&parts, &[|it: &Parts| it.admit(1), |it: &Parts| it.admit(1)]);
        assert_eq!(found.iter().filter(|admitted| **admitted).count(), 1);
        assert_eq!(parts.in_flight(), [3, 2, 1]);
    });
}

#[test]
fn the_parts_are_the_whole_when_all_is_quiet() {
    loom::model(|| {
        let parts = Parts::new();
        assert!(parts.admit(0));
        let call = |it: &Parts| {
            let admitted = it.admit(1);
            if admitted {
                it.leave(1);
            }
        };
        at_once(&parts, &[call, |it: &Parts| it.leave(0)]);
        assert_eq!(parts.in_flight(), [0, 0, 0]);
    });
}

#[test]
fn a_window_loses_no_call() {
    three(|| {
        let window = Arc::new(Window::new());
        let found = at_once(
            &window,
            &[
                |window: &Window| {
                    window.add(Some(160), 3, false);
                    None
                },
                |window: &Window| {
                    window.add(Some(320), 5, true);
                    None
                },
                Window::take,
            ],
        );
        let taken = found[2];
        let left = window.take();
        let both = [taken, left].into_iter().flatten();
        let (calls, time) =
            both.clone().fold((0, 0), |sum, it| (sum.0 + it.calls, sum.1 + it.time));
        assert_eq!((calls, time), (2, 480));
        // Whoever's time is in a window, his peak is in it, or was in the one before.
        assert_eq!(both.clone().map(|it| it.in_flight).max(), Some(5));
        assert!(both.clone().any(|it| it.dropped), "a drop is never lost");
        assert!(both.clone().all(|it: Totals| it.calls > 0));
    });
}

#[test]
fn the_peak_of_a_call_is_not_later_than_its_time() {
    loom::model(|| {
        let window = Arc::new(Window::new());
        let found = at_once(
            &window,
            &[
                |window: &Window| {
                    window.add(Some(160), 7, true);
                    None
                },
                Window::take,
            ],
        );
        if let Some(taken) = found[1] {
            assert_eq!(taken, Totals { calls: 1, time: 160, in_flight: 7, dropped: true });
        }
    });
}
