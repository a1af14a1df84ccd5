//! Consul: a [`Registrar`], an [`Instancer`], and the thin HTTP client that
//! they use.
//!
//! ```no_run
//! use kit_sd::{Instance, Keeper, Watch, consul};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let agent = consul::Agent::new("127.0.0.1:8500")?;
//!
//! // The server: registered in the background, checked by the agent.
//! let hello = Instance::new("hello", "10.0.0.1:9110".parse()?);
//! let check = consul::HttpCheck::new("http://10.0.0.1:9110/health");
//! let registrar = consul::Registrar::new(agent.clone(), hello).check(check);
//! let registration = Keeper::new(registrar).spawn();
//!
//! // Its client: the set of those that pass their checks.
//! let watch = Watch::spawn(consul::Instancer::new(agent, "hello").passing(true));
//! let seen = watch.instances().changed().await;
//! # drop(seen);
//! registration.deregister().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # What it does about Consul
//!
//! A change is known as soon as the agent answers its blocking query, a few
//! milliseconds later. The index of such a query begins at 0 again when it
//! goes back, and after every failure, for an agent that was restarted counts
//! anew and would block on the old one; an answer with index 0 is none.
//! Queries that are answered at once are held to ten a second. A service
//! without an address of its own is reached at its node's.
//!
//! A wiped registry says that there are no instances, and is believed until
//! they have registered again.
//!
//! # Why no crate of others
//!
//! [`Agent`] speaks HTTP over hyper and nothing more, since of the published
//! clients one has no health API and links an old TLS stack, the other no
//! agent API. Both roles need only the trait [`Client`]; what implements it
//! may be any of them.

mod agent;
mod client;
mod error;
mod instancer;
mod registrar;
mod wire;

pub use self::{
    agent::Agent,
    client::{Check, Client, Entry, Health, HttpCheck, Query, Service, TtlCheck},
    error::Error,
    instancer::Instancer,
    registrar::Registrar,
};
