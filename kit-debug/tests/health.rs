//! Probes.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

mod support;

use http::{Method, StatusCode};
use kit_debug::{Debug, started};
use support::{get, request, send};
use tokio::sync::watch;

#[tokio::test]
async fn it_lives_whether_it_is_ready_or_not() {
    let (ready, readiness) = watch::channel(false);
    let port = Debug::new().ready(readiness).into_router();
    for is in [false, true, false] {
        ready.send_replace(is);
        let reply = get(&port, "/health/live").await;
        assert_eq!((reply.status, reply.text()), (StatusCode::OK, "live\n"));
    }
}

#[tokio::test]
async fn readiness_is_told_as_it_is() {
    let (ready, readiness) = watch::channel(false);
    let port = Debug::new().ready(readiness).into_router();
    for (is, status, text) in [
        (false, StatusCode::SERVICE_UNAVAILABLE, "not ready\n"),
        (true, StatusCode::OK, "ready\n"),
        (false, StatusCode::SERVICE_UNAVAILABLE, "not ready\n"),
    ] {
        ready.send_replace(is);
        let reply = get(&port, "/health/ready").await;
        assert_eq!((reply.status, reply.text()), (status, text));
        assert_eq!(reply.header("cache-control"), "no-store");
    }
    // Who set it last is believed when they are gone.
    drop(ready);
    assert_eq!(get(&port, "/health/ready").await.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn it_has_started_once_it_was_ready_and_for_good() {
    let (ready, readiness) = watch::channel(false);
    let (started, starts) = started(readiness);
    let port = Debug::new().started(started).into_router();
    let starts = tokio::spawn(starts);
    assert_eq!(get(&port, "/health/startup").await.status, StatusCode::SERVICE_UNAVAILABLE);
    ready.send_replace(true);
    starts.await.unwrap();
    assert_eq!(get(&port, "/health/startup").await.text(), "started\n");
    ready.send_replace(false);
    assert_eq!(get(&port, "/health/startup").await.status, StatusCode::OK);
}

#[tokio::test]
async fn who_ends_before_it_was_ready_never_started() {
    let (ready, readiness) = watch::channel(false);
    let (started, starts) = started(readiness);
    drop(ready);
    starts.await;
    let port = Debug::new().started(started).into_router();
    let reply = get(&port, "/health/startup").await;
    assert_eq!((reply.status, reply.text()), (StatusCode::SERVICE_UNAVAILABLE, "starting\n"));
}

#[tokio::test]
async fn a_probe_may_come_from_anywhere_by_any_name() {
    let port = Debug::new().into_router();
    let mut probe = request(Method::GET, [10, 0, 0, 1], "/health/live");
    probe.headers_mut().insert("host", "greeter.svc".parse().unwrap());
    assert_eq!(send(&port, probe).await.status, StatusCode::OK);
}

#[tokio::test]
async fn what_was_not_given_is_not_there() {
    let port = Debug::new().into_router();
    for path in ["/health/ready", "/health/startup", "/health", "/"] {
        assert_eq!(get(&port, path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
}
