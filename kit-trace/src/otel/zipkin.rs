use super::{
    BadVariable, Exporter,
    web::{PostError, Web},
};
use bytes::Bytes;
use http::{HeaderMap, Request, Response, Uri};
use http_body::Body;
use http_body_util::Full;
use opentelemetry::{
    Array, KeyValue, StringValue, Value as Attribute,
    trace::{Event, SpanKind, Status},
};
use opentelemetry_sdk::{Resource, trace::SpanData};
use serde_json::{Map, Value, json};
use std::{
    error::Error,
    fmt,
    net::IpAddr,
    time::{SystemTime, UNIX_EPOCH},
};
use tower_service::Service;

/// What tells the other side of a call, the best first, by the transformation's table: a
/// name, or an address with the attribute of its port.
const REMOTE: [(&str, Option<&str>); 11] = [
    ("peer.service", None),
    ("server.address", None),
    ("net.peer.name", None),
    ("network.peer.address", Some("network.peer.port")),
    ("server.socket.domain", None),
    ("server.socket.address", Some("server.socket.port")),
    ("net.sock.peer.name", None),
    ("net.sock.peer.addr", Some("net.sock.peer.port")),
    ("peer.hostname", None),
    ("peer.address", None),
    ("db.name", None),
];

/// Sends spans to Zipkin, by its API v2 with JSON; written as OpenTelemetry's
/// specification says ("OpenTelemetry to Zipkin Transformation").
///
/// Zipkin also takes OTLP where its collector is set up for it: prefer that.
#[derive(Debug, Clone)]
pub struct Zipkin(Web);

/// Why Zipkin did not take spans.
#[derive(Debug)]
pub struct ZipkinError(PostError);

// ===== impl Zipkin =====

impl Zipkin {
    /// Sends to `address`: `http://HOST:9411/api/v2/spans`, or `https://`.
    ///
    /// # Errors
    ///
    /// Fails if that is no address.
    pub fn new(address: &str) -> Result<Self, Box<dyn Error + Send + Sync>> {
        Ok(Self(Web::new(checked(address)?)?))
    }

    /// Sends to `address`, as [`new`](Self::new), by a client of yours: with other
    /// authorities, through a proxy, in a test. Each batch has a clone of it.
    ///
    /// # Errors
    ///
    /// Fails if that is no address.
    pub fn by<S, B>(address: &str, client: S) -> Result<Self, Box<dyn Error + Send + Sync>>
    where
        S: Service<Request<Full<Bytes>>, Response = Response<B>> + Clone + Send + Sync + 'static,
        S::Error: Into<Box<dyn Error + Send + Sync>>,
        S::Future: Send,
        B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
    {
        Ok(Self(Web::by(checked(address)?, client)))
    }
}

fn checked(address: &str) -> Result<Uri, Box<dyn Error + Send + Sync>> {
    let uri: Uri = address.parse()?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        let wanted = "http://HOST:9411/api/v2/spans";
        return Err(BadVariable::new("the address of Zipkin", address, wanted).into());
    }
    Ok(uri)
}

impl Exporter for Zipkin {
    type Error = ZipkinError;

    async fn export(
        &mut self,
        batch: Vec<SpanData>,
        resource: &Resource,
    ) -> Result<(), ZipkinError> {
        let name = resource.get(&"service.name".into());
        let name = name.map_or_else(|| "unknown_service".to_owned(), |name| name.to_string());
        let spans: Vec<_> = batch.iter().map(|span| written(span, &name)).collect();
        let body = Value::from(spans).to_string().into();
        let sent = self.0.post("application/json", body, &HeaderMap::new()).await;
        sent.map(drop).map_err(ZipkinError)
    }
}

fn written(span: &SpanData, service: &str) -> Value {
    let took = span.end_time.duration_since(span.start_time).unwrap_or_default().as_micros();
    let mut json = json!({
        "traceId": span.span_context.trace_id().to_string(),
        "id": span.span_context.span_id().to_string(),
        "name": span.name,
        "timestamp": micros(span.start_time),
        // "Durations of less than one are rounded up."
        "duration": u64::try_from(took).unwrap_or(u64::MAX).max(1),
        "localEndpoint": { "serviceName": service },
    });
    if span.parent_span_id != opentelemetry::trace::SpanId::INVALID {
        json["parentId"] = span.parent_span_id.to_string().into();
    }
    // What is empty is left out.
    if !span.events.is_empty() {
        json["annotations"] = span.events.iter().map(annotation).collect();
    }
    let tags = all_tags(span);
    if !tags.is_empty() {
        json["tags"] = tags.into();
    }
    let kind = match span.span_kind {
        SpanKind::Server => "SERVER",
        SpanKind::Client => "CLIENT",
        SpanKind::Producer => "PRODUCER",
        SpanKind::Consumer => "CONSUMER",
        SpanKind::Internal => return json,
    };
    json["kind"] = kind.into();
    if matches!(span.span_kind, SpanKind::Client | SpanKind::Producer)
        && let Some(remote) = remote(&span.attributes)
    {
        json["remoteEndpoint"] = remote;
    }
    json
}

fn annotation(event: &Event) -> Value {
    let attributes = tags(&event.attributes);
    let value = if attributes.is_empty() {
        event.name.to_string()
    } else {
        format!("\"{}\": {}", event.name, Value::from(attributes))
    };
    json!({ "timestamp": micros(event.timestamp), "value": value })
}

/// Attributes, and what Zipkin has no fields for.
fn all_tags(span: &SpanData) -> Map<String, Value> {
    let mut tags = tags(&span.attributes);
    // Zipkin takes a span with such a tag for one that failed, whatever it says.
    tags.retain(|key, value| key != "error" || value != "false");
    match &span.status {
        Status::Unset => {}
        Status::Ok => drop(tags.insert("otel.status_code".to_owned(), "OK".into())),
        Status::Error { description } => {
            tags.insert("otel.status_code".to_owned(), "ERROR".into());
            tags.insert("error".to_owned(), description.as_ref().into());
        }
    }
    let scope = &span.instrumentation_scope;
    let version = scope.version().unwrap_or_default();
    for (key, said) in [("otel.scope.name", scope.name()), ("otel.scope.version", version)] {
        if !said.is_empty() {
            tags.insert(key.to_owned(), said.into());
        }
    }
    for (key, dropped) in [
        ("otel.dropped_attributes_count", span.dropped_attributes_count),
        ("otel.dropped_events_count", span.events.dropped_count),
        ("otel.dropped_links_count", span.links.dropped_count),
    ] {
        if dropped > 0 {
            tags.insert(key.to_owned(), dropped.to_string().into());
        }
    }
    tags
}

/// The other side, as the first attribute of [`REMOTE`] tells it that there is.
fn remote(attributes: &[KeyValue]) -> Option<Value> {
    let get = |key: &str| {
        let found = attributes.iter().find(|attribute| attribute.key.as_str() == key);
        found.map(|attribute| attribute.value.to_string()).filter(|value| !value.is_empty())
    };
    REMOTE.iter().find_map(|(key, port)| {
        let value = get(key)?;
        let Some(port) = port else { return Some(json!({ "serviceName": value })) };
        let mut endpoint = match value.parse().ok()? {
            IpAddr::V4(_) => json!({ "ipv4": value }),
            IpAddr::V6(_) => json!({ "ipv6": value }),
        };
        if let Some(port) = get(port).and_then(|port| port.parse::<u16>().ok()) {
            endpoint["port"] = port.into();
        }
        Some(endpoint)
    })
}

fn tags(attributes: &[KeyValue]) -> Map<String, Value> {
    attributes.iter().map(|tag| (tag.key.to_string(), text(&tag.value).into())).collect()
}

/// As the transformation wants it: a list as that of JSON, which the SDK's own text is not
/// if there are quotes in it.
fn text(value: &Attribute) -> String {
    let Attribute::Array(list) = value else { return value.to_string() };
    match list {
        Array::Bool(list) => json!(list).to_string(),
        Array::I64(list) => json!(list).to_string(),
        Array::F64(list) => json!(list).to_string(),
        Array::String(list) => list.iter().map(StringValue::as_str).collect::<Value>().to_string(),
        _ => value.to_string(),
    }
}

fn micros(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

// ===== impl ZipkinError =====

impl fmt::Display for ZipkinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for ZipkinError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}
