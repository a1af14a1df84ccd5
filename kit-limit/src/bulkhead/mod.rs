//! A bulkhead: so many calls at once, and a queue that has an end.
//!
//! Where the number of calls that go well at once is known (the connections of a
//! pool, the seats of a licence, the cores for what is hard to compute), a
//! [`Compartment`] of so many places keeps it, and keeps one dependency that is
//! slow from taking all of a service with it. Who finds no place is refused at once
//! with the fact [`BulkheadFull`], or waits in a [`queue`](Compartment::queue): of
//! at most so many calls, each for at most so long.
//!
//! ```
//! use kit_limit::bulkhead::{BulkheadFull, BulkheadLayer, Compartment, Refusal};
//! use std::time::Duration;
//! use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() {
//! let reports = Compartment::new("reports").size(2).queue(10, Duration::from_secs(1));
//! let service = ServiceBuilder::new()
//!     .layer(BulkheadLayer::shared(reports.clone()))
//!     .service(service_fn(|name| async move { Ok::<_, BoxError>(format!("Hello, {name}!")) }));
//!
//! assert_eq!(service.clone().oneshot("Ada").await.unwrap(), "Hello, Ada!");
//! let _taken = [reports.try_enter().unwrap(), reports.try_enter().unwrap()];
//! let refused = service.oneshot("Eve").await.unwrap_err();
//! let fact = refused.downcast_ref::<BulkheadFull>().unwrap();
//! assert_eq!(fact.refusal(), Refusal::TimedOut);
//! # }
//! ```
//!
//! # The queue
//!
//! Who came first is first. With [`by_criticality`](BulkheadLayer::by_criticality) the
//! most critical who wait are first, and when the queue is full the least critical
//! gives way to a newcomer that is more critical; of one class it is who came last.
//! Nobody comes in past those who wait.
//!
//! Nobody waits longer than the longest wait, nor, with
//! [`of_request`](BulkheadLayer::of_request), past its request's deadline. What is too
//! late when its turn comes is not served, and its turn goes to the next: work that
//! nobody waits for any more is what keeps a service that was overloaded
//! overloaded. A call that is dropped leaves the queue at once; if its turn had
//! come, its place goes on. [`BulkheadFull::refusal`] says which it was.
//!
//! The places are 25 by default and there is no queue, as in resilience4j.
//!
//! # Where it goes
//!
//! Around what it protects: on a client inside retry and outside of the deadline of
//! an attempt, so that the wait is not part of it; with `of_request` the deadline of
//! the whole bounds the wait. On a server around the endpoints that share the scarce
//! thing. Inside of metrics, which shall see refusals.
//!
//! # Readiness
//!
//! A bulkhead is always ready: the wait is in the response future, so that a queue
//! can know what waits, and a balancer sees a bulkhead that is full by its load and
//! not by its silence. The inner service is cloned for each call and is asked for
//! its readiness when there is a place: one that was asked before could hold a
//! connection all the while. So it must be `Clone`, and who waits for its readiness
//! holds a place.
//!
//! Waiting needs tokio's timer; what does not wait needs no runtime.
//!
//! # What it costs
//!
//! While there are places, one compare-and-swap to come and one to go, and no clock
//! is read. A mutex is taken only while somebody waits, for a few pointers' time,
//! and nothing is woken under it.
//!
//! # Sources
//!
//! resilience4j's `SemaphoreBulkhead` and its defaults; Nygard, *Release It!*, for
//! the name; the Google SRE book, chapter 22, for queues: short ones.

mod compartment;
mod door;
mod error;
pub mod future;
mod layer;
mod line;
mod service;

pub use self::{
    compartment::{Compartment, Place},
    error::{BulkheadFull, Refusal},
    layer::BulkheadLayer,
    service::{AnyDeadline, Bulkhead, Deadline, OfRequest},
};
