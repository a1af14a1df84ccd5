//! The layers on a tonic client: below the generated code, around the channel.

use kit_endpoint::{AsGrpc, CatchPanicLayer, DeadlineLayer};
use std::{net::TcpListener, time::Duration};
use tonic::{Code, transport::Channel};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tower::{BoxError, ServiceBuilder};

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<(), BoxError> {
    // A server that takes the connection and then says nothing.
    let silent = TcpListener::bind("127.0.0.1:0")?;
    let channel = Channel::from_shared(format!("http://{}", silent.local_addr()?))?.connect_lazy();

    let channel = ServiceBuilder::new()
        .layer(DeadlineLayer::new(Duration::from_secs(1)).refuse(AsGrpc))
        .layer(CatchPanicLayer::new().refuse(AsGrpc))
        .service(channel);
    let reply = HealthClient::new(channel).check(HealthCheckRequest::default()).await;

    assert_eq!(reply.err().map(|status| status.code()), Some(Code::DeadlineExceeded));
    Ok(())
}

#[test]
fn runs() -> Result<(), BoxError> {
    main()
}
