//! Rate limits as their users meet them: by themselves, and as a layer over a
//! mock service.
//!
//! Nothing here waits: a request is there or it is not, so a bug fails a test
//! and never hangs it. The runtime is only for the clock, which is paused.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use http::HeaderMap;
use kit_endpoint::{AsGrpc, AsHttp, Details, Expires, Fault, Inspect, Inspector, Kind, Request};
use kit_limit::rate::{
    Exceeded, KeyedRateLimit, Meter, Patience, Rate, RateLimit, RateLimitLayer, RateLimited,
    RateLimiting, Reservation, Waiting,
};
use proptest::prelude::*;
use std::{convert::Infallible, time::Duration};
use tokio::time::{Instant, advance};
use tokio_test::{assert_pending, assert_ready, assert_ready_err, assert_ready_ok, task};
use tower::{BoxError, Layer, ServiceExt, service_fn};
use tower_test::mock::{self, Handle, SendResponse};

const MS: Duration = Duration::from_millis(1);
const NS: Duration = Duration::from_nanos(1);
/// The cycle of `resilience4j`'s tests: one request each.
const CYCLE: Duration = Duration::from_millis(250);

fn each(interval: Duration) -> RateLimit {
    RateLimit::new("test", Rate::new(1, interval))
}

/// How long a refused request is told to wait.
fn wait(result: Result<(), RateLimited>) -> Duration {
    let fact = result.expect_err("it is refused");
    assert!(matches!(fact, RateLimited::Exceeded(_)), "{fact}");
    fact.retry_after().expect("it is known")
}

fn exceeded(error: &BoxError) -> &Exceeded {
    match error.downcast_ref() {
        Some(RateLimited::Exceeded(fact)) => fact,
        other => panic!("{other:?}: {error}"),
    }
}

/// How long a reservation has to wait from now on, in nanoseconds; `None` if it
/// was refused. It is spent.
fn reserve(limit: &RateLimit, longest: Duration) -> Option<u128> {
    let reservation = limit.reserve(1, longest).ok()?;
    let wait = reservation.at().map_or(Duration::ZERO, |at| at - Instant::now());
    reservation.spend();
    Some(wait.as_nanos())
}

/// Takes the request that must have reached the inner service.
fn sent<T>(handle: &mut Handle<T, ()>) -> SendResponse<()> {
    let request = assert_ready!(handle.poll_request(), "the request was not sent");
    request.expect("the limit is alive").1
}

// ===== the rate =====

#[test]
fn a_rate_is_never_out_of_range() {
    let none = Rate::per_second(0).burst(0);
    assert_eq!((none.interval(), none.burst_size()), (Duration::from_secs(1), 1));
    let at_once = Rate::new(5, Duration::ZERO);
    assert_eq!((at_once.interval(), at_once.burst_size()), (NS, 5));
    let never = Rate::new(1, Duration::MAX).burst(u32::MAX);
    assert_eq!(never.burst_size(), 1);
    assert_eq!(never.interval().as_secs(), 100 * 365 * 86_400);
    let slow = Rate::per_hour(1).burst(u32::MAX);
    assert_eq!(slow.burst_size(), 100 * 365 * 24);
    assert_eq!(Rate::per_minute(3).burst_size(), 3, "as many as in a period");
    // Rounded down, as governor does.
    assert_eq!(Rate::per_second(3).interval(), Duration::from_nanos(333_333_333));
}

#[tokio::test(start_paused = true)]
async fn nothing_overflows_at_the_ends() {
    for rate in [Rate::new(1, Duration::MAX), Rate::per_hour(1).burst(u32::MAX)] {
        let limit = RateLimit::new("", rate);
        advance(Duration::from_hours(87_600)).await;
        limit.check_n(rate.burst_size()).unwrap();
        for _ in 0..10 {
            drop(limit.reserve(rate.burst_size(), Duration::MAX));
            let _ = limit.reserve(rate.burst_size(), Duration::MAX).map(Reservation::spend);
        }
        assert!(limit.check().is_err());
    }
}

#[tokio::test(start_paused = true)]
async fn the_burst_passes_at_once_and_then_one_each_interval() {
    let limit = RateLimit::new("test", Rate::per_second(10).burst(3));
    for _ in 0..3 {
        limit.check().unwrap();
    }
    for _ in 0..5 {
        assert_eq!(wait(limit.check()), 100 * MS);
        advance(99_999_999 * NS).await;
        assert_eq!(wait(limit.check()), NS, "a nanosecond before it does not pass");
        advance(NS).await;
        limit.check().expect("after exactly that time it passes");
    }
    // And never more than a burst is there again.
    advance(Duration::from_hours(1)).await;
    assert_eq!(limit.available(), 3);
    limit.check_n(3).unwrap();
    assert_eq!(limit.available(), 0);
    assert_eq!((limit.allowed(), limit.refused()), (9, 10));
}

#[tokio::test(start_paused = true)]
async fn a_weight_is_taken_whole_or_not_at_all() {
    let limit = RateLimit::new("test", Rate::per_second(10).burst(5));
    limit.check_n(3).unwrap();
    assert_eq!(wait(limit.check_n(4)), 200 * MS);
    assert_eq!(limit.available(), 2, "a refusal costs nothing");
    limit.check_n(2).unwrap();
    limit.check_n(0).expect("what weighs nothing passes");
    assert_eq!(wait(limit.check_n(5)), 500 * MS);
    advance(500 * MS).await;
    limit.check_n(5).unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_weighs_more_than_the_burst_is_a_fact_of_its_own() {
    let limit = RateLimit::new("test", Rate::per_second(10).burst(5));
    for refused in [limit.check_n(6), limit.reserve(u32::MAX, Duration::MAX).map(drop)] {
        let fact = refused.unwrap_err();
        assert_eq!((fact.kind(), fact.retry_after()), (Kind::InvalidArgument, None));
        assert!(fact.refused());
        let RateLimited::TooHeavy(heavy) = &fact else { panic!("{fact}") };
        assert_eq!(heavy.burst(), 5);
        let mut details = Details::default();
        fact.describe(&mut details);
        assert_eq!(details.get_reason(), Some("WEIGHT_ABOVE_BURST"));
    }
    assert_eq!((limit.available(), limit.refused()), (5, 2));
}

// ===== ported: resilience4j, AtomicRateLimiterTest =====

// acquireAndRefreshWithEventPublishing, permissionsInFirstCycle, metricsTest
#[tokio::test(start_paused = true)]
async fn acquire_and_refresh() {
    let limit = each(CYCLE);
    assert_eq!((limit.available(), limit.waiting()), (1, 0));
    for _ in 0..2 {
        advance(CYCLE).await;
        limit.check().unwrap();
        assert_eq!(limit.available(), 0);
        assert_eq!(wait(limit.check()), CYCLE);
        assert_eq!((limit.available(), wait(limit.check())), (0, CYCLE));
    }
}

// reserveAndRefresh
#[tokio::test(start_paused = true)]
async fn reserve_and_refresh() {
    let limit = each(CYCLE);
    limit.check().unwrap();
    let reservation = limit.reserve(1, CYCLE).unwrap();
    assert_eq!((limit.waiting(), wait(limit.check())), (1, 2 * CYCLE));
    let mut turn = task::spawn(reservation.ready());
    assert_pending!(turn.poll());
    advance(CYCLE).await;
    assert_ready!(turn.poll());
    assert_eq!((limit.waiting(), wait(limit.check())), (0, CYCLE));
}

// reserveFewThenSkipCyclesBeforeRefreshNonBlocking
#[tokio::test(start_paused = true)]
async fn reserve_few_then_skip_cycles() {
    let limit = each(CYCLE);
    assert_eq!(reserve(&limit, CYCLE), Some(0));
    assert_eq!(reserve(&limit, CYCLE), Some(CYCLE.as_nanos()));
    assert_eq!(reserve(&limit, CYCLE), None);
    assert_eq!(wait(limit.check()), 2 * CYCLE, "the refusal costs nothing");
    advance(5 * CYCLE + 10 * NS).await;
    assert_eq!(limit.available(), 1);
}

// rejectedByTimeoutNonBlocking
#[tokio::test(start_paused = true)]
async fn rejected_by_timeout() {
    let limit = each(CYCLE);
    assert_eq!(reserve(&limit, Duration::ZERO), Some(0));
    assert_eq!(reserve(&limit, Duration::ZERO), None);
    advance(249_999_999 * NS).await;
    assert_eq!((limit.available(), wait(limit.check())), (0, NS));
}

// waitingThreadIsInterrupted: theirs is lost, ours is given back.
#[tokio::test(start_paused = true)]
async fn a_waiter_that_gives_up_gives_its_place_back() {
    let limit = each(CYCLE);
    limit.check().unwrap();
    let mut turn = task::spawn(limit.reserve(1, CYCLE).unwrap().ready());
    assert_pending!(turn.poll());
    assert_eq!((limit.waiting(), wait(limit.check())), (1, 2 * CYCLE));
    drop(turn);
    assert_eq!((limit.waiting(), wait(limit.check())), (0, CYCLE));
    assert_eq!((limit.allowed(), limit.waited()), (1, 1));
}

// reservePermissionsUpfront: a cycle of theirs lets three through at its start,
// ours one each third of it.
#[tokio::test(start_paused = true)]
async fn reserve_upfront() {
    let limit = RateLimit::new("test", Rate::new(3, 10 * MS));
    let third = limit.rate().interval().as_nanos();
    let mut waits = Vec::new();
    for _ in 0..9 {
        waits.push(reserve(&limit, 12 * MS));
        advance(NS).await;
    }
    let (first, second, last) = (third - 3, 2 * third - 4, 3 * third - 5);
    let mut expected = vec![Some(0), Some(0), Some(0), Some(first), Some(second), Some(last)];
    expected.extend([None; 3]);
    assert_eq!(waits, expected);
}

// ===== ported: resilience4j, SemaphoreBasedRateLimiterImplTest and
// RateLimitersImplementationTest =====

// rateLimiterCreationWithProvidedScheduler, isUpperLimitedForPermissions
#[tokio::test(start_paused = true)]
async fn what_is_not_used_does_not_pile_up() {
    let limit = RateLimit::new("test", Rate::new(2, 100 * MS));
    for _ in 0..2 {
        limit.check().unwrap();
        limit.check().unwrap();
        assert_eq!(wait(limit.check()), 50 * MS);
        advance(200 * MS).await;
        assert_eq!(limit.available(), 2);
    }
}

// acquirePermissionAndMetrics
#[tokio::test(start_paused = true)]
async fn the_one_that_waits_takes_what_comes_first() {
    let limit = RateLimit::new("test", Rate::new(2, 100 * MS));
    limit.check_n(2).unwrap();
    let mut turn = task::spawn(limit.reserve(1, 100 * MS).unwrap().ready());
    assert_pending!(turn.poll());
    assert_eq!(limit.available(), 0);
    advance(100 * MS).await;
    assert_ready!(turn.poll());
    assert_eq!(limit.available(), 1);
}

// acquireBigNumberOfPermitsAtStartOfCycleTest,
// tryToAcquireBigNumberOfPermitsAtEndOfCycleTest
#[tokio::test(start_paused = true)]
async fn many_at_once() {
    for (first, second, refused) in [(5, 5, 1), (1, 5, 5)] {
        let limit = RateLimit::new("test", Rate::new(10, CYCLE));
        limit.check_n(first).unwrap();
        limit.check_n(second).unwrap();
        limit.check_n(refused).unwrap_err();
        advance(CYCLE).await;
        limit.check_n(refused).unwrap();
    }
}

// ===== ported: failsafe-go, ratelimiter_test.go and ratelimiterstats_test.go =====

// TestAcquirePermit, TestReservePermit
#[tokio::test(start_paused = true)]
async fn each_waits_an_interval_longer() {
    let limit = each(100 * MS);
    let waits: Vec<_> = (0..3).map(|_| reserve(&limit, Duration::MAX)).collect();
    assert_eq!(waits, [Some(0), Some(100_000_000), Some(200_000_000)]);
}

// TestAcquirePermitWithMaxWaitTime, TestTryReservePermit
#[tokio::test(start_paused = true)]
async fn who_would_wait_too_long_is_refused() {
    let limit = each(100 * MS);
    assert_eq!(reserve(&limit, MS), Some(0));
    assert_eq!(reserve(&limit, 10 * MS), None);
    assert_eq!(reserve(&limit, 100 * MS), Some(100_000_000));
    assert_eq!(reserve(&limit, 200 * MS), Some(200_000_000));
    assert_eq!(reserve(&limit, 100 * MS), None);
}

// TestTryAcquirePermit: their intervals lie on a grid (150, then 200), ours
// begin with the request (150, then 250).
#[tokio::test(start_paused = true)]
async fn in_nanoseconds() {
    let limit = each(100 * NS);
    for (after, passes) in [(0, true), (150, true), (60, false), (40, true)] {
        advance(after * NS).await;
        assert_eq!(limit.check().is_ok(), passes, "{after}");
        assert!(limit.check().is_err());
    }
}

// TestSmoothAcquirePermits, TestSmoothAcquireInitialStats: but for the grid.
#[tokio::test(start_paused = true)]
async fn waits_over_time() {
    let limit = each(500 * MS);
    let last = |many: usize| {
        let waits: Vec<_> = (0..many).map(|_| reserve(&limit, Duration::MAX)).collect();
        waits.last().copied().flatten().map(|nanos| nanos / 1_000_000)
    };
    assert_eq!(last(7), Some(3000));
    for (after, many, wait) in [(800, 3, 3700), (1500, 1, 2700), (1200, 3, 3000)] {
        advance(after * MS).await;
        assert_eq!(last(many), Some(wait));
    }
    advance(5600 * MS).await;
    assert_eq!(last(3), Some(1000));
    advance(1900 * MS).await;
    assert_eq!(last(1), Some(0));
}

// TestShouldAcquirePermitsEqually
#[tokio::test(start_paused = true)]
async fn seven_cost_as_much_as_one_of_seven() {
    let rate = Rate::new(1, 500 * MS).burst(7);
    let (one, many) = (RateLimit::new("one", rate), RateLimit::new("many", rate));
    for after in [0, 2700 * 7] {
        advance(after * MS).await;
        one.check_n(7).unwrap();
        (0..7).for_each(|_| many.check().unwrap());
        assert_eq!(wait(one.check()), wait(many.check()));
    }
}

// ===== the layer =====

// resilience4j, RateLimiterTest: decorateCheckedSupplier and its like;
// failsafe-go, test/ratelimiter_test.go: should return ErrExceeded
#[tokio::test(start_paused = true)]
async fn what_is_refused_is_not_sent() {
    let limit = each(CYCLE);
    let (mut service, mut handle) = mock::spawn_layer(RateLimitLayer::shared(limit.clone()));
    limit.check().unwrap();
    assert_ready_ok!(service.poll_ready());
    let error = assert_ready_err!(task::spawn(service.call(())).poll());
    assert_eq!(exceeded(&error).retry_after(), Some(CYCLE));
    assert_pending!(handle.poll_request());

    advance(CYCLE).await;
    assert_ready_ok!(service.poll_ready());
    let mut reply = task::spawn(service.call(()));
    sent(&mut handle).send_response(());
    assert_ready_ok!(reply.poll());
}

// Go kit, ratelimit/token_bucket_test.go: the erroring limiter, one per minute.
#[tokio::test(start_paused = true)]
async fn one_per_minute() {
    let limit = RateLimit::new("test", Rate::per_minute(1));
    let ok = service_fn(|()| async { Ok::<_, BoxError>(()) });
    let service = RateLimitLayer::shared(limit).layer(ok);
    service.clone().oneshot(()).await.unwrap();
    let error = service.oneshot(()).await.unwrap_err();
    assert_eq!(exceeded(&error).retry_after(), Some(Duration::from_mins(1)));
}

// Go kit, ratelimit/token_bucket_test.go: the delaying limiter, whose context
// ends in 500 ms. It does not wait for that.
#[tokio::test(start_paused = true)]
async fn one_per_minute_waits_no_longer_than_the_deadline() {
    let limit = RateLimit::new("test", Rate::per_minute(1));
    let ok = service_fn(|_: Request<()>| async { Ok::<_, BoxError>(()) });
    let layer = RateLimitLayer::shared(limit.clone()).waiting(Duration::MAX).by_deadline();
    let service = layer.layer(ok);
    let request = || Request::new(()).within(Instant::now() + 500 * MS);
    service.clone().oneshot(request()).await.unwrap();
    let mut reply = task::spawn(service.clone().oneshot(request()));
    let error = assert_ready_err!(reply.poll(), "at once");
    assert!(exceeded(&error).is_by_deadline(), "{error}");
    assert_eq!(exceeded(&error).retry_after(), Some(Duration::from_mins(1)));

    // One that has time, or none to lose, waits; at the deadline is too late.
    let request = |deadline| Request::new(()).within(Instant::now() + deadline);
    let late = service.clone().oneshot(request(Duration::from_mins(1))).await.unwrap_err();
    assert!(exceeded(&late).is_by_deadline(), "{late}");
    let mut first = task::spawn(service.clone().oneshot(request(Duration::from_mins(1) + NS)));
    assert_pending!(first.poll());
    let mut second = task::spawn(service.oneshot(Request::new(())));
    assert_pending!(second.poll());
    assert_eq!(limit.waiting(), 2);
    advance(Duration::from_mins(1)).await;
    assert_ready_ok!(first.poll());
    assert_pending!(second.poll());
}

#[tokio::test(start_paused = true)]
async fn the_deadline_of_an_http_request_counts_too() {
    let ok = service_fn(|_: http::Request<()>| async { Ok::<_, BoxError>(()) });
    let layer = RateLimitLayer::new(Rate::per_minute(1)).waiting(Duration::MAX).by_deadline();
    let service = layer.layer(ok);
    let request = || {
        let mut request = http::Request::new(());
        request.extensions_mut().insert(Expires(Instant::now() + 500 * MS));
        request
    };
    service.clone().oneshot(request()).await.unwrap();
    let error = task::spawn(service.oneshot(request())).poll();
    assert!(exceeded(&assert_ready_err!(error)).is_by_deadline());
}

#[tokio::test(start_paused = true)]
async fn readiness_is_the_inner_services_and_takes_nothing() {
    let limit = each(CYCLE);
    let (mut service, mut handle): (_, Handle<(), ()>) =
        mock::spawn_layer(RateLimitLayer::shared(limit.clone()));
    handle.allow(0);
    assert_pending!(service.poll_ready());
    handle.allow(1);
    for _ in 0..3 {
        assert_ready_ok!(service.poll_ready());
    }
    let _idle = service.clone();
    assert_eq!(limit.available(), 1);
    drop(task::spawn(service.call(())));
    assert_eq!(limit.available(), 0, "it was sent, so it counts");
    assert_eq!(limit.allowed(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_leaves_the_handle_ready() {
    let limit = each(CYCLE);
    let (mut service, mut handle) = mock::spawn_layer(RateLimitLayer::shared(limit.clone()));
    limit.check().unwrap();
    handle.allow(1);
    assert_ready_ok!(service.poll_ready());
    assert_ready_err!(task::spawn(service.call(())).poll());
    advance(CYCLE).await;
    // The one permit that the inner service gave is still this handle's.
    assert_ready_ok!(service.poll_ready());
    let mut reply = task::spawn(service.call(()));
    sent(&mut handle).send_response(());
    assert_ready_ok!(reply.poll());
}

#[tokio::test(start_paused = true)]
async fn what_one_layer_wraps_shares_one_limit() {
    let layer = RateLimitLayer::new(Rate::per_minute(1));
    let service = || layer.layer(service_fn(|()| async { Ok::<_, BoxError>(()) }));
    service().oneshot(()).await.unwrap();
    service().oneshot(()).await.unwrap_err();
    layer.clone().layer(service()).oneshot(()).await.unwrap_err();
}

/// A request of the tests: who, and how much.
type Call = (String, u32);

fn who((who, _): &Call) -> &str {
    who
}

#[tokio::test(start_paused = true)]
async fn each_key_has_its_own() {
    let ok = service_fn(|_: Call| async { Ok::<_, BoxError>(()) });
    let limit = KeyedRateLimit::<str>::new("tenants", Rate::per_minute(2), 100);
    let layer = RateLimitLayer::by(limit.clone(), who).weight(|(_, weight): &Call| *weight);
    let service = layer.layer(ok);
    let call = |who: &str, weight| service.clone().oneshot((who.to_owned(), weight));
    call("ada", 2).await.unwrap();
    let refused = call("ada", 1).await.unwrap_err();
    assert_eq!(exceeded(&refused).retry_after(), Some(Duration::from_secs(30)));
    call("bob", 1).await.unwrap();
    call("bob", 1).await.unwrap();
    call("bob", 1).await.unwrap_err();
    call("bob", 0).await.expect("what weighs nothing passes");
    let heavy = call("eve", 3).await.unwrap_err();
    assert!(matches!(heavy.downcast_ref(), Some(RateLimited::TooHeavy(_))), "{heavy}");
    assert_eq!((limit.available("ada"), limit.available("eve")), (0, 2));
    assert_eq!((limit.allowed(), limit.refused(), limit.evicted()), (4, 3, 0));

    // An owned key, by a closure.
    let limit = KeyedRateLimit::<u32>::new("", Rate::per_minute(1), 100);
    let layer = RateLimitLayer::by(limit, |(_, weight): &Call| *weight);
    let service = layer.layer(ok);
    service.clone().oneshot((String::new(), 1)).await.unwrap();
    service.clone().oneshot((String::new(), 2)).await.unwrap();
    service.oneshot((String::new(), 1)).await.unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn whoever_likes_chooses_among_limits() {
    #[derive(Clone)]
    struct Plans {
        free: RateLimit,
        paid: RateLimit,
    }

    impl Plans {
        fn of(&self, (who, _): &Call) -> &RateLimit {
            if who == "ada" { &self.paid } else { &self.free }
        }
    }

    impl Meter<Call> for Plans {
        fn check(&self, call: &Call, weight: u32) -> Result<(), RateLimited> {
            self.of(call).check_n(weight)
        }

        fn reserve(
            &self,
            call: &Call,
            weight: u32,
            patience: Patience,
        ) -> Result<Reservation, RateLimited> {
            self.of(call).reserve(weight, patience)
        }
    }

    let limit = |name, many| RateLimit::new(name, Rate::per_minute(many));
    let plans = Plans { free: limit("free", 1), paid: limit("paid", 2) };
    let ok = service_fn(|_: Call| async { Ok::<_, BoxError>(()) });
    let service = RateLimitLayer::shared(plans).layer(ok);
    let call = |who: &str| service.clone().oneshot((who.to_owned(), 1));
    call("ada").await.unwrap();
    call("ada").await.unwrap();
    call("bob").await.unwrap();
    let error = call("bob").await.unwrap_err();
    assert_eq!(error.downcast_ref::<RateLimited>().map(RateLimited::name), Some("free"));
}

// ===== waiting =====

type Waiter =
    mock::Spawn<RateLimiting<mock::Mock<(), ()>, RateLimit, kit_limit::rate::One, Waiting>>;

/// A limit of one each cycle, its service, and one request that took the first.
fn waiting() -> (RateLimit, Waiter, Handle<(), ()>) {
    let limit = each(CYCLE);
    limit.check().unwrap();
    let layer = RateLimitLayer::shared(limit.clone()).waiting(3 * CYCLE);
    let (service, handle) = mock::spawn_layer(layer);
    (limit, service, handle)
}

// failsafe-go, test/ratelimiter_test.go: should acquire permit after wait
#[tokio::test(start_paused = true)]
async fn a_request_waits_for_its_turn() {
    let (limit, mut service, mut handle) = waiting();
    assert_ready_ok!(service.poll_ready());
    // The future has the handle that is ready: the other would panic.
    let mut reply = task::spawn(service.call(()));
    assert_pending!(reply.poll());
    advance(249 * MS).await;
    assert_pending!(reply.poll());
    assert_pending!(handle.poll_request());
    advance(MS).await;
    assert!(reply.is_woken());
    assert_pending!(reply.poll());
    sent(&mut handle).send_response(());
    assert_ready_ok!(reply.poll());
    assert_eq!((limit.allowed(), limit.waited(), limit.waiting()), (2, 1, 0));
}

// failsafe-go, test/ratelimiter_test.go: with maxWaitTime exceeded
#[tokio::test(start_paused = true)]
async fn who_would_wait_too_long_is_refused_at_once() {
    let (limit, mut service, mut handle) = waiting();
    let mut replies = Vec::new();
    for _ in 0..3 {
        assert_ready_ok!(service.poll_ready());
        replies.push(task::spawn(service.call(())));
    }
    assert_ready_ok!(service.poll_ready());
    let error = assert_ready_err!(task::spawn(service.call(())).poll());
    assert_eq!(exceeded(&error).retry_after(), Some(4 * CYCLE));
    assert!(!exceeded(&error).is_by_deadline());
    // In the order in which they came, one each cycle.
    for reply in &mut replies {
        assert_pending!(reply.poll());
        advance(CYCLE).await;
        assert_pending!(reply.poll());
        sent(&mut handle).send_response(());
        assert_ready_ok!(reply.poll());
        assert_pending!(handle.poll_request());
    }
    assert_eq!((limit.allowed(), limit.refused(), limit.waiting()), (4, 1, 0));
}

// failsafe-go, test/ratelimiter_test.go: should cancel rate limiting
#[tokio::test(start_paused = true)]
async fn dropped_at_each_point_nothing_is_kept() {
    for point in 0..4 {
        let (limit, mut service, mut handle) = waiting();
        assert_ready_ok!(service.poll_ready());
        let mut reply = task::spawn(service.call(()));
        assert_eq!(limit.waiting(), 1);
        if point >= 1 {
            assert_pending!(reply.poll());
        }
        if point >= 2 {
            advance(CYCLE).await;
        }
        if point == 3 {
            assert_pending!(reply.poll());
        }
        drop(reply);
        assert_eq!(limit.waiting(), 0, "{point}");
        // What was sent counts; what was not does not.
        let is_sent = point == 3;
        assert_eq!(limit.allowed(), 1 + u64::from(is_sent), "{point}");
        let next = if is_sent || point < 2 { CYCLE } else { Duration::ZERO };
        assert_eq!(limit.check().map_or_else(|fact| fact.retry_after(), |()| None), {
            Some(next).filter(|next| !next.is_zero())
        });
        // The service is free again, whoever had it.
        assert_ready_ok!(service.poll_ready());
        if is_sent {
            sent(&mut handle);
        }
        assert_pending!(handle.poll_request());
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_behind_one_that_gives_up_keeps_its_time() {
    let limit = each(CYCLE);
    limit.check().unwrap();
    let reserve = || limit.reserve(1, Duration::MAX).unwrap();
    let (first, second, third) = (reserve(), reserve(), reserve());
    let at = third.at();
    drop(second);
    assert_eq!(wait(limit.check()), 4 * CYCLE, "it is lost: nobody comes too early");
    assert_eq!(third.at(), at);
    drop(third);
    assert_eq!(wait(limit.check()), 3 * CYCLE, "the last one is given back");
    drop(first);
    assert_eq!((wait(limit.check()), limit.waiting()), (3 * CYCLE, 0));
    // The last to come being the first to go, all is given back.
    advance(3 * CYCLE).await;
    limit.check().unwrap();
    let (first, second) = (reserve(), reserve());
    drop(second);
    drop(first);
    assert_eq!(wait(limit.check()), CYCLE);
}

#[tokio::test(start_paused = true)]
async fn keys_wait_apart() {
    let limit = KeyedRateLimit::<str>::new("", Rate::new(1, CYCLE), 100);
    for who in ["ada", "bob"] {
        assert_eq!(limit.reserve(who, 1, CYCLE).unwrap().at(), None);
        let reservation = limit.reserve(who, 1, CYCLE).unwrap();
        assert_eq!(reservation.at(), Some(Instant::now() + CYCLE));
        assert!(limit.reserve(who, 1, CYCLE).is_err());
        drop(reservation);
        assert_eq!(wait(limit.check(who)), CYCLE, "given back");
        let mut turn = task::spawn(limit.reserve(who, 1, CYCLE).unwrap().ready());
        assert_pending!(turn.poll());
        assert_eq!(limit.waiting(), 1);
        advance(CYCLE).await;
        assert_ready!(turn.poll());
        assert_eq!(wait(limit.check(who)), CYCLE);
    }
    assert_eq!((limit.allowed(), limit.waited(), limit.waiting()), (4, 4, 0));
}

// ===== what a refusal says =====

fn headers(fact: &dyn Fault) -> (Details, HeaderMap) {
    let mut details = Details::default();
    fact.describe(&mut details);
    let headers = details.headers().clone();
    (details, headers)
}

#[tokio::test(start_paused = true)]
async fn a_refusal_says_what_the_draft_says() {
    let limit = RateLimit::new("per \"user\"", Rate::per_second(100).burst(20));
    limit.check_n(15).unwrap();
    let fact = limit.check_n(9).unwrap_err();
    assert_eq!((fact.kind(), fact.retry_after()), (Kind::ResourceExhausted, Some(40 * MS)));
    assert!(fact.refused());
    assert_eq!(fact.to_string(), "the rate limit is exceeded: try again in 40ms");
    let (details, headers) = headers(&fact);
    assert_eq!(details.get_reason(), Some("RATE_LIMITED"));
    assert_eq!(details.quotas()[0].subject, "limit:per \"user\"");
    assert_eq!(details.quotas()[0].description, "at most 100 per 1s, 20 at once");
    assert_eq!(headers["ratelimit"], r#""per \"user\"";r=5;t=1"#);
    assert_eq!(headers["ratelimit-policy"], r#""per \"user\"";q=100;w=1;kit-burst=20"#);
}

#[tokio::test(start_paused = true)]
async fn the_draft_knows_whole_seconds_only() {
    for (rate, policy) in [
        (Rate::per_hour(5), "\"default\";q=5;w=3600"),
        (Rate::new(1, 250 * MS).burst(4), "\"default\";q=4;w=1"),
        (Rate::new(1, 1500 * MS), "\"default\";q=1;w=2"),
        (Rate::new(1, 1500 * MS).burst(2), "\"default\";q=1;w=2;kit-burst=2"),
    ] {
        let limit = RateLimit::new("", rate);
        limit.check_n(rate.burst_size()).unwrap();
        let (_, headers) = headers(&limit.check().unwrap_err());
        assert_eq!(headers["ratelimit-policy"], policy);
    }
}

#[tokio::test(start_paused = true)]
async fn it_answers_over_http_and_grpc() {
    let ok = service_fn(|()| async { Ok::<_, Infallible>(http::Response::new(String::new())) });
    let layer = || RateLimitLayer::new(Rate::new(1, 1500 * MS));
    let service = layer().refuse(AsHttp).layer(ok);
    assert_eq!(service.clone().oneshot(()).await.unwrap().status(), 200);
    let refused = service.oneshot(()).await.unwrap();
    assert_eq!(
        (refused.status().as_u16(), &refused.headers()["retry-after"]),
        (429, &"2".parse().unwrap())
    );
    assert_eq!(refused.headers()["ratelimit"], "\"default\";r=0;t=2");
    assert!(refused.body().contains("RATE_LIMITED"), "{}", refused.body());

    let service = layer().refuse(AsGrpc).waiting(MS).layer(ok);
    service.clone().oneshot(()).await.unwrap();
    let refused = service.oneshot(()).await.unwrap();
    assert_eq!(refused.headers()["grpc-status"], "8");
    assert_eq!(refused.headers()["ratelimit"], "\"default\";r=0;t=2");
}

/// Keeps what a limit says.
#[derive(Default)]
struct Said(Vec<(String, f64)>);

impl Inspector for Said {
    #[allow(clippy::cast_precision_loss, reason = "they are small")]
    fn counter(&mut self, name: &str, _: &str, labels: &[(&str, &str)], value: u64) {
        assert_eq!(labels, [("limit", "test")]);
        self.0.push((name.to_owned(), value as f64));
    }

    fn gauge(&mut self, name: &str, _: &str, labels: &[(&str, &str)], value: f64) {
        assert_eq!(labels, [("limit", "test")]);
        self.0.push((name.to_owned(), value));
    }
}

#[tokio::test(start_paused = true)]
async fn it_says_what_it_did() {
    let said = |limit: &dyn Inspect| {
        let mut said = Said::default();
        limit.inspect(&mut said);
        said.0.into_iter().map(|(name, value)| format!("{name} {value}")).collect::<Vec<_>>()
    };
    let limit = RateLimit::new("test", Rate::new(1, CYCLE).burst(2));
    limit.check().unwrap();
    limit.check_n(2).unwrap_err();
    let _kept = limit.reserve(2, CYCLE).unwrap();
    assert_eq!(
        said(&limit),
        [
            "rate_limit_allowed_total 1",
            "rate_limit_refused_total 1",
            "rate_limit_waited_total 1",
            "rate_limit_waiting 1",
            "rate_limit_available 0",
        ]
    );
    let limit = KeyedRateLimit::<u8>::new("test", Rate::new(1, CYCLE), 1);
    (0..9).for_each(|key| limit.check(&key).unwrap());
    assert_eq!(
        said(&limit),
        [
            "rate_limit_allowed_total 9",
            "rate_limit_refused_total 0",
            "rate_limit_waited_total 0",
            "rate_limit_waiting 0",
            "rate_limit_evicted_total 1",
            "rate_limit_capacity 8",
        ]
    );
}

// ===== many keys =====

#[tokio::test(start_paused = true)]
async fn a_million_made_up_keys_do_not_free_the_heavy_one() {
    let limit = KeyedRateLimit::<u64>::new("test", Rate::per_second(10), 1024);
    limit.check_n(&u64::MAX, 10).unwrap();
    for key in 0..1_000_000 {
        limit.check(&key).unwrap();
        if key % 1000 == 0 {
            limit.check(&u64::MAX).expect_err("it owes the most");
        }
    }
    assert_eq!((limit.capacity(), limit.allowed()), (1024, 1_000_001));
    assert!(limit.evicted() > 990_000, "{}", limit.evicted());
    // As soon as nothing is owed any more, there is room for all again.
    advance(Duration::from_secs(1)).await;
    let evicted = limit.evicted();
    limit.check_n(&u64::MAX, 10).unwrap();
    assert_eq!(limit.evicted(), evicted);
}

#[tokio::test(start_paused = true)]
async fn a_table_that_is_half_full_forgets_hardly_anybody() {
    let limit = KeyedRateLimit::<u64>::new("test", Rate::per_hour(1), 16_384);
    (0..8192).for_each(|key| limit.check(&key).unwrap());
    let forgotten = (0..8192).filter(|key| limit.available(key) > 0).count();
    assert_eq!(u64::try_from(forgotten).unwrap(), limit.evicted());
    assert!(forgotten < 8192 / 50, "{forgotten}");
}

#[test]
fn threads_share_it() {
    // Loom tries all orders of few steps (rate_loom.rs); this is many steps.
    let rate = Rate::per_hour(1).burst(1000);
    let one = RateLimit::new("", rate);
    let keyed = KeyedRateLimit::<u64>::new("", rate, 64);
    keyed.check(&7).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for key in 0..1000 {
                    let _ = (one.check(), keyed.check(&7), keyed.check(&(key % 16)));
                }
            });
        }
    });
    assert_eq!((one.allowed(), one.refused()), (1000, 3000));
    assert_eq!((keyed.available(&7), keyed.evicted()), (0, 0));
}

#[test]
fn they_may_go_anywhere() {
    fn assert_send_sync<T: Send + Sync + 'static>() {}
    assert_send_sync::<RateLimit>();
    assert_send_sync::<KeyedRateLimit<str>>();
    assert_send_sync::<RateLimitLayer>();
    assert_send_sync::<RateLimited>();
    assert_send_sync::<Reservation>();
    assert_send_sync::<RateLimiting<()>>();
}

// ===== against a model =====

/// What was let through, as a plain list.
#[derive(Default)]
struct Model(Vec<u128>);

impl Model {
    /// Says how long a request of a weight has to wait at `now`: until in no
    /// time up to then more pass than a burst and one each interval since.
    fn wait(&self, rate: Rate, now: u128, weight: u32) -> u128 {
        let (interval, burst) = (rate.interval().as_nanos(), u128::from(rate.burst_size()));
        let waits = self.0.iter().enumerate().map(|(index, at)| {
            let many = (self.0.len() - index) as u128 + u128::from(weight);
            (at + many.saturating_sub(burst) * interval).saturating_sub(now)
        });
        waits.max().unwrap_or(0)
    }

    fn take(&mut self, now: u128, weight: u32) {
        self.0.extend((0..weight).map(|_| now));
    }
}

fn steps() -> impl Strategy<Value = Vec<(u64, u8, u32)>> {
    // Time between, key, weight.
    let times = prop_oneof![Just(0_u64), 0..50_u64, 0..3000_u64];
    proptest::collection::vec((times, 0..4_u8, 1..5_u32), 1..80)
}

fn on_a_paused_clock<F: Future>(test: F) -> F::Output {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_time().start_paused(true).build().unwrap().block_on(test)
}

proptest! {
    #[test]
    fn as_a_list_of_times_has_it(
        many in 1..20_u32, period in 1..2000_u64, burst in 1..8_u32, steps in steps(),
    ) {
        let rate = Rate::new(many, Duration::from_nanos(period)).burst(burst);
        on_a_paused_clock(async {
            let one = RateLimit::new("", rate);
            let keyed = KeyedRateLimit::<u8>::new("", rate, 64);
            let (mut all, mut each) = (Model::default(), <[Model; 4]>::default());
            let began = Instant::now();
            for (after, key, weight) in steps {
                advance(Duration::from_nanos(after)).await;
                let now = began.elapsed().as_nanos();
                let model = &mut each[usize::from(key)];
                for (model, result) in
                    [(&mut all, one.check_n(weight)), (model, keyed.check_n(&key, weight))]
                {
                    if weight > burst {
                        prop_assert!(matches!(result, Err(RateLimited::TooHeavy(_))));
                        continue;
                    }
                    let wait = model.wait(rate, now, weight);
                    match result {
                        Ok(()) => {
                            prop_assert_eq!(wait, 0);
                            model.take(now, weight);
                        }
                        Err(RateLimited::Exceeded(fact)) => {
                            let after = fact.retry_after().unwrap().as_nanos();
                            prop_assert!(wait > 0);
                            prop_assert_eq!(after, wait);
                            let fits = |weight: &u32| model.wait(rate, now, *weight) == 0;
                            let left = (1..weight).rev().find(fits).unwrap_or(0);
                            prop_assert_eq!(fact.remaining(), left);
                        }
                        Err(other) => prop_assert!(false, "{other}"),
                    }
                }
                let fits = |weight: &u32| all.wait(rate, now, *weight) == 0;
                prop_assert_eq!(one.available(), (1..=burst).rev().find(fits).unwrap_or(0));
            }
            Ok(())
        })?;
    }

    /// Who waits begins when the model says, whoever else waits or is refused.
    #[test]
    fn waiters_as_a_list_of_times_has_it(
        interval in 1..500_u64, burst in 1..8_u32, longest in 0..2000_u64, steps in steps(),
    ) {
        let rate = Rate::new(1, Duration::from_nanos(interval)).burst(burst);
        on_a_paused_clock(async {
            let limit = RateLimit::new("", rate);
            let mut model = Model::default();
            let began = Instant::now();
            for (after, key, weight) in steps {
                let weight = weight.min(burst);
                advance(Duration::from_nanos(after)).await;
                let now = began.elapsed().as_nanos();
                let wait = model.wait(rate, now, weight);
                match limit.reserve(weight, Duration::from_nanos(longest)) {
                    Ok(reservation) => {
                        prop_assert!(wait <= u128::from(longest));
                        let at = reservation.at().map(|at| (at - began).as_nanos());
                        prop_assert_eq!(at, Some(now + wait).filter(|_| wait > 0));
                        // One of four gives up, at once: it is as if it never came.
                        if key > 0 || wait == 0 {
                            reservation.spend();
                            model.take(now + wait, weight);
                        }
                    }
                    Err(fact) => {
                        prop_assert!(wait > u128::from(longest));
                        prop_assert_eq!(fact.retry_after().unwrap().as_nanos(), wait);
                    }
                }
            }
            Ok(())
        })?;
    }
}
