//! The concurrency limit as its users meet it, and the cases of those who did it
//! before: Netflix (concurrency-limits 78a74b9), failsafe-go (5759a5e,
//! `adaptivelimiter`), Kratos (aegis e0742c6, `ratelimit/bbr`).
//!
//! Nothing here waits: a request is there or it is not, so a bug fails a test
//! and never hangs it. The runtime is only for the clock, which is paused.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use bytes::Bytes;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use kit_endpoint::{
    AnyError, AsGrpc, AsHttp, Carries, Classify, ClassifyEnd, Criticality, Details, Fault,
    GrpcStatus, Inspect, Inspector, Judgement, Kind, Request, ServerFaults, Settle,
};
use kit_limit::concurrency::{
    Aimd, Algorithm, BadPartitions, ConcurrencyLimit, ConcurrencyLimitLayer, ConcurrencyLimited,
    Fixed, Gradient2, Limiter, OneClass, Partitions, Permit, Sample, Sampling, Whole,
};
use std::{
    convert::Infallible,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex},
    task::Poll,
    time::Duration,
};
use tokio::time::advance;
use tokio_stream::StreamExt;
use tokio_test::{assert_pending, assert_ready, assert_ready_err, assert_ready_ok, task};
use tower::{BoxError, Layer, Service, ServiceExt, service_fn};
use tower_test::mock::{self, Mock, SendResponse, Spawn};

use Criticality::{Critical, CriticalPlus, Sheddable, SheddablePlus};

type Limit = Spawn<ConcurrencyLimit<Mock<(), ()>, OneClass, Whole, AnyError>>;
type Handle = mock::Handle<(), ()>;

const SECOND: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);

/// Hears of every sample, and follows what the test says.
#[derive(Clone)]
struct Told {
    samples: Arc<Mutex<Vec<Sample>>>,
    limit: Arc<Mutex<usize>>,
    sampling: Sampling,
}

impl Told {
    fn new(limit: usize, sampling: Sampling) -> Self {
        Self { samples: Arc::default(), limit: Arc::new(Mutex::new(limit)), sampling }
    }

    fn each(limit: usize) -> Self {
        Self::new(limit, Sampling::Each)
    }

    /// Netflix' `SettableLimit`: the next sample changes it.
    fn set(&self, limit: usize) {
        *self.limit.lock().unwrap() = limit;
    }

    fn samples(&self) -> Vec<Sample> {
        std::mem::take(&mut *self.samples.lock().unwrap())
    }
}

impl Algorithm for Told {
    fn limit(&self) -> usize {
        *self.limit.lock().unwrap()
    }

    fn update(&mut self, sample: &Sample) -> usize {
        self.samples.lock().unwrap().push(*sample);
        Self::limit(self)
    }

    fn sampling(&self) -> Sampling {
        self.sampling
    }
}

fn fixed(limit: usize) -> Limiter {
    Limiter::new("test", Fixed::new(limit))
}

fn limit(limiter: &Limiter) -> (Limit, Handle) {
    mock::spawn_layer(ConcurrencyLimitLayer::shared(limiter.clone()).classify(AnyError))
}

/// Takes the request that must have reached the inner service.
fn sent(handle: &mut Handle) -> SendResponse<()> {
    let request = assert_ready!(handle.poll_request(), "the request was not sent");
    request.expect("the limit is alive").1
}

/// Says whether it was refused; if not, its place is given back.
fn refused(result: Result<Permit, ConcurrencyLimited>) -> bool {
    result.map(drop).is_err()
}

// ===== the limiter by hand =====

// SimpleLimiterTest.useLimiterCapacityUntilTotalLimit
#[test]
fn admits_up_to_the_limit() {
    let limiter = fixed(10);
    let permits = [(); 10].map(|()| limiter.admit().unwrap());
    assert!(refused(limiter.admit()));
    assert_eq!((limiter.in_flight(), limiter.admitted(), limiter.refused()), (10, 10, 1));
    drop(permits);
    assert_eq!(limiter.in_flight(), 0);
}

// SimpleLimiterTest.testReleaseLimit; bbr's `done` takes one out of flight.
#[test]
fn a_place_that_is_given_back_is_given_again() {
    let limiter = fixed(10);
    let mut permits = [(); 10].map(|()| Some(limiter.admit().unwrap()));
    assert!(refused(limiter.admit()));
    permits[3].take().unwrap().settle(Judgement::Success);
    assert_eq!(limiter.in_flight(), 9);
    let _again = limiter.admit().unwrap();
    assert_eq!(limiter.in_flight(), 10);
    assert!(refused(limiter.admit()));
}

// SimpleLimiterTest.testConcurrentSimple, without the sleeps.
#[test]
fn threads_never_exceed_the_limit() {
    let limiter = fixed(3);
    let threads = [(); 4].map(|()| {
        let limiter = limiter.clone();
        std::thread::spawn(move || {
            let (mut admitted, mut refused) = (0, 0);
            for _ in 0..2000 {
                match limiter.admit() {
                    Ok(permit) => {
                        assert!(limiter.in_flight() <= 3);
                        admitted += 1;
                        permit.settle(Judgement::Success);
                    }
                    Err(_) => refused += 1,
                }
            }
            (admitted, refused)
        })
    });
    let counts = threads.map(|thread| thread.join().unwrap());
    let (admitted, refused) = counts.iter().fold((0, 0), |sum, it| (sum.0 + it.0, sum.1 + it.1));
    assert_eq!(admitted + refused, 8000);
    assert_eq!((limiter.admitted(), limiter.refused()), (admitted, refused));
    assert_eq!(limiter.in_flight(), 0);
}

// failsafe-go TestAdaptiveLimiter_Defaults, TestAdaptiveLimiter_AcquirePermitAndRecord
#[test]
fn begins_with_the_limit_of_its_algorithm() {
    assert_eq!(Limiter::new("a", Aimd::default()).limit(), 20);
    let limiter = Limiter::new("a", Gradient2::default().min(1).max(10).initial(5));
    assert_eq!((limiter.limit(), limiter.in_flight()), (5, 0));
    let permit = limiter.admit().unwrap();
    assert_eq!(limiter.in_flight(), 1);
    permit.settle(Judgement::Success);
    assert_eq!(limiter.in_flight(), 0);
    assert_eq!(fixed(usize::MAX).limit(), 1 << 18, "there is an end");
    assert!(refused(fixed(0).admit()));
}

// BlockingLimiterTest.test, without the blocking: a limit that fell below what is in
// flight lets nothing in until enough have left.
#[test]
fn a_limit_that_falls_takes_nothing_away() {
    let told = Told::each(10);
    let limiter = Limiter::new("test", told.clone());
    let mut permits: Vec<_> = (0..10).map(|_| limiter.admit().unwrap()).collect();
    told.set(1);
    while let Some(permit) = permits.pop() {
        permit.settle(Judgement::Success);
        assert_eq!(limiter.limit(), 1);
        assert_eq!(limiter.admit().is_ok(), permits.is_empty());
    }
}

#[test]
fn clones_are_the_same() {
    let limiter = fixed(1);
    let permit = limiter.clone().admit().unwrap();
    assert!(refused(limiter.admit()));
    drop(permit);
    assert!(limiter.admit().is_ok());
}

// ===== partitions =====

fn partitioned(limit: impl Algorithm) -> Limiter {
    let partitions = Partitions::new([("batch", 0.3), ("live", 0.7)]).unwrap();
    Limiter::partitioned("test", limit, partitions)
}

fn of(limiter: &Limiter, partition: &str) -> Result<Permit, ConcurrencyLimited> {
    limiter.admit_as(None, Some(partition))
}

// AbstractPartitionedLimiterTest.limitAllocatedToBins
#[test]
fn a_limit_is_shared_out() {
    let limiter = partitioned(Fixed::new(10));
    assert_eq!(limiter.guaranteed("batch"), Some(3));
    assert_eq!(limiter.guaranteed("live"), Some(7));
    assert_eq!(limiter.guaranteed("rest"), Some(0));
    assert_eq!(limiter.guaranteed("unheard of"), None);
}

// AbstractPartitionedLimiterTest.useExcessCapacityUntilTotalLimit and
// exceedTotalLimitForUnusedBin
#[test]
fn who_needs_more_than_its_share_gets_what_is_free() {
    let limiter = partitioned(Fixed::new(10));
    let mut permits = Vec::new();
    for in_flight in 1..=10 {
        permits.push(of(&limiter, "batch").unwrap());
        assert_eq!(limiter.in_flight_of("batch"), Some(in_flight));
    }
    assert!(refused(of(&limiter, "batch")));
    // The guarantee holds, though the whole is full.
    for in_flight in 1..=7 {
        permits.push(of(&limiter, "live").unwrap());
        assert_eq!(limiter.in_flight_of("live"), Some(in_flight));
    }
    assert!(refused(of(&limiter, "live")));
    assert_eq!(limiter.in_flight(), 17);
    permits.clear();
    assert_eq!((limiter.in_flight(), limiter.in_flight_of("live")), (0, Some(0)));
}

// AbstractPartitionedLimiterTest.rejectOnceAllLimitsReached
#[test]
fn all_are_refused_when_all_have_their_share() {
    let limiter = partitioned(Fixed::new(10));
    let _batch = [(); 3].map(|()| of(&limiter, "batch").unwrap());
    let _live = [(); 7].map(|()| of(&limiter, "live").unwrap());
    assert_eq!(limiter.in_flight(), 10);
    assert!(refused(of(&limiter, "batch")));
    assert!(refused(of(&limiter, "live")));
}

// AbstractPartitionedLimiterTest.releaseLimit
#[test]
fn a_partition_gives_places_back() {
    let limiter = partitioned(Fixed::new(10));
    let mut permits = [(); 10].map(|()| Some(of(&limiter, "batch").unwrap()));
    assert!(refused(of(&limiter, "batch")));
    permits[0].take().unwrap().settle(Judgement::Success);
    assert_eq!((limiter.in_flight_of("batch"), limiter.in_flight()), (Some(9), 9));
    let _again = of(&limiter, "batch").unwrap();
    assert_eq!((limiter.in_flight_of("batch"), limiter.in_flight()), (Some(10), 10));
}

// AbstractPartitionedLimiterTest.setLimitReservesBusy
#[test]
fn guarantees_follow_the_limit() {
    let told = Told::each(10);
    let limiter = partitioned(told.clone());
    let _busy = of(&limiter, "batch").unwrap();
    told.set(20);
    limiter.admit().unwrap().settle(Judgement::Success);
    assert_eq!((limiter.guaranteed("batch"), limiter.guaranteed("live")), (Some(6), Some(14)));
    assert_eq!((limiter.in_flight_of("batch"), limiter.in_flight()), (Some(1), 1));
}

#[test]
fn the_unknown_share_what_is_left() {
    let partitions = Partitions::new([("live", 0.5), ("batch", 0.3)]).unwrap();
    let limiter = Limiter::partitioned("test", Fixed::new(10), partitions);
    assert_eq!(limiter.guaranteed("rest"), Some(2));
    let _live = [(); 10].map(|()| of(&limiter, "live").unwrap());
    let _rest = [of(&limiter, "who is that").unwrap(), limiter.admit().unwrap()];
    assert!(refused(of(&limiter, "who is that")));
    assert_eq!(limiter.in_flight_of("rest"), Some(2));
}

#[test]
fn a_small_share_is_at_least_one_call() {
    let partitions = Partitions::new([("rare", 0.001), ("none", 0.0)]).unwrap();
    let limiter = Limiter::partitioned("test", Fixed::new(2), partitions);
    assert_eq!(limiter.guaranteed("rare"), Some(1));
    assert_eq!(limiter.guaranteed("none"), Some(0));
}

// The preconditions of AbstractPartitionedLimiter's builder.
#[test]
fn partitions_that_cannot_be_say_what_to_do() {
    let bad = |shares: &[(&'static str, f64)]| Partitions::new(shares.to_vec()).unwrap_err();
    assert_eq!(
        bad(&[("a", 0.7), ("b", 0.4)]).to_string(),
        "the shares add up to 1.1: make them 1 or less in all"
    );
    for share in [-0.1, 1.1, f64::NAN] {
        assert!(matches!(bad(&[("a", share)]), BadPartitions::Share(..)));
    }
    assert_eq!(
        bad(&[("a", 1.5)]).to_string(),
        "the share of \"a\" is 1.5: make it a number from 0 to 1"
    );
    assert_eq!(
        bad(&[("a", 0.1), ("a", 0.1)]).to_string(),
        "there are two partitions \"a\": make them one"
    );
    assert_eq!(
        bad(&[("rest", 0.1)]).to_string(),
        "\"rest\" is what all other calls are called: choose another name"
    );
    let many = (0..65).map(|number| (format!("p{number}"), 0.001));
    let error = Partitions::new(many).unwrap_err();
    assert_eq!(error.to_string(), "there are 65 partitions: make them 64 or fewer");
    // In binary they are a little more than 1.
    assert!(Partitions::new([("a", 0.1), ("b", 0.2), ("c", 0.7)]).is_ok());
}

// AbstractPartitionedLimiterTest.testConcurrentPartitions, without the sleeps, and
// with the bound that the guarantees give.
#[test]
fn threads_of_partitions_stay_within_the_guarantees() {
    let partitions = Partitions::new([("a", 0.5), ("b", 0.3), ("c", 0.2)]).unwrap();
    let limiter = Limiter::partitioned("test", Fixed::new(10), partitions);
    let threads = ["a", "b", "c"].map(|name| {
        let limiter = limiter.clone();
        std::thread::spawn(move || {
            let mut held = Vec::new();
            for round in 0..2000 {
                match of(&limiter, name) {
                    Ok(permit) => held.push(permit),
                    Err(_) => assert!(held.len() >= limiter.guaranteed(name).unwrap()),
                }
                assert!(limiter.in_flight() <= 20);
                if round % 13 == 0 {
                    held.clear();
                }
            }
        })
    });
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(limiter.in_flight(), 0);
    for name in ["a", "b", "c", "rest"] {
        assert_eq!(limiter.in_flight_of(name), Some(0));
    }
}

// ===== criticality =====

fn class(limiter: &Limiter, class: Criticality) -> Result<Permit, ConcurrencyLimited> {
    limiter.admit_as(Some(class), None)
}

#[test]
fn what_matters_less_is_refused_first() {
    let limiter = fixed(20);
    let fill = |it, up_to: usize| {
        let mut permits = Vec::new();
        while let Ok(permit) = class(&limiter, it) {
            permits.push(permit);
        }
        assert_eq!(limiter.in_flight(), up_to, "{it}");
        permits
    };
    let _sheddable = fill(Sheddable, 10);
    let _sheddable_plus = fill(SheddablePlus, 15);
    let _critical = fill(Critical, 18);
    let _critical_plus = fill(CriticalPlus, 20);
    for it in Criticality::ALL {
        assert!(refused(class(&limiter, it)));
    }
}

// failsafe-go TestPriorityLimiter_AcquirePermitWithPriority: below the threshold all
// are admitted, above it only those that matter more.
#[test]
fn without_load_every_class_is_admitted() {
    let limiter = fixed(20);
    for it in Criticality::ALL {
        assert!(class(&limiter, it).is_ok());
    }
    let _half = [(); 10].map(|()| limiter.admit().unwrap());
    assert!(refused(class(&limiter, Sheddable)));
    assert!(class(&limiter, Critical).is_ok());
}

#[test]
fn shares_of_classes_can_be_set() {
    let limiter = fixed(10).share(Sheddable, 0.0).share(Critical, 1.0);
    assert!(refused(class(&limiter, Sheddable)), "a class can be switched off");
    let _all = [(); 10].map(|()| class(&limiter, Critical).unwrap());
    let limiter = fixed(1);
    assert!(class(&limiter, Sheddable).is_ok(), "of one, a half is one");
}

#[test]
fn a_class_may_fill_its_part_of_a_guarantee() {
    let limiter = partitioned(Fixed::new(10));
    let _live = [(); 10].map(|()| of(&limiter, "live").unwrap());
    let mut sheddable = Vec::new();
    while let Ok(permit) = limiter.admit_as(Some(Sheddable), Some("batch")) {
        sheddable.push(permit);
    }
    assert_eq!(sheddable.len(), 2, "half of three, rounded up");
    assert!(limiter.admit_as(Some(CriticalPlus), Some("batch")).is_ok());
}

// ===== samples =====

#[tokio::test(start_paused = true)]
async fn a_call_shows_how_long_it_took_and_what_it_met() {
    let told = Told::each(10);
    let limiter = Limiter::new("test", told.clone());
    let first = limiter.admit().unwrap();
    let second = limiter.admit().unwrap();
    advance(30 * MS).await;
    first.settle(Judgement::Success);
    advance(20 * MS).await;
    second.settle(Judgement::Overloaded { retry_after: None });
    let expected = [Sample::new(30 * MS, 1), Sample::new(50 * MS, 2).dropped()];
    assert_eq!(told.samples(), expected);
}

// Netflix' onSuccess, onDropped and onIgnore.
#[tokio::test(start_paused = true)]
async fn what_shows_nothing_is_no_sample() {
    let told = Told::each(10);
    let limiter = Limiter::new("test", told.clone());
    limiter.admit().unwrap().settle(Judgement::Nothing);
    drop(limiter.admit().unwrap());
    assert!(told.samples().is_empty());
    limiter.admit().unwrap().settle(Judgement::of(true));
    assert!(told.samples()[0].dropped);
    assert_eq!(limiter.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn aimd_adapts_to_what_it_meets() {
    let limiter = Limiter::new("test", Aimd::default());
    for _ in 0..10 {
        let permits = [(); 20].map(|()| limiter.admit().unwrap());
        for permit in permits {
            permit.settle(Judgement::Success);
        }
    }
    assert!(limiter.limit() > 20);
    let grown = limiter.limit();
    limiter.admit().unwrap().settle(Judgement::of(true));
    assert_eq!(limiter.limit(), grown * 9 / 10);
}

const WINDOW: Sampling = Sampling::Window { length: SECOND, calls: 10 };

/// Ends so many calls at once, each of which took so long.
async fn calls(limiter: &Limiter, many: usize, rtt: Duration, judgement: Judgement) {
    let permits: Vec<_> = (0..many).map(|_| limiter.admit().unwrap()).collect();
    advance(rtt).await;
    for permit in permits {
        permit.settle(judgement);
    }
}

// WindowedLimit; ImmutableAverageSampleWindowTest.calculateAverage
#[tokio::test(start_paused = true)]
async fn a_window_is_one_sample() {
    let told = Told::new(100, WINDOW);
    let limiter = Limiter::new("test", told.clone());
    calls(&limiter, 5, 500 * MS, Judgement::Success).await;
    calls(&limiter, 10, 100 * MS, Judgement::Success).await;
    assert!(told.samples().is_empty(), "it is not over");
    advance(400 * MS).await;
    calls(&limiter, 1, 1900 * MS, Judgement::Success).await;
    let mut sample = Sample::new((5 * 500 + 10 * 100 + 1900) * MS / 16, 10);
    sample.calls = 16;
    assert_eq!(told.samples(), [sample]);
    calls(&limiter, 20, 10 * MS, Judgement::Success).await;
    assert!(told.samples().is_empty(), "the next one lasts a second too");
    advance(SECOND).await;
    calls(&limiter, 1, MS, Judgement::Success).await;
    assert_eq!(told.samples()[0].in_flight, 20);
}

#[tokio::test(start_paused = true)]
async fn a_window_with_too_few_calls_goes_on() {
    let told = Told::new(100, WINDOW);
    let limiter = Limiter::new("test", told.clone());
    for _ in 0..9 {
        calls(&limiter, 1, SECOND, Judgement::Success).await;
    }
    assert!(told.samples().is_empty());
    calls(&limiter, 1, SECOND, Judgement::Success).await;
    assert_eq!(told.samples()[0].calls, 10);
}

// ImmutableAverageSampleWindowTest.droppedSampleShouldChangeTrackedAverage
#[tokio::test(start_paused = true)]
async fn a_slow_failure_is_slow() {
    let told = Told::new(100, WINDOW);
    let limiter = Limiter::new("test", told.clone());
    calls(&limiter, 10, 1000 * MS, Judgement::Success).await;
    assert_eq!(told.samples()[0].rtt, SECOND);
    calls(&limiter, 9, 1000 * MS, Judgement::Success).await;
    calls(&limiter, 1, 3000 * MS, Judgement::of(true)).await;
    let sample = told.samples()[0];
    assert_eq!((sample.rtt, sample.dropped, sample.calls), (1200 * MS, true, 10));
}

#[tokio::test(start_paused = true)]
async fn a_quick_failure_is_not_quick() {
    let told = Told::new(100, WINDOW);
    let limiter = Limiter::new("test", told.clone());
    calls(&limiter, 10, 1000 * MS, Judgement::Success).await;
    told.samples();
    calls(&limiter, 90, MS, Judgement::of(true)).await;
    calls(&limiter, 10, 1000 * MS, Judgement::Success).await;
    let sample = told.samples()[0];
    assert_eq!((sample.rtt, sample.calls), (SECOND, 10), "it says nothing of the time");
    assert!(sample.dropped, "but it is heard of");
}

#[tokio::test(start_paused = true)]
async fn gradient2_sheds_when_calls_begin_to_wait() {
    let limiter = Limiter::new("test", Gradient2::default());
    for _ in 0..30 {
        calls(&limiter, 20, 100 * MS, Judgement::Success).await;
        advance(SECOND).await;
    }
    let quick = limiter.limit();
    assert!(quick > 30, "{quick}");
    for _ in 0..30 {
        calls(&limiter, limiter.limit(), 2 * SECOND, Judgement::Success).await;
    }
    assert!(limiter.limit() < quick, "{} of {quick}", limiter.limit());
}

#[test]
fn an_algorithm_that_panics_is_asked_again() {
    struct Panics(u32);
    impl Algorithm for Panics {
        fn limit(&self) -> usize {
            5
        }

        fn update(&mut self, _: &Sample) -> usize {
            self.0 += 1;
            assert!(self.0 > 1, "the first time");
            7
        }
    }
    let limiter = Limiter::new("test", Panics(0));
    let permit = limiter.admit().unwrap();
    let settle = AssertUnwindSafe(|| permit.settle(Judgement::Success));
    assert!(catch_unwind(settle).is_err());
    assert_eq!((limiter.in_flight(), limiter.limit()), (0, 5), "the place is given back");
    limiter.admit().unwrap().settle(Judgement::Success);
    assert_eq!(limiter.limit(), 7);
}

#[test]
fn a_call_that_ends_while_another_is_told_of_is_told_of_later() {
    /// Ends another call while it hears of one.
    struct Nested(Arc<Mutex<Option<Permit>>>, Arc<Mutex<Vec<u32>>>);
    impl Algorithm for Nested {
        fn limit(&self) -> usize {
            5
        }

        fn update(&mut self, sample: &Sample) -> usize {
            self.1.lock().unwrap().push(sample.calls);
            if let Some(other) = self.0.lock().unwrap().take() {
                other.settle(Judgement::Success);
            }
            5
        }
    }
    let (other, heard) = (Arc::default(), Arc::default());
    let limiter = Limiter::new("test", Nested(Arc::clone(&other), Arc::clone(&heard)));
    *other.lock().unwrap() = Some(limiter.admit().unwrap());
    limiter.admit().unwrap().settle(Judgement::Success);
    assert_eq!(*heard.lock().unwrap(), [1], "the lock is not waited for");
    limiter.admit().unwrap().settle(Judgement::Success);
    assert_eq!(*heard.lock().unwrap(), [1, 1, 1]);
    assert_eq!(limiter.in_flight(), 0);
}

// ===== the layer =====

// Kratos' ratelimit middleware: the third in flight is rejected.
#[tokio::test(start_paused = true)]
async fn the_third_of_two_is_refused_at_once() {
    let limiter = fixed(2);
    let (mut service, mut handle) = limit(&limiter);
    let mut calls = Vec::new();
    for _ in 0..2 {
        assert_ready_ok!(service.poll_ready());
        calls.push((task::spawn(service.call(())), sent(&mut handle)));
    }
    assert_ready_ok!(service.poll_ready());
    let error = assert_ready_err!(task::spawn(service.call(())).poll());
    assert!(error.is::<ConcurrencyLimited>(), "{error}");
    assert_pending!(handle.poll_request(), "it was not sent");
    let (mut reply, send) = calls.remove(0);
    assert_pending!(reply.poll());
    send.send_response(());
    assert_ready_ok!(reply.poll());
    assert_eq!(limiter.in_flight(), 1);
    assert_ready_ok!(service.poll_ready());
    let _third = task::spawn(service.call(()));
    sent(&mut handle);
}

#[tokio::test(start_paused = true)]
async fn an_error_of_the_service_gives_the_place_back() {
    let told = Told::each(1);
    let limiter = Limiter::new("test", told.clone());
    let (mut service, mut handle) = limit(&limiter);
    assert_ready_ok!(service.poll_ready());
    let mut reply = task::spawn(service.call(()));
    sent(&mut handle).send_error("boom");
    assert_eq!(assert_ready_err!(reply.poll()).to_string(), "boom");
    assert_eq!(limiter.in_flight(), 0);
    assert!(told.samples()[0].dropped);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_gives_its_place_back() {
    let told = Told::each(1);
    let limiter = Limiter::new("test", told.clone());
    let (mut service, mut handle) = limit(&limiter);
    // Before it was polled, and after.
    for polled in [false, true] {
        assert_ready_ok!(service.poll_ready());
        let mut reply = task::spawn(service.call(()));
        if polled {
            assert_pending!(reply.poll());
        }
        assert_eq!(limiter.in_flight(), 1);
        drop(reply);
        assert_eq!(limiter.in_flight(), 0);
        let _ = sent(&mut handle);
    }
    assert!(told.samples().is_empty(), "it shows nothing");
    // Nor does a refusal that nobody asks for.
    let _full = limiter.admit().unwrap();
    assert_ready_ok!(service.poll_ready());
    drop(service.call(()));
    assert_eq!(limiter.in_flight(), 1);
}

#[tokio::test(start_paused = true)]
async fn readiness_is_that_of_the_inner_service_and_holds_no_place() {
    let limiter = fixed(1);
    let (mut service, mut handle) = limit(&limiter);
    handle.allow(0);
    assert_pending!(service.poll_ready());
    handle.allow(1);
    assert_ready_ok!(service.poll_ready());
    assert_eq!(limiter.in_flight(), 0);
}

#[derive(Clone)]
struct Panics(&'static str);

impl Service<()> for Panics {
    type Response = ();
    type Error = BoxError;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<(), BoxError>>>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> Poll<Result<(), BoxError>> {
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
    let limiter = fixed(1);
    let layer = ConcurrencyLimitLayer::shared(limiter.clone()).classify(AnyError);
    for at in ["poll_ready", "call", "poll"] {
        let service = layer.layer(Panics(at));
        let call = catch_unwind(AssertUnwindSafe(|| {
            let mut service = Spawn::new(service);
            assert_ready_ok!(service.poll_ready());
            let mut reply = task::spawn(service.call(()));
            let _ = reply.poll();
        }));
        assert!(call.is_err(), "{at}");
        assert_eq!(limiter.in_flight(), 0, "{at}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_keeps_its_place_to_its_end() {
    let told = Told::each(5);
    let limiter = Limiter::new("test", told.clone());
    let layer = ConcurrencyLimitLayer::shared(limiter.clone()).classify(AnyError).streaming();
    let service = layer.layer(service_fn(|items: Vec<Result<u8, &'static str>>| async move {
        Ok::<_, BoxError>(tokio_stream::iter(items))
    }));
    let stream = |items| service.clone().oneshot(items);

    let mut good = stream(vec![Ok(1), Ok(2)]).await.unwrap();
    let mut bad = stream(vec![Ok(1), Err("cut")]).await.unwrap();
    let cancelled = stream(vec![Ok(1)]).await.unwrap();
    assert_eq!(limiter.in_flight(), 3);
    assert!(told.samples().is_empty());
    advance(SECOND).await;
    while good.next().await.is_some() {}
    assert_eq!(limiter.in_flight(), 2);
    assert_eq!(told.samples(), [Sample::new(SECOND, 1)]);
    while bad.next().await.is_some() {}
    assert_eq!(told.samples(), [Sample::new(SECOND, 2).dropped()]);
    drop(cancelled);
    assert_eq!((limiter.in_flight(), told.samples().len()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_body_keeps_its_place_to_its_trailers() {
    let told = Told::each(5);
    let limiter = Limiter::new("test", told.clone());
    let layer = ConcurrencyLimitLayer::shared(limiter.clone())
        .classify(GrpcStatus)
        .refuse(AsGrpc)
        .until_body_end();
    let grpc = |status: &'static str| {
        let mut trailers = http::HeaderMap::new();
        trailers.insert("grpc-status", http::HeaderValue::from_static(status));
        let frames = [Frame::data(Bytes::from_static(b"hi")), Frame::trailers(trailers)];
        let body = StreamBody::new(tokio_stream::iter(frames.map(Ok::<_, Infallible>)));
        http::Response::new(http_body_util::combinators::UnsyncBoxBody::new(body))
    };
    let service =
        layer.layer(service_fn(move |status| async move { Ok::<_, Infallible>(grpc(status)) }));
    for (status, dropped) in [("0", Some(false)), ("8", Some(true)), ("1", None)] {
        let reply = service.clone().oneshot(status).await.unwrap();
        assert_eq!(limiter.in_flight(), 1);
        reply.into_body().collect().await.unwrap();
        assert_eq!(limiter.in_flight(), 0);
        assert_eq!(told.samples().first().map(|sample| sample.dropped), dropped, "{status}");
    }
    drop(service.clone().oneshot("0").await.unwrap());
    assert_eq!((limiter.in_flight(), told.samples().len()), (0, 0), "a cancelled body");
}

#[tokio::test(start_paused = true)]
async fn a_layer_sheds_by_criticality() {
    let limiter = fixed(2);
    let layer = ConcurrencyLimitLayer::shared(limiter.clone()).classify(AnyError);
    let service = layer.by_criticality().layer(service_fn(|_: Request<()>| async {
        std::future::pending::<Result<(), BoxError>>().await
    }));
    let call = |class: Option<Criticality>| {
        let mut request = Request::new(());
        class.map(|class| request.extensions_mut().insert(class));
        let mut call = task::spawn(service.clone().oneshot(request));
        let is_refused = call.poll().is_ready();
        (call, is_refused)
    };
    let (_first, is_refused) = call(Some(Sheddable));
    assert!(!is_refused);
    assert!(call(Some(Sheddable)).1, "half of two is one");
    let (second, is_refused) = call(None);
    assert!(!is_refused, "it is critical: 0.9 of two is two");
    drop(second);
    let mut http = http::Request::new(());
    http.extensions_mut().insert(Sheddable);
    assert_eq!(http.extensions().get(), Some(&Sheddable), "{:?}", Carries::deadline(&http));
}

#[tokio::test(start_paused = true)]
async fn a_layer_guarantees_by_partition() {
    let limiter = partitioned(Fixed::new(10));
    let layer = ConcurrencyLimitLayer::shared(limiter.clone())
        .classify(AnyError)
        .by_partition(|batch: &bool| if *batch { "batch" } else { "live" });
    let service = layer.layer(service_fn(|_: bool| std::future::pending::<Result<(), BoxError>>()));
    let call = |batch| {
        let mut call = task::spawn(service.clone().oneshot(batch));
        call.poll().is_pending().then_some(call)
    };
    let batch: Vec<_> = (0..20).filter_map(|_| call(true)).collect();
    let live: Vec<_> = (0..20).filter_map(|_| call(false)).collect();
    assert_eq!((batch.len(), live.len()), (10, 7));
    drop((batch, live));
    assert_eq!(limiter.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_can_be_any_reply() {
    let limiter = fixed(0).jitter(0.0);
    let layer = ConcurrencyLimitLayer::shared(limiter).classify(AnyError).refuse(AsHttp);
    let service = layer
        .layer(service_fn(|()| async { Ok::<_, Infallible>(http::Response::new(String::new())) }));
    let reply = service.oneshot(()).await.unwrap();
    assert_eq!(
        (reply.status().as_u16(), &reply.headers()["retry-after"]),
        (503, &"1".parse().unwrap())
    );
    assert!(reply.body().contains("OVERLOADED"), "{}", reply.body());
}

#[test]
fn the_fact_says_what_to_do() {
    let limiter = fixed(0).retry_after(4 * SECOND).jitter(0.0);
    let fact = limiter.admit().unwrap_err();
    assert_eq!(fact.to_string(), "too many calls are in flight: try again in 4s");
    assert_eq!((fact.kind(), fact.retry_after()), (Kind::Unavailable, Some(4 * SECOND)));
    assert!(fact.refused());
    let mut details = Details::default();
    fact.describe(&mut details);
    assert_eq!((details.get_reason(), details.get_domain()), (Some("OVERLOADED"), Some("kit")));
    // A refusal by one limit is no failure for another.
    let judgement = Classify::<(), _>::judge(&ServerFaults, Err(&fact));
    assert_eq!(judgement, Judgement::Nothing);
    let fact = fixed(0).admit().unwrap_err();
    let after = fact.retry_after().unwrap();
    assert!((SECOND / 2..SECOND * 3 / 2).contains(&after), "{after:?}");
}

#[derive(Default)]
struct Seen(Vec<(String, f64)>);

impl Seen {
    fn add(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        let labels: Vec<_> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        self.0.push((format!("{name}{{{}}}", labels.join(",")), value));
    }

    fn get(&self, name: &str) -> f64 {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.unwrap_or_else(|| panic!("{name} is not in {:?}", self.0)).1
    }
}

impl Inspector for Seen {
    #[expect(clippy::cast_precision_loss, reason = "small")]
    fn counter(&mut self, name: &str, _: &str, labels: &[(&str, &str)], value: u64) {
        self.add(name, labels, value as f64);
    }

    fn gauge(&mut self, name: &str, _: &str, labels: &[(&str, &str)], value: f64) {
        self.add(name, labels, value);
    }
}

#[test]
#[expect(clippy::float_cmp, reason = "they are whole numbers")]
fn it_says_how_it_is() {
    let limiter = partitioned(Fixed::new(10));
    let _half = [(); 5].map(|()| of(&limiter, "batch").unwrap());
    assert!(refused(class(&limiter, Sheddable)));
    let mut seen = Seen::default();
    limiter.inspect(&mut seen);
    for (name, value) in [
        ("concurrency_limit{limiter=test}", 10.0),
        ("concurrency_limit_in_flight{limiter=test}", 5.0),
        ("concurrency_limit_admitted_total{limiter=test}", 5.0),
        ("concurrency_limit_refused_total{limiter=test,criticality=sheddable}", 1.0),
        ("concurrency_limit_refused_total{limiter=test,criticality=critical}", 0.0),
        ("concurrency_limit_partition_guaranteed{limiter=test,partition=batch}", 3.0),
        ("concurrency_limit_partition_in_flight{limiter=test,partition=batch}", 5.0),
        ("concurrency_limit_partition_admitted_total{limiter=test,partition=batch}", 5.0),
        ("concurrency_limit_partition_refused_total{limiter=test,partition=rest}", 1.0),
    ] {
        assert_eq!(seen.get(name), value, "{name}");
    }
    let mut plain = Seen::default();
    fixed(1).inspect(&mut plain);
    assert!(plain.0.iter().all(|(name, _)| !name.contains("partition")));
    assert_eq!(format!("{limiter:?}"), "Limiter { name: \"test\", limit: 10, in_flight: 5, .. }");
}

#[test]
fn types_are_what_services_must_be() {
    fn all<T: Send + Sync + Clone + 'static>(_: &T) {}
    fn sent<T: Send + Sync>() {}
    let layer = ConcurrencyLimitLayer::new(Aimd::default());
    all(&layer);
    all(&layer.layer(()));
    all(&layer.layer(()).limiter().clone());
    sent::<Permit>();
    assert!(size_of::<Permit>() <= 32, "it moves with each call");
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_never_began_is_over() {
    let limiter = fixed(1);
    let layer = ConcurrencyLimitLayer::shared(limiter.clone()).classify(AnyError).streaming();
    let service = layer.layer(service_fn(|()| async {
        Ok::<_, BoxError>(tokio_stream::iter([Ok::<_, BoxError>(1_u8)]))
    }));
    let mut first = task::spawn(service.clone().oneshot(()).await.unwrap());
    assert!(matches!(first.poll_next(), Poll::Ready(Some(Ok(1)))));
    assert!(service.clone().oneshot(()).await.is_err_and(|error| error.is::<ConcurrencyLimited>()));
    drop(first);
    assert_eq!(limiter.in_flight(), 0);
}

/// A window that takes no more calls is told of, however many that are: here a
/// hundred streams of twenty minutes, which all end as a server goes.
#[tokio::test(start_paused = true)]
async fn a_window_that_is_full_is_told_all_the_same() {
    let told = Told::new(1000, WINDOW);
    let limiter = Limiter::new("test", told.clone());
    calls(&limiter, 130, 1200 * SECOND, Judgement::Success).await;
    assert_eq!(told.samples().len(), 1, "the rest is of the next one");
    advance(SECOND).await;
    calls(&limiter, 1, MS, Judgement::Success).await;
    assert_eq!(told.samples().len(), 1);
    calls(&limiter, 10, SECOND, Judgement::Success).await;
    assert_eq!(told.samples().len(), 1, "and it goes on");
}

/// More calls are asked for than fit: what fits has to be enough.
#[tokio::test(start_paused = true)]
async fn a_window_that_asks_for_more_calls_than_it_holds_is_told() {
    let sampling = Sampling::Window { length: SECOND, calls: u32::MAX };
    let told = Told::new(1000, sampling);
    let limiter = Limiter::new("test", told.clone());
    calls(&limiter, 130, 1800 * SECOND, Judgement::Success).await;
    assert_eq!(told.samples().len(), 1);
}

/// A reply that is no success is in flight as long as any other, and is told of once.
#[tokio::test(start_paused = true)]
async fn a_reply_that_began_badly_keeps_its_place_too() {
    #[derive(Debug, Clone, Copy)]
    struct As(Judgement);
    impl<T, E> Classify<T, E> for As {
        fn is_failure(&self, _: Result<&T, &E>) -> bool {
            self.0.is_failure()
        }
        fn judge(&self, _: Result<&T, &E>) -> Judgement {
            self.0
        }
    }
    impl<E> ClassifyEnd<E> for As {
        fn is_failed_end(&self, _: Result<Option<&http::HeaderMap>, &E>) -> bool {
            false
        }
    }
    for (judgement, samples) in [
        (Judgement::of(true), 1),
        (Judgement::Overloaded { retry_after: None }, 1),
        (Judgement::Nothing, 0),
    ] {
        let told = Told::each(5);
        let limiter = Limiter::new("test", told.clone());
        let layer = ConcurrencyLimitLayer::shared(limiter.clone()).classify(As(judgement));
        let service = layer.streaming().layer(service_fn(|()| async {
            Ok::<_, BoxError>(tokio_stream::iter([Ok::<_, BoxError>(1), Ok(2)]))
        }));
        let mut stream = service.oneshot(()).await.unwrap();
        assert_eq!((limiter.in_flight(), told.samples().len()), (1, samples), "{judgement:?}");
        while stream.next().await.is_some() {}
        assert_eq!((limiter.in_flight(), told.samples().len()), (0, 0), "{judgement:?}");
    }
}

#[test]
fn what_is_no_number_breaks_no_refusal_and_no_limit() {
    let limiter = fixed(0).jitter(f64::NAN);
    assert!(limiter.admit().unwrap_err().retry_after().is_some());
    let ever = fixed(0).retry_after(Duration::MAX);
    assert!((0..10).all(|_| ever.admit().unwrap_err().retry_after() > Some(SECOND)));
    let slow = Sample::new(SECOND, 100);
    let mut gradient = Gradient2::default().smoothing(f64::NAN).long_window(0);
    let mut aimd = Aimd::default().backoff(f64::NAN).initial(100);
    for _ in 0..100 {
        assert!(gradient.update(&slow) >= 20);
    }
    assert_eq!(aimd.update(&slow.dropped()), 90);
}

#[test]
fn no_limit_is_higher_than_the_most_that_there_is() {
    assert_eq!(fixed(usize::MAX).limit(), Limiter::MOST);
    let most = Limiter::MOST * 4;
    let mut aimd = Aimd::default().initial(most).max(most);
    assert_eq!(Algorithm::limit(&aimd), Limiter::MOST);
    // So the first that is dropped counts.
    assert!(aimd.update(&Sample::new(SECOND, 1).dropped()) < Limiter::MOST);
}
