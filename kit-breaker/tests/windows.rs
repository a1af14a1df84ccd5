//! The windows against naive ones, and against resilience4j's, Polly's and
//! linkerd's cases.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use kit_breaker::{BreakerLayer, Circuit, Classify, Judgement, Limits, State, Tally, Window};
use proptest::{prelude::*, test_runner::TestCaseResult};
use std::{
    collections::VecDeque,
    task::{Context, Poll, Waker},
    time::Duration,
};
use tokio::time::{Instant, advance};
use tower::{BoxError, Layer, Service, service_fn};

/// A call: how long after the one before, how long it took, and what it showed.
#[derive(Debug, Clone, Copy)]
struct Call {
    after: Duration,
    took: Duration,
    shown: Judgement,
}

#[derive(Debug, Clone, Copy)]
struct AsSaid;

impl Classify<Judgement, BoxError> for AsSaid {
    fn is_failure(&self, result: Result<&Judgement, &BoxError>) -> bool {
        self.judge(result).is_failure()
    }

    fn judge(&self, result: Result<&Judgement, &BoxError>) -> Judgement {
        result.copied().unwrap_or(Judgement::Nothing)
    }
}

const SLOW: Duration = Duration::from_millis(500);

/// Runs something on a clock that stands still until it is advanced.
fn paused(test: impl AsyncFnOnce() -> TestCaseResult) -> TestCaseResult {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(test())
}

/// Makes a call, which takes no time but what is said.
async fn make(circuit: &Circuit, call: Call) {
    if !call.after.is_zero() {
        advance(call.after).await;
    }
    let service = service_fn(move |()| async move {
        if !call.took.is_zero() {
            tokio::time::sleep(call.took).await;
        }
        Ok(call.shown)
    });
    let mut service = BreakerLayer::shared(circuit.clone()).classify(AsSaid).layer(service);
    let mut cx = Context::from_waker(Waker::noop());
    assert!(matches!(service.poll_ready(&mut cx), Poll::Ready(Ok(()))));
    service.call(()).await.unwrap();
}

/// What a window holds, as one would write it without a thought of speed.
struct Naive {
    window: Window,
    began: Instant,
    calls: VecDeque<(Instant, bool, bool)>,
}

impl Naive {
    fn record(&mut self, call: Call) {
        if call.shown == Judgement::Nothing {
            return;
        }
        let failed = call.shown != Judgement::Success;
        self.calls.push_back((Instant::now(), failed, call.took >= SLOW));
        if let Window::Calls(most) = self.window {
            while self.calls.len() > most as usize {
                self.calls.pop_front();
            }
        }
    }

    fn tally(&mut self) -> (u32, u32, u32) {
        if let Window::Time(time) = self.window {
            let width = (time / 10).max(Duration::from_millis(10)).as_nanos();
            let bucket = |at: Instant| (at - self.began).as_nanos() / width;
            let now = bucket(Instant::now());
            self.calls.retain(|(at, ..)| bucket(*at) + 10 > now);
        }
        let mut tally = (0, 0, 0);
        for (_, failed, slow) in &self.calls {
            tally.0 += 1;
            tally.1 += u32::from(*failed);
            tally.2 += u32::from(*slow);
        }
        tally
    }
}

fn of(tally: Tally) -> (u32, u32, u32) {
    (tally.calls, tally.failures, tally.slow)
}

fn call() -> impl Strategy<Value = Call> {
    let after = prop_oneof![Just(0), 0..200_u64, 0..3000_u64].prop_map(Duration::from_millis);
    let took = prop_oneof![Just(Duration::ZERO), Just(SLOW)];
    let shown = prop_oneof![
        3 => Just(Judgement::Success),
        3 => Just(Judgement::of(true)),
        1 => Just(Judgement::Overloaded { retry_after: None }),
        1 => Just(Judgement::Nothing),
    ];
    (after, took, shown).prop_map(|(after, took, shown)| Call { after, took, shown })
}

fn window() -> impl Strategy<Value = Window> {
    prop_oneof![
        (1..20_u32).prop_map(Window::Calls),
        (1..5000_u64).prop_map(|millis| Window::Time(Duration::from_millis(millis))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// What a window shows is what the naive one does, after each call, and after
    /// a reset.
    #[test]
    fn a_window_shows_what_a_naive_one_shows(
        window in window(),
        calls in prop::collection::vec(call(), 1..60),
        reset in 0..60_usize,
    ) {
        paused(async || {
            let limits =
                Limits::default().failure_rate(0.5).slow_calls(SLOW, 0.5).window(window);
            let circuit = Circuit::new("test", limits);
            circuit.metrics_only();
            let mut naive = Naive { window, began: Instant::now(), calls: VecDeque::new() };
            for (number, call) in calls.into_iter().enumerate() {
                if number == reset {
                    circuit.metrics_only();
                    naive.calls.clear();
                }
                make(&circuit, call).await;
                naive.record(call);
                prop_assert_eq!(of(circuit.tally()), naive.tally(), "call {}", number);
            }
            Ok(())
        })?;
    }

    /// A circuit opens at the call at which the naive window's rate is too high,
    /// and at no other.
    #[test]
    fn a_circuit_opens_when_a_naive_rate_is_too_high(
        window in window(),
        calls in prop::collection::vec(call(), 1..60),
        percent in 1..=100_u32,
        least in 1..10_u32,
    ) {
        paused(async || {
            let rate = f64::from(percent) / 100.0;
            let limits =
                Limits::default().failures(0).failure_rate(rate).window(window).min_calls(least);
            let circuit = Circuit::new("test", limits);
            let mut naive = Naive { window, began: Instant::now(), calls: VecDeque::new() };
            let least = match window {
                Window::Calls(most) => least.min(most),
                Window::Time(_) => least,
            };
            for (number, call) in calls.into_iter().enumerate() {
                make(&circuit, call).await;
                naive.record(call);
                let (calls, failures, _) = naive.tally();
                let opens = call.shown != Judgement::Nothing
                    && calls >= least
                    && f64::from(failures) / f64::from(calls) >= rate;
                let state = if opens { State::Open } else { State::Closed };
                prop_assert_eq!(circuit.state(), state, "call {}: {} of {}", number, failures, calls);
                if opens {
                    break;
                }
            }
            Ok(())
        })?;
    }
}

fn metrics_only(window: Window) -> Circuit {
    let circuit = Circuit::new("test", Limits::default().failure_rate(0.5).window(window));
    circuit.metrics_only();
    circuit
}

async fn calls(circuit: &Circuit, shown: Judgement, many: usize) {
    for _ in 0..many {
        make(circuit, Call { after: Duration::ZERO, took: Duration::ZERO, shown }).await;
    }
}

/// resilience4j's `FixedSizeSlidingWindowMetricsTest`: the fifth call takes the
/// first one's place.
#[tokio::test(start_paused = true)]
async fn the_oldest_of_the_last_calls_goes() {
    let circuit = metrics_only(Window::Calls(4));
    calls(&circuit, Judgement::of(true), 2).await;
    calls(&circuit, Judgement::Success, 2).await;
    assert_eq!(of(circuit.tally()), (4, 2, 0));
    calls(&circuit, Judgement::Success, 1).await;
    assert_eq!(of(circuit.tally()), (4, 1, 0));
    calls(&circuit, Judgement::Success, 1).await;
    assert_eq!(of(circuit.tally()), (4, 0, 0));
    calls(&circuit, Judgement::of(true), 9).await;
    assert_eq!(of(circuit.tally()), (4, 4, 0));
}

/// Polly's `RollingHealthMetricsTests`, and linkerd's
/// `buckets_roll_and_expire_in_order`.
#[tokio::test(start_paused = true)]
async fn buckets_roll_and_expire_in_order() {
    let circuit = metrics_only(Window::Time(Duration::from_secs(10)));
    for _ in 0..10 {
        calls(&circuit, Judgement::of(true), 1).await;
        advance(Duration::from_secs(1)).await;
    }
    for left in (0..10).rev() {
        assert_eq!(of(circuit.tally()), (left, left, 0));
        advance(Duration::from_secs(1)).await;
    }
}

/// linkerd's `large_gap_clears_entire_window`.
#[tokio::test(start_paused = true)]
async fn a_large_gap_clears_the_window() {
    let circuit = metrics_only(Window::Time(Duration::from_secs(1)));
    calls(&circuit, Judgement::of(true), 5).await;
    for gap in [1, 10, 60, 3600, 86_400 * 400] {
        advance(Duration::from_secs(gap)).await;
        assert_eq!(of(circuit.tally()), (0, 0, 0), "{gap} s");
        calls(&circuit, Judgement::of(true), 1).await;
        assert_eq!(of(circuit.tally()), (1, 1, 0), "{gap} s");
    }
}

/// linkerd's `bucket_width_floors_at_minimum`.
#[tokio::test(start_paused = true)]
async fn a_bucket_has_a_least_width() {
    let circuit = metrics_only(Window::Time(Duration::ZERO));
    calls(&circuit, Judgement::Success, 1).await;
    advance(Duration::from_millis(99)).await;
    assert_eq!(circuit.tally().calls, 1);
    advance(Duration::from_millis(1)).await;
    assert_eq!(circuit.tally().calls, 0);
}

#[tokio::test(start_paused = true)]
async fn a_window_of_no_calls_is_of_one_and_one_too_large_has_a_bound() {
    let none = metrics_only(Window::Calls(0));
    calls(&none, Judgement::of(true), 3).await;
    assert_eq!(none.tally().calls, 1);
    let all = metrics_only(Window::Calls(u32::MAX));
    calls(&all, Judgement::Success, 3).await;
    assert_eq!(all.tally().calls, 3);
}

/// Threads that count at once lose nothing: afterwards the sums are those of what
/// stands in the places.
#[test]
fn sums_are_exact_when_all_is_still() {
    for window in [Window::Calls(7), Window::Time(Duration::from_hours(1))] {
        let circuit = metrics_only(window);
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let circuit = &circuit;
                scope.spawn(move || {
                    let runtime =
                        tokio::runtime::Builder::new_current_thread().enable_time().build();
                    runtime.unwrap().block_on(async {
                        for number in 0..2000 {
                            let shown = Judgement::of((number + thread) % 3 == 0);
                            calls(circuit, shown, 1).await;
                        }
                    });
                });
            }
        });
        let failed = (0..4).map(|thread| (0..2000).filter(|n| (n + thread) % 3 == 0).count());
        match window {
            Window::Calls(_) => assert_eq!(circuit.tally().calls, 7),
            Window::Time(_) => {
                let failures = u32::try_from(failed.sum::<usize>()).unwrap();
                assert_eq!(of(circuit.tally()), (8000, failures, 0));
            }
        }
        // Now only good ones: no bad one may be left over.
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
            if let Window::Calls(_) = window {
                calls(&circuit, Judgement::Success, 7).await;
                assert_eq!(of(circuit.tally()), (7, 0, 0));
            }
        });
    }
}
