//! The circuit's states, rates and probes: the cases of resilience4j's
//! `CircuitBreakerStateMachineTest`, Polly's `CircuitStateControllerTests`,
//! gobreaker's, failsafe-go's and linkerd2-proxy's `unified` breaker, by their
//! names where they have one, each on a layer over a mock service.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use kit_breaker::{
    BreakerLayer, Change, Circuit, Inspect, Inspector, Limits, Open, Probes, Reason, State, Tally,
    Window,
};
use kit_endpoint::{Classify, Fault, Judgement, Kind};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex},
    task::Poll,
    time::Duration,
};
use tokio::time::advance;
use tokio_test::{assert_ready, assert_ready_ok, task};
use tower::{BoxError, Layer, Service, ServiceExt, service_fn};
use tower_test::mock::{self, Mock, SendResponse, Spawn};

const OPEN: Duration = Duration::from_secs(5);
const SLOW: Duration = Duration::from_secs(1);

/// What a mock answers is what it shows.
#[derive(Debug, Clone, Copy)]
struct AsSaid;

impl Classify<Judgement, BoxError> for AsSaid {
    fn is_failure(&self, result: Result<&Judgement, &BoxError>) -> bool {
        self.judge(result).is_failure()
    }

    fn judge(&self, result: Result<&Judgement, &BoxError>) -> Judgement {
        result.copied().unwrap_or(FAILED)
    }
}

const FAILED: Judgement = Judgement::Failure { retry_after: None };
const BUSY: Judgement = Judgement::Overloaded { retry_after: None };
use Judgement::{Nothing, Success};

/// A circuit, and a service behind it.
struct Test {
    circuit: Circuit,
    changes: Arc<Mutex<Vec<Change>>>,
    breaker: Spawn<kit_breaker::Breaker<Mock<(), Judgement>, AsSaid>>,
    handle: mock::Handle<(), Judgement>,
}

type Reply =
    task::Spawn<<kit_breaker::Breaker<Mock<(), Judgement>, AsSaid> as Service<()>>::Future>;

/// A call on its way.
struct Sent(Reply, SendResponse<Judgement>);

impl Test {
    fn new(limits: Limits) -> Self {
        let changes = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&changes);
        let circuit = Circuit::builder("test", limits)
            .on_change(move |change| heard.lock().unwrap().push(change.clone()))
            .seed(7)
            .build();
        let layer = BreakerLayer::shared(circuit.clone()).classify(AsSaid);
        let (breaker, handle) = mock::spawn_layer(layer);
        Self { circuit, changes, breaker, handle }
    }

    fn state(&self) -> State {
        self.circuit.state()
    }

    fn reasons(&self) -> Vec<Reason> {
        self.changes.lock().unwrap().iter().map(|change| change.reason).collect()
    }

    fn states(&self) -> Vec<State> {
        self.changes.lock().unwrap().iter().map(|change| change.to).collect()
    }

    /// Sends a call, if the circuit lets it pass.
    fn send(&mut self) -> Result<Sent, Open> {
        assert_ready_ok!(self.breaker.poll_ready());
        let mut reply = task::spawn(self.breaker.call(()));
        if let Poll::Ready(refused) = reply.poll() {
            return Err(*refused.unwrap_err().downcast::<Open>().expect("a refusal"));
        }
        let ((), response) = assert_ready!(self.handle.poll_request()).expect("it is alive");
        Ok(Sent(reply, response))
    }

    fn call(&mut self, shown: Judgement) {
        self.send().expect("the circuit lets it pass").end(shown);
    }

    fn calls(&mut self, shown: Judgement, many: u32) {
        for _ in 0..many {
            self.call(shown);
        }
    }

    async fn slow_call(&mut self, shown: Judgement) {
        let sent = self.send().expect("the circuit lets it pass");
        advance(SLOW).await;
        sent.end(shown);
    }

    fn refused(&mut self) -> Open {
        self.send().err().expect("the circuit refuses")
    }
}

impl Sent {
    fn end(mut self, shown: Judgement) {
        self.1.send_response(shown);
        assert_ready_ok!(self.0.poll());
    }
}

/// Rates of the last ten calls; open for five seconds.
fn limits() -> Limits {
    Limits::default()
        .failures(0)
        .failure_rate(0.5)
        .window(Window::Calls(10))
        .min_calls(10)
        .cooldown(OPEN, OPEN)
        .jitter(0.0)
}

// ===== in a row =====

#[tokio::test(start_paused = true)]
async fn trips_on_consecutive_failures() {
    let mut test = Test::new(limits().failures(3).failure_rate(0.0));
    test.calls(FAILED, 2);
    assert_eq!((test.state(), test.circuit.failures_in_a_row()), (State::Closed, 2));
    test.call(FAILED);
    assert_eq!(test.state(), State::Open);
    assert_eq!(test.reasons(), [Reason::Failures(3)]);
}

#[tokio::test(start_paused = true)]
async fn success_resets_consecutive_count() {
    let mut test = Test::new(limits().failures(3).failure_rate(0.0));
    for _ in 0..4 {
        test.calls(FAILED, 2);
        test.call(Success);
    }
    assert_eq!(test.state(), State::Closed);
}

#[tokio::test(start_paused = true)]
async fn overload_is_no_failure_in_a_row_and_no_success() {
    let mut test = Test::new(limits().failures(3).failure_rate(0.0));
    test.calls(BUSY, 20);
    assert_eq!(test.state(), State::Closed);
    test.calls(FAILED, 2);
    test.call(BUSY);
    test.call(FAILED);
    assert_eq!(test.state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn what_shows_nothing_counts_for_nothing() {
    let mut test = Test::new(limits().failures(2).min_calls(1));
    test.call(Success);
    test.calls(Nothing, 20);
    assert_eq!(test.circuit.tally().calls, 1);
    test.call(FAILED);
    // Half of two calls.
    assert!(matches!(
        test.reasons()[..],
        [Reason::FailureRate(Tally { calls: 2, failures: 1, .. })]
    ));
}

#[tokio::test(start_paused = true)]
async fn consecutive_failures_are_the_reason_that_is_told_first() {
    let mut test = Test::new(limits().failures(3).min_calls(3));
    test.calls(FAILED, 3);
    assert_eq!(test.reasons(), [Reason::Failures(3)], "though the rate is too high as well");
}

#[tokio::test(start_paused = true)]
async fn zero_failures_turns_that_off() {
    let mut test = Test::new(limits().failure_rate(0.0));
    test.calls(FAILED, 20);
    assert_eq!(test.state(), State::Closed);
}

// ===== rates =====

#[tokio::test(start_paused = true)]
async fn trips_on_low_success_rate() {
    // linkerd: one success, and then 429s, which count in the rate.
    let mut test = Test::new(limits().failures(100).failure_rate(0.2).min_calls(2));
    test.call(Success);
    test.call(BUSY);
    assert_eq!(test.state(), State::Open);
    assert!(matches!(test.reasons()[..], [Reason::FailureRate(_)]));
}

#[tokio::test(start_paused = true)]
async fn cold_start_holds_until_min_requests() {
    let mut test = Test::new(limits());
    test.calls(FAILED, 9);
    assert_eq!(test.state(), State::Closed);
    test.call(FAILED);
    assert_eq!(test.state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn a_success_may_be_the_call_that_is_enough() {
    let mut test = Test::new(limits());
    test.calls(FAILED, 6);
    test.calls(Success, 3);
    assert_eq!(test.state(), State::Closed);
    test.call(Success);
    assert_eq!(test.state(), State::Open, "6 of 10");
}

#[tokio::test(start_paused = true)]
async fn should_open_after_failure_rate_threshold_exceeded() {
    let mut test = Test::new(limits());
    for _ in 0..4 {
        test.call(Success);
        test.call(FAILED);
    }
    test.call(Success);
    assert_eq!(test.state(), State::Closed);
    test.call(FAILED);
    assert_eq!(test.state(), State::Open, "at the limit, not above it");
}

#[tokio::test(start_paused = true)]
async fn a_rate_is_as_it_is_written() {
    // 0.1 * 30 is more than 3 as a double.
    let limits = limits().failure_rate(0.1).window(Window::Calls(30)).min_calls(30);
    let mut test = Test::new(limits);
    test.calls(Success, 27);
    test.calls(FAILED, 2);
    assert_eq!(test.state(), State::Closed);
    test.call(FAILED);
    assert_eq!(test.state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn min_requests_zero_trips_on_first_failure() {
    let mut test = Test::new(limits().min_calls(0));
    test.call(FAILED);
    assert_eq!(test.state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn more_calls_than_the_window_holds_are_as_many() {
    let mut test = Test::new(limits().min_calls(1000));
    test.calls(FAILED, 10);
    assert_eq!(test.state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn a_rate_that_is_no_number_is_off() {
    let limits = limits().window(Window::Calls(2));
    for off in [0.0, -1.0, f64::NAN] {
        let mut test = Test::new(limits.failure_rate(off).slow_calls(SLOW, off));
        test.calls(FAILED, 3);
        assert_eq!(test.state(), State::Closed, "{off}");
    }
    let mut test = Test::new(limits.failure_rate(7.0));
    test.calls(FAILED, 2);
    assert_eq!(test.state(), State::Open, "above 1 is 1");
}

#[tokio::test(start_paused = true)]
async fn should_open_after_slow_call_rate_threshold_exceeded() {
    let mut test = Test::new(limits().failure_rate(0.0).slow_calls(SLOW, 0.5).min_calls(4));
    test.calls(Success, 2);
    test.slow_call(Success).await;
    assert_eq!(test.state(), State::Closed);
    test.slow_call(Success).await;
    assert_eq!(test.state(), State::Open);
    let slow = |tally: Tally| (tally.calls, tally.failures, tally.slow);
    assert!(matches!(test.reasons()[..], [Reason::SlowRate(tally)] if slow(tally) == (4, 0, 2)));
}

#[tokio::test(start_paused = true)]
async fn a_slow_failure_is_both() {
    let mut test = Test::new(limits().failure_rate(1.0).slow_calls(SLOW, 1.0).min_calls(5));
    test.call(Success);
    test.slow_call(FAILED).await;
    let tally = test.circuit.tally();
    assert_eq!((tally.calls, tally.failures, tally.slow), (2, 1, 1));
    assert!((tally.failure_rate() - 0.5).abs() < f64::EPSILON);
    assert!((tally.slow_rate() - 0.5).abs() < f64::EPSILON);
}

#[tokio::test(start_paused = true)]
async fn a_failure_burst_trips_after_many_successes() {
    let limits = limits().window(Window::Time(Duration::from_secs(10)));
    let mut test = Test::new(limits);
    test.calls(Success, 20);
    // They age; the failures are new.
    advance(Duration::from_secs(10)).await;
    test.calls(FAILED, 9);
    assert_eq!(test.state(), State::Closed);
    test.call(FAILED);
    assert_eq!(test.state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn samples_age_out_after_window() {
    let limits = limits().window(Window::Time(Duration::from_secs(10))).min_calls(2);
    let mut test = Test::new(limits.failure_rate(0.9));
    test.call(FAILED);
    advance(Duration::from_secs(5)).await;
    test.call(Success);
    assert_eq!(test.circuit.tally().calls, 2);
    advance(Duration::from_secs(5)).await;
    assert_eq!((test.circuit.tally().calls, test.circuit.tally().failures), (1, 0));
    advance(Duration::from_mins(1)).await;
    assert_eq!(test.circuit.tally().calls, 0, "an idle one is empty");
}

// ===== open =====

#[tokio::test(start_paused = true)]
async fn should_throw_call_not_permitted_exception_when_state_is_open() {
    let mut test = Test::new(limits());
    test.calls(FAILED, 10);
    advance(Duration::from_secs(2)).await;
    let open = test.refused();
    assert_eq!(open.retry_after(), Some(Duration::from_secs(3)));
    assert_eq!((open.kind(), open.refused()), (Kind::Unavailable, true));
}

#[tokio::test(start_paused = true)]
async fn should_transition_to_half_open_after_wait_duration() {
    let mut test = Test::new(limits());
    test.calls(FAILED, 10);
    advance(Duration::from_millis(4999)).await;
    test.refused();
    advance(Duration::from_millis(1)).await;
    assert_eq!(test.state(), State::Open, "nobody asked yet");
    let probe = test.send().expect("a probe");
    assert_eq!(test.state(), State::HalfOpen);
    probe.end(Success);
    assert_eq!(test.states(), [State::Open, State::HalfOpen, State::Closed]);
    assert_eq!(test.reasons()[1..], [Reason::CooldownOver, Reason::ProbesSucceeded]);
}

#[tokio::test(start_paused = true)]
async fn the_open_time_grows_and_is_short_again_after_recovery() {
    let limits = Limits::default()
        .failures(1)
        .cooldown(Duration::from_secs(1), Duration::from_secs(10))
        .jitter(0.0);
    let mut test = Test::new(limits);
    for _ in 0..2 {
        test.call(FAILED);
        for seconds in [1, 2, 4, 8, 10, 10] {
            let left = test.refused().retry_after().unwrap();
            assert_eq!(left, Duration::from_secs(seconds));
            advance(left).await;
            test.call(FAILED);
        }
        advance(Duration::from_secs(10)).await;
        test.call(Success);
        assert_eq!(test.state(), State::Closed);
    }
}

#[tokio::test(start_paused = true)]
async fn jitter_makes_it_longer_by_a_part_at_most() {
    let limits = Limits::default().failures(1).cooldown(OPEN, OPEN).jitter(0.5);
    let mut seen = Vec::new();
    for seed in 0..100 {
        let circuit = Circuit::builder("test", limits).seed(seed).build();
        let fails = service_fn(|()| async { Err::<(), BoxError>("boom".into()) });
        let layer = BreakerLayer::shared(circuit.clone()).classify(kit_breaker::AnyError);
        layer.layer(fails).oneshot(()).await.unwrap_err();
        seen.push(circuit.last_change().open_for.unwrap());
    }
    assert!(seen.iter().all(|open| (OPEN..=OPEN * 3 / 2).contains(open)), "{seen:?}");
    let (least, most) = (seen.iter().min().unwrap(), seen.iter().max().unwrap());
    assert!(most.as_secs_f64() - least.as_secs_f64() > 1.5, "{least:?} to {most:?}");
}

#[tokio::test(start_paused = true)]
async fn the_service_may_ask_to_be_left_alone_for_longer() {
    let after = |seconds| Judgement::Failure { retry_after: Some(Duration::from_secs(seconds)) };
    for (asked, open) in [(1, 5), (60, 60), (3600, 300)] {
        let mut test = Test::new(limits().failures(1));
        test.call(after(asked));
        let left = test.refused().retry_after().unwrap();
        assert_eq!(left, Duration::from_secs(open), "asked for {asked}");
        // So may a probe's failure.
        advance(left).await;
        test.call(Judgement::Overloaded { retry_after: Some(Duration::from_secs(asked)) });
        assert_eq!(test.refused().retry_after(), Some(Duration::from_secs(open)));
    }
    let mut deaf = Test::new(limits().failures(1).retry_after(Duration::ZERO));
    deaf.call(after(60));
    assert_eq!(deaf.refused().retry_after(), Some(OPEN));
}

#[tokio::test(start_paused = true)]
async fn on_action_failure_async_ensure_break_duration_not_overflow() {
    let limits = limits().failures(1).cooldown(Duration::MAX, Duration::MAX).jitter(0.5);
    let mut test = Test::new(limits.factor(f64::INFINITY));
    test.call(FAILED);
    advance(Duration::from_hours(1000)).await;
    assert!(test.refused().retry_after().unwrap() > Duration::from_hours(1000));
}

#[tokio::test(start_paused = true)]
async fn on_action_failure_in_an_open_circuit_changes_nothing() {
    let mut test = Test::new(limits().failures(1));
    let (first, second) = (test.send().unwrap(), test.send().unwrap());
    let third = test.send().unwrap();
    first.end(FAILED);
    advance(OPEN / 2).await;
    second.end(FAILED);
    third.end(Success);
    assert_eq!(test.refused().retry_after(), Some(OPEN / 2), "stragglers do not lengthen it");
    assert_eq!(test.states(), [State::Open]);
}

// ===== half-open =====

/// Lets a circuit open, and its cooldown pass.
async fn cooled(limits: Limits) -> Test {
    let mut test = Test::new(limits.failures(1));
    test.call(FAILED);
    advance(OPEN).await;
    test
}

#[tokio::test(start_paused = true)]
async fn should_only_permit_four_calls_in_half_open_state() {
    let mut test = cooled(limits().probes(Probes::all(4))).await;
    let probes: Vec<_> = (0..4).map(|_| test.send().expect("a probe")).collect();
    test.refused();
    for probe in probes {
        assert_eq!(test.state(), State::HalfOpen);
        probe.end(Success);
    }
    assert_eq!(test.state(), State::Closed);
}

#[tokio::test(start_paused = true)]
async fn the_first_probe_that_fails_is_enough_where_all_must_succeed() {
    let mut test = cooled(limits().probes(Probes::all(3))).await;
    let (first, second) = (test.send().unwrap(), test.send().unwrap());
    first.end(Success);
    second.end(FAILED);
    assert_eq!(test.state(), State::Open);
    assert_eq!(test.reasons().last(), Some(&Reason::ProbeFailed));
}

#[tokio::test(start_paused = true)]
async fn should_transition_back_to_open_state_when_failure_rate_is_above_threshold() {
    let mut test = cooled(limits().probes(Probes::rated(4))).await;
    for shown in [FAILED, FAILED, Success] {
        test.call(shown);
        assert_eq!(test.state(), State::HalfOpen, "judged when all are over");
    }
    test.call(Success);
    assert_eq!(test.state(), State::Open, "2 of 4");
}

#[tokio::test(start_paused = true)]
async fn should_transition_back_to_closed_state_when_failure_is_below_threshold() {
    let mut test = cooled(limits().probes(Probes::rated(4))).await;
    test.call(FAILED);
    test.calls(Success, 3);
    assert_eq!(test.state(), State::Closed);
    assert_eq!(test.circuit.tally(), Tally::default(), "it begins anew");
}

#[tokio::test(start_paused = true)]
async fn should_transition_back_to_open_state_when_slow_call_rate_is_above_threshold() {
    let limits = limits().slow_calls(SLOW, 0.5);
    let mut test = cooled(limits.probes(Probes::rated(4))).await;
    test.calls(Success, 2);
    test.slow_call(Success).await;
    test.slow_call(Success).await;
    assert_eq!(test.state(), State::Open);
    // Where all must succeed, a slow one did not.
    let mut test = cooled(limits).await;
    test.slow_call(Success).await;
    assert_eq!(test.state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn rated_probes_without_a_rate_allow_no_failure() {
    let mut test = cooled(limits().failure_rate(0.0).probes(Probes::rated(2))).await;
    test.call(FAILED);
    assert_eq!(test.state(), State::Open);
    let slow_only = limits().failure_rate(0.0).slow_calls(SLOW, 0.9);
    let mut test = cooled(slow_only.probes(Probes::rated(2))).await;
    test.call(FAILED);
    test.call(Success);
    assert_eq!(test.state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn a_rate_limited_probe_fails() {
    let mut test = cooled(limits()).await;
    test.call(BUSY);
    assert_eq!(test.state(), State::Open, "reopening on 429 would cut its pause short");
}

#[tokio::test(start_paused = true)]
async fn should_release_permission_when_exception_ignored() {
    let mut test = cooled(limits()).await;
    for _ in 0..5 {
        test.call(Nothing);
        assert_eq!(test.state(), State::HalfOpen);
    }
    test.call(Success);
    assert_eq!(test.state(), State::Closed);
}

#[tokio::test(start_paused = true)]
async fn should_ignore_exceptions_and_then_transition_to_closed() {
    let mut test = cooled(limits().probes(Probes::all(2))).await;
    test.call(Success);
    test.call(Nothing);
    drop(test.send().expect("a place that was given back"));
    test.call(Success);
    assert_eq!(test.state(), State::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_never_answers_does_not_hold_the_circuit_for_ever() {
    let mut test = cooled(limits().patience(Duration::from_secs(30))).await;
    let lost = test.send().expect("a probe");
    advance(Duration::from_secs(29)).await;
    test.refused();
    advance(Duration::from_secs(1)).await;
    test.refused();
    assert_eq!(test.reasons().last(), Some(&Reason::ProbeLost));
    advance(OPEN).await;
    let probe = test.send().expect("another probe");
    lost.end(FAILED);
    assert_eq!(test.state(), State::HalfOpen, "a probe of before shows nothing");
    probe.end(Success);
    assert_eq!(test.state(), State::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_probe_given_back_late_frees_no_place_of_another_probing() {
    let mut test = cooled(limits().patience(Duration::from_secs(30))).await;
    let lost = test.send().expect("a probe");
    advance(Duration::from_secs(30)).await;
    test.refused();
    advance(OPEN).await;
    let _probe = test.send().expect("another probe");
    drop(lost);
    test.refused();
}

// ===== by hand =====

#[tokio::test(start_paused = true)]
async fn should_force_open_circuit_breaker() {
    let mut test = Test::new(limits());
    test.circuit.force_open();
    advance(Duration::from_hours(1)).await;
    let open = test.refused();
    assert_eq!(open.retry_after(), None);
    assert!(open.to_string().contains("by hand"), "{open}");
    test.circuit.reset();
    test.call(Success);
    assert_eq!(test.states(), [State::ForcedOpen, State::Closed]);
}

#[tokio::test(start_paused = true)]
async fn should_disable_circuit_breaker() {
    let mut test = Test::new(limits().failures(1));
    test.circuit.force_closed();
    test.calls(FAILED, 20);
    assert_eq!((test.state(), test.circuit.tally().calls), (State::ForcedClosed, 0));
}

#[tokio::test(start_paused = true)]
async fn should_record_metrics_in_metrics_only_state() {
    let mut test = Test::new(limits().failures(1));
    test.calls(Success, 3);
    test.circuit.metrics_only();
    assert_eq!(test.circuit.tally().calls, 0, "it begins anew");
    test.calls(FAILED, 7);
    assert_eq!((test.circuit.tally().calls, test.circuit.tally().failures), (7, 7));
    assert_eq!(test.states(), [State::MetricsOnly], "and nothing else");
    test.circuit.reset();
    assert_eq!(test.circuit.tally().calls, 0);
}

#[tokio::test(start_paused = true)]
async fn every_state_can_be_left_by_hand() {
    for from in 0..6 {
        for to in 0..4 {
            let mut test = Test::new(limits().failures(1));
            match from {
                0 => {}
                1 => test.call(FAILED),
                2 => {
                    test.call(FAILED);
                    advance(OPEN).await;
                    drop(test.send().expect("a probe"));
                }
                3 => test.circuit.force_open(),
                4 => test.circuit.force_closed(),
                _ => test.circuit.metrics_only(),
            }
            let state = match to {
                0 => {
                    test.circuit.reset();
                    State::Closed
                }
                1 => {
                    test.circuit.force_open();
                    State::ForcedOpen
                }
                2 => {
                    test.circuit.force_closed();
                    State::ForcedClosed
                }
                _ => {
                    test.circuit.metrics_only();
                    State::MetricsOnly
                }
            };
            assert_eq!(test.state(), state);
            assert_eq!(test.send().is_ok(), state != State::ForcedOpen);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_on_its_way_at_a_reset_shows_nothing() {
    let mut test = Test::new(limits().failures(1));
    let sent = test.send().unwrap();
    test.circuit.reset();
    sent.end(FAILED);
    assert_eq!((test.state(), test.circuit.tally().calls), (State::Closed, 0));
}

#[tokio::test(start_paused = true)]
async fn a_probe_on_its_way_when_it_is_held_open_changes_nothing() {
    let mut test = cooled(limits()).await;
    let probe = test.send().expect("a probe");
    test.circuit.force_open();
    probe.end(Success);
    assert_eq!(test.state(), State::ForcedOpen);
}

// ===== what others do by default =====

#[tokio::test(start_paused = true)]
async fn gobreakers_defaults() {
    let mut test = Test::new(Limits::gobreaker());
    test.calls(FAILED, 5);
    assert_eq!(test.state(), State::Closed);
    test.call(FAILED);
    assert_eq!(test.refused().retry_after(), Some(Duration::from_mins(1)));
    advance(Duration::from_mins(1)).await;
    let probe = test.send().expect("one");
    test.refused();
    probe.end(FAILED);
    assert_eq!(test.refused().retry_after(), Some(Duration::from_mins(1)), "it does not grow");
}

#[tokio::test(start_paused = true)]
async fn they_listen_to_no_retry_after() {
    let asks = Judgement::Failure { retry_after: Some(Duration::from_mins(5)) };
    for (limits, calls, open) in [(Limits::gobreaker(), 6, 60), (Limits::hystrix(), 20, 5)] {
        let mut test = Test::new(limits);
        test.calls(asks, calls);
        assert_eq!(test.refused().retry_after(), Some(Duration::from_secs(open)));
    }
}

#[tokio::test(start_paused = true)]
async fn patience_may_be_for_ever() {
    let mut test = cooled(limits().patience(Duration::ZERO)).await;
    let probe = test.send().expect("a probe");
    test.refused();
    advance(Duration::from_hours(1)).await;
    test.refused();
    probe.end(Success);
    assert_eq!(test.state(), State::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_circuit_without_a_cooldown_stays_so() {
    let limits = Limits::default().failures(1).cooldown(Duration::ZERO, Duration::from_mins(1));
    let mut test = Test::new(limits.factor(1e300));
    for _ in 0..5 {
        test.call(FAILED);
    }
    assert_eq!(test.circuit.last_change().open_for, Some(Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn hystrixs_defaults() {
    let mut test = Test::new(Limits::hystrix());
    test.calls(FAILED, 19);
    assert_eq!(test.state(), State::Closed, "fewer than 20 calls");
    test.call(FAILED);
    assert_eq!(test.refused().retry_after(), Some(Duration::from_secs(5)));
    let mut test = Test::new(Limits::hystrix());
    test.calls(Success, 11);
    test.calls(FAILED, 10);
    assert_eq!(test.state(), State::Closed, "10 of 21");
    test.call(FAILED);
    assert_eq!(test.state(), State::Open, "11 of 22");
}

#[tokio::test(start_paused = true)]
async fn the_defaults_are_as_documented() {
    let mut test = Test::new(Limits::default());
    test.calls(FAILED, 5);
    let left = test.refused().retry_after().unwrap();
    assert!((Duration::from_secs(1)..=Duration::from_millis(1500)).contains(&left), "{left:?}");
}

// ===== panics =====

#[tokio::test(start_paused = true)]
async fn panic_in_request() {
    // gobreaker's TestPanicInRequest; HandyBreaker counts it as a success.
    let circuit = Circuit::new("test", limits().failures(1));
    let panics = service_fn(|()| async { panics() });
    let layer = BreakerLayer::shared(circuit.clone()).classify(kit_breaker::AnyError);
    let mut call = task::spawn(layer.layer(panics).oneshot(()));
    let caught = catch_unwind(AssertUnwindSafe(|| call.poll().is_ready()));
    assert!(caught.is_err(), "it panics");
    assert_eq!(circuit.state(), State::Closed, "who caught it has not dropped the call yet");
    drop(call);
    assert_eq!(circuit.state(), State::Open, "a panic is a failure");
}

fn panics() -> Result<(), BoxError> {
    panic!("on purpose")
}

#[tokio::test(start_paused = true)]
async fn a_call_dropped_by_the_panic_of_another_shows_nothing() {
    let mut test = Test::new(limits().failures(1));
    let sent = test.send().unwrap();
    let _ = catch_unwind(AssertUnwindSafe(move || {
        let _sent = sent;
        panic!("of the caller");
    }));
    assert_eq!(test.state(), State::Closed);
}

// ===== what can be seen =====

#[tokio::test(start_paused = true)]
async fn changes_are_told_once_and_in_order() {
    let mut test = Test::new(limits().failures(1));
    let mut changes = test.circuit.changes();
    assert_eq!(changes.borrow().reason, Reason::New);
    test.call(FAILED);
    assert!(changes.has_changed().unwrap());
    let change = changes.borrow_and_update().clone();
    assert_eq!((change.number, change.from, change.to), (1, State::Closed, State::Open));
    assert_eq!(change.open_for, Some(OPEN));
    assert_eq!(change.to_string(), "open after closed: a call failed; a probe may pass in 5.0s");
    advance(OPEN).await;
    test.call(Success);
    assert_eq!(test.circuit.last_change().number, 3);
    let told = test.changes.lock().unwrap();
    assert!(told.iter().map(|change| change.number).eq(1..=3), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn who_hears_a_change_may_ask_the_circuit() {
    let seen: Arc<Mutex<Option<(Circuit, State)>>> = Arc::default();
    let slot = Arc::clone(&seen);
    let circuit = Circuit::builder("test", limits().failures(1))
        .on_change(move |_| {
            if let Some((circuit, state)) = &mut *slot.lock().unwrap() {
                // It would wait for ever if the circuit's lock were held.
                *state = circuit.state();
            }
        })
        .build();
    *seen.lock().unwrap() = Some((circuit.clone(), State::Closed));
    circuit.force_open();
    assert_eq!(seen.lock().unwrap().take().unwrap().1, State::ForcedOpen);
}

#[derive(Default)]
struct Seen(Vec<String>);

impl Inspector for Seen {
    fn counter(&mut self, name: &str, _: &str, _: &[(&str, &str)], value: u64) {
        self.0.push(format!("{name} {value}"));
    }

    fn gauge(&mut self, name: &str, _: &str, _: &[(&str, &str)], value: f64) {
        self.0.push(format!("{name} {value}"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_window_says_what_is_in_it() {
    let mut test = Test::new(limits());
    test.calls(Success, 3);
    test.calls(FAILED, 2);
    let mut seen = Seen::default();
    test.circuit.inspect(&mut seen);
    let window = ["breaker_window_calls 5", "breaker_window_failures 2", "breaker_window_slow 0"];
    assert_eq!(seen.0[3..], window);
}

#[tokio::test(start_paused = true)]
async fn metrics() {
    // resilience4j's CircuitBreakerMetricsTest: the numbers follow the state.
    let mut test = Test::new(limits());
    test.calls(FAILED, 10);
    test.refused();
    test.refused();
    assert!((test.circuit.tally().failure_rate() - 1.0).abs() < f64::EPSILON, "still to be seen");
    let mut seen = Seen::default();
    test.circuit.inspect(&mut seen);
    assert_eq!(seen.0[1..3], ["breaker_opened_total 1", "breaker_refused_total 2"]);
    test.circuit.reset();
    assert_eq!(test.circuit.tally(), Tally::default());
}
