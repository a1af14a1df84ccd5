//! Answer something else when a service fails.
//!
//! A [`FallbackLayer`] asks a function for a reply where the service's own is no
//! success: an old price from a cache, an empty list, another service's answer.
//! How often it did is counted, for a fallback that nobody sees hides an outage.
//!
//! ```
//! use kit_breaker::{AnyError, BreakerLayer, FallbackLayer, Limits};
//! use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let fallback = FallbackLayer::new("price", |_: Result<u32, BoxError>| async { Ok(42) });
//! let uses = fallback.uses();
//! let price = ServiceBuilder::new()
//!     .layer(fallback.classify(AnyError))
//!     .layer(BreakerLayer::new(Limits::default()).classify(AnyError))
//!     .service(service_fn(|()| async { Err::<u32, BoxError>("connection refused".into()) }));
//! assert_eq!(price.oneshot(()).await.unwrap(), 42);
//! assert_eq!(uses.used(), 1);
//! # }
//! ```
//!
//! A fallback that has to know the request keeps a part of it:
//! [`FallbackLayer::keeping`].
//!
//! # Where it goes
//!
//! Outside of what refuses and of retries, and inside of metrics only if these
//! shall not see the failures. It answers whatever is no
//! [success](kit_endpoint::Judgement::Success): also a refusal, and a call that
//! was cancelled further inside. What the caller dropped it does not answer.
//!
//! # Readiness
//!
//! It is ready when the inner service is. An error of readiness is passed on: there
//! is no request yet that could be answered.

pub(crate) mod future;
mod layer;
mod service;

pub use self::{
    layer::FallbackLayer,
    service::{Always, Answer, Fallback, Keeping, Kept, Prepare},
};
use kit_endpoint::{Inspect, Inspector};
use std::{
    borrow::Cow,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// How often a fallback was used. Clones are the same.
#[derive(Debug, Clone)]
pub struct Uses {
    shared: Arc<Counts>,
}

#[derive(Debug)]
struct Counts {
    name: Cow<'static, str>,
    used: AtomicU64,
    failed: AtomicU64,
}

// ===== impl Uses =====

impl Uses {
    pub(crate) fn new(name: Cow<'static, str>) -> Self {
        let (used, failed) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { shared: Arc::new(Counts { name, used, failed }) }
    }

    /// Returns how often the fallback was asked.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.shared.used.load(Ordering::Relaxed)
    }

    /// Returns how often it failed, too.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.shared.failed.load(Ordering::Relaxed)
    }

    pub(crate) fn count(&self) {
        self.shared.used.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_failure(&self) {
        self.shared.failed.fetch_add(1, Ordering::Relaxed);
    }
}

impl Inspect for Uses {
    fn inspect(&self, inspector: &mut dyn Inspector) {
        let labels = [("fallback", &*self.shared.name)];
        inspector.counter(
            "fallback_used_total",
            "Calls that the fallback answered, or tried to.",
            &labels,
            self.used(),
        );
        inspector.counter(
            "fallback_failed_total",
            "Calls that the fallback could not answer either.",
            &labels,
            self.failed(),
        );
    }
}
