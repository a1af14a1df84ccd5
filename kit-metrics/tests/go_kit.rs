//! What Go kit's tests of `metrics` check, and what its issues say they miss.
//!
//! Each test is named after the Go test. Left out: `ValueReset` (nothing is
//! reset here: exporters keep what they have sent), the alignment of 64-bit
//! atomics, and the panic where labels do not fit their metric, of which there
//! is none. The push backends' own cases are with the exporters.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::float_cmp, reason = "values are exact")]

use kit_metrics::{
    AnyError, Discard, Fanout, Prometheus, Recorder, RedLayer, Registry,
    registry::{Histogram, Value},
};
use metrics::{Key, Label, Level, Metadata};
use std::{convert::Infallible, thread, time::Duration};
use tokio::time::advance;
use tokio_test::{assert_pending, assert_ready_ok, task};
use tower::{Layer, Service, service_fn};

const METADATA: Metadata<'static> = Metadata::new("test", Level::INFO, None);

fn key(name: &str, labels: &[(&str, &str)]) -> Key {
    let labels: Vec<Label> =
        labels.iter().map(|&(name, value)| Label::new(name.to_owned(), value.to_owned())).collect();
    Key::from_parts(name.to_owned(), labels)
}

fn counter(to: &impl Recorder, name: &str, labels: &[(&str, &str)]) -> metrics::Counter {
    to.register_counter(&key(name, labels), &METADATA)
}

fn count(registry: &Registry, name: &str, labels: &[(&str, &str)]) -> Option<u64> {
    match registry.read().get(name, labels)? {
        Value::Counter(count) => Some(*count),
        other => panic!("{other:?}"),
    }
}

fn histogram(registry: &Registry, name: &str, labels: &[(&str, &str)]) -> Histogram {
    match registry.read().get(name, labels) {
        Some(Value::Histogram(histogram)) => histogram.clone(),
        other => panic!("{other:?}"),
    }
}

// ===== metrics/prometheus =====

/// `TestCounter`: a counter with labels is a line with its total.
#[test]
fn prometheus_counter() {
    let metrics = Prometheus::new();
    metrics.describe_counter("c".into(), None, "This is the help string.".into());
    (1..=10).for_each(|n| counter(&metrics, "c", &[("label", "value")]).increment(n));
    let page = metrics.render();
    assert!(page.contains("# HELP c_total This is the help string.\n"), "{page}");
    assert!(page.contains("c_total{label=\"value\"} 55\n"), "{page}");
}

/// `TestHistogram`: buckets are cumulative, and each bound is in its bucket.
#[test]
fn prometheus_histogram() {
    let bounds: Vec<f64> = (1..=10).map(|n| f64::from(n) * 10.0).collect();
    let metrics = Prometheus::new().buckets("h", &bounds);
    let values = metrics.register_histogram(&key("h", &[]), &METADATA);
    (1..=100).for_each(|value| values.record(f64::from(value)));
    let page = metrics.render();
    for bound in 1..=10 {
        let line = format!("h_bucket{{le=\"{}\"}} {}\n", bound * 10, bound * 10);
        assert!(page.contains(&line), "{line}{page}");
    }
    assert!(
        page.contains("h_bucket{le=\"+Inf\"} 100\n") && page.contains("h_count 100\n"),
        "{page}"
    );
}

/// `TestInconsistentLabelCardinality`: it panics there; here other labels are
/// another series.
#[test]
fn prometheus_inconsistent_label_cardinality() {
    let registry = Registry::new();
    counter(&registry, "c", &[("a", "1")]).increment(1);
    counter(&registry, "c", &[("a", "1"), ("b", "2")]).increment(2);
    counter(&registry, "c", &[]).increment(4);
    assert_eq!(count(&registry, "c", &[("a", "1")]), Some(1));
    assert_eq!(count(&registry, "c", &[("a", "1"), ("b", "2")]), Some(2));
    assert_eq!(count(&registry, "c", &[]), Some(4));
}

/// Registering twice panics there ("duplicate metrics collector registration
/// attempted"); here it is the same series.
#[test]
fn prometheus_duplicate_registration() {
    let registry = Registry::new();
    let (one, other) = (counter(&registry, "c", &[]), counter(&registry, "c", &[]));
    one.increment(1);
    other.increment(2);
    assert_eq!(count(&registry, "c", &[]), Some(3));
}

// ===== metrics/generic =====

/// Issue #570, #1083: `With` copied the value of the parent.
#[test]
fn generic_counter_with_does_not_copy_the_value() {
    let registry = Registry::new();
    counter(&registry, "c", &[]).increment(5);
    counter(&registry, "c", &[("a", "1")]).increment(1);
    assert_eq!(count(&registry, "c", &[("a", "1")]), Some(1));
    assert_eq!(count(&registry, "c", &[]), Some(5));
}

/// `With` appends to a slice that siblings share: from four pairs on, the last
/// made overwrote the labels of the one before.
#[test]
fn siblings_of_four_labels_and_more_do_not_overwrite_each_other() {
    for pairs in 3..8 {
        let registry = Registry::new();
        let names: Vec<_> = (0..pairs).map(|n| format!("l{n}")).collect();
        let parent: Vec<_> = names.iter().map(|name| (&**name, "x")).collect();
        let with = |value| [&parent[..], &[("last", value)]].concat();
        let (one, other) =
            (counter(&registry, "c", &with("1")), counter(&registry, "c", &with("2")));
        one.increment(1);
        other.increment(2);
        assert_eq!(count(&registry, "c", &with("1")), Some(1), "{pairs}");
        assert_eq!(count(&registry, "c", &with("2")), Some(2), "{pairs}");
    }
}

/// `TestIssue424`: to observe and to ask for a quantile at once.
#[test]
fn generic_issue_424() {
    let registry = Registry::new().buckets("h", &[1.0, 2.0, 4.0]);
    let values = registry.register_histogram(&key("h", &[]), &METADATA);
    values.record(1.0);
    thread::scope(|scope| {
        for _ in 0..4 {
            let values = values.clone();
            scope.spawn(move || (0..1000).for_each(|n| values.record(f64::from(n % 4))));
        }
        for _ in 0..100 {
            let p50 = histogram(&registry, "h", &[]).quantile(0.5).expect("a value is there");
            assert!((0.0..=4.0).contains(&p50), "{p50}");
        }
    });
    assert_eq!(histogram(&registry, "h", &[]).count(), 4001);
}

// ===== metrics/internal/lv =====

/// `TestSpaceWalk`: one value for each set of labels. Order makes none there a
/// set of its own; here it makes no difference.
#[test]
fn space_walk() {
    let registry = Registry::new();
    for (labels, add) in [
        (&[("a", "1"), ("b", "2")][..], 1),
        (&[("b", "2"), ("a", "1")], 10),
        (&[("a", "1")], 100),
        (&[], 1000),
    ] {
        counter(&registry, "c", labels).increment(add);
    }
    assert_eq!(count(&registry, "c", &[("a", "1"), ("b", "2")]), Some(11));
    assert_eq!(count(&registry, "c", &[("a", "1")]), Some(100));
    assert_eq!(count(&registry, "c", &[]), Some(1000));
    assert_eq!(registry.read().metrics[0].series.len(), 3);
}

// ===== metrics/multi, metrics/discard =====

/// `TestMultiCounter`, `TestMultiGauge`, `TestMultiHistogram`.
#[test]
fn multi() {
    let (one, other) = (Registry::new(), Registry::new());
    let both = Fanout::new().to(one.clone()).to(other.clone());
    counter(&both, "c", &[("a", "1")]).increment(123);
    let level = both.register_gauge(&key("g", &[]), &METADATA);
    level.set(10.0);
    level.increment(2.0);
    both.register_histogram(&key("h", &[]), &METADATA).record(0.5);
    for registry in [one, other] {
        assert_eq!(count(&registry, "c", &[("a", "1")]), Some(123));
        assert_eq!(registry.read().get("g", &[]), Some(&Value::Gauge(12.0)));
        assert_eq!(histogram(&registry, "h", &[]).count(), 1);
    }
}

#[test]
fn discard() {
    counter(&Discard, "c", &[]).increment(1);
    Discard.register_gauge(&key("g", &[]), &METADATA).set(1.0);
    Discard.register_histogram(&key("h", &[]), &METADATA).record(1.0);
}

// ===== metrics/timer =====

/// `TestTimerFast`, `TestTimerSlow`: what a call takes, in seconds.
#[tokio::test(start_paused = true)]
async fn timer_fast_and_slow() {
    for (takes, bucket) in [(Duration::from_micros(10), 0), (Duration::from_secs(2), 10)] {
        let registry = Registry::new();
        let mut timed = RedLayer::new(registry.clone(), "t", &[]).classify(AnyError).layer(
            service_fn(async |wait: Duration| {
                tokio::time::sleep(wait).await;
                Ok::<_, Infallible>(())
            }),
        );
        let mut call = task::spawn(timed.call(takes));
        assert_pending!(call.poll());
        // The timer's own steps are of a millisecond.
        advance(takes.max(Duration::from_millis(1))).await;
        assert_ready_ok!(call.poll());
        let read = histogram(&registry, "t_duration_seconds", &[("kind", "OK")]);
        assert_eq!(read.counts[bucket], 1, "{takes:?} {:?}", read.counts);
    }
}
