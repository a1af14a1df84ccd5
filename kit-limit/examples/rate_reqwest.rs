//! A limit on a reqwest client that keeps to what the other side allows: it
//! waits for its turn, unless that would take too long.

use kit_endpoint::AsHttp;
use kit_limit::rate::{Rate, RateLimit, RateLimitLayer, RateLimited};
use reqwest::{Client, Method, Request, Response};
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    time::Instant,
};
use tower::{BoxError, ServiceBuilder, ServiceExt};

/// Answers whoever comes.
async fn serve(listener: TcpListener) -> std::io::Result<()> {
    loop {
        let (mut peer, _) = listener.accept().await?;
        let _ = peer.read(&mut [0; 1024]).await?;
        peer.write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n").await?;
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let place = listener.local_addr()?;
    let server = tokio::spawn(serve(listener));

    let interval = Duration::from_millis(50);
    let limit = RateLimit::new("theirs", Rate::new(1, interval));
    // reqwest's error is nobody's to make: a refusal is a reply.
    let refuse = |fact: RateLimited| Ok(Response::from(AsHttp::reply(&fact)));
    let layer = RateLimitLayer::shared(limit.clone()).waiting(2 * interval).refuse(refuse);
    // No proxy, whatever the environment says: the port is this machine's.
    let client = Client::builder().no_proxy().build()?;
    let client = ServiceBuilder::new().layer(layer).service(client);

    let ask = || format!("http://{place}/").parse().map(|url| Request::new(Method::GET, url));
    let begun = Instant::now();
    let one = || async { Ok::<_, BoxError>(client.clone().oneshot(ask()?).await?.status()) };
    let (first, second, third, fourth) = tokio::join!(one(), one(), one(), one());
    assert_eq!((first?, second?, third?), (204.try_into()?, 204.try_into()?, 204.try_into()?));
    assert!(begun.elapsed() >= 2 * interval, "the third waited for two intervals");
    assert_eq!(fourth?, 429, "the fourth would have waited for three");
    assert_eq!((limit.allowed(), limit.waited(), limit.refused()), (3, 2, 1));
    server.abort();
    Ok(())
}

#[test]
fn shows_what_it_says() -> Result<(), BoxError> {
    main()
}
