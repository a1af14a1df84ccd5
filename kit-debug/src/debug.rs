use crate::{
    Build, InFlight,
    config::Redacted,
    guard::{Guard, GuardLayer},
    health,
    index::Index,
    page, requests,
    runtime::Runtime,
    state::States,
};
use axum::{
    Router,
    body::Body,
    extract::{Path, Request},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::map_response,
    response::{IntoResponse, Response},
    routing::{Route, get},
};
use kit_endpoint::{AsHttp, Fault, Inspect, Kind};
use std::{
    collections::BTreeMap,
    convert::Infallible,
    error,
    fmt::{self, Write},
    sync::Arc,
    time::Duration,
};
use tokio::{runtime::Handle, sync::watch};
use tower_http::{limit::RequestBodyLimitLayer, timeout::TimeoutLayer};
use tower_layer::Layer;
use tower_service::Service;

/// How long a page may take.
const TIME_LIMIT: Duration = Duration::from_secs(10);
/// How much a request may bring, in bytes: a filter of a log is short.
const BODY_LIMIT: usize = 64 * 1024;

/// What is safe for all pages, unless one says otherwise.
const HEADERS: [(header::HeaderName, HeaderValue); 5] = [
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
    ),
    (
        header::HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    ),
];

type Servers = Vec<Arc<dyn Fn() -> Vec<InFlight> + Send + Sync>>;

/// Builds a debug port: an [`axum::Router`] of what is asked for here.
///
/// Only `/debug`, the index, and `/health/live` are always there.
///
/// ```
/// use axum::{body::Body, http::Request};
/// use kit_debug::{Build, Debug};
/// use tower::ServiceExt;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (ready, readiness) = tokio::sync::watch::channel(false);
/// let port = Debug::new()
///     .ready(readiness)
///     .build_info(Build::new("app", "1.2.3"))
///     .runtime(&tokio::runtime::Handle::current())
///     .into_router();
///
/// let ask = || Request::get("/health/ready").body(Body::empty());
/// assert_eq!(port.clone().oneshot(ask()?).await?.status(), 503);
/// ready.send_replace(true);
/// assert_eq!(port.oneshot(ask()?).await?.status(), 200);
/// # Ok(())
/// # }
/// ```
#[derive(Default)]
#[must_use = "it is a router once `into_router` is called"]
pub struct Debug {
    guard: Guard,
    index: Index,
    /// For whoever reaches the port.
    open: Router,
    /// For those who name a host that is known.
    read: Router,
    guarded: Router,
    /// Guarded, and with a time limit of their own.
    slow: Router,
    /// None unless there is a page of them.
    states: Option<States>,
    servers: Servers,
    time_limit: Option<Duration>,
    body_limit: Option<usize>,
}

// ===== impl Debug =====

impl Debug {
    /// A port with an index, and nothing in it but that the process lives.
    pub fn new() -> Self {
        Self::default().page_open(
            "/health/live",
            "Whether the process lives",
            get(|| async { "live\n" }),
        )
    }

    /// Says who may change something, and ask for what is costly; by default
    /// loopback peers and those over Unix sockets ([`Guard::new`]).
    pub fn guard(mut self, guard: Guard) -> Self {
        self.guard = guard;
        self
    }

    /// Sets how long a page may take until its reply begins, 10 s by default; then the
    /// answer is 504. A profile is as long as it is asked to be.
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = Some(limit);
        self
    }

    /// Sets how many bytes a request may bring, 64 KiB by default; the answer to more
    /// is 413.
    pub fn body_limit(mut self, limit: usize) -> Self {
        self.body_limit = Some(limit);
        self
    }

    /// Adds `/health/ready`: 200 while `ready` says so, else 503.
    pub fn ready(self, ready: watch::Receiver<bool>) -> Self {
        let ready = health::probe(ready, "ready\n", "not ready\n");
        self.page_open("/health/ready", "Whether it wants requests", ready)
    }

    /// Adds `/health/startup`: 200 once `started` says so, else 503. See
    /// [`started`](crate::started).
    pub fn started(self, started: watch::Receiver<bool>) -> Self {
        let started = health::probe(started, "started\n", "starting\n");
        self.page_open("/health/startup", "Whether it was ever ready", started)
    }

    /// Adds `/debug/build`: what was built.
    pub fn build_info(self, build: Build) -> Self {
        let page = get(move || async move { page::json(&build) });
        self.page("/debug/build", "What was built", page)
    }

    /// Adds `/debug/config`: the configuration, without its secrets.
    pub fn config(self, config: Redacted) -> Self {
        let config = Arc::new(config);
        let page = get(move || async move { page::json(&*config) });
        self.page("/debug/config", "The configuration, without its secrets", page)
    }

    /// Adds a component to `/debug/state` and `/debug/state/NAME`, where all of one
    /// name are together. A page has 10,000 values at the most, and says how many more
    /// there were.
    ///
    /// A name with a `/` in it is asked for with `%2F`.
    pub fn state(mut self, name: impl Into<String>, component: impl Inspect + 'static) -> Self {
        self.states.get_or_insert_default().add(name, component);
        self
    }

    /// Adds `/debug/state` and `/debug/state/NAME` for components some of which come
    /// later. They take the place of those that were given before; those that are
    /// given after are added to them.
    pub fn states(mut self, states: &States) -> Self {
        self.states = Some(states.clone());
        self
    }

    /// Adds what a server answers now to `/debug/requests`, which lists all of them,
    /// the oldest first, and no more than 1,000; `in_flight` is asked for each page.
    pub fn requests<F>(mut self, in_flight: F) -> Self
    where
        F: Fn() -> Vec<InFlight> + Send + Sync + 'static,
    {
        self.servers.push(Arc::new(in_flight));
        self
    }

    /// Adds `/debug/runtime`: what tokio counts of this runtime; more of it, if it is
    /// built with `--cfg tokio_unstable`.
    pub fn runtime(self, runtime: &Handle) -> Self {
        let runtime = runtime.clone();
        let page = get(move || async move { page::json(&Runtime::of(&runtime)) });
        self.page("/debug/runtime", "What tokio counts", page)
    }

    /// Adds `/debug/pprof/profile?seconds=30&frequency=99`, guarded: where the time of
    /// the CPU goes, as a gzipped `profile.proto` that pprof reads. It takes 1 to 60 s,
    /// at 1 to 1,000 samples for each second of CPU time, and one at a time: the answer
    /// to a second is 409. It ends when the caller leaves.
    ///
    /// `SIGPROF` and the timer `ITIMER_PROF` are the process's only ones, so nothing
    /// else may use them. While it is taken, system calls are interrupted more often.
    /// Samples amid the C library are left out.
    ///
    /// It needs a runtime that has time enabled.
    #[cfg(feature = "pprof")]
    pub fn pprof(mut self) -> Self {
        const PATH: &str = "/debug/pprof/profile";
        let profiler = crate::pprof::Profiler::new();
        let page = get(move |query| profiler.clone().page(query));
        self.index.add(PATH, "Where the time of the CPU goes: ?seconds=30&frequency=99", true);
        self.slow = self.slow.route(PATH, page);
        self
    }

    /// Serves `service` at `path`. To read (`GET`, `HEAD`) is for whoever reaches the
    /// port and names a host that is known; what else is asked is guarded.
    ///
    /// # Panics
    ///
    /// Panics if `path` does not begin with `/`, or is taken.
    pub fn mount<S>(mut self, path: &str, help: &str, service: S) -> Self
    where
        S: Service<Request, Error = Infallible, Response: IntoResponse, Future: Send>
            + Clone
            + Send
            + Sync
            + 'static,
    {
        self.index.add(path, help, false);
        self.read = self.read.route_service(path, service);
        self
    }

    /// Serves `service` at `path`. To read (`GET`, `HEAD`) is for whoever reaches the
    /// port, by whatever name: for what is no secret, as metrics are none. What else is
    /// asked is guarded.
    ///
    /// # Panics
    ///
    /// Panics if `path` does not begin with `/`, or is taken.
    pub fn mount_open<S>(mut self, path: &str, help: &str, service: S) -> Self
    where
        S: Service<Request, Error = Infallible, Response: IntoResponse, Future: Send>
            + Clone
            + Send
            + Sync
            + 'static,
    {
        self.index.add(path, help, false);
        self.open = self.open.route_service(path, service);
        self
    }

    /// Serves `service` at `path`, all of it guarded: what changes something by `GET`,
    /// or costs a lot.
    ///
    /// # Panics
    ///
    /// Panics if `path` does not begin with `/`, or is taken.
    pub fn mount_guarded<S>(mut self, path: &str, help: &str, service: S) -> Self
    where
        S: Service<Request, Error = Infallible, Response: IntoResponse, Future: Send>
            + Clone
            + Send
            + Sync
            + 'static,
    {
        self.index.add(path, help, true);
        self.guarded = self.guarded.route_service(path, service);
        self
    }

    /// Returns the port. Serve it at an address of loopback.
    ///
    /// # Panics
    ///
    /// Panics if a path was given twice.
    pub fn into_router(mut self) -> Router {
        let states = self.states.take();
        if let Some(states) = states.clone() {
            self = self.with_states(states);
        }
        if !self.servers.is_empty() {
            let servers: Arc<Servers> = std::mem::take(&mut self.servers).into();
            let page = get(move || async move {
                let requests = servers.iter().flat_map(|in_flight| in_flight());
                page::json(&requests::Page::of(requests.collect()))
            });
            self = self.page("/debug/requests", "What is in flight, the oldest first", page);
        }
        let index = Arc::new(std::mem::take(&mut self.index));
        let page = get(move |headers: HeaderMap| async move {
            let mut index = Index::clone(&index);
            for name in states.iter().flat_map(States::names) {
                let path = format!("/debug/state/{}", encoded(&name));
                index.add(&path, "How it is", false);
            }
            index.page(&headers)
        });
        let read = self.read.route("/debug", page.clone()).route("/debug/", page);

        let changes = GuardLayer::changes(self.guard.clone()).refuse(AsHttp);
        let all = GuardLayer::new(self.guard).refuse(AsHttp);
        let time = TimeoutLayer::with_status_code(
            StatusCode::GATEWAY_TIMEOUT,
            self.time_limit.unwrap_or(TIME_LIMIT),
        );
        let body = RequestBodyLimitLayer::new(self.body_limit.unwrap_or(BODY_LIMIT));
        let quick = Router::new()
            .merge(layered(self.open, changes.clone().any_host()))
            .merge(layered(read, changes))
            .merge(layered(self.guarded, all.clone()));
        let routes = layered(quick, time).merge(layered(self.slow, all));
        layered(layered(routes, body), map_response(safe))
    }

    fn page(mut self, path: &str, help: &str, page: axum::routing::MethodRouter) -> Self {
        self.index.add(path, help, false);
        self.read = self.read.route(path, page);
        self
    }

    fn page_open(mut self, path: &str, help: &str, page: axum::routing::MethodRouter) -> Self {
        self.index.add(path, help, false);
        self.open = self.open.route(path, page);
        self
    }

    fn with_states(mut self, states: States) -> Self {
        let all = states.clone();
        let names =
            get(move || async move { page::json(&BTreeMap::from([("states", all.names())])) });
        let state = get(move |Path(name): Path<String>| async move {
            match states.of(&name) {
                Some(state) => page::json(&state),
                None => AsHttp::reply(&NoComponent(())).into_response(),
            }
        });
        self.read = self.read.route("/debug/state/{name}", state);
        self.page("/debug/state", "What says how it is, by name", names)
    }
}

impl fmt::Debug for Debug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Debug")
            .field("guard", &self.guard)
            .field("index", &self.index)
            .finish_non_exhaustive()
    }
}

/// Encodes a name as a segment of a path: all but the unreserved characters
/// (RFC 3986, section 2.3).
fn encoded(name: &str) -> String {
    let mut encoded = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(byte.into());
        } else {
            // Writing to a `String` cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// Only around the routes, if there are any: nothing is to be said of other paths.
fn layered<L>(router: Router, layer: L) -> Router
where
    L: Layer<Route> + Clone + Send + Sync + 'static,
    L::Service: Service<Request, Error: Into<Infallible>, Response: IntoResponse, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static,
{
    if router.has_routes() { router.route_layer(layer) } else { router }
}

async fn safe(mut response: Response<Body>) -> Response<Body> {
    for (name, value) in HEADERS {
        response.headers_mut().entry(name).or_insert(value);
    }
    response
}

/// There is none of this name.
#[derive(Debug)]
struct NoComponent(());

impl fmt::Display for NoComponent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nothing of this name says how it is: see /debug/state")
    }
}

impl error::Error for NoComponent {}

impl Fault for NoComponent {
    fn kind(&self) -> Kind {
        Kind::NotFound
    }
}
