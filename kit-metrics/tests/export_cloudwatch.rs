//! What CloudWatch is told, by lines and by calls.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

mod export_support;

use export_support::{AT, counter, gauge, histogram, metric, reading};
use kit_metrics::{
    export::{
        Error, Export,
        cloudwatch::{CloudWatch, Datum, Emf, PutMetricData, Request},
    },
    registry::Value,
};
use metrics::Unit;
use serde_json::{Value as Json, json};
use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};
use tokio::io::AsyncWrite;

/// A log that breaks off after so many bytes, once.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<(Vec<u8>, Option<usize>)>>);

impl Log {
    fn lines(&self) -> Vec<String> {
        let bytes = std::mem::take(&mut self.0.lock().unwrap().0);
        String::from_utf8(bytes).unwrap().lines().map(str::to_owned).collect()
    }

    fn json(&self) -> Vec<Json> {
        self.lines().iter().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl AsyncWrite for Log {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let (written, left) = &mut *self.0.lock().unwrap();
        let size = match left {
            Some(0) => {
                *left = None;
                return Poll::Ready(Err(io::Error::other("the disk is full")));
            }
            Some(left) => {
                let size = bytes.len().min(*left);
                *left -= size;
                size
            }
            None => bytes.len(),
        };
        written.extend(&bytes[..size]);
        Poll::Ready(Ok(size))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn a_line_is_the_metrics_of_one_set_of_labels() {
    let log = Log::default();
    let mut emf = Emf::new("Greeter", log.clone()).property("version", "1.0");
    let ada: &[(&str, &str)] = &[("empty", ""), ("name", "ada")];
    let metrics = [
        metric("calls", Some(Unit::Count), &[(&[], Value::Counter(0)), (ada, Value::Counter(3))]),
        metric("took", Some(Unit::Seconds), &[(ada, histogram([4, 0, 1], 1.0))]),
        gauge("depth", -2.5),
        gauge("nan", f64::NAN),
    ];
    emf.export(&reading(0, &metrics)).await.unwrap();
    let definition = |metrics: Json, dimensions: Json| {
        json!({
            "Timestamp": AT * 1000,
            "CloudWatchMetrics": [{
                "Namespace": "Greeter", "Dimensions": [dimensions], "Metrics": metrics,
            }],
        })
    };
    let none = json!([{ "Name": "depth", "StorageResolution": 60 }]);
    let own = json!([
        { "Name": "calls", "StorageResolution": 60, "Unit": "Count" },
        { "Name": "took", "StorageResolution": 60, "Unit": "Seconds" },
    ]);
    assert_eq!(
        log.json(),
        [
            json!({ "_aws": definition(none, json!([])), "depth": -2.5, "version": "1.0" }),
            json!({
                "_aws": definition(own, json!(["name"])),
                "calls": 3.0,
                "name": "ada",
                "took": { "Values": [0.05, 0.5], "Counts": [4.0, 1.0] },
                "version": "1.0",
            }),
        ]
    );
    emf.export(&reading(1, &metrics)).await.unwrap();
    let names: Vec<_> = log.json().iter().map(|line| line["depth"].clone()).collect();
    assert_eq!(names, [json!(-2.5)]);
}

#[tokio::test]
async fn a_line_has_at_most_100_metrics_and_each_name_once() {
    let log = Log::default();
    let mut metrics: Vec<_> = (0..150).map(|n| counter(&format!("c{n}"), 1)).collect();
    metrics.push(gauge("c149", 2.0));
    metrics.push(metric("own", None, &[(&[("own", "x")], Value::Counter(1))]));
    Emf::new("Greeter", log.clone()).export(&reading(0, &metrics)).await.unwrap();
    let lines = log.json();
    let sizes: Vec<_> = lines
        .iter()
        .map(|line| line["_aws"]["CloudWatchMetrics"][0]["Metrics"].as_array().unwrap().len())
        .collect();
    assert_eq!(sizes, [100, 50, 1, 1]);
    assert_eq!((&lines[3]["own"], &lines[3]["own_value"]), (&json!("x"), &json!(1.0)));
}

#[tokio::test]
async fn a_line_that_broke_off_is_written_anew_and_the_others_are_not() {
    let log = Log::default();
    let mut emf = Emf::new("Greeter", log.clone());
    let of = |name, count| metric("calls", None, &[(&[("name", name)], Value::Counter(count))]);
    let metrics = [of("a", 1), of("b", 2)];
    // Within the second line.
    let first = {
        let probe = Log::default();
        Emf::new("Greeter", probe.clone()).export(&reading(0, &metrics)).await.unwrap();
        probe.lines()[0].len()
    };
    log.0.lock().unwrap().1 = Some(first + 20);
    emf.export(&reading(0, &metrics)).await.unwrap_err();
    emf.export(&reading(1, &metrics)).await.unwrap();
    let lines = log.lines();
    assert_eq!(lines.len(), 3, "{lines:?}");
    serde_json::from_str::<Json>(&lines[1]).unwrap_err();
    let told: Vec<Json> =
        [0, 2].iter().map(|line| serde_json::from_str(&lines[*line]).unwrap()).collect();
    assert_eq!((&told[0]["name"], &told[0]["calls"]), (&json!("a"), &json!(1.0)));
    assert_eq!((&told[1]["name"], &told[1]["calls"]), (&json!("b"), &json!(2.0)));
}

/// A client that takes so many calls, and then none.
#[derive(Clone, Default)]
struct Api(Arc<Mutex<(Vec<Request>, Option<usize>)>>);

impl PutMetricData for Api {
    async fn put_metric_data(&mut self, request: &Request) -> Result<(), Error> {
        let (requests, left) = &mut *self.0.lock().unwrap();
        match left {
            Some(0) => return Err(Error::other("throttled")),
            Some(left) => *left -= 1,
            None => {}
        }
        requests.push(request.clone());
        Ok(())
    }
}

impl Api {
    fn requests(&self) -> Vec<Request> {
        std::mem::take(&mut self.0.lock().unwrap().0)
    }
}

#[tokio::test]
async fn a_datum_is_a_series() {
    let api = Api::default();
    let mut cloudwatch = CloudWatch::new("Greeter", api.clone());
    let labels: &[(&str, &str)] = &[("k", "v")];
    let metrics = [
        metric("took", Some(Unit::Milliseconds), &[(labels, histogram([4, 0, 1], 1.0))]),
        counter("zero", 0),
        counter("calls", 3),
    ];
    cloudwatch.export(&reading(0, &metrics)).await.unwrap();
    let requests = api.requests();
    let [request] = &requests[..] else { panic!("{requests:?}") };
    assert_eq!(request.namespace, "Greeter");
    let [took, calls] = &request.data[..] else { panic!("{request:?}") };
    assert_eq!((&*took.name, took.unit, took.resolution), ("took", Some("Milliseconds"), 60));
    assert_eq!(took.dimensions, [("k".to_owned(), "v".to_owned())]);
    assert_eq!((&took.values[..], &took.counts[..]), (&[0.05, 0.5][..], &[4.0, 1.0][..]));
    assert_eq!((&calls.values[..], &calls.counts[..]), (&[3.0][..], &[1.0][..]));
}

#[tokio::test]
async fn what_a_call_told_is_not_told_again_and_the_rest_is() {
    let api = Api::default();
    let mut cloudwatch = CloudWatch::new("Greeter", api.clone()).at_once(20);
    let metrics: Vec<_> = (0..45).map(|n| counter(&format!("c{n}"), 1)).collect();
    api.0.lock().unwrap().1 = Some(1);
    cloudwatch.export(&reading(0, &metrics)).await.unwrap_err();
    let sizes = |requests: Vec<Request>| -> Vec<usize> {
        requests.iter().map(|request| request.data.len()).collect()
    };
    assert_eq!(sizes(api.requests()), [20]);
    api.0.lock().unwrap().1 = None;
    cloudwatch.export(&reading(1, &metrics)).await.unwrap();
    let requests = api.requests();
    let names: Vec<_> = requests.iter().flat_map(|r| &r.data).map(|d| d.name.clone()).collect();
    assert_eq!(names, (20..45).map(|n| format!("c{n}")).collect::<Vec<_>>());
    assert_eq!(sizes(requests), [20, 5]);
    cloudwatch.export(&reading(2, &metrics)).await.unwrap();
    assert!(api.requests().is_empty());
}

#[tokio::test]
async fn a_call_is_within_the_limits() {
    let api = Api::default();
    let mut cloudwatch = CloudWatch::new("Greeter", api.clone());
    let bounds: Vec<f64> = (1..=200).map(f64::from).collect();
    let histogram = kit_metrics::registry::Histogram {
        bounds: bounds.into(),
        counts: vec![1; 201],
        sum: 1.0,
        exemplars: Vec::new(),
    };
    let metrics: Vec<_> = (0..400)
        .map(|n| metric(&format!("h{n}"), None, &[(&[], Value::Histogram(histogram.clone()))]))
        .collect();
    cloudwatch.export(&reading(0, &metrics)).await.unwrap();
    let requests = api.requests();
    assert!(requests.len() > 1);
    let data: Vec<&Datum> = requests.iter().flat_map(|request| &request.data).collect();
    assert!(data.iter().all(|datum| datum.values.len() <= 150));
    let values: f64 = data.iter().flat_map(|datum| &datum.counts).sum();
    assert_eq!(values.to_bits(), f64::from(400 * 201).to_bits());
}
