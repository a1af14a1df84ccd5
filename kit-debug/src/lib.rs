//! A debug port for any service: how the process is, for those who run it.
//!
//! [`struct@Debug`] makes an [`axum::Router`], and so a `Service<http::Request<B>>`, of what
//! it is given. It knows no server, no metrics and no logging: what those offer as
//! services is [mounted](Debug::mount).
//!
//! | path | what | by |
//! |---|---|---|
//! | `/health/live`, `/health/ready`, `/health/startup` | probes | [`Debug::ready`], [`Debug::started`] |
//! | `/debug` | what there is: text, HTML or JSON, by `Accept` | always |
//! | `/debug/build` | what was built | [`Debug::build_info`] |
//! | `/debug/config` | the configuration, without its secrets | [`Debug::config`], [`config`] |
//! | `/debug/state`, `/debug/state/NAME` | whatever implements [`Inspect`](kit_endpoint::Inspect) | [`Debug::state`], [`States`] |
//! | `/debug/requests` | what is in flight | [`Debug::requests`] |
//! | `/debug/runtime` | tokio's metrics | [`Debug::runtime`] |
//! | `/debug/pprof/profile` | where the time of the CPU goes | `Debug::pprof`, feature `pprof` |
//! | `/metrics`, `/debug/log`, a dashboard | any service | [`Debug::mount`], [`Debug::mount_open`], [`Debug::mount_guarded`] |
//!
//! ```
//! use axum::{body::Body, http::Request};
//! use kit_debug::{Build, Debug};
//! use kit_endpoint::{Inspect, Inspector};
//! use tower::ServiceExt;
//!
//! struct Cache;
//!
//! impl Inspect for Cache {
//!     fn inspect(&self, inspector: &mut dyn Inspector) {
//!         inspector.gauge("cache_entries", "Entries in memory.", &[], 42.0);
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let port = Debug::new()
//!     .build_info(Build::new(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION")))
//!     .state("cache", Cache)
//!     .into_router();
//!
//! let request = Request::get("/debug/state/cache").body(Body::empty())?;
//! let response = port.oneshot(request).await?;
//! let page = axum::body::to_bytes(response.into_body(), 4096).await?;
//! let page: serde_json::Value = serde_json::from_slice(&page)?;
//! assert_eq!(page["metrics"][0]["values"][0]["value"], 42.0);
//! # Ok(())
//! # }
//! ```
//!
//! # Who may what
//!
//! Serve it at an address of loopback. Whoever reaches it may read it: the pages have
//! no secrets, but they tell a stranger a lot. Pages below `/debug` are refused under
//! a host that is not known, so that no page in a browser reads them by a name that it
//! lets point here. Whoever changes something, or asks for what is costly, has to come
//! from this machine or show a token: see [`guard`], which is a plain tower layer.
//!
//! For that the peer must be known: kit-serve says it; with another server put a
//! [`Peer`](kit_endpoint::Peer) into the extensions of each request.
//!
//! # What it costs
//!
//! Nothing until a page is asked for: no task, no thread, no timer. Each page is made
//! of what is there then. A request may bring 64 KiB and take 10 s.
//!
//! # Features
//!
//! None is on by default. `pprof` has profiles of the CPU, by
//! [pprof-rs](https://docs.rs/pprof), on Unix.

mod about;
pub mod config;
mod debug;
pub mod guard;
mod health;
mod index;
mod page;
#[cfg(feature = "pprof")]
mod pprof;
mod requests;
mod runtime;
mod state;

pub use self::{about::Build, debug::Debug, health::started, requests::InFlight, state::States};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
