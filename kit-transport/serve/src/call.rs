//! The user's service, as hyper calls it.

use crate::{
    Refusal,
    conn::{Call, Conn},
    forwarded::Proxies,
    host,
    reply::Reply,
    shared::Shared,
    wire::Protocol,
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::Body;
use hyper::body::Incoming;
use hyper_util::service::TowerToHyperService;
use pin_project_lite::pin_project;
use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

/// What a request is checked against before the service sees it.
#[derive(Debug, Clone)]
pub(crate) struct Guards {
    /// `CONNECT` and `*` are for the service.
    pub(crate) any_target: bool,
    pub(crate) max_body: u64,
    pub(crate) proxies: Proxies,
}

/// Checks each request, tells it who sent it, and counts it from its head to
/// the end of its reply's body.
#[derive(Debug)]
pub(crate) struct Counted<S> {
    inner: TowerToHyperService<S>,
    guards: Arc<Guards>,
    conn: Arc<Conn>,
    shared: Arc<Shared>,
}

pin_project! {
    #[project = CountedProj]
    pub(crate) enum CountedFuture<F> {
        Served {
            #[pin]
            reply: F,
            call: Option<Call>,
            connects: bool,
        },
        Refused { refusal: Refusal },
    }
}

// ===== impl Guards =====

impl Guards {
    fn check<B: Body>(&self, request: &Request<B>) -> Result<(), Refusal> {
        let (method, uri) = (request.method(), request.uri());
        host::check(method, uri, request.version(), request.headers(), self.any_target)
            .map_err(Refusal::Host)?;
        // By its own length: hyper has read it from the head.
        if request.body().size_hint().lower() > self.max_body {
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
        Self { inner: TowerToHyperService::new(service), guards, conn, shared }
    }
}

impl<S, B> hyper::service::Service<Request<Incoming>> for Counted<S>
where
    S: tower_service::Service<Request<Incoming>, Response = Response<B>> + Clone,
    B: Body,
{
    type Response = Response<Reply<B>>;
    type Error = S::Error;
    type Future = CountedFuture<
        <TowerToHyperService<S> as hyper::service::Service<Request<Incoming>>>::Future,
    >;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        if let Err(refusal) = self.guards.check(&request) {
            self.shared.refused(self.conn.peer, refusal);
            return CountedFuture::Refused { refusal };
        }
        let call = self.conn.begin(&request);
        let peer = self.guards.proxies.peer(self.conn.peer, request.headers());
        request.extensions_mut().insert(peer);
        if let Some(identity) = self.conn.identity() {
            request.extensions_mut().insert(identity.clone());
        }
        let connects = *request.method() == Method::CONNECT;
        let reply = self.inner.call(request);
        CountedFuture::Served { reply, call: Some(call), connects }
    }
}

// ===== impl CountedFuture =====

impl<F, B, E> Future for CountedFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body,
{
    type Output = Result<Response<Reply<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            CountedProj::Served { reply, call, connects } => {
                let mut reply = ready!(reply.poll(cx))?;
                let mut call = call.take();
                if let Some(call) = &mut call {
                    call.theirs();
                    let conn = call.conn();
                    let status = reply.status();
                    let switches = status == StatusCode::SWITCHING_PROTOCOLS
                        || *connects && status.is_success();
                    if conn.protocol() == Protocol::Http1 {
                        if switches {
                            conn.set_upgraded();
                        } else if conn.is_last() {
                            close(reply.headers_mut());
                        }
                    }
                }
                Poll::Ready(Ok(reply.map(|body| Reply::new(body, call))))
            }
            CountedProj::Refused { refusal } => {
                let mut response = refusal.response().map(|text| {
                    let text = Bytes::from(text);
                    Reply::Refused { text: Some(text) }
                });
                close(response.headers_mut());
                Poll::Ready(Ok(response))
            }
        }
    }
}

/// Says that this reply is the connection's last, in HTTP/1: over HTTP/2 hyper
/// leaves it out.
fn close(headers: &mut HeaderMap) {
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
}
