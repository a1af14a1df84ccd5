//! The example service of the kit: the shortest true use of every crate.
//!
//! Read `service` for what it does, `endpoints` for what surrounds it,
//! `transport` for what carries it, `discovery` for where it is found, and
//! `serve` for how it lives and ends. `flags`, `listen`, `tls`, `auth`, `entry`,
//! `hooks`, `log`, `trace`, `cors` and `debug` are the parts of a program that any service
//! would have; `client` and `call` ask a greeter (`upstream`: in place of the service), and `token` makes what it asks for.

pub mod auth;
pub mod call;
pub mod client;
pub mod cors;
pub mod debug;
pub mod discovery;
pub mod endpoints;
pub mod entry;
pub mod flags;
pub mod hooks;
pub mod listen;
pub mod log;
pub mod registry;
pub mod serve;
pub mod service;
pub mod tls;
pub mod token;
pub mod trace;
pub mod transport;
pub mod upstream;
pub mod watch;

/// What is generated from `proto/greeter/v1/greeter.proto`, by
/// `cargo xtask codegen`.
#[allow(
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    clippy::pedantic,
    clippy::use_self,
    reason = "generated"
)]
pub mod pb {
    include!("pb/greeter.v1.rs");

    /// The descriptors of the greeter's services, for reflection.
    pub const DESCRIPTOR: &[u8] = include_bytes!("pb/greeter.bin");
}
