//! A bare accept loop, as hyper-util's examples write it, around the same
//! service: with hyper's own timer, and the peer among the extensions.

use hyper::service::service_fn;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use kit_bench::{BoxError, constant, say, serve_until_told};
use std::net::Ipv4Addr;
use tokio::net::TcpListener;

fn main() -> Result<(), BoxError> {
    serve_until_told(async || {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        say(listener.local_addr()?.port())?;
        loop {
            let (stream, peer) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let service = service_fn(move |mut request| {
                let extensions: &mut http::Extensions = http::Request::extensions_mut(&mut request);
                extensions.insert(peer);
                constant(request)
            });
            tokio::spawn(async move {
                let mut builder = Builder::new(TokioExecutor::new());
                builder.http1().timer(TokioTimer::new());
                builder.http2().timer(TokioTimer::new());
                _ = builder.serve_connection_with_upgrades(TokioIo::new(stream), service).await;
            });
        }
    })
}
