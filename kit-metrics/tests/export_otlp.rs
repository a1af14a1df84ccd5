//! What a collector is sent, over HTTP and gRPC.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

mod export_support;

use bytes::Bytes;
use export_support::{AT, counter, gauge, metric, reading};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use kit_metrics::{
    Trace,
    export::{Export, otlp::Otlp},
    registry::{Exemplar, Histogram, Value},
};
use metrics::Unit;
use opentelemetry_proto::tonic::{
    collector::metrics::v1::{
        ExportMetricsPartialSuccess, ExportMetricsServiceRequest, ExportMetricsServiceResponse,
        metrics_service_server::{MetricsService, MetricsServiceServer},
    },
    common::v1::{KeyValue, any_value},
    metrics::v1::{AggregationTemporality, exemplar, metric::Data, number_data_point},
};
use prost::Message;
use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

const SECOND: u64 = 1_000_000_000;

fn text(attribute: &KeyValue) -> (&str, &str) {
    match attribute.value.as_ref().unwrap().value.as_ref().unwrap() {
        any_value::Value::StringValue(value) => (&attribute.key, value),
        other => panic!("{other:?}"),
    }
}

/// A collector: what it got, and what it answers.
#[derive(Clone, Default)]
struct Collector(Arc<Mutex<(Vec<ExportMetricsServiceRequest>, ExportMetricsServiceResponse)>>);

impl Collector {
    fn take(&self, request: ExportMetricsServiceRequest) -> ExportMetricsServiceResponse {
        let mut inner = self.0.lock().unwrap();
        inner.0.push(request);
        inner.1.clone()
    }

    fn requests(&self) -> Vec<ExportMetricsServiceRequest> {
        std::mem::take(&mut self.0.lock().unwrap().0)
    }
}

#[tonic::async_trait]
impl MetricsService for Collector {
    async fn export(
        &self,
        request: tonic::Request<ExportMetricsServiceRequest>,
    ) -> Result<tonic::Response<ExportMetricsServiceResponse>, tonic::Status> {
        let request = request.into_inner();
        if request.resource_metrics[0].resource.as_ref().unwrap().attributes.is_empty() {
            return Err(tonic::Status::unavailable("nobody's metrics"));
        }
        Ok(tonic::Response::new(self.take(request)))
    }
}

fn took() -> Value {
    let trace = Trace::new([7; 16], [9; 8]).unwrap();
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(AT - 5);
    Value::Histogram(Histogram {
        bounds: Arc::new([0.1, 0.5]),
        counts: vec![4, 2, 1],
        sum: 2.5,
        exemplars: vec![None, Some(Exemplar { trace, value: 0.3, at }), None],
    })
}

fn check(request: &ExportMetricsServiceRequest) {
    let resource = &request.resource_metrics[0];
    let attributes = &resource.resource.as_ref().unwrap().attributes;
    assert_eq!(attributes.iter().map(text).collect::<Vec<_>>(), [("service.name", "greeter")]);
    let scope = &resource.scope_metrics[0];
    assert_eq!(scope.scope.as_ref().unwrap().name, "kit-metrics");
    let [jobs, depth, took] = &scope.metrics[..] else { panic!("{:?}", scope.metrics) };

    assert_eq!(
        (&*jobs.name, &*jobs.unit, &*jobs.description),
        ("jobs.done", "", "What jobs.done is.")
    );
    let Some(Data::Sum(sum)) = &jobs.data else { panic!("{jobs:?}") };
    assert!(sum.is_monotonic);
    assert_eq!(sum.aggregation_temporality(), AggregationTemporality::Cumulative);
    let point = &sum.data_points[0];
    assert_eq!(point.attributes.iter().map(text).collect::<Vec<_>>(), [("queue", "a")]);
    assert_eq!(point.value, Some(number_data_point::Value::AsInt(3)));
    assert_eq!(point.start_time_unix_nano, (AT - 60) * SECOND);
    assert_eq!(point.time_unix_nano, AT * SECOND);

    assert_eq!(depth.unit, "By");
    let Some(Data::Gauge(gauge)) = &depth.data else { panic!("{depth:?}") };
    assert_eq!(gauge.data_points[0].value, Some(number_data_point::Value::AsDouble(-2.5)));

    assert_eq!(took.unit, "s");
    let Some(Data::Histogram(histogram)) = &took.data else { panic!("{took:?}") };
    assert_eq!(histogram.aggregation_temporality(), AggregationTemporality::Cumulative);
    let point = &histogram.data_points[0];
    assert_eq!((point.count, point.sum), (7, Some(2.5)));
    assert_eq!(
        (&point.bucket_counts[..], &point.explicit_bounds[..]),
        (&[4, 2, 1][..], &[0.1, 0.5][..])
    );
    assert_eq!(point.start_time_unix_nano, (AT - 60) * SECOND);
    let example = &point.exemplars[0];
    assert_eq!((&example.trace_id[..], &example.span_id[..]), (&[7; 16][..], &[9; 8][..]));
    assert_eq!(example.value, Some(exemplar::Value::AsDouble(0.3)));
    assert_eq!(example.time_unix_nano, (AT - 5) * SECOND);
}

fn metrics() -> [kit_metrics::registry::Metric; 3] {
    [
        metric("jobs.done", None, &[(&[("queue", "a")], Value::Counter(3))]),
        metric("depth", Some(Unit::Bytes), &[(&[], Value::Gauge(-2.5))]),
        metric("took", Some(Unit::Seconds), &[(&[], took())]),
    ]
}

/// The collector as a client over HTTP, which answers with `status`.
fn over_http(
    collector: &Collector,
    status: u16,
) -> impl tower::Service<
    Request<Full<Bytes>>,
    Response = Response<Full<Bytes>>,
    Error = Infallible,
    Future: Send,
> + Send
+ use<> {
    let collector = collector.clone();
    tower::service_fn(move |request: Request<Full<Bytes>>| {
        let collector = collector.clone();
        async move {
            assert_eq!(request.uri(), "http://collector.test:4318/v1/metrics");
            assert_eq!(request.headers()["content-type"], "application/x-protobuf");
            assert_eq!(request.headers()["x-key"], "secret");
            let body = request.into_body().collect().await.unwrap().to_bytes();
            let answer = collector.take(ExportMetricsServiceRequest::decode(body).unwrap());
            let body = Full::from(answer.encode_to_vec());
            Ok(Response::builder().status(status).body(body).unwrap())
        }
    })
}

fn http() -> Otlp {
    let otlp = Otlp::http("http://collector.test:4318/").unwrap();
    otlp.header("x-key", "secret").unwrap().resource(&[("service.name", "greeter")])
}

#[tokio::test]
async fn over_http_all_there_ever_was_is_sent() {
    let collector = Collector::default();
    let mut otlp = http().client(over_http(&collector, 200));
    for _ in 0..2 {
        otlp.export(&reading(0, &metrics())).await.unwrap();
        check(&collector.requests()[0]);
    }
}

#[tokio::test]
async fn over_grpc_it_is_the_same() {
    let collector = Collector::default();
    let otlp = Otlp::grpc(MetricsServiceServer::new(collector.clone()));
    let mut otlp = otlp.resource(&[("service.name", "greeter")]);
    otlp.export(&reading(0, &metrics())).await.unwrap();
    check(&collector.requests()[0]);
}

#[tokio::test]
async fn a_refusal_is_an_error() {
    let collector = Collector::default();
    let mut otlp = http().client(over_http(&collector, 503));
    let error = otlp.export(&reading(0, &[counter("a", 1)])).await.unwrap_err();
    assert_eq!(error.to_string(), "the server refused: 503 Service Unavailable");
    let mut otlp = Otlp::grpc(MetricsServiceServer::new(collector));
    let error = otlp.export(&reading(0, &[counter("a", 1)])).await.unwrap_err();
    assert_eq!(error.to_string(), "the server refused: Unavailable: nobody's metrics");
}

#[tokio::test]
async fn points_that_were_rejected_are_counted_and_a_warning_is_not() {
    let collector = Collector::default();
    let answer = |rejected_data_points| {
        let error_message = "too old".to_owned();
        let partial = ExportMetricsPartialSuccess { rejected_data_points, error_message };
        collector.0.lock().unwrap().1.partial_success = Some(partial);
    };
    let mut otlp = http().client(over_http(&collector, 200));
    answer(0);
    otlp.export(&reading(0, &[gauge("g", 1.0)])).await.unwrap();
    answer(2);
    let error = otlp.export(&reading(0, &[gauge("g", 1.0)])).await.unwrap_err();
    assert_eq!(error.to_string(), "the server refused: 2 points: too old");
    assert_eq!(otlp.dropped(), 2);
}

#[tokio::test]
async fn many_points_are_several_requests() {
    let collector = Collector::default();
    let mut otlp = http().client(over_http(&collector, 200));
    let names: Vec<String> = (0..12_001).map(|n| n.to_string()).collect();
    let labels: Vec<[(&str, &str); 1]> = names.iter().map(|name| [("n", name.as_str())]).collect();
    let series: Vec<(&[(&str, &str)], Value)> =
        labels.iter().map(|labels| (&labels[..], Value::Counter(1))).collect();
    otlp.export(&reading(0, &[counter("a", 1), metric("many", None, &series)])).await.unwrap();
    let sizes: Vec<usize> = collector
        .requests()
        .iter()
        .map(|request| {
            let metrics = &request.resource_metrics[0].scope_metrics[0].metrics;
            let points = metrics.iter().map(|metric| match &metric.data {
                Some(Data::Sum(sum)) => sum.data_points.len(),
                other => panic!("{other:?}"),
            });
            points.sum()
        })
        .collect();
    assert_eq!(sizes, [1, 5000, 5000, 2001]);
}

#[tokio::test]
async fn nothing_is_no_request() {
    let collector = Collector::default();
    let mut otlp = http().client(over_http(&collector, 200));
    otlp.export(&reading(0, &[])).await.unwrap();
    assert!(collector.requests().is_empty());
    assert!(!format!("{otlp:?}").contains("secret"), "{otlp:?}");
    Otlp::http("collector").unwrap_err();
}
