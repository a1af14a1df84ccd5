//! What the benchmarks share: the work that both sides do, and how a program
//! serves one connection and says what it allocated.
//!
//! Each side is a program of its own (`src/bin`): bare hyper and bare tonic as
//! their own examples write it, and ours, over the same connection code, in
//! the same profile, with the same allocator.

use http::{Request, Response};
use hyper::{body::Body, body::Incoming, service::Service};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use kit_endpoint::{Fault, Kind};
use std::{error::Error, io::Write, net::Ipv4Addr};
use tokio::net::TcpListener;

pub mod layers;
mod waste;

pub use self::waste::{LITTER, SLOWER, TURN, TURNS, slow_down, spin};

type BoxError = Box<dyn Error + Send + Sync>;

/// Asks for a greeting.
#[derive(Debug, serde::Deserialize)]
pub struct Hello {
    /// Whom to greet.
    pub name: String,
}

/// A greeting.
#[derive(Debug, serde::Serialize)]
pub struct Greeting {
    /// What it says.
    pub greeting: String,
}

/// There is nobody to greet.
#[derive(Debug, thiserror::Error)]
#[error("the name is empty")]
pub struct EmptyName;

impl Fault for EmptyName {
    fn kind(&self) -> Kind {
        Kind::InvalidArgument
    }
}

/// The work: the same function on both sides.
///
/// # Errors
///
/// Fails if the name is empty.
#[expect(clippy::unused_async, reason = "a handler is asynchronous")]
pub async fn greet(hello: Hello) -> Result<Greeting, EmptyName> {
    slow_down();
    match hello.name {
        name if name.is_empty() => Err(EmptyName),
        name => Ok(Greeting { greeting: format!("Hello, {name}!") }),
    }
}

/// Serves one connection with `service`, and says on standard output first at
/// which port, and at the end how many allocations that took.
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
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
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
    say(counted.count_total)
}

/// Says a line to who started this program.
///
/// # Errors
///
/// Fails if nobody listens.
pub fn say(line: impl std::fmt::Display) -> Result<(), BoxError> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

/// The greeter's generated code, of which no server of either side is a part.
#[allow(
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    clippy::pedantic,
    clippy::use_self,
    reason = "generated"
)]
pub mod pb {
    include!("../../greeter/src/pb/greeter.v1.rs");
}
