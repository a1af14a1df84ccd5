//! The atomics, in one place: what counts with them is checked by loom too,
//! which puts its own here (tests/loom.rs).

pub(crate) use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// What is written at each call, on a line of the cache of its own: threads that
/// read what lies beside it need not fetch that anew. (64 bytes on `x86_64` and most
/// of aarch64.)
#[derive(Debug)]
#[repr(align(64))]
pub(crate) struct Apart<T>(pub(crate) T);
