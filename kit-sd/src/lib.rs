//! Found by others, and finding them: register, watch, balance, retry.
//!
//! ```text
//! server   Registrar --Keeper--> registry                a task keeps it there
//! client   registry --Instancer--> Instances             the whole set, a watch
//!          Instances --Endpointer(factory)--> Endpoints  one per instance
//!          Endpoints --RoundRobin--> Retry               a tower service
//! ```
//!
//! A [`Keeper`] registers an instance once it is ready, again when the
//! registry has lost it, and deregisters it when it is told to. [`Instances`]
//! is a set that is watched; a [`Follower`] fills it from a registry, and says
//! how far that is believed.
//! [`Endpointer`] makes an endpoint of each instance, [`RoundRobin`] picks one
//! of them, and [`Retry`] calls them until one answers.
//!
//! Nothing here does any I/O before it runs, and every task has an owner whose
//! drop ends it at once. A registry that is down takes nothing away that was
//! found: the last set stays, and says that it is stale. Nor does one that has
//! lost its state: what is suddenly missing stays until that is confirmed.
//!
//! ```
//! use kit_endpoint::Request;
//! use kit_sd::{Endpointer, Instance, Instances, NoEndpoints, Retry, RoundRobin};
//! use std::{convert::Infallible, time::Duration};
//! use tower::{ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // From a registry: `Watch::spawn(consul::Instancer::new(agent, "hello")).instances()`.
//! let hello = Instances::fixed("hello", [Instance::new("hello", "10.0.0.1:9110".parse()?)]);
//!
//! // What reaches an instance: a transport's client, with the layers of one instance around it.
//! let endpointer = Endpointer::spawn(hello, |instance: &Instance| {
//!     let address = instance.address.clone();
//!     Ok::<_, Infallible>(service_fn(move |request: Request<&'static str>| {
//!         let reply = format!("Hello, {}, from {address}!", request.message());
//!         async move { Ok::<_, NoEndpoints>(reply) }
//!     }))
//! });
//! # tokio::task::yield_now().await;
//!
//! let client = Retry::new(RoundRobin::new(endpointer.endpoints()), 3, Duration::from_millis(500));
//! assert_eq!(client.oneshot(Request::new("Ada")).await?, "Hello, Ada, from 10.0.0.1:9110!");
//! # Ok(())
//! # }
//! ```
//!
//! # Write your own
//!
//! A registry is an [`Instancer`] (one loop that publishes) and a
//! [`Registrar`] (three calls without policy), and the feature `testing` says
//! whether they do what they must; how to choose is a [`Balancer`]; what may be
//! tried again a [`retry::Retryable`].
//!
//! # Features
//!
//! None is on by default, and without one there is no transport in here.
//!
//! | feature | adds |
//! |---|---|
//! | `consul` | Consul's registrar and instancer, over HTTP by hyper |
//! | `consul-tls` | the same over TLS and mutual TLS, by rustls |
//! | `disk` | [`Follower::disk`]: the last set in a file, for a start during an outage |
//! | `dns` | [`dns`]: SRV records, and A and AAAA, by hickory |
//! | `file` | [`file`](mod@file): a list in a JSON or TOML file |
//! | `etcd` | etcd's registrar and instancer, over etcd-client, whose build needs `protoc` |
//! | `etcd-tls` | the same over TLS and mutual TLS, by rustls |
//! | `probe` | [`probe_tcp`]: asks instances in doubt by connecting to them |
//! | `semver` | [`Filter::version`]: requirements of versions |
//! | `testing` | [`testing`]: what every registry must do, as a suite for yours |
//!
//! The published consulrs is not the default client of Consul: it has no health
//! API, links OpenSSL and has open advisories. `kit-sd-consulrs`, a workspace
//! of its own beside this crate, adapts one that you have.

mod address;
mod backoff;
pub mod balance;
#[cfg(feature = "consul")]
pub mod consul;
#[cfg(feature = "disk")]
mod disk;
#[cfg(feature = "dns")]
pub mod dns;
#[cfg(feature = "document")]
mod document;
mod endpointer;
mod error;
#[cfg(feature = "etcd")]
pub mod etcd;
mod event;
#[cfg(feature = "file")]
pub mod file;
mod filter;
mod follower;
mod instance;
mod instancer;
mod instances;
mod keeper;
mod owned;
mod pace;
#[cfg(feature = "probe")]
mod probe;
mod publisher;
mod race;
mod registrar;
mod registration;
pub mod retry;
mod set;
mod snapshot;
#[cfg(feature = "testing")]
pub mod testing;

#[cfg(feature = "document")]
pub use self::document::InvalidDocument;
#[cfg(feature = "semver")]
pub use self::filter::{InvalidRequirement, VersionRequirement};
#[cfg(feature = "probe")]
pub use self::probe::probe_tcp;
pub use self::{
    address::{Address, Host, InvalidAddress},
    backoff::Backoff,
    balance::{Balancer, Random, RoundRobin},
    endpointer::{Endpointer, Endpoints, Member},
    error::{NoEndpoints, NotDeregistered, NotRegistered},
    event::{Confirmation, Doubt, Event},
    filter::Filter,
    follower::{Follower, Watch},
    instance::{Health, Instance, InvalidHealth},
    instancer::Instancer,
    instances::{Instances, Publisher},
    keeper::{Failing, Keeper},
    registrar::Registrar,
    registration::{Registration, RegistrationStatus, Status},
    retry::{GaveUp, Retry},
    snapshot::{Snapshot, State},
};

#[cfg(all(doctest, feature = "consul"))]
#[doc = include_str!("../README.md")]
struct Readme;
