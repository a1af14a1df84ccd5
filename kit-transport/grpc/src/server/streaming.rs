use tokio_stream::Stream;
use tonic::{Request, Response, Status, Streaming};
use tower::util::Oneshot;
use tower_service::Service;

/// A cloneable service for one server-streaming method: what a generated trait
/// calls.
///
/// Like [`Unary`](super::Unary), this is a name for a set of bounds. The trait
/// that is generated asks for the type of the stream, which is
/// [`Replies`](Self::Replies):
///
/// ```text
/// type GreetingsStream = S::Replies;
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not serve a server-streaming method from `{M}` to `{R}`",
    note = "a `Server::server_streaming` does, if its codecs read `{M}` and write `{R}`"
)]
pub trait ServerStreaming<M, R>:
    Service<
        Request<M>,
        Response = Response<<Self as ServerStreaming<M, R>>::Replies>,
        Error = Status,
        Future: Send,
    > + Clone
    + Send
    + Sync
    + 'static
{
    /// The replies.
    type Replies: Stream<Item = Result<R, Status>> + Send + 'static;

    /// Serves one request, on a clone.
    fn serve(&self, request: Request<M>) -> Oneshot<Self, Request<M>> {
        Oneshot::new(self.clone(), request)
    }
}

/// A cloneable service for one client-streaming method: what a generated trait
/// calls. Like [`Unary`](super::Unary), a name for a set of bounds.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not serve a client-streaming method from `{M}` to `{R}`",
    note = "a `Server::client_streaming` does, if its codecs read `{M}` and write `{R}`"
)]
pub trait ClientStreaming<M, R>:
    Service<Request<Streaming<M>>, Response = Response<R>, Error = Status, Future: Send>
    + Clone
    + Send
    + Sync
    + 'static
{
    /// Serves one request, on a clone.
    fn serve(&self, request: Request<Streaming<M>>) -> Oneshot<Self, Request<Streaming<M>>> {
        Oneshot::new(self.clone(), request)
    }
}

/// A cloneable service for one bidirectional method: what a generated trait
/// calls. Like [`ServerStreaming`], it names the type of its stream.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not serve a bidirectional method from `{M}` to `{R}`",
    note = "a `Server::bidi` does, if its codecs read `{M}` and write `{R}`"
)]
pub trait Bidi<M, R>:
    Service<
        Request<Streaming<M>>,
        Response = Response<<Self as Bidi<M, R>>::Replies>,
        Error = Status,
        Future: Send,
    > + Clone
    + Send
    + Sync
    + 'static
{
    /// The replies.
    type Replies: Stream<Item = Result<R, Status>> + Send + 'static;

    /// Serves one request, on a clone.
    fn serve(&self, request: Request<Streaming<M>>) -> Oneshot<Self, Request<Streaming<M>>> {
        Oneshot::new(self.clone(), request)
    }
}

// ===== blanket impls =====

impl<S, M, R, St> ServerStreaming<M, R> for S
where
    S: Service<Request<M>, Response = Response<St>, Error = Status, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static,
    St: Stream<Item = Result<R, Status>> + Send + 'static,
{
    type Replies = St;
}

impl<S, M, R> ClientStreaming<M, R> for S where
    S: Service<Request<Streaming<M>>, Response = Response<R>, Error = Status, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static
{
}

impl<S, M, R, St> Bidi<M, R> for S
where
    S: Service<Request<Streaming<M>>, Response = Response<St>, Error = Status, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static,
    St: Stream<Item = Result<R, Status>> + Send + 'static,
{
    type Replies = St;
}
