use bytes::Bytes;
use http_body_util::Full;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use std::time::Duration;

/// A pooled client of `http://` servers, by hyper.
pub type Pool = Client<HttpConnector, Full<Bytes>>;

/// Returns a pooled client: a connection must stand within `connect`, goes out
/// with `TCP_NODELAY`, and is closed after 90 s without use (hyper's default).
///
/// The pool belongs to the value and its clones; it needs a tokio runtime.
#[must_use]
pub fn pool(connect: Duration) -> Pool {
    let mut connector = HttpConnector::new();
    connector.set_connect_timeout(Some(connect));
    connector.set_nodelay(true);
    Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(connector)
}
