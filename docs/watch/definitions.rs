//! Every metric there is: one of every component, asked for what it says.

use http::StatusCode;
use kit_auth::{
    Auth,
    basic::{Basic, Htpasswd},
};
use kit_breaker::{Circuit, FallbackLayer, Limits, Window, keyed::Circuits, throttle::Throttle};
use kit_debug::guard::Guard;
use kit_endpoint::{Kind, Peer};
use kit_limit::{
    bulkhead::Compartment,
    concurrency::{Fixed, Limiter, Partitions},
    rate::{KeyedRateLimit, Rate, RateLimit},
};
use kit_metrics::{
    AnyError, GrpcClient, GrpcServer, HttpClient, HttpServer, Prometheus, RedLayer, Registry,
    export::{self, Export, Push},
    registry::Reading,
};
use kit_sd::{Endpointer, Health, Instance, Instances, Keeper, Registrar};
use kit_serve::{Listener, tls::Certificates};
use kit_trace::{
    log::{Filter, Format, Lines, Queue, Rate as LogRate, Sampling},
    otel::{Pipeline, Zipkin, resource},
};
use std::{
    collections::BTreeMap,
    convert::Infallible,
    future::{pending, ready},
    io,
    time::Duration,
};
use tokio::net::TcpStream;
use tower::{Layer, ServiceExt, service_fn};

/// A metric, as its component describes it and Prometheus spells it.
#[derive(Debug, PartialEq)]
pub(crate) struct Definition {
    pub(crate) name: String,
    pub(crate) shape: String,
    /// Those of all its series; one that does not apply is left out of it.
    pub(crate) labels: Vec<String>,
    pub(crate) help: String,
}

/// A registry that always takes the one instance.
struct Taking(Instance);

impl Registrar for Taking {
    type Error = Infallible;

    fn instance(&self) -> &Instance {
        &self.0
    }

    async fn register(&self, _: Health) -> Result<(), Infallible> {
        Ok(())
    }

    async fn renew(&self, _: Health) -> Result<bool, Infallible> {
        Ok(true)
    }

    fn period(&self) -> Duration {
        Duration::from_secs(10)
    }

    async fn deregister(&self) -> Result<(), Infallible> {
        Ok(())
    }
}

/// Where nobody comes.
struct Nobody;

impl Listener for Nobody {
    type Io = TcpStream;

    async fn accept(&mut self) -> io::Result<(TcpStream, Peer)> {
        pending().await
    }
}

/// Sends nothing anywhere.
struct Nowhere;

impl Export for Nowhere {
    async fn export(&mut self, _: &Reading) -> Result<(), export::Error> {
        Ok(())
    }
}

/// Returns every metric, sorted by name.
pub(crate) async fn all() -> Vec<Definition> {
    let metrics = Prometheus::new();
    calls(&metrics).await;
    components(metrics.registry());
    read(&metrics.render())
}

/// Measures some of each, in every way that has labels of its own.
async fn calls(metrics: &Prometheus) {
    let red = RedLayer::new(metrics.clone(), "endpoint", &[("endpoint", "greeting")]);
    let inner = service_fn(|(): ()| ready(Ok::<_, Infallible>(())));
    red.classify(AnyError).layer(inner).oneshot(()).await.expect("it cannot fail");
    let took = Duration::from_millis(1);
    let server = HttpServer::new(metrics.clone());
    server.begin("GET", Some("/a")).end(Some(StatusCode::BAD_GATEWAY), None, took);
    let client = HttpClient::new(metrics.clone(), "a", 1);
    client.begin("GET", Some("/a")).end(Some(StatusCode::BAD_GATEWAY), None, took);
    GrpcServer::new(metrics.clone()).begin("a.B/C").end(Some(Kind::Internal), took);
    GrpcClient::new(metrics.clone(), "a", 1).begin("a.B/C").end(Some(Kind::Internal), took);
}

fn components(registry: &Registry) {
    let limits = Limits::default().failure_rate(0.5).window(Window::Calls(100));
    registry.collect(Circuit::new("a", limits));
    let circuits: Circuits<String> = Circuits::new("a", limits);
    circuits.get("a");
    registry.collect(circuits);
    registry.collect(Throttle::new("a"));
    let fallback = FallbackLayer::new("a", |_: io::Error| ready(Ok::<(), io::Error>(())));
    registry.collect(fallback.uses().clone());

    let partitions = Partitions::new([("a", 0.5)]).expect("a share");
    registry.collect(Limiter::partitioned("a", Fixed::new(10), partitions));
    registry.collect(RateLimit::new("a", Rate::per_second(1)));
    registry.collect(KeyedRateLimit::<str>::new("a", Rate::per_second(1), 10));
    registry.collect(Compartment::new("a"));

    let (_, instances) = Instances::channel("a");
    registry.collect(instances.clone());
    let endpointer = Endpointer::spawn(instances, |_: &Instance| Ok::<(), Infallible>(()));
    registry.collect(endpointer.endpoints());
    let instance = Instance::new("a", "10.0.0.1:80".parse().expect("an address"));
    let registration = Keeper::new(Taking(instance)).spawn();
    registry.collect(registration.status());

    let users = Htpasswd::text("").expect("no users");
    registry.collect(Auth::new(Basic::new("a", users.clone())));
    registry.collect(users);
    registry.collect(Guard::new());
    registry.collect(kit_serve::serve(Nobody, axum::Router::new()).name("a").handle());
    let tests = concat!(env!("CARGO_MANIFEST_DIR"), "/../kit-transport/http/tests/tls/server");
    let certificates = Certificates::load(format!("{tests}.pem"), format!("{tests}.key"));
    registry.collect(certificates.expect("the certificates of tests"));

    registry.collect(Filter::new("info").expect("a filter"));
    registry.collect(Sampling::new(LogRate::first(1)));
    let (queue, writer) = Queue::new(io::sink(), 1024).expect("a thread");
    registry.collect(queue);
    drop(writer);
    registry.collect(Lines::new(Format::Json, io::sink).counts());
    let zipkin = Zipkin::new("http://127.0.0.1:9411").expect("an address");
    let (tracing, _) = Pipeline::new(resource("a")).export(zipkin);
    registry.collect(tracing);
    registry.collect(Push::new(Registry::new(), Nowhere).status());
}

/// Reads the metrics off a page.
fn read(page: &str) -> Vec<Definition> {
    let mut all: Vec<Definition> = Vec::new();
    let mut helps = BTreeMap::new();
    for line in page.lines() {
        if let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|l| l.split_once(' ')) {
            helps.insert(name, help);
        } else if let Some((name, shape)) =
            line.strip_prefix("# TYPE ").and_then(|l| l.split_once(' '))
        {
            let help = helps.get(name).copied().unwrap_or_default().to_owned();
            let (name, shape) = (name.to_owned(), shape.to_owned());
            all.push(Definition { name, shape, labels: Vec::new(), help });
        } else if let (Some((_, labels)), Some(last)) = (line.split_once('{'), all.last_mut()) {
            for (name, _) in labels.split("\",").filter_map(|label| label.split_once("=\"")) {
                if name != "le" && !last.labels.iter().any(|known| known == name) {
                    last.labels.push(name.to_owned());
                }
            }
        }
    }
    all
}
