//! A breaker on a plain tower service, whose error is a box.

#![allow(clippy::expect_used, reason = "it checks what it shows")]

use kit_breaker::{AnyError, BreakerLayer, Limits, Open};
use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};

async fn down((): ()) -> Result<(), BoxError> {
    Err("connection refused".into())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let limits = Limits::default().failures(1);
    let service = ServiceBuilder::new()
        .layer(BreakerLayer::new(limits).classify(AnyError))
        .service(service_fn(down));

    let first = service.clone().oneshot(()).await.expect_err("it is down");
    let second = service.oneshot(()).await.expect_err("it is left alone");
    assert!(!first.is::<Open>() && second.is::<Open>());
    Ok(())
}

#[test]
fn shows_what_it_says() -> Result<(), BoxError> {
    main()
}
