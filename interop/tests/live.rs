//! Against Python's `grpcio`, both ways: its client at our server, and our
//! client at its server.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

mod support;

#[path = "live/from_grpcio.rs"]
mod from_grpcio;
#[path = "live/python.rs"]
mod python;
#[path = "live/to_grpcio.rs"]
mod to_grpcio;
