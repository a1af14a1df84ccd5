use super::connect::Connector;
use bytes::Bytes;
use http_body::Body;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, Error, ResponseFuture},
    rt::{TokioExecutor, TokioTimer},
};
use std::{
    error, fmt,
    task::{Context, Poll},
    time::Duration,
};
use tower_service::Service;

/// How a [`Pool`] connects, and what it keeps.
#[derive(Debug, Clone)]
pub struct PoolOptions {
    connect: Duration,
    idle: Duration,
    idle_per_host: usize,
    ping: Duration,
    pong: Duration,
    http2: bool,
    #[cfg(feature = "tls")]
    tls: Option<super::Tls>,
}

/// A pooled client of HTTP/1.1 and HTTP/2, by hyper: a [`Service`] of
/// `http::Request`s whose URI says where to.
///
/// Over TLS the server chooses the version (ALPN); without it the version is
/// HTTP/1.1, unless [`PoolOptions::http2`] says otherwise. A connection that
/// was closed while it lay idle is replaced by a new one before anything of
/// the request was sent.
///
/// It is always ready and opens as many connections as there are calls at once:
/// what bounds them is a layer, such as tower's concurrency limit. The pool
/// belongs to the value and its clones, and needs a tokio runtime. With the
/// last clone, and the last reply, its connections close.
///
/// A call that cannot connect fails with [`NotConnected`](crate::NotConnected)
/// among its sources.
pub struct Pool<B = Full<Bytes>>(Client<Connector, B>);

/// Returns a pool for `http://` that connects within `connect`, and is else
/// as [`PoolOptions::new`] says.
#[must_use]
pub fn pool(connect: Duration) -> Pool {
    Pool::new(PoolOptions::new().connect(connect))
}

// ===== impl PoolOptions =====

impl PoolOptions {
    /// Connects within 5 s, keeps 100 idle connections to a server for 90 s,
    /// and pings HTTP/2 servers that owe a reply every 30 s.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            connect: Duration::from_secs(5),
            idle: Duration::from_secs(90),
            idle_per_host: 100,
            ping: Duration::from_secs(30),
            pong: Duration::from_secs(20),
            http2: false,
            #[cfg(feature = "tls")]
            tls: None,
        }
    }

    /// Waits at most `limit` for a connection: to find the addresses of a
    /// name, to connect to one of them and to agree on TLS, together. 5 s by
    /// default (Go Micro's).
    #[must_use]
    pub const fn connect(mut self, limit: Duration) -> Self {
        self.connect = limit;
        self
    }

    /// Closes a connection that was not used for `time`. 90 s by default
    /// (hyper's, and Go's).
    #[must_use]
    pub const fn idle(mut self, time: Duration) -> Self {
        self.idle = time;
        self
    }

    /// Keeps up to `most` idle connections to each server, and closes the
    /// others. 100 by default (Go Micro's; hyper has no limit).
    #[must_use]
    pub const fn idle_per_host(mut self, most: usize) -> Self {
        self.idle_per_host = most;
        self
    }

    /// Pings an HTTP/2 server every `interval` while it owes a reply, and gives
    /// the connection up, with all its calls, if there is no answer within
    /// `answer`: else a server that vanished is not noticed for the quarter of
    /// an hour after which TCP gives up. 30 s and 20 s by default (the answer's
    /// is gRPC's, of its proposal A8).
    #[must_use]
    pub const fn ping(mut self, interval: Duration, answer: Duration) -> Self {
        self.ping = interval;
        self.pong = answer;
        self
    }

    /// Speaks HTTP/2 alone, to servers that are known to: without TLS too.
    #[must_use]
    pub const fn http2(mut self) -> Self {
        self.http2 = true;
        self
    }

    /// Calls `https://` servers too, trusting as `tls` says.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(mut self, tls: super::Tls) -> Self {
        self.tls = Some(tls);
        self
    }

    fn connector(&mut self) -> Connector {
        #[cfg(feature = "tls")]
        if let Some(tls) = self.tls.take() {
            return Connector::tls(self.connect, tls, self.http2);
        }
        Connector::plain(self.connect)
    }
}

impl Default for PoolOptions {
    fn default() -> Self {
        Self::new()
    }
}

// ===== impl Pool =====

impl<B> Pool<B>
where
    B: Body<Data: Send> + Send,
{
    /// Creates a pool. It connects when it is called.
    #[must_use]
    pub fn new(mut options: PoolOptions) -> Self {
        let connector = options.connector();
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(options.idle)
            .pool_max_idle_per_host(options.idle_per_host)
            .http2_keep_alive_interval(options.ping)
            .http2_keep_alive_timeout(options.pong)
            .http2_only(options.http2)
            .build(connector);
        Self(client)
    }
}

impl<B> Service<http::Request<B>> for Pool<B>
where
    B: Body<Data: Send, Error: Into<Box<dyn error::Error + Send + Sync>>> + Send + Unpin + 'static,
{
    type Response = http::Response<Incoming>;
    type Error = Error;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        self.0.request(request)
    }
}

impl<B> Clone for Pool<B> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<B> fmt::Debug for Pool<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").finish_non_exhaustive()
    }
}
