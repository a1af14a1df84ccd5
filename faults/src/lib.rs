//! What becomes of calls while a registry fails, or a server is replaced.
//!
//! Each program starts what fails itself, does to it what is done to
//! such things at night, and prints a table with its bars; a row over its bar
//! says RED, and the exit code is 1. `cargo xtask prove outages`, `churn` and
//! `restarts` run them.

#![allow(clippy::print_stdout, reason = "the table is what it is for")]

pub mod backend;
#[cfg(feature = "etcd")]
pub mod etcd;
pub mod load;
pub mod process;
pub mod server;
pub mod table;

/// What a program here fails with.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
