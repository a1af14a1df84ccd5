//! An axum router behind [`kit_serve::serve`], and a clean stop.
//!
//! `cargo run -p kit-serve --example axum`, then ctrl-c.

use axum::{Router, routing::get};
use std::time::Duration;
use tokio::net::TcpListener;

fn app() -> Router {
    Router::new().route("/", get(|| async { "Hello!" }))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listener = TcpListener::bind("127.0.0.1:3000").await?;
    let server = kit_serve::serve(listener, app()).on_incident(|incident| eprintln!("{incident}"));
    let handle = server.handle();
    let running = tokio::spawn(server.into_future());
    tokio::signal::ctrl_c().await?;
    handle.drain_within(Duration::from_secs(25)).await?;
    Ok(running.await??)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use http::Request;
    use http_body_util::{BodyExt, Empty};
    use hyper_util::rt::TokioIo;
    use tokio::net::TcpStream;

    #[tokio::test]
    async fn a_router_is_served_and_drained() -> Result<(), Box<dyn std::error::Error>> {
        let server = kit_serve::serve(TcpListener::bind("127.0.0.1:0").await?, app());
        let handle = server.handle();
        let running = tokio::spawn(server.into_future());

        let address = handle.local_addr().ok_or("no address")?;
        let io = TokioIo::new(TcpStream::connect(address).await?);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await?;
        let connection = tokio::spawn(connection);
        let request = Request::get("/").header("host", "a").body(Empty::<Bytes>::new())?;
        let body = sender.send_request(request).await?.into_body().collect().await?.to_bytes();
        assert_eq!(body, "Hello!");

        handle.drain_within(Duration::from_secs(5)).await?;
        connection.await??;
        assert!(TcpStream::connect(address).await.is_err());
        Ok(running.await??)
    }
}
