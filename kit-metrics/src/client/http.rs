use super::{LIMIT, server};
use crate::{
    DynRecorder, Trace, TraceOf,
    series::{Ending, METHODS, OTHER, Series, Way, method_index},
    trace::Carried,
};
use http::StatusCode;
use kit_endpoint::Kind;
use metrics::{Label, Recorder, Unit};
use std::{fmt, sync::Arc, time::Duration};

const DURATION: &str = "http.client.request.duration";

/// Records the requests of an HTTP client to one server.
///
/// See the [module](super) for the metric. Clones share it.
///
/// ```
/// use http::StatusCode;
/// use kit_metrics::{HttpClient, Prometheus};
/// use std::time::Duration;
///
/// let metrics = Prometheus::new();
/// let client = HttpClient::new(metrics.clone(), "users", 80);
/// let call = client.begin("GET", Some("/users/{id}"));
/// call.end(Some(StatusCode::OK), None, Duration::from_millis(3));
/// assert!(metrics.render().contains(r#"server_address="users""#));
/// ```
#[derive(Debug, Clone)]
pub struct HttpClient {
    shared: Arc<Shared>,
    // Only a hook has extensions to ask.
    #[cfg_attr(not(feature = "hook"), expect(dead_code, reason = "see above"))]
    pub(crate) traces: Option<TraceOf>,
}

/// A request of an [`HttpClient`]. Dropped without an end it is not recorded.
#[derive(Debug)]
#[must_use = "a request that is not ended is not recorded"]
pub struct HttpClientCall {
    shared: Arc<Shared>,
    way: Way,
    trace: Carried,
}

struct Shared {
    recorder: Box<DynRecorder>,
    server: [Label; 2],
    series: Series,
}

// ===== impl HttpClient =====

impl HttpClient {
    /// Records into `recorder` the requests to the server that is known as
    /// `address`, at `port`.
    #[must_use]
    pub fn new(recorder: impl Recorder + Send + Sync + 'static, address: &str, port: u16) -> Self {
        recorder.describe_histogram(
            DURATION.into(),
            Some(Unit::Seconds),
            "Duration of HTTP client requests.".into(),
        );
        let (server, series) = (server(address, port), Series::new(DURATION, LIMIT));
        let shared = Arc::new(Shared { recorder: Box::new(recorder), server, series });
        Self { shared, traces: None }
    }

    /// Gives each histogram an example of a trace in each bucket, where `trace`
    /// finds a sampled one among the extensions of a request, when a hook sees
    /// its head: [`RedLayer::exemplars`](crate::RedLayer::exemplars) has an
    /// example.
    #[must_use]
    pub fn exemplars(self, trace: TraceOf) -> Self {
        Self { traces: Some(trace), ..self }
    }

    /// Begins a request: `template` is what its path was made from, never the
    /// path.
    pub fn begin(&self, method: &str, template: Option<&str>) -> HttpClientCall {
        let way = self.shared.series.way(method_index(method), template);
        HttpClientCall { shared: Arc::clone(&self.shared), way, trace: Carried::NONE }
    }
}

// ===== impl Shared =====

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let server = self.server.each_ref().map(Label::value);
        f.debug_struct("Shared").field("server", &server).finish_non_exhaustive()
    }
}

// ===== impl HttpClientCall =====

impl HttpClientCall {
    /// Says which trace this is an example of, if it is sampled.
    pub const fn trace(mut self, trace: Option<Trace>) -> Self {
        self.trace = Carried::new(trace);
        self
    }

    /// Ends the request, which took `duration`: with the status of the reply,
    /// if one came, and what kind of failure it was, if it failed.
    ///
    /// OpenTelemetry's `error.type` is the status from 400 on, and the kind
    /// where the status tells no failure: no reply, or one that was cut.
    pub fn end(self, status: Option<StatusCode>, failure: Option<Kind>, duration: Duration) {
        let code = status.map_or(0, |status| status.as_u16());
        let error = match (code, failure) {
            (400.., _) => Some(None),
            (_, Some(kind)) => Some(Some(kind)),
            _ => None,
        };
        // 0 is none, 1 the status, and from 2 on the kinds.
        let number = error.map_or(0, |kind| kind.map_or(1, |kind| kind as u16 + 2));
        let ending = Ending { status: code, error: number };
        let shared = &*self.shared;
        let timed = (duration, self.trace.get());
        shared.series.record(&*shared.recorder, self.way, ending, timed, |place| {
            let mut labels = shared.server.to_vec();
            let method = place.map_or(METHODS.len() - 1, |place| place.method.into());
            labels.push(Label::from_static_parts("http.request.method", METHODS[method]));
            let Some(place) = place else {
                labels.push(Label::from_static_parts("url.template", OTHER));
                return labels;
            };
            if let Some(template) = &place.route {
                labels.push(Label::new("url.template", template.to_string()));
            }
            if status.is_some() {
                labels.push(Label::new("http.response.status_code", code.to_string()));
            }
            if let Some(kind) = error {
                let error = kind.map_or_else(|| code.to_string(), |kind| kind.name().to_owned());
                labels.push(Label::new("error.type", error));
            }
            labels
        });
    }
}
