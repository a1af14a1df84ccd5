use super::LIMIT;
use crate::{
    DynRecorder, METADATA, Trace, TraceOf,
    series::{Ending, METHODS, OTHER, Series, Way, method_index},
    trace::Carried,
};
use http::StatusCode;
use kit_endpoint::Kind;
use metrics::{Gauge, Key, Label, Recorder, Unit};
use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

const DURATION: &str = "http.server.request.duration";
const ACTIVE: &str = "http.server.active_requests";

/// Records the requests of an HTTP server.
///
/// See the [module](super) for the metrics. Clones share them.
///
/// ```
/// use http::StatusCode;
/// use kit_metrics::{HttpServer, Prometheus};
/// use std::time::Duration;
///
/// let metrics = Prometheus::new();
/// let server = HttpServer::new(metrics.clone());
/// let call = server.begin("GET", Some("/users/{id}"));
/// call.end(Some(StatusCode::OK), None, Duration::from_millis(3));
/// assert!(metrics.render().contains(r#"http_route="/users/{id}""#));
/// ```
#[derive(Debug, Clone)]
pub struct HttpServer {
    shared: Arc<Shared>,
    // Only a hook has extensions to ask.
    #[cfg_attr(not(feature = "hook"), expect(dead_code, reason = "see above"))]
    pub(crate) traces: Option<TraceOf>,
}

/// A request to an [`HttpServer`]: it is active until this is dropped.
///
/// Dropped without an end it is not recorded.
#[derive(Debug)]
pub struct HttpCall {
    shared: Arc<Shared>,
    method: u8,
    way: Option<Way>,
    trace: Carried,
}

struct Shared {
    recorder: Box<DynRecorder>,
    scheme: &'static str,
    active: [OnceLock<Gauge>; METHODS.len()],
    series: Series,
}

// ===== impl HttpServer =====

impl HttpServer {
    /// Records into `recorder` the requests of a server that callers reach by
    /// `http`.
    #[must_use]
    pub fn new(recorder: impl Recorder + Send + Sync + 'static) -> Self {
        Self::over("http", Box::new(recorder))
    }

    /// Records into `recorder` the requests of a server that callers reach by
    /// `https`.
    #[must_use]
    pub fn https(recorder: impl Recorder + Send + Sync + 'static) -> Self {
        Self::over("https", Box::new(recorder))
    }

    fn over(scheme: &'static str, recorder: Box<DynRecorder>) -> Self {
        recorder.describe_histogram(
            DURATION.into(),
            Some(Unit::Seconds),
            "Duration of HTTP server requests.".into(),
        );
        recorder.describe_gauge(
            ACTIVE.into(),
            None,
            "Number of active HTTP server requests.".into(),
        );
        let series = Series::new(DURATION, LIMIT);
        let active = [const { OnceLock::new() }; METHODS.len()];
        Self { shared: Arc::new(Shared { recorder, scheme, active, series }), traces: None }
    }

    /// Gives each histogram an example of a trace in each bucket, where `trace`
    /// finds a sampled one among the extensions of a request, when a hook sees
    /// its head: [`RedLayer::exemplars`](crate::RedLayer::exemplars) has an
    /// example.
    #[must_use]
    pub fn exemplars(self, trace: TraceOf) -> Self {
        Self { traces: Some(trace), ..self }
    }

    /// Begins a request: `route` is the template that it matched, never the
    /// raw path.
    #[must_use]
    pub fn begin(&self, method: &str, route: Option<&str>) -> HttpCall {
        let method = method_index(method);
        self.shared.active(method.into()).increment(1.0);
        let way = Some(self.shared.series.way(method, route));
        HttpCall { shared: Arc::clone(&self.shared), method, way, trace: Carried::NONE }
    }
}

// ===== impl Shared =====

impl Shared {
    fn active(&self, method: usize) -> &Gauge {
        self.active[method].get_or_init(|| {
            let key = Key::from_parts(ACTIVE, labels(method, self.scheme));
            self.recorder.register_gauge(&key, &METADATA)
        })
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("scheme", &self.scheme).finish_non_exhaustive()
    }
}

// ===== impl HttpCall =====

impl HttpCall {
    /// Says which trace this is an example of, if it is sampled.
    #[must_use]
    pub const fn trace(mut self, trace: Option<Trace>) -> Self {
        self.trace = Carried::new(trace);
        self
    }

    /// Ends the request, which took `duration`: with the status of its reply,
    /// if it got one, and what kind of failure it was, if it failed.
    ///
    /// OpenTelemetry's `error.type` is the status from 500 on, and the kind
    /// where the status tells no failure: no reply, or one that was cut.
    pub fn end(mut self, status: Option<StatusCode>, failure: Option<Kind>, duration: Duration) {
        let Some(way) = self.way.take() else { return };
        let code = status.map_or(0, |status| status.as_u16());
        let error = match (code, failure) {
            (500.., _) => Some(None),
            (0..400, Some(kind)) => Some(Some(kind)),
            _ => None,
        };
        // 0 is none, 1 the status, and from 2 on the kinds.
        let number = error.map_or(0, |kind| kind.map_or(1, |kind| kind as u16 + 2));
        let ending = Ending { status: code, error: number };
        let timed = (duration, self.trace.get());
        let shared = &*self.shared;
        shared.series.record(&*shared.recorder, way, ending, timed, |place| {
            let Some(place) = place else { return rest(shared.scheme) };
            let mut labels = labels(usize::from(place.method), shared.scheme);
            if let Some(route) = &place.route {
                labels.push(Label::new("http.route", route.to_string()));
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

impl Drop for HttpCall {
    fn drop(&mut self) {
        self.shared.active(usize::from(self.method)).decrement(1.0);
    }
}

/// The labels of requests of which too many kinds came before.
fn rest(scheme: &'static str) -> Vec<Label> {
    let mut labels = labels(METHODS.len() - 1, scheme);
    labels.push(Label::from_static_parts("http.route", OTHER));
    labels
}

fn labels(method: usize, scheme: &'static str) -> Vec<Label> {
    vec![
        Label::from_static_parts("http.request.method", METHODS[method]),
        Label::from_static_parts("url.scheme", scheme),
    ]
}
