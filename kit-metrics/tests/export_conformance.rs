//! Each exporter, as the suite for exporters wants it, with a receiver that
//! reads its protocol.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use kit_metrics::{
    Registry,
    conformance::{self, Distribution, Received, Subject},
    export::{
        Error, Export, Push,
        cloudwatch::{self, CloudWatch, Emf, PutMetricData},
        dogstatsd::DogStatsd,
        graphite::Graphite,
        influx::{self, Influx},
        otlp::{self, Otlp},
        statsd::{self, Statsd},
    },
    registry::Histogram,
};
use opentelemetry_proto::tonic::{
    collector::metrics::v1::{
        ExportMetricsServiceRequest, ExportMetricsServiceResponse,
        metrics_service_server::{MetricsService, MetricsServiceServer},
    },
    common::v1::{KeyValue, any_value},
    metrics::v1::{metric::Data, number_data_point},
};
use std::{
    collections::BTreeMap,
    future::ready,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::AsyncReadExt,
    net::{TcpListener, UdpSocket},
    time::timeout,
};
use tower::util::BoxCloneSyncService;

type Labels = Vec<(String, String)>;

/// An exporter, and a receiver `R` of its protocol.
struct Tried<E, R> {
    registry: Registry,
    exporter: Option<E>,
    receiver: R,
    received: Received,
    tells_of_zero: bool,
}

/// What receives a protocol.
trait Receiver {
    /// Takes what one export says.
    async fn receive<T: Send + 'static>(
        &mut self,
        export: impl Future<Output = T> + Send,
        to: &mut Received,
    ) -> T;

    /// Is away meanwhile.
    async fn away<T>(&mut self, export: impl Future<Output = T>) -> T;
}

impl<E, R> Tried<E, R> {
    fn new(exporter: E, receiver: R) -> Self {
        let registry = Registry::new();
        Self {
            registry,
            exporter: Some(exporter),
            receiver,
            received: Received::default(),
            tells_of_zero: true,
        }
    }

    /// Its protocol has differences, and so nothing to say of a counter at 0.
    fn of_differences(mut self) -> Self {
        self.tells_of_zero = false;
        self
    }
}

impl<E: Export + 'static, R: Receiver> Subject for Tried<E, R> {
    fn registry(&self) -> &Registry {
        &self.registry
    }

    async fn export(&mut self) {
        let reading = self.registry.read();
        let export = self.exporter.as_mut().unwrap().export(&reading);
        self.receiver.receive(export, &mut self.received).await.unwrap();
    }

    async fn lose(&mut self) {
        let reading = self.registry.read();
        let export = self.exporter.as_mut().unwrap().export(&reading);
        self.receiver.away(export).await.unwrap_err();
    }

    async fn shut_down(&mut self) {
        let push = Push::new(self.registry.clone(), self.exporter.take().unwrap());
        self.receiver.receive(push.run(ready(())), &mut self.received).await.unwrap();
    }

    fn received(&self) -> &Received {
        &self.received
    }

    fn tells_of_zero(&self) -> bool {
        self.tells_of_zero
    }
}

/// `k=v` pairs.
#[expect(single_use_lifetimes, reason = "it cannot be elided here")]
fn labels<'a>(pairs: impl Iterator<Item = &'a str>, between: char) -> Labels {
    let pair = |pair: &str| {
        let (name, value) = pair.split_once(between).unwrap();
        (name.to_owned(), value.to_owned())
    };
    pairs.map(pair).collect()
}

// ===== statsd and DogStatsD =====

struct Datagrams {
    socket: Option<UdpSocket>,
    address: SocketAddr,
    take: fn(&str, &mut Received),
}

impl Datagrams {
    fn new(take: fn(&str, &mut Received)) -> Self {
        let socket = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket.set_nonblocking(true).unwrap();
        let address = socket.local_addr().unwrap();
        Self { socket: Some(UdpSocket::from_std(socket).unwrap()), address, take }
    }
}

impl Receiver for Datagrams {
    async fn receive<T: Send + 'static>(
        &mut self,
        export: impl Future<Output = T> + Send,
        to: &mut Received,
    ) -> T {
        let done = export.await;
        let socket = self.socket.as_ref().unwrap();
        let mut buffer = vec![0; 65_536];
        // On the loopback interface all is there when it is sent.
        while let Ok(size) = timeout(Duration::from_millis(20), socket.recv(&mut buffer)).await {
            let datagram = str::from_utf8(&buffer[..size.unwrap()]).unwrap();
            datagram.lines().for_each(|line| (self.take)(line, to));
        }
        done
    }

    async fn away<T>(&mut self, export: impl Future<Output = T>) -> T {
        self.socket = None;
        let done = export.await;
        self.socket = Some(UdpSocket::bind(self.address).await.unwrap());
        done
    }
}

/// As a server does: a sign is a step, and a rate weighs.
fn take_statsd(line: &str, to: &mut Received) {
    let (name, value) = line.split_once(':').unwrap();
    let mut name = name.split(',');
    let (name, labels) = (name.next().unwrap(), labels(name, '='));
    let mut parts = value.split('|');
    let (value, kind) = (parts.next().unwrap(), parts.next().unwrap());
    take(to, name, &labels, value, kind, parts.next());
}

fn take_dogstatsd(line: &str, to: &mut Received) {
    let (line, tags) = line.split_once("|#").unwrap_or((line, ""));
    let labels = labels(tags.split(',').filter(|tag| !tag.is_empty()), ':');
    let (name, value) = line.split_once(':').unwrap();
    let mut parts = value.split('|');
    let (value, kind) = (parts.next().unwrap(), parts.next().unwrap());
    if kind == "g" {
        // Its gauges have no steps.
        return to.level(name, &labels, value.parse().unwrap());
    }
    take(to, name, &labels, value, kind, parts.next());
}

fn take(
    to: &mut Received,
    name: &str,
    labels: &Labels,
    value: &str,
    kind: &str,
    rate: Option<&str>,
) {
    let number: f64 = value.parse().unwrap();
    match kind {
        "c" => to.added(name, labels, value.parse().unwrap()),
        "g" if value.starts_with(['+', '-']) => to.step(name, labels, number),
        "g" => to.level(name, labels, number),
        "ms" | "d" | "h" => {
            let rate: f64 =
                rate.map_or(1.0, |rate| rate.strip_prefix('@').unwrap().parse().unwrap());
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "it is whole"
            )]
            let times = (1.0 / rate) as u64;
            to.value(name, labels, number, times);
        }
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn statsd_does() {
    conformance::all(|| {
        let receiver = Datagrams::new(take_statsd);
        let statsd = Statsd::udp(receiver.address.to_string());
        Tried::new(statsd.labels(statsd::Labels::Influx), receiver).of_differences()
    })
    .await;
}

#[tokio::test]
async fn dogstatsd_does() {
    conformance::all(|| {
        let receiver = Datagrams::new(take_dogstatsd);
        Tried::new(DogStatsd::udp(receiver.address.to_string()), receiver).of_differences()
    })
    .await;
}

// ===== Graphite =====

struct Carbon {
    address: SocketAddr,
    listener: Option<TcpListener>,
    /// Points, so that one that comes twice is one.
    points: BTreeMap<(String, u64), f64>,
    sent: u64,
}

impl Carbon {
    fn listen(address: SocketAddr) -> TcpListener {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(address).unwrap();
        socket.listen(16).unwrap()
    }

    fn new() -> Self {
        let listener = Self::listen((Ipv4Addr::LOCALHOST, 0).into());
        let address = listener.local_addr().unwrap();
        Self { address, listener: Some(listener), points: BTreeMap::new(), sent: 0 }
    }

    fn take(&mut self, text: &str, to: &mut Received) {
        // All points of the suite are of one second: each export is its own.
        self.sent += 1;
        for line in text.lines() {
            let mut words = line.split(' ');
            let (path, value) = (words.next().unwrap(), words.next().unwrap());
            let key = (path.to_owned(), self.sent);
            let sum = self.points.entry(key).or_default();
            let value: f64 = value.parse().unwrap();
            if path.contains("gauge") || path.contains("levels") {
                *sum = value;
            } else {
                *sum += value;
            }
        }
        let mut histograms: BTreeMap<(String, Labels), BTreeMap<u64, (f64, u64)>> = BTreeMap::new();
        let mut sums = BTreeMap::new();
        let mut totals: BTreeMap<(String, Labels), f64> = BTreeMap::new();
        for ((path, _), value) in &self.points {
            let mut parts = path.split(';');
            let (name, labels) = (parts.next().unwrap(), labels(parts, '='));
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "it is whole"
            )]
            let count = *value as u64;
            if let Some((name, bound)) = name.split_once(".le.") {
                let bound = if bound == "inf" {
                    f64::INFINITY
                } else {
                    bound.replace('_', ".").parse().unwrap()
                };
                let buckets = histograms.entry((name.to_owned(), labels)).or_default();
                buckets.entry(bound.to_bits()).or_insert((bound, 0)).1 += count;
            } else if let Some(name) = name.strip_suffix(".sum") {
                *sums.entry((name.to_owned(), labels)).or_insert(0.0) += value;
            } else if name.strip_suffix(".count").is_some() {
            } else if name.contains("gauge") || name.contains("levels") {
                to.level(name, &labels, *value);
            } else {
                *totals.entry((name.to_owned(), labels)).or_default() += value;
            }
        }
        for ((name, labels), total) in totals {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "it is whole"
            )]
            to.total(&name, &labels, total as u64);
        }
        for ((name, labels), buckets) in histograms {
            let mut below = 0;
            let counts =
                buckets.values().map(|(_, count)| count - std::mem::replace(&mut below, *count));
            let counts = counts.collect();
            let bounds = buckets
                .values()
                .map(|(bound, _)| *bound)
                .filter(|bound| bound.is_finite())
                .collect();
            let sum = sums[&(name.clone(), labels.clone())];
            let exemplars = Vec::new();
            to.buckets(&name, &labels, &Histogram { bounds, counts, sum, exemplars });
        }
    }
}

impl Receiver for Carbon {
    async fn receive<T: Send + 'static>(
        &mut self,
        export: impl Future<Output = T> + Send,
        to: &mut Received,
    ) -> T {
        let listener = self.listener.as_ref().unwrap();
        let read = async {
            let mut text = String::new();
            let accepted = timeout(Duration::from_secs(5), listener.accept()).await;
            let (mut stream, _) = accepted.expect("an export connects").unwrap();
            stream.read_to_string(&mut text).await.unwrap();
            text
        };
        let (done, text) = tokio::join!(export, read);
        self.take(&text, to);
        done
    }

    async fn away<T>(&mut self, export: impl Future<Output = T>) -> T {
        self.listener = None;
        let done = export.await;
        self.listener = Some(Self::listen(self.address));
        done
    }
}

#[tokio::test]
async fn graphite_does() {
    conformance::all(|| {
        let receiver = Carbon::new();
        Tried::new(Graphite::tcp(receiver.address.to_string()).tagged().buckets(), receiver)
    })
    .await;
}

// ===== over HTTP and gRPC =====

/// Requests of a protocol, and whether they are taken.
struct Requests<T> {
    taken: Arc<Mutex<Vec<T>>>,
    is_away: Arc<AtomicBool>,
}

impl<T> Default for Requests<T> {
    fn default() -> Self {
        Self { taken: Arc::default(), is_away: Arc::default() }
    }
}

impl<T> Clone for Requests<T> {
    fn clone(&self) -> Self {
        Self { taken: Arc::clone(&self.taken), is_away: Arc::clone(&self.is_away) }
    }
}

impl<T> Requests<T> {
    fn take(&self, request: T) -> Result<(), Error> {
        if self.is_away.load(Ordering::Relaxed) {
            return Err(Error::other("nobody is there"));
        }
        self.taken.lock().unwrap().push(request);
        Ok(())
    }
}

struct Server<T> {
    requests: Requests<T>,
    take: fn(&T, &mut Received),
}

impl<Q> Receiver for Server<Q> {
    async fn receive<T: Send + 'static>(
        &mut self,
        export: impl Future<Output = T> + Send,
        to: &mut Received,
    ) -> T {
        let done = export.await;
        for request in self.requests.taken.lock().unwrap().drain(..) {
            (self.take)(&request, to);
        }
        done
    }

    async fn away<T>(&mut self, export: impl Future<Output = T>) -> T {
        self.requests.is_away.store(true, Ordering::Relaxed);
        let done = export.await;
        self.requests.is_away.store(false, Ordering::Relaxed);
        done
    }
}

type Client = BoxCloneSyncService<Request<Full<Bytes>>, Response<Full<Bytes>>, Error>;

/// A client whose requests are kept, as `read` reads them.
fn client<T: Send + 'static>(requests: &Requests<T>, read: fn(Bytes) -> T) -> Client {
    let requests = requests.clone();
    BoxCloneSyncService::new(tower::service_fn(move |request: Request<Full<Bytes>>| {
        let requests = requests.clone();
        async move {
            let body = request.into_body().collect().await.unwrap().to_bytes();
            let status = match requests.take(read(body)) {
                Ok(()) => StatusCode::OK,
                Err(_) => StatusCode::SERVICE_UNAVAILABLE,
            };
            Ok(Response::builder().status(status).body(Full::default()).unwrap())
        }
    }))
}

impl<T> Requests<T> {
    fn server(&self, take: fn(&T, &mut Received)) -> Server<T> {
        Server { requests: self.clone(), take }
    }
}

#[expect(clippy::ptr_arg, reason = "the requests are strings")]
fn take_influx(body: &String, to: &mut Received) {
    for line in body.lines() {
        let mut words = line.split(' ');
        let (key, fields) = (words.next().unwrap(), words.next().unwrap());
        let mut key = key.split(',');
        let (name, tags) = (key.next().unwrap(), labels(key, '='));
        let fields: BTreeMap<_, _> =
            fields.split(',').map(|field| field.split_once('=').unwrap()).collect();
        let count =
            fields.get("count").map(|count| count.strip_suffix('i').unwrap().parse().unwrap());
        match (fields.get("value"), count, fields.get("sum")) {
            (Some(level), ..) => to.level(name, &tags, level.parse().unwrap()),
            (_, Some(count), Some(sum)) => {
                // Cumulative; the quantiles are of what was added.
                let sum = Some(sum.parse().unwrap());
                to.distribution(name, &tags, Distribution { count, sum, quantiles: None });
            }
            (_, Some(total), None) => to.total(name, &tags, total),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn influx_does() {
    conformance::all(|| {
        let requests = Requests::<String>::default();
        let client = client(&requests, |body| String::from_utf8(body.to_vec()).unwrap());
        let influx: Influx<influx::Http<Client>> =
            Influx::v1("http://influx.test:8086", "db").unwrap().client(client);
        Tried::new(influx.cumulative(), requests.server(take_influx))
    })
    .await;
}

fn attributes(attributes: &[KeyValue]) -> Labels {
    let attribute = |attribute: &KeyValue| match &attribute.value.as_ref().unwrap().value {
        Some(any_value::Value::StringValue(value)) => (attribute.key.clone(), value.clone()),
        other => panic!("{other:?}"),
    };
    attributes.iter().map(attribute).collect()
}

fn take_otlp(request: &ExportMetricsServiceRequest, to: &mut Received) {
    for metric in &request.resource_metrics[0].scope_metrics[0].metrics {
        let (numbers, histograms) = match metric.data.as_ref().unwrap() {
            Data::Sum(sum) => (&sum.data_points[..], &[][..]),
            Data::Gauge(gauge) => (&gauge.data_points[..], &[][..]),
            Data::Histogram(histogram) => (&[][..], &histogram.data_points[..]),
            other => panic!("{other:?}"),
        };
        for point in numbers {
            let labels = attributes(&point.attributes);
            match point.value.unwrap() {
                number_data_point::Value::AsInt(total) => {
                    to.total(&metric.name, &labels, total.try_into().unwrap());
                }
                number_data_point::Value::AsDouble(level) => to.level(&metric.name, &labels, level),
            }
        }
        for point in histograms {
            let histogram = Histogram {
                bounds: point.explicit_bounds.clone().into(),
                counts: point.bucket_counts.clone(),
                sum: point.sum.unwrap(),
                exemplars: Vec::new(),
            };
            to.buckets(&metric.name, &attributes(&point.attributes), &histogram);
        }
    }
}

#[tokio::test]
async fn otlp_over_http_does() {
    conformance::all(|| {
        let requests = Requests::default();
        let client = client(&requests, |body| prost::Message::decode(body).unwrap());
        let otlp: Otlp<otlp::Http<Client>> =
            Otlp::http("http://collector.test:4318").unwrap().client(client);
        Tried::new(otlp, requests.server(take_otlp))
    })
    .await;
}

#[tonic::async_trait]
impl MetricsService for Requests<ExportMetricsServiceRequest> {
    async fn export(
        &self,
        request: tonic::Request<ExportMetricsServiceRequest>,
    ) -> Result<tonic::Response<ExportMetricsServiceResponse>, tonic::Status> {
        let taken = self.take(request.into_inner());
        taken.map_err(|error| tonic::Status::unavailable(error.to_string()))?;
        Ok(tonic::Response::new(ExportMetricsServiceResponse::default()))
    }
}

#[tokio::test]
async fn otlp_over_grpc_does() {
    conformance::all(|| {
        let requests = Requests::default();
        let otlp = Otlp::grpc(MetricsServiceServer::new(requests.clone()));
        Tried::new(otlp, requests.server(take_otlp))
    })
    .await;
}

// ===== CloudWatch =====

impl PutMetricData for Requests<cloudwatch::Request> {
    async fn put_metric_data(&mut self, request: &cloudwatch::Request) -> Result<(), Error> {
        self.take(request.clone())
    }
}

/// A value of CloudWatch is a number, and how often it was there.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "they are whole")]
fn take_values(to: &mut Received, name: &str, labels: &Labels, values: &[f64], counts: &[f64]) {
    if name.contains("histogram") || name.contains("values") {
        for (value, count) in values.iter().zip(counts) {
            to.value(name, labels, *value, *count as u64);
        }
    } else if name.contains("gauge") || name.contains("levels") {
        to.level(name, labels, values[0]);
    } else {
        to.added(name, labels, values[0] as u64);
    }
}

fn take_cloudwatch(request: &cloudwatch::Request, to: &mut Received) {
    for datum in &request.data {
        take_values(to, &datum.name, &datum.dimensions, &datum.values, &datum.counts);
    }
}

#[tokio::test]
async fn cloudwatch_does() {
    conformance::all(|| {
        let requests = Requests::default();
        let cloudwatch = CloudWatch::new("Suite", requests.clone());
        Tried::new(cloudwatch, requests.server(take_cloudwatch)).of_differences()
    })
    .await;
}

/// A pipe whose other end is read, or gone.
struct Lines {
    log: Log,
}

#[derive(Clone, Default)]
struct Log(Requests<Vec<u8>>);

impl tokio::io::AsyncWrite for Log {
    fn poll_write(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        bytes: &[u8],
    ) -> std::task::Poll<std::io::Result<usize>> {
        let taken = self.0.take(bytes.to_vec());
        std::task::Poll::Ready(taken.map(|()| bytes.len()).map_err(std::io::Error::other))
    }

    fn poll_flush(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn poll_shutdown(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::task::Poll::Ready(Ok(()))
    }
}

fn take_emf(line: &str, to: &mut Received) {
    let line: serde_json::Value = serde_json::from_str(line).unwrap();
    let directive = &line["_aws"]["CloudWatchMetrics"][0];
    let dimensions = directive["Dimensions"][0].as_array().unwrap();
    let dimension = |name: &serde_json::Value| {
        let name = name.as_str().unwrap();
        (name.to_owned(), line[name].as_str().unwrap().to_owned())
    };
    let labels: Labels = dimensions.iter().map(dimension).collect();
    for metric in directive["Metrics"].as_array().unwrap() {
        let name = metric["Name"].as_str().unwrap();
        let numbers = |part: &str| -> Option<Vec<f64>> {
            let list = line[name].get(part)?.as_array()?;
            Some(list.iter().map(|number| number.as_f64().unwrap()).collect())
        };
        match (numbers("Values"), numbers("Counts"), line[name].as_f64()) {
            (Some(values), Some(counts), _) => take_values(to, name, &labels, &values, &counts),
            (_, _, Some(value)) => take_values(to, name, &labels, &[value], &[1.0]),
            other => panic!("{other:?}"),
        }
    }
}

impl Receiver for Lines {
    async fn receive<T: Send + 'static>(
        &mut self,
        export: impl Future<Output = T> + Send,
        to: &mut Received,
    ) -> T {
        let done = export.await;
        let bytes: Vec<u8> = self.log.0.taken.lock().unwrap().drain(..).flatten().collect();
        let text = String::from_utf8(bytes).unwrap();
        text.lines().filter(|line| !line.is_empty()).for_each(|line| take_emf(line, to));
        done
    }

    async fn away<T>(&mut self, export: impl Future<Output = T>) -> T {
        self.log.0.is_away.store(true, Ordering::Relaxed);
        let done = export.await;
        self.log.0.is_away.store(false, Ordering::Relaxed);
        done
    }
}

#[tokio::test]
async fn emf_does() {
    conformance::all(|| {
        let log = Log::default();
        Tried::new(Emf::new("Suite", log.clone()), Lines { log }).of_differences()
    })
    .await;
}
