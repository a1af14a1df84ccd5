//! Graphite: lines over TCP, as carbon takes them.
//!
//! ```no_run
//! use kit_metrics::{Registry, export::{Push, graphite::Graphite}};
//!
//! # async fn run(registry: Registry) {
//! let graphite = Graphite::tcp("graphite.example.com:2003").prefix("greeter.host-1");
//! let push = Push::new(registry, graphite);
//! # drop(push.run(std::future::pending()).await);
//! # }
//! ```
//!
//! What is sent: `path value time`, the time in seconds.
//!
//! | | path | |
//! |---|---|---|
//! | counter | `name` | what was added since the last time, or all of it ([`cumulative`](Graphite::cumulative)) |
//! | gauge | `name` | what it is |
//! | histogram | `name.count`, `name.sum` | as a counter |
//! | | `name.p50`, `.p90`, `.p95`, `.p99` | of what was added, estimated from its buckets; nothing if nothing was |
//! | | `name.le.0_005`, ..., `name.le.inf` | as a counter, and at most that bound; in place of quantiles, if [asked for](Graphite::buckets) |
//!
//! Carbon keeps one point for each step of its retention. Push no more often
//! than that (`[carbon] retentions = 10s:...` and `every(10 s)`), or send
//! cumulative counters, to which it does no harm.
//!
//! # Labels
//!
//! They become part of the path, `requests.method.GET`, or Graphite's tags
//! ([`tagged`](Graphite::tagged)), `requests;method=GET`. In a path letters,
//! digits, `_` and `-` stay, and dots in names; in the value of a tag all but
//! spaces, controls, `;` and a leading `~`. Other characters become `_`. Values
//! that are not finite are left out.
//!
//! # Losses
//!
//! For each export a connection is made, written to, and closed; that carbon
//! closes its side too, within a second, says that it read all. Until then
//! points are kept, [100 000](Graphite::keep) of them, and sent after with
//! their own time; of more, the oldest are given up. A point that is sent twice
//! is the same point.

use super::{
    Error, Export,
    backlog::Backlog,
    delta::{By, Deltas, Grown, Part},
    escape::{is_plain, write},
    quantiles::quantiles,
};
use crate::registry::{Histogram, Reading, Value};
use std::{
    fmt::{Display, Write},
    io,
    time::{Duration, SystemTime},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// How many points one connection carries: so a long backlog gets shorter even
/// if there is no time for all of it.
const AT_ONCE: usize = 10_000;

/// How long to wait for carbon to close its side.
const CLOSE: Duration = Duration::from_secs(1);

/// Sends metrics to Graphite's carbon. See the [module](self) for how.
#[derive(Debug)]
pub struct Graphite {
    address: String,
    format: Format,
    deltas: Deltas,
    backlog: Backlog,
}

#[derive(Debug)]
struct Format {
    prefix: String,
    tagged: bool,
    cumulative: bool,
    buckets: bool,
}

// ===== impl Graphite =====

impl Graphite {
    /// Sends to `address`, `host:port`: a name is looked up for each export.
    #[must_use]
    pub fn tcp(address: impl Into<String>) -> Self {
        let prefix = String::new();
        let format = Format { prefix, tagged: false, cumulative: false, buckets: false };
        let (deltas, backlog) = (Deltas::default(), Backlog::new());
        Self { address: address.into(), format, deltas, backlog }
    }

    /// Puts `prefix` and a dot before each path; nothing unless set. Name the
    /// instance in it: of two that write one path, one is overwritten.
    #[must_use]
    pub fn prefix(mut self, prefix: &str) -> Self {
        self.format.prefix.clear();
        write(&mut self.format.prefix, prefix, |letter| is_plain(letter) || letter == '.');
        self
    }

    /// Sends labels as Graphite's tags, which it has since 1.1; as part of the
    /// path unless set.
    #[must_use]
    pub const fn tagged(mut self) -> Self {
        self.format.tagged = true;
        self
    }

    /// Sends all that a counter ever counted, for `perSecond()` and
    /// `nonNegativeDerivative()`; what was added since the last time unless
    /// set.
    #[must_use]
    pub const fn cumulative(mut self) -> Self {
        self.format.cumulative = true;
        self
    }

    /// Sends the buckets of histograms; their quantiles unless set.
    #[must_use]
    pub const fn buckets(mut self) -> Self {
        self.format.buckets = true;
        self
    }

    /// Sets how many points are kept while they cannot be written: 100 000
    /// unless set, some 10 MB. Those of the newest reading are kept in any
    /// case.
    #[must_use]
    pub const fn keep(mut self, points: usize) -> Self {
        self.backlog.keep = points;
        self
    }

    /// Writes the first batches of the backlog to a connection of their own.
    async fn write(&self, batches: usize) -> io::Result<()> {
        let mut stream = TcpStream::connect(&*self.address).await?;
        for batch in self.backlog.batches().take(batches) {
            stream.write_all(batch.text.as_bytes()).await?;
        }
        stream.shutdown().await?;
        let mut said = [0; 64];
        let end = async {
            while stream.read(&mut said).await? > 0 {}
            Ok(())
        };
        // One that keeps its side open has not refused anything.
        timeout(CLOSE, end).await.unwrap_or(Ok(()))
    }
}

impl Export for Graphite {
    async fn export(&mut self, reading: &Reading) -> Result<(), Error> {
        let all = self.deltas.grown(reading);
        let time = seconds(reading.at);
        let mut lines = Vec::new();
        for grown in &all {
            self.format.lines(&mut lines, grown, time);
            self.deltas.told(grown, Part::All);
        }
        drop(all);
        self.backlog.add(lines.into_iter(), AT_ONCE);
        while self.backlog.first().is_some() {
            let batches = self.backlog.within(AT_ONCE);
            self.write(batches).await.map_err(Error::io(&self.address))?;
            for _ in 0..batches {
                self.backlog.written();
            }
        }
        Ok(())
    }

    fn dropped(&self) -> u64 {
        self.backlog.dropped()
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

// ===== impl Format =====

impl Format {
    fn lines(&self, lines: &mut Vec<String>, grown: &Grown<'_>, time: u64) {
        let mut line = |part: &str, value: &dyn Display| {
            let mut line = self.path(grown, part);
            // A `String` takes all that is written.
            let _ = writeln!(line, " {value} {time}");
            lines.push(line);
        };
        match (&grown.by, &grown.series.value) {
            (By::Counter(_), Value::Counter(total)) if self.cumulative => line("", total),
            (By::Counter(count), _) => line("", count),
            (By::Gauge(value), _) if value.is_finite() => line("", value),
            (By::Gauge(_), _) => {}
            (By::Histogram(added), total) => {
                let counted: &Histogram = match total {
                    Value::Histogram(total) if self.cumulative => total,
                    _ => added,
                };
                line(".count", &counted.count());
                line(".sum", &counted.sum);
                if self.buckets {
                    for (bound, count) in counted.cumulative() {
                        let bound = bound.to_string().replace('.', "_");
                        line(&format!(".le.{bound}"), &count);
                    }
                } else {
                    for (name, value) in quantiles(added) {
                        line(&format!(".{name}"), &value);
                    }
                }
            }
        }
    }

    /// Writes the path; `part` begins with a dot, if there is one.
    fn path(&self, grown: &Grown<'_>, part: &str) -> String {
        let mut path = String::new();
        if !self.prefix.is_empty() {
            path.push_str(&self.prefix);
            path.push('.');
        }
        write(&mut path, &grown.metric.name, |letter| is_plain(letter) || letter == '.');
        if self.tagged {
            path.push_str(part);
        }
        for (label, value) in grown.series.labels.iter() {
            if self.tagged {
                // Graphite takes no empty value.
                if value.is_empty() {
                    continue;
                }
                path.push(';');
                write(&mut path, label, is_plain);
                path.push('=');
                let fits =
                    |letter: char| letter != ';' && !letter.is_whitespace() && !letter.is_control();
                let rest = value.strip_prefix('~').unwrap_or(value);
                path.push_str(if rest.len() < value.len() { "_" } else { "" });
                write(&mut path, rest, fits);
            } else {
                path.push('.');
                write(&mut path, label, is_plain);
                path.push('.');
                write(&mut path, if value.is_empty() { "_" } else { value }, is_plain);
            }
        }
        if !self.tagged {
            path.push_str(part);
        }
        path
    }
}
