//! tonic's services behind [`kit_serve::serve`], and a clean stop.
//!
//! `cargo run -p kit-serve --example tonic`, then ctrl-c.

use std::time::Duration;
use tokio::net::TcpListener;
use tonic::service::Routes;

fn app() -> Routes {
    let (_, health) = tonic_health::server::health_reporter();
    Routes::new(health)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listener = TcpListener::bind("127.0.0.1:50051").await?;
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
    use http::Uri;
    use hyper_util::rt::{TokioExecutor, TokioIo};
    use tokio::net::TcpStream;
    use tonic::body::Body;
    use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
    use tower::{ServiceExt, service_fn};

    #[tokio::test]
    async fn a_tonic_server_is_served_and_drained() -> Result<(), Box<dyn std::error::Error>> {
        let server = kit_serve::serve(TcpListener::bind("127.0.0.1:0").await?, app());
        let handle = server.handle();
        let running = tokio::spawn(server.into_future());

        let address = handle.local_addr().ok_or("no address")?;
        let io = TokioIo::new(TcpStream::connect(address).await?);
        let executor = TokioExecutor::new();
        let (sender, connection) =
            hyper::client::conn::http2::handshake::<_, _, Body>(executor, io).await?;
        let connection = tokio::spawn(connection);
        let channel = service_fn(move |request| {
            let mut sender = sender.clone();
            async move { sender.send_request(request).await }
        });
        let origin: Uri = format!("http://{address}").parse()?;
        let mut client = HealthClient::with_origin(channel.boxed_clone(), origin);
        let reply = client.check(HealthCheckRequest::default()).await?.into_inner();
        assert_eq!(reply.status, 1);

        drop(client);
        handle.drain_within(Duration::from_secs(5)).await?;
        connection.await??;
        Ok(running.await??)
    }
}
