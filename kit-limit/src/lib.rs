//! Limits for any tower service: refuse early what cannot be served well.
//!
//! Three layers, each plain tower, useful alone, on a server or a client:
//!
//! | | limits | refuses with |
//! |---|---|---|
//! | [`rate`] | how often one may ask, for all or per key | [`RateLimited`](rate::RateLimited): 429, `RESOURCE_EXHAUSTED` |
//! | [`concurrency`] | how many calls are in flight, by what they show | [`ConcurrencyLimited`](concurrency::ConcurrencyLimited): 503, `UNAVAILABLE` |
//! | [`bulkhead`] | how many places there are, and who waits for one | [`BulkheadFull`](bulkhead::BulkheadFull): 503, `UNAVAILABLE` |
//!
//! ```
//! use kit_limit::rate::{Rate, RateLimitLayer, RateLimited};
//! use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() {
//! let greet = ServiceBuilder::new()
//!     .layer(RateLimitLayer::new(Rate::per_second(2)))
//!     .service(service_fn(|name| async move { Ok::<_, BoxError>(format!("Hello, {name}!")) }));
//! for name in ["Ada", "Bob"] {
//!     greet.clone().oneshot(name).await.unwrap();
//! }
//! let refused = greet.oneshot("Eve").await.unwrap_err();
//! assert!(refused.is::<RateLimited>(), "{refused}");
//! # }
//! ```
//!
//! Each refusal is typed, says when to come again, and that nothing ran
//! ([`Fault::refused`](kit_endpoint::Fault::refused)): no breaker counts it, and a
//! retry may go elsewhere. Where a service's error cannot be made from the fact,
//! `.refuse(..)` says what it answers: [`AsHttp`](kit_endpoint::AsHttp),
//! [`AsGrpc`](kit_endpoint::AsGrpc), or a function. What each knows of itself it
//! tells an [`Inspector`](kit_endpoint::Inspector).
//!
//! # Where they go
//!
//! On a server, from outside: metrics, deadline, who calls, how often they may, how
//! many at once, and then the work. On a client a rate that waits is outside, and a
//! limit of concurrency is one for each instance, within the balancer.
//!
//! # Readiness
//!
//! Each module says its own. None of them makes a handle that is ready hold what
//! others wait for.

pub mod bulkhead;
pub mod concurrency;
pub mod rate;
mod sync;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
