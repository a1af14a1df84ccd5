use super::{LIMIT, server};
use crate::{
    DynRecorder, Trace, TraceOf,
    series::{Ending, OTHER, Series, Way},
    trace::Carried,
};
use kit_endpoint::Kind;
use metrics::{Label, Recorder, Unit};
use std::{fmt, sync::Arc, time::Duration};

const DURATION: &str = "rpc.client.call.duration";

/// Records the calls of a gRPC client to one server.
///
/// See the [module](super) for the metric. Clones share it.
///
/// ```
/// use kit_metrics::{GrpcClient, Kind, Prometheus};
/// use std::time::Duration;
///
/// let metrics = Prometheus::new();
/// let client = GrpcClient::new(metrics.clone(), "greeter", 443);
/// let call = client.begin("greeter.v1.Greeter/Greeting");
/// call.end(Some(Kind::Unavailable), Duration::from_millis(3));
/// assert!(metrics.render().contains(r#"error_type="UNAVAILABLE""#));
/// ```
#[derive(Debug, Clone)]
pub struct GrpcClient {
    shared: Arc<Shared>,
    // Only a hook has extensions to ask.
    #[cfg_attr(not(feature = "hook"), expect(dead_code, reason = "see above"))]
    pub(crate) traces: Option<TraceOf>,
}

/// A call of a [`GrpcClient`]. Dropped without an end it is not recorded.
#[derive(Debug)]
#[must_use = "a call that is not ended is not recorded"]
pub struct GrpcClientCall {
    shared: Arc<Shared>,
    way: Way,
    trace: Carried,
}

struct Shared {
    recorder: Box<DynRecorder>,
    server: [Label; 2],
    series: Series,
}

// ===== impl GrpcClient =====

impl GrpcClient {
    /// Records into `recorder` the calls of the server that is known as
    /// `address`, at `port`.
    #[must_use]
    pub fn new(recorder: impl Recorder + Send + Sync + 'static, address: &str, port: u16) -> Self {
        recorder.describe_histogram(
            DURATION.into(),
            Some(Unit::Seconds),
            "Duration of RPC client calls.".into(),
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

    /// Begins a call of `method`, the full one without a leading slash
    /// (`greeter.v1.Greeter/Greeting`): one that your program has a stub for,
    /// not a name that somebody sent.
    pub fn begin(&self, method: &str) -> GrpcClientCall {
        let way = self.shared.series.way(0, Some(method));
        GrpcClientCall { shared: Arc::clone(&self.shared), way, trace: Carried::NONE }
    }
}

// ===== impl Shared =====

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let server = self.server.each_ref().map(Label::value);
        f.debug_struct("Shared").field("server", &server).finish_non_exhaustive()
    }
}

// ===== impl GrpcClientCall =====

impl GrpcClientCall {
    /// Says which trace this is an example of, if it is sampled.
    pub const fn trace(mut self, trace: Option<Trace>) -> Self {
        self.trace = Carried::new(trace);
        self
    }

    /// Ends the call, which took `duration`: well, or in a failure of a kind.
    ///
    /// The status is the code that gRPC has for the kind, and OpenTelemetry's
    /// `error.type` the same: at a client every code but `OK` is an error.
    pub fn end(self, failure: Option<Kind>, duration: Duration) {
        let code = failure.map_or(0, Kind::grpc_code);
        let ending = Ending { status: code.into(), error: 0 };
        let shared = &*self.shared;
        let timed = (duration, self.trace.get());
        shared.series.record(&*shared.recorder, self.way, ending, timed, |place| {
            let mut labels = vec![Label::from_static_parts("rpc.system.name", "grpc")];
            labels.extend_from_slice(&shared.server);
            let method = place.and_then(|place| place.route.as_deref()).unwrap_or(OTHER);
            labels.push(Label::new("rpc.method", method.to_owned()));
            if place.is_none() {
                return labels;
            }
            let kind = Kind::from_grpc_code(code.into());
            let status = kind.map_or("OK", Kind::name);
            labels.push(Label::from_static_parts("rpc.response.status_code", status));
            if kind.is_some() {
                labels.push(Label::from_static_parts("error.type", status));
            }
            labels
        });
    }
}
