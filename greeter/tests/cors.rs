//! What scripts of other origins may do.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use axum::{Router, body::Body, routing::get};
use greeter::cors::{open, readable};
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use kit_endpoint::Kind;
use kit_transport::{Call, End, Hook, Observer, RequestIds};
use kit_transport_http::refuse;
use std::sync::{Arc, Mutex};
use tower::ServiceExt;

/// Takes down the method, the route and the status of each request.
#[derive(Debug, Clone, Default)]
struct Seen(Arc<Mutex<Vec<(String, Option<String>, u16)>>>);

struct One(Seen, String, Option<String>);

impl Hook for Seen {
    type Observer = One;

    fn before(&self, call: &Call<'_>, _: &mut http::Extensions) -> One {
        One(self.clone(), call.method.to_owned(), call.route.map(str::to_owned))
    }
}

impl Observer for One {
    fn finish(self, end: &End) {
        let status = end.status.map_or(0, |status| status.as_u16());
        self.0.0.lock().unwrap().push((self.1, self.2, status));
    }
}

/// Asks a route `/` that serves GET, and returns what hooks saw too; GET is
/// not among it, as its hooks are its own.
async fn ask(
    request: http::request::Builder,
) -> (Response<()>, Vec<(String, Option<String>, u16)>) {
    let seen = Seen::default();
    let hook = (RequestIds, seen.clone());
    let refused = refuse(Kind::MethodNotAllowed, "use GET").hook(hook.clone());
    let route = open(get(|| async { "hello" }), "/", refused, &hook);
    let request = request.uri("/").body(Body::empty()).unwrap();
    let router = Router::new().route("/", route).layer(readable());
    let response = router.oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    body.collect().await.unwrap();
    let response = Response::from_parts(parts, ());
    let seen = seen.0.lock().unwrap().clone();
    (response, seen)
}

fn preflight() -> http::request::Builder {
    Request::options("/")
        .header(header::ORIGIN, "https://example.org")
        .header(header::ACCESS_CONTROL_REQUEST_METHOD, "GET")
}

#[tokio::test]
async fn any_origin_may_read() {
    let (response, _) = ask(Request::get("/").header(header::ORIGIN, "https://a.example")).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*");
}

#[tokio::test]
async fn a_preflight_is_answered_and_seen_once_with_its_id() {
    let (response, seen) = ask(preflight().header("x-request-id", "the-id")).await;
    assert_eq!(response.status(), StatusCode::OK);
    let headers = response.headers();
    let origins: Vec<_> = headers.get_all(header::ACCESS_CONTROL_ALLOW_ORIGIN).iter().collect();
    assert_eq!(origins, ["*"]);
    assert_eq!(headers[header::ACCESS_CONTROL_ALLOW_METHODS], "GET");
    assert_eq!(headers[header::ALLOW], "GET,HEAD");
    assert_eq!(headers["x-request-id"], "the-id");
    assert_eq!(seen, [("OPTIONS".to_owned(), Some("/".to_owned()), 200)]);
}

#[tokio::test]
async fn what_is_no_preflight_is_refused_and_seen_once() {
    let options = || Request::options("/");
    for request in [
        options(),
        options().header(header::ORIGIN, "https://a.example"),
        options().header(header::ACCESS_CONTROL_REQUEST_METHOD, "GET"),
        preflight().method(Method::POST),
    ] {
        let (response, seen) = ask(request).await;
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(response.headers()[header::ALLOW], "GET,HEAD");
        assert_eq!(response.headers()[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*");
        assert!(response.headers().contains_key("x-request-id"));
        assert!(!response.headers().contains_key(header::ACCESS_CONTROL_ALLOW_METHODS));
        assert_eq!(seen.len(), 1, "{seen:?}");
        assert_eq!(seen[0].2, 405);
    }
}
