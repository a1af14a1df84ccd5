use super::{
    BadVariable, Exporter,
    web::{PostError, Web},
};
use http::{HeaderMap, Uri};
use opentelemetry::{
    KeyValue,
    trace::{SpanKind, Status},
};
use opentelemetry_sdk::{Resource, trace::SpanData};
use serde_json::{Map, Value, json};
use std::{
    error::Error,
    fmt,
    time::{SystemTime, UNIX_EPOCH},
};

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
        let uri: Uri = address.parse()?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            let wanted = "http://HOST:9411/api/v2/spans";
            return Err(BadVariable::new("the address of Zipkin", address, wanted).into());
        }
        Ok(Self(Web::new(uri)?))
    }
}

impl Exporter for Zipkin {
    type Error = ZipkinError;

    async fn export(
        &mut self,
        batch: Vec<SpanData>,
        resource: &Resource,
    ) -> Result<(), ZipkinError> {
        let name = resource.get(&"service.name".into());
        let name = name.map_or_else(String::new, |name| name.to_string());
        let spans: Vec<_> = batch.iter().map(|span| written(span, &name)).collect();
        let body = Value::from(spans).to_string().into_bytes();
        self.0.post("application/json", body, &HeaderMap::new()).await.map_err(ZipkinError)
    }
}

fn written(span: &SpanData, service: &str) -> Value {
    let took = span.end_time.duration_since(span.start_time).unwrap_or_default().as_micros();
    let annotations = span.events.iter().map(|event| {
        let attributes = tags(&event.attributes);
        let value = if attributes.is_empty() {
            event.name.to_string()
        } else {
            format!("\"{}\": {}", event.name, Value::from(attributes))
        };
        json!({ "timestamp": micros(event.timestamp), "value": value })
    });
    let mut tags = tags(&span.attributes);
    match &span.status {
        Status::Unset => {}
        Status::Ok => drop(tags.insert("otel.status_code".to_owned(), "OK".into())),
        Status::Error { description } => {
            tags.insert("otel.status_code".to_owned(), "ERROR".into());
            tags.insert("error".to_owned(), description.as_ref().into());
        }
    }
    let mut json = json!({
        "traceId": span.span_context.trace_id().to_string(),
        "id": span.span_context.span_id().to_string(),
        "name": span.name,
        "timestamp": micros(span.start_time),
        // Zipkin takes none that is 0.
        "duration": u64::try_from(took).unwrap_or(u64::MAX).max(1),
        "localEndpoint": { "serviceName": service },
        "annotations": annotations.collect::<Vec<_>>(),
        "tags": tags,
    });
    if span.parent_span_id != opentelemetry::trace::SpanId::INVALID {
        json["parentId"] = span.parent_span_id.to_string().into();
    }
    let kind = match span.span_kind {
        SpanKind::Server => "SERVER",
        SpanKind::Client => "CLIENT",
        SpanKind::Producer => "PRODUCER",
        SpanKind::Consumer => "CONSUMER",
        SpanKind::Internal => return json,
    };
    json["kind"] = kind.into();
    json
}

fn tags(attributes: &[KeyValue]) -> Map<String, Value> {
    let tag = |tag: &KeyValue| (tag.key.to_string(), tag.value.to_string().into());
    attributes.iter().map(tag).collect()
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
