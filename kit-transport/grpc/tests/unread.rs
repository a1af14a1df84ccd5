//! What the layer makes of requests that no handler can read: the caller's
//! faults, in words, and not the service's.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

mod support;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body::Frame;
use http_body_util::{Full, Limited, StreamBody};
use kit_endpoint::Kind;
use kit_transport::{End, Outcome, RequestIds};
use kit_transport_grpc::{GrpcLayer, Server, kind};
use std::{convert::Infallible, future::ready, io};
use support::{
    Ends, Greeter, Secret, Seen, Wrong, call, call_of, decode, encode, hello,
    pb::{GreetingRequest, GreetingResponse, greeter_server::GreeterServer},
    seen,
};
use tonic::{Code, Status, metadata::MetadataMap, service::Routes};
use tower::{BoxError, Layer, Service, ServiceExt, service_fn};

type Reply = Result<String, Wrong>;

fn greeter() -> Routes {
    let server = Server::new(service_fn(hello), decode, encode);
    Routes::new(GreeterServer::new(Greeter(server)))
}

/// Sends `request` to `inner` in a layer that hears the end.
async fn heard<S, B, C>(inner: S, request: Request<B>) -> (Seen, End)
where
    S: Service<
            Request<kit_transport_grpc::edge::RequestBody<B>>,
            Response = http::Response<C>,
            Error = Infallible,
        >,
    C: http_body::Body<Error: std::fmt::Display + std::fmt::Debug>,
{
    let ends = Ends::default();
    let service = GrpcLayer::new().hook(RequestIds).finally(ends.finally()).layer(inner);
    let response = service.oneshot(request).await.unwrap();
    let reply = seen(response).await;
    assert!(reply.headers.contains_key("x-request-id"), "hooks see failures too");
    (reply, ends.one())
}

fn sending(body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    call().map(|_| Full::new(body.into()))
}

/// A call whose body is half a message, and then fails with `error`.
fn breaking_off<E: Into<BoxError> + Send + 'static>(
    error: E,
) -> Request<impl http_body::Body<Data = Bytes, Error = BoxError> + Send + 'static> {
    let half = Ok(Frame::data(Bytes::from_static(b"\0\0\0\0\x05\n\x03A")));
    let frames = tokio_stream::iter([half, Err(error.into())]);
    call().map(|_| StreamBody::new(frames))
}

// ===== malformed messages =====

#[tokio::test]
async fn a_message_that_cannot_be_read_is_the_callers_fault() {
    let cases: [(&[u8], &str); 7] = [
        (b"", "the request has no message: send one"),
        (b"\0\0\0", "the message breaks off: send as many bytes as its frame says"),
        (b"\0\0\0\0\x09\n\x03Ada", "the message breaks off: send as many bytes as its frame says"),
        (
            b"\x07\0\0\0\x05\n\x03Ada",
            "cannot read the message: received message with invalid compression flag: 7 (valid flags are 0 and 1), while sending request",
        ),
        (b"\0\0\0\0\x05\n\x09Ada", "cannot read the message: "),
        (b"\0\0\0\0\x05\xff\xff\xff\xff\xff", "cannot read the message: "),
        (b"\0\0\0\0\x05\n\x03A\xff\xfe", "not UTF-8"),
    ];
    for (body, text) in cases {
        let (reply, end) = heard(greeter(), sending(body)).await;
        let status = reply.status();
        assert_eq!(status.code(), Code::InvalidArgument, "{body:?}");
        assert!(status.message().contains(text), "{body:?}: {status}");
        assert_eq!(end.outcome, Outcome::Failed(Kind::InvalidArgument), "{body:?}");
        assert_eq!(end.error.unwrap().as_ref(), status.message());
    }
}

#[tokio::test]
async fn the_wire_says_so_where_no_hook_listens() {
    let service = GrpcLayer::new().layer(greeter());
    let reply = seen(service.oneshot(sending(Bytes::new())).await.unwrap()).await;
    assert_eq!(reply.status().code(), Code::InvalidArgument);
    assert_eq!(reply.headers["content-type"], "application/grpc");
}

#[tokio::test]
async fn a_flag_without_an_encoding_is_internal_on_the_wire_as_grpc_asks() {
    let (reply, end) = heard(greeter(), sending(&b"\x01\0\0\0\x05\n\x03Ada"[..])).await;
    assert_eq!(reply.status().code(), Code::Internal);
    assert_eq!(end.outcome, Outcome::Failed(Kind::InvalidArgument));
}

#[tokio::test]
async fn what_does_not_decompress_is_the_callers_fault() {
    for (status, kind) in [
        (
            Status::internal("Error decompressing: bad header, while sending request"),
            Kind::InvalidArgument,
        ),
        (
            Status::resource_exhausted(
                "Error decompressing: size limit, of 4 bytes, exceeded while decompressing message",
            ),
            Kind::PayloadTooLarge,
        ),
    ] {
        let inner = service_fn(move |_: Request<_>| {
            ready(Ok::<_, Infallible>(status.clone().into_http::<tonic::body::Body>()))
        });
        let (_, end) = heard(inner, call()).await;
        assert_eq!(end.outcome, Outcome::Failed(kind));
    }
}

#[tokio::test]
async fn a_message_over_the_limit_is_resource_exhausted() {
    // Tonic's limit is 4 MiB.
    let (reply, end) = heard(greeter(), sending(&b"\0\0\x50\0\0\n\x03Ada"[..])).await;
    let status = reply.status();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert_eq!(
        status.message(),
        "the message is too large: found 5242880 bytes, the limit is: 4194304 bytes"
    );
    assert_eq!(kind(&status), Some(Kind::PayloadTooLarge));
    assert_eq!(end.outcome, Outcome::Failed(Kind::PayloadTooLarge));
}

#[tokio::test]
async fn a_body_over_a_limit_is_too_large_and_not_cancelled() {
    let request = call().map(|body| Limited::new(body, 4));
    let (reply, end) = heard(greeter(), request).await;
    assert_eq!(reply.status().code(), Code::ResourceExhausted);
    assert_eq!(end.outcome, Outcome::Failed(Kind::PayloadTooLarge));
}

#[tokio::test]
async fn what_a_handler_says_of_another_service_stays() {
    // As tonic's client says it, with the metadata of the reply that it read.
    let mut headers = HeaderMap::new();
    headers.insert("content-type", "application/grpc".parse().unwrap());
    let status = Status::with_metadata(
        Code::Internal,
        "failed to decode Protobuf message: invalid varint",
        MetadataMap::from_headers(headers),
    );
    let server = service_fn(move |_: tonic::Request<GreetingRequest>| {
        ready(Err::<tonic::Response<GreetingResponse>, _>(status.clone()))
    });
    let (reply, end) = heard(GreeterServer::new(Greeter(server)), call()).await;
    assert_eq!(reply.status().code(), Code::Internal);
    assert_eq!(end.outcome, Outcome::Failed(Kind::Internal));
}

#[tokio::test]
async fn a_fault_of_the_service_stays_the_services() {
    let server =
        Server::new(service_fn(|_| ready(Reply::Err(Wrong::new(Kind::Internal)))), decode, encode);
    let (reply, end) = heard(GreeterServer::new(Greeter(server)), call()).await;
    assert_eq!(reply.status().code(), Code::Internal);
    assert_eq!(end.outcome, Outcome::Failed(Kind::Internal));
    assert!(end.error.unwrap().contains(&Secret.to_string()));
}

// ===== peers that leave =====

#[tokio::test]
async fn a_peer_that_leaves_while_it_sends_is_cancelled() {
    let reset = io::Error::from(io::ErrorKind::ConnectionReset);
    let (_, end) = heard(greeter(), breaking_off(reset)).await;
    assert_eq!(end.outcome, Outcome::Cancelled);
    assert_eq!(end.received, 8);

    // Tonic takes a reset stream for the end of the message.
    let (_, end) = heard(greeter(), breaking_off(Status::cancelled("reset"))).await;
    assert_eq!(end.outcome, Outcome::Cancelled);
    assert!(end.error.is_none());
}

#[tokio::test]
async fn a_panic_is_internal_even_where_the_peer_has_left() {
    use http_body_util::BodyExt;

    let ends = Ends::default();
    let panics = service_fn(|request: Request<_>| async move {
        let body: kit_transport_grpc::edge::RequestBody<_> = request.into_body();
        assert!(Box::pin(body).collect().await.is_ok(), "on purpose");
        Ok::<_, Infallible>(http::Response::new(tonic::body::Body::empty()))
    });
    let service = GrpcLayer::new().finally(ends.finally()).layer(panics);
    let call = service.oneshot(breaking_off(io::Error::from(io::ErrorKind::ConnectionReset)));
    tokio::spawn(call).await.map(drop).unwrap_err();
    assert_eq!(ends.one().outcome, Outcome::Failed(Kind::Internal));
}

// ===== what is not gRPC =====

#[tokio::test]
async fn another_content_type_is_415() {
    for content_type in [
        None,
        Some("application/json"),
        Some("application/grp"),
        Some("application/grpc-web"),
        Some("application/grpc-web+proto"),
        Some("application/grpc-web-text"),
        Some("application/grpcs"),
    ] {
        let mut request = call();
        request.headers_mut().remove("content-type");
        if let Some(content_type) = content_type {
            request.headers_mut().insert("content-type", content_type.parse().unwrap());
        }
        let (reply, end) = heard(greeter(), request).await;
        assert_eq!(reply.http, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{content_type:?}");
        assert!(reply.status().message().contains("application/grpc"));
        assert_eq!(end.outcome, Outcome::Failed(Kind::UnsupportedMediaType));
        assert_eq!(end.status, Some(StatusCode::UNSUPPORTED_MEDIA_TYPE));
    }
}

#[tokio::test]
async fn all_the_content_types_of_grpc_are_taken() {
    for content_type in [
        "application/grpc",
        "application/grpc+proto",
        "application/grpc;charset=utf-8",
        "Application/gRPC",
    ] {
        let mut request = call();
        request.headers_mut().insert("content-type", content_type.parse().unwrap());
        let (reply, _) = heard(greeter(), request).await;
        assert_eq!(reply.greeting(), "Hello, Ada!", "{content_type}");
    }
}

#[tokio::test]
async fn another_method_is_405_and_says_which_is_allowed() {
    for method in [Method::GET, Method::PUT, Method::OPTIONS, Method::HEAD] {
        let mut request = call();
        *request.method_mut() = method.clone();
        let (reply, end) = heard(greeter(), request).await;
        assert_eq!(reply.http, StatusCode::METHOD_NOT_ALLOWED, "{method}");
        assert_eq!(reply.headers["allow"], "POST");
        assert_eq!(reply.status().code(), Code::Unimplemented);
        assert_eq!(end.outcome, Outcome::Failed(Kind::MethodNotAllowed));
        assert_eq!(end.status, Some(StatusCode::METHOD_NOT_ALLOWED));
    }
}

// ===== unknown methods =====

#[tokio::test]
async fn an_unknown_method_is_answered_in_words() {
    for path in ["/greeter.v1.Greeter/Nope", "/nobody.v1.Here/Nope"] {
        let (reply, end) = heard(greeter(), call_of(path)).await;
        assert_eq!(reply.status().code(), Code::Unimplemented);
        assert_eq!(reply.status().message(), "no such method: list them by reflection");
        assert_eq!(end.outcome, Outcome::Failed(Kind::Unimplemented));
    }
}

#[tokio::test]
async fn an_unknown_method_without_a_status_of_tonics_is_answered_in_words_too() {
    // As generated code says it: two headers, and no more.
    let inner = service_fn(|_: Request<_>| {
        let mut response = http::Response::new(tonic::body::Body::default());
        response.headers_mut().insert("grpc-status", "12".parse().unwrap());
        ready(Ok::<_, Infallible>(response))
    });
    let (reply, _) = heard(inner, call()).await;
    assert_eq!(reply.status().message(), "no such method: list them by reflection");
}

#[tokio::test]
async fn what_a_method_says_that_is_not_there_yet_stays() {
    let server = service_fn(|_: tonic::Request<GreetingRequest>| {
        ready(Err::<tonic::Response<GreetingResponse>, _>(Status::unimplemented("next week")))
    });
    let (reply, _) = heard(GreeterServer::new(Greeter(server)), call()).await;
    assert_eq!(reply.status().message(), "next week");
}

#[tokio::test]
async fn what_tells_more_than_its_code_is_no_unknown_method() {
    let mut with_metadata = Status::unimplemented("");
    with_metadata.metadata_mut().insert("x-upstream", "1".parse().unwrap());
    let with_details =
        Status::with_details(Code::Unimplemented, "", Bytes::from_static(b"\x08\x0c"));
    for status in [with_metadata, with_details] {
        let server = service_fn(move |_: tonic::Request<GreetingRequest>| {
            ready(Err::<tonic::Response<GreetingResponse>, _>(status.clone()))
        });
        let (reply, end) = heard(GreeterServer::new(Greeter(server)), call()).await;
        assert_eq!(reply.status().code(), Code::Unimplemented);
        assert_eq!(reply.status().message(), "");
        assert_eq!(end.outcome, Outcome::Failed(Kind::Unimplemented));
    }
}
