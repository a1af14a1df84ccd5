use super::{Exchange, ReplyBody};
use crate::{Failure, bodiless::without_body, stream::WriteItems};
use bytes::Bytes;
use futures_core::Stream;
use http_body::Body;
use http_body_util::Full;
use kit_endpoint::{self as kit, Endpoint, Fault};
use kit_transport::{Observer, Phase, Watched};
use pin_project_lite::pin_project;
use std::{
    convert::Infallible,
    error, fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tower_service::Service;

pin_project! {
    /// The future of a [`Server`](crate::Server) that replies once.
    pub struct ResponseFuture<B, E, D, N, O, X, Req>
    where
        E: Service<kit::Request<Req>>,
        O: Observer,
    {
        #[pin]
        exchange: Exchange<B, E, D, O, X, Req>,
        encode: N,
    }
}

pin_project! {
    /// The future of a [`Server`](crate::Server) that replies with a stream: it
    /// is there once the stream is.
    pub struct StreamFuture<B, E, D, W, O, X, Req>
    where
        E: Service<kit::Request<Req>>,
        O: Observer,
    {
        #[pin]
        exchange: Exchange<B, E, D, O, X, Req>,
        write: W,
    }
}

// ===== impl ResponseFuture =====

impl<B, E, D, N, O, X, Req> ResponseFuture<B, E, D, N, O, X, Req>
where
    E: Service<kit::Request<Req>>,
    O: Observer,
{
    pub(super) const fn new(exchange: Exchange<B, E, D, O, X, Req>, encode: N) -> Self {
        Self { exchange, encode }
    }
}

impl<B, E, D, N, O, X, Req, DE, NE> Future for ResponseFuture<B, E, D, N, O, X, Req>
where
    B: Body<Error: Into<Box<dyn error::Error + Send + Sync>>>,
    E: Endpoint<Req>,
    D: Fn(&http::Request<Bytes>) -> Result<Req, DE>,
    DE: Fault,
    N: Fn(E::Response) -> Result<http::Response<Bytes>, NE>,
    NE: Fault,
    O: Observer,
    X: Fn(&Failure<'_>) -> http::Response<Bytes>,
{
    type Output = Result<http::Response<Watched<Full<Bytes>, O>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let (reply, mut rest) = ready!(this.exchange.poll_reply(cx));
        let mut response = match reply {
            // Encoded whole before any of it is sent: a failure here is still
            // an honest 500.
            Ok(reply) => match rest.watch.during(|| (this.encode)(reply)) {
                Ok(response) => response,
                Err(fault) => rest.fail(Phase::Encode, &fault),
            },
            Err(response) => response,
        };
        let mut watch = rest.watch;
        watch.after(response.status(), response.headers_mut());
        without_body(&mut response, watch.is_bodiless());
        Poll::Ready(Ok(response.map(|body| Watched::new(Full::new(body), watch))))
    }
}

impl<B, E, D, N, O, X, Req> fmt::Debug for ResponseFuture<B, E, D, N, O, X, Req>
where
    E: Service<kit::Request<Req>>,
    O: Observer,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}

// ===== impl StreamFuture =====

impl<B, E, D, W, O, X, Req> StreamFuture<B, E, D, W, O, X, Req>
where
    E: Service<kit::Request<Req>>,
    O: Observer,
{
    pub(super) const fn new(exchange: Exchange<B, E, D, O, X, Req>, write: W) -> Self {
        Self { exchange, write }
    }
}

impl<B, E, D, W, O, X, Req, DE, St, T, SE> Future for StreamFuture<B, E, D, W, O, X, Req>
where
    B: Body<Error: Into<Box<dyn error::Error + Send + Sync>>>,
    E: Endpoint<Req, Response = St>,
    D: Fn(&http::Request<Bytes>) -> Result<Req, DE>,
    DE: Fault,
    St: Stream<Item = Result<T, SE>>,
    SE: Fault,
    W: WriteItems<T>,
    O: Observer,
    X: Fn(&Failure<'_>) -> http::Response<Bytes>,
{
    type Output = Result<http::Response<ReplyBody<St, W, O, X>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let (reply, mut rest) = ready!(this.exchange.poll_reply(cx));
        let write = this.write.clone();
        Poll::Ready(Ok(match reply {
            Ok(stream) => {
                let mut response = http::Response::new(());
                rest.watch.during(|| write.head(response.headers_mut()));
                rest.watch.after(response.status(), response.headers_mut());
                response.map(|()| {
                    if rest.watch.is_bodiless() {
                        ReplyBody::whole(Bytes::new(), write, rest)
                    } else {
                        ReplyBody::stream(stream, write, rest)
                    }
                })
            }
            Err(mut failure) => {
                rest.watch.after(failure.status(), failure.headers_mut());
                without_body(&mut failure, rest.watch.is_bodiless());
                failure.map(|bytes| ReplyBody::whole(bytes, write, rest))
            }
        }))
    }
}

impl<B, E, D, W, O, X, Req> fmt::Debug for StreamFuture<B, E, D, W, O, X, Req>
where
    E: Service<kit::Request<Req>>,
    O: Observer,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamFuture").finish_non_exhaustive()
    }
}
