//! The layers on tonic's servers, which cannot fail: they answer with a gRPC
//! status.

use http::{Request, Response};
use kit_endpoint::{AsGrpc, CatchPanicLayer, DeadlineLayer};
use std::{convert::Infallible, time::Duration};
use tonic::{body::Body, service::Routes};
use tonic_health::server::health_reporter;
use tower::{BoxError, Service, ServiceBuilder, ServiceExt};

fn server(
    limit: Duration,
) -> impl Service<Request<Body>, Response = Response<Body>, Error = Infallible> {
    let (_, health) = health_reporter();
    ServiceBuilder::new()
        .layer(DeadlineLayer::new(limit).refuse(AsGrpc))
        .layer(CatchPanicLayer::new().refuse(AsGrpc))
        .service(Routes::new(health).prepare())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let call = || {
        Request::post("/grpc.health.v1.Health/Unheard")
            .header("content-type", "application/grpc")
            .body(Body::empty())
    };
    // With time to spare tonic answers itself: it does not know the method.
    let reply = server(Duration::from_secs(5)).oneshot(call()?).await?;
    assert_eq!(reply.headers()["grpc-status"], "12");
    // Without, the layer answers, and nothing runs.
    let reply = server(Duration::ZERO).oneshot(call()?).await?;
    assert_eq!(reply.headers()["grpc-status"], "4");
    Ok(())
}

#[test]
fn runs() -> Result<(), BoxError> {
    main()
}
