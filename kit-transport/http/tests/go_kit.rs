//! The cases of Go kit's tests of its transport over HTTP, and where each is.
//! Those that no other test holds are here.
//!
//! | Go kit, `server_test.go` | here |
//! |---|---|
//! | bad decode: 500 | a 400: `server.rs` `a_bad_request_is_the_callers_fault` |
//! | bad endpoint: 500 | `server.rs` `a_fault_of_the_service_hides_what_it_says` |
//! | bad encode: 500 | `server.rs` `a_reply_that_cannot_be_encoded_is_a_clean_500` |
//! | an error encoder's 418 | `server.rs` `an_error_encoder_may_be_anything` |
//! | happy path | `server.rs` `replies_with_what_the_endpoint_says` |
//! | two `before`, two `after` | `server.rs` `hooks_see_what_hooks_before_them_did` |
//! | finalizer: status and size | `server.rs` `the_end_knows_status_and_sizes` |
//! | finalizer: header | `whoever_hears_the_end_may_know_the_head` |
//! | a reply's 402, header and JSON | `a_reply_answers_with_its_status_header_and_json` |
//! | `Vary` twice, on success | `server.rs` `an_encoder_controls_status_and_headers` |
//! | `Vary` twice, on failure | `a_header_of_a_fault_keeps_its_two_values` |
//! | 204 without a body | `server.rs` `a_reply_without_a_body_has_none_and_ends_at_once` |
//! | an error's 418, JSON and headers | `an_error_may_answer_with_a_status_and_json_of_its_own` |
//! | `NopRequestDecoder` | `server.rs` `an_endpoint_may_ask_nothing_of_its_request` |
//!
//! | Go kit, `client_test.go` | here |
//! |---|---|
//! | `before` sets a header, `after` reads one | `client.rs` `hooks_see_the_call_its_reply_and_its_end` |
//! | the body is decoded, then closed | `the_body_of_a_reply_is_closed_before_the_caller_has_it` |
//! | `BufferedStream` | `client.rs` `a_raw_reply_outlives_the_call_and_is_read_as_it_comes` |
//! | ... of 6000 bytes, 1 s later | `a_raw_reply_is_still_there_a_second_later` |
//! | finalizer: headers and size | `whoever_hears_the_end_may_know_the_head` |
//! | `EncodeJSONRequest` of all sorts | `a_request_is_any_json_under_headers_of_its_own` |
//! | `SetClient` | `client.rs` `a_client_and_a_server_of_ours_understand_each_other` |
//! | an explicit request's `Content-Length` | `wire.rs` `a_request_announces_its_length` |
//!
//! | Go kit, elsewhere | here |
//! |---|---|
//! | `intercepting_writer_test.go` | none: a reply is a body, and hides nothing that a writer could do |
//! | `SetResponseHeader`, `SetContentType` | `a_hook_sets_headers_of_replies` |
//! | protobuf, there and back | `codecs.rs` `each_codec_goes_there_and_back_under_its_own_type` |
//! | ... with a 418 of the message | `reply.rs` `a_reply_says_its_status_and_headers_and_all_of_their_values` |
//! | `error_handler_test.go`: the very error | `a_hook_hears_the_very_fault` |
//! | `httprp`: happy path | `proxy.rs` `a_request_goes_on_and_its_reply_comes_back` |
//! | ... `before`, once and twice | `proxy.rs` `what_hooks_put_into_the_extensions_goes_on` |
//! | ... the upstream's 404 | `proxy.rs` `a_failure_of_the_upstream_comes_back_as_it_is` |
//! | ... 502 | `proxy.rs` `an_upstream_without_a_connection_is_502` |
//!
//! What Go kit gets wrong, and must not come here:
//!
//! | defect | test |
//! |---|---|
//! | a panic is no reply, and unheard | `server.rs` `a_panic_is_a_500_and_the_end_knows_it` |
//! | a reply that cannot be encoded goes out as a 200 | `server.rs` `a_reply_that_cannot_be_encoded_is_a_clean_500` |
//! | an error that is wrapped loses its status | `a_fact_that_is_wrapped_keeps_its_status` |
//! | two `Content-Type`s on a 401 | `server.rs` `headers_of_a_fault_survive_with_one_content_type` |
//! | a client overwrites the caller's headers | `client.rs` `deadline_and_what_goes_on_travel_and_what_the_caller_set_stays` |

#![cfg(feature = "json")]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use bytes::Bytes;
use http::{
    Extensions, HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, header,
};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use kit_endpoint::{Details, Fault, Kind, Problem};
use kit_transport::{
    Call, End, Hook, Observer,
    hook::{Faulted, Faults},
};
use kit_transport_http::{
    Client, EncodeError, Failure, Reply, Server, as_reply, encode_problem, json, nothing,
};
use serde_json::{Value, json};
use std::{
    convert::Infallible,
    error,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio_stream::StreamExt;
use tokio_test::{assert_ready, task};
use tower::{ServiceExt, service_fn};

type Kit<T> = kit_endpoint::Request<T>;

const TEAPOT: &str = "short and stout";

/// A fact, as a layer's is, of any kind.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("{TEAPOT}")]
struct Fact(Kind);

impl Fault for Fact {
    fn kind(&self) -> Kind {
        self.0
    }

    fn retry_after(&self) -> Option<Duration> {
        matches!(self.0, Kind::ResourceExhausted | Kind::Unavailable)
            .then_some(Duration::from_secs(7))
    }

    fn describe(&self, details: &mut Details) {
        details
            .header(header::VARY, HeaderValue::from_static("Origin"))
            .header(header::VARY, HeaderValue::from_static("User-Agent"));
    }
}

/// The error of an endpoint, whose layers' facts are wrapped twice.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Layer(#[from] Inner),
}

#[derive(Debug, thiserror::Error)]
enum Inner {
    #[error("while it was called")]
    Fact(#[source] Fact),
}

impl Fault for Error {
    fn inner(&self) -> Option<&dyn Fault> {
        let Self::Layer(fault) = self;
        Some(fault)
    }
}

impl Fault for Inner {
    fn inner(&self) -> Option<&dyn Fault> {
        let Self::Fact(fact) = self;
        Some(fact)
    }
}

/// Keeps a header of the reply until the end.
#[derive(Clone, Default)]
struct Heads(Arc<Mutex<Vec<String>>>);

struct Head(Heads, String);

impl Hook for Heads {
    type Observer = Head;

    fn before(&self, _: &Call<'_>, _: &mut Extensions) -> Head {
        Head(self.clone(), "no head".to_owned())
    }
}

impl Observer for Head {
    fn after(&mut self, headers: &mut HeaderMap) {
        headers["x-brand"].to_str().unwrap().clone_into(&mut self.1);
    }

    fn finish(self, end: &End) {
        let status = end.status.map_or(0, |status| status.as_u16());
        self.0.0.lock().unwrap().push(format!("{status} {} {} {}", self.1, end.sent, end.received));
    }
}

fn post(body: &'static str) -> Request<Full<Bytes>> {
    Request::post("http://pots.example/").body(Full::new(Bytes::from(body))).unwrap()
}

async fn fail(request: Kit<Kind>) -> Result<(), Error> {
    Err(Inner::Fact(Fact(*request.message())).into())
}

/// Fails with a fault of `kind`.
async fn answer<X>(kind: Kind, encode_error: X) -> Response<Bytes>
where
    X: Fn(&Failure<'_>) -> Response<Bytes> + Clone,
{
    let decode = move |_: &Request<Bytes>| Ok::<_, Infallible>(kind);
    let server = Server::new(service_fn(fail), decode, json::encode).encode_error(encode_error);
    let response = server.oneshot(post("")).await.unwrap();
    let (head, body) = response.into_parts();
    Response::from_parts(head, body.collect().await.unwrap().to_bytes())
}

fn all(headers: &HeaderMap, name: &str) -> Vec<HeaderValue> {
    headers.get_all(name).iter().cloned().collect()
}

#[test]
fn every_case_is_a_test_that_is_there() {
    let mut there = 0;
    for row in include_str!("go_kit.rs").lines().filter_map(|line| line.strip_prefix("//! |")) {
        let names: Vec<_> = row.rsplit(" | ").next().unwrap().split('`').collect();
        let (file, test) = match names[..] {
            [_, test, _] => ("go_kit.rs", test),
            [_, file, _, test, _] => (file, test),
            _ => continue,
        };
        let tests = format!("{}/tests/{file}", env!("CARGO_MANIFEST_DIR"));
        let tests = std::fs::read_to_string(tests).expect(file);
        assert!(tests.contains(&format!("fn {test}(")), "there is no {test} in {file}");
        there += 1;
    }
    assert_eq!(there, 35);
}

// ===== the server =====

#[tokio::test]
async fn whoever_hears_the_end_may_know_the_head() {
    let (at_server, at_client) = (Heads::default(), Heads::default());
    let encode = |text: String| {
        let head = Response::builder().status(StatusCode::CREATED).header("x-brand", "kit");
        head.body(Bytes::from(text)).map_err(EncodeError::new)
    };
    let endpoint =
        service_fn(async |_: Kit<()>| Ok::<_, Infallible>("go eat a fly ugly".to_owned()));
    let server = Server::new(endpoint, nothing, encode).hook(at_server.clone());
    let request = |(): &()| Ok::<_, Infallible>(post("").map(|_| Bytes::from("12345")));
    let decode = |reply: &Response<Bytes>| Ok::<_, Infallible>(reply.body().len());
    let client = Client::new(server, request, decode).hook(at_client.clone());
    assert_eq!(client.oneshot(Kit::new(())).await.unwrap(), 17);
    assert_eq!(*at_server.0.lock().unwrap(), ["201 kit 17 5"]);
    assert_eq!(*at_client.0.lock().unwrap(), ["201 kit 5 17"]);
}

#[derive(serde::Serialize)]
struct Paid {
    foo: &'static str,
}

impl Reply for Paid {
    fn status(&self) -> StatusCode {
        StatusCode::PAYMENT_REQUIRED
    }

    fn headers(&self, headers: &mut HeaderMap) {
        headers.insert("x-edward", HeaderValue::from_static("snowden"));
    }
}

#[tokio::test]
async fn a_reply_answers_with_its_status_header_and_json() {
    let endpoint = service_fn(async |_: Kit<()>| Ok::<_, Infallible>(Paid { foo: "bar" }));
    let server = Server::new(endpoint, nothing, as_reply(json::encode));
    let response = server.oneshot(post("")).await.unwrap();
    assert_eq!(response.status(), StatusCode::PAYMENT_REQUIRED);
    assert_eq!(response.headers()["x-edward"], "snowden");
    assert_eq!(response.headers()["content-type"], "application/json");
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), r#"{"foo":"bar"}"#);
}

#[tokio::test]
async fn a_header_of_a_fault_keeps_its_two_values() {
    let response = answer(Kind::NotFound, encode_problem).await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    assert_eq!(all(response.headers(), "vary"), ["Origin", "User-Agent"]);
}

#[tokio::test]
async fn an_error_may_answer_with_a_status_and_json_of_its_own() {
    let response = answer(Kind::NotFound, |failure: &Failure<'_>| {
        let problem = Problem::new(failure.fault).status(StatusCode::IM_A_TEAPOT);
        problem.into_response().map(|_| json!({ "err": TEAPOT }).to_string().into())
    })
    .await;
    assert_eq!(response.status(), StatusCode::IM_A_TEAPOT);
    assert_eq!(all(response.headers(), "vary"), ["Origin", "User-Agent"]);
    assert_eq!(response.body(), r#"{"err":"short and stout"}"#);
}

#[tokio::test]
async fn a_hook_sets_headers_of_replies() {
    let echo = service_fn(async |request: Kit<u32>| Ok::<_, Infallible>(request.into_message()));
    let server = Server::new(echo, json::decode, json::encode).after(|headers: &mut HeaderMap| {
        headers.insert("x-bond", HeaderValue::from_static("007"));
        headers.insert("content-type", HeaderValue::from_static("application/vnd.number+json"));
    });
    for (body, status) in [("7", 200), ("seven", 400)] {
        let response = server.clone().oneshot(post(body)).await.unwrap();
        assert_eq!(response.status(), status);
        assert_eq!(all(response.headers(), "x-bond"), ["007"]);
        assert_eq!(all(response.headers(), "content-type"), ["application/vnd.number+json"]);
    }
}

#[tokio::test]
async fn a_hook_hears_the_very_fault() {
    let heard = Arc::new(Mutex::new(None));
    let seen = Arc::clone(&heard);
    let hook = Faults(move |failed: &Faulted<'_>| {
        let fault: &(dyn error::Error + 'static) = failed.fault;
        let Some(Error::Layer(Inner::Fact(Fact(kind)))) = fault.downcast_ref() else { return };
        *seen.lock().unwrap() = Some(*kind);
    });
    let decode = |_: &Request<Bytes>| Ok::<_, Infallible>(Kind::Aborted);
    let server = Server::new(service_fn(fail), decode, json::encode).hook(hook);
    server.oneshot(post("")).await.unwrap();
    assert_eq!(*heard.lock().unwrap(), Some(Kind::Aborted));
}

#[tokio::test]
async fn a_fact_that_is_wrapped_keeps_its_status() {
    for (kind, status, retry_after) in [
        (Kind::Unauthenticated, 401, None),
        (Kind::PermissionDenied, 403, None),
        (Kind::ResourceExhausted, 429, Some("7")),
        (Kind::Unavailable, 503, Some("7")),
    ] {
        let response = answer(kind, encode_problem).await;
        assert_eq!(response.status(), status);
        let wait = response.headers().get("retry-after").map(|wait| wait.to_str().unwrap());
        assert_eq!(wait, retry_after);
        let problem: Value = serde_json::from_slice(response.body()).unwrap();
        assert_eq!((&problem["status"], &problem["kind"]), (&json!(status), &json!(kind.name())));
    }
}

// ===== the client =====

#[test]
fn the_body_of_a_reply_is_closed_before_the_caller_has_it() {
    for limit in [8, 2] {
        let body = Arc::new(());
        let is_open = Arc::downgrade(&body);
        let body = Arc::new(Mutex::new(Some(body)));
        let server = service_fn(move |_: Request<Full<Bytes>>| {
            let open = body.lock().unwrap().take().unwrap();
            let frames =
                ["hi ", "there"].map(|chunk| Ok::<_, Infallible>(Frame::data(Bytes::from(chunk))));
            let frames = tokio_stream::iter(frames).map(move |frame| {
                assert_eq!(Arc::strong_count(&open), 1);
                frame
            });
            async move { Ok::<_, Infallible>(Response::new(StreamBody::new(frames))) }
        });
        let request = |(): &()| Ok::<_, Infallible>(Request::new(Bytes::new()));
        let text = |reply: &Response<Bytes>| Ok::<_, Infallible>(reply.body().clone());
        let client = Client::new(server, request, text).body_limit(limit);
        let mut call = task::spawn(client.oneshot(Kit::new(())));
        let reply = assert_ready!(call.poll());
        assert_eq!(is_open.strong_count(), 0, "the call itself is still held");
        assert_eq!(reply.ok().as_deref(), (limit == 8).then_some(&b"hi there"[..]));
        drop(call);
    }
}

#[tokio::test(start_paused = true)]
async fn a_raw_reply_is_still_there_a_second_later() {
    let body = Bytes::from(vec![b'x'; 6000]);
    let all = body.clone();
    let server = service_fn(move |_: Request<Full<Bytes>>| {
        let body = body.clone();
        async move { Ok::<_, Infallible>(Response::new(Full::new(body))) }
    });
    let request = |(): &()| Ok::<_, Infallible>(Request::new(Bytes::new()));
    let reply = Client::raw(server, request).oneshot(Kit::new(())).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(reply.into_body().collect().await.unwrap().to_bytes(), all);
}

#[tokio::test]
async fn a_request_is_any_json_under_headers_of_its_own() {
    let echo = service_fn(async |request: Request<Full<Bytes>>| {
        assert_eq!(request.headers()["content-type"], "application/json");
        assert_eq!(request.headers()["x-edward"], "snowden");
        let body = request.into_body().collect().await.unwrap().to_bytes();
        Ok::<_, Infallible>(Response::new(Full::new(body)))
    });
    let encode = |value: &Value| {
        let encode = json::request(Method::POST, Uri::from_static("http://pots.example/"));
        encode(value).map(|mut request| {
            request.headers_mut().insert("x-edward", HeaderValue::from_static("snowden"));
            request
        })
    };
    let text = |reply: &Response<Bytes>| Ok::<_, Infallible>(reply.body().clone());
    let client = Client::new(echo, encode, text);
    for (value, written) in [
        (Value::Null, "null"),
        (json!(12), "12"),
        (json!(1.2), "1.2"),
        (json!(true), "true"),
        (json!("test"), r#""test""#),
        (json!({ "foo": "foo" }), r#"{"foo":"foo"}"#),
    ] {
        assert_eq!(client.clone().oneshot(Kit::new(value)).await.unwrap(), written);
    }
}
