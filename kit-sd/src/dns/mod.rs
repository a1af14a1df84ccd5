//! DNS: instances by SRV records, or by the addresses of a name.
//!
//! [`Srv`] follows `_grpc._tcp.hello.example.com` and finds host, port and
//! weight of each instance. [`Addresses`] follows the A and AAAA records of a
//! name, for what has a fixed port: Kubernetes' headless services most often.
//!
//! ```no_run
//! use kit_sd::{Watch, dns};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! // As /etc/resolv.conf says.
//! let resolver = dns::Resolver::system();
//! let hello = dns::Srv::new(resolver.clone(), "_grpc._tcp.hello.default.svc.cluster.local");
//! let watch = Watch::spawn(hello.service("hello"));
//!
//! let db = dns::Addresses::new(resolver, "db.default.svc.cluster.local", 5432);
//! let databases = Watch::spawn(db.service("db"));
//!
//! // Consul's DNS: over TCP, and with the addresses of the nodes, whose names only it knows.
//! let consul = dns::Resolver::new(["127.0.0.1:8600".parse()?]).tcp();
//! let bye = dns::Srv::new(consul, "bye.service.consul").resolve(dns::Family::Any);
//! let watch = Watch::spawn(bye.service("bye"));
//! # Ok(())
//! # }
//! ```
//!
//! # When it asks
//!
//! DNS tells nobody of a change: it is asked again when the smallest TTL of an
//! answer is over ([`Timing`]).
//!
//! | | by default | why |
//! |---|---|---|
//! | at least | 1 s | Consul's TTL is 0 |
//! | at most | 5 min | a TTL of a day is a mistake that one would wait out |
//! | at most, after an answer without records | 10 s | it is asked again before a [`Follower`](crate::Follower)'s grace of 30 s is over |
//! | time for an answer | 5 s | as in resolv.conf(5) |
//!
//! Each pause is up to a tenth longer, at random: the TTLs of those that share
//! a cache end at the same time. After failures the pauses are those of
//! [`Backoff::of_registry`](crate::Backoff::of_registry).
//!
//! # What it believes
//!
//! An answer with records is the set. SERVFAIL, REFUSED, a time-out, an answer
//! that is cut short: nothing is known, the set stays and is stale. NXDOMAIN,
//! and an answer without records, are what a name server says too that has lost
//! its zone: they are [doubtful](crate::Doubt::Unknown), so that a `Follower`
//! keeps the instances until its grace is over.
//!
//! # Names
//!
//! Names are whole, with or without the dot at their end: no search list is
//! applied, because the SERVFAIL of one candidate would be lost behind the
//! NXDOMAIN of the next. In Kubernetes write
//! `hello.default.svc.cluster.local`.
//!
//! # Your own resolver
//!
//! The instancers need only [`Lookup`]; [`Resolver`] is the one of
//! [hickory](https://docs.rs/hickory-resolver), without DNSSEC and without a
//! cache of its own.

mod addresses;
mod error;
mod lookup;
mod question;
mod resolver;
mod srv;
mod timing;

pub use self::{
    addresses::Addresses,
    error::Error,
    lookup::{Answer, Family, Lookup, Record},
    resolver::Resolver,
    srv::Srv,
    timing::Timing,
};
