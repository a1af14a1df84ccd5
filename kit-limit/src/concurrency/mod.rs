//! An adaptive limit of concurrency: no more calls in flight than go well.
//!
//! A service that is sent more than it can do gets slow for everybody, and then
//! does less than it could. A limit of the calls in flight holds at any rate and
//! needs no guess of how fast the service is (by Little's law the rate follows
//! from it); and the limit is found from what the calls themselves show. What is
//! beyond is refused at once with the fact [`ConcurrencyLimited`], which says when
//! to try again. There is no guess of CPU or memory anywhere.
//!
//! | | finds the limit by | is for |
//! |---|---|---|
//! | [`Gradient2`] | how much longer calls take than of late | servers, and clients of one |
//! | [`Aimd`] | which calls fail or time out | clients of what refuses by itself |
//! | [`Fixed`] | you | what is known: a pool's connections |
//!
//! Each is an [`Algorithm`], a trait of two methods.
//!
//! ```
//! use kit_limit::concurrency::{ConcurrencyLimited, ConcurrencyLimitLayer, Gradient2, Limiter};
//! use kit_endpoint::AnyError;
//! use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let limiter = Limiter::new("greeter", Gradient2::default().min(1).initial(2));
//! let greeter = ServiceBuilder::new()
//!     .layer(ConcurrencyLimitLayer::shared(limiter.clone()).classify(AnyError))
//!     .service(service_fn(|name| async move { Ok::<_, BoxError>(format!("Hello, {name}!")) }));
//!
//! assert_eq!(greeter.clone().oneshot("Ada").await.unwrap(), "Hello, Ada!");
//! // Two calls that are elsewhere.
//! let _permits = [limiter.admit().unwrap(), limiter.admit().unwrap()];
//! let refused = greeter.oneshot("Eve").await.unwrap_err();
//! assert!(refused.is::<ConcurrencyLimited>(), "{refused}");
//! # }
//! ```
//!
//! # What is in flight
//!
//! A call, from `call` to its reply; with
//! [`streaming`](ConcurrencyLimitLayer::streaming) to the end of the stream it
//! replies with, with [`until_body_end`](ConcurrencyLimitLayer::until_body_end) to
//! that of its HTTP body. A call, a stream or a body that is dropped, or panics,
//! gives its place back, and shows nothing: how long it would have taken nobody
//! knows. (How long a stream lasts says how long its reader read: where that is
//! not the service's work, take [`Fixed`].)
//!
//! What a [`Classify`](kit_endpoint::Classify) says is a failure or overload counts
//! as dropped: `Aimd` keeps nine tenths of its limit then, and to `Gradient2` it is
//! slow if it came late. Say by [`classify`](ConcurrencyLimitLayer::classify) what
//! shows nothing of the load, if bugs of the service are not to lower its limit.
//!
//! # Who is refused first
//!
//! Without further words whoever comes when the limit is reached. With
//! [`by_criticality`](ConcurrencyLimitLayer::by_criticality) each class of requests
//! ([`Criticality`](kit_endpoint::Criticality)) may fill a part of the limit, the
//! least critical the smallest ([`Limiter::share`]): 0.5, 0.75, 0.9, 1, rounded up
//! to whole calls. So batch jobs get half of the service at the most, and under load
//! are the first to get nothing at all, while from a limit of 10 on a tenth is left
//! for what is critical-plus. The sources give the principle, not these numbers; set
//! your own.
//!
//! With [`by_partition`](ConcurrencyLimitLayer::by_partition) each caller, or method,
//! is guaranteed its share of the limit, and may use what the others leave:
//! [`Partitions`].
//!
//! # Where it goes
//!
//! On a server outside of all that does work and inside of metrics, which shall see
//! refusals; what is refused costs almost nothing, so nothing goes before it that
//! costs more. A deadline outside of it drops the calls that it overtakes, which
//! then show nothing; one inside makes failures of them, of which the limit hears:
//! with [`Aimd`] have one there, or set its [`timeout`](Aimd::timeout) below the
//! deadline. On a client one limit for each instance, within the balancer: a refusal
//! is [`refused`](kit_endpoint::Fault::refused) and may go elsewhere. Not around a
//! service that lets its callers wait for readiness (tower's `ConcurrencyLimit`,
//! `Buffer`): those who wait there are not in flight here.
//!
//! # Readiness
//!
//! That of the inner service. A place is taken in `call`, for then it is known
//! whose the call is, so a handle that is ready holds none. A refusal leaves the
//! inner service ready and not called.
//!
//! # What it costs
//!
//! Who begins a call takes no lock: one compare-and-swap, and the clock; who ends it
//! asks the algorithm, if nobody else does just then, and else leaves word and goes.
//! The algorithm is behind a `Box`: a limiter is one type, whichever it has.
//!
//! # Sources
//!
//! Netflix, [concurrency-limits](https://github.com/Netflix/concurrency-limits) and
//! "Performance Under Load" (2018), for the algorithms, their defaults and the
//! partitions; the Google SRE book, chapter 21, for criticality, and Netflix,
//! "Keeping Netflix Reliable Using Prioritized Load Shedding" (2020). failsafe-go's
//! `PriorityLimiter` finds the threshold between classes from its queue; here it is
//! a fixed part of a limit that moves, so that what a class gets can be read off.

mod algorithm;
mod error;
pub mod future;
mod gate;
mod layer;
mod limiter;
mod partitions;
mod permit;
mod service;
mod share;
mod sort;
mod window;

pub(crate) use self::error::{RetryAfter, part};
pub use self::{
    algorithm::{Aimd, Algorithm, Fixed, Gradient2, Sample, Sampling},
    error::ConcurrencyLimited,
    layer::ConcurrencyLimitLayer,
    limiter::Limiter,
    partitions::{BadPartitions, Partitions},
    permit::Permit,
    service::ConcurrencyLimit,
    sort::{ByCriticality, Class, OneClass, Partition, Whole},
};
