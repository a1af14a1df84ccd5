//! The layers on tonic's servers, which cannot fail: they answer with a gRPC
//! status.

use axum::routing::post;
use http::{Request, Response};
use kit_endpoint::{AsGrpc, CatchPanicLayer, DeadlineLayer};
use std::{convert::Infallible, time::Duration};
use tonic::{body::Body, service::Routes};
use tonic_health::server::health_reporter;
use tower::{BoxError, Service, ServiceBuilder, ServiceExt};

async fn bug() -> String {
    let divisor = std::hint::black_box(0);
    (100 / divisor).to_string()
}

fn server(
    limit: Duration,
) -> impl Service<Request<Body>, Response = Response<Body>, Error = Infallible> {
    let (_, health) = health_reporter();
    let routes = Routes::new(health).into_axum_router().route("/a.Bug/Hit", post(bug));
    ServiceBuilder::new()
        .layer(DeadlineLayer::new(limit).refuse(AsGrpc))
        .layer(CatchPanicLayer::new().refuse(AsGrpc))
        .service(Routes::from(routes).prepare())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let call = |method| {
        Request::post(method).header("content-type", "application/grpc").body(Body::empty())
    };
    // With time to spare tonic answers itself: it does not know the method.
    let reply = server(Duration::from_secs(5)).oneshot(call("/a.Service/Unheard")?).await?;
    assert_eq!(reply.headers()["grpc-status"], "12");
    // A panic is one call's failure, and not its connection's.
    let reply = server(Duration::from_secs(5)).oneshot(call("/a.Bug/Hit")?).await?;
    assert_eq!(reply.headers()["grpc-status"], "13");
    // Without, the layer answers, and nothing runs.
    let reply = server(Duration::ZERO).oneshot(call("/a.Service/Unheard")?).await?;
    assert_eq!(reply.headers()["grpc-status"], "4");
    Ok(())
}

#[test]
fn runs() -> Result<(), BoxError> {
    main()
}
