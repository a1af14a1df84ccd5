//! A bulkhead on a reqwest client, whose error is nobody's to make: a refusal is a
//! reply. One host that is slow takes no more than its places.

#![allow(clippy::expect_used, reason = "it checks what it shows")]

use kit_endpoint::AsHttp;
use kit_limit::bulkhead::{BulkheadFull, BulkheadLayer, Compartment};
use reqwest::{Client, Method, Request, Response};
use std::time::Duration;
use tokio::{io::AsyncWriteExt, net::TcpListener};
use tower::{BoxError, ServiceBuilder, ServiceExt};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    // A host that answers the first call only after the second was made.
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let host = listener.local_addr()?;

    let compartment = Compartment::new("slow-host").size(1);
    let refuse = |full: BulkheadFull| Ok(Response::from(AsHttp::reply(&full)));
    // No proxy, whatever the environment says: the host is this machine.
    let client = Client::builder().no_proxy().timeout(Duration::from_secs(5)).build()?;
    let client = ServiceBuilder::new()
        .layer(BulkheadLayer::shared(compartment.clone()).refuse(refuse))
        .service(client);

    let ask = || format!("http://{host}/").parse().map(|url| Request::new(Method::GET, url));
    let first = tokio::spawn(client.clone().oneshot(ask()?));
    let (mut stream, _) = listener.accept().await?;
    assert_eq!(compartment.in_flight(), 1);
    assert_eq!(client.clone().oneshot(ask()?).await?.status(), 503);

    stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await?;
    assert_eq!(first.await??.status(), 204);
    assert_eq!(compartment.in_flight(), 0);
    Ok(())
}

#[test]
fn shows_what_it_says() -> Result<(), BoxError> {
    main()
}
