//! Content negotiation: what is read by `Content-Type`, what is written by
//! `Accept`, and that no header makes it panic.

#![cfg(all(feature = "form", feature = "json", feature = "msgpack", feature = "protobuf"))]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use kit_endpoint::{Expired, Request as Kit};
use kit_transport_http::{
    DecodeError, EncodeError, as_reply, form, json, msgpack,
    negotiate::{self, Reads, Writes, accepted},
    nothing, protobuf,
};
use proptest::prelude::*;
use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::time::Instant;
use tower::{Service, ServiceExt, service_fn};

#[derive(Clone, PartialEq, serde::Serialize, serde::Deserialize, prost::Message)]
struct Hello {
    #[prost(string, tag = "1")]
    name: String,
}

impl kit_transport_http::Reply for Hello {
    fn status(&self) -> StatusCode {
        StatusCode::CREATED
    }
}

async fn echo(request: Kit<Hello>) -> Result<Hello, Expired> {
    Ok(request.into_message())
}

fn text(hello: Hello) -> Result<Response<Bytes>, EncodeError> {
    Ok(Response::new(hello.name.into()))
}

fn reads() -> [Reads<Hello>; 3] {
    [json::reads(), form::reads(), protobuf::reads()]
}

fn writes() -> [Writes<Hello>; 4] {
    [json::writes(), protobuf::writes(), msgpack::writes(), Writes::new(&["text/plain"], text)]
}

/// Asks a server of all the formats, with headers.
async fn ask(
    body: &'static str,
    headers: &[(header::HeaderName, &'static str)],
) -> (StatusCode, HeaderMap, Bytes) {
    let server = negotiate::server(service_fn(echo), negotiate::decode(reads()), writes());
    let mut request = Request::new(Full::new(Bytes::from_static(body.as_bytes())));
    for (name, value) in headers {
        request.headers_mut().append(name, HeaderValue::from_static(value));
    }
    let (head, body) = server.oneshot(request).await.unwrap().into_parts();
    (head.status, head.headers, body.collect().await.unwrap().to_bytes())
}

const ADA: &str = r#"{"name":"Ada"}"#;

#[tokio::test]
async fn a_body_is_read_by_its_content_type() {
    for (media_type, body) in [
        ("application/json", ADA),
        ("Application/JSON ; charset=utf-8", ADA),
        ("application/x-www-form-urlencoded", "name=Ada"),
        ("application/x-protobuf", "\n\u{3}Ada"),
        ("application/protobuf", "\n\u{3}Ada"),
    ] {
        let (status, _, reply) = ask(body, &[(header::CONTENT_TYPE, media_type)]).await;
        assert_eq!((status, &reply[..]), (StatusCode::OK, ADA.as_bytes()), "{media_type}");
    }
    assert_eq!(ask(ADA, &[]).await.0, StatusCode::OK, "without one, by the first");
}

#[tokio::test]
async fn a_body_of_another_type_is_415_and_says_what_is_read() {
    const READ: &str = "application/json, application/x-www-form-urlencoded, \
                        application/x-protobuf, application/protobuf";
    for media_type in ["text/csv", "application/jsonp", "application", "", "\"application/json\""] {
        let (status, headers, body) = ask(ADA, &[(header::CONTENT_TYPE, media_type)]).await;
        assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{media_type}");
        assert_eq!(headers[header::ACCEPT], READ);
        assert!(str::from_utf8(&body).unwrap().contains(&format!("send one of {READ}")));
    }
    let two = [(header::CONTENT_TYPE, "text/csv"), (header::CONTENT_TYPE, "application/json")];
    assert_eq!(ask(ADA, &two).await.0, StatusCode::UNSUPPORTED_MEDIA_TYPE, "which of them?");
}

#[tokio::test]
async fn a_reply_is_written_as_accept_says() {
    for (accept, media_type, body) in [
        ("*/*", "application/json", &b"{\"name\":\"Ada\"}"[..]),
        ("text/plain", "text/plain", b"Ada"),
        ("text/*, application/*;q=0.9", "text/plain", b"Ada"),
        ("application/protobuf", "application/protobuf", b"\n\x03Ada"),
        ("application/x-protobuf", "application/x-protobuf", b"\n\x03Ada"),
        ("application/msgpack", "application/msgpack", b"\x81\xa4name\xa3Ada"),
        ("application/x-msgpack", "application/x-msgpack", b"\x81\xa4name\xa3Ada"),
    ] {
        let (status, headers, reply) = ask(ADA, &[(header::ACCEPT, accept)]).await;
        assert_eq!((status, &reply[..]), (StatusCode::OK, body), "{accept}");
        let types = headers.get_all(header::CONTENT_TYPE).iter().collect::<Vec<_>>();
        assert_eq!(types, [media_type], "{accept}");
        assert_eq!(headers[header::VARY], "accept");
    }
}

#[tokio::test]
async fn a_reply_without_a_body_has_no_type_of_it() {
    struct Gone;
    impl kit_transport_http::Reply for Gone {
        fn status(&self) -> StatusCode {
            StatusCode::NO_CONTENT
        }
    }

    let written = |reply| as_reply(|_: Gone| Ok(Response::new(Bytes::from("not asked"))))(reply);
    let writes = [Writes::new(&["application/json", "text/json"], written)];
    let gone = service_fn(async |_: Kit<()>| Ok::<_, Expired>(Gone));
    let server = negotiate::server(gone, nothing, writes);
    for accept in ["*/*", "text/json"] {
        let request = Request::builder().header(header::ACCEPT, accept);
        let request = request.body(Full::<Bytes>::default()).unwrap();
        let reply = server.clone().oneshot(request).await.unwrap();
        assert_eq!(reply.status(), StatusCode::NO_CONTENT);
        assert!(!reply.headers().contains_key(header::CONTENT_TYPE), "{accept}");
        assert_eq!(reply.headers()[header::VARY], "accept");
    }
}

#[tokio::test]
async fn a_reply_that_nobody_wants_is_406_before_the_endpoint_is_called() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let endpoint = service_fn(move |_: Kit<()>| {
        counted.fetch_add(1, Ordering::Relaxed);
        async { Ok::<_, Expired>(Hello::default()) }
    });
    let codecs = [json::writes::<Hello>(), msgpack::writes()];
    let mut server = negotiate::server(endpoint, nothing, codecs);
    let mut get = async |accept: &'static str| {
        let request = Request::get("/").header(header::ACCEPT, accept);
        let reply = server.call(request.body(Full::<Bytes>::default()).unwrap()).await.unwrap();
        let status = reply.status();
        (status, reply.into_body().collect().await.unwrap().to_bytes())
    };
    let (status, body) = get("text/html, application/json;q=0").await;
    assert_eq!(status, StatusCode::NOT_ACCEPTABLE);
    let body = str::from_utf8(&body).unwrap();
    assert!(body.contains("accept one of application/json, application/msgpack"), "{body}");
    assert_eq!(calls.load(Ordering::Relaxed), 0);
    assert_eq!(get("application/json").await.0, StatusCode::OK);
    assert_eq!(calls.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_sees_nothing_of_it() {
    #[derive(Debug, Clone, Copy, PartialEq)]
    struct Mark(u8);
    let endpoint = service_fn(|request: Kit<Hello>| async move {
        assert_eq!(request.extensions().get(), Some(&Mark(7)));
        let left = request.deadline().unwrap() - Instant::now();
        assert_eq!(left, Duration::from_millis(250));
        Ok::<_, Expired>(request.into_message())
    });
    let created = Writes::new(&["application/json"], |reply| as_reply(json::encode)(reply));
    let server = negotiate::server(endpoint, json::decode, [created]);
    let mut request = Request::new(Full::new(Bytes::from(ADA)));
    request.extensions_mut().insert(Mark(7));
    request.headers_mut().insert("x-request-timeout-ms", HeaderValue::from_static("250"));
    let response = server.oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::CREATED, "and the reply may know its status");
}

#[tokio::test]
async fn a_fault_of_the_decoder_is_told_as_ever() {
    let (status, _, body) = ask("{}", &[]).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(str::from_utf8(&body).unwrap().contains(r#""field":"name""#));
}

// ===== the rules of Accept =====

fn choice(accept: &[u8], offers: &[&str]) -> Option<usize> {
    let mut headers = HeaderMap::new();
    headers.insert(header::ACCEPT, HeaderValue::from_bytes(accept).unwrap());
    accepted(&headers, offers)
}

#[test]
fn the_most_specific_range_counts_and_the_best_weight_wins() {
    let offers = ["application/json", "text/html", "text/plain"];
    for (accept, chosen) in [
        ("", Some(0)),
        ("text/html", Some(1)),
        ("TEXT/Html", Some(1)),
        ("text/*", Some(1)),
        ("text/*;q=0.9, text/plain", Some(2)),
        ("text/plain;q=0.5, */*;q=0.1", Some(2)),
        ("*/*, text/*;q=0.1, application/*;q=0.05", Some(1)),
        ("text/plain, text/html, application/json", Some(0)),
        ("text/plain;q=0.3, text/html;q=0.31", Some(1)),
        ("*/*, application/json;q=0", Some(1)),
        ("*/*;q=0", None),
        ("application/json;q=0.0", None),
        ("image/png", None),
        ("application/json;charset=utf-8", Some(0)),
        (r#"text/html;a="x, text/plain;q=1"; Q=0.1, text/plain;q=0.2"#, Some(2)),
        (r#"text/html;a="\", text/plain"#, Some(1)),
        ("text/html, image/gif, *; q=.2, */*; q=.2", Some(1)),
        // Elements that cannot be read are as if they were not there.
        ("text/html;q=2, text/plain;q=0.1", Some(2)),
        ("text/html;q=, text/plain", Some(2)),
        ("text/html;q=., text/plain", Some(2)),
        ("text/html;q=1.001, text/plain", Some(2)),
        ("*/html, text/plain", Some(2)),
        ("text/html/x, text/plain", Some(2)),
        (",,;;, text/plain", Some(2)),
        ("what", Some(0)),
    ] {
        assert_eq!(choice(accept.as_bytes(), &offers), chosen, "{accept}");
    }
}

#[test]
fn several_accept_headers_are_one() {
    let mut headers = HeaderMap::new();
    headers.append(header::ACCEPT, HeaderValue::from_static("text/html;q=0.5"));
    headers.append(header::ACCEPT, HeaderValue::from_static("text/plain"));
    assert_eq!(accepted(&headers, ["text/html", "text/plain"]), Some(1));
}

proptest! {
    #[test]
    fn no_header_makes_it_panic(bytes in r#"([ -~\x80-\xff]|[*/,;q="\\.01]){0,64}"#) {
        let offers = ["application/json", "text/plain", "odd"];
        if let Ok(value) = HeaderValue::from_bytes(bytes.as_bytes()) {
            if let Some(index) = choice(bytes.as_bytes(), &offers) {
                prop_assert!(index < 2, "what is no media type is never chosen");
            }
            let mut request = Request::new(Bytes::new());
            request.headers_mut().insert(header::CONTENT_TYPE, value);
            let read: Result<Hello, DecodeError> = negotiate::decode(reads())(&request);
            drop(read);
        }
    }

    #[test]
    fn weights_decide_in_any_order(weights in prop::collection::vec(0_u16..=1000, 1..6), seed: u64) {
        let types: Vec<String> = (0..weights.len()).map(|index| format!("a/b{index}")).collect();
        let mut ranges: Vec<String> = weights
            .iter()
            .zip(&types)
            .map(|(weight, media)| match weight {
                1000 => format!("{media};q=1.000"),
                _ => format!("{media} ; q=0.{weight:03}"),
            })
            .collect();
        let middle = usize::try_from(seed % 97).unwrap() % ranges.len();
        ranges.rotate_left(middle);
        let best = *weights.iter().max().unwrap();
        let first = weights.iter().position(|weight| *weight == best).filter(|_| best > 0);
        let offers: Vec<&str> = types.iter().map(String::as_str).collect();
        prop_assert_eq!(choice(ranges.join(",").as_bytes(), &offers), first);
    }
}

#[test]
fn its_types_can_be_sent_and_shared() {
    fn check<T: Send + Sync>(_: &T) {}
    check(&negotiate::server(service_fn(echo), negotiate::decode(reads()), writes()));
    let nothing: Result<(), Infallible> = nothing(&Request::default());
    nothing.unwrap();
}
