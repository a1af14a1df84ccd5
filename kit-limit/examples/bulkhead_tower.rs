//! A bulkhead with a queue: who matters more is served first, and who is too late
//! is not served at all.

#![allow(clippy::expect_used, reason = "it checks what it shows")]

use kit_endpoint::{Criticality, Request};
use kit_limit::bulkhead::{BulkheadFull, BulkheadLayer, Compartment, Refusal};
use std::time::Duration;
use tokio::{
    join,
    time::{Instant, sleep},
};
use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};

// The clock is paused: a second is over at once.
#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<(), BoxError> {
    let begun = Instant::now();
    let press = service_fn(move |request: Request<&'static str>| async move {
        sleep(Duration::from_secs(1)).await;
        let seconds = begun.elapsed().as_secs();
        Ok::<_, BoxError>(format!("{} at {seconds}", request.message()))
    });
    let one_press = Compartment::new("press").size(1).queue(10, Duration::from_mins(1));
    let service = ServiceBuilder::new()
        .layer(BulkheadLayer::shared(one_press).by_criticality().of_request())
        .service(press);

    let with = |name, class: Criticality| {
        let mut request = Request::new(name);
        request.extensions_mut().insert(class);
        service.clone().oneshot(request)
    };
    let soon = Request::new("soon").within(begun + Duration::from_millis(1500));
    let (first, batch, urgent, soon) = join!(
        with("first", Criticality::Critical),
        with("batch", Criticality::Sheddable),
        with("urgent", Criticality::CriticalPlus),
        service.clone().oneshot(soon),
    );
    assert_eq!(first?, "first at 1");
    assert_eq!(urgent?, "urgent at 2");
    assert_eq!(batch?, "batch at 3");
    let error = soon.expect_err("it waited behind the urgent one");
    let fact = error.downcast::<BulkheadFull>()?;
    assert_eq!(fact.refusal(), Refusal::Expired);
    Ok(())
}

#[test]
fn shows_what_it_says() -> Result<(), BoxError> {
    main()
}
