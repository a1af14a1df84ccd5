//! The atomics, in one place: what counts with them is checked by loom too,
//! which puts its own here (`tests/*_loom.rs`).

pub(crate) use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering, fence},
};
