//! The debug port: how the process is, for those who run it.

use axum::{Json, Router, http::StatusCode, http::header::CONTENT_TYPE, routing::get};
use kit_metrics::Prometheus;
use tokio::sync::watch;

/// What was built.
#[derive(Debug, Clone, Copy, serde::Serialize)]
pub struct Build {
    /// The version of the package.
    pub version: &'static str,
    /// The commit, where the build was told it (`GREETER_COMMIT`).
    pub commit: Option<&'static str>,
    /// The features of the package that are on.
    pub features: &'static [&'static str],
}

/// This build.
pub const BUILD: Build = Build {
    version: env!("CARGO_PKG_VERSION"),
    commit: option_env!("GREETER_COMMIT"),
    features: &[],
};

/// Serves `/health/live`, `/health/ready`, `/health/startup`, `/metrics` and
/// `/debug/build`; returns also what takes notice that it was `ready` once, and
/// has started.
pub fn router(
    metrics: Prometheus,
    ready: watch::Receiver<bool>,
) -> (Router, impl Future<Output = ()> + Send) {
    let (starting, started) = watch::channel(false);
    let mut first = ready.clone();
    let starts = async move {
        let once = first.wait_for(|ready| *ready).await.is_ok();
        starting.send_replace(once);
    };
    let says = |is: watch::Receiver<bool>, yes: &'static str, no: &'static str| {
        move || {
            let is = *is.borrow();
            async move { if is { (StatusCode::OK, yes) } else { (StatusCode::SERVICE_UNAVAILABLE, no) } }
        }
    };
    let page = move || {
        let page = metrics.render();
        async move { ([(CONTENT_TYPE, Prometheus::CONTENT_TYPE)], page) }
    };
    let router = Router::new()
        .route("/health/live", get(|| async { "live\n" }))
        .route("/health/ready", get(says(ready, "ready\n", "not ready\n")))
        .route("/health/startup", get(says(started, "started\n", "starting\n")))
        .route("/metrics", get(page))
        .route("/debug/build", get(|| async { Json(BUILD) }));
    (router, starts)
}
