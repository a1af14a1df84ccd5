//! What every exporter must do, as tests to run on one's own.
//!
//! It is Go kit's `teststat` with what Go kit's own backends got wrong added:
//! labelled siblings that count for each other, points that are lost with a
//! failed write or counted twice after it, and values that nobody flushes at
//! the end. A [`Subject`] is an exporter with a receiver that remembers what it
//! got; [`all`] runs everything.
//!
//! ```
//! use kit_metrics::{Registry, conformance::{self, Received, Subject}, registry::Value};
//!
//! /// The simplest exporter: whoever wants to know reads.
//! #[derive(Default)]
//! struct Reader {
//!     registry: Registry,
//!     received: Received,
//! }
//!
//! impl Subject for Reader {
//!     fn registry(&self) -> &Registry {
//!         &self.registry
//!     }
//!
//!     async fn export(&mut self) {
//!         for metric in self.registry.read().metrics {
//!             for series in &metric.series {
//!                 let to = &mut self.received;
//!                 match &series.value {
//!                     Value::Counter(n) => to.total(&metric.name, &series.labels, *n),
//!                     Value::Gauge(level) => to.level(&metric.name, &series.labels, *level),
//!                     Value::Histogram(h) => to.buckets(&metric.name, &series.labels, h),
//!                     _ => {}
//!                 }
//!             }
//!         }
//!     }
//!
//!     async fn lose(&mut self) {
//!         let _ = self.registry.read();
//!     }
//!
//!     async fn shut_down(&mut self) {
//!         self.export().await;
//!     }
//!
//!     fn received(&self) -> &Received {
//!         &self.received
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! conformance::all(Reader::default).await;
//! # }
//! ```
//!
//! The names and labels of the suite are such as every protocol takes
//! (`snake_case`, letters and digits); what a protocol adds, a prefix or
//! `_total`, the subject takes off again.

mod received;

pub use self::received::{Distribution, Received};

use crate::{METADATA, Registry};
use metrics::{Counter, Gauge, Histogram, Key, Label, Recorder};
use std::{f64::consts::TAU, future::Future};

/// The labels of a series, as a test writes them.
type Pairs<'a> = &'a [(&'a str, &'a str)];

/// An exporter, and a receiver that remembers what it got.
pub trait Subject {
    /// Returns the registry whose metrics are exported.
    fn registry(&self) -> &Registry;

    /// Writes once, to a receiver that takes it. When it is done, the receiver
    /// has it.
    fn export(&mut self) -> impl Future<Output = ()>;

    /// Writes once, to a receiver that is not there or refuses: the write
    /// fails, and nothing of it arrives.
    fn lose(&mut self) -> impl Future<Output = ()>;

    /// Ends the exporter, as a program does that shuts down: what it has not
    /// written yet, it writes now.
    fn shut_down(&mut self) -> impl Future<Output = ()>;

    /// Returns all that the receiver has got so far.
    fn received(&self) -> &Received;

    /// Says whether a counter is told of that counted nothing so far, as protocols of
    /// totals do: without the 0 nobody sees the first increment as one. Protocols of
    /// differences have nothing to say of it; for those it is `false`.
    fn tells_of_zero(&self) -> bool {
        true
    }

    /// Returns how far from the truth quantiles may be, as a share of it: 0.01
    /// by default. What is exact about them is lost in the buckets.
    fn tolerance(&self) -> f64 {
        0.01
    }
}

/// Runs the whole suite, each test on a `new` subject.
///
/// # Panics
///
/// When the exporter does not do as it must.
pub async fn all<S: Subject>(mut new: impl FnMut() -> S) {
    counter(&mut new()).await;
    gauge(&mut new()).await;
    histogram(&mut new()).await;
    labels(&mut new()).await;
    siblings(&mut new()).await;
    unchanged(&mut new()).await;
    failed_write(&mut new()).await;
    shut_down(&mut new()).await;
}

/// A counter arrives as the sum of its increments, over however many writes.
///
/// # Panics
///
/// When it does not.
pub async fn counter(subject: &mut impl Subject) {
    let count = counter_of(subject.registry(), "suite_counter", &[]);
    let mut total = 0;
    for step in 0_u64..100 {
        // Steps of many sizes, none of them among them.
        let add = (step * 7919) % 311;
        count.increment(add);
        total += add;
        if step % 25 == 0 {
            subject.export().await;
            let said = (total > 0 || subject.tells_of_zero()).then_some(total);
            let received = subject.received().counter("suite_counter", &[]);
            assert_eq!(received, said, "step {step}");
        }
    }
    subject.export().await;
    assert_eq!(subject.received().counter("suite_counter", &[]), Some(total));
}

/// A gauge arrives as what it was last set to: up, down, below zero, and by
/// steps.
///
/// # Panics
///
/// When it does not.
pub async fn gauge(subject: &mut impl Subject) {
    let level = gauge_of(subject.registry(), "suite_gauge", &[]);
    for value in [12.5, -7.0, -0.25, 0.0, 1000.0] {
        level.set(99.0);
        level.set(value);
        subject.export().await;
        expect_level(subject, value);
        // A step after a write begins at the level, not at 0.
        level.increment(2.0);
        level.decrement(0.5);
        subject.export().await;
        expect_level(subject, value + 1.5);
    }
}

/// A histogram arrives with how many values it has, their mean and their
/// quantiles: 12 345 of a normal distribution, as in Go kit's `teststat`.
///
/// # Panics
///
/// When it does not.
pub async fn histogram(subject: &mut impl Subject) {
    const N: u32 = 12_345;
    const MEAN: f64 = 500.0;
    const DEVIATION: f64 = 25.0;
    /// The normal distribution's own at 0.5, 0.9, 0.95 and 0.99.
    const DEVIATIONS: [f64; 4] = [0.0, 1.281_551_565_5, 1.644_853_627, 2.326_347_874];

    let bounds: Vec<f64> = (0..=80).map(|step| f64::from(step).mul_add(2.5, 400.0)).collect();
    let _ = subject.registry().clone().buckets("suite_histogram", &bounds);
    let values = histogram_of(subject.registry(), "suite_histogram", &[]);
    for number in 0..N {
        // Box and Muller's, of numbers that are spread evenly instead of drawn,
        // so that each run is the same.
        let (even, golden) = (f64::from(number) + 0.5, f64::from(number) * 0.618_033_988_75);
        let far = (-2.0 * (even / f64::from(N)).ln()).sqrt();
        values.record((far * (TAU * golden.fract()).cos()).mul_add(DEVIATION, MEAN));
        if number == N / 3 {
            subject.export().await;
        }
    }
    subject.export().await;
    let tolerance = subject.tolerance();
    let received = subject.received().histogram("suite_histogram", &[]);
    let Some(received) = received else { panic!("no histogram was received") };
    let near = |value: f64, truth: f64| (value - truth).abs() <= tolerance * truth;
    assert_eq!(received.count, u64::from(N), "how many values there are");
    if let Some(sum) = received.sum {
        assert!(near(sum / f64::from(N), MEAN), "the mean is {}", sum / f64::from(N));
    }
    if let Some(quantiles) = received.quantiles {
        let truths = DEVIATIONS.map(|deviations| deviations.mul_add(DEVIATION, MEAN));
        for (quantile, truth) in quantiles.into_iter().zip(truths) {
            assert!(near(quantile, truth), "{quantile} for {truth}: {quantiles:?}");
        }
    }
}

/// Series of one name whose labels differ are apart; the order of labels makes
/// no difference.
///
/// # Panics
///
/// When they are not, or it does.
pub async fn labels(subject: &mut impl Subject) {
    let both: Pairs<'_> = &[("alpha", "1"), ("beta", "2")];
    let swapped: Pairs<'_> = &[("beta", "2"), ("alpha", "1")];
    let other: Pairs<'_> = &[("alpha", "2"), ("beta", "1")];
    for (labels, add) in [(both, 1), (swapped, 10), (other, 100)] {
        counter_of(subject.registry(), "suite_labels", labels).increment(add);
    }
    for (labels, level) in [(both, 1.0), (swapped, 2.0), (other, -3.0)] {
        gauge_of(subject.registry(), "suite_levels", labels).set(level);
    }
    subject.export().await;
    let received = subject.received();
    assert_eq!(received.counter("suite_labels", both), Some(11));
    assert_eq!(received.counter("suite_labels", swapped), Some(11));
    assert_eq!(received.counter("suite_labels", other), Some(100));
    assert_eq!(received.gauge("suite_levels", both), Some(2.0));
    assert_eq!(received.gauge("suite_levels", other), Some(-3.0));
}

/// Series that are made from one another have their own labels and their own
/// values: five labels, which is where Go kit's siblings begin to share memory,
/// and a child of a series that has counted already (its #570 and #1083).
///
/// # Panics
///
/// When they do not.
pub async fn siblings(subject: &mut impl Subject) {
    let parent = [("a", "1"), ("b", "2"), ("c", "3"), ("d", "4")];
    counter_of(subject.registry(), "suite_siblings", &parent).increment(1000);
    let child = |value| {
        let mut labels = parent.to_vec();
        labels.push(("e", value));
        labels
    };
    // Both before either counts.
    let [left, right] = ["left", "right"]
        .map(|value| counter_of(subject.registry(), "suite_siblings", &child(value)));
    left.increment(1);
    right.increment(20);
    left.increment(300);
    subject.export().await;
    let received = subject.received();
    assert_eq!(received.counter("suite_siblings", &child("left")), Some(301));
    assert_eq!(received.counter("suite_siblings", &child("right")), Some(20));
    assert_eq!(received.counter("suite_siblings", &parent), Some(1000));
}

/// What did not change is not counted again.
///
/// # Panics
///
/// When it is.
pub async fn unchanged(subject: &mut impl Subject) {
    fill(subject.registry());
    for _ in 0..3 {
        subject.export().await;
        expect_filled(subject, 1);
    }
}

/// A write that fails loses nothing, and counts nothing twice.
///
/// # Panics
///
/// When it does.
pub async fn failed_write(subject: &mut impl Subject) {
    // From the start, in between, and more than once.
    fill(subject.registry());
    subject.lose().await;
    fill(subject.registry());
    subject.export().await;
    expect_filled(subject, 2);
    fill(subject.registry());
    subject.lose().await;
    subject.lose().await;
    subject.export().await;
    expect_filled(subject, 3);
    subject.lose().await;
    subject.export().await;
    expect_filled(subject, 3);
}

/// What was recorded after the last write is written at the end.
///
/// # Panics
///
/// When it is not.
pub async fn shut_down(subject: &mut impl Subject) {
    fill(subject.registry());
    subject.export().await;
    fill(subject.registry());
    subject.shut_down().await;
    expect_filled(subject, 2);
}

fn fill(registry: &Registry) {
    let _ = registry.clone().buckets("suite_values", &[1.0, 2.0]);
    counter_of(registry, "suite_count", &[("kind", "x")]).increment(3);
    gauge_of(registry, "suite_gauge", &[]).set(-4.0);
    let values = histogram_of(registry, "suite_values", &[("kind", "x")]);
    values.record(0.5);
    values.record_many(1.5, 2);
}

fn expect_filled(subject: &impl Subject, times: u64) {
    let received = subject.received();
    let labels: Pairs<'_> = &[("kind", "x")];
    assert_eq!(received.counter("suite_count", labels), Some(3 * times));
    expect_level(subject, -4.0);
    let values = received.histogram("suite_values", labels);
    assert_eq!(values.map(|values| values.count), Some(3 * times));
}

fn expect_level(subject: &impl Subject, level: f64) {
    let received = subject.received().gauge("suite_gauge", &[]);
    let same = received.is_some_and(|received| (received - level).abs() < 1e-9);
    assert!(same, "the gauge is at {level}, not {received:?}");
}

fn key(name: &'static str, labels: Pairs<'_>) -> Key {
    let labels = labels.iter().map(|&(name, value)| Label::new(name.to_owned(), value.to_owned()));
    Key::from_parts(name, labels.collect::<Vec<_>>())
}

fn counter_of(registry: &Registry, name: &'static str, labels: Pairs<'_>) -> Counter {
    registry.register_counter(&key(name, labels), &METADATA)
}

fn gauge_of(registry: &Registry, name: &'static str, labels: Pairs<'_>) -> Gauge {
    registry.register_gauge(&key(name, labels), &METADATA)
}

fn histogram_of(registry: &Registry, name: &'static str, labels: Pairs<'_>) -> Histogram {
    registry.register_histogram(&key(name, labels), &METADATA)
}
