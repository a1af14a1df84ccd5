//! Which failures are tried again, and when: OTLP's specification, "Failures", "OTLP/gRPC
//! Throttling" and "OTLP/HTTP Throttling".

use super::{Failed, grpc};
use crate::otel::web::PostError;
use http::StatusCode;
use std::time::Duration;
use tonic::{Code, Status};
use tonic_types::StatusExt;

/// The pauses between tries. Their numbers are those of OpenTelemetry's SDK for Java
/// (`RetryPolicy`), the spread that of gRPC's retries (proposal A6): the specification
/// has none, but that they grow and that chance has a part in them.
#[derive(Debug, Clone)]
pub(super) struct Retry {
    pub(super) tries: u32,
    pub(super) random: fastrand::Rng,
}

/// The tries of one batch.
#[derive(Debug)]
pub(super) struct Pauses<'a> {
    left: u32,
    next: Duration,
    random: &'a mut fastrand::Rng,
}

impl Retry {
    const TRIES: u32 = 5;
    const FIRST: Duration = Duration::from_secs(1);
    const LONGEST: Duration = Duration::from_secs(5);
    const GROWTH: f64 = 1.5;

    pub(super) fn new() -> Self {
        Self { tries: Self::TRIES, random: fastrand::Rng::new() }
    }

    pub(super) const fn pauses(&mut self) -> Pauses<'_> {
        let left = self.tries.saturating_sub(1);
        Pauses { left, next: Self::FIRST, random: &mut self.random }
    }
}

impl Pauses<'_> {
    /// How long to wait before the next try, if there is one after `failed`: not less
    /// than the collector asks for.
    pub(super) fn after(&mut self, failed: &Failed) -> Option<Duration> {
        let asked = failed.again()?;
        self.left = self.left.checked_sub(1)?;
        let pause = self.next.mul_f64(0.8 + 0.4 * self.random.f64());
        self.next = self.next.mul_f64(Retry::GROWTH).min(Retry::LONGEST);
        Some(pause.max(asked))
    }
}

impl Failed {
    /// After how long it may be tried again, by what the collector says; `None` if never.
    fn again(&self) -> Option<Duration> {
        match self {
            Self::Late => None,
            Self::Grpc(status) => of_status(status),
            // There is no connection, or it broke off: that is no answer.
            Self::Http(PostError::Unreachable(_)) => Some(Duration::ZERO),
            Self::Http(PostError::Answered(status, asked)) => matches!(
                *status,
                StatusCode::TOO_MANY_REQUESTS
                    | StatusCode::BAD_GATEWAY
                    | StatusCode::SERVICE_UNAVAILABLE
                    | StatusCode::GATEWAY_TIMEOUT
            )
            .then(|| asked.unwrap_or_default()),
        }
    }
}

fn of_status(status: &Status) -> Option<Duration> {
    let asked = status.get_details_retry_info().map(|info| info.retry_delay.unwrap_or_default());
    match status.code() {
        // Only who says when, will have room then.
        Code::ResourceExhausted => asked,
        Code::Cancelled
        | Code::DeadlineExceeded
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unavailable
        | Code::DataLoss => Some(asked.unwrap_or_default()),
        _ => grpc::is_broken(status).then_some(Duration::ZERO),
    }
}
