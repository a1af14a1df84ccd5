use kit_endpoint::{Fault, Kind};

/// Says whether an attempt that failed may be made again, elsewhere.
///
/// It is implemented for functions of the request and the error; ready-made
/// are [`OnlyRefused`] and [`Idempotent`].
pub trait Retryable<Req, E>: Clone {
    /// Says whether `request`, which failed with `error`, may be tried again.
    fn is_retryable(&self, request: &Req, error: &E) -> bool;
}

/// Tries again what provably did not run ([`Fault::refused`]) because the
/// instance could not, or would not for now: a circuit that is open, a limit
/// that is reached, a connection that was not made. Safe for every call.
#[derive(Debug, Clone, Copy, Default)]
pub struct OnlyRefused;

/// Tries again also what may have run, if the kind is
/// [`Unavailable`](Kind::Unavailable). For calls that do no harm when they are
/// made twice.
#[derive(Debug, Clone, Copy, Default)]
pub struct Idempotent;

impl<Req, E: Fault> Retryable<Req, E> for OnlyRefused {
    fn is_retryable(&self, _: &Req, error: &E) -> bool {
        error.refused() && matches!(error.kind(), Kind::Unavailable | Kind::ResourceExhausted)
    }
}

impl<Req, E: Fault> Retryable<Req, E> for Idempotent {
    fn is_retryable(&self, request: &Req, error: &E) -> bool {
        error.kind() == Kind::Unavailable || OnlyRefused.is_retryable(request, error)
    }
}

impl<F, Req, E> Retryable<Req, E> for F
where
    F: Fn(&Req, &E) -> bool + Clone,
{
    fn is_retryable(&self, request: &Req, error: &E) -> bool {
        self(request, error)
    }
}
