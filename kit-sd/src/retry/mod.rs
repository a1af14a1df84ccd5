//! Another try, elsewhere, while there is time.
//!
//! A [`Retry`] makes each attempt on the endpoint that its balancer picks for
//! it, up to a number of attempts and within one time for all of them. The
//! request is told that time, so that every attempt inherits it. What may be
//! tried again a [`Retryable`] says; by default only what provably did not
//! run. When it gives up, [`GaveUp`] has the error of every attempt.
//!
//! ```
//! use kit_endpoint::{Fault, Kind, Request};
//! use kit_sd::{Endpoints, Instance, Retry, RoundRobin, retry::Idempotent};
//! use std::{fmt, time::Duration};
//! use tower::{ServiceExt, service_fn};
//!
//! #[derive(Debug)]
//! struct Down;
//!
//! # impl fmt::Display for Down {
//! #     fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
//! #         f.write_str("down")
//! #     }
//! # }
//! # impl std::error::Error for Down {}
//! impl Fault for Down {
//!     fn kind(&self) -> Kind {
//!         Kind::Unavailable
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let endpoint = |is_up: bool| {
//!     service_fn(move |_: Request<()>| async move { if is_up { Ok("hello") } else { Err(Down) } })
//! };
//! let endpoints = Endpoints::fixed([
//!     (Instance::new("hello", "10.0.0.1:80".parse()?), endpoint(false)),
//!     (Instance::new("hello", "10.0.0.2:80".parse()?), endpoint(true)),
//! ]);
//! let hello = Retry::new(RoundRobin::new(endpoints), 3, Duration::from_millis(500))
//!     .retryable(Idempotent);
//! assert_eq!(hello.oneshot(Request::new(())).await?, "hello");
//! # Ok(())
//! # }
//! ```
//!
//! # Where it goes
//!
//! Innermost on the client, directly over the endpoints; what is to count
//! attempts (a breaker per instance, a deadline per attempt) goes around each
//! endpoint in the factory, what is to count calls goes around the retry. It
//! is a service and no layer, for it stands over a balancer and not over one
//! service. Retry at one place of a system only: three layers of three
//! attempts are 27.
//!
//! There is no pause between attempts, since the next goes elsewhere; without
//! any endpoint it gives up at once.
//!
//! # Readiness
//!
//! It is always ready. An attempt waits for the readiness of the endpoint that
//! was picked, within the time of the call.

mod error;
pub mod future;
mod retryable;
mod service;

pub use self::{
    error::{GaveUp, Reason},
    retryable::{Idempotent, OnlyRefused, Retryable},
    service::Retry,
};
