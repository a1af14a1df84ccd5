//! The program itself: driven by curl and by Python's gRPC, registered with a
//! real Consul, attacked by strangers, and stopped by signals.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

#[path = "live/callers.rs"]
mod callers;
#[path = "live/consul.rs"]
mod consul;
#[path = "live/curl.rs"]
mod curl;
#[path = "memory/forger.rs"]
mod forger;
#[path = "live/life.rs"]
mod life;
#[path = "live/limits.rs"]
mod limits;
#[path = "live/process.rs"]
mod process;
#[path = "live/profile.rs"]
mod profile;
#[path = "../../kit-debug/tests/support/profile.rs"]
mod proto;
#[path = "live/python.rs"]
mod python;
#[path = "live/registries.rs"]
mod registries;
#[path = "live/traces.rs"]
mod traces;
