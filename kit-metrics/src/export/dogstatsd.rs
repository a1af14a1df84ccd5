//! DogStatsD: statsd with tags, as Datadog's agent takes it, over UDP or a unix
//! socket.
//!
//! ```no_run
//! use kit_metrics::{Registry, export::{Push, dogstatsd::DogStatsd}};
//!
//! # async fn run(registry: Registry) {
//! let agent = DogStatsd::udp("127.0.0.1:8125").tags(&[("env", "prod"), ("service", "greeter")]);
//! let push = Push::new(registry, agent);
//! # drop(push.run(std::future::pending()).await);
//! # }
//! ```
//!
//! What is sent:
//!
//! | | line | |
//! |---|---|---|
//! | counter | `name:3\|c\|#k:v` | what was added since the last that was sent; nothing when that is 0 |
//! | gauge | `name:-2.5\|g\|#k:v` | each time |
//! | histogram | `name:0.0125\|d\|#k:v` | a line for each value, in its own unit |
//!
//! Values of a histogram are those of its buckets, evenly spread in each, as
//! distributions, which Datadog adds up over all hosts, or as its histograms
//! ([`histograms`](DogStatsd::histograms)), which each agent sums up by itself.
//! Where there are more than [`values`](DogStatsd::values) of one series in a
//! tick, each line stands for 2, 4, 8, ... of them and says so (`|@0.5`, ...),
//! which the agent weighs: the count is exact. Nothing else is sampled. Values
//! that are not finite are left out.
//!
//! # Tags
//!
//! Global tags come first, then the labels of the series; a label wins over a
//! global tag of its name. In names letters, digits, `_` and `.` stay; in tags
//! all but what ends one (`,`, `|`, controls) and, in its name, a colon. Other
//! characters become `_`.
//!
//! # Losses
//!
//! Over UDP as with [statsd](super::statsd). A unix socket says when nobody
//! listens, and makes the writer wait while the agent is busy: what was not
//! written then adds up.

use super::{
    Error, Export,
    datagram::{Place, UDP},
    delta::{By, Deltas, Grown, Part},
    escape::write,
    estimate::estimate,
    lines::Lines,
    sample::{rate, samples},
};
use crate::registry::Reading;
use std::fmt::Write;

/// Sends metrics to Datadog's agent. See the [module](self) for how.
#[derive(Debug)]
pub struct DogStatsd {
    place: Place,
    format: Format,
    most: usize,
    deltas: Deltas,
    dropped: u64,
}

#[derive(Debug)]
struct Format {
    prefix: String,
    tags: Vec<(String, String)>,
    /// `d` or `h`.
    kind: char,
    values: u64,
}

// ===== impl DogStatsd =====

impl DogStatsd {
    /// Sends to `address`, `host:port`, by UDP: a name is looked up for each
    /// export. A datagram has at most 1432 bytes.
    #[must_use]
    pub fn udp(address: impl Into<String>) -> Self {
        Self::new(Place::Udp(address.into()), UDP)
    }

    /// Sends to the agent's socket, `/var/run/datadog/dsd.socket` by its
    /// default. A datagram has at most 8192 bytes.
    #[cfg(unix)]
    #[must_use]
    pub fn unix(path: impl Into<std::path::PathBuf>) -> Self {
        Self::new(Place::Unix(path.into()), super::datagram::UNIX)
    }

    fn new(place: Place, most: usize) -> Self {
        let (prefix, tags) = (String::new(), Vec::new());
        let format = Format { prefix, tags, kind: 'd', values: 1000 };
        Self { place, format, most, deltas: Deltas::default(), dropped: 0 }
    }

    /// Puts `prefix` and a dot before each name; nothing unless set.
    #[must_use]
    pub fn prefix(mut self, prefix: &str) -> Self {
        self.format.prefix.clear();
        write(&mut self.format.prefix, prefix, fits_name);
        self
    }

    /// Sets the tags that each series has: none unless set.
    #[must_use]
    pub fn tags(mut self, tags: &[(&str, &str)]) -> Self {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        self.format.tags = tags.iter().map(owned).collect();
        self
    }

    /// Sends histograms as Datadog's histograms (`h`), which each agent sums up
    /// by itself; as distributions (`d`) unless set.
    #[must_use]
    pub const fn histograms(mut self) -> Self {
        self.format.kind = 'h';
        self
    }

    /// Sets from how many values of one histogram on, in one tick, a line
    /// stands for several: 1000 unless set.
    #[must_use]
    pub const fn values(mut self, most: u64) -> Self {
        self.format.values = most;
        self
    }

    /// Sets how long a datagram may be, in bytes. A line that is longer is left
    /// out, and counted as dropped.
    #[must_use]
    pub const fn datagram(mut self, bytes: usize) -> Self {
        self.most = bytes;
        self
    }
}

impl Export for DogStatsd {
    async fn export(&mut self, reading: &Reading) -> Result<(), Error> {
        let all = self.deltas.grown(reading);
        let Self { place, format, most, deltas, dropped } = self;
        let mut lines = Lines::open(place, *most, deltas, dropped).await?;
        let mut line = String::new();
        for grown in &all {
            let (name, tags) = (format.name(grown), format.tags(grown));
            // A `String` takes all that is written.
            match &grown.by {
                By::Counter(0) => {}
                By::Counter(count) => {
                    line.clear();
                    let _ = write!(line, "{name}:{count}|c{tags}");
                    lines.add(&line, grown, Part::All).await?;
                }
                By::Gauge(value) if value.is_finite() => {
                    line.clear();
                    let _ = write!(line, "{name}:{}|g{tags}", value + 0.0);
                    lines.add(&line, grown, Part::All).await?;
                }
                By::Gauge(_) => {}
                By::Histogram(added) => {
                    for (value, weight) in samples(added, format.values) {
                        line.clear();
                        let _ = write!(line, "{name}:{}|{}", estimate(value), format.kind);
                        if weight > 1 {
                            let _ = write!(line, "|@{}", rate(weight));
                        }
                        line.push_str(&tags);
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

// ===== impl Format =====

const fn fits_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '_' | '.')
}

fn fits_tag(letter: char) -> bool {
    !matches!(letter, ',' | '|') && !letter.is_control()
}

impl Format {
    fn name(&self, grown: &Grown<'_>) -> String {
        let mut name = String::new();
        if !self.prefix.is_empty() {
            name.push_str(&self.prefix);
            name.push('.');
        }
        write(&mut name, &grown.metric.name, fits_name);
        name
    }

    fn tags(&self, grown: &Grown<'_>) -> String {
        let is_label = |tag: &str| grown.series.labels.iter().any(|(label, _)| label == tag);
        let global = self.tags.iter().filter(|(tag, _)| !is_label(tag));
        let mut tags = String::new();
        for (name, value) in global.chain(grown.series.labels.iter()) {
            tags.push_str(if tags.is_empty() { "|#" } else { "," });
            write(&mut tags, name, |letter| fits_tag(letter) && letter != ':');
            if !value.is_empty() {
                tags.push(':');
                write(&mut tags, value, fits_tag);
            }
        }
        tags
    }
}
