//! The atomics, in one place: what counts with them is checked by loom too,
//! which puts its own here (tests/loom.rs).

pub(crate) use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
