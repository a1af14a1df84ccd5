//! Service discovery by Consul over the consulrs client that you have.
//!
//! [`Adapter`] implements [`kit_sd::consul::Client`], what `kit-sd` asks of
//! Consul, for a [`ConsulClient`](consulrs::client::ConsulClient): its address,
//! token, certificates and connections are those of its other calls.
//!
//! ```no_run
//! use consulrs::client::{ConsulClient, ConsulClientSettingsBuilder};
//! use kit_sd::{Instance, Keeper, Watch, consul};
//! use kit_sd_consulrs::Adapter;
//! use std::sync::Arc;
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let settings = ConsulClientSettingsBuilder::default().address("http://127.0.0.1:8500").build()?;
//! let consul = Arc::new(ConsulClient::new(settings)?);
//! let adapter = Adapter::new(Arc::clone(&consul))?;
//!
//! let hello = Instance::new("hello", "10.0.0.1:9110".parse()?);
//! let registration = Keeper::new(consul::Registrar::new(adapter.clone(), hello)).spawn();
//! let watch = Watch::spawn(consul::Instancer::new(adapter, "hello").passing(true));
//! # drop(watch);
//! registration.deregister().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # What it does about consulrs
//!
//! Every call is an endpoint of rustify, the client under consulrs, and is run
//! by it, but makes its own request. The functions of `consulrs::api` would
//! encode an id twice, so that Consul reads another one, and panic at a token
//! that no header can have and at an answer whose headers are not ASCII. Here
//! all of them are errors, or work.
//!
//! consulrs has no time-outs: a call ends here within 5 s
//! ([`Adapter::limit`]), one that waits for a change within what it may wait
//! and 10 s more. A call that is dropped ends at once.
//!
//! # What it cannot help
//!
//! An answer is read whole, however large. Redirects are followed, with the
//! token; a proxy is taken from the environment; connections are pooled by
//! tasks of reqwest's own: a `reqwest::Client` that does otherwise can be given
//! to a `ConsulClient`, whose fields are public. What Consul refuses is logged
//! by rustify, at level error.

mod adapter;
mod call;
mod error;

pub use self::{adapter::Adapter, error::InvalidName};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
