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
//! is a set that is watched; a [`Watch`] fills it from a registry.
//! [`Endpointer`] makes an endpoint of each instance, [`RoundRobin`] picks one
//! of them, and [`Retry`] calls them until one answers.
//!
//! Nothing here does any I/O before it runs, and every task has an owner whose
//! drop ends it at once. A registry that is down takes nothing away that was
//! found: the last set stays, and says that it is stale.
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
//! [`Registrar`] (three calls without policy); how to choose is a
//! [`Balancer`]; what may be tried again a [`retry::Retryable`].
//!
//! # Features
//!
//! `consul`: Consul's registrar and instancer, over HTTP by hyper. Without it
//! there is no transport in here.

mod address;
mod backoff;
pub mod balance;
#[cfg(feature = "consul")]
pub mod consul;
mod endpointer;
mod error;
mod instance;
mod instancer;
mod instances;
mod keeper;
mod owned;
mod race;
mod registrar;
mod registration;
pub mod retry;

pub use self::{
    address::{Address, Host, InvalidAddress},
    backoff::Backoff,
    balance::{Balancer, Random, RoundRobin},
    endpointer::{Endpointer, Endpoints, Member},
    error::{NoEndpoints, NotDeregistered, NotRegistered},
    instance::Instance,
    instancer::{Instancer, Watch},
    instances::{Instances, Publisher, Snapshot, State},
    keeper::Keeper,
    registrar::Registrar,
    registration::{Registration, RegistrationStatus, Status},
    retry::{GaveUp, Retry},
};

#[cfg(all(doctest, feature = "consul"))]
#[doc = include_str!("../README.md")]
struct Readme;
