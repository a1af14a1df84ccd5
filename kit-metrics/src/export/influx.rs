//! InfluxDB: its line protocol, over HTTP or UDP.
//!
//! ```no_run
//! use kit_metrics::{Registry, export::{Push, influx::Influx}};
//!
//! # async fn run(registry: Registry) -> Result<(), kit_metrics::export::Error> {
//! let influx = Influx::v2("http://127.0.0.1:8086", "my-org", "my-bucket", "my-token")?;
//! let push = Push::new(registry, influx.tags(&[("host", "host-1")]));
//! push.run(std::future::pending()).await
//! # }
//! ```
//!
//! What is sent: `name,tag=value field=value,.. time`, a point for each series,
//! its labels as tags and the time in nanoseconds.
//!
//! | | fields | |
//! |---|---|---|
//! | counter | `count=3i` | what was added since the last time, or all of it ([`cumulative`](Influx::cumulative)) |
//! | gauge | `value=2.5` | what it is |
//! | histogram | `count=3i,sum=0.25` | as a counter |
//! | | `p50=..,p90=..,p95=..,p99=..` | of what was added, estimated from its buckets; none if nothing was |
//!
//! What line protocol has a meaning for is escaped. What it has no way to say
//! is replaced: controls, line breaks above all, by `_`, and backslashes, with
//! which a name could end, too. Tags without a value, and values that are not
//! finite, are left out. A count past the `i64` that InfluxDB keeps is its
//! maximum.
//!
//! # Losses
//!
//! Over HTTP the server answers: what it did not take is kept,
//! [100 000](Influx::keep) points of it, and sent after with its own time; of
//! more, the oldest are given up, and so is what the server will never take
//! (400, 413, 422: points in a batch with one that it does not understand, too).
//! A point that is sent twice is the same point. Over UDP nobody answers: points
//! are kept where the system says at once that nobody listens.

use super::{
    Error, Export,
    backlog::Backlog,
    datagram::{Place, Socket, UDP},
    delta::{By, Deltas, Grown, Part},
    http::{Client, client, refused, send},
    quantiles::quantiles,
};
use crate::registry::{Reading, Value};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body::Body;
use http_body_util::Full;
use std::{fmt, fmt::Write, time::SystemTime};
use tower_service::Service;

/// How many points a request carries: what InfluxData advises.
const AT_ONCE: usize = 5000;

/// Sends metrics to InfluxDB, or whatever else takes its line protocol:
/// Telegraf, VictoriaMetrics, QuestDB. See the [module](self) for how.
#[derive(Debug)]
pub struct Influx<W = Http> {
    write: W,
    format: Format,
    deltas: Deltas,
    backlog: Backlog,
}

/// Writes over HTTP, by a client `S`.
pub struct Http<S = Client> {
    client: S,
    uri: Uri,
    authorization: Option<HeaderValue>,
}

/// Writes datagrams.
#[derive(Debug)]
pub struct Udp {
    place: Place,
}

/// How lines are written: [`Http`] or [`Udp`].
pub trait WriteLines: Send + sealed::Sealed {
    /// Writes whole lines.
    #[doc(hidden)]
    fn write(&mut self, lines: &str) -> impl Future<Output = Result<(), NotWritten>> + Send;
}

/// Why lines were not written.
#[doc(hidden)]
#[derive(Debug)]
pub enum NotWritten {
    /// They may be the next time.
    Yet(Error),
    /// They never will be.
    Ever(Error),
}

mod sealed {
    pub trait Sealed {}
}

#[derive(Debug)]
struct Format {
    prefix: String,
    tags: Vec<(String, String)>,
    cumulative: bool,
}

// ===== impl Influx =====

impl Influx {
    /// Writes to `/api/v2/write` of the server at `base`, `http://host:port`.
    ///
    /// # Errors
    ///
    /// When the base is no URI, or a token no header has room for.
    pub fn v2(base: &str, org: &str, bucket: &str, token: &str) -> Result<Self, Error> {
        let query = [("org", org), ("bucket", bucket), ("precision", "ns")];
        let uri = uri(base, "/api/v2/write", &query)?;
        let authorization = Some(secret(&format!("Token {token}"))?);
        Ok(Self::new(Http { client: client(), uri, authorization }))
    }

    /// Writes to `/write` of a server of version 1 at `base`,
    /// `http://host:port`.
    ///
    /// # Errors
    ///
    /// When the base is no URI.
    pub fn v1(base: &str, database: &str) -> Result<Self, Error> {
        let uri = uri(base, "/write", &[("db", database), ("precision", "ns")])?;
        Ok(Self::new(Http { client: client(), uri, authorization: None }))
    }
}

impl Influx<Udp> {
    /// Writes to `address`, `host:port`, by UDP: datagrams of at most 1432
    /// bytes.
    #[must_use]
    pub fn udp(address: impl Into<String>) -> Self {
        Self::new(Udp { place: Place::Udp(address.into()) })
    }
}

impl<S> Influx<Http<S>> {
    /// Sends the header `authorization`, whole: `Bearer ..`, `Basic ..`.
    ///
    /// # Errors
    ///
    /// When it has characters that no header has.
    pub fn authorization(mut self, value: &str) -> Result<Self, Error> {
        self.write.authorization = Some(secret(value)?);
        Ok(self)
    }

    /// Writes by another client: with TLS, through a proxy, for a test.
    #[must_use]
    pub fn client<T>(self, client: T) -> Influx<Http<T>> {
        let Self { write: Http { uri, authorization, .. }, format, deltas, backlog } = self;
        Influx { write: Http { client, uri, authorization }, format, deltas, backlog }
    }
}

impl<W> Influx<W> {
    fn new(write: W) -> Self {
        let format = Format { prefix: String::new(), tags: Vec::new(), cumulative: false };
        Self { write, format, deltas: Deltas::default(), backlog: Backlog::new() }
    }

    /// Puts `prefix` and a dot before each name; nothing unless set.
    #[must_use]
    pub fn prefix(mut self, prefix: &str) -> Self {
        prefix.clone_into(&mut self.format.prefix);
        self
    }

    /// Sets the tags that each point has: none unless set. Name the instance in
    /// them: of two that write one series, one is overwritten. A label wins
    /// over a tag of its name.
    #[must_use]
    pub fn tags(mut self, tags: &[(&str, &str)]) -> Self {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        self.format.tags = tags.iter().map(owned).collect();
        self
    }

    /// Sends all that a counter ever counted, for `non_negative_difference()`;
    /// what was added since the last time unless set.
    #[must_use]
    pub const fn cumulative(mut self) -> Self {
        self.format.cumulative = true;
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
}

impl<W: WriteLines> Export for Influx<W> {
    async fn export(&mut self, reading: &Reading) -> Result<(), Error> {
        let all = self.deltas.grown(reading);
        let time = nanoseconds(reading.at);
        let mut lines = Vec::new();
        for grown in &all {
            lines.extend(self.format.line(grown, time));
            self.deltas.told(grown, Part::All);
        }
        drop(all);
        self.backlog.add(lines.into_iter(), AT_ONCE);
        let mut refused = None;
        while let Some(batch) = self.backlog.first() {
            match self.write.write(&batch.text).await {
                Ok(()) => self.backlog.written(),
                Err(NotWritten::Yet(error)) => return Err(error),
                // The next is not to be refused for it.
                Err(NotWritten::Ever(error)) => {
                    self.backlog.give_up();
                    refused = Some(error);
                }
            }
        }
        refused.map_or(Ok(()), Err)
    }

    fn dropped(&self) -> u64 {
        self.backlog.dropped()
    }
}

fn nanoseconds(time: SystemTime) -> u128 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_nanos())
}

// ===== impl Http =====

fn uri(base: &str, path: &str, query: &[(&str, &str)]) -> Result<Uri, Error> {
    let mut text = format!("{}{path}", base.trim_end_matches('/'));
    let mut before = '?';
    for (name, value) in query {
        let value =
            percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC);
        // A `String` takes all that is written.
        let _ = write!(text, "{before}{name}={value}");
        before = '&';
    }
    let uri: Uri = text.parse().map_err(Error::other)?;
    if uri.scheme().is_none() {
        return Err(Error::other(format!("{base:?} has no scheme, as `http://` is")));
    }
    Ok(uri)
}

fn secret(value: &str) -> Result<HeaderValue, Error> {
    // The error does not show what it was.
    let mut value = HeaderValue::from_str(value).map_err(Error::other)?;
    value.set_sensitive(true);
    Ok(value)
}

impl<S> sealed::Sealed for Http<S> {}

impl<S, B> WriteLines for Http<S>
where
    S: Service<Request<Full<Bytes>>, Response = http::Response<B>> + Send,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    S::Future: Send,
    B: Body + Send,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    async fn write(&mut self, lines: &str) -> Result<(), NotWritten> {
        let body = Full::new(Bytes::copy_from_slice(lines.as_bytes()));
        let mut request = Request::new(body);
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri.clone();
        let text = HeaderValue::from_static("text/plain; charset=utf-8");
        request.headers_mut().insert(header::CONTENT_TYPE, text);
        if let Some(value) = &self.authorization {
            request.headers_mut().insert(header::AUTHORIZATION, value.clone());
        }
        let (status, answer) = send(&mut self.client, request).await.map_err(NotWritten::Yet)?;
        if status.is_success() {
            return Ok(());
        }
        let error = refused(status, &answer);
        Err(match status {
            StatusCode::BAD_REQUEST
            | StatusCode::PAYLOAD_TOO_LARGE
            | StatusCode::UNPROCESSABLE_ENTITY => NotWritten::Ever(error),
            _ => NotWritten::Yet(error),
        })
    }
}

impl<S> fmt::Debug for Http<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http")
            .field("uri", &self.uri)
            .field("authorization", &self.authorization)
            .finish_non_exhaustive()
    }
}

// ===== impl Udp =====

impl sealed::Sealed for Udp {}

impl WriteLines for Udp {
    async fn write(&mut self, lines: &str) -> Result<(), NotWritten> {
        let failed = |error| NotWritten::Yet(Error::io(&self.place.to_string())(error));
        let socket: Socket = self.place.open().await.map_err(&failed)?;
        for datagram in datagrams(lines, UDP) {
            socket.send(datagram.as_bytes()).await.map_err(&failed)?;
        }
        Ok(())
    }
}

/// Cuts at the ends of lines; a line that is too long is alone, for the system
/// to refuse or to take apart.
fn datagrams(mut lines: &str, most: usize) -> impl Iterator<Item = &str> {
    std::iter::from_fn(move || {
        let mut end = 0;
        while let Some(line) = lines[end..].find('\n') {
            if end > 0 && end + line + 1 > most {
                break;
            }
            end += line + 1;
        }
        let (datagram, rest) = lines.split_at(end);
        lines = rest;
        (!datagram.is_empty()).then_some(datagram)
    })
}

// ===== impl Format =====

impl Format {
    /// Writes the line of a series; none where there is nothing to say.
    fn line(&self, grown: &Grown<'_>, time: u128) -> Option<String> {
        let mut line = String::new();
        if !self.prefix.is_empty() {
            escape(&mut line, &self.prefix, ", ");
            line.push('.');
        }
        escape(&mut line, &grown.metric.name, ", ");
        if line.starts_with('#') {
            // That would be a comment.
            line.replace_range(..1, "_");
        }
        let is_label = |tag: &str| grown.series.labels.iter().any(|(label, _)| label == tag);
        let global = self.tags.iter().filter(|(tag, _)| !is_label(tag));
        for (name, value) in global.chain(grown.series.labels.iter()).filter(|(_, v)| !v.is_empty())
        {
            line.push(',');
            escape(&mut line, name, ", =");
            line.push('=');
            escape(&mut line, value, ", =");
        }
        // A `String` takes all that is written.
        let _ = match (&grown.by, &grown.series.value) {
            (By::Counter(_), Value::Counter(total)) if self.cumulative => {
                write!(line, " count={}i", integer(*total))
            }
            (By::Counter(count), _) => write!(line, " count={}i", integer(*count)),
            (By::Gauge(value), _) if value.is_finite() => write!(line, " value={value}"),
            (By::Gauge(_), _) => return None,
            (By::Histogram(added), total) => {
                let counted = match total {
                    Value::Histogram(total) if self.cumulative => total,
                    _ => added,
                };
                let _ = write!(line, " count={}i", integer(counted.count()));
                if counted.sum.is_finite() {
                    let _ = write!(line, ",sum={}", counted.sum);
                }
                quantiles(added).try_for_each(|(name, value)| write!(line, ",{name}={value}"))
            }
        };
        let _ = writeln!(line, " {time}");
        Some(line)
    }
}

fn integer(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Puts a backslash before each of `special`.
fn escape(to: &mut String, text: &str, special: &str) {
    for letter in text.chars() {
        if letter.is_control() || letter == '\\' {
            to.push('_');
            continue;
        }
        if special.contains(letter) {
            to.push('\\');
        }
        to.push(letter);
    }
}
