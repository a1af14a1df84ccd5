//! statsd: lines over UDP.
//!
//! ```no_run
//! use kit_metrics::{Registry, export::{Push, statsd::Statsd}};
//!
//! # async fn run(registry: Registry) {
//! let statsd = Statsd::udp("127.0.0.1:8125").prefix("greeter");
//! let push = Push::new(registry, statsd);
//! # drop(push.run(std::future::pending()).await);
//! # }
//! ```
//!
//! What is sent:
//!
//! | | line | |
//! |---|---|---|
//! | counter | `name:3\|c` | what was added since the last that was sent; nothing when that is 0 |
//! | gauge | `name:2.5\|g` | each time, so that a server that was restarted knows it |
//! | gauge below 0 | `name:0\|g`, `name:-2.5\|g` | for `-2.5` alone would be a step downwards; both in one datagram |
//! | histogram | `name:12.5\|ms` | a line for each value, those of time in milliseconds |
//!
//! Values of a histogram are those of its buckets, evenly spread in each. Where
//! there are more than [`timings`](Statsd::timings) of one series in a tick,
//! each line stands for 2, 4, 8, ... of them and says so (`|@0.5`, `|@0.25`,
//! ...): rates whose inverse is exact, so no server over-counts. Nothing else is
//! sampled. Values that are not finite are left out.
//!
//! # Labels
//!
//! Plain statsd has none: they become part of the name,
//! `requests.method.GET`, or tags as some servers take them
//! ([`Labels`]). Letters, digits, `_` and `-` stay, and dots in names; any
//! other character becomes `_`.
//!
//! # Losses
//!
//! A datagram counts as sent once the system took it; on the loopback interface
//! it is known at once when nobody listens, and it does not. What is lost
//! further away is lost: nobody says so, and it is never sent twice.

use super::{
    Error, Export,
    datagram::{Place, UDP},
    delta::{By, Deltas, Grown, Part},
    escape::{is_plain, write},
    estimate::estimate,
    lines::Lines,
    sample::{rate, samples},
};
use crate::registry::Reading;
use metrics::Unit;
use std::fmt::Write;

/// Sends metrics to a statsd server. See the [module](self) for how.
#[derive(Debug)]
pub struct Statsd {
    place: Place,
    format: Format,
    most: usize,
    deltas: Deltas,
    dropped: u64,
}

/// What becomes of labels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Labels {
    /// `name.label.value:1|c`: parts of the name.
    #[default]
    Path,
    /// `name;label=value:1|c`: tags as Graphite has them, which statsd itself
    /// takes since 0.9.
    Graphite,
    /// `name,label=value:1|c`: tags as Telegraf takes them.
    Influx,
}

#[derive(Debug)]
struct Format {
    prefix: String,
    labels: Labels,
    timings: u64,
}

// ===== impl Statsd =====

impl Statsd {
    /// Sends to `address`, `host:port`, by UDP: a name is looked up for each
    /// export.
    #[must_use]
    pub fn udp(address: impl Into<String>) -> Self {
        let format = Format { prefix: String::new(), labels: Labels::Path, timings: 1000 };
        let place = Place::Udp(address.into());
        Self { place, format, most: UDP, deltas: Deltas::default(), dropped: 0 }
    }

    /// Puts `prefix` and a dot before each name; nothing unless set.
    #[must_use]
    pub fn prefix(mut self, prefix: &str) -> Self {
        self.format.prefix.clear();
        write(&mut self.format.prefix, prefix, |letter| is_plain(letter) || letter == '.');
        self
    }

    /// Sets what becomes of labels: [`Labels::Path`] unless set.
    #[must_use]
    pub const fn labels(mut self, labels: Labels) -> Self {
        self.format.labels = labels;
        self
    }

    /// Sets from how many values of one histogram on, in one tick, a line
    /// stands for several: 1000 unless set.
    #[must_use]
    pub const fn timings(mut self, most: u64) -> Self {
        self.format.timings = most;
        self
    }

    /// Sets how long a datagram may be: 1432 bytes unless set. A line that is
    /// longer is left out, and counted as dropped.
    #[must_use]
    pub const fn datagram(mut self, bytes: usize) -> Self {
        self.most = bytes;
        self
    }
}

impl Export for Statsd {
    async fn export(&mut self, reading: &Reading) -> Result<(), Error> {
        let all = self.deltas.grown(reading);
        let Self { place, format, most, deltas, dropped } = self;
        let mut lines = Lines::open(place, *most, deltas, dropped).await?;
        let mut line = String::new();
        for grown in &all {
            let name = format.name(grown);
            match &grown.by {
                By::Counter(0) => {}
                By::Counter(count) => {
                    Format::counter(&mut line, &name, *count);
                    lines.add(&line, grown, Part::All).await?;
                }
                By::Gauge(value) if value.is_finite() => {
                    Format::gauge(&mut line, &name, *value);
                    lines.add(&line, grown, Part::All).await?;
                }
                By::Gauge(_) => {}
                By::Histogram(added) => {
                    let scale = milliseconds(grown.metric.unit).unwrap_or(1.0);
                    for (value, weight) in samples(added, format.timings) {
                        Format::timing(&mut line, &name, value * scale, weight);
                        lines.add(&line, grown, Part::Values(weight)).await?;
                    }
                }
            }
        }
        lines.send().await
    }

    fn dropped(&self) -> u64 {
        self.dropped
    }
}

/// How many milliseconds one of the unit is, if it is one of time.
const fn milliseconds(unit: Option<Unit>) -> Option<f64> {
    match unit {
        Some(Unit::Seconds) => Some(1e3),
        Some(Unit::Milliseconds) => Some(1.0),
        Some(Unit::Microseconds) => Some(1e-3),
        Some(Unit::Nanoseconds) => Some(1e-6),
        _ => None,
    }
}

// ===== impl Format =====

impl Format {
    fn name(&self, grown: &Grown<'_>) -> String {
        let mut name = String::new();
        if !self.prefix.is_empty() {
            name.push_str(&self.prefix);
            name.push('.');
        }
        write(&mut name, &grown.metric.name, |letter| is_plain(letter) || letter == '.');
        for (label, value) in grown.series.labels.iter() {
            let (before, between) = match self.labels {
                Labels::Path => ('.', '.'),
                Labels::Graphite => (';', '='),
                Labels::Influx => (',', '='),
            };
            // In a path a dot would begin another part.
            let fits = |letter| is_plain(letter) || letter == '.' && self.labels != Labels::Path;
            name.push(before);
            write(&mut name, label, fits);
            name.push(between);
            write(&mut name, if value.is_empty() { "_" } else { value }, fits);
        }
        name
    }

    fn counter(line: &mut String, name: &str, count: u64) {
        line.clear();
        // A `String` takes all that is written.
        let _ = write!(line, "{name}:{count}|c");
    }

    fn gauge(line: &mut String, name: &str, value: f64) {
        line.clear();
        if value < 0.0 {
            let _ = writeln!(line, "{name}:0|g");
        }
        // Adding 0 makes -0 the same as 0: its sign would be a step.
        let _ = write!(line, "{name}:{}|g", value + 0.0);
    }

    fn timing(line: &mut String, name: &str, value: f64, weight: u64) {
        line.clear();
        let _ = write!(line, "{name}:{}|ms", estimate(value));
        if weight > 1 {
            let _ = write!(line, "|@{}", rate(weight));
        }
    }
}
