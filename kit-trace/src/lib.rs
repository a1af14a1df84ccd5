//! Where a call comes from and what became of it: spans, their propagation, and log lines.

#[cfg(feature = "log")]
pub mod log;
