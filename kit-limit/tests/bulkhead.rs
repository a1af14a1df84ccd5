//! The bulkhead as its users meet it, and the cases of those who did it before:
//! resilience4j (af9e7c979, `bulkhead`), failsafe-go (5759a5e, `bulkhead`, and of
//! `adaptivelimiter` what queues), Netflix (concurrency-limits 78a74b9,
//! `BlockingLimiter` and `LifoBlockingLimiter`).
//!
//! Nothing here waits: the clock is paused, and a bug fails a test and never hangs
//! it.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use bytes::Bytes;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use kit_endpoint::{
    AsError, AsHttp, Criticality, Details, Fault, Inspect, Inspector, Judgement, Kind, Request,
    Settle, UntilReply,
};
use kit_limit::bulkhead::{
    Bulkhead, BulkheadFull, BulkheadLayer, Compartment, Place, Refusal, future::ResponseFuture,
};
use std::{
    convert::Infallible,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::{Instant, advance};
use tokio_stream::StreamExt;
use tokio_test::{assert_pending, assert_ready, assert_ready_err, assert_ready_ok, task};
use tower::{BoxError, Layer, Service, ServiceExt, service_fn};
use tower_test::mock::{self, Mock, SendResponse};

use Criticality::{Critical, CriticalPlus, Sheddable, SheddablePlus};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

type Handle = mock::Handle<u32, u32>;
type Reply = <Mock<u32, u32> as Service<u32>>::Future;
type Call = task::Spawn<ResponseFuture<Mock<u32, u32>, u32, Reply, AsError, UntilReply>>;

/// A bulkhead in front of a mock that is always ready.
struct Server {
    bulkhead: Bulkhead<Mock<u32, u32>>,
    handle: Handle,
}

impl Server {
    fn new(compartment: &Compartment) -> Self {
        let (mock, mut handle) = mock::pair();
        handle.allow(1000);
        Self { bulkhead: BulkheadLayer::shared(compartment.clone()).layer(mock), handle }
    }

    /// Calls and polls once.
    fn call(&mut self, request: u32) -> (Call, Poll<Result<u32, BoxError>>) {
        let mut call = task::spawn(self.bulkhead.call(request));
        let poll = call.poll();
        (call, poll)
    }

    /// Calls; it must wait.
    fn waits(&mut self, request: u32) -> Call {
        let (call, poll) = self.call(request);
        assert_pending!(poll);
        assert_pending!(self.handle.poll_request(), "it does not wait");
        call
    }

    /// Calls; it must be sent.
    fn sends(&mut self, request: u32) -> (Call, SendResponse<u32>) {
        let (call, poll) = self.call(request);
        assert_pending!(poll);
        let send = self.sent(request);
        (call, send)
    }

    fn refuses(&mut self, request: u32) -> Refusal {
        refusal(self.call(request).1)
    }

    /// The request that was sent.
    fn sent(&mut self, request: u32) -> SendResponse<u32> {
        let sent = assert_ready!(self.handle.poll_request(), "it was not sent").unwrap();
        assert_eq!(sent.0, request);
        sent.1
    }
}

fn refusal<T: std::fmt::Debug>(poll: Poll<Result<T, BoxError>>) -> Refusal {
    let error = assert_ready_err!(poll);
    error.downcast_ref::<BulkheadFull>().expect("another error").refusal()
}

fn of(places: usize, queue: usize, wait: Duration) -> Compartment {
    Compartment::new("test").size(places).queue(queue, wait)
}

// ===== without a queue =====

// SemaphoreBulkheadTest.testCreateWithDefaults, shouldReturnTheCorrectName
#[test]
fn the_defaults_are_resilience4js() {
    let compartment = Compartment::new("test");
    assert_eq!((compartment.name(), compartment.places()), ("test", 25));
    assert_eq!((compartment.in_flight(), compartment.queued()), (0, 0));
    let _all = [(); 25].map(|()| compartment.try_enter().unwrap());
    assert_eq!(compartment.try_enter().unwrap_err().refusal(), Refusal::Full);
}

// SemaphoreBulkheadTest.shouldHandleBasicBulkheadOperationsInBothThreadModes,
// failsafe-go TestTryAcquirePermitAndReleasePermit
#[test]
fn places_are_taken_and_given_back() {
    let compartment = of(2, 0, Duration::ZERO);
    let first = compartment.try_enter().unwrap();
    let second = compartment.try_enter().unwrap();
    assert!(compartment.try_enter().is_err());
    assert_eq!(compartment.in_flight(), 2);
    drop(first);
    assert_eq!(compartment.in_flight(), 1);
    second.settle(Judgement::of(true));
    assert_eq!(compartment.in_flight(), 0);
    assert!(compartment.try_enter().is_ok());
    assert_eq!(compartment.refused(Refusal::Full), 1);
}

// SemaphoreBulkheadTest.testZeroMaxConcurrentCalls
#[test]
fn no_places_are_none() {
    assert!(of(0, 0, Duration::ZERO).try_enter().is_err());
}

// BulkheadTest.shouldReturnFailureWithBulkheadFullException, ...WithSuccess,
// ...WithException; failsafe-go "when not full", "when full"
#[tokio::test(start_paused = true)]
async fn without_a_queue_nobody_waits() {
    let compartment = of(2, 0, Duration::ZERO);
    let mut server = Server::new(&compartment);
    let (mut first, answer) = server.sends(1);
    let (mut second, fail) = server.sends(2);
    assert_eq!(server.refuses(3), Refusal::Full);
    answer.send_response(10);
    assert_eq!(assert_ready_ok!(first.poll()), 10);
    assert_eq!(compartment.in_flight(), 1);
    fail.send_error("BAM!");
    assert_eq!(assert_ready_err!(second.poll()).to_string(), "BAM!");
    assert_eq!(compartment.in_flight(), 0);
    // A queue that is waited in for no time is none, and so is one of no places.
    for compartment in [of(1, 10, Duration::ZERO), of(1, 0, SECOND)] {
        let mut server = Server::new(&compartment);
        let _one = server.sends(1);
        assert_eq!(server.refuses(2), Refusal::Full);
    }
}

// BulkheadTest.shouldChainDecoratedFunctions
#[tokio::test(start_paused = true)]
async fn one_bulkhead_within_another() {
    let (outer, inner) = (of(1, 0, Duration::ZERO), of(1, 0, Duration::ZERO));
    let seen = (outer.clone(), inner.clone());
    let service = BulkheadLayer::shared(outer.clone()).layer(
        BulkheadLayer::shared(inner.clone()).layer(service_fn(move |()| {
            let seen = (seen.0.in_flight(), seen.1.in_flight());
            async move { Ok::<_, BoxError>(seen) }
        })),
    );
    assert_eq!(service.oneshot(()).await.unwrap(), (1, 1));
    assert_eq!((outer.in_flight(), inner.in_flight()), (0, 0));
}

// ===== the queue =====

// failsafe-go TestAcquirePermit, "should AcquirePermit after wait";
// LifoBlockingLimiterTest.unblockWhenFullBeforeTimeout
#[tokio::test(start_paused = true)]
async fn who_waits_is_woken_when_a_place_is_free() {
    let compartment = of(1, 1, SECOND);
    let mut server = Server::new(&compartment);
    let (mut first, answer) = server.sends(1);
    let mut second = server.waits(2);
    assert_eq!((compartment.in_flight(), compartment.queued()), (1, 1));
    advance(250 * MS).await;
    assert!(!second.is_woken());
    answer.send_response(10);
    assert_ready_ok!(first.poll());
    assert!(second.is_woken());
    assert_eq!((compartment.in_flight(), compartment.queued()), (1, 0), "the place is handed on");
    assert_pending!(second.poll());
    server.sent(2).send_response(20);
    assert_eq!(assert_ready_ok!(second.poll()), 20);
    assert_eq!(compartment.in_flight(), 0);
}

// LifoBlockingLimiterTest.rejectWhenBacklogSizeReached; failsafe-go "when limit and
// queue exceeded", TestQueueingLimiter_AcquirePermit
#[tokio::test(start_paused = true)]
async fn a_queue_has_an_end() {
    let compartment = of(1, 3, SECOND);
    let mut server = Server::new(&compartment);
    let _one = server.sends(1);
    let waiting: Vec<_> = (2..5).map(|request| server.waits(request)).collect();
    assert_eq!(compartment.queued(), 3);
    assert_eq!(server.refuses(5), Refusal::Full);
    drop(waiting);
    assert_eq!(compartment.queued(), 0);
}

// SemaphoreBulkheadTest.testEntryTimeout, shouldHandleTimeoutBehavior...; failsafe-go
// TestAcquirePermitWithMaxWaitTime; BlockingLimiterTest.testTimeout;
// LifoBlockingLimiterTest.blockWhenFullAndTimeout
#[tokio::test(start_paused = true)]
async fn a_wait_has_an_end() {
    let compartment = of(1, 1, 50 * MS);
    let mut server = Server::new(&compartment);
    let _one = server.sends(1);
    let mut second = server.waits(2);
    advance(49 * MS).await;
    assert_pending!(second.poll());
    advance(2 * MS).await;
    assert!(second.is_woken());
    assert_eq!(refusal(second.poll()), Refusal::TimedOut);
    assert_eq!((compartment.in_flight(), compartment.queued()), (1, 0));
    assert_eq!(compartment.refused(Refusal::TimedOut), 1);
}

// BlockingLimiterTest.testNoTimeout
#[tokio::test(start_paused = true)]
async fn a_wait_may_have_no_end() {
    let mut server = Server::new(&of(1, 1, Duration::MAX));
    let _one = server.sends(1);
    let mut second = server.waits(2);
    advance(Duration::from_hours(1000)).await;
    assert_pending!(second.poll());
}

// failsafe-go "with short maxWaitTime"
#[tokio::test(start_paused = true)]
async fn a_short_wait_is_none_when_there_is_a_place() {
    let mut server = Server::new(&of(1, 1, Duration::from_nanos(1)));
    let (mut call, answer) = server.sends(1);
    answer.send_response(1);
    assert_ready_ok!(call.poll());
}

// BlockingLimiterTest.testMultipleBlockedThreads
#[tokio::test(start_paused = true)]
async fn who_came_first_is_first() {
    let compartment = of(1, 8, SECOND);
    let mut server = Server::new(&compartment);
    let (mut current, mut answer) = server.sends(0);
    let mut waiting: Vec<_> = (1..=8).map(|request| server.waits(request)).collect();
    for request in 1..=8 {
        answer.send_response(0);
        assert_ready_ok!(current.poll());
        for (place, call) in waiting.iter().enumerate() {
            assert_eq!(call.is_woken(), place == 0, "{request}: only the first");
        }
        current = waiting.remove(0);
        assert_pending!(current.poll());
        answer = server.sent(request);
    }
    assert_eq!((compartment.in_flight(), compartment.queued()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn nobody_comes_in_past_those_who_wait() {
    let compartment = of(1, 1, SECOND);
    let mut server = Server::new(&compartment);
    let (mut first, answer) = server.sends(1);
    let mut second = server.waits(2);
    answer.send_response(1);
    assert_ready_ok!(first.poll());
    // The second was not polled yet, but the place is its own.
    let mut third = server.waits(3);
    assert!(compartment.try_enter().is_err());
    assert_pending!(second.poll());
    server.sent(2).send_response(2);
    assert_ready_ok!(second.poll());
    assert_pending!(third.poll());
    server.sent(3);
}

// LifoBlockingLimiterTest.timeoutAcquireRaceCondition
#[tokio::test(start_paused = true)]
async fn a_place_that_comes_with_the_time_out_is_not_lost() {
    let compartment = of(1, 2, 10 * MS);
    let mut server = Server::new(&compartment);
    let (mut first, answer) = server.sends(1);
    let mut second = server.waits(2);
    answer.send_response(1);
    assert_ready_ok!(first.poll());
    advance(20 * MS).await;
    // Its turn came in time: it is served, though it hears of it late.
    assert_pending!(second.poll());
    server.sent(2);
    drop(second);
    assert_eq!(compartment.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn who_is_too_late_is_passed_over() {
    let compartment = of(1, 3, SECOND);
    let mut server = Server::new(&compartment);
    let (mut first, answer) = server.sends(1);
    let mut second = server.waits(2);
    advance(900 * MS).await;
    let mut third = server.waits(3);
    advance(200 * MS).await;
    answer.send_response(1);
    assert_ready_ok!(first.poll());
    assert_eq!(compartment.queued(), 0);
    assert!(third.is_woken(), "its turn came");
    assert_pending!(third.poll());
    server.sent(3);
    assert!(second.is_woken());
    assert_eq!(refusal(second.poll()), Refusal::TimedOut);
}

// ===== dropped =====

#[tokio::test(start_paused = true)]
async fn who_is_dropped_leaves_the_queue_at_once() {
    let compartment = of(1, 3, SECOND);
    let mut server = Server::new(&compartment);
    let (mut first, answer) = server.sends(1);
    let second = server.waits(2);
    // Never polled.
    let third = server.bulkhead.call(3);
    let mut fourth = server.waits(4);
    assert_eq!(compartment.queued(), 3);
    drop((second, third));
    assert_eq!(compartment.queued(), 1);
    answer.send_response(1);
    assert_ready_ok!(first.poll());
    assert!(fourth.is_woken());
    assert_pending!(fourth.poll());
    server.sent(4);
}

#[tokio::test(start_paused = true)]
async fn a_place_handed_to_one_who_is_dropped_goes_to_the_next() {
    for polled in [false, true] {
        let compartment = of(1, 3, SECOND);
        let mut server = Server::new(&compartment);
        let (mut first, answer) = server.sends(1);
        let mut second = task::spawn(server.bulkhead.call(2));
        if polled {
            assert_pending!(second.poll());
        }
        let mut third = server.waits(3);
        answer.send_response(1);
        assert_ready_ok!(first.poll());
        assert!(!third.is_woken());
        drop(second);
        assert!(third.is_woken());
        assert_pending!(third.poll());
        server.sent(3);
        drop(third);
        assert_eq!((compartment.in_flight(), compartment.queued()), (0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_drop_at_any_point_leaks_nothing() {
    let compartment = of(1, 1, SECOND);
    let (mock, mut handle) = mock::pair::<u32, u32>();
    let mut bulkhead = BulkheadLayer::shared(compartment.clone()).layer(mock);
    handle.allow(0);
    // In, and never polled.
    drop(bulkhead.call(1));
    assert_eq!(compartment.in_flight(), 0);
    // In, and the inner service is not ready.
    let mut call = task::spawn(bulkhead.call(1));
    assert_pending!(call.poll());
    assert_eq!(compartment.in_flight(), 1);
    drop(call);
    assert_eq!(compartment.in_flight(), 0);
    // Sent.
    handle.allow(1);
    let mut call = task::spawn(bulkhead.call(1));
    assert_pending!(call.poll());
    assert!(handle.poll_request().is_ready());
    drop(call);
    assert_eq!(compartment.in_flight(), 0);
    // Refused, and never polled.
    let place = compartment.try_enter().unwrap();
    let waits = bulkhead.call(1);
    drop(bulkhead.call(2));
    drop(waits);
    drop(place);
    assert_eq!((compartment.in_flight(), compartment.queued()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn an_inner_service_that_is_closed_gives_the_place_back() {
    let compartment = of(1, 1, SECOND);
    let (mock, mut handle) = mock::pair::<u32, u32>();
    let mut bulkhead = BulkheadLayer::shared(compartment.clone()).layer(mock);
    handle.send_error("gone");
    let mut call = task::spawn(bulkhead.call(1));
    assert_eq!(assert_ready_err!(call.poll()).to_string(), "gone");
    assert_eq!(compartment.in_flight(), 0, "before the future is dropped");
}

#[derive(Clone)]
struct Panics(&'static str);

impl Service<()> for Panics {
    type Response = ();
    type Error = BoxError;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<(), BoxError>>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        assert_ne!(self.0, "poll_ready");
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, (): ()) -> Self::Future {
        assert_ne!(self.0, "call");
        Box::pin(async { panic!("poll") })
    }
}

#[test]
fn a_panic_leaks_no_place() {
    let compartment = of(1, 1, SECOND);
    let layer = BulkheadLayer::shared(compartment.clone());
    for at in ["poll_ready", "call", "poll"] {
        let mut service = layer.layer(Panics(at));
        let call = catch_unwind(AssertUnwindSafe(|| {
            let mut call = task::spawn(service.call(()));
            let _ = call.poll();
        }));
        assert!(call.is_err(), "{at}");
        assert_eq!(compartment.in_flight(), 0, "{at}");
    }
}

#[test]
fn a_waker_that_panics_breaks_nothing() {
    struct Bad;
    impl std::task::Wake for Bad {
        fn wake(self: Arc<Self>) {
            panic!("bad");
        }
    }
    let compartment = of(1, 3, Duration::MAX);
    let place = compartment.try_enter().unwrap();
    let mut service = BulkheadLayer::shared(compartment.clone())
        .layer(service_fn(|()| async { Ok::<_, BoxError>(()) }));
    let mut bad = Box::pin(service.call(()));
    let waker = Arc::new(Bad).into();
    assert_pending!(bad.as_mut().poll(&mut Context::from_waker(&waker)));
    assert!(catch_unwind(AssertUnwindSafe(|| drop(place))).is_err());
    let mut good = task::spawn(service.call(()));
    assert_pending!(good.poll());
    drop(bad);
    assert!(good.is_woken());
    assert_ready_ok!(good.poll());
    assert_eq!((compartment.in_flight(), compartment.queued()), (0, 0));
}

struct Bad;

impl std::task::Wake for Bad {
    fn wake(self: Arc<Self>) {
        panic!("bad");
    }
}

/// Who gives way has a waker that panics: who comes in its stead is told, and holds
/// nothing that is lost with it.
#[test]
fn who_displaces_one_whose_waker_panics_leaks_no_place() {
    let compartment = of(1, 1, Duration::MAX);
    let place = compartment.try_enter().unwrap();
    let mut service = BulkheadLayer::shared(compartment.clone())
        .by_criticality()
        .layer(service_fn(|_: Request<()>| async { Ok::<_, BoxError>(()) }));
    let mut request = Request::new(());
    request.extensions_mut().insert(Sheddable);
    let mut bad = Box::pin(service.call(request));
    let waker = Arc::new(Bad).into();
    assert_pending!(bad.as_mut().poll(&mut Context::from_waker(&waker)));
    let critical = catch_unwind(AssertUnwindSafe(|| drop(service.call(Request::new(())))));
    assert!(critical.is_err());
    assert_eq!(compartment.queued(), 0);
    drop(place);
    assert_eq!(compartment.in_flight(), 0, "it went to nobody");
    assert_eq!(refusal(bad.as_mut().poll(&mut Context::from_waker(&waker))), Refusal::Displaced);
    assert!(compartment.try_enter().is_ok());
}

#[test]
fn all_whose_turn_comes_are_woken_though_the_first_panics() {
    let compartment = of(1, 3, Duration::MAX);
    let place = compartment.try_enter().unwrap();
    let mut service = BulkheadLayer::shared(compartment.clone())
        .layer(service_fn(|()| async { Ok::<_, BoxError>(()) }));
    let mut bad = Box::pin(service.call(()));
    let waker = Arc::new(Bad).into();
    assert_pending!(bad.as_mut().poll(&mut Context::from_waker(&waker)));
    let mut good = task::spawn(service.call(()));
    assert_pending!(good.poll());
    assert!(catch_unwind(AssertUnwindSafe(|| compartment.resize(3))).is_err());
    assert!(good.is_woken());
    assert_ready_ok!(good.poll());
    drop((bad, place));
    assert_eq!((compartment.in_flight(), compartment.queued()), (0, 0));
}

/// A waker may be anybody's code: it is cloned where it may ask the bulkhead itself.
#[test]
fn a_waker_may_look_at_the_bulkhead() {
    struct Looks(Compartment);
    impl std::task::Wake for Looks {
        fn wake(self: Arc<Self>) {
            assert!(self.0.queued() <= 1);
        }
    }
    let compartment = of(1, 3, Duration::MAX);
    let place = compartment.try_enter().unwrap();
    let mut service = BulkheadLayer::shared(compartment.clone())
        .layer(service_fn(|()| async { Ok::<_, BoxError>(()) }));
    let mut call = Box::pin(service.call(()));
    let waker = Arc::new(Looks(compartment.clone())).into();
    assert_pending!(call.as_mut().poll(&mut Context::from_waker(&waker)));
    drop(place);
    assert_ready_ok!(call.as_mut().poll(&mut Context::from_waker(&waker)));
}

// ===== criticality =====

/// A bulkhead by criticality and deadline; what it is sent, it says.
struct Ranked {
    compartment: Compartment,
    sent: Arc<std::sync::Mutex<Vec<u32>>>,
}

impl Ranked {
    fn new(compartment: Compartment) -> Self {
        Self { compartment, sent: Arc::default() }
    }

    fn call(
        &self,
        number: u32,
        class: Option<Criticality>,
        deadline: Option<Instant>,
    ) -> task::Spawn<std::pin::Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send>>> {
        let sent = Arc::clone(&self.sent);
        let mut service = BulkheadLayer::shared(self.compartment.clone())
            .by_criticality()
            .of_request()
            .layer(service_fn(move |request: Request<u32>| {
                sent.lock().unwrap().push(*request.message());
                std::future::pending::<Result<(), BoxError>>()
            }));
        let mut request = Request::new(number);
        if let Some(deadline) = deadline {
            request = request.within(deadline);
        }
        class.map(|class| request.extensions_mut().insert(class));
        let future = service.call(request);
        let mut call: task::Spawn<std::pin::Pin<Box<dyn Future<Output = _> + Send>>> =
            task::spawn(Box::pin(future));
        // An odd one is asked for, so that it can be woken.
        if number % 2 == 1 {
            let _ = call.poll();
        }
        call
    }

    fn sent(&self) -> Vec<u32> {
        std::mem::take(&mut *self.sent.lock().unwrap())
    }
}

#[tokio::test(start_paused = true)]
async fn what_matters_more_is_first() {
    let ranked = Ranked::new(of(1, 10, SECOND));
    let place = ranked.compartment.try_enter().unwrap();
    let mut calls = [
        ranked.call(0, Some(Sheddable), None),
        ranked.call(1, Some(SheddablePlus), None),
        ranked.call(2, None, None),
        ranked.call(3, Some(CriticalPlus), None),
        ranked.call(4, Some(Critical), None),
        ranked.call(5, Some(Sheddable), None),
        ranked.call(6, Some(CriticalPlus), None),
    ]
    .map(Some);
    drop(place);
    for next in [3, 6, 2, 4, 1, 0, 5] {
        for call in calls.iter_mut().flatten() {
            assert_pending!(call.poll());
        }
        assert_eq!(ranked.sent(), [next]);
        calls[next as usize] = None;
    }
    assert_eq!(ranked.compartment.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_least_critical_gives_way_when_the_queue_is_full() {
    let ranked = Ranked::new(of(1, 3, SECOND));
    let place = ranked.compartment.try_enter().unwrap();
    let mut critical = ranked.call(0, Some(Critical), None);
    let mut first = ranked.call(1, Some(Sheddable), None);
    let mut last = ranked.call(3, Some(Sheddable), None);
    let mut same = ranked.call(6, Some(Sheddable), None);
    assert_eq!(refusal(same.poll()), Refusal::Full, "it is no more critical");
    let mut more = ranked.call(7, Some(SheddablePlus), None);
    assert!(last.is_woken(), "who came last of the least critical");
    assert_eq!(refusal(last.poll()), Refusal::Displaced);
    let _much_more = ranked.call(9, Some(CriticalPlus), None);
    assert_eq!(refusal(first.poll()), Refusal::Displaced);
    let _most = ranked.call(11, Some(CriticalPlus), None);
    assert_eq!(refusal(more.poll()), Refusal::Displaced);
    let mut late = ranked.call(14, Some(Critical), None);
    assert_eq!(refusal(late.poll()), Refusal::Full);
    assert_eq!(ranked.compartment.queued(), 3);
    assert_pending!(critical.poll());
    drop(place);
    assert_eq!(ranked.compartment.refused(Refusal::Displaced), 3);
}

// ===== deadlines =====

#[tokio::test(start_paused = true)]
async fn nobody_waits_past_its_deadline() {
    let ranked = Ranked::new(of(1, 10, SECOND));
    let place = ranked.compartment.try_enter().unwrap();
    let mut soon = ranked.call(1, None, Some(Instant::now() + 100 * MS));
    let mut later = ranked.call(3, None, Some(Instant::now() + 10 * SECOND));
    advance(101 * MS).await;
    assert!(soon.is_woken());
    assert_eq!(refusal(soon.poll()), Refusal::Expired);
    advance(SECOND).await;
    assert_eq!(refusal(later.poll()), Refusal::TimedOut);
    let mut past = ranked.call(6, None, Some(Instant::now()));
    assert_eq!(refusal(past.poll()), Refusal::Expired, "it does not even wait");
    drop(place);
    assert!(ranked.sent().is_empty());
    assert_eq!(ranked.compartment.refused(Refusal::Expired), 2);
}

#[tokio::test(start_paused = true)]
async fn who_expired_before_its_turn_is_not_served() {
    let ranked = Ranked::new(of(1, 10, SECOND));
    let place = ranked.compartment.try_enter().unwrap();
    let mut expired = ranked.call(1, None, Some(Instant::now() + 100 * MS));
    let mut next = ranked.call(3, None, None);
    advance(200 * MS).await;
    drop(place);
    assert_pending!(next.poll());
    assert_eq!(ranked.sent(), [3]);
    assert_eq!(refusal(expired.poll()), Refusal::Expired);
}

#[tokio::test(start_paused = true)]
async fn who_expired_after_its_turn_came_passes_it_on() {
    let ranked = Ranked::new(of(1, 10, SECOND));
    let place = ranked.compartment.try_enter().unwrap();
    let mut expired = ranked.call(1, None, Some(Instant::now() + 100 * MS));
    let mut next = ranked.call(3, None, None);
    drop(place);
    advance(200 * MS).await;
    assert!(!next.is_woken());
    assert_eq!(refusal(expired.poll()), Refusal::Expired);
    assert!(next.is_woken());
    assert_pending!(next.poll());
    assert_eq!(ranked.sent(), [3]);
}

/// Who is too late, and was not polled since, takes no place in the line from one who
/// is not.
#[tokio::test(start_paused = true)]
async fn who_is_too_late_makes_no_queue_full() {
    let ranked = Ranked::new(of(1, 2, SECOND));
    let place = ranked.compartment.try_enter().unwrap();
    let mut late = [ranked.call(1, None, None), ranked.call(3, Some(CriticalPlus), None)];
    advance(2 * SECOND).await;
    let mut next = ranked.call(5, Some(Sheddable), None);
    assert_eq!(ranked.compartment.queued(), 1);
    for late in &mut late {
        assert_eq!(refusal(late.poll()), Refusal::TimedOut);
    }
    drop(place);
    assert_pending!(next.poll());
    assert_eq!(ranked.sent(), [5]);
}

#[tokio::test(start_paused = true)]
async fn whose_deadline_passed_is_told_so_and_not_to_come_again() {
    let ranked = Ranked::new(of(1, 2, SECOND));
    let _place = ranked.compartment.try_enter().unwrap();
    let mut past = ranked.call(6, None, Some(Instant::now()));
    let error = assert_ready_err!(past.poll());
    let fact = error.downcast_ref::<BulkheadFull>().unwrap();
    assert_eq!((fact.kind(), fact.retry_after()), (Kind::DeadlineExceeded, None));
    assert!(fact.refused());
}

#[tokio::test(start_paused = true)]
async fn a_deadline_counts_only_where_it_is_asked_for() {
    let compartment = of(1, 1, 10 * SECOND);
    let _place = compartment.try_enter().unwrap();
    let mut service = BulkheadLayer::shared(compartment)
        .layer(service_fn(|_: Request<()>| async { Ok::<_, BoxError>(()) }));
    let mut call = task::spawn(service.call(Request::new(()).within(Instant::now() + MS)));
    advance(SECOND).await;
    assert_pending!(call.poll());
}

// ===== the size =====

// SemaphoreBulkheadTest.changePermissionsInIdleState and
// changePermissionsCountWhileOneThreadIsRunningWithThisPermission
#[test]
fn a_size_can_change() {
    let compartment = of(1, 0, Duration::ZERO);
    let first = compartment.try_enter().unwrap();
    assert!(compartment.try_enter().is_err());
    compartment.resize(2);
    assert_eq!(compartment.places(), 2);
    let second = compartment.try_enter().unwrap();
    compartment.resize(1);
    drop(first);
    assert_eq!(compartment.in_flight(), 1);
    assert!(compartment.try_enter().is_err(), "one too many is not given again");
    drop(second);
    assert!(compartment.try_enter().is_ok());
}

// SemaphoreBulkheadTest.changePermissionsCountWhileOneThreadIsWaitingForPermission;
// LifoBlockingLimiterTest.adaptWhenLimitIncreases
#[tokio::test(start_paused = true)]
async fn new_places_go_to_those_who_wait() {
    let compartment = of(1, 10, SECOND);
    let mut server = Server::new(&compartment);
    let _first = server.sends(1);
    let mut waiting: Vec<_> = (2..=6).map(|request| server.waits(request)).collect();
    compartment.resize(4);
    let woken: Vec<_> = waiting.iter().map(task::Spawn::is_woken).collect();
    assert_eq!(woken, [true, true, true, false, false]);
    for (request, call) in (2..5).zip(&mut waiting) {
        assert_pending!(call.poll());
        server.sent(request);
    }
    assert_eq!((compartment.in_flight(), compartment.queued()), (4, 2));
}

// LifoBlockingLimiterTest.adaptWhenLimitDecreases
#[tokio::test(start_paused = true)]
async fn fewer_places_are_not_given_again() {
    let compartment = of(2, 10, SECOND);
    let mut server = Server::new(&compartment);
    let (mut first, answer) = server.sends(1);
    let (mut second, other) = server.sends(2);
    let third = server.waits(3);
    compartment.resize(1);
    answer.send_response(1);
    assert_ready_ok!(first.poll());
    assert!(!third.is_woken());
    other.send_response(2);
    assert_ready_ok!(second.poll());
    assert!(third.is_woken());
}

// ===== replies that last =====

#[tokio::test(start_paused = true)]
async fn a_stream_keeps_its_place_to_its_end() {
    let compartment = of(3, 0, Duration::ZERO);
    let layer = BulkheadLayer::shared(compartment.clone()).streaming();
    let service = layer.layer(service_fn(|items: Vec<Result<u8, &'static str>>| async move {
        Ok::<_, BoxError>(tokio_stream::iter(items))
    }));
    let stream = |items| service.clone().oneshot(items);
    let mut good = stream(vec![Ok(1), Ok(2)]).await.unwrap();
    let mut bad = stream(vec![Err("cut")]).await.unwrap();
    let cancelled = stream(vec![Ok(1)]).await.unwrap();
    assert_eq!(compartment.in_flight(), 3);
    while good.next().await.is_some() {}
    assert_eq!(compartment.in_flight(), 2);
    let _ = bad.next().await;
    assert_eq!(compartment.in_flight(), 1);
    drop(cancelled);
    assert_eq!(compartment.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_body_keeps_its_place_to_its_end() {
    let compartment = of(1, 0, Duration::ZERO);
    let layer = BulkheadLayer::shared(compartment.clone()).until_body_end();
    let service = layer.layer(service_fn(|()| async {
        let frames = [Frame::data(Bytes::from_static(b"hi"))].map(Ok::<_, Infallible>);
        let body = StreamBody::new(tokio_stream::iter(frames));
        Ok::<_, BoxError>(http::Response::new(body))
    }));
    let reply = service.clone().oneshot(()).await.unwrap();
    assert_eq!(compartment.in_flight(), 1);
    let refused = service.oneshot(()).await.unwrap_err();
    assert!(refused.is::<BulkheadFull>());
    assert_eq!(BodyExt::collect(reply.into_body()).await.unwrap().to_bytes(), "hi");
    assert_eq!(compartment.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_can_be_any_reply() {
    let compartment = of(0, 0, Duration::ZERO).jitter(0.0).retry_after(7 * SECOND);
    let service = BulkheadLayer::shared(compartment)
        .refuse(AsHttp)
        .layer(service_fn(|()| async { Ok::<_, Infallible>(http::Response::new(String::new())) }));
    let reply = service.oneshot(()).await.unwrap();
    assert_eq!(reply.status(), 503);
    assert_eq!(reply.headers()["retry-after"], "7");
    assert!(reply.body().contains("BULKHEAD_FULL"), "{}", reply.body());
}

#[tokio::test(start_paused = true)]
async fn the_fact_says_why() {
    let mut texts = Vec::new();
    for (queue, wait) in [(0, Duration::ZERO), (1, SECOND)] {
        let compartment = of(0, queue, wait).jitter(0.0);
        let service = BulkheadLayer::shared(compartment)
            .layer(service_fn(|()| async { Ok::<_, BoxError>(()) }));
        let error = service.oneshot(()).await.unwrap_err();
        let fact = error.downcast::<BulkheadFull>().unwrap();
        assert_eq!((fact.kind(), fact.retry_after()), (Kind::Unavailable, Some(SECOND)));
        assert!(fact.refused());
        let mut details = Details::default();
        fact.describe(&mut details);
        texts.push((fact.to_string(), details.get_reason().unwrap().to_owned()));
    }
    let expected = [
        ("too many calls are in flight and waiting: try again in 1s", "BULKHEAD_FULL"),
        ("the call waited too long for its turn: try again in 1s", "BULKHEAD_TIMED_OUT"),
    ];
    assert_eq!(texts, expected.map(|(text, reason)| (text.to_owned(), reason.to_owned())));
}

#[tokio::test(start_paused = true)]
async fn it_says_how_it_is() {
    #[derive(Default)]
    struct Seen(Vec<String>);
    impl Inspector for Seen {
        fn counter(&mut self, name: &str, _: &str, labels: &[(&str, &str)], value: u64) {
            let labels: Vec<_> = labels.iter().map(|(_, value)| *value).collect();
            self.0.push(format!("{name} {} {value}", labels.join(" ")));
        }

        fn gauge(&mut self, name: &str, _: &str, labels: &[(&str, &str)], value: f64) {
            let labels: Vec<_> = labels.iter().map(|(_, value)| *value).collect();
            self.0.push(format!("{name} {} {value}", labels.join(" ")));
        }
    }
    let compartment = of(2, 1, SECOND);
    let mut server = Server::new(&compartment);
    let _sent = [server.sends(1), server.sends(2)];
    let _waits = server.waits(3);
    server.refuses(4);
    let mut seen = Seen::default();
    compartment.inspect(&mut seen);
    let expected = [
        "bulkhead_places test 2",
        "bulkhead_in_flight test 2",
        "bulkhead_queued test 1",
        "bulkhead_queued_total test 1",
        "bulkhead_refused_total test full 1",
        "bulkhead_refused_total test timed-out 0",
        "bulkhead_refused_total test displaced 0",
        "bulkhead_refused_total test expired 0",
    ];
    assert_eq!(seen.0, expected);
    assert_eq!(
        format!("{compartment:?}"),
        "Compartment { name: \"test\", places: 2, in_flight: 2, .. }"
    );
}

#[test]
fn types_are_what_services_must_be() {
    fn all<T: Send + Sync + Clone + 'static>(_: &T) {}
    fn sent<T: Send + Sync>() {}
    let layer = BulkheadLayer::new(1);
    all(&layer);
    all(&layer.layer(()));
    all(layer.layer(()).compartment());
    sent::<Place>();
}

// Threads with real wake-ups: nothing is lost, nothing leaks.
#[test]
fn threads_are_all_served() {
    const CALLS: usize = 300;
    let compartment = of(2, 1000, Duration::MAX);
    let most = Arc::new(AtomicUsize::new(0));
    let service = {
        let (compartment, most) = (compartment.clone(), Arc::clone(&most));
        BulkheadLayer::shared(compartment.clone()).layer(service_fn(move |()| {
            most.fetch_max(compartment.in_flight(), SeqCst);
            async {
                tokio::task::yield_now().await;
                Ok::<_, BoxError>(())
            }
        }))
    };
    let threads = [(); 3].map(|()| {
        let service = service.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
            runtime.unwrap().block_on(async {
                let mut calls = tokio::task::JoinSet::new();
                for _ in 0..CALLS {
                    calls.spawn(service.clone().oneshot(()));
                }
                calls.join_all().await.into_iter().flatten().count()
            })
        })
    });
    for thread in threads {
        assert_eq!(thread.join().unwrap(), CALLS);
    }
    assert_eq!((compartment.in_flight(), compartment.queued()), (0, 0));
    assert_eq!(most.load(SeqCst), 2);
}
