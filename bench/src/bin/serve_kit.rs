//! `kit_serve::serve`, around a service that does next to nothing.

use kit_bench::{BoxError, constant, say, serve_until_told};
use std::net::Ipv4Addr;
use tokio::net::TcpListener;
use tower::service_fn;

fn main() -> Result<(), BoxError> {
    serve_until_told(async || {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        say(listener.local_addr()?.port())?;
        Ok(kit_serve::serve(listener, service_fn(constant)).await?)
    })
}
