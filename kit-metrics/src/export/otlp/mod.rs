//! OTLP: OpenTelemetry's protocol, over gRPC or HTTP.
//!
//! ```no_run
//! use kit_metrics::{Registry, export::{Push, otlp::Otlp}};
//! use std::time::Duration;
//!
//! # async fn run(registry: Registry) -> Result<(), kit_metrics::export::Error> {
//! let collector = Otlp::http("http://127.0.0.1:4318")?
//!     .resource(&[("service.name", "greeter"), ("service.instance.id", "host-1")]);
//! let push = Push::new(registry, collector).every(Duration::from_secs(60));
//! push.run(std::future::pending()).await
//! # }
//! ```
//!
//! Over gRPC it takes any channel of tonic's: lazily connected, so that a
//! collector that is absent keeps nobody waiting.
//!
//! ```no_run
//! use kit_metrics::export::otlp::Otlp;
//! use tonic::transport::Channel;
//!
//! # async fn make() {
//! let channel = Channel::from_static("http://127.0.0.1:4317").connect_lazy();
//! let collector = Otlp::grpc(channel).resource(&[("service.name", "greeter")]);
//! # drop(collector);
//! # }
//! ```
//!
//! # What is sent
//!
//! The types are those of `opentelemetry-proto`. Names stay as they were
//! registered, labels are attributes, units are UCUM's. All temporality is
//! cumulative, since the registry was made: so nothing is kept here, and what
//! is not written costs the points between, not their sum.
//!
//! - A counter is a monotonic sum of integers, a gauge a gauge of doubles.
//! - A histogram has explicit buckets, and an exemplar with the ids of trace and
//!   span for each that has one.
//!
//! A request has at most 5000 points.

mod convert;

use super::{
    Error, Export,
    http::{Client, client, refused, send},
};
use crate::registry::Reading;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Uri, header};
use http_body::Body;
use http_body_util::Full;
use opentelemetry_proto::tonic::{
    collector::metrics::v1::{
        ExportMetricsServiceRequest, ExportMetricsServiceResponse,
        metrics_service_client::MetricsServiceClient,
    },
    common::v1::KeyValue,
};
use prost::Message;
use std::fmt;
use tonic::client::GrpcService;
use tower_service::Service;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Sends metrics to an OpenTelemetry collector. See the [module](self) for how.
#[derive(Debug)]
pub struct Otlp<W = Http> {
    write: W,
    resource: Vec<KeyValue>,
    /// Points that the collector refused for good.
    dropped: u64,
}

/// Writes over HTTP, as protobuf, by a client `S`.
pub struct Http<S = Client> {
    client: S,
    uri: Uri,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// Writes over gRPC, by a channel `T`.
pub struct Grpc<T> {
    client: MetricsServiceClient<T>,
}

/// How requests are written: [`Http`] or [`Grpc`].
pub trait WriteRequest: Send + sealed::Sealed {
    /// Writes a request.
    #[doc(hidden)]
    fn write(
        &mut self,
        request: ExportMetricsServiceRequest,
    ) -> impl Future<Output = Result<ExportMetricsServiceResponse, Error>> + Send;
}

mod sealed {
    pub trait Sealed {}
}

// ===== impl Otlp =====

impl Otlp {
    /// Posts to `/v1/metrics` of the collector at `base`, `http://host:4318`.
    ///
    /// # Errors
    ///
    /// When the base is no URI with a scheme.
    pub fn http(base: &str) -> Result<Self, Error> {
        let uri = format!("{}/v1/metrics", base.trim_end_matches('/'));
        let uri: Uri = uri.parse().map_err(Error::other)?;
        if uri.scheme().is_none() {
            return Err(Error::other(format!("{base:?} has no scheme, as `http://` is")));
        }
        Ok(Self::new(Http { client: client(), uri, headers: Vec::new() }))
    }
}

impl<S> Otlp<Http<S>> {
    /// Adds a header to each request, as what a vendor's collector knows you
    /// by. Its value is in no `Debug`.
    ///
    /// # Errors
    ///
    /// When it has characters that no header has.
    pub fn header(mut self, name: &str, value: &str) -> Result<Self, Error> {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(Error::other)?;
        let mut value = HeaderValue::from_str(value).map_err(Error::other)?;
        value.set_sensitive(true);
        self.write.headers.push((name, value));
        Ok(self)
    }

    /// Posts by another client: with TLS, through a proxy, for a test.
    #[must_use]
    pub fn client<T>(self, client: T) -> Otlp<Http<T>> {
        let Self { write: Http { uri, headers, .. }, resource, dropped } = self;
        Otlp { write: Http { client, uri, headers }, resource, dropped }
    }
}

impl<T> Otlp<Grpc<T>>
where
    T: GrpcService<tonic::body::Body>,
    T::Error: Into<BoxError>,
    T::ResponseBody: Body<Data = Bytes> + Send + 'static,
    <T::ResponseBody as Body>::Error: Into<BoxError> + Send,
{
    /// Calls the collector behind `channel`, a `tonic::transport::Channel` or
    /// whatever else speaks gRPC. Metadata is added by an interceptor around
    /// it, compression and TLS are the channel's.
    #[must_use]
    pub fn grpc(channel: T) -> Self {
        Self::new(Grpc { client: MetricsServiceClient::new(channel) })
    }
}

impl<W> Otlp<W> {
    const fn new(write: W) -> Self {
        Self { write, resource: Vec::new(), dropped: 0 }
    }

    /// Says whose metrics they are: `service.name` and what else the semantic
    /// conventions know of a resource. Nothing unless set, and nothing is read
    /// from the environment.
    #[must_use]
    pub fn resource(mut self, attributes: &[(&str, &str)]) -> Self {
        self.resource = attributes.iter().map(|(k, v)| convert::attribute(k, v)).collect();
        self
    }
}

impl<W: WriteRequest> Export for Otlp<W> {
    async fn export(&mut self, reading: &Reading) -> Result<(), Error> {
        let mut partly = None;
        for request in convert::requests(reading, &self.resource) {
            let answer = self.write.write(request).await?;
            let Some(partial) = answer.partial_success else { continue };
            // A message without rejected points is a warning.
            if let Some(rejected) =
                u64::try_from(partial.rejected_data_points).ok().filter(|n| *n > 0)
            {
                self.dropped += rejected;
                partly = Some(Error::Refused {
                    status: format!("{rejected} points"),
                    message: partial.error_message,
                });
            }
        }
        partly.map_or(Ok(()), Err)
    }

    fn dropped(&self) -> u64 {
        self.dropped
    }
}

// ===== impl Http =====

impl<S> sealed::Sealed for Http<S> {}

impl<S, B> WriteRequest for Http<S>
where
    S: Service<Request<Full<Bytes>>, Response = http::Response<B>> + Send,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: Body + Send,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    async fn write(
        &mut self,
        request: ExportMetricsServiceRequest,
    ) -> Result<ExportMetricsServiceResponse, Error> {
        let mut post = Request::new(Full::new(Bytes::from(request.encode_to_vec())));
        *post.method_mut() = Method::POST;
        *post.uri_mut() = self.uri.clone();
        let protobuf = HeaderValue::from_static("application/x-protobuf");
        post.headers_mut().insert(header::CONTENT_TYPE, protobuf);
        post.headers_mut().extend(self.headers.iter().cloned());
        let (status, answer) = send(&mut self.client, post).await?;
        if !status.is_success() {
            // Its body is a message of protobuf, whose text is within.
            return Err(refused(status, &answer));
        }
        // One that answers 2xx took it, whatever it says.
        Ok(ExportMetricsServiceResponse::decode(answer).unwrap_or_default())
    }
}

impl<S> fmt::Debug for Http<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http")
            .field("uri", &self.uri)
            .field("headers", &self.headers)
            .finish_non_exhaustive()
    }
}

// ===== impl Grpc =====

impl<T> sealed::Sealed for Grpc<T> {}

impl<T> WriteRequest for Grpc<T>
where
    T: GrpcService<tonic::body::Body> + Send,
    T::Error: Into<BoxError>,
    T::Future: Send,
    T::ResponseBody: Body<Data = Bytes> + Send + 'static,
    <T::ResponseBody as Body>::Error: Into<BoxError> + Send,
{
    async fn write(
        &mut self,
        request: ExportMetricsServiceRequest,
    ) -> Result<ExportMetricsServiceResponse, Error> {
        let answer = self.client.export(request).await;
        answer.map(tonic::Response::into_inner).map_err(|status| Error::Refused {
            status: format!("{:?}", status.code()),
            message: status.message().to_owned(),
        })
    }
}

impl<T> fmt::Debug for Grpc<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grpc").finish_non_exhaustive()
    }
}
