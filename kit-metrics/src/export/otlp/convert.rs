//! From a reading to OpenTelemetry's types.

use crate::registry::{self, Reading, Series, Shape, Value};
use metrics::Unit;
use opentelemetry_proto::tonic::{
    collector::metrics::v1::ExportMetricsServiceRequest,
    common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value},
    metrics::v1::{
        AggregationTemporality, Exemplar, Gauge, Histogram, HistogramDataPoint, Metric,
        NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, exemplar, metric, number_data_point,
    },
    resource::v1::Resource,
};
use std::time::SystemTime;

/// How many points a request carries: well below the 4 MiB that a collector
/// takes over gRPC by its default.
const AT_ONCE: usize = 5000;

/// When the values began and when they were read, in nanoseconds.
#[derive(Clone, Copy)]
struct Span {
    start: u64,
    time: u64,
}

pub(super) fn attribute(key: &str, value: &str) -> KeyValue {
    let value = Some(any_value::Value::StringValue(value.to_owned()));
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value }), ..KeyValue::default() }
}

/// Splits a reading into requests; an empty one is none.
pub(super) fn requests(
    reading: &Reading,
    resource: &[KeyValue],
) -> Vec<ExportMetricsServiceRequest> {
    let span = Span { start: nanoseconds(reading.started), time: nanoseconds(reading.at) };
    let mut requests = Vec::new();
    let (mut metrics, mut points) = (Vec::new(), 0);
    for metric in &reading.metrics {
        for series in metric.series.chunks(AT_ONCE) {
            if points + series.len() > AT_ONCE {
                requests.push(request(std::mem::take(&mut metrics), resource));
                points = 0;
            }
            points += series.len();
            metrics.push(convert(metric, series, span));
        }
    }
    if points > 0 {
        requests.push(request(metrics, resource));
    }
    requests
}

fn request(metrics: Vec<Metric>, resource: &[KeyValue]) -> ExportMetricsServiceRequest {
    let scope = InstrumentationScope {
        name: env!("CARGO_PKG_NAME").to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..InstrumentationScope::default()
    };
    let scoped = ScopeMetrics { scope: Some(scope), metrics, schema_url: String::new() };
    let resource = Resource { attributes: resource.to_vec(), ..Resource::default() };
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            resource: Some(resource),
            scope_metrics: vec![scoped],
            schema_url: String::new(),
        }],
    }
}

fn convert(metric: &registry::Metric, series: &[Series], span: Span) -> Metric {
    let aggregation_temporality = AggregationTemporality::Cumulative.into();
    let data = match metric.shape {
        Shape::Counter => metric::Data::Sum(Sum {
            data_points: series.iter().filter_map(|series| number(series, span)).collect(),
            aggregation_temporality,
            is_monotonic: true,
        }),
        Shape::Gauge => metric::Data::Gauge(Gauge {
            data_points: series.iter().filter_map(|series| number(series, span)).collect(),
        }),
        Shape::Histogram => metric::Data::Histogram(Histogram {
            data_points: series.iter().filter_map(|series| histogram(series, span)).collect(),
            aggregation_temporality,
        }),
    };
    Metric {
        name: metric.name.clone(),
        description: metric.help.clone(),
        unit: metric.unit.map_or("", ucum).to_owned(),
        data: Some(data),
        ..Metric::default()
    }
}

fn attributes(series: &Series) -> Vec<KeyValue> {
    series.labels.iter().map(|(name, value)| attribute(name, value)).collect()
}

fn number(series: &Series, span: Span) -> Option<NumberDataPoint> {
    let (value, start) = match series.value {
        Value::Counter(count) => {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            (number_data_point::Value::AsInt(count), span.start)
        }
        // A gauge is of the moment.
        Value::Gauge(value) => (number_data_point::Value::AsDouble(value), 0),
        Value::Histogram(_) => return None,
    };
    Some(NumberDataPoint {
        attributes: attributes(series),
        start_time_unix_nano: start,
        time_unix_nano: span.time,
        value: Some(value),
        ..NumberDataPoint::default()
    })
}

fn histogram(series: &Series, span: Span) -> Option<HistogramDataPoint> {
    let Value::Histogram(histogram) = &series.value else { return None };
    Some(HistogramDataPoint {
        attributes: attributes(series),
        start_time_unix_nano: span.start,
        time_unix_nano: span.time,
        count: histogram.count(),
        sum: Some(histogram.sum),
        bucket_counts: histogram.counts.clone(),
        explicit_bounds: histogram.bounds.to_vec(),
        exemplars: histogram.exemplars.iter().flatten().map(exemplar).collect(),
        ..HistogramDataPoint::default()
    })
}

fn exemplar(exemplar: &registry::Exemplar) -> Exemplar {
    Exemplar {
        time_unix_nano: nanoseconds(exemplar.at),
        trace_id: exemplar.trace.id().to_vec(),
        span_id: exemplar.trace.span().map(Vec::from).unwrap_or_default(),
        value: Some(exemplar::Value::AsDouble(exemplar.value)),
        ..Exemplar::default()
    }
}

/// Until the year 2554 it fits.
fn nanoseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

/// The unit as the Unified Code for Units of Measure writes it, which
/// OpenTelemetry asks for.
const fn ucum(unit: Unit) -> &'static str {
    match unit {
        Unit::Count => "1",
        Unit::Percent => "%",
        Unit::Seconds => "s",
        Unit::Milliseconds => "ms",
        Unit::Microseconds => "us",
        Unit::Nanoseconds => "ns",
        Unit::Tebibytes => "TiBy",
        Unit::Gibibytes => "GiBy",
        Unit::Mebibytes => "MiBy",
        Unit::Kibibytes => "KiBy",
        Unit::Bytes => "By",
        Unit::TerabitsPerSecond => "Tbit/s",
        Unit::GigabitsPerSecond => "Gbit/s",
        Unit::MegabitsPerSecond => "Mbit/s",
        Unit::KilobitsPerSecond => "kbit/s",
        Unit::BitsPerSecond => "bit/s",
        Unit::CountPerSecond => "1/s",
    }
}
