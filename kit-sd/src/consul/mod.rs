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
//! Queries that are answered at once are held to ten a second, or to fifty
//! where each answer brings another set. A service without an address of its
//! own is reached at its node's.
//!
//! A wiped registry says that there are no instances, under a lower index: its
//! answer is [doubtful](crate::Doubt), and the instances stay until they have
//! registered again. A [`Registrar`] hears of the loss by a blocking query on
//! its own id, and does so at once.
//!
//! An agent that is stopped, or cut off, lets a query hang: one cheap call a
//! second ([`Pulse`]), shared by all queries of an [`Agent`], finds out within
//! two. It is tried again at most a second apart for the first minute, then
//! less and less often, down to once in 30 s.
//!
//! Version, zone and that an instance is draining are metadata of those names.
//!
//! # Why consulrs is not the default
//!
//! The published `consulrs` has no health API, links OpenSSL, and its tree has
//! open advisories; so [`Agent`] speaks HTTP over hyper, and nothing more. Both
//! roles need only the trait [`Client`], and the package `kit-sd-consulrs`, a
//! workspace of its own, implements it for a `ConsulClient` that you have.

mod agent;
mod client;
mod dial;
mod env;
mod error;
mod instancer;
mod pulse;
mod registrar;
#[cfg(feature = "consul-tls")]
mod tls;
mod wire;

#[cfg(feature = "consul-tls")]
pub use self::tls::tls_config;
pub use self::{
    agent::{Agent, Consistency},
    client::{
        Answer, Check, Client, Entry, GrpcCheck, HttpCheck, Query, Service, TcpCheck, TtlCheck,
    },
    env::InvalidEnvironment,
    error::Error,
    instancer::Instancer,
    pulse::Pulse,
    registrar::Registrar,
};
