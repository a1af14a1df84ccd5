use axum::{
    http::StatusCode,
    routing::{MethodRouter, get},
};
use tokio::sync::watch;

/// Returns what says whether a program was ever ready, and what takes notice of it
/// and ends then: run that where the program's other tasks are.
///
/// A watch tells only how it is now, and a startup probe that asks when the
/// readiness is off again would never hear that it was on.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let (ready, readiness) = tokio::sync::watch::channel(false);
/// let (started, starts) = kit_debug::started(readiness);
/// assert!(!*started.borrow());
/// ready.send_replace(true);
/// starts.await;
/// ready.send_replace(false);
/// assert!(*started.borrow());
/// # }
/// ```
pub fn started(
    mut ready: watch::Receiver<bool>,
) -> (watch::Receiver<bool>, impl Future<Output = ()> + Send) {
    let (starting, started) = watch::channel(false);
    let starts = async move {
        let once = ready.wait_for(|ready| *ready).await.is_ok();
        starting.send_replace(once);
    };
    (started, starts)
}

/// Answers 200 with `yes` while it is so, and else 503 with `no`.
pub(crate) fn probe(
    is: watch::Receiver<bool>,
    yes: &'static str,
    no: &'static str,
) -> MethodRouter {
    get(move || {
        let is = *is.borrow();
        async move { if is { (StatusCode::OK, yes) } else { (StatusCode::SERVICE_UNAVAILABLE, no) } }
    })
}
