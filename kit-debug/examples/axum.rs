//! A debug port beside an application of axum's, in one router: who is local is
//! said by a layer, as axum's server tells the peer in a type of its own.

use axum::{Router, body::Body, extract::Request, routing::get};
use kit_debug::{Build, Debug, config::Redactor};
use kit_endpoint::Peer;
use std::net::SocketAddr;
use tower::{BoxError, ServiceExt};

#[derive(serde::Serialize)]
struct Config {
    port: u16,
    database: &'static str,
}

/// With `axum::serve` the address is in `axum::extract::ConnectInfo`.
fn with_peer(mut request: Request) -> Request {
    let addr = request.extensions().get::<SocketAddr>().copied();
    if let Some(addr) = addr {
        request.extensions_mut().insert(Peer::from(addr));
    }
    request
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let config = Config { port: 9110, database: "postgres://app:hunter2@db/greetings" };
    let (ready, readiness) = tokio::sync::watch::channel(true);
    let debug = Debug::new()
        .ready(readiness)
        .build_info(Build::new(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION")))
        .config(Redactor::new().redact(&config)?)
        .runtime(&tokio::runtime::Handle::current())
        .mount_guarded("/debug/restart", "Restarts", get(|| async { "restarting" }))
        .into_router();
    let app = Router::new()
        .route("/", get(|| async { "Hello!" }))
        .merge(debug)
        .layer(tower::util::MapRequestLayer::new(with_peer));

    let ask = |target, peer: [u8; 4]| {
        let request = http::Request::get(target).header("host", "localhost:9100");
        request.extension(SocketAddr::from((peer, 4000))).body(Body::empty())
    };
    let local = [127, 0, 0, 1];
    let page = app.clone().oneshot(ask("/debug/config", local)?).await?;
    let page = axum::body::to_bytes(page.into_body(), 4096).await?;
    assert!(str::from_utf8(&page)?.contains("postgres://[redacted]@db/greetings"));
    let restarted = app.clone().oneshot(ask("/debug/restart", local)?).await?;
    assert_eq!(restarted.status(), 200);
    let stranger = app.oneshot(ask("/debug/restart", [10, 0, 0, 1])?).await?;
    assert_eq!(stranger.status(), 403);
    drop(ready);
    Ok(())
}

#[test]
fn shows_what_it_says() -> Result<(), BoxError> {
    main()
}
