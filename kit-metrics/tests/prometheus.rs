//! The recorder, by the page that it makes.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

mod page;

use kit_metrics::{Inspect, Inspector, Prometheus, Recorder, prometheus::DURATION_BUCKETS};
use metrics::{Counter, Gauge, Histogram, Key, Label, Level, Metadata, Unit};
use page::Page;
use std::{sync::Arc, thread};

const METADATA: Metadata<'static> = Metadata::new("test", Level::INFO, None);

fn key(name: &str, labels: &[(&str, &str)]) -> Key {
    let labels: Vec<Label> =
        labels.iter().map(|&(name, value)| Label::new(name.to_owned(), value.to_owned())).collect();
    Key::from_parts(name.to_owned(), labels)
}

fn counter(metrics: &Prometheus, name: &str, labels: &[(&str, &str)]) -> Counter {
    metrics.register_counter(&key(name, labels), &METADATA)
}

fn gauge(metrics: &Prometheus, name: &str, labels: &[(&str, &str)]) -> Gauge {
    metrics.register_gauge(&key(name, labels), &METADATA)
}

fn histogram(metrics: &Prometheus, name: &str, labels: &[(&str, &str)]) -> Histogram {
    metrics.register_histogram(&key(name, labels), &METADATA)
}

fn read(metrics: &Prometheus) -> Page {
    Page::read(&metrics.render())
}

#[test]
fn nothing_recorded_is_an_empty_page() {
    assert_eq!(Prometheus::new().render(), "");
}

#[test]
fn the_page_reads_as_the_format_says() {
    let metrics = Prometheus::new().buckets("load", &[0.5, 2.0]);
    metrics.describe_counter("jobs".into(), None, "Jobs that ran.".into());
    counter(&metrics, "jobs", &[("queue", "b"), ("host", "x")]).increment(2);
    counter(&metrics, "jobs", &[("queue", "a"), ("host", "x")]).increment(1);
    gauge(&metrics, "depth", &[]).set(-1.5);
    let load = histogram(&metrics, "load", &[("z", "1")]);
    load.record(0.5);
    load.record(1.0);
    load.record(9.0);
    let text = r#"# TYPE depth gauge
depth -1.5
# HELP jobs_total Jobs that ran.
# TYPE jobs_total counter
jobs_total{host="x",queue="a"} 1
jobs_total{host="x",queue="b"} 2
# TYPE load histogram
load_bucket{z="1",le="0.5"} 1
load_bucket{z="1",le="2"} 2
load_bucket{z="1",le="+Inf"} 3
load_sum{z="1"} 10.5
load_count{z="1"} 3
"#;
    assert_eq!(metrics.render(), text);
    assert_eq!(metrics.render(), text, "to read is not to change");
    Page::read(text);
}

#[test]
fn values_and_helps_are_escaped() {
    let metrics = Prometheus::new();
    let nasty = "a\\b\"c\nd\\n{e=\"f\"},é";
    metrics.describe_gauge("g".into(), None, nasty.to_owned().into());
    gauge(&metrics, "g", &[("l", nasty), ("m", "\\")]).set(1.0);
    let page = read(&metrics);
    assert_eq!(page.get("g", &[("l", nasty), ("m", "\\")]), Some(1.0));
    assert_eq!(page.helps["g"], nasty);
}

#[test]
fn numbers_that_are_not_finite_are_spelled_as_prometheus_does() {
    let metrics = Prometheus::new();
    gauge(&metrics, "a", &[]).set(f64::INFINITY);
    gauge(&metrics, "b", &[]).set(f64::NEG_INFINITY);
    gauge(&metrics, "c", &[]).set(f64::NAN);
    gauge(&metrics, "d", &[]).set(1e21);
    let text = metrics.render();
    assert!(text.contains("a +Inf\n") && text.contains("b -Inf\n") && text.contains("c NaN\n"));
    assert_eq!(read(&metrics).get("d", &[]), Some(1e21));
}

#[test]
fn a_histogram_drops_what_would_poison_its_sum() {
    let metrics = Prometheus::new();
    let seconds = histogram(&metrics, "t", &[]);
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.1] {
        seconds.record(value);
    }
    assert_eq!((read(&metrics).sum("t_count"), read(&metrics).sum("t_sum")), (1.0, 0.1));
}

#[test]
fn a_bound_belongs_to_its_bucket() {
    let metrics = Prometheus::new();
    let seconds = histogram(&metrics, "t", &[]);
    for bound in DURATION_BUCKETS {
        seconds.record(bound);
    }
    seconds.record_many(11.0, 3);
    let page = read(&metrics);
    for (number, bound) in DURATION_BUCKETS.iter().enumerate() {
        let count = f64::from(u32::try_from(number).unwrap() + 1);
        assert_eq!(page.bucket("t", &[], &bound.to_string()), Some(count), "{bound}");
    }
    assert_eq!(page.get("t_count", &[]), Some(17.0));
}

#[test]
fn bounds_may_come_in_any_order_and_twice() {
    let metrics =
        Prometheus::new().buckets("t", &[2.0, -0.0, 1.0, 0.0, f64::INFINITY, f64::NAN, 2.0]);
    histogram(&metrics, "t", &[]).record(1.5);
    let page = read(&metrics);
    let bounds: Vec<_> = page.of("t_bucket").map(|(labels, _)| labels["le"].as_str()).collect();
    assert_eq!(bounds, ["0", "1", "2", "+Inf"]);
}

#[test]
fn one_key_is_one_series_whatever_the_order_of_its_labels() {
    let metrics = Prometheus::new();
    counter(&metrics, "c", &[("a", "1"), ("b", "2")]).increment(1);
    counter(&metrics, "c", &[("b", "2"), ("a", "1")]).increment(1);
    assert_eq!(read(&metrics).get("c_total", &[("a", "1"), ("b", "2")]), Some(2.0));
}

#[test]
fn names_get_the_unit_and_what_prometheus_takes() {
    let metrics = Prometheus::new();
    let (seconds, bytes) = (Some(Unit::Seconds), Some(Unit::Bytes));
    metrics.describe_histogram("http.server.request.duration".into(), seconds, "".into());
    histogram(&metrics, "http.server.request.duration", &[("http.route", "/")]).record(0.1);
    counter(&metrics, "sent", &[]).increment(1);
    metrics.describe_counter("sent".into(), bytes, "".into());
    let page = read(&metrics);
    let route = [("http_route", "/")];
    assert_eq!(page.get("http_server_request_duration_seconds_count", &route), Some(1.0));
    assert_eq!(page.get("sent_bytes_total", &[]), Some(1.0));
}

#[test]
fn of_two_metrics_with_one_name_the_page_has_one_and_says_so() {
    let metrics = Prometheus::new();
    histogram(&metrics, "a", &[]).record(1.0);
    gauge(&metrics, "a_count", &[]).set(7.0);
    gauge(&metrics, "b.c", &[]).set(1.0);
    counter(&metrics, "b_c_total", &[]).increment(1);
    histogram(&metrics, "b_c", &[]).record(1.0);
    let page = read(&metrics);
    assert_eq!(page.comments.len(), 2, "{:?}", page.comments);
    assert!(page.comments[0].contains("a_count is left out"), "{:?}", page.comments);
    assert_eq!(page.get("b_c", &[]), Some(1.0));
}

#[test]
fn labels_past_the_limit_share_other() {
    let metrics = Prometheus::new().limit(3);
    for user in 0..10 {
        let user = user.to_string();
        counter(&metrics, "c", &[("user", &user), ("x", "1")]).increment(1);
    }
    counter(&metrics, "c", &[("user", "0"), ("x", "1")]).increment(1);
    let page = read(&metrics);
    assert_eq!(page.of("c_total").count(), 4);
    assert_eq!(page.get("c_total", &[("user", "other"), ("x", "other")]), Some(7.0));
    assert_eq!(page.get("c_total", &[("user", "0"), ("x", "1")]), Some(2.0));
}

#[test]
fn threads_lose_no_count() {
    let metrics = Prometheus::new();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let (count, level) = (counter(&metrics, "c", &[]), gauge(&metrics, "g", &[]));
                let seconds = histogram(&metrics, "t", &[]);
                for _ in 0..1000 {
                    count.increment(1);
                    level.increment(1.0);
                    seconds.record(0.5);
                }
            });
        }
        for _ in 0..20 {
            // The reader checks that the buckets and the count agree.
            read(&metrics);
        }
    });
    let page = read(&metrics);
    assert_eq!(page.get("c_total", &[]), Some(4000.0));
    assert_eq!(page.get("g", &[]), Some(4000.0));
    assert_eq!(page.get("t_count", &[]), Some(4000.0));
    assert_eq!(page.get("t_sum", &[]), Some(2000.0));
}

// ===== components =====

struct Circuit {
    name: &'static str,
    opened: u64,
    state: &'static str,
}

impl Inspect for Circuit {
    fn inspect(&self, inspector: &mut dyn Inspector) {
        let labels = [("name", self.name)];
        inspector.counter("breaker_opened_total", "How often it opened.", &labels, self.opened);
        inspector.counter("breakers", "How many there are.", &[], 1);
        inspector.gauge("breaker_failures", "In a row.", &labels, 2.0);
        inspector.state("breaker_state", "The state.", &labels, self.state);
    }
}

#[test]
fn components_are_asked_when_the_page_is_made() {
    let metrics = Prometheus::new();
    metrics.collect(Circuit { name: "a", opened: 3, state: "open" });
    let shared: Arc<dyn Inspect> = Arc::new(Circuit { name: "b", opened: 1, state: "closed" });
    metrics.collect(shared);
    for _ in 0..2 {
        let page = read(&metrics);
        assert_eq!(page.get("breaker_opened_total", &[("name", "a")]), Some(3.0));
        assert_eq!(page.get("breaker_opened_total", &[("name", "b")]), Some(1.0));
        assert_eq!(page.get("breakers_total", &[]), Some(2.0), "what two say of one adds up");
        assert_eq!(page.get("breaker_failures", &[("name", "a")]), Some(2.0));
        assert_eq!(page.get("breaker_state", &[("name", "a"), ("state", "open")]), Some(1.0));
        assert_eq!(page.types["breaker_opened_total"], "counter");
        assert_eq!(page.helps["breaker_state"], "The state.");
    }
}

#[test]
fn components_are_bounded_too() {
    struct Many;

    impl Inspect for Many {
        fn inspect(&self, inspector: &mut dyn Inspector) {
            for peer in 0..9 {
                inspector.counter("peers", "Peers.", &[("peer", &peer.to_string())], 1);
            }
        }
    }

    let metrics = Prometheus::new().limit(2);
    metrics.collect(Many);
    assert_eq!(read(&metrics).get("peers_total", &[("peer", "other")]), Some(7.0));
}

#[test]
fn a_component_may_register_while_it_is_asked() {
    struct Busy(Prometheus);

    impl Inspect for Busy {
        fn inspect(&self, _: &mut dyn Inspector) {
            counter(&self.0, "asked", &[]).increment(1);
        }
    }

    let metrics = Prometheus::new();
    metrics.collect(Busy(metrics.clone()));
    assert_eq!(read(&metrics).get("asked_total", &[]), Some(1.0));
}

#[test]
fn a_component_does_not_take_the_name_of_a_metric() {
    struct Same;

    impl Inspect for Same {
        fn inspect(&self, inspector: &mut dyn Inspector) {
            inspector.gauge("depth", "", &[], 2.0);
        }
    }

    let metrics = Prometheus::new();
    gauge(&metrics, "depth", &[]).set(1.0);
    metrics.collect(Same);
    let page = read(&metrics);
    assert_eq!((page.get("depth", &[]), page.comments.len()), (Some(1.0), 1));
}
