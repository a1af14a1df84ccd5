use super::LIMIT;
use crate::{
    DynRecorder, Trace, TraceOf,
    series::{Ending, OTHER, Series, Way},
    trace::Carried,
};
use kit_endpoint::Kind;
use metrics::{Label, Recorder, Unit};
use std::{fmt, sync::Arc, time::Duration};

const DURATION: &str = "rpc.server.call.duration";
const METHOD: &str = "rpc.method";

/// What a method is called that is not implemented: callers make such names
/// up.
const UNKNOWN: &str = "_OTHER";

/// Records the calls of a gRPC server.
///
/// See the [module](super) for the metric. Clones share it.
///
/// ```
/// use kit_metrics::{GrpcServer, Kind, Prometheus};
/// use std::time::Duration;
///
/// let metrics = Prometheus::new();
/// let server = GrpcServer::new(metrics.clone());
/// let call = server.begin("greeter.v1.Greeter/Greeting");
/// call.end(Some(Kind::NotFound), Duration::from_millis(3));
/// assert!(metrics.render().contains(r#"rpc_response_status_code="NOT_FOUND""#));
/// ```
#[derive(Debug, Clone)]
pub struct GrpcServer {
    shared: Arc<Shared>,
    // Only a hook has extensions to ask.
    #[cfg_attr(not(feature = "hook"), expect(dead_code, reason = "see above"))]
    pub(crate) traces: Option<TraceOf>,
}

/// A call of a [`GrpcServer`]. Dropped without an end it is not recorded.
#[derive(Debug)]
#[must_use = "a call that is not ended is not recorded"]
pub struct GrpcCall {
    shared: Arc<Shared>,
    way: Way,
    trace: Carried,
}

struct Shared {
    recorder: Box<DynRecorder>,
    series: Series,
}

// ===== impl GrpcServer =====

impl GrpcServer {
    /// Records into `recorder`.
    #[must_use]
    pub fn new(recorder: impl Recorder + Send + Sync + 'static) -> Self {
        recorder.describe_histogram(
            DURATION.into(),
            Some(Unit::Seconds),
            "Duration of RPC server calls.".into(),
        );
        let series = Series::new(DURATION, LIMIT);
        Self { shared: Arc::new(Shared { recorder: Box::new(recorder), series }), traces: None }
    }

    /// Makes `methods` known from the start: full ones, without a leading
    /// slash.
    #[must_use]
    pub fn methods<M: AsRef<str>>(self, methods: impl IntoIterator<Item = M>) -> Self {
        for method in methods {
            self.shared.series.know(0, method.as_ref());
        }
        self
    }

    /// Gives each histogram an example of a trace in each bucket, where `trace`
    /// finds a sampled one among the extensions of a request, when a hook sees
    /// its head: [`RedLayer::exemplars`](crate::RedLayer::exemplars) has an
    /// example.
    #[must_use]
    pub fn exemplars(self, trace: TraceOf) -> Self {
        Self { traces: Some(trace), ..self }
    }

    /// Begins a call of `method`, the full one without a leading slash
    /// (`greeter.v1.Greeter/Greeting`).
    ///
    /// It may be a name that the caller made up, so it is `_OTHER` until it is
    /// known: by [`methods`](Self::methods), or because a call of it succeeded
    /// or failed as only an implementation fails, not as a server does before
    /// it looks for one (`UNIMPLEMENTED`, `UNAUTHENTICATED`, `CANCELLED`, ...).
    pub fn begin(&self, method: &str) -> GrpcCall {
        GrpcCall {
            shared: Arc::clone(&self.shared),
            way: self.shared.series.way(0, Some(method)),
            trace: Carried::NONE,
        }
    }
}

// ===== impl Shared =====

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

// ===== impl GrpcCall =====

impl GrpcCall {
    /// Says which trace this is an example of, if it is sampled.
    pub const fn trace(mut self, trace: Option<Trace>) -> Self {
        self.trace = Carried::new(trace);
        self
    }

    /// Says that the call could not be read: a server says so before it looks for the
    /// method, so one that is not known yet is `_OTHER`, whatever kind of failure it is.
    #[cfg(feature = "hook")]
    pub(crate) fn unread(&mut self) {
        if matches!(self.way, Way::New(_)) {
            self.way = self.shared.series.way(0, Some(UNKNOWN));
        }
    }

    /// Ends the call, which took `duration`: well, or in a failure of a kind.
    ///
    /// The status is the code that gRPC has for the kind. OpenTelemetry's
    /// `error.type` is the same, for those codes that its conventions count
    /// against a server.
    pub fn end(self, failure: Option<Kind>, duration: Duration) {
        let code = failure.map_or(0, Kind::grpc_code);
        let way = match self.way {
            Way::New(_) if failure.is_some_and(needs_no_method) => {
                self.shared.series.way(0, Some(UNKNOWN))
            }
            way => way,
        };
        let ending = Ending { status: code.into(), error: 0 };
        let shared = &*self.shared;
        shared.series.record(
            &*shared.recorder,
            way,
            ending,
            (duration, self.trace.get()),
            |place| {
                let Some(place) = place else { return labels(OTHER) };
                let kind = Kind::from_grpc_code(code.into());
                let mut labels = labels(place.route.as_deref().unwrap_or(UNKNOWN));
                let status = kind.map_or("OK", Kind::name);
                labels.push(Label::from_static_parts("rpc.response.status_code", status));
                if let Some(kind) = kind
                    && (kind.is_server() || kind == Kind::Unimplemented)
                {
                    labels.push(Label::from_static_parts("error.type", kind.name()));
                }
                labels
            },
        );
    }
}

/// Says whether a server may fail so before it knows the method.
const fn needs_no_method(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Unimplemented
            | Kind::MethodNotAllowed
            | Kind::Cancelled
            | Kind::DeadlineExceeded
            | Kind::Unauthenticated
            | Kind::PermissionDenied
            | Kind::ResourceExhausted
            | Kind::PayloadTooLarge
            | Kind::UnsupportedMediaType
            | Kind::Unavailable
    )
}

fn labels(method: &str) -> Vec<Label> {
    vec![Label::from_static_parts("rpc.system.name", "grpc"), Label::new(METHOD, method.to_owned())]
}
