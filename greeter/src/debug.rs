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

/// Serves `/health/live`, `/health/ready`, `/metrics` and `/debug/build`.
pub fn router(metrics: Prometheus, ready: watch::Receiver<bool>) -> Router {
    let ready = move || {
        let ready = *ready.borrow();
        async move {
            if ready {
                (StatusCode::OK, "ready\n")
            } else {
                (StatusCode::SERVICE_UNAVAILABLE, "not ready\n")
            }
        }
    };
    let page = move || {
        let page = metrics.render();
        async move { ([(CONTENT_TYPE, Prometheus::CONTENT_TYPE)], page) }
    };
    Router::new()
        .route("/health/live", get(|| async { "live\n" }))
        .route("/health/ready", get(ready))
        .route("/metrics", get(page))
        .route("/debug/build", get(|| async { Json(BUILD) }))
}
