//! The adaptive throttle: the formula of the Google SRE book, Kratos' cases
//! (`breaker/sre`) and failsafe-go's (`adaptivethrottler`).

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use kit_breaker::{
    AnyError, Classify, Inspect, Inspector, Judgement,
    throttle::{Throttle, ThrottleLayer, Throttled},
};
use kit_endpoint::{Criticality, Fault, Kind, Request};
use proptest::prelude::*;
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};
use tokio::time::advance;
use tokio_stream::StreamExt;
use tokio_test::{assert_pending, assert_ready_ok, task};
use tower::{BoxError, Layer, Service, ServiceExt, service_fn};
use tower_test::mock;

use Criticality::{Critical, CriticalPlus, Sheddable};

#[derive(Debug, Clone, Copy)]
struct AsSaid;

impl Classify<Judgement, BoxError> for AsSaid {
    fn is_failure(&self, result: Result<&Judgement, &BoxError>) -> bool {
        self.judge(result).is_failure()
    }

    fn judge(&self, result: Result<&Judgement, &BoxError>) -> Judgement {
        result.copied().unwrap_or(Judgement::of(true))
    }
}

/// Makes so many calls that show this; returns how many were sent.
async fn calls(throttle: &Throttle, shown: Judgement, many: u32) -> u32 {
    let service = ThrottleLayer::shared(throttle.clone())
        .classify(AsSaid)
        .layer(service_fn(move |()| async move { Ok::<_, BoxError>(shown) }));
    let mut sent = 0;
    for _ in 0..many {
        sent += u32::from(service.clone().oneshot(()).await.is_ok());
    }
    sent
}

fn near(found: f64, expected: f64) -> bool {
    (found - expected).abs() < 1e-9
}

#[tokio::test(start_paused = true)]
async fn the_books_formula() {
    let throttle = Throttle::new("test").seed(1).min_calls(0);
    assert!(near(throttle.probability(Critical), 0.0));
    calls(&throttle, Judgement::Success, 10).await;
    assert!(near(throttle.probability(Critical), 0.0), "all were accepted");
    let sent = calls(&throttle, Judgement::of(true), 10).await;
    assert_eq!(sent, 10, "up to twice as many as were accepted");
    assert!(near(throttle.probability(Critical), 0.0));
    calls(&throttle, Judgement::of(true), 1).await;
    assert!(near(throttle.probability(Critical), 1.0 / 22.0));
}

#[tokio::test(start_paused = true)]
async fn a_service_that_accepts_all_gets_all() {
    let throttle = Throttle::new("test").seed(1);
    assert_eq!(calls(&throttle, Judgement::Success, 1000).await, 1000);
    assert_eq!(throttle.rejected(), 0);
}

#[tokio::test(start_paused = true)]
async fn one_that_accepts_nothing_is_asked_now_and_then() {
    let throttle = Throttle::new("test").seed(1);
    let sent = calls(&throttle, Judgement::of(true), 10_000).await;
    // The n-th is sent with the probability 1/n: the sum to 10,000 is 9.8, of
    // which ten are not throttled yet.
    assert!((10..=30).contains(&sent), "{sent}");
    assert_eq!(u64::from(sent) + throttle.rejected(), 10_000);
}

#[tokio::test(start_paused = true)]
async fn one_that_accepts_a_half_gets_all() {
    let throttle = Throttle::new("test").seed(1);
    let mut sent = 0;
    for number in 0..3000 {
        sent += calls(&throttle, Judgement::of(number % 2 != 0), 1).await;
    }
    assert_eq!(sent, 3000);
}

#[tokio::test(start_paused = true)]
async fn one_with_less_room_gets_twice_of_what_it_accepts() {
    // It has room for every fourth call that is wanted.
    let throttle = Throttle::new("test").seed(1);
    let (mut room, mut sent, mut accepted) = (0.0, 0, 0);
    for _ in 0..3000 {
        room += 0.25;
        let accepts = room >= 1.0;
        let arrived = calls(&throttle, Judgement::of(!accepts), 1).await;
        sent += arrived;
        if accepts && arrived == 1 {
            accepted += 1;
            room -= 1.0;
        }
    }
    assert!((700..=750).contains(&accepted), "it has as much to do as it can: {accepted}");
    assert!((1350..=1650).contains(&sent), "{sent}");
}

#[tokio::test(start_paused = true)]
async fn total_request_below_the_least_rejects_nothing() {
    // Kratos' TestSRESelfProtection.
    let throttle = Throttle::new("test").seed(1).min_calls(100);
    assert_eq!(calls(&throttle, Judgement::of(true), 99).await, 99);
    assert!(near(throttle.probability(Critical), 0.0));
    calls(&throttle, Judgement::of(true), 1).await;
    assert!(near(throttle.probability(Critical), 100.0 / 101.0));
}

#[tokio::test(start_paused = true)]
async fn it_hears_that_the_service_is_well_again() {
    // Kratos' testSREHalfOpen: what failed ages out of the window.
    let throttle = Throttle::new("test").seed(1).window(Duration::from_secs(1));
    calls(&throttle, Judgement::of(true), 1000).await;
    assert!(throttle.probability(Critical) > 0.9);
    advance(Duration::from_secs(1)).await;
    assert!(near(throttle.probability(Critical), 0.0));
    assert_eq!(calls(&throttle, Judgement::Success, 100).await, 100);
}

#[tokio::test(start_paused = true)]
async fn what_shows_nothing_does_not_count() {
    let throttle = Throttle::new("test").seed(1).min_calls(0);
    assert_eq!(calls(&throttle, Judgement::Nothing, 100).await, 100);
    let overloaded = Judgement::Overloaded { retry_after: None };
    calls(&throttle, overloaded, 1).await;
    assert!(near(throttle.probability(Critical), 0.5), "overload is what it is made for");
}

#[tokio::test(start_paused = true)]
async fn a_call_on_its_way_is_not_missing_among_the_accepted() {
    // Were it counted as it leaves, a slow service that is well would be throttled.
    let throttle = Throttle::new("test").seed(1).min_calls(0);
    let layer = ThrottleLayer::shared(throttle.clone()).classify(AnyError);
    let (mut service, mut handle) = mock::spawn_layer::<(), (), _>(layer);
    let mut replies = Vec::new();
    for _ in 0..20 {
        assert_ready_ok!(service.poll_ready());
        let mut reply = task::spawn(service.call(()));
        assert_pending!(reply.poll());
        let ((), sent) = handle.next_request().await.unwrap();
        replies.push((reply, sent));
    }
    assert!(near(throttle.probability(Critical), 0.0));
    // One that nobody waits for any more shows nothing.
    drop(replies);
    assert!(near(throttle.probability(Critical), 0.0));
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_not_accepted() {
    let throttle = Throttle::new("test").seed(1).min_calls(0);
    let panics = service_fn(|()| async { panics() });
    let layer = ThrottleLayer::shared(throttle.clone()).classify(AnyError);
    let mut call = task::spawn(layer.layer(panics).oneshot(()));
    assert!(catch_unwind(AssertUnwindSafe(|| call.poll().is_ready())).is_err());
    drop(call);
    assert!(near(throttle.probability(Critical), 0.5));
}

fn panics() -> Result<(), BoxError> {
    panic!("on purpose")
}

#[tokio::test(start_paused = true)]
async fn each_criticality_is_throttled_by_itself() {
    let throttle = Throttle::new("test").seed(1);
    let service = ThrottleLayer::shared(throttle.clone())
        .by_criticality()
        .classify(AnyError)
        .layer(service_fn(|request: Request<()>| async move {
            // It refuses the batch jobs alone.
            let class = request.extensions().get::<Criticality>();
            if class == Some(&Sheddable) { Err(BoxError::from("later")) } else { Ok(()) }
        }));
    let request = |class: Option<Criticality>| {
        let mut request = Request::new(());
        if let Some(class) = class {
            request.extensions_mut().insert(class);
        }
        request
    };
    for _ in 0..200 {
        let _ = service.clone().oneshot(request(Some(Sheddable))).await;
        service.clone().oneshot(request(Some(CriticalPlus))).await.unwrap();
        service.clone().oneshot(request(None)).await.unwrap();
    }
    assert!(throttle.probability(Sheddable) > 0.9);
    assert!(near(throttle.probability(CriticalPlus), 0.0));
    assert!(near(throttle.probability(Critical), 0.0), "one that says nothing is critical");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_a_fact() {
    let throttle = Throttle::new("test").seed(1).min_calls(0);
    calls(&throttle, Judgement::of(true), 1000).await;
    let layer = ThrottleLayer::shared(throttle.clone()).classify(AnyError);
    let service = layer.layer(service_fn(|()| async { Err::<(), BoxError>("boom".into()) }));
    let error = service.oneshot(()).await.unwrap_err();
    let fact = error.downcast_ref::<Throttled>().expect("most are");
    assert_eq!((fact.kind(), fact.refused()), (Kind::Unavailable, true));
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_judged_when_it_ends() {
    let throttle = Throttle::new("test").seed(1).min_calls(0);
    let layer = ThrottleLayer::shared(throttle.clone()).classify(AnyError).streaming();
    let service = layer.layer(service_fn(|()| async {
        Ok::<_, BoxError>(tokio_stream::iter([Ok(1), Err(BoxError::from("boom"))]))
    }));
    let mut stream = service.oneshot(()).await.unwrap();
    stream.next().await.unwrap().unwrap();
    assert!(near(throttle.probability(Critical), 0.0));
    stream.next().await.unwrap().unwrap_err();
    assert!(near(throttle.probability(Critical), 0.5));
}

#[derive(Default)]
struct Seen(Vec<String>);

impl Inspector for Seen {
    fn counter(&mut self, name: &str, _: &str, labels: &[(&str, &str)], value: u64) {
        self.0.push(format!("{name}{labels:?} {value}"));
    }

    fn gauge(&mut self, name: &str, _: &str, labels: &[(&str, &str)], value: f64) {
        self.0.push(format!("{name}{labels:?} {value:.2}"));
    }
}

#[tokio::test(start_paused = true)]
async fn it_says_how_it_is() {
    let throttle = Throttle::new("test").seed(1).min_calls(0);
    calls(&throttle, Judgement::of(true), 1).await;
    let mut seen = Seen::default();
    throttle.inspect(&mut seen);
    assert_eq!(seen.0.len(), 8, "two of each class");
    assert_eq!(
        seen.0[4..6],
        [
            r#"throttle_rejected_total[("throttle", "test"), ("criticality", "critical")] 0"#,
            r#"throttle_probability[("throttle", "test"), ("criticality", "critical")] 0.50"#,
        ]
    );
}

proptest! {
    /// Whatever a service accepts, the probability is one, and a service that
    /// accepts at least one in `K` is never throttled.
    #[test]
    fn a_probability_is_one(accepts in 0..200_u32, refusals in 0..200_u32, k in 1.0..5.0_f64) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let throttle = Throttle::new("test").seed(1).min_calls(0).k(k);
            calls(&throttle, Judgement::Success, accepts).await;
            // So that none is thrown away before it counts.
            let mut service = ThrottleLayer::shared(throttle.clone().k(1e9)).classify(AsSaid).layer(
                service_fn(|()| async { Ok::<_, BoxError>(Judgement::of(true)) }),
            );
            for _ in 0..refusals.min(accepts) {
                service.ready().await.unwrap().call(()).await.unwrap();
            }
            let probability = throttle.probability(Critical);
            prop_assert!((0.0..1.0).contains(&probability));
            if f64::from(accepts) * k >= f64::from(accepts + refusals.min(accepts)) {
                prop_assert!(near(probability, 0.0));
            }
            Ok(())
        })?;
    }
}
