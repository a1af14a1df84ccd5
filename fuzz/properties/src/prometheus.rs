use crate::page::Page;
use kit_metrics::prometheus::Prometheus;
use metrics::{Key, KeyName, Label, Level, Metadata, Recorder, Unit};

/// A metric, as it is recorded.
struct Metric {
    shape: u8,
    name: String,
    unit: Option<Unit>,
    help: String,
    value: f64,
    labels: Vec<(String, String)>,
}

/// The page for Prometheus: metrics between bytes of 0x1e, and between bytes of
/// 0x1f the shape, name, unit, help and value of each, and its labels.
pub fn prometheus(data: &[u8]) {
    let metrics: Vec<_> = data.split(|byte| *byte == 0x1e).take(16).map(Metric::new).collect();
    let all = Prometheus::new();
    for metric in &metrics {
        metric.record(&all);
        let one = Prometheus::new();
        metric.record(&one);
        metric.check(&Page::read(&one.render()));
    }
    let page = all.render();
    Page::read(&page);
    assert_eq!(all.render(), page);
}

// ===== impl Metric =====

impl Metric {
    fn new(data: &[u8]) -> Self {
        let text = String::from_utf8_lossy(data);
        let mut fields = text.split('\x1f').map(str::to_owned);
        let mut field = || fields.next().unwrap_or_default();
        let (shape, name, unit, help, value) = (field(), field(), field(), field(), field());
        let mut labels = Vec::new();
        while let (Some(name), value) = (fields.next(), fields.next().unwrap_or_default()) {
            labels.push((name, value));
        }
        Self {
            shape: shape.bytes().next().unwrap_or_default() % 3,
            name,
            unit: Unit::from_string(&unit),
            help,
            value: value.parse().unwrap_or(1.0),
            labels,
        }
    }

    fn record(&self, prometheus: &Prometheus) {
        let labels: Vec<_> =
            self.labels.iter().map(|(name, value)| Label::from((name, value))).collect();
        let key = Key::from_parts(self.name.clone(), labels);
        let name = KeyName::from(self.name.clone());
        let metadata = Metadata::new("", Level::INFO, None);
        let help = self.help.clone().into();
        match self.shape {
            0 => {
                prometheus.describe_counter(name, self.unit, help);
                prometheus.register_counter(&key, &metadata).increment(7);
            }
            1 => {
                prometheus.describe_gauge(name, self.unit, help);
                prometheus.register_gauge(&key, &metadata).set(self.value);
            }
            _ => {
                prometheus.describe_histogram(name, self.unit, help);
                prometheus.register_histogram(&key, &metadata).record(self.value);
            }
        }
    }

    /// Alone on a page, it comes back as it was given.
    fn check(&self, page: &Page) {
        assert_eq!((page.types.len(), page.comments.len()), (1, 0));
        let shape = ["counter", "gauge", "histogram"][usize::from(self.shape)];
        assert!(page.types.values().eq([shape]));
        let help: Vec<_> = page.helps.values().collect();
        assert!(if self.help.is_empty() { help.is_empty() } else { help == [&self.help] });
        let given = |value: &String| self.labels.iter().any(|(_, given)| given == value);
        for (_, labels, value) in &page.samples {
            // The bound of a bucket is no label of ours; elsewhere `le` is.
            let bound = |name: &str| self.shape == 2 && name == "le";
            assert!(labels.iter().all(|(name, value)| bound(name) || given(value)));
            assert!(self.labels.is_empty() || labels.keys().any(|name| !bound(name)));
            match self.shape {
                0 => assert!((value - 7.0).abs() < f64::EPSILON),
                // A zero has no sign on the page.
                1 => assert!(
                    (value + 0.0).to_bits() == (self.value + 0.0).to_bits()
                        || (value.is_nan() && self.value.is_nan())
                ),
                _ => {}
            }
        }
        if let [(name, value)] = &self.labels[..]
            && name.starts_with(|letter: char| letter.is_ascii_alphabetic())
            && name.chars().all(|letter| letter.is_ascii_alphanumeric())
            && name != "le"
        {
            assert!(page.samples.iter().all(|(_, labels, _)| labels.get(name) == Some(value)));
        }
    }
}
