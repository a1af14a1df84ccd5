//! The program itself: driven by curl and by Python's gRPC, registered with a
//! real Consul, and stopped by signals.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

#[path = "live/consul.rs"]
mod consul;
#[path = "live/curl.rs"]
mod curl;
#[path = "live/life.rs"]
mod life;
#[path = "live/process.rs"]
mod process;
#[path = "live/python.rs"]
mod python;
#[path = "live/registries.rs"]
mod registries;
