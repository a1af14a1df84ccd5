//! The fact of each layer that refuses, through a user's own error, to both
//! transports: status, header and detail arrive.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use http::StatusCode;
use kit_breaker::{
    AnyError, BreakerLayer, Limits, Open,
    throttle::{Throttle, ThrottleLayer, Throttled},
};
use kit_endpoint::{AsHttp, Classify, Fault, Judgement, Request};
use kit_limit::{
    bulkhead::{BulkheadFull, BulkheadLayer, Compartment},
    concurrency::{ConcurrencyLimitLayer, ConcurrencyLimited, Fixed, Limiter},
    rate::{Rate, RateLimitLayer, RateLimited},
};
use tonic::Code;
use tonic_types::StatusExt;
use tower::{Layer, ServiceExt, service_fn};

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("it is down")]
    Down,
    #[error(transparent)]
    Open(#[from] Open),
    #[error(transparent)]
    Throttled(#[from] Throttled),
    #[error(transparent)]
    Rate(#[from] RateLimited),
    #[error(transparent)]
    Concurrency(#[from] ConcurrencyLimited),
    #[error(transparent)]
    Full(#[from] BulkheadFull),
}

impl Fault for Error {
    fn inner(&self) -> Option<&dyn Fault> {
        Some(match self {
            Self::Down => return None,
            Self::Open(fact) => fact,
            Self::Throttled(fact) => fact,
            Self::Rate(fact) => fact,
            Self::Concurrency(fact) => fact,
            Self::Full(fact) => fact,
        })
    }
}

async fn down(_: Request<()>) -> Result<(), Error> {
    Err(Error::Down)
}

async fn well(_: Request<()>) -> Result<(), Error> {
    Ok(())
}

/// What arrives over HTTP and gRPC: statuses, when to come again, the reason.
fn arrives(error: &Error, http: StatusCode, grpc: Code, waits: bool, reason: &str) {
    let reply = AsHttp::reply(error);
    assert_eq!(reply.status(), http, "{error}");
    assert_eq!(reply.headers().contains_key("retry-after"), waits, "{error}");
    assert!(reply.body().contains(reason), "{}", reply.body());
    let status = kit_transport_grpc::status(error);
    assert_eq!(status.code(), grpc, "{error}");
    let details = status.get_error_details();
    assert_eq!(details.error_info().unwrap().reason, reason);
    assert_eq!(details.retry_info().is_some(), waits, "{error}");
    assert!(error.refused(), "it may go elsewhere: nothing ran");
}

#[tokio::test(start_paused = true)]
async fn an_open_circuit_is_unavailable_and_says_until_when() {
    let layer = BreakerLayer::new(Limits::default().failures(1)).classify(AnyError);
    let service = layer.layer(service_fn(down));
    service.clone().oneshot(Request::new(())).await.unwrap_err();
    let error = service.oneshot(Request::new(())).await.unwrap_err();
    let status = (StatusCode::SERVICE_UNAVAILABLE, Code::Unavailable);
    arrives(&error, status.0, status.1, true, "CIRCUIT_OPEN");
}

#[derive(Debug, Clone, Copy)]
struct Fails;

impl Classify<(), Error> for Fails {
    fn is_failure(&self, _: Result<&(), &Error>) -> bool {
        true
    }

    fn judge(&self, _: Result<&(), &Error>) -> Judgement {
        Judgement::of(true)
    }
}

#[tokio::test(start_paused = true)]
async fn a_throttled_call_is_unavailable() {
    let throttle = Throttle::new("test").seed(1).min_calls(1);
    let service = ThrottleLayer::shared(throttle).classify(Fails).layer(service_fn(well));
    let mut last = Ok(());
    for _ in 0..100 {
        last = service.clone().oneshot(Request::new(())).await;
    }
    let error = last.unwrap_err();
    let status = (StatusCode::SERVICE_UNAVAILABLE, Code::Unavailable);
    arrives(&error, status.0, status.1, false, "THROTTLED");
}

#[tokio::test(start_paused = true)]
async fn a_limited_rate_is_too_many_requests() {
    let service = RateLimitLayer::new(Rate::per_minute(1)).layer(service_fn(well));
    service.clone().oneshot(Request::new(())).await.unwrap();
    let error = service.oneshot(Request::new(())).await.unwrap_err();
    let status = (StatusCode::TOO_MANY_REQUESTS, Code::ResourceExhausted);
    arrives(&error, status.0, status.1, true, "RATE_LIMITED");
    assert_eq!(AsHttp::reply(&error).headers()["retry-after"], "60");
    let quota = kit_transport_grpc::status(&error).get_error_details();
    assert!(quota.quota_failure().is_some(), "the quota is named");
}

#[tokio::test(start_paused = true)]
async fn a_full_service_is_unavailable_and_says_when_to_come_again() {
    let limiter = Limiter::new("test", Fixed::new(1));
    let _taken = limiter.admit().unwrap();
    let service = ConcurrencyLimitLayer::shared(limiter).layer(service_fn(well));
    let error = service.oneshot(Request::new(())).await.unwrap_err();
    let status = (StatusCode::SERVICE_UNAVAILABLE, Code::Unavailable);
    arrives(&error, status.0, status.1, true, "OVERLOADED");
}

#[tokio::test(start_paused = true)]
async fn a_full_bulkhead_is_unavailable_and_says_when_to_come_again() {
    let places = Compartment::new("test").size(1);
    let _taken = places.try_enter().unwrap();
    let service = BulkheadLayer::shared(places).layer(service_fn(well));
    let error = service.oneshot(Request::new(())).await.unwrap_err();
    let status = (StatusCode::SERVICE_UNAVAILABLE, Code::Unavailable);
    arrives(&error, status.0, status.1, true, "BULKHEAD_FULL");
}
