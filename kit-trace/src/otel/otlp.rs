mod env;
mod grpc;
mod retry;

use self::retry::Retry;
use super::{
    Exporter,
    web::{BoxError, PostError, Web},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Uri, uri::PathAndQuery};
use http_body::Body;
use http_body_util::Full;
use opentelemetry_proto::{
    tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse},
    transform::{
        common::tonic::ResourceAttributesWithSchema,
        trace::tonic::group_spans_by_resource_and_scope,
    },
};
use opentelemetry_sdk::{Resource, trace::SpanData};
use prost::Message;
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use std::{error::Error, fmt, time::Duration};
use tokio::time::{Instant, sleep, timeout_at};
use tonic::{
    Status,
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint},
};
use tower_service::Service;

const CONNECT: Duration = Duration::from_secs(5);
const PROTOBUF: &str = "application/x-protobuf";

/// Sends spans by OTLP, over gRPC or over HTTP with protobuf.
///
/// Over TLS (`https://`) it trusts the authorities that Mozilla does, as compiled in,
/// unless others are given. It connects when there is something to send, and again
/// whenever it has to.
///
/// # A collector that fails
///
/// What may pass is tried again, as OTLP's specification says: gRPC's `CANCELLED`,
/// `DEADLINE_EXCEEDED`, `ABORTED`, `OUT_OF_RANGE`, `UNAVAILABLE`, `DATA_LOSS`, and
/// `RESOURCE_EXHAUSTED` with a `RetryInfo`; HTTP's 429, 502, 503 and 504; a connection
/// that there is not, or that breaks off. The pauses grow from 1 s by half to 5 s, each a
/// fifth more or less by chance, and are not shorter than the collector asks for. It ends
/// after 5 [tries](Self::tries), or when the batch's [time](Self::timeout) would be over
/// before the next; the batch is lost then, as it is at once by any other answer. Memory
/// has one batch, encoded, however often it is sent; meanwhile others wait in the
/// [`Pipeline`](super::Pipeline)'s queue.
///
/// Spans that a collector refuses of a batch that it takes are lost, too, and
/// [counted](Exporter::rejected).
#[derive(Debug, Clone)]
pub struct Otlp {
    way: Way,
    headers: HeaderMap,
    timeout: Duration,
    retry: Retry,
    gzip: bool,
    /// Of the last batch.
    rejected: u64,
}

#[derive(Debug, Clone)]
enum Way {
    Grpc {
        channel: Channel,
        /// What it was made of, if it was made here.
        endpoint: Option<Box<Endpoint>>,
    },
    Http {
        web: Web,
        /// Whether its client was made here.
        own: bool,
    },
}

/// The address, a header, a certificate or a variable cannot be used.
#[derive(Debug)]
pub struct BadOtlp(BoxError);

/// Why a collector did not take spans.
#[derive(Debug)]
pub struct OtlpError(Failed);

#[derive(Debug)]
enum Failed {
    Grpc(Status),
    Http(PostError),
    Late,
}

// ===== impl Otlp =====

impl Otlp {
    /// Sends over gRPC to `address`: `http://HOST:4317`, or `https://`.
    ///
    /// # Errors
    ///
    /// Fails if that is no address.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime, which runs the connection.
    pub fn grpc(address: &str) -> Result<Self, BadOtlp> {
        let endpoint = Endpoint::from(absolute(address)?).connect_timeout(CONNECT);
        Ok(Self::new(dialled(endpoint, ClientTlsConfig::new().with_webpki_roots())?))
    }

    /// Sends over gRPC by a channel of yours: with a client's certificate, through a
    /// proxy, in a test. Take a lazy one (`Endpoint::connect_lazy`): the collector may
    /// come later than you.
    #[must_use]
    pub fn grpc_by(channel: Channel) -> Self {
        Self::new(Way::Grpc { channel, endpoint: None })
    }

    /// Sends over HTTP to `address`: `http://HOST:4318`, or `https://`. Without a path
    /// it is `/v1/traces`.
    ///
    /// # Errors
    ///
    /// Fails if that is no address.
    pub fn http(address: &str) -> Result<Self, BadOtlp> {
        let web = Web::new(of_traces(address)?).map_err(|error| BadOtlp(error.into()))?;
        Ok(Self::new(Way::Http { web, own: true }))
    }

    /// Sends over HTTP to `address`, as [`http`](Self::http), by a client of yours: with
    /// a client's certificate, through a proxy, in a test. Each batch has a clone of it.
    ///
    /// # Errors
    ///
    /// Fails if that is no address.
    pub fn http_by<S, B>(address: &str, client: S) -> Result<Self, BadOtlp>
    where
        S: Service<Request<Full<Bytes>>, Response = Response<B>> + Clone + Send + Sync + 'static,
        S::Error: Into<Box<dyn Error + Send + Sync>>,
        S::Future: Send,
        B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
    {
        let web = Web::by(of_traces(address)?, client);
        Ok(Self::new(Way::Http { web, own: false }))
    }

    fn new(way: Way) -> Self {
        Self {
            way,
            headers: HeaderMap::new(),
            timeout: Duration::from_secs(10),
            retry: Retry::new(),
            gzip: false,
            rejected: 0,
        }
    }

    /// Sends `name: value` with each batch: what a collector asks of who comes.
    #[must_use]
    pub fn header(mut self, name: HeaderName, mut value: HeaderValue) -> Self {
        value.set_sensitive(true);
        // It never panics: what goes beyond the map is left out.
        let _ = self.headers.try_insert(name, value);
        self
    }

    /// Gives up a batch that is not taken within `limit`, all tries together: by default
    /// 10 s, which is OpenTelemetry's. The [`Pipeline`](super::Pipeline) has a limit of its
    /// own, whatever the exporter; the shorter one holds.
    #[must_use]
    pub const fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = limit;
        self
    }

    /// Sends a batch up to `most` times; at least once, by default 5 times.
    #[must_use]
    pub const fn tries(mut self, most: u32) -> Self {
        self.retry.tries = most;
        self
    }

    /// Seeds the pauses between tries, so that they can be foretold.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.retry.random = fastrand::Rng::with_seed(seed);
        self
    }

    /// Sends batches compressed: a fifth of the bytes or less, for some of the
    /// processor's time. Not so by default.
    #[cfg(feature = "gzip")]
    #[must_use]
    pub const fn gzip(mut self) -> Self {
        self.gzip = true;
        self
    }

    /// Trusts the authorities in `pem` (certificates, one after the other) in place of
    /// Mozilla's: a collector of your own network. It is without effect on `http://`.
    ///
    /// # Errors
    ///
    /// Fails if there is none, or if one cannot be used; and if the client or the channel
    /// is yours, whose trust is its own.
    ///
    /// # Panics
    ///
    /// As [`grpc`](Self::grpc), outside of a tokio runtime.
    pub fn authorities(mut self, pem: &[u8]) -> Result<Self, BadOtlp> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|error| BadOtlp(error.into()))?;
            roots.add(certificate).map_err(|error| BadOtlp(error.into()))?;
        }
        if roots.is_empty() {
            return Err(BadOtlp("no certificate in it".into()));
        }
        self.way = match self.way {
            Way::Grpc { endpoint: Some(endpoint), .. } => {
                let trust = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem));
                dialled(*endpoint, trust)?
            }
            Way::Http { web, own: true } => {
                let web = Web::trusting(web.uri().clone(), roots);
                Way::Http { web: web.map_err(|error| BadOtlp(error.into()))?, own: true }
            }
            Way::Grpc { endpoint: None, .. } | Way::Http { own: false, .. } => {
                return Err(BadOtlp("whom your own client trusts is for it to say".into()));
            }
        };
        Ok(self)
    }

    /// Tries once.
    async fn send(
        &self,
        batch: Bytes,
        headers: &HeaderMap,
    ) -> Result<ExportTraceServiceResponse, Failed> {
        match &self.way {
            Way::Grpc { channel, .. } => {
                let sent = grpc::export(channel.clone(), batch, headers.clone(), self.gzip);
                sent.await.map_err(Failed::Grpc)
            }
            Way::Http { web, .. } => {
                let answer = web.post(PROTOBUF, batch, headers).await.map_err(Failed::Http)?;
                // One that says 2xx took it, whatever else it says.
                Ok(ExportTraceServiceResponse::decode(answer).unwrap_or_default())
            }
        }
    }

    /// Encodes a batch, once for all tries, and says by which headers it goes.
    fn encoded(&self, batch: &ExportTraceServiceRequest) -> (Bytes, HeaderMap) {
        let (batch, headers) = (batch.encode_to_vec(), self.headers.clone());
        #[cfg(feature = "gzip")]
        if self.gzip && matches!(self.way, Way::Http { .. }) {
            return gzipped(&batch, headers);
        }
        (batch.into(), headers)
    }
}

impl Exporter for Otlp {
    type Error = OtlpError;

    async fn export(&mut self, batch: Vec<SpanData>, resource: &Resource) -> Result<(), OtlpError> {
        self.rejected = 0;
        let until = Instant::now().checked_add(self.timeout);
        let (batch, headers) = {
            let resource = ResourceAttributesWithSchema::from(resource);
            let resource_spans = group_spans_by_resource_and_scope(batch, &resource);
            self.encoded(&ExportTraceServiceRequest { resource_spans })
        };
        let mut retry = self.retry.clone();
        let mut pauses = retry.pauses();
        let answer = loop {
            let sent = self.send(batch.clone(), &headers);
            let sent = match until {
                Some(until) => timeout_at(until, sent).await.unwrap_or(Err(Failed::Late)),
                // In more time than there is.
                None => sent.await,
            };
            let failed = match sent {
                Ok(answer) => break Ok(answer),
                Err(failed) => failed,
            };
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            match pauses.after(&failed) {
                Some(pause) if left.is_none_or(|left| pause < left) => {
                    let error = &OtlpError(failed);
                    tracing::debug!(
                        error = error as &dyn Error,
                        ?pause,
                        "spans were not taken yet"
                    );
                    sleep(pause).await;
                }
                _ => break Err(OtlpError(failed)),
            }
        };
        self.retry = retry;
        if let Some(partial) = answer?.partial_success {
            self.rejected = u64::try_from(partial.rejected_spans).unwrap_or(0);
            let (rejected, why) = (self.rejected, partial.error_message);
            tracing::debug!(rejected, why, "not all spans were taken");
        }
        Ok(())
    }

    fn rejected(&self) -> u64 {
        self.rejected
    }
}

fn absolute(address: &str) -> Result<Uri, BadOtlp> {
    let uri: Uri = address.parse().map_err(|error: http::uri::InvalidUri| BadOtlp(error.into()))?;
    match uri.scheme_str() {
        Some("http" | "https") => Ok(uri),
        _ => Err(BadOtlp(format!("{address:?} is no http:// or https://").into())),
    }
}

fn of_traces(address: &str) -> Result<Uri, BadOtlp> {
    let uri = absolute(address)?;
    if uri.path() != "/" {
        return Ok(uri);
    }
    let mut parts = uri.into_parts();
    parts.path_and_query = Some(PathAndQuery::from_static("/v1/traces"));
    Uri::from_parts(parts).map_err(|error| BadOtlp(error.into()))
}

/// A channel that connects when it is asked.
fn dialled(mut endpoint: Endpoint, trust: ClientTlsConfig) -> Result<Way, BadOtlp> {
    if endpoint.uri().scheme_str() == Some("https") {
        endpoint = endpoint.tls_config(trust).map_err(|error| BadOtlp(error.into()))?;
    }
    let channel = endpoint.connect_lazy();
    Ok(Way::Grpc { channel, endpoint: Some(Box::new(endpoint)) })
}

#[cfg(feature = "gzip")]
fn gzipped(batch: &[u8], mut headers: HeaderMap) -> (Bytes, HeaderMap) {
    use std::io::Write;

    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    // Memory takes whatever is written.
    let _ = gzip.write_all(batch);
    let batch = gzip.finish().unwrap_or_default();
    headers.insert(http::header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    (batch.into(), headers)
}

// ===== impl errors =====

impl fmt::Display for BadOtlp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no collector of OTLP")
    }
}

impl Error for BadOtlp {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Grpc(status) => write!(f, "the collector answered {}", status.code()),
            Self::Http(error) => error.fmt(f),
            Self::Late => f.write_str("the collector did not answer in time"),
        }
    }
}

impl Error for Failed {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Grpc(status) => Some(status),
            Self::Http(error) => error.source(),
            Self::Late => None,
        }
    }
}

impl fmt::Display for OtlpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for OtlpError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}
