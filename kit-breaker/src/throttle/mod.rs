//! An adaptive throttle: ask less of a service that refuses more.
//!
//! A circuit is open or not; a throttle rejects in proportion. It counts the
//! calls of the last seconds and how many of them were accepted, and rejects the
//! next one by itself with the probability
//!
//! ```text
//! max(0, (calls - K * accepts) / (calls + 1))
//! ```
//!
//! So a service that accepts everything gets everything, and one that accepts
//! nothing still gets a call now and then, by which it is found when it is well
//! again. What is rejected here counts as a call. With the default `K` of 2 a
//! service is sent about twice as much as it accepts. (Google, *Site Reliability
//! Engineering*, chapter 21, *Client-Side Throttling*.)
//!
//! ```
//! use kit_breaker::{AnyError, throttle::{Throttle, ThrottleLayer}};
//! use tower::{BoxError, Layer, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let throttle = Throttle::new("billing").seed(7);
//! let layer = ThrottleLayer::shared(throttle.clone()).classify(AnyError);
//! let billing = layer
//!     .layer(service_fn(|()| async { Err::<(), BoxError>("I have too much to do".into()) }));
//! for _ in 0..1000 {
//!     billing.clone().oneshot(()).await.unwrap_err();
//! }
//! assert!(throttle.rejected() > 900);
//! # }
//! ```
//!
//! # Criticality
//!
//! With [`ThrottleLayer::by_criticality`] each class of requests
//! ([`Criticality`]) is counted by itself, as the book has it: when the service
//! refuses the batch jobs alone, only they are throttled.
//!
//! # Where it goes
//!
//! On a client outside of its retries' attempts, as a breaker does, or in a
//! breaker's stead: a throttle never stops asking. A refusal further inside
//! ([`Fault::refused`](kit_endpoint::Fault::refused)) counts as nothing.
//!
//! # Readiness
//!
//! `call` decides, so that all that reach it are counted; `poll_ready` asks the
//! inner service alone.

mod error;
mod layer;
mod service;

pub use self::{
    error::Throttled,
    layer::ThrottleLayer,
    service::{ByCriticality, Class, OneClass, Throttling},
};
use crate::window::Buckets;
use kit_endpoint::{Criticality, Inspect, Inspector, Judgement, Settle};
use std::{
    borrow::Cow,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::time::Instant;

/// What a throttle counts. Clones count together; `K` and the least number of calls
/// are each handle's own.
#[derive(Clone)]
pub struct Throttle {
    k: f64,
    least: u32,
    /// Nanoseconds of a bucket.
    width: u64,
    shared: Arc<Shared>,
}

struct Shared {
    name: Cow<'static, str>,
    began: Instant,
    classes: [Buckets<2>; Criticality::ALL.len()],
    rejected: [AtomicU64; Criticality::ALL.len()],
    /// The seed of the next draw.
    seeds: AtomicU64,
}

/// Leave to send one request, of a class. Dropped untold, it counts as nothing.
#[derive(Debug)]
pub struct Pass {
    throttle: Throttle,
    class: Criticality,
    /// The service is being asked: it panicked if this is dropped so.
    is_inside: bool,
}

const CALLS: usize = 0;
const ACCEPTS: usize = 1;

// ===== impl Throttle =====

impl Throttle {
    /// Counts the last ten seconds, with a `K` of 2, and rejects nothing before
    /// ten calls. `name` tells it from others in what it says to an [`Inspector`].
    ///
    /// (The book's window is two minutes; Kratos' is three seconds. What is too
    /// long rejects for long after the service is well again.)
    pub fn new(name: impl Into<Cow<'static, str>>) -> Self {
        let shared = Shared::new(name.into(), fastrand::u64(..));
        let throttle = Self { k: 2.0, least: 10, width: 0, shared: Arc::new(shared) };
        throttle.window(Duration::from_secs(10))
    }

    /// Sends up to `k` times as much as is accepted; below 1 is 1. 2 by default:
    /// the book's. Less rejects sooner; more hears sooner that all is well.
    #[must_use]
    pub const fn k(mut self, k: f64) -> Self {
        self.k = k.max(1.0);
        self
    }

    /// Counts calls of so long, in ten buckets of at least 10 ms each: anew, and
    /// apart from what this is a clone of.
    #[must_use]
    pub fn window(mut self, window: Duration) -> Self {
        let seed = self.shared.seeds.load(Ordering::Relaxed);
        self.shared = Arc::new(Shared::new(self.shared.name.clone(), seed));
        let width = (window / Buckets::<2>::COUNT).max(Duration::from_millis(10));
        self.width = u64::try_from(width.as_nanos()).unwrap_or(u64::MAX);
        self
    }

    /// Rejects nothing while there were fewer calls in the window. 10 by default.
    #[must_use]
    pub const fn min_calls(mut self, calls: u32) -> Self {
        self.least = calls;
        self
    }

    /// Seeds the randomness. By the process by default.
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        self.shared.seeds.store(seed, Ordering::Relaxed);
        self
    }

    /// Returns the name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// Returns the probability by which the next request of a class is rejected.
    #[must_use]
    pub fn probability(&self, class: Criticality) -> f64 {
        let tag = self.tag();
        let counts = &self.shared.classes[class as usize];
        // The accepts first, so that there are never more of them than calls.
        let accepts = counts.sum(tag, ACCEPTS);
        let calls = counts.sum(tag, CALLS);
        if calls < self.least {
            return 0.0;
        }
        ((f64::from(calls) - self.k * f64::from(accepts)) / (f64::from(calls) + 1.0)).max(0.0)
    }

    /// Returns how many requests were rejected.
    #[must_use]
    pub fn rejected(&self) -> u64 {
        self.shared.rejected.iter().map(|rejected| rejected.load(Ordering::Relaxed)).sum()
    }

    pub(crate) fn admit(&self, class: Criticality) -> Result<Pass, Throttled> {
        let probability = self.probability(class);
        if probability > 0.0 && self.draw() < probability {
            self.shared.classes[class as usize].add(self.tag(), CALLS);
            self.shared.rejected[class as usize].fetch_add(1, Ordering::Relaxed);
            return Err(Throttled(()));
        }
        Ok(Pass { throttle: self.clone(), class, is_inside: false })
    }

    /// A number from 0 to 1.
    fn draw(&self) -> f64 {
        // A generator for each draw, so that threads share a word and no lock.
        let seed = self.shared.seeds.fetch_add(1, Ordering::Relaxed);
        fastrand::Rng::with_seed(seed).f64()
    }

    #[expect(clippy::cast_possible_truncation, reason = "names may be used again")]
    fn tag(&self) -> u32 {
        let nanos = Instant::now().saturating_duration_since(self.shared.began).as_nanos();
        // No bucket is of the time before the first.
        ((nanos / u128::from(self.width)) as u32).wrapping_add(Buckets::<2>::COUNT)
    }
}

impl Inspect for Throttle {
    fn inspect(&self, inspector: &mut dyn Inspector) {
        for class in Criticality::ALL {
            let labels = [("throttle", self.name()), ("criticality", class.name())];
            inspector.counter(
                "throttle_rejected_total",
                "Requests that were rejected, for the service refuses too many.",
                &labels,
                self.shared.rejected[class as usize].load(Ordering::Relaxed),
            );
            inspector.gauge(
                "throttle_probability",
                "The probability by which a request is rejected now.",
                &labels,
                self.probability(class),
            );
        }
    }
}

impl fmt::Debug for Throttle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { k, least, .. } = self;
        f.debug_struct("Throttle")
            .field("name", &self.name())
            .field("k", k)
            .field("min_calls", least)
            .finish_non_exhaustive()
    }
}

// ===== impl Shared =====

impl Shared {
    fn new(name: Cow<'static, str>, seed: u64) -> Self {
        Self {
            name,
            began: Instant::now(),
            classes: std::array::from_fn(|_| Buckets::new()),
            rejected: std::array::from_fn(|_| AtomicU64::new(0)),
            seeds: AtomicU64::new(seed),
        }
    }
}

// ===== impl Pass =====

impl Pass {
    #[inline]
    pub(crate) fn during<T>(&mut self, ask: impl FnOnce() -> T) -> T {
        self.is_inside = true;
        let answer = ask();
        self.is_inside = false;
        answer
    }

    fn record(&self, judgement: Judgement) {
        let accepted = match judgement {
            Judgement::Success => true,
            Judgement::Nothing => return,
            _ => false,
        };
        let counts = &self.throttle.shared.classes[self.class as usize];
        let tag = self.throttle.tag();
        counts.add(tag, CALLS);
        if accepted {
            counts.add(tag, ACCEPTS);
        }
    }
}

impl Settle for Pass {
    fn settle(self, judgement: Judgement) {
        self.record(judgement);
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if self.is_inside {
            self.record(Judgement::of(true));
        }
    }
}
