//! A concurrency limit that finds by itself how many calls a service takes: here
//! ten at a time, of 10 ms each.

use kit_endpoint::AnyError;
use kit_limit::concurrency::{ConcurrencyLimitLayer, Gradient2, Limiter};
use std::{sync::Arc, time::Duration};
use tokio::{sync::Semaphore, task::JoinSet, time::sleep};
use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};

// The clock is paused: a minute is over at once.
#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<(), BoxError> {
    let database = Arc::new(Semaphore::new(10));
    let query = service_fn(move |()| {
        let database = Arc::clone(&database);
        async move {
            let _connection = database.acquire().await?;
            sleep(Duration::from_millis(10)).await;
            Ok::<_, BoxError>(())
        }
    });
    // It begins with 100, and goes no lower than 5.
    let limiter = Limiter::new("database", Gradient2::default().min(5).initial(100));
    let service = ServiceBuilder::new()
        .layer(ConcurrencyLimitLayer::shared(limiter.clone()).classify(AnyError))
        .service(query);

    let mut callers = JoinSet::new();
    let mut come = |callers_that_come| {
        for _ in 0..callers_that_come {
            let service = service.clone();
            callers.spawn(async move {
                loop {
                    if service.clone().oneshot(()).await.is_err() {
                        sleep(Duration::from_millis(20)).await;
                    }
                }
            });
        }
    };
    // A quiet time, in which it learns how long a query takes; then a rush.
    come(5);
    sleep(Duration::from_secs(10)).await;
    assert_eq!(limiter.limit(), 100, "nobody came near it");
    come(95);
    sleep(Duration::from_secs(20)).await;
    let learned = limiter.limit();
    assert!((10..40).contains(&learned), "{learned}: a few wait, and no more");
    let before = limiter.admitted();
    sleep(Duration::from_secs(1)).await;
    let served = limiter.admitted() - before;
    assert!((950..=1050).contains(&served), "{served}: the database is never idle");
    assert!(limiter.refused() > 0);

    callers.shutdown().await;
    assert_eq!(limiter.in_flight(), 0, "who is gone is not in flight");
    Ok(())
}

#[test]
fn shows_what_it_says() -> Result<(), BoxError> {
    main()
}
