use crate::{Tally, window::RING_MOST};
use std::time::Duration;

/// When a circuit opens, for how long, and what must be shown to close it.
///
/// By default five consecutive failures open it (Envoy's and Finagle's number);
/// rates are off. It stays open for a second, and twice as long after each probe
/// that fails, up to a minute, each time up to half longer at random (linkerd's
/// backoff); one probe that succeeds closes it.
///
/// ```
/// use kit_breaker::{Limits, Probes, Window};
/// use std::time::Duration;
///
/// let limits = Limits::default()
///     .failures(7)
///     .failure_rate(0.5)
///     .slow_calls(Duration::from_secs(2), 0.8)
///     .window(Window::Time(Duration::from_secs(30)))
///     .min_calls(20)
///     .cooldown(Duration::from_secs(5), Duration::from_mins(5))
///     .probes(Probes::all(3));
/// # let _ = limits;
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    failures: u32,
    failure_rate: f64,
    slow: Option<Duration>,
    slow_rate: f64,
    window: Window,
    min_calls: u32,
    cooldown: Duration,
    most: Duration,
    factor: f64,
    jitter: f64,
    hint: Duration,
    probes: Probes,
    patience: Duration,
}

/// The calls that a rate is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// The last so many, from 1 to 32,768: four bytes each.
    Calls(u32),
    /// Those of so long, in ten buckets of at least 10 ms each: a call is counted
    /// for nine to ten tenths of it. It costs one reading of the clock a call.
    Time(Duration),
}

/// How many calls a half-open circuit lets through, and what they must show.
///
/// A probe that finds the service overloaded (429) fails, as linkerd's strict
/// probes do; a slow one fails where slow calls count. One that shows nothing
/// (dropped, or refused further inside) gives its place back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probes {
    calls: u32,
    all: bool,
}

/// The least width of a bucket: linkerd's.
const BUCKET: Duration = Duration::from_millis(10);

// ===== impl Limits =====

impl Limits {
    /// Returns what Hystrix does by default: half or more of at least 20 calls failed
    /// within 10 s; open for 5 s, whatever the service asks for; one probe. (It
    /// counts time-outs of its own, of 1 s: put a deadline inside.)
    #[must_use]
    pub fn hystrix() -> Self {
        let open = Duration::from_secs(5);
        Self::default()
            .failures(0)
            .failure_rate(0.5)
            .window(Window::Time(Duration::from_secs(10)))
            .min_calls(20)
            .cooldown(open, open)
            .jitter(0.0)
            .retry_after(Duration::ZERO)
    }

    /// Returns what gobreaker does by default, and with it Go kit: more than five
    /// consecutive failures; open for a minute, whatever the service asks for; one
    /// probe.
    #[must_use]
    pub fn gobreaker() -> Self {
        let open = Duration::from_mins(1);
        let limits = Self::default().failures(6).cooldown(open, open);
        limits.jitter(0.0).retry_after(Duration::ZERO)
    }

    /// Opens after so many failures in a row; 0 is never. 5 by default.
    #[must_use]
    pub const fn failures(mut self, failures: u32) -> Self {
        self.failures = failures;
        self
    }

    /// Opens when this part of the window's calls failed, or more: 0.5 is half of
    /// them. Calls that found the service overloaded count as failed here. Off by
    /// default, and at 0 or what is no number; above 1 is 1.
    #[must_use]
    pub const fn failure_rate(mut self, rate: f64) -> Self {
        self.failure_rate = if rate > 0.0 { rate.min(1.0) } else { 0.0 };
        self
    }

    /// Opens when this part of the window's calls, or more, took `slow` or
    /// longer, well or not; a reply that is judged when its stream ends takes until
    /// then. Off by default, and at a rate of 0 or of what is no
    /// number; above 1 is 1. It costs two readings of the clock a call.
    #[must_use]
    pub const fn slow_calls(mut self, slow: Duration, rate: f64) -> Self {
        self.slow = if rate > 0.0 { Some(slow) } else { None };
        self.slow_rate = rate.min(1.0);
        self
    }

    /// Takes the rates of these calls. The last 100 by default.
    #[must_use]
    pub const fn window(mut self, window: Window) -> Self {
        self.window = window;
        self
    }

    /// Takes no rate of fewer calls; 0 is 1. 20 by default. More than the window
    /// holds is as many as it holds.
    #[must_use]
    pub const fn min_calls(mut self, calls: u32) -> Self {
        self.min_calls = calls;
        self
    }

    /// Stays open for `first`, twice as long each time that a probe fails, up to
    /// `most` (or `first`, if that is longer); the [jitter](Self::jitter) comes on
    /// top. From a second to a minute by default.
    #[must_use]
    pub const fn cooldown(mut self, first: Duration, most: Duration) -> Self {
        self.cooldown = first;
        self.most = most;
        self
    }

    /// Stays open so many times as long each time that a probe fails; below 1 is
    /// 1. Twice by default.
    #[must_use]
    pub const fn factor(mut self, factor: f64) -> Self {
        self.factor = factor.max(1.0);
        self
    }

    /// Stays open for up to this part longer, at random, so that many callers do
    /// not come back at once; 0 and what is no number is never. 0.5 by default.
    #[must_use]
    pub const fn jitter(mut self, jitter: f64) -> Self {
        self.jitter = jitter.max(0.0);
        self
    }

    /// Stays open for as long as the service asks for with the failure that opens
    /// it (`Retry-After`), if that is longer, but no longer than this. 300 s by
    /// default, as in linkerd; zero does not listen.
    #[must_use]
    pub const fn retry_after(mut self, most: Duration) -> Self {
        self.hint = most;
        self
    }

    /// Lets these calls through when it was open for long enough. One by default.
    #[must_use]
    pub const fn probes(mut self, probes: Probes) -> Self {
        self.probes = probes;
        self
    }

    /// Takes probes for failed that have no result after so long, so that none
    /// can hold the circuit half-open for ever. A minute by default; zero waits for
    /// ever. Where replies are streams that are judged when they end, it must be
    /// longer than a stream lasts.
    #[must_use]
    pub const fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// The failures in a row that open it, if they may.
    pub(crate) const fn consecutive(&self) -> Option<u32> {
        match self.failures {
            0 => None,
            failures if failures > crate::gate::MOST => Some(crate::gate::MOST),
            failures => Some(failures),
        }
    }

    /// How long a call may take, if that counts.
    pub(crate) const fn slow(&self) -> Option<Duration> {
        self.slow
    }

    pub(crate) fn window_of_rates(&self) -> Option<Window> {
        (self.failure_rate > 0.0 || self.slow.is_some()).then_some(self.window)
    }

    /// The width of a bucket, in nanoseconds.
    pub(crate) fn bucket(&self) -> u64 {
        let Window::Time(time) = self.window else { return u64::MAX };
        let width = (time / crate::window::Buckets::<3>::COUNT).max(BUCKET);
        u64::try_from(width.as_nanos()).unwrap_or(u64::MAX)
    }

    fn has_calls(&self, tally: Tally) -> bool {
        let least = match self.window {
            Window::Calls(calls) => self.min_calls.min(calls.clamp(1, RING_MOST)),
            Window::Time(_) => self.min_calls,
        };
        tally.calls >= least.max(1)
    }

    pub(crate) fn is_failing(&self, tally: Tally) -> bool {
        self.failure_rate > 0.0
            && self.has_calls(tally)
            && tally.failure_rate() >= self.failure_rate
    }

    pub(crate) fn is_slow(&self, tally: Tally) -> bool {
        self.slow.is_some() && self.has_calls(tally) && tally.slow_rate() >= self.slow_rate
    }

    /// How long it stays open when it opens for the so manieth time in a row,
    /// from zero, by the luck of a number from 0 to 1.
    pub(crate) fn open_for(&self, times: u32, luck: f64, hint: Option<Duration>) -> Duration {
        let most = self.most.max(self.cooldown);
        let grown = self.factor.powi(i32::try_from(times).unwrap_or(i32::MAX));
        let base = scaled(self.cooldown, grown).min(most);
        let open = scaled(base, 1.0 + self.jitter * luck);
        open.max(hint.unwrap_or_default().min(self.hint))
    }

    pub(crate) const fn probing(&self) -> Probes {
        self.probes
    }

    /// Says whether probes that left so long ago are lost.
    pub(crate) fn is_lost(&self, ago: Duration) -> bool {
        !self.patience.is_zero() && ago >= self.patience
    }

    pub(crate) const fn first_cooldown(&self) -> Duration {
        self.cooldown
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            failures: 5,
            failure_rate: 0.0,
            slow: None,
            slow_rate: 0.0,
            window: Window::Calls(100),
            min_calls: 20,
            cooldown: Duration::from_secs(1),
            most: Duration::from_mins(1),
            factor: 2.0,
            jitter: 0.5,
            hint: Duration::from_mins(5),
            probes: Probes::all(1),
            patience: Duration::from_mins(1),
        }
    }
}

/// So many times as long; what is too long to say is for ever.
fn scaled(duration: Duration, factor: f64) -> Duration {
    if duration.is_zero() {
        return duration;
    }
    Duration::try_from_secs_f64(duration.as_secs_f64() * factor).unwrap_or(Duration::MAX)
}

// ===== impl Probes =====

impl Probes {
    /// So many, all of which must succeed; the first that fails opens the circuit
    /// again. 0 is 1. (linkerd, Polly and Hystrix: 1; gobreaker's `MaxRequests`.)
    #[must_use]
    pub const fn all(calls: u32) -> Self {
        Self { calls: if calls == 0 { 1 } else { calls }, all: true }
    }

    /// So many, judged together when all of them are over, by the limits' own
    /// rates (resilience4j: 10); without rates, one failure is too many. 0 is 1.
    #[must_use]
    pub const fn rated(calls: u32) -> Self {
        Self { calls: if calls == 0 { 1 } else { calls }, all: false }
    }

    pub(crate) const fn calls(self) -> u32 {
        self.calls
    }

    /// Says what the probes have shown so far; nothing until it is enough.
    pub(crate) fn verdict(self, limits: &Limits, shown: Tally) -> Option<bool> {
        // Fewer probes than calls that a rate is asked of: all there are.
        let limits = limits.min_calls(limits.min_calls.min(self.calls));
        let is_slow = limits.slow.is_some();
        if self.all || limits.window_of_rates().is_none() {
            if shown.failures > 0 || (is_slow && shown.slow > 0) {
                return Some(false);
            }
            return (shown.calls >= self.calls).then_some(true);
        }
        if shown.calls < self.calls {
            return None;
        }
        let failing =
            if limits.failure_rate > 0.0 { limits.is_failing(shown) } else { shown.failures > 0 };
        Some(!failing && !limits.is_slow(shown))
    }
}
