//! Our HTTP server, alone: no router, no hook, no layer.

use hyper_util::service::TowerToHyperService;
use kit_bench::{Hello, greet, serve_one};
use kit_endpoint::Request;
use kit_transport_http::{Server, json, query};
use std::error::Error;
use tower::service_fn;

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let endpoint = service_fn(|request: Request<Hello>| greet(request.into_message()));
    let server = Server::new(endpoint, query::decode, json::encode);
    serve_one(TowerToHyperService::new(server))
}
