//! Future types.

use super::{Encoder, Replies};
use crate::{
    EncodeError,
    edge::{Slot, answer},
};
use kit_endpoint::{Endpoint, Fault, Request};
use kit_transport::Phase;
use pin_project_lite::pin_project;
use std::{
    any::type_name,
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tonic::Status;
use tower::util::Oneshot;
use tower_service::Service;

pin_project! {
    /// The future of a [`Server`](super::Server) that replies once.
    pub struct ResponseFuture<E, N, X, Req>
    where
        E: Service<Request<Req>>,
    {
        encode: N,
        encode_error: X,
        slot: Option<Slot>,
        #[pin]
        state: State<E, Req>,
    }
}

pin_project! {
    /// The future of a [`Server`](super::Server) that replies with a stream.
    pub struct StreamFuture<E, N, X, Req>
    where
        E: Service<Request<Req>>,
    {
        encode: N,
        encode_error: X,
        slot: Option<Slot>,
        #[pin]
        state: State<E, Req>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<E, Req>
    where
        E: Service<Request<Req>>,
    {
        Called { #[pin] reply: Oneshot<E, Request<Req>> },
        Refused { status: Option<Status> },
    }
}

// ===== impl ResponseFuture =====

impl<E, N, X, Req> ResponseFuture<E, N, X, Req>
where
    E: Service<Request<Req>>,
{
    pub(super) fn new(
        encode: N,
        encode_error: X,
        slot: Option<Slot>,
        reply: Result<Oneshot<E, Request<Req>>, Status>,
    ) -> Self {
        Self { encode, encode_error, slot, state: State::new(reply) }
    }
}

impl<E, N, X, Req, R, NE> Future for ResponseFuture<E, Encoder<N, R>, X, Req>
where
    E: Endpoint<Req>,
    N: Fn(E::Response) -> Result<R, NE>,
    NE: Fault,
    X: EncodeError,
{
    type Output = Result<tonic::Response<R>, Status>;

    #[expect(clippy::expect_used, reason = "polling a finished future may panic")]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let slot = this.slot.as_ref();
        Poll::Ready(match this.state.project() {
            StateProj::Called { reply } => match ready!(reply.poll(cx)) {
                Ok(reply) => {
                    this.encode.encode(reply, slot, this.encode_error).map(tonic::Response::new)
                }
                Err(fault) => Err(answer(Phase::Endpoint, fault, slot, this.encode_error)),
            },
            StateProj::Refused { status } => Err(status.take().expect("polled after the reply")),
        })
    }
}

impl<E, N, X, Req> fmt::Debug for ResponseFuture<E, N, X, Req>
where
    E: Service<Request<Req>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture")
            .field("endpoint", &format_args!("{}", type_name::<E>()))
            .finish_non_exhaustive()
    }
}

// ===== impl StreamFuture =====

impl<E, N, X, Req> StreamFuture<E, N, X, Req>
where
    E: Service<Request<Req>>,
{
    pub(super) fn new(
        encode: N,
        encode_error: X,
        slot: Option<Slot>,
        reply: Result<Oneshot<E, Request<Req>>, Status>,
    ) -> Self {
        Self { encode, encode_error, slot, state: State::new(reply) }
    }
}

impl<E, N, X, Req> Future for StreamFuture<E, N, X, Req>
where
    E: Endpoint<Req>,
    N: Clone,
    X: EncodeError,
{
    type Output = Result<tonic::Response<Replies<E::Response, N, X>>, Status>;

    #[expect(clippy::expect_used, reason = "polling a finished future may panic")]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        Poll::Ready(match this.state.project() {
            StateProj::Called { reply } => match ready!(reply.poll(cx)) {
                Ok(stream) => Ok(tonic::Response::new(Replies::new(
                    stream,
                    this.encode.clone(),
                    this.encode_error.clone(),
                    this.slot.take(),
                ))),
                Err(fault) => {
                    Err(answer(Phase::Endpoint, fault, this.slot.as_ref(), this.encode_error))
                }
            },
            StateProj::Refused { status } => Err(status.take().expect("polled after the reply")),
        })
    }
}

impl<E, N, X, Req> fmt::Debug for StreamFuture<E, N, X, Req>
where
    E: Service<Request<Req>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamFuture")
            .field("endpoint", &format_args!("{}", type_name::<E>()))
            .finish_non_exhaustive()
    }
}

// ===== impl State =====

impl<E, Req> State<E, Req>
where
    E: Service<Request<Req>>,
{
    fn new(reply: Result<Oneshot<E, Request<Req>>, Status>) -> Self {
        match reply {
            Ok(reply) => Self::Called { reply },
            Err(status) => Self::Refused { status: Some(status) },
        }
    }
}
