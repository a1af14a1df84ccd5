//! A rate limit: so many requests in a time, for all of them or for each key.
//!
//! A [`Rate`] of `n` per period with a burst of `b` lets `b` requests pass at
//! once, and then one each `period / n`. What does not pass is refused with the
//! fact [`RateLimited`], which knows to the nanosecond when it would, or it
//! waits for its turn, if that comes soon enough. A limit is one for all
//! requests ([`RateLimit`]), or one for each caller, tenant or method
//! ([`KeyedRateLimit`]); a request counts once, or as often as it weighs.
//!
//! ```
//! use kit_endpoint::Fault;
//! use kit_limit::rate::{Rate, RateLimit, RateLimitLayer, RateLimited};
//! use std::time::Duration;
//! use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let limit = RateLimit::new("greeter", Rate::per_minute(60).burst(2));
//! let greeter = ServiceBuilder::new()
//!     .layer(RateLimitLayer::shared(limit.clone()))
//!     .service(service_fn(|name| async move { Ok::<_, BoxError>(format!("Hello, {name}!")) }));
//!
//! for name in ["Ada", "Bob"] {
//!     greeter.clone().oneshot(name).await.unwrap();
//! }
//! let refused = greeter.oneshot("Eve").await.unwrap_err();
//! let fact = refused.downcast_ref::<RateLimited>().unwrap();
//! assert!(fact.retry_after().unwrap() <= Duration::from_secs(1));
//! assert_eq!((limit.allowed(), limit.refused()), (2, 1));
//! # }
//! ```
//!
//! # How it counts
//!
//! By the generic cell rate algorithm (ITU-T I.371; a leaky bucket as a meter),
//! in [`governor`]'s words: each limit is one instant, up to which the requests
//! so far would have kept the service busy at the rate. There are no windows,
//! at whose edges twice as many pass, and nothing runs in the background. The
//! unit is the nanosecond of [`tokio::time::Instant`], which tests can pause.
//! (What waits is woken by tokio's timer, up to a millisecond later.) A check
//! reads the clock once, takes no lock and allocates nothing.
//!
//! # Refusing
//!
//! The default. A refusal costs nothing: who asks too often is not kept out for
//! longer. [`Exceeded`] is
//! [`ResourceExhausted`](kit_endpoint::Kind::ResourceExhausted), 429, and says
//! [when](kit_endpoint::Fault::retry_after) the same request would pass, which
//! transports round up to their unit (`Retry-After`, `RetryInfo`). A request that
//! weighs more than the burst never passes; that is [`TooHeavy`], and the
//! caller's mistake. Both name the limit, and say as response headers (over
//! gRPC, metadata) what *`RateLimit` header fields for HTTP*
//! (draft-ietf-httpapi-ratelimit-headers-10, structured fields) lets them:
//!
//! ```text
//! RateLimit-Policy: "per-caller";q=100;w=60;kit-burst=20
//! RateLimit: "per-caller";r=0;t=3
//! ```
//!
//! `q` may pass in a window of `w` seconds (whole ones: a rate per 250 ms is told
//! as one per second); `kit-burst` is how many of them at once, if that is another
//! number; `r` is what is left, less than the request weighs, and `t` the seconds
//! until there is enough, as in `Retry-After`. A limit without a name is called
//! `default`. Replies to what passed have no such headers. The key is not told.
//!
//! # Waiting
//!
//! With [`RateLimitLayer::waiting`] a request takes its turn when it comes, in
//! order, and waits for it in the future of its reply. If its turn would come
//! later than the longest wait it is refused at once, as with
//! [`by_deadline`](RateLimitLayer::by_deadline) when it would come no sooner than
//! its deadline. Nobody waits in vain, and as many wait as turns come in the
//! longest wait: that is the bound of the queue.
//!
//! One that is dropped while it waits gives its turn back, if nobody is behind
//! it. Else those behind keep their turns and its own is lost: fewer pass then
//! than might, never more.
//!
//! # For each key
//!
//! [`RateLimitLayer::by`] takes a [`KeyedRateLimit`] and a function from request
//! to key; see there for the memory that it takes, what happens when there are
//! too many keys, and what threads that meet may cost. Behind a proxy the
//! peer's address is the proxy's: take a key that callers cannot choose. To
//! choose among limits of different rates, implement [`Meter`].
//!
//! # Where it goes
//!
//! On a server outside of whatever is dear, and inside authentication if the key
//! is the caller; inside metrics, which shall see refusals. On a client that keeps
//! to another's limit, inside retry: each attempt counts, and a
//! [refusal](kit_endpoint::Fault::refused) may be tried elsewhere. A breaker
//! outside does not take it for a failure of the service. Requests that wait hold
//! what the inner service gave out in its `poll_ready`, and what layers outside
//! hold for a call: a permit of a concurrency limit, say.
//!
//! # Readiness
//!
//! `poll_ready` asks the inner service alone and takes nothing, so handles may
//! idle or be dropped. `call` decides, because key and weight are the request's.
//! A refused one leaves the inner handle ready for the next; one that waits takes
//! it along, and a clone stays.
//!
//! # Services that are not ours
//!
//! If a service's error cannot be made from [`RateLimited`], say by
//! [`RateLimitLayer::refuse`] what it answers: [`AsHttp`](kit_endpoint::AsHttp)
//! and [`AsGrpc`](kit_endpoint::AsGrpc) are ready-made, a function serves
//! everywhere. The examples show axum, a tonic server, reqwest and plain tower.

mod error;
pub mod future;
mod keyed;
mod layer;
mod limit;
mod limiter;
mod meter;
mod patience;
mod quota;
mod reservation;
mod service;
mod table;

pub use self::{
    error::{Exceeded, RateLimited, TooHeavy},
    keyed::KeyedRateLimit,
    layer::{RateLimitLayer, Refusing, Waiting},
    limit::RateLimit,
    meter::{By, KeyOf, Meter, One, Weigh},
    patience::{AnyRequest, OfRequest, Patience, Until},
    quota::Rate,
    reservation::Reservation,
    service::RateLimiting,
};
