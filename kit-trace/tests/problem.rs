//! The trace that a caller is told of a failure: `traceId` of the problem details, through
//! kit's server of HTTP.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

mod support;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use kit_endpoint::{Fault, Kind};
use kit_trace::{ServerSpanLayer, Trust, hook::SpanHook};
use kit_transport_http::Server;
use serde_json::Value;
use std::{convert::Infallible, str::Utf8Error};
use support::{PARENT, listening};
use tower::{Layer, ServiceExt, service_fn};

/// The trace of [`PARENT`].
const TRACE: &str = "12345678901234567890123456789012";

#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error("nobody of that name")]
    Unknown,
    #[error("the password is hunter2")]
    Broken,
}

impl Fault for Failed {
    fn kind(&self) -> Kind {
        match self {
            Self::Unknown => Kind::NotFound,
            Self::Broken => Kind::Internal,
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("no text")]
struct NoText(#[source] Utf8Error);

impl Fault for NoText {
    fn kind(&self) -> Kind {
        Kind::InvalidArgument
    }
}

/// The problem that a server with `spans` around it answers to `body`.
async fn problem(spans: ServerSpanLayer, body: &'static [u8]) -> (u16, Value) {
    let endpoint = service_fn(|request: kit_endpoint::Request<String>| async move {
        match request.message().as_str() {
            "broken" => Err(Failed::Broken),
            _ => Err::<String, _>(Failed::Unknown),
        }
    });
    let decode = |request: &Request<Bytes>| {
        std::str::from_utf8(request.body()).map(str::to_owned).map_err(NoText)
    };
    let encode = |text: String| Ok::<_, Infallible>(Response::new(Bytes::from(text)));
    let server = spans.layer(Server::new(endpoint, decode, encode).hook(SpanHook));
    let request = Request::post("/greeting").header("traceparent", PARENT);
    let request = request.body(Full::new(Bytes::from_static(body))).unwrap();
    let reply = server.oneshot(request).await.unwrap();
    assert_eq!(reply.headers()["content-type"], "application/problem+json");
    let status = reply.status().as_u16();
    let body = reply.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap())
}

#[tokio::test]
async fn a_failure_names_its_trace() {
    let _listening = listening();
    // Of the service, of the caller, and of what came before the endpoint.
    for (body, status) in [(&b"broken"[..], 500), (b"Ada", 404), (b"\xff", 400)] {
        let (answered, problem) = problem(ServerSpanLayer::new(), body).await;
        assert_eq!((answered, &problem["traceId"]), (status, &TRACE.into()), "{problem}");
        assert!(!problem.to_string().contains("hunter2"), "{problem}");
    }
}

/// It is the trace that is recorded here, whatever a stranger claims.
#[tokio::test]
async fn to_a_stranger_it_names_the_trace_of_its_own() {
    let _listening = listening();
    let (_, problem) = problem(ServerSpanLayer::new().trust(Trust::none()), b"broken").await;
    let id = problem["traceId"].as_str().unwrap();
    assert!(id.len() == 32 && id != TRACE, "{problem}");
}

/// ... also where no span is recorded: others may have recorded theirs.
#[tokio::test]
async fn where_nobody_listens_it_names_the_trace_that_came() {
    let (_, problem) = problem(ServerSpanLayer::new(), b"broken").await;
    assert_eq!(problem["traceId"], TRACE);
}
