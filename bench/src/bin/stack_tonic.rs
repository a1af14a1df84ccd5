//! Everything on, by hand, over gRPC: tonic and its interceptor, tower-http's layers,
//! governor, recloser, jsonwebtoken, the metrics facade and its exporter for
//! Prometheus, tracing-opentelemetry, and tracing-subscriber's compact lines.

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use hyper_util::service::TowerToHyperService;
use kit_bench::{
    BoxError, Greeting, Hello, Ids,
    by_hand::{Tokens, begin, telemetry},
    greet,
    pb::{
        Ask, Reply,
        bench_server::{Bench, BenchServer},
    },
    serve_one,
};
use metrics::{gauge, histogram};
use recloser::{AsyncRecloser, Error as Rejected, ErrorPredicate, Recloser};
use std::{num::NonZeroU32, sync::Arc, time::Duration};
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout},
};
use tonic::{Code, Request, Response, Status, Streaming, service::InterceptorLayer};
use tower::ServiceBuilder;
use tower_http::{
    request_id::{PropagateRequestIdLayer, SetRequestIdLayer},
    trace::TraceLayer,
};
use tracing::{Span, field::Empty, info, info_span};

const LIMIT: Duration = Duration::from_secs(5);

struct ByHand {
    breaker: AsyncRecloser,
    places: Arc<Semaphore>,
}

/// What is broken, and not what the caller got wrong.
struct Server;

impl ErrorPredicate<Status> for Server {
    fn is_err(&self, status: &Status) -> bool {
        matches!(
            status.code(),
            Code::Unknown | Code::DeadlineExceeded | Code::Internal | Code::Unavailable
        )
    }
}

impl ByHand {
    /// Measures and guards a call.
    async fn guarded<T>(
        &self,
        method: &'static str,
        call: impl Future<Output = Result<T, Status>>,
    ) -> Result<T, Status> {
        let begun = Instant::now();
        let active = gauge!("rpc_server_active_calls");
        active.increment(1.0);
        let reply = self.within(call).await;
        active.decrement(1.0);
        let code = reply.as_ref().map_or_else(Status::code, |_| Code::Ok);
        let span = Span::current();
        span.record("rpc.response.status_code", tracing::field::debug(code));
        let duration = histogram!(
            "rpc_server_call_duration_seconds",
            "rpc_method" => method,
            "rpc_response_status_code" => format!("{code:?}"),
        );
        duration.record(begun.elapsed());
        reply
    }

    async fn within<T>(&self, call: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
        let _place = self.places.try_acquire().map_err(|_| Status::unavailable("too busy"))?;
        let call = async {
            let late = |_| Status::deadline_exceeded("it took too long");
            timeout(LIMIT, call).await.map_err(late)?
        };
        self.breaker.call_with(Server, call).await.map_err(|error| match error {
            Rejected::Inner(status) => status,
            Rejected::Rejected => Status::unavailable("it is broken"),
        })
    }
}

type None = tokio_stream::Empty<Result<Reply, Status>>;

#[tonic::async_trait]
impl Bench for ByHand {
    async fn greet(&self, request: Request<Ask>) -> Result<Response<Reply>, Status> {
        let Ask { name, .. } = request.into_inner();
        let call = async {
            let greeting = greet(Hello { name }).await;
            greeting.map_err(|error| Status::invalid_argument(error.to_string()))
        };
        let Greeting { greeting } = self.guarded("bench.v1.Bench/Greet", call).await?;
        Ok(Response::new(Reply { greeting }))
    }

    type ManyStream = None;

    async fn many(&self, _: Request<Ask>) -> Result<Response<None>, Status> {
        Err(Status::unimplemented("not measured"))
    }

    async fn gather(&self, _: Request<Streaming<Ask>>) -> Result<Response<Reply>, Status> {
        Err(Status::unimplemented("not measured"))
    }

    type ChatStream = None;

    async fn chat(&self, _: Request<Streaming<Ask>>) -> Result<Response<None>, Status> {
        Err(Status::unimplemented("not measured"))
    }
}

fn span<B>(request: &http::Request<B>) -> Span {
    let (uri, headers) = (request.uri(), request.headers());
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let method = uri.path().trim_start_matches('/');
    let span = info_span!(
        "server",
        "otel.name" = method,
        "otel.kind" = "server",
        "otel.status_code" = Empty,
        "rpc.system.name" = "grpc",
        "rpc.method" = method,
        "rpc.response.status_code" = Empty,
        "server.address" = uri.host(),
        "server.port" = uri.port_u16(),
        "error.type" = Empty,
        request_id = text("x-request-id"),
        trace_id = Empty,
        span_id = Empty,
    );
    begin(&span, headers);
    span
}

fn replied<B>(response: &http::Response<B>, latency: Duration, _: &Span) {
    let status = response.status().as_u16();
    let duration = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
    info!(target: "access", status, duration_us = duration, "request");
}

fn main() -> Result<(), BoxError> {
    telemetry()?;
    let burst = NonZeroU32::new(1_000_000).ok_or("it is not zero")?;
    let limit: DefaultDirectRateLimiter = RateLimiter::direct(Quota::per_second(burst));
    let (tokens, limit) = (Arc::new(Tokens::new()), Arc::new(limit));
    let let_in = move |mut request: Request<()>| {
        let headers = request.metadata().as_ref();
        let claims = tokens.check(headers);
        let claims = claims.ok_or_else(|| Status::unauthenticated("who are you?"))?;
        limit.check().map_err(|_| Status::resource_exhausted("too often"))?;
        request.extensions_mut().insert(claims);
        Ok(request)
    };
    let breaker = AsyncRecloser::from(Recloser::custom().error_rate(0.5).closed_len(100).build());
    let spans = TraceLayer::new_for_grpc()
        .make_span_with(span)
        .on_request(())
        .on_response(replied)
        .on_body_chunk(())
        .on_eos(())
        .on_failure(());
    let service = ServiceBuilder::new()
        .layer(SetRequestIdLayer::x_request_id(Ids))
        .layer(spans)
        .layer(PropagateRequestIdLayer::x_request_id())
        .layer(InterceptorLayer::new(let_in))
        .service(BenchServer::new(ByHand { breaker, places: Arc::new(Semaphore::new(100)) }));
    serve_one(TowerToHyperService::new(service))
}
