//! What tokio counts.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

mod support;

use kit_debug::Debug;
use std::future::pending;
use support::get;
use tokio::runtime::{Builder, Handle};

#[tokio::test]
async fn a_runtime_of_one_thread_is_told() {
    let port = Debug::new().runtime(&Handle::current()).into_router();
    let page = get(&port, "/debug/runtime").await.json();
    assert_eq!(page["flavor"], "current_thread");
    assert_eq!(page["workers"], 1);
    assert_eq!(page["alive_tasks"], 0);
    assert_eq!(page["unstable"], false);
    assert_eq!(page["by_worker"].as_array().unwrap().len(), 1);
    for count in ["park_count", "park_unpark_count"] {
        assert!(page["by_worker"][0][count].is_u64(), "{page}");
    }
    assert!(page["by_worker"][0]["busy_seconds"].is_f64(), "{page}");
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
