//! What a span costs: `spans "WHAT SUBSCRIBER" TIMES`, where WHAT is `internal` or
//! `server` of ours, `internal-bare` or `server-bare`, the same span by tracing's own
//! macro and `Instrument`, or `none`, no span; and SUBSCRIBER is `registry`, `otel` (with
//! its layer, of 1 % of traces), `off` (the level is off) or `nobody`.

use http::{Request, Response, StatusCode, header::HOST};
use http_body_util::Empty;
use kit_bench::{
    BoxError,
    layers::finish,
    say, slow_down,
    stack::{Nowhere, SAMPLED},
};
use kit_trace::{
    ServerSpanLayer, SpanLayer,
    otel::{Pipeline, Sampling, resource},
};
use std::{convert::Infallible, env, hint::black_box};
use tower::{Layer, Service, service_fn};
use tracing::{Instrument, Span, field, level_filters::LevelFilter};
use tracing_subscriber::{Layer as _, prelude::*};

/// Spans between two chances to waste something.
const CHUNK: u64 = 100;

type Body = Empty<bytes::Bytes>;

async fn reply(_: Request<Body>) -> Result<Response<Body>, kit_endpoint::Expired> {
    Ok(Response::new(Body::new()))
}

async fn replied(_: Request<Body>) -> Result<Response<Body>, Infallible> {
    Ok(Response::new(Body::new()))
}

fn internal() -> Span {
    tracing::info_span!(
        "internal",
        "otel.name" = "greeting",
        "otel.kind" = "internal",
        "otel.status_code" = field::Empty,
        "otel.status_description" = field::Empty,
        "error.type" = field::Empty,
        trace_id = field::Empty,
        span_id = field::Empty,
    )
}

fn server(request: &Request<Body>) -> Span {
    let span = tracing::info_span!(
        parent: None,
        "server",
        "otel.name" = request.method().as_str(),
        "otel.kind" = "server",
        "otel.status_code" = field::Empty,
        "otel.status_description" = field::Empty,
        "http.request.method" = request.method().as_str(),
        "http.request.method_original" = field::Empty,
        "url.scheme" = "http",
        "url.path" = request.uri().path(),
        "url.query" = field::Empty,
        "http.route" = field::Empty,
        "http.response.status_code" = field::Empty,
        "network.protocol.version" = "1.1",
        "network.peer.address" = field::Empty,
        "network.peer.port" = field::Empty,
        "server.address" = field::Empty,
        "server.port" = field::Empty,
        "client.address" = field::Empty,
        "user_agent.original" = field::Empty,
        "error.type" = field::Empty,
        trace_id = field::Empty,
        span_id = field::Empty,
    );
    if !span.is_disabled() {
        span.record("url.query", request.uri().query());
        span.record("server.address", request.headers().get(HOST).and_then(|it| it.to_str().ok()));
        span.record("server.port", 80);
    }
    span
}

fn main() -> Result<(), BoxError> {
    let mut args = env::args().skip(1);
    let job = args.next().ok_or("what?")?;
    let (what, subscriber) = job.split_once(' ').ok_or("which subscriber?")?;
    let times = args.next().ok_or("how many times?")?.parse()?;
    let pipeline = Pipeline::new(resource("bench")).sampling(Sampling::ratio(SAMPLED));
    // What is recorded waits in the queue, or is dropped where that is full.
    let (tracing, _exporting) = pipeline.export(Nowhere);
    let registry = tracing_subscriber::registry();
    match subscriber {
        "registry" => registry.try_init()?,
        "otel" => registry.with(tracing.layer().with_filter(LevelFilter::INFO)).try_init()?,
        "off" => registry.with(LevelFilter::WARN).try_init()?,
        _ => {}
    }
    match what {
        "none" => run(service_fn(replied), times),
        "internal" => run(SpanLayer::new("greeting").layer(service_fn(reply)), times),
        "server" => run(ServerSpanLayer::new().layer(service_fn(replied)), times),
        "internal-bare" => run(service_fn(|request| reply(request).instrument(internal())), times),
        "server-bare" => run(
            service_fn(|request| {
                let span = server(&request);
                let over = span.clone();
                async move {
                    let reply = replied(request).await;
                    over.record("http.response.status_code", StatusCode::OK.as_u16());
                    reply
                }
                .instrument(span)
            }),
            times,
        ),
        other => return Err(format!("what is {other}?").into()),
    }
    say("")
}

fn run<S: Service<Request<Body>>>(mut service: S, times: u64) {
    for _ in 0..times / CHUNK {
        for _ in 0..CHUNK {
            let mut request = Request::new(Body::new());
            *request.uri_mut() = http::Uri::from_static("/greeting?name=Ada");
            request.headers_mut().insert(HOST, http::HeaderValue::from_static("localhost"));
            call(&mut service, black_box(request));
        }
        slow_down();
    }
}

/// Never inlined: a caller would change what is measured.
#[inline(never)]
fn call<S: Service<Request<Body>>>(service: &mut S, request: Request<Body>) {
    drop(black_box(finish(service.call(request))));
}
