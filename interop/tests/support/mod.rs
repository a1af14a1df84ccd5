//! The test service, served, and channels to it.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]
#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    missing_docs,
    reason = "each test uses a part of it"
)]

mod heard;

pub use heard::{Heard, ends};

use hyper_util::rt::TokioIo;
use kit_endpoint::Kind;
use kit_interop::{Tally, app};
use kit_serve::{Cut, Handle, Listener, Peer, serve};
use std::{
    future::{IntoFuture, pending},
    io,
    net::SocketAddr,
    time::Duration,
};
use tokio::{
    io::{DuplexStream, duplex},
    net::TcpListener,
    sync::mpsc,
    task::JoinHandle,
    time::timeout,
};
use tonic::transport::{Channel, Endpoint};
use tower::service_fn;

/// More than any one thing here takes.
pub const LIMIT: Duration = Duration::from_secs(10);

/// Waits for what comes soon.
pub async fn in_time<F: Future>(future: F) -> F::Output {
    timeout(LIMIT, future).await.expect("it takes too long")
}

/// The test service, while it is served.
pub struct Served {
    handle: Handle,
    running: JoinHandle<Result<(), Cut>>,
}

impl Served {
    fn by<L: Listener>(listener: L, tally: &Tally) -> Self {
        let server = serve(listener, app(tally));
        let handle = server.handle();
        Self { handle, running: tokio::spawn(server.into_future()) }
    }

    /// Serves at a port of loopback.
    pub async fn at_loopback(tally: &Tally) -> Self {
        Self::by(TcpListener::bind("127.0.0.1:0").await.unwrap(), tally)
    }

    pub fn address(&self) -> SocketAddr {
        self.handle.local_addr().unwrap()
    }

    /// Waits until nothing is in flight any more, and all is closed.
    pub async fn stop(self) {
        self.handle.drain().await;
        self.running.await.unwrap().unwrap();
    }
}

/// Listens for pipes.
struct Pipes(mpsc::UnboundedReceiver<DuplexStream>);

impl Listener for Pipes {
    type Io = DuplexStream;

    async fn accept(&mut self) -> io::Result<(Self::Io, Peer)> {
        match self.0.recv().await {
            Some(pipe) => Ok((pipe, Peer::Unix)),
            None => pending().await,
        }
    }
}

/// Serves over pipes in memory, which the channel opens.
pub fn pipes(tally: &Tally) -> (Channel, Served) {
    let (pipes, accepted) = mpsc::unbounded_channel();
    let connect = service_fn(move |_: http::Uri| {
        let (near, far) = duplex(64 * 1024);
        let sent = pipes.send(far).map_err(io::Error::other);
        async move { sent.map(|()| TokioIo::new(near)) }
    });
    let channel = Endpoint::from_static("http://pipe").connect_with_connector_lazy(connect);
    (channel, Served::by(Pipes(accepted), tally))
}

/// Waits until an endpoint was called.
pub async fn begun(tally: &Tally) {
    tally.wait_for(|counts| counts.begun.len() == 1).await;
}

/// Waits until the call of an endpoint is over, and asserts that it was
/// cancelled: dropped, or told so by its requests.
pub async fn cancelled(tally: &Tally) {
    let counts = tally.wait_for(|counts| !counts.calls.is_empty()).await;
    assert_eq!(ends(&counts).1, [Some(Kind::Cancelled)], "{counts:?}");
}
