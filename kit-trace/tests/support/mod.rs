#![allow(dead_code, unreachable_pub, reason = "each test file uses some of it")]

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Version};
use http_body::{Body, Frame};
use http_body_util::{Empty, Full, StreamBody};
use kit_trace::{ClientSpanLayer, ServerSpanLayer, TraceContext};
use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};
use tokio_stream::iter;
use tower::{Layer, Service, ServiceExt, service_fn};
use tracing::{Subscriber, dispatcher::DefaultGuard, subscriber::set_default};
use tracing_subscriber::registry;

pub type Nothing = Empty<&'static [u8]>;

/// Somebody wants every span, and says nothing of it.
pub fn listening() -> DefaultGuard {
    set_default(registry())
}

pub fn headers(lines: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    headers
}

pub fn get(headers: HeaderMap) -> Request<Nothing> {
    let mut request = Request::get("http://there/greeting").body(Nothing::new()).unwrap();
    *request.headers_mut() = headers;
    request
}

/// Serves a request with `headers` by an endpoint that asks `count` others on its
/// behalf, and returns the headers that each of those told.
pub async fn hop(headers: HeaderMap, count: usize) -> Vec<HeaderMap> {
    hop_by(ServerSpanLayer::new(), ClientSpanLayer::new(), headers, count).await
}

pub async fn hop_by<P, Q>(
    server: ServerSpanLayer<P>,
    client: ClientSpanLayer<Q>,
    headers: HeaderMap,
    count: usize,
) -> Vec<HeaderMap>
where
    P: kit_trace::propagation::Propagate,
    Q: kit_trace::propagation::Propagate,
{
    let seen = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&seen);
    let other = service_fn(move |request: Request<Nothing>| {
        told.lock().unwrap().push(request.headers().clone());
        async { Ok::<_, Infallible>(Response::new(Nothing::new())) }
    });
    let other = client.layer(other);
    let endpoint = service_fn(move |request: Request<Nothing>| {
        let other = other.clone();
        async move {
            let extensions = request.extensions().clone();
            for _ in 0..count {
                let mut asks = get(HeaderMap::new());
                *asks.extensions_mut() = extensions.clone();
                other.clone().oneshot(asks).await.unwrap();
            }
            Ok::<_, Infallible>(Response::new(Nothing::new()))
        }
    });
    server.layer(endpoint).oneshot(get(headers)).await.unwrap();
    std::mem::take(&mut *seen.lock().unwrap())
}

/// The context that an endpoint told.
pub async fn seen<P>(layer: ServerSpanLayer<P>, request: Request<Nothing>) -> Option<TraceContext>
where
    P: kit_trace::propagation::Propagate,
{
    let seen = Arc::new(Mutex::new(None));
    let told = Arc::clone(&seen);
    let endpoint = service_fn(move |request: Request<Nothing>| {
        *told.lock().unwrap() = request.extensions().get::<TraceContext>().cloned();
        async { Ok::<_, Infallible>(Response::new(Nothing::new())) }
    });
    layer.layer(endpoint).oneshot(request).await.unwrap();
    std::mem::take(&mut *seen.lock().unwrap())
}

/// What a subscriber was told of each span, in the order in which they were opened.
#[derive(Debug, Clone, Default)]
pub struct Spans(Arc<Mutex<Vec<Seen>>>);

#[derive(Debug, Clone, Default)]
pub struct Seen {
    pub name: &'static str,
    pub fields: Vec<(String, String)>,
    pub entered: usize,
    pub closed: bool,
}

impl Seen {
    /// What was last recorded of `field`.
    pub fn field(&self, field: &str) -> Option<&str> {
        self.fields.iter().rev().find(|(name, _)| name == field).map(|(_, value)| &**value)
    }
}

impl Spans {
    pub fn listen(&self) -> DefaultGuard {
        set_default(self.subscriber())
    }

    pub fn subscriber(&self) -> impl Subscriber + Send + Sync + use<> {
        use tracing_subscriber::layer::SubscriberExt as _;
        registry().with(self.clone())
    }

    pub fn all(&self) -> Vec<Seen> {
        self.0.lock().unwrap().clone()
    }

    pub fn only(&self) -> Seen {
        let all = self.all();
        assert_eq!(all.len(), 1, "{all:#?}");
        all[0].clone()
    }
}

struct Fields<'a>(&'a mut Vec<(String, String)>);

impl tracing::field::Visit for Fields<'_> {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        self.0.push((field.name().to_owned(), format!("{value:?}")));
    }

    fn record_str(&mut self, field: &tracing::field::Field, value: &str) {
        self.0.push((field.name().to_owned(), value.to_owned()));
    }
}

struct Index(usize);

impl<S> tracing_subscriber::Layer<S> for Spans
where
    S: Subscriber + for<'a> registry::LookupSpan<'a>,
{
    fn on_new_span(
        &self,
        attrs: &tracing::span::Attributes<'_>,
        id: &tracing::Id,
        ctx: tracing_subscriber::layer::Context<'_, S>,
    ) {
        let mut all = self.0.lock().unwrap();
        let mut seen = Seen { name: attrs.metadata().name(), ..Seen::default() };
        attrs.record(&mut Fields(&mut seen.fields));
        ctx.span(id).unwrap().extensions_mut().insert(Index(all.len()));
        all.push(seen);
    }

    fn on_record(
        &self,
        id: &tracing::Id,
        values: &tracing::span::Record<'_>,
        ctx: tracing_subscriber::layer::Context<'_, S>,
    ) {
        let at = ctx.span(id).unwrap().extensions().get::<Index>().unwrap().0;
        values.record(&mut Fields(&mut self.0.lock().unwrap()[at].fields));
    }

    fn on_enter(&self, id: &tracing::Id, ctx: tracing_subscriber::layer::Context<'_, S>) {
        let at = ctx.span(id).unwrap().extensions().get::<Index>().unwrap().0;
        self.0.lock().unwrap()[at].entered += 1;
    }

    fn on_close(&self, id: tracing::Id, ctx: tracing_subscriber::layer::Context<'_, S>) {
        let at = ctx.span(&id).unwrap().extensions().get::<Index>().unwrap().0;
        self.0.lock().unwrap()[at].closed = true;
    }
}

pub const PARENT: &str = "00-12345678901234567890123456789012-1234567890123456-01";

pub type Reply = Response<Full<Bytes>>;

pub fn ok(text: &'static str) -> Reply {
    Response::new(Full::new(Bytes::from(text)))
}

/// A service that answers `status`.
pub fn answers(
    status: u16,
) -> impl Service<Request<Nothing>, Response = Reply, Error = Infallible> + Clone {
    service_fn(move |_| async move {
        let mut reply = ok("said");
        *reply.status_mut() = StatusCode::from_u16(status).unwrap();
        Ok(reply)
    })
}

pub fn grpc(path: &str) -> Request<Nothing> {
    let mut request = Request::post(path).body(Nothing::new()).unwrap();
    request.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
    *request.version_mut() = Version::HTTP_2;
    request
}

/// A reply with a message and a status in its trailers.
pub fn said(status: &'static str) -> Response<impl Body<Data = Bytes, Error = Infallible>> {
    let frames = [
        Ok(Frame::data(Bytes::from("message"))),
        Ok(Frame::trailers(headers(&[("grpc-status", status)]))),
    ];
    Response::new(StreamBody::new(iter(frames)))
}

/// The name of the span that is open.
pub fn name() -> Option<&'static str> {
    tracing::Span::current().metadata().map(tracing::Metadata::name)
}
