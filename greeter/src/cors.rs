//! Scripts of other origins, in a browser: any may read.

use axum::{
    body::Body,
    response::{IntoResponse, Response},
    routing::MethodRouter,
};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, header};
use kit_transport::Hook;
use kit_transport_http::Server;
use std::convert::Infallible;
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_http::{
    cors::{Any, CorsLayer},
    set_header::SetResponseHeaderLayer,
};

/// Lets scripts of any origin read every reply: refusals too, whose problem
/// details would else be an opaque failure to them.
#[must_use]
pub fn readable() -> SetResponseHeaderLayer<HeaderValue> {
    let any = HeaderValue::from_static("*");
    SetResponseHeaderLayer::overriding(header::ACCESS_CONTROL_ALLOW_ORIGIN, any)
}

/// Opens `route`, where `served` answers, to scripts that ask first: their
/// preflights are answered, watched by `hook` as all else is. Other methods
/// are for `refused`.
///
/// `CorsLayer` around a router would answer every OPTIONS itself, on paths
/// that are none too, and no hook would hear of it. So it stands behind the
/// hooks, where only preflights come to it: OPTIONS with `Origin` and
/// `Access-Control-Request-Method`.
pub fn open<S, K>(served: MethodRouter, route: &'static str, refused: S, hook: &K) -> MethodRouter
where
    S: Service<Request<Body>, Response: IntoResponse, Error = Infallible, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static,
    K: Hook<Observer: Send + 'static> + Send + Sync + 'static,
{
    let cors = CorsLayer::new()
        .allow_methods([Method::GET])
        .allow_headers([header::AUTHORIZATION])
        .allow_origin(Any);
    let answer = cors.layer(service_fn(empty));
    let answer = service_fn(move |asked: kit_endpoint::Request<Request<()>>| {
        answer.clone().oneshot(asked.into_message())
    });
    let preflight = Server::new(answer, head, Ok::<_, Infallible>);
    let preflight = preflight.route(route).hook(hook.clone());
    served.fallback_service(service_fn(move |request: Request<Body>| {
        let (preflight, refused) = (preflight.clone(), refused.clone());
        async move {
            let reply: Result<Response, Infallible> = if is_preflight(&request) {
                preflight.oneshot(request).await.map(IntoResponse::into_response)
            } else {
                refused.oneshot(request).await.map(IntoResponse::into_response)
            };
            reply
        }
    }))
}

fn is_preflight<B>(request: &Request<B>) -> bool {
    let headers = request.headers();
    request.method() == Method::OPTIONS
        && headers.contains_key(header::ORIGIN)
        && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// The reply that `CorsLayer` makes a preflight's, and never asks for.
async fn empty(_: Request<()>) -> Result<http::Response<Bytes>, Infallible> {
    Ok(http::Response::default())
}

/// Decodes the head of a request: all that a preflight is.
fn head(request: &Request<Bytes>) -> Result<Request<()>, Infallible> {
    let mut head = Request::new(());
    head.method_mut().clone_from(request.method());
    head.headers_mut().clone_from(request.headers());
    Ok(head)
}
