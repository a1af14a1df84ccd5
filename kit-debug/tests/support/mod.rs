//! Asks a port.

#![allow(dead_code, reason = "not every test uses all of it")]

use axum::{Router, body::Body};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt;
use kit_endpoint::Peer;
use serde_json::Value;
use std::net::SocketAddr;
use tower::ServiceExt;

pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn text(&self) -> &str {
        str::from_utf8(&self.body).unwrap()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), "application/json", "{}", self.text());
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

pub(crate) fn request(method: Method, peer: [u8; 4], target: &str) -> Request<Body> {
    let peer = Peer::from(SocketAddr::from((peer, 4000)));
    let request = Request::builder().method(method).uri(target).header("host", "127.0.0.1:9100");
    request.extension(peer).body(Body::empty()).unwrap()
}

pub(crate) async fn send(port: &Router, request: Request<Body>) -> Reply {
    let response = port.clone().oneshot(request).await.unwrap();
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes().into();
    Reply { status: head.status, headers: head.headers, body }
}

/// Asks from this machine.
pub(crate) async fn get(port: &Router, target: &str) -> Reply {
    send(port, request(Method::GET, [127, 0, 0, 1], target)).await
}
