//! A breaker on a reqwest client, whose error is nobody's to make: a refusal is
//! a reply.

#![allow(clippy::expect_used, reason = "it checks what it shows")]

use kit_breaker::{AnyError, AsHttp, BreakerLayer, Limits, Open};
use reqwest::{Client, Method, Request, Response};
use tower::{BoxError, ServiceBuilder, ServiceExt};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    // A port at which nobody listens any more.
    let gone = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let refuse = |open: Open| Ok(Response::from(AsHttp::reply(&open)));
    let limits = Limits::default().failures(1);
    let breaker = BreakerLayer::new(limits).classify(AnyError).refuse(refuse);
    // No proxy, whatever the environment says: the port is this machine's.
    let client = Client::builder().no_proxy().build()?;
    let client = ServiceBuilder::new().layer(breaker).service(client);

    let ask = || format!("http://{gone}/").parse().map(|url| Request::new(Method::GET, url));
    let error = client.clone().oneshot(ask()?).await.expect_err("nobody is there");
    assert!(error.is_connect(), "{error:?}");
    assert_eq!(client.oneshot(ask()?).await?.status(), 503);
    Ok(())
}

#[test]
fn shows_what_it_says() -> Result<(), BoxError> {
    main()
}
