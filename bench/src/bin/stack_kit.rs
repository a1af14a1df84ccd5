//! Everything on, with the kit, over HTTP (`stack_kit http`) or gRPC (`stack_kit grpc`).

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
use kit_endpoint::{DeadlineLayer, Expired, Fault, Request};
use kit_limit::{
    concurrency::{ConcurrencyLimitLayer, ConcurrencyLimited, Fixed},
    rate::{Rate, RateLimitLayer, RateLimited},
};
use kit_metrics::{GrpcServer, HttpServer, Prometheus};
use kit_trace::{
    Sampling, ServerSpanLayer,
    hook::SpanHook,
    log::{AccessLog, Filter, Format, Lines},
    otel::{Pipeline, resource},
};
use kit_transport::RequestIds;
use kit_transport_grpc::{GrpcLayer, Server as Grpc, Unary};
use kit_transport_http::{Server, json, query};
use std::{convert::Infallible, io, thread, time::Duration};
use tonic::{Response, Status, Streaming};
use tower::{Layer, ServiceBuilder};
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

fn main() -> Result<(), BoxError> {
    telemetry()?;
    let key = Key::secret(Algorithm::HS256, &SECRET)?.id(KEY_ID);
    let auth =
        Auth::new(Verifier::<Claims>::new(KeySet::new([key])?, ISSUER, AUDIENCE).cache(1000));
    let metrics = Prometheus::new();
    let endpoint = ServiceBuilder::new()
        .layer(auth.layer())
        .layer(RateLimitLayer::new(Rate::per_second(1_000_000)))
        .layer(ConcurrencyLimitLayer::new(Fixed::new(100)))
        .layer(BreakerLayer::new(Limits::default().failure_rate(0.5)))
        .layer(DeadlineLayer::of_request().default(Duration::from_secs(5)))
        .service_fn(|hello: Request<Hello>| async {
            Ok::<_, Error>(greet(hello.into_message()).await?)
        });
    let grpc = GrpcServer::new(metrics.clone()).methods(["bench.v1.Bench/Greet"]);
    let spans = ServerSpanLayer::new().sampling(Sampling::ratio(SAMPLED));
    let hook = (auth.hook(), (RequestIds, (SpanHook, AccessLog)));
    if job()? == "http" {
        let server = Server::new(endpoint, query::decode, json::encode).route("/greeting");
        let server = server.hook((HttpServer::new(metrics), hook));
        serve_one(TowerToHyperService::new(spans.layer(server)))
    } else {
        let server = BenchServer::new(OnlyGreet(Grpc::new(endpoint, decode, encode)));
        let server = GrpcLayer::new().hook((grpc, hook)).layer(server);
        serve_one(TowerToHyperService::new(spans.layer(server)))
    }
}

/// Records traces, and logs.
fn telemetry() -> Result<(), BoxError> {
    let pipeline = Pipeline::new(resource("greeter")).sampling(Sampling::ratio(SAMPLED));
    let (tracing, exporting) = pipeline.export(Nowhere);
    let runtime = kit_bench::runtime()?;
    thread::spawn(move || runtime.block_on(exporting.run()));
    let lines = Lines::new(Format::Logfmt, io::sink).with_filter(Filter::new("info")?);
    let spans = tracing.layer().with_filter(LevelFilter::INFO);
    Ok(tracing_subscriber::registry().with(spans).with(lines).try_init()?)
}
