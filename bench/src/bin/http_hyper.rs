//! Bare hyper: functions, as hyper's own examples write them.

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::{
    body::{Body, Incoming},
    service::service_fn,
};
use kit_bench::{BoxError, Hello, LIMIT, echo, greet, job, serve_one};
use std::convert::Infallible;

async fn get(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let query = request.uri().query().unwrap_or_default();
    let Ok(hello) = serde_urlencoded::from_str::<Hello>(query) else { return Ok(bad()) };
    let Ok(greeting) = greet(hello).await else { return Ok(bad()) };
    let Ok(body) = serde_json::to_vec(&greeting) else { return Ok(bad()) };
    let mut response = Response::new(Full::new(Bytes::from(body)));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    Ok(response)
}

async fn post(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.body().size_hint().upper().is_none_or(|size| size > LIMIT as u64) {
        return Ok(bad());
    }
    let Ok(body) = request.into_body().collect().await else { return Ok(bad()) };
    Ok(Response::new(Full::new(echo(body.to_bytes()).await)))
}

fn bad() -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::BAD_REQUEST;
    response
}

fn main() -> Result<(), BoxError> {
    match &*job()? {
        "get" => serve_one(service_fn(get)),
        "echo" => serve_one(service_fn(post)),
        _ => Err("I serve get or echo".into()),
    }
}
