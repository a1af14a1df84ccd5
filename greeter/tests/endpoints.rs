//! The endpoints: what their layers do for the service.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use greeter::{
    endpoints::{Endpoints, Error, Greeting, Health, Hello, endpoints},
    service::{self, Greeter, Service},
};
use kit_breaker::{Circuit, Limits, State};
use kit_endpoint::{Details, Endpoint, Fault, Kind, Request};
use kit_metrics::Prometheus;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::watch,
    time::{Instant, advance},
};
use tower::ServiceExt;

/// A service that panics while it is told to, and counts.
#[derive(Debug, Clone, Default)]
struct Shaky {
    panics: Arc<AtomicU32>,
    calls: Arc<AtomicU32>,
}

impl Service for Shaky {
    fn health(&self) -> bool {
        self.panics.load(Ordering::Relaxed) == 0
    }

    fn greeting(&self, name: &str) -> Result<String, service::Error> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        assert!(self.health(), "the secret of {name}");
        Greeter.greeting(name)
    }
}

struct Fixture<H, G> {
    endpoints: Endpoints<H, G>,
    ready: watch::Sender<bool>,
    circuit: Circuit,
    metrics: Prometheus,
}

fn fixture<S: Service + Clone + Send + Sync + 'static>(
    service: S,
) -> Fixture<
    impl Endpoint<(), Response = Health, Error = Error>,
    impl Endpoint<Hello, Response = Greeting, Error = Error>,
> {
    let (ready, readiness) = watch::channel(true);
    let metrics = Prometheus::new();
    let circuit = Circuit::new("greeting", Limits::default());
    let endpoints = endpoints(service, readiness, circuit.clone(), metrics.clone());
    Fixture { endpoints, ready, circuit, metrics }
}

fn hello(name: &str) -> Request<Hello> {
    Request::new(Hello { name: name.to_owned() })
}

async fn ask<G>(greeting: &G, name: &str) -> Result<String, Error>
where
    G: Endpoint<Hello, Response = Greeting, Error = Error>,
{
    greeting.clone().oneshot(hello(name)).await.map(|reply| reply.greeting)
}

#[tokio::test(start_paused = true)]
async fn a_name_is_greeted() {
    let greeting = fixture(Greeter).endpoints.greeting;
    assert_eq!(ask(&greeting, "Ada").await.unwrap(), "Hello, Ada!");
}

#[tokio::test(start_paused = true)]
async fn a_bad_name_is_the_callers_fault_and_names_the_field() {
    let greeting = fixture(Greeter).endpoints.greeting;
    for name in ["", &"a".repeat(257)] {
        let error = ask(&greeting, name).await.unwrap_err();
        assert_eq!(error.kind(), Kind::InvalidArgument);
        let mut details = Details::default();
        error.describe(&mut details);
        assert_eq!(details.violations().len(), 1);
        assert_eq!(details.violations()[0].field, "name");
        assert_eq!(details.violations()[0].description, error.to_string());
    }
}

#[tokio::test(start_paused = true)]
async fn callers_cannot_open_the_circuit() {
    let Fixture { endpoints, circuit, .. } = fixture(Greeter);
    for _ in 0..100 {
        ask(&endpoints.greeting, "").await.unwrap_err();
        let late = hello("Ada").within(Instant::now());
        endpoints.greeting.clone().oneshot(late).await.unwrap_err();
    }
    assert_eq!(circuit.state(), State::Closed);
    ask(&endpoints.greeting, "Ada").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_internal_and_shows_no_secret() {
    let shaky = Shaky::default();
    shaky.panics.store(1, Ordering::Relaxed);
    let error = ask(&fixture(shaky).endpoints.greeting, "Ada").await.unwrap_err();
    assert!(matches!(error, Error::Panicked(_)), "{error:?}");
    assert_eq!(error.kind(), Kind::Internal);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_keeps_failing_is_left_alone_until_it_is_well() {
    let shaky = Shaky::default();
    let Fixture { endpoints, circuit, .. } = fixture(shaky.clone());
    let limits = Limits::default();
    shaky.panics.store(1, Ordering::Relaxed);
    for _ in 0..limits.failures {
        assert_eq!(ask(&endpoints.greeting, "Ada").await.unwrap_err().kind(), Kind::Internal);
    }
    assert_eq!(circuit.state(), State::Open);

    let error = ask(&endpoints.greeting, "Ada").await.unwrap_err();
    assert!(matches!(error, Error::Open(_)), "{error:?}");
    assert_eq!(error.kind(), Kind::Unavailable);
    assert!(error.refused());
    assert!(error.retry_after().is_some());
    assert_eq!(shaky.calls.load(Ordering::Relaxed), limits.failures);

    shaky.panics.store(0, Ordering::Relaxed);
    advance(limits.cooldown).await;
    ask(&endpoints.greeting, "Ada").await.unwrap();
    assert_eq!(circuit.state(), State::Closed);
}

#[tokio::test(start_paused = true)]
async fn expired_work_is_not_begun() {
    let shaky = Shaky::default();
    let greeting = fixture(shaky.clone()).endpoints.greeting;
    let late = hello("Ada").within(Instant::now());
    let error = greeting.oneshot(late).await.unwrap_err();
    assert!(matches!(error, Error::Expired(_)), "{error:?}");
    assert_eq!(error.kind(), Kind::DeadlineExceeded);
    assert_eq!(shaky.calls.load(Ordering::Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn time_that_is_left_is_used() {
    let greeting = fixture(Greeter).endpoints.greeting;
    let soon = hello("Ada").within(Instant::now() + Duration::from_millis(1));
    assert_eq!(greeting.oneshot(soon).await.unwrap().greeting, "Hello, Ada!");
}

#[tokio::test(start_paused = true)]
async fn health_follows_readiness_and_the_service() {
    let shaky = Shaky::default();
    let Fixture { endpoints, ready, .. } = fixture(shaky.clone());
    let healthy =
        async || endpoints.health.clone().oneshot(Request::new(())).await.unwrap().healthy;
    assert!(healthy().await);
    ready.send_replace(false);
    assert!(!healthy().await);
    ready.send_replace(true);
    assert!(healthy().await);
    shaky.panics.store(1, Ordering::Relaxed);
    assert!(!healthy().await);
}

#[tokio::test(start_paused = true)]
async fn each_greeting_is_counted_by_how_it_ended() {
    let Fixture { endpoints, metrics, .. } = fixture(Greeter);
    for name in ["Ada", "Grace", ""] {
        let _ = ask(&endpoints.greeting, name).await;
    }
    let page = metrics.render();
    for line in [
        r#"endpoint_duration_seconds_count{endpoint="greeting",kind="OK"} 2"#,
        r#"endpoint_duration_seconds_count{endpoint="greeting",kind="INVALID_ARGUMENT"} 1"#,
    ] {
        assert!(page.contains(line), "{line} is not in\n{page}");
    }
}
