//! Our HTTP server, alone: no router, no hook, no layer.

use bytes::Bytes;
use hyper_util::service::TowerToHyperService;
use kit_bench::{BoxError, EmptyName, Hello, LIMIT, echo, greet, job, serve_one};
use kit_endpoint::Request;
use kit_transport_http::{Server, json, query};
use std::convert::Infallible;
use tower::service_fn;

async fn post(request: Request<Bytes>) -> Result<Bytes, EmptyName> {
    Ok(echo(request.into_message()).await)
}

fn decode(request: &http::Request<Bytes>) -> Result<Bytes, Infallible> {
    Ok(request.body().clone())
}

fn encode(body: Bytes) -> Result<http::Response<Bytes>, Infallible> {
    Ok(http::Response::new(body))
}

fn main() -> Result<(), BoxError> {
    match &*job()? {
        "get" => {
            let endpoint = service_fn(|request: Request<Hello>| greet(request.into_message()));
            let server = Server::new(endpoint, query::decode, json::encode);
            serve_one(TowerToHyperService::new(server))
        }
        "echo" => {
            let server = Server::new(service_fn(post), decode, encode).body_limit(LIMIT);
            serve_one(TowerToHyperService::new(server))
        }
        _ => Err("I serve get or echo".into()),
    }
}
