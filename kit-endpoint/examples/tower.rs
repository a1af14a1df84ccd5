//! The layers on a plain tower service, whose error is tower's `BoxError`.

use kit_endpoint::{CatchPanicLayer, DeadlineLayer, Expired, Panicked};
use std::{future::pending, time::Duration};
use tower::{BoxError, ServiceBuilder, ServiceExt};

async fn divide(divisor: u32) -> Result<u32, BoxError> {
    if divisor == 1 { pending().await } else { Ok(100 / divisor) }
}

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<(), BoxError> {
    let service = ServiceBuilder::new()
        .layer(DeadlineLayer::new(Duration::from_secs(1)))
        .layer(CatchPanicLayer::new())
        .service_fn(divide);

    assert_eq!(service.clone().oneshot(4).await?, 25);
    let panicked = service.clone().oneshot(0).await.err();
    assert!(panicked.is_some_and(|error| error.is::<Panicked>()));
    let expired = service.oneshot(1).await.err();
    assert!(expired.is_some_and(|error| error.is::<Expired>()));
    Ok(())
}

#[test]
fn runs() -> Result<(), BoxError> {
    main()
}
