//! The suite for exporters, on the pages of Prometheus; and that it finds what
//! it is for.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

mod page;

use kit_metrics::{
    Prometheus, Registry,
    conformance::{self, Received, Subject},
    prometheus::Format,
    registry::{Histogram, Value},
};
use page::Page;
use std::{collections::BTreeMap, panic::AssertUnwindSafe};
use tokio_test::block_on;

/// Prometheus, which scrapes.
struct Scraped {
    metrics: Prometheus,
    format: Format,
    received: Received,
}

impl Scraped {
    fn new(format: Format) -> Self {
        Self { metrics: Prometheus::new(), format, received: Received::default() }
    }
}

impl Subject for Scraped {
    fn registry(&self) -> &Registry {
        self.metrics.registry()
    }

    async fn export(&mut self) {
        let page = self.metrics.render_as(self.format);
        let page = match self.format {
            Format::OpenMetrics => Page::read(&older(&page)),
            _ => Page::read(&page),
        };
        take(&page, &mut self.received);
    }

    async fn lose(&mut self) {
        // A reply that does not come through.
        let _ = self.metrics.render_as(self.format);
    }

    async fn shut_down(&mut self) {
        // It scrapes what drains until it is gone.
        self.export().await;
    }

    fn received(&self) -> &Received {
        &self.received
    }
}

/// Writes a page of OpenMetrics as the text format has it.
fn older(page: &str) -> String {
    let page = page.strip_suffix("# EOF\n").expect("an end");
    let mut text = String::new();
    for line in page.lines().filter(|line| !line.starts_with("# UNIT ")) {
        match line.strip_prefix("# TYPE ").and_then(|line| line.strip_suffix(" counter")) {
            Some(counter) => text.extend(["# TYPE ", counter, "_total counter\n"]),
            None => text.extend([line.split(" # {").next().unwrap_or(line), "\n"]),
        }
    }
    text
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "they are counts")]
fn take(page: &Page, to: &mut Received) {
    for (name, shape) in &page.types {
        match shape.as_str() {
            "counter" => page.of(name).for_each(|(labels, total)| {
                to.total(name.strip_suffix("_total").unwrap(), &pairs(labels), total as u64);
            }),
            "gauge" => {
                page.of(name).for_each(|(labels, level)| to.level(name, &pairs(labels), level));
            }
            _ => {
                for (labels, sum) in page.of(&format!("{name}_sum")) {
                    let mut below = 0;
                    let (mut bounds, mut counts) = (Vec::new(), Vec::new());
                    for (all, total) in page.of(&format!("{name}_bucket")) {
                        let mut all = all.clone();
                        let le = all.remove("le").unwrap();
                        if all == *labels {
                            counts.push(total as u64 - below);
                            below = total as u64;
                            bounds.extend(le.parse().ok().filter(|bound: &f64| bound.is_finite()));
                        }
                    }
                    let bounds = bounds.into();
                    let read = Histogram { bounds, counts, sum, exemplars: Vec::new() };
                    to.buckets(name, &pairs(labels), &read);
                }
            }
        }
    }
}

fn pairs(labels: &BTreeMap<String, String>) -> Vec<(String, String)> {
    labels.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
}

#[test]
fn the_text_page_conforms() {
    block_on(conformance::all(|| Scraped::new(Format::Text)));
}

#[test]
fn the_open_metrics_page_conforms() {
    block_on(conformance::all(|| Scraped::new(Format::OpenMetrics)));
}

// ===== exporters that are wrong =====

/// What an exporter may get wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Wrong {
    /// Nothing: the others must fail for what they are.
    Not,
    /// Sends deltas, and takes a failed write for one that arrived.
    LosesOnFailure,
    /// Sends totals where the receiver adds.
    CountsTwice,
    /// Ends without a last write.
    ForgetsTheEnd,
    /// Knows no labels.
    IgnoresLabels,
    /// Writes a negative gauge as statsd takes for a step.
    NegativeIsAStep,
    /// Counts values, and knows nothing about their size.
    FlattensValues,
    /// Gives a labelled child what its parent had (Go kit's #570).
    ChildrenInherit,
    /// Says nothing of a counter at 0, though it has totals.
    HidesZero,
}

struct Broken {
    registry: Registry,
    wrong: Wrong,
    sent: BTreeMap<(String, Vec<(String, String)>), u64>,
    received: Received,
}

impl Broken {
    fn new(wrong: Wrong) -> Self {
        let (sent, received) = (BTreeMap::new(), Received::default());
        Self { registry: Registry::new(), wrong, sent, received }
    }

    fn write(&mut self, arrives: bool) {
        for metric in self.registry.read().metrics {
            for series in &metric.series {
                let (name, mut labels) = (&metric.name, series.labels.to_vec());
                if self.wrong == Wrong::IgnoresLabels {
                    labels.clear();
                }
                match &series.value {
                    Value::Counter(0) if self.wrong == Wrong::HidesZero => {}
                    Value::Counter(total) => {
                        let sent = self.sent.entry((name.clone(), labels.clone())).or_default();
                        let mut delta = total - *sent;
                        if arrives && self.wrong != Wrong::CountsTwice
                            || self.wrong == Wrong::LosesOnFailure
                        {
                            *sent = *total;
                        }
                        if self.wrong == Wrong::ChildrenInherit && labels.len() == 5 {
                            delta += 1000;
                        }
                        if arrives {
                            self.received.added(name, &labels, delta);
                        }
                    }
                    Value::Gauge(level) if arrives => {
                        if self.wrong == Wrong::NegativeIsAStep && *level < 0.0 {
                            self.received.step(name, &labels, *level);
                        } else {
                            self.received.level(name, &labels, *level);
                        }
                    }
                    Value::Histogram(read) if arrives => {
                        let mut read = read.clone();
                        if self.wrong == Wrong::FlattensValues {
                            read.counts.rotate_left(7);
                        }
                        self.received.buckets(name, &labels, &read);
                    }
                    _ => {}
                }
            }
        }
    }
}

impl Subject for Broken {
    fn registry(&self) -> &Registry {
        &self.registry
    }

    async fn export(&mut self) {
        self.write(true);
    }

    async fn lose(&mut self) {
        self.write(false);
    }

    async fn shut_down(&mut self) {
        if self.wrong != Wrong::ForgetsTheEnd {
            self.write(true);
        }
    }

    fn received(&self) -> &Received {
        &self.received
    }
}

#[test]
fn the_suite_finds_what_is_wrong() {
    let conforms = |wrong| {
        let run = AssertUnwindSafe(|| block_on(conformance::all(|| Broken::new(wrong))));
        std::panic::catch_unwind(run).is_ok()
    };
    assert!(conforms(Wrong::Not));
    for wrong in [
        Wrong::LosesOnFailure,
        Wrong::CountsTwice,
        Wrong::ForgetsTheEnd,
        Wrong::IgnoresLabels,
        Wrong::NegativeIsAStep,
        Wrong::FlattensValues,
        Wrong::ChildrenInherit,
        Wrong::HidesZero,
    ] {
        assert!(!conforms(wrong), "{wrong:?}");
    }
}
