use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body_util::{BodyExt, Empty};
use kit_endpoint::{Fault, Request};
use kit_transport_grpc::{CallError, Client};
use std::{
    convert::Infallible,
    future::ready,
    pin::pin,
    task::{Context, Poll, Waker},
};
use tower::service_fn;
use tower_service::Service;

/// A reply over gRPC: lines of `name:value`, its headers, an empty line, and
/// its trailers likewise.
pub fn trailers(data: &[u8]) {
    let (head, tail) = match data.windows(2).position(|bytes| bytes == b"\n\n") {
        Some(at) => (&data[..at], &data[at + 2..]),
        None => (&[][..], data),
    };
    let (head, tail) = (headers(head), headers(tail));
    let reply = service_fn(move |_: http::Request<tonic::body::Body>| {
        let tail = tail.clone();
        let body = Empty::<Bytes>::new().with_trailers(async { Some(Ok::<_, Infallible>(tail)) });
        let mut response = http::Response::new(body);
        *response.headers_mut() = head.clone();
        ready(Ok::<_, Infallible>(response))
    });
    let mut client = Client::new(reply, "/a.B/C", Ok::<(), Infallible>, Ok::<(), Infallible>);
    let mut cx = Context::from_waker(Waker::noop());
    assert!(matches!(client.poll_ready(&mut cx), Poll::Ready(Ok(()))));
    let Poll::Ready(result) = pin!(client.call(Request::new(()))).poll(&mut cx) else {
        panic!("there is nothing to wait for");
    };
    // There is no message, so it is a failure whatever the peer says.
    let error = result.expect_err("a reply without a message");
    if let CallError::Rejected(rejection) = &error {
        let code = rejection.status().code();
        assert_eq!(u8::try_from(i32::from(code)).ok(), Some(error.kind().grpc_code()));
    }
}

fn headers(lines: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in lines.split(|byte| *byte == b'\n') {
        let (name, value) = crate::halves(line, b':');
        let (name, value) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value));
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    headers
}
