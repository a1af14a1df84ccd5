//! The layers on reqwest's client, whose error nobody can make: a refusal is a
//! reply, as if the server had sent it.

use kit_endpoint::{AsHttp, CatchPanicLayer, DeadlineLayer};
use reqwest::{Client, Error, Method, Request, Response};
use std::{net::TcpListener, time::Duration};
use tower::{BoxError, ServiceBuilder, ServiceExt};

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<(), BoxError> {
    // A server that takes the connection and then says nothing.
    let silent = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}/", silent.local_addr()?).parse()?;

    // No proxy, whatever the environment says: the port is this machine's.
    let client = Client::builder().no_proxy().build()?;
    let client = ServiceBuilder::new()
        .layer(
            DeadlineLayer::new(Duration::from_secs(1))
                .refuse(|fact| Ok::<Response, Error>(AsHttp::reply(&fact).into())),
        )
        .layer(CatchPanicLayer::new().refuse(|fact| Ok(AsHttp::reply(&fact).into())))
        .service(client);
    let reply = client.oneshot(Request::new(Method::GET, url)).await?;

    assert_eq!(reply.status(), 504);
    Ok(())
}

#[test]
fn runs() -> Result<(), BoxError> {
    main()
}
