//! How a program of either side serves.

use crate::{BoxError, runtime, say};
use http::{Request, Response};
use hyper::{body::Body, body::Incoming, service::Service};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use std::net::Ipv4Addr;
use tokio::net::TcpListener;

/// Returns what this program is to serve, its first argument.
///
/// # Errors
///
/// Fails if there is none.
pub fn job() -> Result<String, BoxError> {
    Ok(std::env::args().nth(1).ok_or("what shall I serve?")?)
}

/// Serves one connection with `service`, and says on standard output first at
/// which port, and at the end how many allocations that took, of how many
/// bytes.
///
/// # Errors
///
/// Fails if there is no port, or the connection breaks.
pub fn serve_one<S, B>(service: S) -> Result<(), BoxError>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error: Into<BoxError>> + 'static,
    S: Send,
    S::Future: Send + 'static,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    let runtime = runtime()?;
    let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))?;
    say(listener.local_addr()?.port())?;
    let mut served = Ok(());
    let counted = allocation_counter::measure(|| {
        served = runtime.block_on(async {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            // The timer is what hyper's own time-outs need.
            let mut builder = auto::Builder::new(TokioExecutor::new());
            builder.http1().timer(TokioTimer::new());
            builder.http2().timer(TokioTimer::new());
            builder.serve_connection(TokioIo::new(stream), service).await
        });
    });
    served?;
    say(format_args!("{} {}", counted.count_total, counted.bytes_total))
}
