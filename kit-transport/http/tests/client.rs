//! The client over a service: no sockets. The cases of Go kit's
//! `transport/http/client_test.go` that this version covers.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use kit_endpoint::{Fault, Kind};
use kit_transport::{Criticality, Metadata, RequestId, deadline::REQUEST_TIMEOUT_MS};
use kit_transport_http::{CallError, Client, Server, json, query};
use std::{convert::Infallible, time::Duration};
use tokio::time::Instant;
use tower::{BoxError, Service, ServiceExt, service_fn};

type Kit<T> = kit_endpoint::Request<T>;

const URI: &str = "http://greeter.example/greeting";

#[derive(Debug, PartialEq, serde::Deserialize, serde::Serialize)]
struct Hello {
    name: String,
}

fn uri() -> Uri {
    Uri::from_static(URI)
}

/// A server that answers every request alike, and shows what it got.
fn answering(
    status: u16,
    content_type: &'static str,
    reply: &'static str,
) -> impl Service<
    Request<Full<Bytes>>,
    Response = Response<Full<Bytes>>,
    Error = Infallible,
    Future: Send,
> + Clone {
    service_fn(move |_: Request<Full<Bytes>>| async move {
        let response = Response::builder()
            .status(status)
            .header("content-type", content_type)
            .header("retry-after", "7")
            .body(Full::new(Bytes::from(reply)));
        Ok(response.unwrap())
    })
}

async fn call<S>(server: S) -> Result<Hello, CallError>
where
    S: Service<Request<Full<Bytes>>, Response = Response<Full<Bytes>>>,
    S::Error: Into<BoxError>,
{
    let client = Client::new(server, json::request(Method::POST, uri()), json::reply::<Hello>);
    client.oneshot(Kit::new(Hello { name: "Ada".to_owned() })).await
}

#[tokio::test]
async fn a_client_and_a_server_of_ours_understand_each_other() {
    let greet = |request: Kit<Hello>| async move { Ok::<_, Infallible>(request.into_message()) };
    let server = Server::new(service_fn(greet), query::decode, json::encode);
    let client = Client::new(server, query::request(Method::GET, uri()), json::reply::<Hello>);
    let hello = Hello { name: "Ada & Bob = 1+1 %".to_owned() };
    assert_eq!(client.oneshot(Kit::new(hello)).await.unwrap().name, "Ada & Bob = 1+1 %");
}

#[tokio::test]
async fn a_request_has_a_length_and_a_content_type() {
    let server = service_fn(|request: Request<Full<Bytes>>| async move {
        assert_eq!(request.body().size_hint().exact(), Some(14));
        assert_eq!(request.headers()["content-type"], "application/json");
        assert_eq!((request.method(), request.uri()), (&Method::POST, &uri()));
        let body = request.into_body().collect().await.unwrap().to_bytes();
        Ok::<_, Infallible>(Response::new(Full::new(body)))
    });
    assert_eq!(call(server).await.unwrap(), Hello { name: "Ada".to_owned() });
}

#[tokio::test(start_paused = true)]
async fn deadline_and_what_goes_on_travel_and_what_the_caller_set_stays() {
    let server = service_fn(|request: Request<Full<Bytes>>| async move {
        let header = |name: &str| request.headers()[name].to_str().unwrap().to_owned();
        let names = ["x-request-timeout-ms", "x-request-id", "x-md-global-tenant"];
        let seen = names.map(header).join(" ") + " " + &header("x-request-criticality");
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(seen))))
    });
    let text = |response: &Response<Bytes>| {
        Ok::<_, Infallible>(String::from_utf8(response.body().to_vec()).unwrap())
    };
    let kit = || {
        let mut request = Kit::new(()).within(Instant::now() + Duration::from_millis(1500));
        let id = RequestId::new(&HeaderValue::from_static("abc-1")).unwrap();
        let mut metadata = Metadata::new();
        let tenant = HeaderName::from_static("x-md-global-tenant");
        metadata.insert(tenant, HeaderValue::from_static("blue")).unwrap();
        let extensions = request.extensions_mut();
        extensions.insert(id);
        extensions.insert(metadata);
        extensions.insert(Criticality::Sheddable);
        request
    };
    let plain = |(): &()| Ok::<_, Infallible>(Request::new(Bytes::new()));
    let reply = Client::new(server, plain, text).oneshot(kit()).await.unwrap();
    assert_eq!(reply, "1500 abc-1 blue sheddable");

    let own = |(): &()| {
        let mut request = Request::new(Bytes::new());
        request.headers_mut().insert(REQUEST_TIMEOUT_MS, HeaderValue::from_static("20"));
        let headers = request.headers_mut();
        headers.insert("x-request-id", HeaderValue::from_static("mine"));
        headers.insert("x-md-global-tenant", HeaderValue::from_static("red"));
        headers.insert("x-request-criticality", HeaderValue::from_static("critical"));
        Ok::<_, Infallible>(request)
    };
    assert_eq!(
        Client::new(server, own, text).oneshot(kit()).await.unwrap(),
        "20 mine red critical"
    );
}

#[tokio::test]
async fn a_failure_of_a_peer_of_ours_keeps_its_exact_kind() {
    for kind in Kind::ALL {
        #[derive(Debug, Clone, Copy, thiserror::Error)]
        #[error("it is so")]
        struct Failed(Kind);
        impl Fault for Failed {
            fn kind(&self) -> Kind {
                self.0
            }
        }
        let endpoint =
            service_fn(move |_: Kit<Hello>| async move { Err::<Hello, _>(Failed(kind)) });
        let server = Server::new(endpoint, json::decode, json::encode);
        let client = Client::new(server, json::request(Method::POST, uri()), json::reply::<Hello>);
        let error = client.oneshot(Kit::new(Hello { name: String::new() })).await.unwrap_err();
        assert_eq!(error.kind(), kind);
    }
}

#[tokio::test]
async fn a_failure_of_a_stranger_has_the_kind_of_its_status() {
    let error = call(answering(503, "text/html", "<h1>down</h1>")).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable);
    assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
    assert_eq!(error.to_string(), "the server answered 503 Service Unavailable");
    let CallError::Rejected(rejection) = error else { panic!("{error:?}") };
    assert_eq!(rejection.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn bad_problem_details_do_not_hide_the_status() {
    for bad in ["", "{", "[]", r#"{"kind":7}"#, r#"{"kind":"NO_SUCH_KIND"}"#] {
        let error = call(answering(404, "application/problem+json", bad)).await.unwrap_err();
        assert_eq!(error.kind(), Kind::NotFound, "{bad}");
    }
}

#[tokio::test]
async fn a_reply_that_cannot_be_read_is_an_error_with_its_source() {
    let error = call(answering(200, "application/json", "{}")).await.unwrap_err();
    assert!(matches!(error, CallError::Decode(_)), "{error:?}");
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("missing field `name`"), "{source}");
}

#[tokio::test]
async fn a_reply_over_the_limit_is_refused() {
    let server = answering(200, "application/json", r#"{"name":"Ada"}"#);
    let client = Client::new(server, json::request(Method::POST, uri()), json::reply::<Hello>);
    let call = client.body_limit(8).oneshot(Kit::new(Hello { name: String::new() }));
    assert!(matches!(call.await, Err(CallError::TooLarge { limit: 8 })));
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable() {
    let server = service_fn(|_: Request<Full<Bytes>>| async {
        Err::<Response<Full<Bytes>>, BoxError>("connection refused".into())
    });
    let error = call(server).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable);
    assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "connection refused");
}

#[tokio::test]
async fn a_message_that_cannot_be_encoded_is_not_sent() {
    let server = service_fn(|_: Request<Full<Bytes>>| async {
        panic!("nothing may be sent");
        #[expect(unreachable_code, reason = "it says what the type is")]
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
    });
    // A query is made of pairs: a sequence of numbers is none.
    let client = Client::new(server, query::request(Method::GET, uri()), json::reply::<Hello>);
    let error = client.oneshot(Kit::new([1, 2])).await.unwrap_err();
    assert!(matches!(error, CallError::Encode(_)), "{error:?}");
    assert!(error.refused());
}
