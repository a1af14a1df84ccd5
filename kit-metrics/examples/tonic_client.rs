//! Rate, errors and duration of what a tonic client calls.

use kit_metrics::{GrpcStatus, Prometheus, RedLayer};
use tonic::{Code, transport::Channel};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tower::{BoxError, ServiceBuilder};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let metrics = Prometheus::new();
    let red = RedLayer::new(metrics.clone(), "grpc_call", &[("peer", "greeter")]);
    // Nobody listens on the port of a listener that is closed again.
    let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let channel = Channel::from_shared(format!("http://127.0.0.1:{port}"))?.connect_lazy();
    let channel =
        ServiceBuilder::new().layer(red.classify(GrpcStatus).until_body_end()).service(channel);

    let refused = HealthClient::new(channel).check(HealthCheckRequest::default()).await;
    assert_eq!(refused.map_err(|status| status.code()).err(), Some(Code::Unavailable));

    // The channel's own error says no more than that there was one.
    let page = metrics.render();
    let line = r#"grpc_call_duration_seconds_count{kind="UNKNOWN",peer="greeter"} 1"#;
    assert!(page.contains(line), "{page}");
    Ok(())
}

#[test]
fn runs() -> Result<(), BoxError> {
    main()
}
