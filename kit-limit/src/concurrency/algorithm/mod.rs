//! How a limit is found.

mod aimd;
mod fixed;
mod gradient2;

pub use self::{aimd::Aimd, fixed::Fixed, gradient2::Gradient2};
use super::error::part;
use std::time::Duration;

/// Finds a limit from what calls show.
///
/// A limiter asks one call at a time, behind a lock that nobody waits for, so an
/// algorithm is plain arithmetic and keeps its own state.
///
/// ```
/// use kit_limit::concurrency::{Algorithm, Limiter, Sample};
///
/// /// Twice as many as there were, never more than a hundred.
/// struct Doubling;
///
/// impl Algorithm for Doubling {
///     fn limit(&self) -> usize {
///         10
///     }
///
///     fn update(&mut self, sample: &Sample) -> usize {
///         (sample.in_flight * 2).clamp(1, 100)
///     }
/// }
///
/// assert_eq!(Limiter::new("api", Doubling).limit(), 10);
/// ```
pub trait Algorithm: Send + 'static {
    /// Returns the limit to begin with.
    fn limit(&self) -> usize;

    /// Learns from `sample`; returns the limit from now on.
    fn update(&mut self, sample: &Sample) -> usize;

    /// Says what it wants to hear of. By default each call.
    fn sampling(&self) -> Sampling {
        Sampling::Each
    }
}

/// What calls have shown: one, or those of a window.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Sample {
    /// How long a call took; of a window the mean.
    pub rtt: Duration,
    /// How many calls were in flight when it began, itself among them; of a
    /// window the most.
    pub in_flight: usize,
    /// Whether it was dropped: it failed, or the service had too much to do; of
    /// a window, whether one was.
    pub dropped: bool,
    /// How many calls it stands for.
    pub calls: u32,
}

/// Of what an algorithm hears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sampling {
    /// Of nothing: then no clock is read either.
    Nothing,
    /// Of each call; of several at once when they end at once.
    Each,
    /// Of all calls in a time, once.
    Window {
        /// How long at least.
        length: Duration,
        /// Of how many calls at least: until then the window goes on.
        calls: u32,
    },
}

// ===== impl Sample =====

impl Sample {
    /// Returns the sample of one call.
    #[must_use]
    pub const fn new(rtt: Duration, in_flight: usize) -> Self {
        Self { rtt, in_flight, dropped: false, calls: 1 }
    }

    /// Says that the call was dropped.
    #[must_use]
    pub const fn dropped(mut self) -> Self {
        self.dropped = true;
        self
    }
}

/// The bounds of a limit.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    initial: usize,
    min: usize,
    max: usize,
}

// ===== impl Bounds =====

impl Bounds {
    /// Netflix's, for AIMD and Gradient2 alike.
    const DEFAULT: Self = Self { initial: 20, min: 20, max: 200 };

    fn initial(self) -> usize {
        self.of(self.initial)
    }

    /// Returns what is nearest to `limit`. A limit of 0 would let nothing in that
    /// could raise it.
    fn of(self, limit: usize) -> usize {
        // No higher than what is let in at all, or it would have to come down to that
        // before anything changes.
        let most = super::gate::MOST;
        let min = self.min.clamp(1, most);
        limit.clamp(min, self.max.clamp(min, most))
    }
}
