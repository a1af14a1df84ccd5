//! What each layer adds: `stack_layers "OVER UPTO"`, where OVER is `http` or `grpc`,
//! and UPTO the outermost of the layers that are on, from the inside: nothing (`none`),
//! `deadline`, `breaker`, `limit`, `auth`, `red`, `metrics`, `trace` and `log`.

use hyper_util::service::TowerToHyperService;
use kit_auth::{
    Auth, Denied,
    jwt::{Algorithm, Claims, Key, KeySet, Verifier},
};
use kit_bench::{
    BoxError, EmptyName, Greeting, Hello, greet, job,
    pb::{
        Ask, Reply,
        bench_server::{Bench, BenchServer},
    },
    serve_one,
    stack::{AUDIENCE, ISSUER, KEY_ID, Nowhere, SAMPLED, SECRET},
};
use kit_breaker::{BreakerLayer, Limits, Open};
use kit_endpoint::{DeadlineLayer, Endpoint, Expired, Fault, Request};
use kit_limit::{
    concurrency::{ConcurrencyLimitLayer, ConcurrencyLimited, Fixed},
    rate::{Rate, RateLimitLayer, RateLimited},
};
use kit_metrics::{GrpcServer, HttpServer, Prometheus, RedLayer};
use kit_trace::{
    Sampling, ServerSpanLayer,
    hook::SpanHook,
    log::{AccessLog, Filter, Format, Lines},
    otel::{Pipeline, resource},
};
use kit_transport::{Hook, RequestIds};
use kit_transport_grpc::{GrpcLayer, Server as Grpc, Unary};
use kit_transport_http::{Server, json, query};
use std::{convert::Infallible, io, thread, time::Duration};
use tonic::{Response, Status, Streaming};
use tower::{Layer, service_fn};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::{Layer as _, prelude::*};

/// Why there is no greeting.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Name(#[from] EmptyName),
    #[error(transparent)]
    Expired(#[from] Expired),
    #[error(transparent)]
    Open(#[from] Open),
    #[error(transparent)]
    ConcurrencyLimited(#[from] ConcurrencyLimited),
    #[error(transparent)]
    RateLimited(#[from] RateLimited),
    #[error(transparent)]
    Denied(#[from] Denied),
}

impl Fault for Error {
    fn inner(&self) -> Option<&dyn Fault> {
        Some(match self {
            Self::Name(fault) => fault,
            Self::Expired(fact) => fact,
            Self::Open(fact) => fact,
            Self::ConcurrencyLimited(fact) => fact,
            Self::RateLimited(fact) => fact,
            Self::Denied(fact) => fact,
        })
    }
}

/// The generated trait, of which one method is measured.
struct OnlyGreet<U>(U);

type None = tokio_stream::Empty<Result<Reply, Status>>;

#[tonic::async_trait]
impl<U: Unary<Ask, Reply>> Bench for OnlyGreet<U> {
    async fn greet(&self, request: tonic::Request<Ask>) -> Result<Response<Reply>, Status> {
        self.0.serve(request).await
    }

    type ManyStream = None;

    async fn many(&self, _: tonic::Request<Ask>) -> Result<Response<None>, Status> {
        Err(Status::unimplemented("not measured"))
    }

    async fn gather(&self, _: tonic::Request<Streaming<Ask>>) -> Result<Response<Reply>, Status> {
        Err(Status::unimplemented("not measured"))
    }

    type ChatStream = None;

    async fn chat(&self, _: tonic::Request<Streaming<Ask>>) -> Result<Response<None>, Status> {
        Err(Status::unimplemented("not measured"))
    }
}

fn decode(Ask { name, .. }: Ask) -> Result<Hello, Infallible> {
    Ok(Hello { name })
}

fn encode(Greeting { greeting }: Greeting) -> Result<Reply, Infallible> {
    Ok(Reply { greeting })
}

/// The endpoint over HTTP. No function: its type has no short name.
macro_rules! web {
    ($endpoint:expr, $hook:expr) => {
        Server::new($endpoint, query::decode, json::encode).route("/greeting").hook($hook)
    };
}

/// The endpoint over gRPC.
macro_rules! rpc {
    ($endpoint:expr, $hook:expr) => {{
        let greet = Grpc::new($endpoint, decode, encode);
        GrpcLayer::new().hook($hook).layer(BenchServer::new(OnlyGreet(greet)))
    }};
}

fn main() -> Result<(), BoxError> {
    let job = job()?;
    let (over, upto) = job.split_once(' ').ok_or("over what, and up to which layer?")?;
    let key = Key::secret(Algorithm::HS256, &SECRET)?.id(KEY_ID);
    let auth =
        Auth::new(Verifier::<Claims>::new(KeySet::new([key])?, ISSUER, AUDIENCE).cache(1000));
    let metrics = Prometheus::new();

    let none = service_fn(|hello: Request<Hello>| async { Ok(greet(hello.into_message()).await?) });
    let deadline = DeadlineLayer::of_request().default(Duration::from_secs(5)).layer(none);
    let breaker = BreakerLayer::new(Limits::default()).layer(deadline.clone());
    let limits = (
        RateLimitLayer::new(Rate::per_second(1_000_000)),
        ConcurrencyLimitLayer::new(Fixed::new(100)),
    );
    let limit = limits.layer(breaker.clone());
    let known = auth.layer().layer(limit.clone());
    let red = RedLayer::new(metrics.clone(), "endpoint", &[("endpoint", "greeting")]);
    let red = red.layer(known.clone());
    let (http, grpc) = (HttpServer::new(metrics.clone()), GrpcServer::new(metrics));
    let http = (http, auth.hook());
    let grpc = (grpc.methods(["bench.v1.Bench/Greet"]), auth.hook());
    let spans = ServerSpanLayer::new().sampling(Sampling::ratio(SAMPLED));
    let lines = (RequestIds, AccessLog);

    match (over, upto) {
        (_, "none") => serve(over, none, ()),
        (_, "deadline") => serve(over, deadline, ()),
        (_, "breaker") => serve(over, breaker, ()),
        (_, "limit") => serve(over, limit, ()),
        (_, "auth") => serve(over, known, auth.hook()),
        (_, "red") => serve(over, red, auth.hook()),
        ("http", "metrics") => serve(over, red, http),
        (_, "metrics") => serve(over, red, grpc),
        ("http", "trace") => {
            trace(false)?;
            serve_one(TowerToHyperService::new(spans.layer(web!(red, (SpanHook, http)))))
        }
        (_, "trace") => {
            trace(false)?;
            serve_one(TowerToHyperService::new(spans.layer(rpc!(red, (SpanHook, grpc)))))
        }
        ("http", "log") => {
            trace(true)?;
            let hook = (lines.0, (SpanHook, (http, lines.1)));
            serve_one(TowerToHyperService::new(spans.layer(web!(red, hook))))
        }
        (_, "log") => {
            trace(true)?;
            let hook = (lines.0, (SpanHook, (grpc, lines.1)));
            serve_one(TowerToHyperService::new(spans.layer(rpc!(red, hook))))
        }
        _ => Err("there is no such layer".into()),
    }
}

/// Records traces, and logs.
fn trace(logs: bool) -> Result<(), BoxError> {
    let pipeline = Pipeline::new(resource("greeter")).sampling(Sampling::ratio(SAMPLED));
    let (tracing, exporting) = pipeline.export(Nowhere);
    let runtime = kit_bench::runtime()?;
    thread::spawn(move || runtime.block_on(exporting.run()));
    let lines = logs.then(|| Filter::new("info")).transpose()?;
    let lines = lines.map(|filter| Lines::new(Format::Logfmt, io::sink).with_filter(filter));
    let spans = tracing.layer().with_filter(LevelFilter::INFO);
    Ok(tracing_subscriber::registry().with(spans).with(lines).try_init()?)
}

fn serve<E, H>(over: &str, endpoint: E, hook: H) -> Result<(), BoxError>
where
    E: Endpoint<Hello, Response = Greeting, Error = Error>,
    H: Hook<Observer: Send + 'static> + Send + Sync + 'static,
{
    match over {
        "http" => serve_one(TowerToHyperService::new(web!(endpoint, hook))),
        _ => serve_one(TowerToHyperService::new(rpc!(endpoint, hook))),
    }
}
