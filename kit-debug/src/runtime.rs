//! What tokio counts of a runtime.
#![allow(unexpected_cfgs, reason = "tokio_unstable is tokio's own, and in no list of Cargo's")]

use serde::Serialize;
use tokio::runtime::{Handle, RuntimeFlavor, RuntimeMetrics};

/// A runtime, as `/debug/runtime` shows it.
#[derive(Debug, Serialize)]
pub(crate) struct Runtime {
    flavor: &'static str,
    workers: usize,
    alive_tasks: usize,
    global_queue_depth: usize,
    /// Whether it was built with `--cfg tokio_unstable`, which counts more.
    unstable: bool,
    #[cfg(tokio_unstable)]
    #[serde(flatten)]
    more: unstable::More,
    #[cfg(target_has_atomic = "64")]
    by_worker: Vec<Worker>,
}

#[cfg(target_has_atomic = "64")]
#[derive(Debug, Serialize)]
struct Worker {
    busy_seconds: f64,
    park_count: u64,
    /// Odd while it is parked.
    park_unpark_count: u64,
    #[cfg(tokio_unstable)]
    #[serde(flatten)]
    more: unstable::MoreOfWorker,
}

// ===== impl Runtime =====

impl Runtime {
    pub(crate) fn of(handle: &Handle) -> Self {
        let metrics = handle.metrics();
        Self {
            flavor: match handle.runtime_flavor() {
                RuntimeFlavor::CurrentThread => "current_thread",
                RuntimeFlavor::MultiThread => "multi_thread",
                _ => "other",
            },
            workers: metrics.num_workers(),
            alive_tasks: metrics.num_alive_tasks(),
            global_queue_depth: metrics.global_queue_depth(),
            unstable: cfg!(tokio_unstable),
            #[cfg(tokio_unstable)]
            more: unstable::More::of(&metrics),
            #[cfg(target_has_atomic = "64")]
            by_worker: (0..metrics.num_workers()).map(|at| Worker::of(&metrics, at)).collect(),
        }
    }
}

#[cfg(target_has_atomic = "64")]
impl Worker {
    fn of(metrics: &RuntimeMetrics, at: usize) -> Self {
        Self {
            busy_seconds: metrics.worker_total_busy_duration(at).as_secs_f64(),
            park_count: metrics.worker_park_count(at),
            park_unpark_count: metrics.worker_park_unpark_count(at),
            #[cfg(tokio_unstable)]
            more: unstable::MoreOfWorker::of(metrics, at),
        }
    }
}

#[cfg(tokio_unstable)]
mod unstable {
    use super::{RuntimeMetrics, Serialize};

    #[derive(Debug, Serialize)]
    pub(super) struct More {
        spawned_tasks: u64,
        remote_schedules: u64,
        budget_forced_yields: u64,
        blocking_threads: usize,
        idle_blocking_threads: usize,
        blocking_queue_depth: usize,
    }

    #[derive(Debug, Serialize)]
    pub(super) struct MoreOfWorker {
        local_queue_depth: usize,
        polls: u64,
        mean_poll_seconds: f64,
        local_schedules: u64,
        steals: u64,
        steal_operations: u64,
        overflows: u64,
        noops: u64,
    }

    impl More {
        pub(super) fn of(metrics: &RuntimeMetrics) -> Self {
            Self {
                spawned_tasks: metrics.spawned_tasks_count(),
                remote_schedules: metrics.remote_schedule_count(),
                budget_forced_yields: metrics.budget_forced_yield_count(),
                blocking_threads: metrics.num_blocking_threads(),
                idle_blocking_threads: metrics.num_idle_blocking_threads(),
                blocking_queue_depth: metrics.blocking_queue_depth(),
            }
        }
    }

    impl MoreOfWorker {
        pub(super) fn of(metrics: &RuntimeMetrics, at: usize) -> Self {
            Self {
                local_queue_depth: metrics.worker_local_queue_depth(at),
                polls: metrics.worker_poll_count(at),
                mean_poll_seconds: metrics.worker_mean_poll_time(at).as_secs_f64(),
                local_schedules: metrics.worker_local_schedule_count(at),
                steals: metrics.worker_steal_count(at),
                steal_operations: metrics.worker_steal_operations(at),
                overflows: metrics.worker_overflow_count(at),
                noops: metrics.worker_noop_count(at),
            }
        }
    }
}
