//! Rate, errors and duration of a tonic server: until the trailers, which tell
//! the status.

use http_body_util::BodyExt;
use kit_metrics::{GrpcStatus, Prometheus, RedLayer};
use tonic::{body::Body, codegen::http};
use tonic_health::pb::health_server::HealthServer;
use tower::{BoxError, Layer, ServiceExt};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let metrics = Prometheus::new();
    let red = RedLayer::new(metrics.clone(), "grpc_call", &[("service", "health")]);
    let (_, health) = tonic_health::server::health_reporter();
    let server: HealthServer<_> = health;
    let server = red.classify(GrpcStatus).until_body_end().layer(server);

    // An empty message: the health of the server as a whole; then of a
    // service that nobody knows.
    for message in [&b"\0\0\0\0\0"[..], b"\0\0\0\0\x06\x0a\x04nope"] {
        let call = http::Request::post("/grpc.health.v1.Health/Check")
            .header("content-type", "application/grpc")
            .body(Body::new(http_body_util::Full::from(message)))?;
        server.clone().oneshot(call).await?.into_body().collect().await?;
    }

    let page = metrics.render();
    for kind in ["OK", "NOT_FOUND"] {
        let line =
            format!("grpc_call_duration_seconds_count{{kind=\"{kind}\",service=\"health\"}} 1");
        assert!(page.contains(&line), "{page}");
    }
    Ok(())
}

#[test]
fn runs() -> Result<(), BoxError> {
    main()
}
