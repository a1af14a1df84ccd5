use crate::{Fault, Kind, refuse::Refused};
use http::{HeaderMap, StatusCode, header};
use std::time::Duration;

/// What a result shows of a service.
///
/// Success and failure are not all: a refusal by a layer before anything ran,
/// or a call taken back, shows nothing; and a service that has too much to do
/// is not one that is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Judgement {
    /// The service did what it is there for; a mistake of its caller included.
    Success,
    /// The service failed.
    Failure {
        /// How long it asks to be left alone, if it says so.
        retry_after: Option<Duration>,
    },
    /// The service answered that it has too much to do: 429,
    /// `RESOURCE_EXHAUSTED`. What that counts as depends on who asks: it is no
    /// failure in a row for a breaker, and no proof of health either.
    Overloaded {
        /// How long it asks to be left alone, if it says so.
        retry_after: Option<Duration>,
    },
    /// Nothing: nothing ran, or nobody waited for the end.
    Nothing,
}

/// Judges a result: does it count against the service?
///
/// Breakers, metrics and balancers must agree on this, so they share the
/// trait. It is implemented for functions of the result; ready-made are
/// [`ServerFaults`], [`AnyError`], [`HttpStatus`] and [`GrpcStatus`].
pub trait Classify<T, E>: Clone {
    /// Says whether `result` is a failure of the service.
    fn is_failure(&self, result: Result<&T, &E>) -> bool;

    /// Says what `result` shows of the service, in more words: by default
    /// success or failure, as [`is_failure`](Self::is_failure) says.
    fn judge(&self, result: Result<&T, &E>) -> Judgement {
        Judgement::of(self.is_failure(result))
    }
}

/// Judges the end of a reply that is a stream, or has a body.
///
/// A [`Classify`] judges the reply when it begins; this judges how it went on.
/// Layers ask for it only where they were told to wait for the end.
pub trait ClassifyEnd<E>: Clone {
    /// Says whether a reply that ended in `end` was a failure of the service.
    /// The trailers are those of an HTTP body.
    fn is_failed_end(&self, end: Result<Option<&HeaderMap>, &E>) -> bool;

    /// Says what such a reply shows of the service, in more words: by default
    /// success or failure, as [`is_failed_end`](Self::is_failed_end) says.
    fn judge_end(&self, end: Result<Option<&HeaderMap>, &E>) -> Judgement {
        Judgement::of(self.is_failed_end(end))
    }
}

impl<F, T, E> Classify<T, E> for F
where
    F: Fn(Result<&T, &E>) -> bool + Clone,
{
    fn is_failure(&self, result: Result<&T, &E>) -> bool {
        self(result)
    }
}

/// Counts a [`Fault`] of the service, not of its caller, nor a refusal.
#[derive(Debug, Clone, Copy, Default)]
pub struct ServerFaults;

impl<T, E: Fault> Classify<T, E> for ServerFaults {
    fn is_failure(&self, result: Result<&T, &E>) -> bool {
        result.is_err_and(|fault| fault.kind().is_server() && !fault.refused())
    }

    fn judge(&self, result: Result<&T, &E>) -> Judgement {
        let Err(fault) = result else { return Judgement::Success };
        if fault.refused() {
            return Judgement::Nothing;
        }
        Judgement::of_kind(fault.kind(), fault.retry_after())
    }
}

impl<E: Fault> ClassifyEnd<E> for ServerFaults {
    fn is_failed_end(&self, end: Result<Option<&HeaderMap>, &E>) -> bool {
        self.is_failure(end.as_ref().map_err(|fault| *fault))
    }

    fn judge_end(&self, end: Result<Option<&HeaderMap>, &E>) -> Judgement {
        self.judge(end.as_ref().map_err(|fault| *fault))
    }
}

/// Counts every error: for services whose errors say nothing more.
#[derive(Debug, Clone, Copy, Default)]
pub struct AnyError;

impl<T, E> Classify<T, E> for AnyError {
    fn is_failure(&self, result: Result<&T, &E>) -> bool {
        result.is_err()
    }
}

impl<E> ClassifyEnd<E> for AnyError {
    fn is_failed_end(&self, end: Result<Option<&HeaderMap>, &E>) -> bool {
        end.is_err()
    }
}

/// Counts errors and 5xx replies: for HTTP services of any kind; not those by which a
/// layer further inside refused, with [`AsHttp`](crate::AsHttp). 429 is
/// [`Judgement::Overloaded`]; how long to wait is read from `Retry-After` if it
/// is in seconds (a date is as if there were none: the clocks may differ).
#[derive(Debug, Clone, Copy, Default)]
pub struct HttpStatus;

impl<B, E> Classify<http::Response<B>, E> for HttpStatus {
    fn is_failure(&self, result: Result<&http::Response<B>, &E>) -> bool {
        self.judge(result).is_failure()
    }

    fn judge(&self, result: Result<&http::Response<B>, &E>) -> Judgement {
        let Ok(response) = result else { return Judgement::of(true) };
        match response.status() {
            _ if is_refused(response) => Judgement::Nothing,
            StatusCode::TOO_MANY_REQUESTS => {
                Judgement::Overloaded { retry_after: retry_after(response.headers()) }
            }
            status if status.is_server_error() => {
                Judgement::Failure { retry_after: retry_after(response.headers()) }
            }
            _ => Judgement::Success,
        }
    }
}

impl<E> ClassifyEnd<E> for HttpStatus {
    fn is_failed_end(&self, end: Result<Option<&HeaderMap>, &E>) -> bool {
        end.is_err()
    }
}

/// Counts errors and gRPC statuses that are the service's fault
/// ([`Kind::is_server`]), over bare `http::Response`s: tonic's clients, its
/// servers, and whatever else speaks gRPC.
///
/// The status stands in the headers only where there is no message; else it
/// comes in the trailers. So tell the layer to wait for the end of the body,
/// or it takes every reply with a message for a success.
///
/// How long to wait is read from `grpc-retry-pushback-ms` (gRFC A6), beside the
/// status; details in protobuf are not read.
#[derive(Debug, Clone, Copy, Default)]
pub struct GrpcStatus;

impl<B, E> Classify<http::Response<B>, E> for GrpcStatus {
    fn is_failure(&self, result: Result<&http::Response<B>, &E>) -> bool {
        self.judge(result).is_failure()
    }

    fn judge(&self, result: Result<&http::Response<B>, &E>) -> Judgement {
        let Ok(response) = result else { return Judgement::of(true) };
        let headers = response.headers();
        match Kind::from_grpc_status(headers) {
            _ if is_refused(response) => Judgement::Nothing,
            Some(Ok(())) => Judgement::Success,
            Some(Err(kind)) => Judgement::of_kind(kind, pushback(headers)),
            None if response.status().is_success() => Judgement::Success,
            None => {
                let kind = Kind::from_http_status_of_grpc(response.status());
                Judgement::of_kind(kind, retry_after(headers))
            }
        }
    }
}

impl<E> ClassifyEnd<E> for GrpcStatus {
    fn is_failed_end(&self, end: Result<Option<&HeaderMap>, &E>) -> bool {
        match end {
            // Without trailers the headers had the status, and were judged
            // when the reply began; a reply that is cut ends in an error.
            Ok(trailers) => trailers.is_some_and(|trailers| {
                Kind::from_grpc_status(trailers)
                    .is_none_or(|status| status.is_err_and(Kind::is_server))
            }),
            Err(_) => true,
        }
    }

    fn judge_end(&self, end: Result<Option<&HeaderMap>, &E>) -> Judgement {
        match end {
            Ok(None) => Judgement::Success,
            Ok(Some(trailers)) => match Kind::from_grpc_status(trailers) {
                Some(Ok(())) => Judgement::Success,
                Some(Err(kind)) => Judgement::of_kind(kind, pushback(trailers)),
                None => Judgement::of(true),
            },
            Err(_) => Judgement::of(true),
        }
    }
}

/// A layer further inside refused it, and said so by
/// [`AsHttp`](crate::AsHttp) or [`AsGrpc`](crate::AsGrpc).
pub(crate) fn is_refused<B>(response: &http::Response<B>) -> bool {
    response.extensions().get::<Refused>().is_some()
}

/// `Retry-After` in seconds (RFC 9110, section 10.2.3).
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?;
    // `parse` would take a sign.
    let is_number = !seconds.is_empty() && seconds.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| Duration::from_secs(seconds.parse().unwrap_or(u64::MAX)))
}

/// `grpc-retry-pushback-ms`; a negative one says not to try again, and not when
/// the service is well.
fn pushback(headers: &HeaderMap) -> Option<Duration> {
    let millis = headers.get("grpc-retry-pushback-ms")?.to_str().ok()?;
    let is_number = !millis.is_empty() && millis.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| Duration::from_millis(millis.parse().unwrap_or(u64::MAX)))
}

// ===== impl Judgement =====

impl Judgement {
    /// Returns success, or a failure of which nothing more is known.
    #[must_use]
    pub const fn of(failed: bool) -> Self {
        if failed { Self::Failure { retry_after: None } } else { Self::Success }
    }

    /// Returns what a failure of `kind`, that ran, shows of the service: a
    /// failure if it is the [service's](Kind::is_server), overload if it is
    /// [`Kind::ResourceExhausted`], nothing if it was cancelled, else a success.
    #[must_use]
    pub const fn of_kind(kind: Kind, retry_after: Option<Duration>) -> Self {
        match kind {
            Kind::ResourceExhausted => Self::Overloaded { retry_after },
            Kind::Cancelled => Self::Nothing,
            kind if kind.is_server() => Self::Failure { retry_after },
            _ => Self::Success,
        }
    }

    /// Says whether it is a failure of the service.
    #[must_use]
    pub const fn is_failure(self) -> bool {
        matches!(self, Self::Failure { .. })
    }

    /// Returns how long the service asks to be left alone.
    #[must_use]
    pub const fn retry_after(self) -> Option<Duration> {
        match self {
            Self::Failure { retry_after } | Self::Overloaded { retry_after } => retry_after,
            Self::Success | Self::Nothing => None,
        }
    }
}
