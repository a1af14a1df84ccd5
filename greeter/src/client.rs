//! Clients of the greeting: over HTTP, over gRPC, and wherever a registry says.

use crate::{
    endpoints::{Greeting, Hello},
    pb::{GreetingRequest, GreetingResponse},
    transport::grpc::GREETING,
};
use bytes::Bytes;
use http::{Extensions, HeaderMap, HeaderValue, Method, Response, Uri, header, uri::InvalidUri};
use http_body::Body;
use http_body_util::Full;
use kit_endpoint::Endpoint;
use kit_sd::{Endpoints, Instancer, Retry, RoundRobin, Watch, retry::Idempotent};
use kit_transport_grpc as grpc;
use kit_transport_http::{self as web, json, query};
use std::{convert::Infallible, error::Error, fmt, time::Duration};
use tokio::time::timeout;
use tonic::client::GrpcService;
use tower::{BoxError, Service, util::MapRequest};

const ATTEMPTS: u32 = 3;

/// No instance of the service was found.
#[derive(Debug)]
pub struct NotFound {
    service: String,
    error: Option<String>,
}

/// What sends requests over HTTP: a [`web::Pool`], or whatever stands in for
/// it.
pub trait Web:
    Service<
        http::Request<Full<Bytes>>,
        Response = Response<Self::Body>,
        Error: Into<BoxError>,
        Future: Send,
    > + Clone
    + Send
    + Sync
    + 'static
{
    /// The body of a reply.
    type Body: Body<Data: Send, Error: Into<BoxError>> + Send + 'static;
}

/// What sends requests over gRPC: tonic's channel, with layers or without.
pub trait Grpc:
    GrpcService<
        tonic::body::Body,
        ResponseBody: Body<Error: Into<BoxError>> + Send + 'static,
        Future: Send,
    > + Clone
    + Send
    + Sync
    + 'static
{
}

/// Returns the greeting of the greeter at `authority` (`HOST:PORT`), over
/// HTTP by `web`.
///
/// # Errors
///
/// Fails if that is no authority.
pub fn http<W: Web>(
    web: W,
    authority: &str,
) -> Result<impl Endpoint<Hello, Response = Greeting, Error = web::CallError> + use<W>, InvalidUri>
{
    let uri: Uri = format!("http://{authority}/greeting").parse()?;
    Ok(web::Client::new(web, query::request(Method::GET, uri), json::reply))
}

/// The `authorization` of a call over gRPC, among the extensions of its request;
/// over HTTP it is [`showing`]'s.
#[derive(Debug, Clone)]
pub struct Shows(pub HeaderValue);

/// Shows `token` with each request that goes by `web`, if there is one.
pub fn showing<W: Web>(web: W, token: Option<HeaderValue>) -> impl Web + use<W> {
    let show = move |mut request: http::Request<Full<Bytes>>| {
        if let Some(token) = &token {
            request.headers_mut().insert(header::AUTHORIZATION, token.clone());
        }
        request
    };
    MapRequest::new(web, show)
}

/// Returns the greeting of the greeter behind `channel`, over gRPC.
#[must_use]
pub fn grpc<C: Grpc>(
    channel: C,
) -> impl Endpoint<Hello, Response = Greeting, Error = grpc::CallError> + use<C> {
    let encode = |Hello { name }: Hello| Ok::<_, Infallible>(GreetingRequest { name });
    let decode =
        |reply: GreetingResponse| Ok::<_, Infallible>(Greeting { greeting: reply.greeting });
    let show = |extensions: &Extensions, metadata: &mut HeaderMap| {
        if let Some(Shows(token)) = extensions.get() {
            metadata.insert(header::AUTHORIZATION, token.clone());
        }
    };
    grpc::Client::new(channel, GREETING, encode, decode).metadata(show)
}

/// Returns the greeting of whichever instance is well: found by `greeters`,
/// asked in turn over HTTP by `web`, and another one if one fails.
///
/// # Errors
///
/// Fails if there is none within `patience`.
pub async fn found<I: Instancer, W: Web>(
    greeters: I,
    web: W,
    patience: Duration,
) -> Result<impl Endpoint<Hello, Response = Greeting, Error: Send> + use<I, W>, NotFound> {
    let service = greeters.service().to_owned();
    let watch = Watch::spawn(greeters);
    let mut instances = watch.instances();
    let found = instances.wait_for(|seen| !seen.instances.is_empty());
    let found = timeout(patience, found).await.ok().flatten().ok_or_else(|| NotFound {
        service,
        error: watch.instances().snapshot().state.error().map(str::to_owned),
    })?;
    let members = found.instances.iter().filter_map(|instance| {
        let client = http(web.clone(), &instance.address.to_string()).ok()?;
        Some(((**instance).clone(), client))
    });
    let balancer = RoundRobin::new(Endpoints::fixed(members));
    Ok(Retry::new(balancer, ATTEMPTS, patience).retryable(Idempotent))
}

// ===== impl Web =====

impl<S, B> Web for S
where
    S: Service<http::Request<Full<Bytes>>, Response = Response<B>, Error: Into<BoxError>>
        + Clone
        + Send
        + Sync
        + 'static,
    S::Future: Send,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    type Body = B;
}

// ===== impl Grpc =====

impl<S> Grpc for S where
    S: GrpcService<
            tonic::body::Body,
            ResponseBody: Body<Error: Into<BoxError>> + Send + 'static,
            Future: Send,
        > + Clone
        + Send
        + Sync
        + 'static
{
}

// ===== impl NotFound =====

impl fmt::Display for NotFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.error {
            Some(error) => write!(f, "cannot ask the registry for {}: {error}", self.service),
            None => write!(f, "the registry knows no instance of {} that is well", self.service),
        }
    }
}

impl Error for NotFound {}
