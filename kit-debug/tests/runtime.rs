//! What tokio counts.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]
#![allow(unexpected_cfgs, reason = "tokio_unstable is tokio's own, and in no list of Cargo's")]

mod support;

use kit_debug::Debug;
use serde_json::Value;
use std::future::pending;
use support::get;
use tokio::runtime::{Builder, Handle};

const OF_RUNTIME: &[&str] = &[
    "spawned_tasks",
    "remote_schedules",
    "budget_forced_yields",
    "blocking_threads",
    "idle_blocking_threads",
    "blocking_queue_depth",
];

const OF_WORKER: &[&str] = &[
    "local_queue_depth",
    "polls",
    "mean_poll_seconds",
    "local_schedules",
    "steals",
    "steal_operations",
    "overflows",
    "noops",
];

#[tokio::test]
async fn a_runtime_of_one_thread_is_told() {
    let port = Debug::new().runtime(&Handle::current()).into_router();
    let page = get(&port, "/debug/runtime").await.json();
    assert_eq!(page["flavor"], "current_thread");
    assert_eq!(page["workers"], 1);
    assert_eq!(page["alive_tasks"], 0);
    assert_eq!(page["unstable"], cfg!(tokio_unstable));
    assert_eq!(page["by_worker"].as_array().unwrap().len(), 1);
    for count in ["park_count", "park_unpark_count"] {
        assert!(page["by_worker"][0][count].is_u64(), "{page}");
    }
    assert!(page["by_worker"][0]["busy_seconds"].is_f64(), "{page}");
}

/// With `RUSTFLAGS="--cfg tokio_unstable"` tokio counts more; without it the page has none
/// of it, also not as nothing.
#[tokio::test]
async fn what_tokio_counts_only_if_it_is_asked_to_is_told_only_then() {
    let port = Debug::new().runtime(&Handle::current()).into_router();
    tokio::spawn(async {}).await.unwrap();
    let page = get(&port, "/debug/runtime").await.json();
    for (value, more) in [(&page, OF_RUNTIME), (&page["by_worker"][0], OF_WORKER)] {
        for field in more {
            assert_eq!(value.get(field).is_some(), cfg!(tokio_unstable), "{field}: {page}");
            let is_number = value.get(field).is_none_or(Value::is_number);
            assert!(is_number, "{field}: {page}");
        }
    }
    if cfg!(tokio_unstable) {
        assert_eq!(page["spawned_tasks"], 1);
        assert_ne!(page["by_worker"][0]["polls"], 0);
    }
}

#[tokio::test]
async fn its_tasks_are_counted_as_they_are_then() {
    let port = Debug::new().runtime(&Handle::current()).into_router();
    let alive = async || get(&port, "/debug/runtime").await.json()["alive_tasks"].clone();
    let tasks: Vec<_> = (0..3).map(|_| tokio::spawn(pending::<()>())).collect();
    assert_eq!(alive().await, 3);
    for task in tasks {
        task.abort();
        task.await.unwrap_err();
    }
    assert_eq!(alive().await, 0);
}

#[test]
fn a_runtime_of_many_threads_is_told_by_another() {
    let other = Builder::new_multi_thread().worker_threads(3).build().unwrap();
    let port = Debug::new().runtime(other.handle()).into_router();
    let own = Builder::new_current_thread().enable_time().build().unwrap();
    let page = own.block_on(get(&port, "/debug/runtime")).json();
    assert_eq!(page["flavor"], "multi_thread");
    assert_eq!(page["workers"], 3);
    assert_eq!(page["by_worker"].as_array().unwrap().len(), 3);
}
