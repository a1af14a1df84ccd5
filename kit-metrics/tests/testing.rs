//! The recorder for tests.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::float_cmp, reason = "values are kept as they are")]

use kit_metrics::{Fanout, Recorder, testing::Recording};
use metrics::{Key, Label, Level, Metadata, Unit};

const METADATA: Metadata<'static> = Metadata::new("test", Level::INFO, None);

fn key(name: &str, labels: &[(&'static str, &'static str)]) -> Key {
    let labels: Vec<_> = labels.iter().map(|&(n, v)| Label::from_static_parts(n, v)).collect();
    Key::from_parts(name.to_owned(), labels)
}

#[test]
fn every_value_is_there_by_name_and_labels() {
    let recording = Recording::new();
    let labels = [("a", "1"), ("b", "2")];
    let swapped = [("b", "2"), ("a", "1")];
    recording.register_counter(&key("jobs", &labels), &METADATA).increment(2);
    recording.register_counter(&key("jobs", &swapped), &METADATA).increment(1);
    let depth = recording.register_gauge(&key("depth", &[]), &METADATA);
    assert_eq!(recording.gauge("depth", &[]), Some(0.0));
    depth.set(5.0);
    depth.decrement(1.5);
    depth.increment(1.0);
    let load = recording.register_histogram(&key("load", &labels), &METADATA);
    load.record(0.5);
    load.record_many(1.5, 2);

    assert_eq!(recording.counter("jobs", &swapped), Some(3), "in whatever order");
    assert_eq!(recording.counter("jobs", &[("a", "1")]), None);
    assert_eq!(recording.levels("depth", &[]), Some(vec![5.0, 3.5, 4.5]));
    assert_eq!(recording.gauge("depth", &[]), Some(4.5));
    assert_eq!(recording.histogram("load", &labels), Some(vec![0.5, 1.5, 1.5]));
    let series = recording.series();
    let names: Vec<_> = series.iter().map(|(name, labels)| (&**name, labels.len())).collect();
    assert_eq!(names, [("depth", 0), ("jobs", 2), ("load", 2)]);
}

#[test]
fn descriptions_are_kept() {
    let recording = Recording::new();
    recording.describe_histogram("load".into(), Some(Unit::Seconds), "How long.".into());
    let described = recording.description("load");
    assert_eq!(described, Some((Some(Unit::Seconds), "How long.".to_owned())));
    assert_eq!(recording.description("jobs"), None);
}

#[test]
fn a_fanout_reaches_each() {
    let (one, other) = (Recording::new(), Recording::new());
    let both = Fanout::new().to(one.clone()).to(other.clone());
    both.register_counter(&key("jobs", &[]), &METADATA).increment(2);
    assert_eq!((one.counter("jobs", &[]), other.counter("jobs", &[])), (Some(2), Some(2)));
}
