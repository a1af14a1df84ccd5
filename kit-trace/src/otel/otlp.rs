use super::{
    BadVariable, Exporter,
    web::{PostError, Web},
};
use http::{HeaderMap, HeaderName, HeaderValue, Uri, uri::PathAndQuery};
use opentelemetry_proto::{
    tonic::collector::trace::v1::{
        ExportTraceServiceRequest, trace_service_client::TraceServiceClient,
    },
    transform::{
        common::tonic::ResourceAttributesWithSchema,
        trace::tonic::group_spans_by_resource_and_scope,
    },
};
use opentelemetry_sdk::{Resource, trace::SpanData};
use prost::Message;
use std::{error::Error, fmt, time::Duration};
use tonic::{
    Request, Status,
    metadata::MetadataMap,
    transport::{Channel, ClientTlsConfig, Endpoint},
};

const CONNECT: Duration = Duration::from_secs(5);

/// Sends spans by OTLP, over gRPC or over HTTP with protobuf.
///
/// Over TLS (`https://`) it trusts the authorities that Mozilla does, as compiled in.
/// It connects when there is something to send, and again whenever it has to.
#[derive(Debug, Clone)]
pub struct Otlp {
    way: Way,
    headers: HeaderMap,
}

#[derive(Debug, Clone)]
enum Way {
    Grpc(Channel),
    Http(Box<Web>),
}

/// The address, a header or a variable cannot be used.
#[derive(Debug)]
pub struct BadOtlp(Box<dyn Error + Send + Sync>);

/// Why a collector did not take spans.
#[derive(Debug)]
pub struct OtlpError(Failed);

#[derive(Debug)]
enum Failed {
    Grpc(Status),
    Http(PostError),
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
        let uri = absolute(address)?;
        let mut endpoint = Endpoint::from(uri.clone()).connect_timeout(CONNECT);
        if uri.scheme_str() == Some("https") {
            let tls = ClientTlsConfig::new().with_webpki_roots();
            endpoint = endpoint.tls_config(tls).map_err(|error| BadOtlp(error.into()))?;
        }
        Ok(Self { way: Way::Grpc(endpoint.connect_lazy()), headers: HeaderMap::new() })
    }

    /// Sends over HTTP to `address`: `http://HOST:4318`, or `https://`. Without a path
    /// it is `/v1/traces`.
    ///
    /// # Errors
    ///
    /// Fails if that is no address.
    pub fn http(address: &str) -> Result<Self, BadOtlp> {
        let uri = absolute(address)?;
        let uri = if uri.path() == "/" { below(uri, "/v1/traces")? } else { uri };
        let web = Web::new(uri).map_err(|error| BadOtlp(error.into()))?;
        Ok(Self { way: Way::Http(Box::new(web)), headers: HeaderMap::new() })
    }

    /// Sends `name: value` with each batch: what a collector asks of who comes.
    #[must_use]
    pub fn header(mut self, name: HeaderName, mut value: HeaderValue) -> Self {
        value.set_sensitive(true);
        // It never panics: what goes beyond the map is left out.
        let _ = self.headers.try_insert(name, value);
        self
    }

    /// Reads OpenTelemetry's variables by `get`: `OTEL_SDK_DISABLED`,
    /// `OTEL_TRACES_EXPORTER` (`otlp` or `none`), and of `OTEL_EXPORTER_OTLP_ENDPOINT`,
    /// `_PROTOCOL` (`grpc` or `http/protobuf`, which is the default) and `_HEADERS` that
    /// of `..._TRACES_...` first. `None` if nothing is to be sent.
    ///
    /// ```
    /// use kit_trace::otel::Otlp;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// // A program says: `Otlp::from_env(|name| std::env::var(name).ok())`.
    /// assert!(Otlp::from_env(|_| None).unwrap().is_some(), "http://localhost:4318/v1/traces");
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Fails if one of them cannot be used.
    ///
    /// # Panics
    ///
    /// As [`grpc`](Self::grpc), outside of a tokio runtime.
    pub fn from_env(get: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, BadOtlp> {
        let get = |name: &str| get(name).filter(|value| !value.is_empty());
        let bad = |variable: BadVariable| BadOtlp(variable.into());
        if get("OTEL_SDK_DISABLED").is_some_and(|off| off.eq_ignore_ascii_case("true")) {
            return Ok(None);
        }
        match get("OTEL_TRACES_EXPORTER").as_deref() {
            None | Some("otlp") => {}
            Some("none") => return Ok(None),
            Some(other) => {
                return Err(bad(BadVariable::new("OTEL_TRACES_EXPORTER", other, "otlp or none")));
            }
        }
        let of = |what: &str| {
            let own = get(&format!("OTEL_EXPORTER_OTLP_TRACES_{what}"));
            own.or_else(|| get(&format!("OTEL_EXPORTER_OTLP_{what}")))
        };
        let protocol = of("PROTOCOL").unwrap_or_else(|| "http/protobuf".to_owned());
        let mut otlp = match &*protocol {
            "grpc" => {
                Self::grpc(&of("ENDPOINT").unwrap_or_else(|| "http://localhost:4317".to_owned()))?
            }
            "http/protobuf" => {
                let base = get("OTEL_EXPORTER_OTLP_ENDPOINT");
                let base = base.unwrap_or_else(|| "http://localhost:4318".to_owned());
                let below = || format!("{}/v1/traces", base.trim_end_matches('/'));
                // Its own is taken just as it is.
                let own = get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
                Self::http(&own.unwrap_or_else(below))?
            }
            other => {
                let wanted = "grpc or http/protobuf";
                return Err(bad(BadVariable::new("OTEL_EXPORTER_OTLP_PROTOCOL", other, wanted)));
            }
        };
        let headers = of("HEADERS").unwrap_or_default();
        for pair in headers.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
            // Not what it says: it may be a secret.
            let wrong =
                || bad(BadVariable::new("OTEL_EXPORTER_OTLP_HEADERS", "...", "name=value,..."));
            let (name, value) = pair.split_once('=').ok_or_else(wrong)?;
            let name = name.trim().parse().map_err(|_| wrong())?;
            let value = percent_decoded(value.trim());
            otlp = otlp.header(name, HeaderValue::from_bytes(&value).map_err(|_| wrong())?);
        }
        Ok(Some(otlp))
    }
}

impl Exporter for Otlp {
    type Error = OtlpError;

    async fn export(&mut self, batch: Vec<SpanData>, resource: &Resource) -> Result<(), OtlpError> {
        let resource = ResourceAttributesWithSchema::from(resource);
        let resource_spans = group_spans_by_resource_and_scope(batch, &resource);
        let batch = ExportTraceServiceRequest { resource_spans };
        match &self.way {
            Way::Grpc(channel) => {
                let metadata = MetadataMap::from_headers(self.headers.clone());
                let request = Request::from_parts(metadata, http::Extensions::new(), batch);
                let sent = TraceServiceClient::new(channel.clone()).export(request).await;
                sent.map(drop).map_err(|status| OtlpError(Failed::Grpc(status)))
            }
            Way::Http(web) => {
                let sent = web.post("application/x-protobuf", batch.encode_to_vec(), &self.headers);
                sent.await.map_err(|error| OtlpError(Failed::Http(error)))
            }
        }
    }
}

fn absolute(address: &str) -> Result<Uri, BadOtlp> {
    let uri: Uri = address.parse().map_err(|error: http::uri::InvalidUri| BadOtlp(error.into()))?;
    match uri.scheme_str() {
        Some("http" | "https") => Ok(uri),
        _ => Err(BadOtlp(format!("{address:?} is no http:// or https://").into())),
    }
}

fn below(uri: Uri, path: &'static str) -> Result<Uri, BadOtlp> {
    let mut parts = uri.into_parts();
    parts.path_and_query = Some(PathAndQuery::from_static(path));
    Uri::from_parts(parts).map_err(|error| BadOtlp(error.into()))
}

fn percent_decoded(text: &str) -> Vec<u8> {
    crate::propagation::decode(text.as_bytes())
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

impl fmt::Display for OtlpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Failed::Grpc(status) => write!(f, "the collector answered {}", status.code()),
            Failed::Http(error) => error.fmt(f),
        }
    }
}

impl Error for OtlpError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0 {
            Failed::Grpc(status) => Some(status),
            Failed::Http(error) => error.source(),
        }
    }
}
