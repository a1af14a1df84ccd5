//! What one writes for a server by hand, whatever carries it: the check of tokens,
//! the spans' parents, the telemetry.

use crate::{
    BoxError,
    stack::{AUDIENCE, ISSUER, Nowhere, SAMPLED, SECRET},
};
use http::HeaderMap;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use metrics_exporter_prometheus::PrometheusBuilder;
use opentelemetry::{
    propagation::{Extractor, TextMapPropagator},
    trace::{TraceContextExt, TracerProvider},
};
use opentelemetry_sdk::{
    propagation::TraceContextPropagator,
    trace::{Sampler, SdkTracerProvider},
};
use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tracing::{Span, level_filters::LevelFilter};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::{EnvFilter, Layer, fmt, prelude::*};

/// The tokens that are known are forgotten when there are so many.
const MOST: usize = 1000;
/// The bounds of the histograms, in seconds: OpenTelemetry's.
const BOUNDS: [f64; 14] =
    [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// What a token claims.
#[derive(Debug, Clone, serde::Deserialize)]
pub struct Claims {
    /// Whom it is about.
    pub sub: String,
    /// Until when it is valid, in seconds since 1970.
    pub exp: u64,
    /// What it is good for.
    pub scope: String,
}

/// Knows tokens, and those that it saw without another look at the signature.
#[derive(Debug)]
pub struct Tokens {
    key: DecodingKey,
    validation: Validation,
    known: Mutex<HashMap<String, Arc<Claims>>>,
}

struct Headers<'a>(&'a HeaderMap);

impl Tokens {
    /// Knows those of the issuer.
    #[must_use]
    pub fn new() -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        let key = DecodingKey::from_secret(&SECRET);
        Self { key, validation, known: Mutex::default() }
    }

    /// Returns the claims of the token in `headers`, if it is right.
    pub fn check(&self, headers: &HeaderMap) -> Option<Arc<Claims>> {
        let token = headers.get(http::header::AUTHORIZATION)?.to_str().ok()?;
        let token = token.strip_prefix("Bearer ")?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs();
        if let Some(claims) = known.get(token)
            && claims.exp > now
        {
            return Some(Arc::clone(claims));
        }
        let claims = decode::<Claims>(token, &self.key, &self.validation).ok()?.claims;
        let claims = Arc::new(claims);
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(token.to_owned(), Arc::clone(&claims));
        Some(claims)
    }
}

impl Default for Tokens {
    fn default() -> Self {
        Self::new()
    }
}

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(http::HeaderName::as_str).collect()
    }
}

/// Lets `span` be below the one that `headers` tell of, and records its ids.
pub fn begin(span: &Span, headers: &HeaderMap) {
    let parent = TraceContextPropagator::new().extract(&Headers(headers));
    let _ = span.set_parent(parent);
    let context = span.context();
    let context = context.span().span_context().clone();
    span.record("trace_id", tracing::field::display(context.trace_id()));
    span.record("span_id", tracing::field::display(context.span_id()));
}

/// Installs the recorder, the tracer and the log.
///
/// # Errors
///
/// Fails if there is one.
pub fn telemetry() -> Result<(), BoxError> {
    let metrics = PrometheusBuilder::new().set_buckets(&BOUNDS)?.install_recorder()?;
    thread::spawn(move || {
        loop {
            thread::sleep(Duration::from_secs(5));
            metrics.run_upkeep();
        }
    });
    let sampler = Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(SAMPLED)));
    let provider =
        SdkTracerProvider::builder().with_sampler(sampler).with_batch_exporter(Nowhere).build();
    let spans = tracing_opentelemetry::layer()
        .with_location(false)
        .with_threads(false)
        .with_tracked_inactivity(false)
        .with_target(false)
        .with_level(false)
        .with_tracer(provider.tracer("greeter"))
        .with_filter(LevelFilter::INFO);
    let lines = fmt::layer().compact().with_ansi(false).with_writer(io::sink);
    let lines = lines.with_filter(EnvFilter::new("info"));
    Ok(tracing_subscriber::registry().with(spans).with(lines).try_init()?)
}
