//! The user's service, as hyper calls it.

use crate::{
    Incoming, Refusal,
    body::BodyLimits,
    conn::{Call, Conn},
    forwarded::Proxies,
    host,
    reply::Reply,
    server::BoxError,
    shared::Shared,
    wire::Protocol,
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header, request::Parts};
use http_body::Body;
use pin_project_lite::pin_project;
use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
};
use tower_service::Service;

/// What a request is checked against before the service sees it.
#[derive(Debug, Clone)]
pub(crate) struct Guards {
    /// `CONNECT` and `*` are for the service.
    pub(crate) any_target: bool,
    pub(crate) body: BodyLimits,
    pub(crate) proxies: Proxies,
}

/// Checks each request, tells it who sent it, and counts it from its head to
/// the end of its reply's body.
#[derive(Debug)]
pub(crate) struct Counted<S> {
    inner: S,
    guards: Arc<Guards>,
    conn: Arc<Conn>,
    shared: Arc<Shared>,
}

pin_project! {
    #[project = CountedProj]
    pub(crate) enum CountedFuture<S: Service<R>, R> {
        Waiting { waiting: Option<Waiting<S, R>> },
        Served {
            #[pin]
            reply: S::Future,
            call: Option<Call>,
            connects: bool,
        },
        Refused { refusal: Refusal },
        Failed { error: Option<BoxError> },
    }
}

/// A request whose service is not ready yet.
struct Waiting<S, R> {
    service: S,
    request: R,
    call: Call,
    connects: bool,
}

// ===== impl Guards =====

impl Guards {
    fn check<B: Body>(&self, head: &Parts, body: &B, conn: &Conn) -> Result<(), Refusal> {
        host::check(head, &conn.host, self.any_target).map_err(Refusal::Host)?;
        // By its own length: hyper has read it from the head.
        if body.size_hint().lower() > self.body.most {
            return Err(Refusal::BodyTooLarge);
        }
        Ok(())
    }
}

// ===== impl Counted =====

impl<S> Counted<S> {
    pub(crate) fn new(
        service: S,
        guards: Arc<Guards>,
        conn: Arc<Conn>,
        shared: Arc<Shared>,
    ) -> Self {
        Self { inner: service, guards, conn, shared }
    }
}

impl<S, B> hyper::service::Service<Request<hyper::body::Incoming>> for Counted<S>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error: Into<BoxError>> + Clone,
    B: Body,
{
    type Response = Response<Reply<B>>;
    type Error = BoxError;
    type Future = CountedFuture<S, Request<Incoming>>;

    fn call(&self, request: Request<hyper::body::Incoming>) -> Self::Future {
        // Apart, so that they are put together, with another body, but once.
        let (mut head, body) = request.into_parts();
        if let Err(refusal) = self.guards.check(&head, &body, &self.conn) {
            self.shared.refused(self.conn.peer, refusal);
            return CountedFuture::Refused { refusal };
        }
        let call = self.conn.begin(&head.method, &head.uri);
        let peer = self.guards.proxies.peer(self.conn.peer, &head.headers);
        head.extensions.insert(peer);
        if let Some(identity) = self.conn.identity() {
            head.extensions.insert(identity.clone());
        }
        let connects = head.method == Method::CONNECT;
        let body = self.guards.body.watch(&head, body, &call, &self.shared);
        let request = Request::from_parts(head, body);
        let mut service = self.inner.clone();
        // A stream is a task of its own, and what the service does, or how it
        // panics, is to be there; this is the connection's.
        if self.conn.protocol() == Protocol::Http2 {
            let waiting = Waiting { service, request, call, connects };
            return CountedFuture::Waiting { waiting: Some(waiting) };
        }
        // Most are ready at once, and then the request need not be put aside.
        // One that is not is asked again when this is polled, with a waker.
        match service.poll_ready(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(())) => {
                let reply = service.call(request);
                CountedFuture::Served { reply, call: Some(call), connects }
            }
            Poll::Ready(Err(error)) => CountedFuture::Failed { error: Some(error.into()) },
            Poll::Pending => {
                let waiting = Waiting { service, request, call, connects };
                CountedFuture::Waiting { waiting: Some(waiting) }
            }
        }
    }
}

// ===== impl CountedFuture =====

impl<S, B, R> Future for CountedFuture<S, R>
where
    S: Service<R, Response = Response<B>, Error: Into<BoxError>>,
    B: Body,
{
    type Output = Result<Response<Reply<B>>, BoxError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let CountedProj::Waiting { waiting } = self.as_mut().project() {
            if let Some(waiting) = waiting {
                ready!(waiting.service.poll_ready(cx)).map_err(Into::into)?;
            }
            let Some(Waiting { mut service, request, call, connects }) = waiting.take() else {
                return Poll::Pending;
            };
            let reply = service.call(request);
            self.set(Self::Served { reply, call: Some(call), connects });
        }
        match self.project() {
            CountedProj::Served { reply, call, connects } => {
                let reply = ready!(reply.poll(cx));
                // When the service is done with it, whatever it says.
                if call.as_ref().is_some_and(Call::exceeds) {
                    return Poll::Ready(Ok(refused(Refusal::BodyTooLarge)));
                }
                let mut reply = reply.map_err(Into::into)?;
                let mut call = call.take();
                if let Some(call) = &mut call {
                    if call.conn().protocol() == Protocol::Http2 {
                        call.theirs();
                    } else {
                        leave(call.conn(), &mut reply, *connects);
                    }
                }
                Poll::Ready(Ok(reply.map(|body| Reply::new(body, call))))
            }
            CountedProj::Refused { refusal } => Poll::Ready(Ok(refused(*refusal))),
            // hyper polls nothing that is done.
            CountedProj::Failed { error } => match error.take() {
                Some(error) => Poll::Ready(Err(error)),
                None => Poll::Pending,
            },
            CountedProj::Waiting { .. } => Poll::Pending,
        }
    }
}

/// The reply that turns a request away.
fn refused<B: Body>(refusal: Refusal) -> Response<Reply<B>> {
    let mut response =
        refusal.response().map(|text| Reply::Refused { text: Some(Bytes::from(text)) });
    close(response.headers_mut());
    response
}

/// Takes notice of what becomes of an HTTP/1 connection with this reply.
fn leave<B>(conn: &Conn, reply: &mut Response<B>, connects: bool) {
    let status = reply.status();
    if status == StatusCode::SWITCHING_PROTOCOLS || connects && status.is_success() {
        conn.set_upgraded();
    } else if conn.is_last() {
        close(reply.headers_mut());
    }
}

/// Says that this reply is the connection's last, in HTTP/1: over HTTP/2 hyper
/// leaves it out.
fn close(headers: &mut HeaderMap) {
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
}
