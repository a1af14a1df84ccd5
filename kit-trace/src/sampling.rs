//! Which traces are recorded.

use crate::{TraceContext, TraceId};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use tokio::time::Instant;

/// Which traces are recorded.
///
/// A trace is decided once, where it begins; who is called goes by the flag that came
/// (`parentbased` in OpenTelemetry), unless [`whatever_the_parent`](Self::whatever_the_parent)
/// is said. A clone shares the rate of [`per_second`](Self::per_second).
///
/// Give the same to the layer ([`ServerSpanLayer::sampling`](crate::ServerSpanLayer::sampling)),
/// which then opens no span for what is not recorded, and to the
#[cfg_attr(
    feature = "otel",
    doc = "[`Pipeline`](crate::otel::Pipeline::sampling), which decides for spans that no layer opened."
)]
#[cfg_attr(
    not(feature = "otel"),
    doc = "pipeline of the feature `otel`, which decides for spans that no layer opened."
)]
#[derive(Debug, Clone)]
pub struct Sampling {
    root: Root,
    by_parent: bool,
}

#[derive(Debug, Clone)]
enum Root {
    Share(f64),
    Rate(Arc<Bucket>),
}

/// So many in a second, as a token bucket that one atomic keeps (GCRA).
#[derive(Debug)]
struct Bucket {
    begun: Instant,
    /// Between two, in nanoseconds.
    interval: u64,
    /// How far ahead of time the bucket may be: its size.
    ahead: u64,
    /// When it is empty again, since `begun`.
    next: AtomicU64,
}

// ===== impl Sampling =====

impl Sampling {
    /// Records every trace.
    #[must_use]
    pub const fn always() -> Self {
        Self::ratio(1.0)
    }

    /// Records none but those that a caller records.
    #[must_use]
    pub const fn never() -> Self {
        Self::ratio(0.0)
    }

    /// Records this share of traces, from 0 to 1, by their ids: services that sample
    /// more record what those do that sample less, and the same as other SDKs of
    /// OpenTelemetry do (`TraceIdRatioBased`, of the id's last 8 bytes, which are random
    /// where the flag says so).
    #[must_use]
    pub const fn ratio(share: f64) -> Self {
        Self { root: Root::Share(share), by_parent: true }
    }

    /// Records at most `count` traces a second, and that many at once.
    ///
    /// # Panics
    ///
    /// If `count` is 0: that is [`never`](Self::never).
    #[must_use]
    pub fn per_second(count: u32) -> Self {
        assert!(count > 0, "a rate of no traces");
        let interval = 1_000_000_000 / u64::from(count);
        let ahead = interval * u64::from(count - 1);
        let bucket = Bucket { begun: Instant::now(), interval, ahead, next: AtomicU64::new(0) };
        Self { root: Root::Rate(Arc::new(bucket)), by_parent: true }
    }

    /// Decides here, whatever a caller decided.
    #[must_use]
    pub const fn whatever_the_parent(mut self) -> Self {
        self.by_parent = false;
        self
    }

    /// Decides whether a call is recorded that belongs to the trace of `id`, below
    /// `parent` if there is one. Of a rate it takes one.
    #[must_use]
    pub fn samples(&self, parent: Option<&TraceContext>, id: TraceId) -> bool {
        self.decide(parent.map(TraceContext::sampled), id.to_bytes())
    }

    pub(crate) fn decide(&self, parent: Option<bool>, id: [u8; 16]) -> bool {
        match (parent, &self.root) {
            (Some(sampled), _) if self.by_parent => sampled,
            (_, Root::Rate(bucket)) => bucket.takes(),
            (_, Root::Share(share)) => is_of_share(*share, id),
        }
    }
}

/// The bound is OpenTelemetry's, in its precision: of 63 bits.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a cast of a float saturates, and of the id the last bytes are meant"
)]
fn is_of_share(share: f64, id: [u8; 16]) -> bool {
    let below = (share * (1_u64 << 63) as f64) as u64;
    u128::from_be_bytes(id) as u64 >> 1 < below
}

// ===== impl Bucket =====

impl Bucket {
    fn takes(&self) -> bool {
        // In 500 years it is full for good.
        let now = u64::try_from(self.begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let taken = self.next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |next| {
            let fits = next <= now.saturating_add(self.ahead);
            fits.then(|| next.max(now).saturating_add(self.interval))
        });
        taken.is_ok()
    }
}
