//! A limit on a plain tower service, whose error is a box: it waits no longer
//! than the request's deadline.

#![allow(clippy::expect_used, reason = "it checks what it shows")]

use kit_endpoint::{Fault, Request};
use kit_limit::rate::{Rate, RateLimitLayer, RateLimited};
use std::time::Duration;
use tokio::time::Instant;
use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};

async fn greet(name: Request<&str>) -> Result<String, BoxError> {
    Ok(format!("Hello, {}!", name.message()))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let minute = Duration::from_mins(1);
    let layer = RateLimitLayer::new(Rate::per_minute(1)).waiting(minute).by_deadline();
    let service = ServiceBuilder::new().layer(layer).service(service_fn(greet));

    let ask = || Request::new("Ada").within(Instant::now() + Duration::from_millis(500));
    assert_eq!(service.clone().oneshot(ask()).await?, "Hello, Ada!");
    // The next turn is in a minute: that is known now, so nobody waits.
    let refused = service.oneshot(ask()).await.expect_err("there is no time to wait");
    let fact = refused.downcast::<RateLimited>()?;
    assert!(matches!(&*fact, RateLimited::Exceeded(fact) if fact.is_by_deadline()));
    assert!(fact.retry_after().is_some_and(|after| after <= minute));
    Ok(())
}

#[test]
fn shows_what_it_says() -> Result<(), BoxError> {
    main()
}
