//! What is recorded, as whoever reads it finds it.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::float_cmp, reason = "counts are exact")]

use kit_metrics::{
    Discard, Fanout, Inspect, Inspector, Prometheus, Recorder, Registry, Trace,
    prometheus::Format,
    registry::{Histogram, Metric, Shape, Value},
};
use metrics::{Key, Label, Level, Metadata, Unit};
use std::time::SystemTime;

const METADATA: Metadata<'static> = Metadata::new("test", Level::INFO, None);

fn key(name: &str, labels: &[(&str, &str)]) -> Key {
    let labels: Vec<Label> =
        labels.iter().map(|&(name, value)| Label::new(name.to_owned(), value.to_owned())).collect();
    Key::from_parts(name.to_owned(), labels)
}

fn trace(id: u128) -> Trace {
    Trace::new(id.to_be_bytes(), 7_u64.to_be_bytes()).unwrap()
}

fn metric(registry: &Registry, name: &str) -> Metric {
    registry.read().metrics.into_iter().find(|metric| metric.name == name).unwrap()
}

fn histogram(registry: &Registry, name: &str) -> Histogram {
    match &metric(registry, name).series[0].value {
        Value::Histogram(histogram) => histogram.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn is_send_and_sync() {
    fn assert<T: Send + Sync + 'static>() {}
    assert::<Registry>();
    assert::<Fanout>();
    assert::<Trace>();
}

#[test]
fn names_and_labels_are_kept_as_they_were_registered() {
    let registry = Registry::new();
    registry.describe_counter("http.sent".into(), Some(Unit::Bytes), "What was sent.".into());
    registry
        .register_counter(&key("http.sent", &[("b.c", "2"), ("a.b", "1")]), &METADATA)
        .increment(3);
    let sent = metric(&registry, "http.sent");
    assert_eq!(
        (sent.unit, sent.help.as_str(), sent.shape),
        (Some(Unit::Bytes), "What was sent.", Shape::Counter)
    );
    let labels = [("a.b".to_owned(), "1".to_owned()), ("b.c".to_owned(), "2".to_owned())];
    assert_eq!(*sent.series[0].labels, labels);
    assert_eq!(sent.series[0].value, Value::Counter(3));
    assert_eq!(
        registry.read().get("http.sent", &[("b.c", "2"), ("a.b", "1")]),
        Some(&Value::Counter(3))
    );
    assert_eq!(registry.read().get("http.sent", &[("a.b", "1")]), None);
}

#[test]
fn two_names_that_prometheus_has_one_for_are_one() {
    let registry = Registry::new();
    for name in ["a.b", "a_b"] {
        registry.register_counter(&key(name, &[("c.d", "1")]), &METADATA).increment(1);
        registry.register_counter(&key(name, &[("c_d", "1")]), &METADATA).increment(1);
    }
    let reading = registry.read();
    assert_eq!(reading.metrics.len(), 1);
    assert_eq!(reading.get("a.b", &[("c.d", "1")]), Some(&Value::Counter(4)));
}

#[test]
fn what_was_only_described_is_not_there() {
    let registry = Registry::new();
    registry.describe_gauge("depth".into(), None, "How much waits.".into());
    assert_eq!(registry.read().metrics, []);
}

#[test]
fn a_reading_says_since_when_it_counts() {
    let before = SystemTime::now();
    let reading = Registry::new().read();
    assert!(before <= reading.started && reading.started <= reading.at);
}

#[test]
fn buckets_are_found_by_either_name() {
    for name in ["load.time", "load_time", "load_time_seconds"] {
        let registry = Registry::new().buckets(name, &[2.0, 1.0]);
        registry.describe_histogram("load.time".into(), Some(Unit::Seconds), "".into());
        registry.register_histogram(&key("load.time", &[]), &METADATA).record(1.5);
        let load = histogram(&registry, "load.time");
        assert_eq!(
            (&*load.bounds, &*load.counts, load.sum),
            (&[1.0, 2.0][..], &[0, 1, 0][..], 1.5)
        );
    }
}

#[test]
fn quantiles_are_estimated_within_their_bucket() {
    let registry = Registry::new().buckets("load", &[10.0, 20.0, 30.0]);
    let load = registry.register_histogram(&key("load", &[]), &METADATA);
    assert_eq!(histogram(&registry, "load").quantile(0.5), None, "of nothing");
    load.record_many(5.0, 10);
    load.record_many(15.0, 10);
    let read = histogram(&registry, "load");
    let quantiles = [0.0, 0.25, 0.5, 0.75, 1.0].map(|q| read.quantile(q).unwrap());
    assert_eq!(quantiles, [0.0, 5.0, 10.0, 15.0, 20.0]);
    load.record_many(99.0, 60);
    assert_eq!(histogram(&registry, "load").quantile(0.99), Some(30.0), "past the last bound");
    assert_eq!(read.cumulative().collect::<Vec<_>>()[3], (f64::INFINITY, 20));
}

#[test]
fn a_component_is_read_under_the_names_that_it_says() {
    struct Breaker;

    impl Inspect for Breaker {
        fn inspect(&self, inspector: &mut dyn Inspector) {
            inspector.counter("opened_total", "How often it opened.", &[("name", "a")], 3);
            inspector.gauge("depth", "", &[], 2.0);
        }
    }

    let registry = Registry::new();
    registry.register_gauge(&key("depth", &[]), &METADATA).set(1.0);
    registry.collect(Breaker);
    let reading = registry.read();
    assert_eq!(reading.get("opened_total", &[("name", "a")]), Some(&Value::Counter(3)));
    assert_eq!(reading.get("depth", &[]), Some(&Value::Gauge(1.0)), "which was there first");
    assert_eq!(reading.metrics.len(), 2);
}

// ===== exemplars =====

#[test]
fn each_bucket_has_its_newest_exemplar() {
    let registry = Registry::new().buckets("load", &[1.0, 2.0]);
    let load = registry.histogram(&key("load", &[]));
    load.record(0.5);
    assert_eq!(histogram(&registry, "load").exemplars, [], "none was given");
    let before = SystemTime::now();
    load.record_traced(0.7, trace(1));
    load.record_traced(0.6, trace(2));
    load.record_traced(9.0, trace(3));
    load.record_traced(f64::NAN, trace(4));
    let read = histogram(&registry, "load");
    let traces: Vec<_> =
        read.exemplars.iter().map(|one| one.map(|one| (one.trace, one.value))).collect();
    assert_eq!(traces, [Some((trace(2), 0.6)), None, Some((trace(3), 9.0))]);
    assert!(read.exemplars[0].unwrap().at >= before);
    assert_eq!((read.count(), read.sum), (4, 0.5 + 0.7 + 0.6 + 9.0), "each is counted too");
}

#[test]
fn threads_that_write_exemplars_tear_none() {
    let registry = Registry::new().buckets("load", &[1.0]);
    let load = registry.histogram(&key("load", &[]));
    std::thread::scope(|scope| {
        for id in 1..=4_u32 {
            let load = load.clone();
            let trace =
                Trace::new(u128::from(id).to_be_bytes(), u64::from(id).to_be_bytes()).unwrap();
            scope.spawn(move || {
                (0..1000).for_each(|_| load.record_traced(f64::from(id) / 8.0, trace));
            });
        }
        for _ in 0..100 {
            for one in histogram(&registry, "load").exemplars.into_iter().flatten() {
                let id = u128::from_be_bytes(one.trace.id());
                let span = u64::from_be_bytes(one.trace.span().unwrap());
                assert_eq!(
                    (u128::from(span), one.value * 8.0),
                    (id, f64::from(u32::try_from(id).unwrap()))
                );
            }
        }
    });
    assert_eq!(histogram(&registry, "load").count(), 4000);
}

// ===== several =====

#[test]
fn a_fanout_records_into_each() {
    let (one, other) = (Registry::new(), Prometheus::new());
    let both = Fanout::new().to(one.clone()).to(other.clone()).to(Discard);
    both.describe_histogram("load".into(), Some(Unit::Seconds), "How long.".into());
    both.register_counter(&key("jobs", &[]), &METADATA).increment(2);
    both.register_counter(&key("seen", &[]), &METADATA).absolute(5);
    let depth = both.register_gauge(&key("depth", &[]), &METADATA);
    depth.set(4.0);
    depth.increment(2.0);
    depth.decrement(1.0);
    let load = both.register_histogram(&key("load", &[]), &METADATA);
    load.record(0.5);
    load.record_many(1.5, 2);
    for registry in [&one, other.registry()] {
        let reading = registry.read();
        assert_eq!(reading.get("jobs", &[]), Some(&Value::Counter(2)));
        assert_eq!(reading.get("seen", &[]), Some(&Value::Counter(5)));
        assert_eq!(reading.get("depth", &[]), Some(&Value::Gauge(5.0)));
        assert_eq!(
            (histogram(registry, "load").count(), histogram(registry, "load").sum),
            (3, 3.5)
        );
        assert_eq!(metric(registry, "load").help, "How long.");
    }
}

#[test]
fn a_fanout_to_none_records_nowhere() {
    let none = Fanout::new();
    none.register_counter(&key("jobs", &[]), &METADATA).increment(1);
    none.register_histogram(&key("load", &[]), &METADATA).record(1.0);
}

#[test]
fn a_view_shows_what_the_registry_holds() {
    let registry = Registry::new();
    let page = Prometheus::of(registry.clone());
    registry.register_counter(&key("jobs", &[]), &METADATA).increment(1);
    page.register_counter(&key("jobs", &[]), &METADATA).increment(1);
    assert!(page.render().contains("jobs_total 2\n"));
    assert!(page.render_as(Format::OpenMetrics).contains("jobs_total 2\n"));
    assert_eq!(page.registry().read().get("jobs", &[]), Some(&Value::Counter(2)));
}
