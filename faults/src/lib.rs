//! What becomes of calls while a registry fails.
//!
//! Each program starts the registry itself, does to it what is done to
//! registries at night, and prints a table with its bars; a row over its bar
//! says RED, and the exit code is 1. `cargo xtask prove outages` and `cargo
//! xtask prove churn` run them.

#![allow(clippy::print_stdout, reason = "the table is what it is for")]

pub mod backend;
#[cfg(feature = "etcd")]
pub mod etcd;
pub mod load;
pub mod process;
pub mod table;

/// What a program here fails with.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
