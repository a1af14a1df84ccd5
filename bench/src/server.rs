//! How a program of either side serves.

use crate::{BoxError, runtime, say, slow_down};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::{
    body::{Body, Incoming},
    service::Service,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use std::{convert::Infallible, io, net::Ipv4Addr, thread};
use tokio::{net::TcpListener, runtime::Builder, sync::oneshot};

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

/// Lets `serve` serve, which says on standard output at which port, until
/// standard input ends; then says how many allocations that took, of how many
/// bytes.
///
/// # Errors
///
/// Fails if `serve` does.
pub fn serve_until_told<F>(serve: impl FnOnce() -> F) -> Result<(), BoxError>
where
    F: Future<Output = Result<(), BoxError>>,
{
    // Nothing within the greeter can be slowed down: what drives it is, each
    // time that it waits for the next request.
    let runtime = Builder::new_current_thread().enable_all().on_thread_park(slow_down).build()?;
    let (tell, told) = oneshot::channel();
    thread::spawn(move || tell.send(io::copy(&mut io::stdin().lock(), &mut io::sink())));
    let mut served = Ok(());
    let counted = allocation_counter::measure(|| {
        served = runtime.block_on(async {
            tokio::select! {
                served = serve() => served,
                _ = told => Ok(()),
            }
        });
    });
    served?;
    say(format_args!("{} {}", counted.count_total, counted.bytes_total))
}

/// Answers as the greeter does to Ada, without reading the request.
///
/// # Errors
///
/// Never.
pub async fn constant<B>(_: Request<B>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::from(r#"{"greeting":"Hello, Ada!"}"#)))
}
