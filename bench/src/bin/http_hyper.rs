//! Bare hyper: a function, as hyper's own examples write it.

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Incoming, service::service_fn};
use kit_bench::{Hello, greet, serve_one};
use std::{convert::Infallible, error::Error};

async fn serve(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let query = request.uri().query().unwrap_or_default();
    let Ok(hello) = serde_urlencoded::from_str::<Hello>(query) else { return Ok(bad()) };
    let Ok(greeting) = greet(hello).await else { return Ok(bad()) };
    let Ok(body) = serde_json::to_vec(&greeting) else { return Ok(bad()) };
    let mut response = Response::new(Full::new(Bytes::from(body)));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    Ok(response)
}

fn bad() -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::BAD_REQUEST;
    response
}

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    serve_one(service_fn(serve))
}
