//! A span around each request of reqwest, by way of its tower service.

use http_body_util::BodyExt;
use kit_trace::ClientSpanLayer;
use reqwest::{Body, Client};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};

/// Answers with the `traceparent` that it is asked with.
async fn serve(listener: TcpListener) -> Result<(), BoxError> {
    let (mut peer, _) = listener.accept().await?;
    let mut head = vec![0; 4096];
    let read = peer.read(&mut head).await?;
    let head = String::from_utf8_lossy(&head[..read]).into_owned();
    let parent = head.lines().find_map(|line| line.strip_prefix("traceparent: "));
    let parent = parent.unwrap_or("none");
    let reply = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{parent}", parent.len());
    peer.write_all(reply.as_bytes()).await?;
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    // A program installs a subscriber that shows or exports them.
    let _listening = tracing::subscriber::set_default(tracing_subscriber::registry());
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let place = listener.local_addr()?;
    let server = tokio::spawn(serve(listener));

    // No proxy, whatever the environment says: the port is this machine's.
    let client = Client::builder().no_proxy().build()?;
    let client = ServiceBuilder::new().layer(ClientSpanLayer::new()).service(service_fn(
        move |request: http::Request<Body>| {
            let client = client.clone();
            async move {
                let reply = client.execute(request.try_into()?).await?;
                Ok::<_, reqwest::Error>(http::Response::<Body>::from(reply))
            }
        },
    ));
    let ask = http::Request::get(format!("http://{place}/")).body(Body::default())?;
    let said = client.oneshot(ask).await?.into_body().collect().await?.to_bytes();
    assert_eq!(said.len(), 55, "a traceparent: {said:?}");
    server.await??;
    Ok(())
}

#[test]
fn shows_what_it_says() -> Result<(), BoxError> {
    main()
}
